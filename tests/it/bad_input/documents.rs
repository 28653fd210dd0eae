//! Documents that are not ones, and runs that would not end.

use std::time::{Duration, Instant};

use levqor_core::document::{Format, parse};
use levqor_core::engine::{Error, Start};
use levqor_core::error::ErrorKind;
use levqor_core::run::RunStatus;
use levqor_core::store::MemoryStore;
use serde_json::{Value, json};

use super::catalog;
use crate::support::Served;

async fn served() -> Served {
    Served::on(std::sync::Arc::new(MemoryStore::new()), catalog()).await
}

/// What the engine says of a document that cannot be used.
async fn codes(served: &Served, document: Value) -> Vec<String> {
    match served.compile(document.clone()).await {
        Err(Error::Invalid(issues)) => issues.iter().map(|i| i.code.to_string()).collect(),
        other => panic!("{document}: {other:?}"),
    }
}

#[tokio::test]
async fn documents_that_cannot_be_used_are_told_why() {
    let served = served().await;
    let step = |step: Value| json!({ "steps": [step] });
    let mut deep = json!({"id": "s", "uses": "t/echo"});
    for level in 0..17 {
        let body = json!([deep]);
        deep = json!({"id": format!("l{level}"), "for_each": "${{ [1] }}", "steps": body});
    }
    let many: Vec<Value> =
        (0..501).map(|i| json!({"id": format!("s{i}"), "uses": "t/echo"})).collect();
    let table = [
        (json!({}), "document.missing_key"),
        (json!({"steps": []}), "document.empty"),
        (json!({"steps": 3}), "document.type"),
        (json!({"schema": "levqor/v9", "steps": []}), "document.schema_version"),
        (json!({"name": "a/../b", "steps": [{"id": "a", "uses": "t/echo"}]}), "document.id"),
        (json!({"steps": many}), "document.too_many_steps"),
        (step(deep), "document.nesting"),
        (step(json!({"id": "a"})), "document.step_kind"),
        (
            step(json!({"id": "a", "uses": "t/echo", "while": "true", "steps": []})),
            "document.step_kind",
        ),
        (step(json!({"id": "a", "uses": "t/ehco"})), "document.unknown_action"),
        (step(json!({"id": "a", "uses": "nobody/echo"})), "document.unknown_connector"),
        (step(json!({"id": "a", "uses": "pipeline/gone"})), "document.unknown_pipeline"),
        (
            step(json!({"id": "a", "uses": "t/echo", "with": {"x": "${{ steps.b.output }}"}})),
            "document.unknown_step",
        ),
        (
            step(json!({"id": "a", "uses": "t/echo", "with": {"x": "${{ secrets.token }}"}})),
            "document.unknown_name",
        ),
        (step(json!({"id": "a", "uses": "t/echo", "with": {"x": "${{ 1 + }}"}})), "expr.syntax"),
        (step(json!({"id": "a", "uses": "t/echo", "timeout": "soon"})), "document.duration"),
        (
            step(json!({"id": "a", "uses": "t/echo", "retry": {"max_attempts": 101}})),
            "document.value",
        ),
        (
            step(json!({"id": "a", "while": "true", "max_iterations": 10_001, "steps": []})),
            "document.value",
        ),
        (
            step(json!({"id": "a", "for_each": "${{ input }}", "max_items": 100_001, "steps": []})),
            "document.value",
        ),
        (
            step(json!({"id": "a", "for_each": "${{ input }}", "max_parallel": 65, "steps": []})),
            "document.value",
        ),
        (
            json!({"steps": [{"id": "a", "uses": "t/echo", "needs": ["b"]},
                             {"id": "b", "uses": "t/echo", "needs": ["a"]}]}),
            "document.needs_cycle",
        ),
    ];
    for (document, code) in table {
        let found = codes(&served, document.clone()).await;
        let shown: String = document.to_string().chars().take(120).collect();
        assert!(found.iter().any(|c| c == code), "{shown}: {found:?}, not {code}");
    }
}

