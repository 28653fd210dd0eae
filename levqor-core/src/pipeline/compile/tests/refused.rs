//! A table of documents that are refused, each with its code and its line, and what is said.

use super::build;

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
