//! Documents that compile, and what they come to. Those that do not are beside this file.

mod hostile;
mod refused;

use std::sync::Arc;

use serde_json::json;

use super::compile;
use crate::connector::{ActionManifest, Catalog, FnConnector, Outcome};
use crate::document::{Format, Issue, parse};
use crate::pipeline::{Pipeline, StepKind};

fn catalog() -> Catalog {
    let post = ActionManifest {
        input_schema: json!({
            "type": "object",
            "properties": {
                "channel": {"type": "string"},
                "text": {"type": "string"},
                "count": {"type": "integer", "minimum": 1},
                "tags": {"type": "array", "items": {"type": "string"}},
                "to": {"oneOf": [{"type": "integer"}, {"type": "string", "pattern": "^#"}]}
            },
            "required": ["channel"],
            "additionalProperties": false
        }),
        ..ActionManifest::default()
    };
    let done = |_| async { Outcome::done(json!(null)) };
    let slack = FnConnector::new("slack").action("post_message", post, done).action(
        "list_users",
        ActionManifest::default(),
        done,
    );
    Catalog::new().with(slack).unwrap()
}

fn build(text: &str) -> Result<Arc<Pipeline>, Vec<Issue>> {
    let parsed = parse(text, Format::Auto)?;
    compile(&parsed.document, Some(&parsed.spans), &catalog(), &|name| sub(name))
}

/// `helper` is fine, `loop` uses a pipeline called `bad`.
fn sub(name: &str) -> Option<Arc<Pipeline>> {
    let text = match name {
        "helper" => HELPER.to_owned(),
        "circle" => {
            "schema: levqor/v1\nname: circle\nsteps: [{id: a, uses: pipeline/bad}]".to_owned()
        }
        "bad" => "schema: levqor/v1\nname: bad\nsteps: [{id: a, uses: core/set}]".to_owned(),
        _ => return None,
    };
    let parsed = parse(&text, Format::Yaml).unwrap();
    compile(&parsed.document, None, &catalog(), &|name| sub(name)).ok()
}

const HELPER: &str = "
schema: levqor/v1
name: helper
input_schema: {type: object, required: [n], properties: {n: {type: integer}}}
steps: [{id: a, uses: core/set, with: {v: '${{ input.n }}'}}]
output: ${{ steps.a.output.v }}
";

/// Everything of the format at once.
const WHOLE: &str = r##"
schema: levqor/v1
name: lead-triage
description: Everything at once
input_schema: { type: object, required: [email], properties: { email: { type: string } } }
vars: { channel: "#sales" }
credentials: { slack: slack-workspace, crm: hubspot-main }
triggers:
  - { id: hook, uses: webhook, with: { verify: stripe, secret: stripe-signing }, dedupe_key: "${{ event.id }}" }
  - { id: nightly, uses: schedule, with: { cron: "0 3 * * *", timezone: Europe/Berlin, overlap: skip, catch_up: last } }
  - { id: paid, uses: event, with: { event: payment.settled, match: "event.sum > 3" }, input: { email: "${{ event.email }}" } }
concurrency: { key: "${{ input.email }}", limit: 5, on_limit: queue }
priority: 2
timeout: 30m
limits: { credits: 50, steps: 2000, on_exceed: pause }
retry: { max_attempts: 4, backoff: linear, delay: 2s, max_delay: 1m, jitter: 0.2, when: "error.retryable" }
steps:
  - { id: lookup, uses: slack/list_users, with: { email: "${{ input.email }}" }, timeout: 20s, retry: { max_attempts: 2 } }
  - { id: score, if: "${{ steps.lookup.output.total > 0 }}", uses: core/set, with: { n: 3 } }
  - id: notify
    for_each: ${{ steps.lookup.output.owners }}
    as: owner
    max_items: 100
    max_parallel: 4
    on_item_error: continue
    steps: [ { id: dm, uses: slack/post_message, credential: crm, with: { channel: "${{ owner.slack }}", text: "no ${{ index }} of ${{ item }}" } } ]
  - id: fan
    join: any
    parallel:
      - id: left
        steps: [ { id: l1, uses: core/template, with: { text: "Hi ${{ vars.channel }}" } } ]
      - { id: right, steps: [] }
  - { id: route, switch: [ { if: "steps.score.output.n > 80", steps: [] } ], else: [ { id: e1, uses: core/set } ] }
  - { id: ok, uses: core/approval, with: { title: "Send ${{ steps.fan.output }}?", form_schema: {}, expires: 48h, on_expire: approve } }
  - { id: paid, uses: core/wait_event, with: { event: payment.settled, match: "${{ event.order == input.order }}", timeout: 7d } }
  - { id: nap, uses: core/sleep, with: { for: 10m } }
  - { id: later, uses: core/sleep, with: { until: "2030-01-01T00:00:00Z" } }
  - { id: sub, uses: pipeline/helper, with: { n: "${{ steps.score.output.n }}" } }
  - id: safe
    try: [ { id: t1, uses: core/fail, with: { message: no, kind: not_found } } ]
    catch: [ { when: "${{ error.kind == 'not_found' }}", steps: [] }, { steps: [] } ]
    finally: []
  - id: poll
    while: "steps.p1.output.more | default(true)"
    max_iterations: 5
    steps: [ { id: p1, uses: core/set, with: { more: false, of: "${{ index }}" } } ]
  - { id: end, uses: core/stop, with: { output: "${{ steps.sub.output }}" } }