#[test]
fn a_hundred_thousand_levels_are_refused_at_once() {
    let shapes = [
        ("[".repeat(100_000), "document.depth"),
        (format!("{}{}", "[".repeat(100_000), "]".repeat(100_000)), "document.depth"),
        ("{\"a\":".repeat(50_000), "document.depth"),
        ("- ".repeat(100_000), "document.depth"),
        ("[".repeat(300_000), "document.too_large"),
    ];
    for (text, code) in shapes {
        for format in [Format::Json, Format::Yaml, Format::Auto] {
            let begun = Instant::now();
            let issues = parse(&text, format).unwrap_err();
            let (took, shown) = (begun.elapsed(), &text[..12]);
            assert!(took < Duration::from_secs(2), "{shown} {format:?}: {took:?}");
            // What is not closed, or not JSON, may be found first.
            let found = &*issues[0].code;
            assert!(found == code || found == "document.syntax", "{shown} {format:?}: {found}");
            let is_whole = text.ends_with(']') && format == Format::Json;
            assert!(!is_whole || found == code, "{shown} {format:?}: {found}");
        }
    }
}

#[tokio::test]
async fn loops_that_do_not_end_are_ended() {
    let served = served().await;
    let echo = json!([{"id": "x", "uses": "t/echo"}]);
    let table = [
        // Nothing said: a hundred rounds.
        (json!({"id": "l", "while": "true", "steps": echo}), "step.too_many_iterations", 100),
        (
            json!({"id": "l", "while": "true", "max_iterations": 7, "steps": echo}),
            "step.too_many_iterations",
            7,
        ),
        (
            json!({"id": "l", "for_each": "${{ range(1001) }}", "steps": echo}),
            "step.too_many_items",
            0,
        ),
    ];
    for (step, code, rounds) in table {
        let detail = served.run(json!({ "steps": [step] }), Value::Null).await;
        assert_eq!(detail.summary.status, RunStatus::Failed);
        let error = detail.error.unwrap();
        assert_eq!((error.code.as_str(), error.retryable), (code, false), "{error:?}");
        let journal = served.engine.journal(&served.organization, detail.summary.id, 0).await;
        let calls = format!("{:?}", journal.unwrap()).matches("AttemptSucceeded").count();
        assert_eq!(calls, rounds, "{step}");
    }
    // A run's own bound ends loops inside loops.
    let inner = json!({"id": "i", "for_each": "${{ range(100) }}", "steps": echo});
    let outer = json!({"id": "o", "for_each": "${{ range(100) }}", "steps": [inner]});
    let document = json!({"steps": [outer], "limits": {"steps": 500, "on_exceed": "fail"}});
    let error = served.run(document, Value::Null).await.error.unwrap();
    assert_eq!(error.code, "run.steps_exceeded");
}

#[tokio::test]
async fn inputs_over_their_bounds_are_refused_and_start_nothing() {
    let served = served().await;
    let document = json!({
        "input_schema": {"type": "object", "required": ["n"],
                         "properties": {"n": {"type": "integer"}}},
        "steps": [{"id": "a", "uses": "t/echo"}],
    });
    let pipeline = served.compile(document).await.unwrap();
    let deep = (0..100).fold(json!(1), |inner, _| json!([inner]));
    let table = [
        (Value::Null, "run.input_invalid"),
        (json!({"n": "one"}), "run.input_invalid"),
        (json!({"n": 1, "x": "x".repeat(1 << 20)}), "run.input_too_large"),
        (json!({"n": 1, "x": deep}), "run.input_too_deep"),
    ];
    for (input, code) in table {
        let error = served.engine.start(Start::new(pipeline.clone(), input)).await.unwrap_err();
        assert_eq!(error.code(), code);
    }
    for key in ["", "a b", "ü", &"k".repeat(256)] {
        let start = Start::new(pipeline.clone(), json!({"n": 1})).idempotency_key(key);
        let Err(Error::Refused(error)) = served.engine.start(start).await else { panic!("{key}") };
        assert_eq!(error.kind, ErrorKind::InvalidInput);
        assert_eq!(error.code, "idempotency.bad_key");
    }
    let page = served.engine.list(&served.organization, None, None, 10).await.unwrap();
    assert!(page.data.is_empty());
}
