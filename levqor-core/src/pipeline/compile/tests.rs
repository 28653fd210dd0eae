//! Tables: documents that compile, and documents that do not, with code and line.

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

/// Each of these: the lines after the header, then the code and the line (1 is the first of them).
const BAD: &[(&str, &str, u32)] = &[
    ("steps: [{id: a, uses: core/set}]\nsteps: []", "document.duplicate_key", 2),
    ("steps: [{id: a, uses: core/set}]\nstep: []", "document.unknown_key", 2),
    ("steps: {}", "document.type", 1),
    ("steps: []", "document.empty", 1),
    ("vars: {}", "document.missing_key", 0),
    ("steps:\n  - uses: core/set", "document.missing_key", 2),
    ("steps:\n  - {id: 'a b', uses: core/set}", "document.id", 2),
    (
        "steps:\n  - {id: a, uses: core/set}\n  - {id: a, uses: core/set}",
        "document.duplicate_id",
        3,
    ),
    ("steps:\n  - {id: a}", "document.step_kind", 2),
    ("steps:\n  - {id: a, uses: core/set, parallel: []}", "document.step_kind", 2),
    ("steps:\n  - {id: a, uses: core/set, max_items: 3}", "document.misplaced_key", 2),
    (
        "steps:\n  - {id: a, switch: [{if: true, steps: []}], retry: {}}",
        "document.misplaced_key",
        2,
    ),
    ("steps:\n  - {id: a, uses: set}", "document.value", 2),
    ("steps:\n  - {id: a, uses: slak/post_message}", "document.unknown_connector", 2),
    ("steps:\n  - {id: a, uses: slack/post}", "document.unknown_action", 2),
    ("steps:\n  - {id: a, uses: core/sett}", "document.unknown_action", 2),
    ("steps:\n  - {id: a, uses: pipeline/nobody}", "document.unknown_pipeline", 2),
    ("steps:\n  - {id: a, uses: pipeline/bad}", "document.recursion", 2),
    ("steps:\n  - {id: a, uses: pipeline/circle}", "document.recursion", 2),
    ("steps:\n  - {id: a, uses: pipeline/helper, with: {n: x}}", "document.with", 2),
    ("steps:\n  - {id: a, uses: pipeline/helper}", "document.with", 2),
    ("steps:\n  - id: a\n    uses: slack/post_message\n    with: {text: x}", "document.with", 4),
    (
        "steps:\n  - id: a\n    uses: slack/post_message\n    with:\n      channel: c\n      count: 0",
        "document.with",
        6,
    ),
    (
        "steps:\n  - id: a\n    uses: slack/post_message\n    with:\n      channel: c\n      txt: 0",
        "document.with",
        6,
    ),
    (
        "steps:\n  - id: a\n    uses: slack/post_message\n    with:\n      channel: c\n      tags: ['${{ input.x }}', 3]",
        "document.with",
        6,
    ),
    ("steps:\n  - {id: a, uses: slack/list_users, with: 3}", "document.type", 2),
    (
        "steps:\n  - {id: a, uses: slack/list_users, credential: x}",
        "document.unknown_credential",
        2,
    ),
    ("steps:\n  - {id: a, uses: slack/list_users, timeout: 30}", "document.duration", 2),
    ("steps:\n  - {id: a, uses: slack/list_users, timeout: 16m}", "document.value", 2),
    ("steps:\n  - {id: a, uses: slack/list_users, timeout: soon}", "document.duration", 2),
    ("steps:\n  - {id: a, uses: slack/list_users, retry: {max_attempts: 0}}", "document.value", 2),
    ("steps:\n  - {id: a, uses: slack/list_users, retry: {jitter: 2}}", "document.value", 2),
    ("steps:\n  - {id: a, uses: slack/list_users, retry: {backoff: slow}}", "document.value", 2),
    ("steps:\n  - {id: a, uses: core/set, with: {v: '${{ 1 + }}'}}", "expr.syntax", 2),
    (
        "steps:\n  - {id: a, uses: core/set, with: {v: '${{ input.v | shout }}'}}",
        "expr.unknown_filter",
        2,
    ),
    (
        "steps:\n  - {id: a, uses: core/set, with: {v: '${{ steps[input.v] }}'}}",
        "expr.dynamic_step",
        2,
    ),
    ("steps:\n  - {id: a, uses: core/set, if: '1 + 1'}", "expr.type", 2),
    ("steps:\n  - {id: a, uses: core/set, if: 3}", "document.type", 2),
    (
        "steps:\n  - {id: a, uses: core/set, with: {v: '${{ secrets.x }}'}}",
        "document.unknown_name",
        2,
    ),
    ("steps:\n  - {id: a, uses: core/set, with: {v: '${{ item }}'}}", "document.unknown_name", 2),
    (
        "steps:\n  - {id: a, uses: core/set, with: {v: '${{ steps.zz.output }}'}}",
        "document.unknown_step",
        2,
    ),
    (
        "steps:\n  - {id: a, uses: core/set, with: {v: '${{ steps.a.output }}'}}",
        "document.step_not_in_sight",
        2,
    ),
    (
        "steps:\n  - {id: a, uses: core/set, with: {v: '${{ steps.b.output }}'}}\n  - {id: b, uses: core/set}",
        "document.step_not_in_sight",
        2,
    ),
    (
        "steps:\n  - {id: f, for_each: [1], steps: [{id: x, uses: core/set}]}\n  - {id: b, uses: core/set, with: {v: '${{ steps.x.output }}'}}",
        "document.step_not_in_sight",
        3,
    ),
    (
        "steps:\n  - {id: a, uses: core/set}\n  - {id: b, uses: core/set, needs: [], with: {v: '${{ steps.a.output }}'}}",
        "document.step_not_in_sight",
        3,
    ),
    ("steps:\n  - {id: a, uses: core/set, needs: [b]}", "document.unknown_step", 2),
    (
        "steps:\n  - {id: a, uses: core/set, needs: [b]}\n  - {id: b, uses: core/set, needs: [a]}",
        "document.needs_cycle",
        2,
    ),
    (
        "steps:\n  - {id: a, for_each: input.list, steps: [{id: b, uses: core/set}]}",
        "document.type",
        2,
    ),
    ("steps:\n  - {id: a, for_each: [1]}", "document.missing_key", 2),
    ("steps:\n  - {id: a, for_each: [1], steps: []}", "document.empty", 2),
    (
        "steps:\n  - {id: a, for_each: [1, 2], max_items: 1, steps: [{id: b, uses: core/set}]}",
        "document.value",
        2,
    ),
    (
        "steps:\n  - {id: a, for_each: [1], max_items: 100001, steps: [{id: b, uses: core/set}]}",
        "document.value",
        2,
    ),
    (
        "steps:\n  - {id: a, for_each: [1], as: input, steps: [{id: b, uses: core/set}]}",
        "document.value",
        2,
    ),
    (
        "steps:\n  - {id: a, while: true, max_iterations: 0, steps: [{id: b, uses: core/set}]}",
        "document.value",
        2,
    ),
    ("steps:\n  - {id: a, parallel: []}", "document.empty", 2),
    (
        "steps:\n  - {id: a, parallel: [{id: x, steps: []}, {id: x, steps: []}]}",
        "document.duplicate_id",
        2,
    ),
    ("steps:\n  - {id: a, uses: core/sleep}", "document.value", 2),
    ("steps:\n  - {id: a, uses: core/sleep, with: {for: 10}}", "document.duration", 2),
    ("steps:\n  - {id: a, uses: core/sleep, with: {until: tomorrow}}", "document.time", 2),
    (
        "steps:\n  - {id: a, uses: core/sleep, with: {for: 1s, untill: x}}",
        "document.unknown_key",
        2,
    ),
    ("steps:\n  - {id: a, uses: core/template}", "document.missing_key", 2),
    ("steps:\n  - {id: a, uses: core/wait_event}", "document.missing_key", 2),
    (
        "steps:\n  - {id: a, uses: core/wait_event, with: {event: '${{ input.e }}'}}",
        "document.no_expression",
        2,
    ),
    ("steps:\n  - {id: a, uses: core/approval, with: {on_expire: maybe}}", "document.value", 2),
    (
        "steps:\n  - {id: a, uses: core/approval, with: {form_schema: {type: thing}}}",
        "document.json_schema",
        2,
    ),
    ("steps:\n  - {id: a, uses: core/fail, with: {message: m, kind: bad}}", "document.value", 2),
    ("input_schema: {type: 3}\nsteps: [{id: a, uses: core/set}]", "document.json_schema", 1),
    (
        "input_schema: {$ref: 'https://x.test/s.json'}\nsteps: [{id: a, uses: core/set}]",
        "document.json_schema",
        1,
    ),
    ("vars: {a: '${{ input.x }}'}\nsteps: [{id: a, uses: core/set}]", "document.no_expression", 1),
    ("priority: 6\nsteps: [{id: a, uses: core/set}]", "document.value", 1),
    ("timeout: 0s\nsteps: [{id: a, uses: core/set}]", "document.value", 1),
    ("limits: {steps: 0}\nsteps: [{id: a, uses: core/set}]", "document.value", 1),
    ("concurrency: {limit: 0}\nsteps: [{id: a, uses: core/set}]", "document.value", 1),
    ("credentials: {slack: 'a secret!'}\nsteps: [{id: a, uses: core/set}]", "document.id", 1),
    ("output: ${{ steps.b.output }}\nsteps: [{id: a, uses: core/set}]", "document.unknown_step", 1),
    (
        "triggers: [{id: t, uses: webhook}]\nsteps: [{id: a, uses: core/set}]",
        "document.missing_key",
        1,
    ),
    (
        "triggers: [{id: t, uses: webhook, with: {verify: strip}}]\nsteps: [{id: a, uses: core/set}]",
        "document.value",
        1,
    ),
    (
        "triggers: [{id: t, uses: webhook, with: {verify: slack}}]\nsteps: [{id: a, uses: core/set}]",
        "document.missing_key",
        1,
    ),
    ("triggers: [{id: t, uses: timer}]\nsteps: [{id: a, uses: core/set}]", "document.value", 1),
    (
        "triggers: [{id: t, uses: schedule, with: {cron: '99 * * * *'}}]\nsteps: [{id: a, uses: core/set}]",
        "document.cron",
        1,
    ),
    (
        "triggers: [{id: t, uses: schedule, with: {cron: '0 0 30 2 *'}}]\nsteps: [{id: a, uses: core/set}]",
        "document.cron",
        1,
    ),
    (
        "triggers: [{id: t, uses: schedule, with: {cron: '0 0 * * *', timezone: Mars/Base}}]\nsteps: [{id: a, uses: core/set}]",
        "document.timezone",
        1,
    ),
    (
        "triggers: [{id: t, uses: event, with: {}}]\nsteps: [{id: a, uses: core/set}]",
        "document.missing_key",
        1,
    ),
    ("x: &a 1\nsteps: [{id: a, uses: core/set}]", "document.alias", 1),
    ("steps: [{id: a, uses: core/set}]\n<<: {}", "document.alias", 2),
    ("vars: {a: !t 1}\nsteps: [{id: a, uses: core/set}]", "document.tag", 1),
    ("vars: {a: 123456789012345678901}\nsteps: [{id: a, uses: core/set}]", "document.number", 1),
    ("vars: {a: 1e999}\nsteps: [{id: a, uses: core/set}]", "document.number", 1),
    ("steps: [{id: a, uses: core/set}]\n---\nx: 1", "document.multiple", 2),
    ("steps: [", "document.syntax", 1),
    ("steps: [{id: a, if: ${{ input.x }}, uses: core/set}]", "document.syntax", 1),
    (
        "on_failure: [{id: f, uses: core/set, with: {e: '${{ event.x }}'}}]\nsteps: [{id: a, uses: core/set}]",
        "document.unknown_name",
        1,
    ),
];