on_failure: [ { id: alert, uses: slack/post_message, with: { channel: "${{ vars.channel }}", text: "${{ error.message }} ${{ steps.score.status }}" } } ]
output: { score: "${{ steps.score.output.n | default(0) }}" }
ui: { positions: {} }
"##;

#[test]
fn the_whole_format_compiles() {
    let pipeline = build(WHOLE).unwrap();
    assert_eq!((pipeline.name(), pipeline.priority, pipeline.depth), ("lead-triage", 2, 2));
    assert_eq!(pipeline.timeout_ms, Some(1_800_000));
    let steps = &pipeline.root.steps;
    assert_eq!((steps[0].retry.max_attempts, steps[0].retry.delay_ms), (2, 2_000));
    assert_eq!(steps[1].retry.max_attempts, 1, "only calls are retried");
    let StepKind::Call { credential, info, .. } = &steps[0].kind else { panic!() };
    assert_eq!((credential.as_deref(), info.price.base), (Some("slack-workspace"), 1));
    let StepKind::ForEach { var, max_items, max_parallel, body, .. } = &steps[2].kind else {
        panic!()
    };
    assert_eq!((&**var, *max_items, *max_parallel), ("owner", 100, 4));
    let StepKind::Call { credential, .. } = &body.steps[0].kind else { panic!() };
    assert_eq!(credential.as_deref(), Some("hubspot-main"));
    assert_eq!(pipeline.subs.keys().collect::<Vec<_>>(), ["helper"]);
    assert!(pipeline.check_input(&json!({"email": "a@b"})).is_ok());
    assert!(pipeline.check_input(&json!({"email": 1})).is_err());
}

#[test]
fn needs_make_a_graph() {
    let text = "
schema: levqor/v1
name: dag
steps:
  - { id: a, uses: core/set, with: { v: 1 } }
  - { id: c, uses: core/set, needs: [b], with: { v: '${{ steps.a.output.v + steps.b.output.v }}' } }
  - { id: b, uses: core/set, needs: [a], with: { v: '${{ steps.a.output.v }}' } }
";
    let pipeline = build(text).unwrap();
    assert_eq!(pipeline.root.needs, Some(vec![vec![], vec![2], vec![0]]));
}

#[test]
fn a_computed_value_is_not_judged() {
    for with in [
        "{channel: '${{ input.c }}', count: '${{ input.n }}', to: '${{ input.t }}'}",
        "{channel: 'c ${{ input.c }}', tags: '${{ input.tags }}'}",
        "{channel: c, to: 3}",
        "{channel: c, to: '#x'}",
    ] {
        let text = format!(
            "schema: levqor/v1\nname: m\nsteps: [{{id: a, uses: slack/post_message, with: {with}}}]"
        );
        assert!(build(&text).is_ok(), "{with}: {:?}", build(&text).err());
    }
}

#[test]
fn the_hash_covers_sub_pipelines_and_not_the_canvas() {
    let with = |extra: &str| {
        let text = format!(
            "schema: levqor/v1\nname: m\nsteps: [{{id: a, uses: pipeline/helper, with: {{n: 1}}}}]\n{extra}"
        );
        build(&text).unwrap()
    };
    assert_eq!(with("").hash(), with("ui: {x: 1}").hash());
    assert_ne!(with("").hash(), with("priority: 1").hash());
    let parsed = parse(with("").source(), Format::Json).unwrap();
    assert_ne!(parsed.document.content_hash(), with("").hash());
}
