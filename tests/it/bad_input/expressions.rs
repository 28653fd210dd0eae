//! Expressions that would eat the machine: inside a run, beside an honest one.

use std::sync::Arc;
use std::time::{Duration, Instant};

use levqor_core::engine::Error;
use levqor_core::run::RunStatus;
use levqor_core::store::MemoryStore;
use serde_json::{Value, json};

use super::catalog;
use crate::support::{Served, figure};

/// What each must end with; `None` where a small value is fine, too.
const BOMBS: &[(&str, Option<&str>)] = &[
    ("'a' * 10**9", None),
    ("input.big * input.n", None),
    ("[1] * input.n", None),
    ("input.big | replace('x', input.big)", None),
    ("input.many | join(input.big)", None),
    ("range(100000000)", None),
    ("range(100000) | map('string') | join(input.big)", None),
    ("input.many | batch(1, input.big) | list", None),
    ("'%2000000000d' | format(input.n)", None),
    ("10 ** 10 ** 10", None),
    (
        "[input.big, input.big, input.big, input.big, input.big, input.big, input.big]",
        Some("expr.too_large"),
    ),
    ("input.many | map('string') | map('list') | list | string", None),
    ("input.nothing.at.all", Some("expr.undefined")),
    ("1 / 0", None),
];

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn bombs_end_their_own_run_and_no_other() {
    let served = Served::on(Arc::new(MemoryStore::new()), catalog()).await;
    let many: Vec<u32> = (0..20_000).collect();
    let input = json!({"big": "x".repeat(200_000), "many": many, "n": 2_000_000_000_u32});
    let mut slowest = Duration::ZERO;
    for (bomb, expected) in BOMBS {
        let with = json!({"out": format!("${{{{ {bomb} }}}}")});
        let bad = json!({"steps": [{"id": "b", "uses": "t/echo", "with": with}]});
        let good = json!({"steps": [{"id": "g", "uses": "t/echo", "with": {"n": "${{ 1 + 1 }}"}}],
                          "output": "${{ steps.g.output.n }}"});
        if let Err(error) = served.compile(bad.clone()).await {
            let Error::Invalid(issues) = error else { panic!("{bomb}: {error:?}") };
            assert!(issues[0].code.starts_with("expr."), "{bomb}: {issues:?}");
            continue;
        }
        let begun = Instant::now();
        let honest = served.run(good, Value::Null);
        let (bad, good) = tokio::join!(served.run(bad, input.clone()), honest);
        let took = begun.elapsed();
        slowest = slowest.max(took);
        assert!(took < Duration::from_secs(5), "{bomb} took {took:?}");
        assert_eq!(good.output.as_deref(), Some(&json!(2)), "beside {bomb}");
        match (bad.summary.status, bad.error) {
            (RunStatus::Succeeded, None) => {
                let size = bad.output.unwrap().to_string().len();
                assert!(expected.is_none() && size < (1 << 20), "{bomb} gave {size} bytes");
            }
            (RunStatus::Failed, Some(error)) => {
                assert!(error.code.starts_with("expr."), "{bomb}: {error:?}");
                assert!(expected.is_none_or(|code| error.code == code), "{bomb}: {error:?}");
                assert!(!error.retryable, "{bomb}: {error:?}");
            }
            other => panic!("{bomb}: {other:?}"),
        }
    }
    figure(&format!("slowest of {} expression bombs: {slowest:?} (bound 5 s)", BOMBS.len()));
}

/// Nesting in the source, where a recursive parser would end the process.
#[tokio::test]
async fn nested_sources_are_refused() {
    let served = Served::on(Arc::new(MemoryStore::new()), catalog()).await;
    for (open, close) in [("(", ")"), ("[", "]"), ("{'a':", "}"), ("not ", ""), ("-", "")] {
        for n in [200, 1_500, 20_000] {
            let source = format!("${{{{ {}1{} }}}}", open.repeat(n), close.repeat(n));
            let document = json!({"steps": [{"id": "b", "uses": "t/echo", "with": {"x": source}}]});
            match served.compile(document).await {
                Err(Error::Invalid(issues)) => {
                    assert!(issues[0].code.starts_with("expr."), "{open} {n}: {issues:?}");
                }
                // A long chain of signs is a value.
                Ok(_) => assert!(close.is_empty() && n < 8_192, "{open} {n}"),
                Err(other) => panic!("{open} {n}: {other:?}"),
            }
        }
    }
}