#[test]
fn bad_documents_are_refused_at_their_line() {
    let mut wrong = Vec::new();
    for (text, code, line) in BAD {
        let issues =
            build(&format!("schema: levqor/v1\nname: bad\n{text}")).err().unwrap_or_default();
        let found: Vec<_> = issues.iter().map(|i| (i.code.as_ref(), i.line.unwrap_or(0))).collect();
        // A key that is missing at the top stands nowhere: line 1 of the whole.
        let expected = if *line == 0 { 1 } else { line + 2 };
        if found != [(*code, expected)] {
            wrong.push(format!("{text}\n  expected {code} at {expected}, got {issues:#?}"));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n\n"));
}

#[test]
fn messages_help() {
    for (step, message, suggestion) in [
        (
            "{id: b, uses: core/set, with: {v: '${{ steps.aa.output }}'}}",
            "there is no step `aa`",
            Some("`steps.a`"),
        ),
        (
            "{id: b, uses: core/set, with: {v: '${{ steps.x.output }}'}}",
            "step `x` is inside of `f` and not in sight out here",
            Some("`steps.f.output`"),
        ),
        (
            "{id: b, uses: core/set, with: {v: '${{ a.v }}'}}",
            "`a` is a step",
            Some("`steps.a.output`"),
        ),
        (
            "{id: b, uses: slack/post_message, with: {channel: c, txt: t}}",
            "Additional properties are not allowed ('txt' was unexpected)",
            Some("`text`"),
        ),
        (
            "{id: b, uses: post_message}",
            "`uses` is `connector/action`, `core/<action>` or `pipeline/<name>`",
            Some("`slack/post_message`"),
        ),
        ("{id: b, uses: slak/post_message}", "there is no connector `slak`", Some("`slack`")),
    ] {
        let text = format!(
            "schema: levqor/v1\nname: m\nsteps:\n  - {{id: a, uses: core/set}}\n  - {{id: f, \
             for_each: [1], steps: [{{id: x, uses: core/set}}]}}\n  - {step}\n"
        );
        let issues = build(&text).unwrap_err();
        assert_eq!(issues.len(), 1, "{issues:?}");
        assert_eq!(
            (issues[0].message.as_str(), issues[0].suggestion.as_deref()),
            (message, suggestion)
        );
    }
}

#[test]
fn everything_wrong_is_reported_at_once() {
    let text = "
schema: levqor/v1
name: many
steps:
  - { id: a, uses: slack/post_message, with: { channel: 3, text: 4 } }
  - { id: a, uses: core/nothing }
  - { id: b, if: '${{ nope }}', uses: core/set, with: { v: '${{ steps.c.output }}' } }
";
    let issues = build(text).unwrap_err();
    let found: Vec<_> = issues.iter().map(|i| (i.code.as_ref(), i.line.unwrap())).collect();
    assert_eq!(
        found,
        [
            ("document.with", 5),
            ("document.with", 5),
            ("document.duplicate_id", 6),
            ("document.unknown_action", 6),
            ("document.unknown_name", 7),
            ("document.unknown_step", 7),
        ]
    );
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
fn depth_and_size_are_bounded() {
    let mut steps = "[{id: x, uses: core/set}]".to_owned();
    for i in 0..15 {
        steps = format!("[{{id: s{i}, try: {steps}}}]");
    }
    let whole = |steps: &str| format!("schema: levqor/v1\nname: m\nsteps: {steps}");
    assert!(build(&whole(&steps)).is_ok());
    let deeper = format!("[{{id: over, try: {steps}}}]");
    assert_eq!(build(&whole(&deeper)).unwrap_err()[0].code, "document.nesting");
    let many: Vec<String> = (0..501).map(|i| format!("{{id: s{i}, uses: core/set}}")).collect();
    let many = whole(&format!("[{}]", many.join(", ")));
    assert_eq!(build(&many).unwrap_err()[0].code, "document.too_many_steps");
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

/// Schemas of users must not be able to hang or crash the engine.
#[test]
fn hostile_schemas_end() {
    let nested = (0..40).fold("{}".to_owned(), |inner, _| format!("{{\"items\": {inner}}}"));
    let wide: String = (0..2_000).map(|i| format!("{{\"const\": {i}}},")).collect();
    for schema in [
        r##"{"$ref": "#"}"##.to_owned(),
        r##"{"allOf": [{"$ref": "#"}]}"##.to_owned(),
        r##"{"anyOf": [{"$ref": "#"}, {"$ref": "#"}]}"##.to_owned(),
        r##"{"not": {"$ref": "#"}}"##.to_owned(),
        r##"{"if": {"$ref": "#"}, "then": {"$ref": "#"}}"##.to_owned(),
        r##"{"$dynamicAnchor": "x", "allOf": [{"$dynamicRef": "#x"}]}"##.to_owned(),
        r##"{"$defs": {"a": {"$ref": "#/$defs/b"}, "b": {"$ref": "#/$defs/a"}}, "$ref": "#/$defs/a"}"##
            .to_owned(),
        r##"{"properties": {"a": {"$ref": "#"}}, "items": {"$ref": "#"}}"##.to_owned(),
        r##"{"pattern": "(a+)+$"}"##.to_owned(),
        r##"{"pattern": "(?=a)b"}"##.to_owned(),
        r##"{"pattern": "a{1000}{1000}{1000}"}"##.to_owned(),
        r##"{"$schema": "https://x.test/meta"}"##.to_owned(),
        r##"{"$id": "file:///etc/passwd", "$ref": "other"}"##.to_owned(),
        nested,
        format!("{{\"anyOf\": [{wide} true]}}"),
    ] {
        let start = std::time::Instant::now();
        let text = format!(
            "{{\"schema\": \"levqor/v1\", \"name\": \"m\", \"input_schema\": {schema}, \"steps\": \
             [{{\"id\": \"a\", \"uses\": \"core/set\"}}]}}"
        );
        if let Ok(pipeline) = build(&text) {
            for input in [json!("a".repeat(30_000) + "b"), json!([[[[[1]]]]]), json!({"a": {"a": 1}})] {
                let _ = pipeline.check_input(&input);
            }
        }
        assert!(start.elapsed().as_secs() < 5, "{schema}");
    }
}

/// As many problems as a document can hold, with names that are long and alike.
#[test]
fn hostile_documents_end() {
    let id = |i: usize| format!("{}{i:03}", "a".repeat(60));
    let head = "schema: levqor/v1\nname: m\nsteps:\n";
    let steps: String =
        (0..450).map(|i| format!("- {{id: {}, uses: core/set}}\n", id(i))).collect();
    let refs =
        "${{ steps.aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaax }}".repeat(2_500);
    let chain: String = (0..499)
        .map(|i| {
            format!("- {{id: s{i}, uses: core/set, needs: [{}]}}\n", {
                let all: Vec<String> = (i + 1..499).take(70).map(|j| format!("s{j}")).collect();
                all.join(", ")
            })
        })
        .collect();
    for text in [
        format!("{head}{steps}- {{id: x, uses: core/set, with: {{v: \"{refs}\"}}}}\n"),
        format!("{head}{steps}- {{id: x, uses: core/set, needs: [{}]}}\n", "aab, ".repeat(40_000)),
        format!("{head}{chain}"),
        format!("{head}- {{id: x, uses: core/set, needs: [{}]}}", "x, ".repeat(80_000)),
        format!(
            "{head}- {{id: x, uses: core/sleep, with: {{{}}}}}",
            (0..15_000).map(|i| format!("fot{i}: 1, ")).collect::<String>()
        ),
        format!(
            "{head}- id: x\n{}",
            (0..15_000).map(|i| format!("  usess{i}: 1\n")).collect::<String>()
        ),
        format!("{head}- {{id: x, parallel: [{}]}}", "{id: a, steps: []}, ".repeat(12_000)),
        format!(
            "{head}- {{id: x, uses: slack/post_message, with: {{channel: c, tags: [{}]}}}}",
            "1, '${{ now }}', ".repeat(14_000)
        ),
    ] {
        assert!(text.len() <= crate::limits::DOCUMENT_BYTES_MAX, "{}", text.len());
        let start = std::time::Instant::now();
        let issues = build(&text).err().map_or(0, |issues| issues.len());
        let took = start.elapsed();
        assert!(issues <= crate::limits::ISSUES_MAX);
        assert!(took.as_secs() < 5, "{}… took {took:?}", &text[head.len()..head.len() + 40]);
    }
}
