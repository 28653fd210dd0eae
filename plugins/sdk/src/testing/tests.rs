//! Each rule of the harness shown able to fail, with a connector that breaks it.

use std::panic::{AssertUnwindSafe, catch_unwind};

use super::{Harness, get, manifest_is, post};
use crate::prelude::*;

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Input {
    url: String,
    #[serde(default)]
    write: bool,
    #[serde(default)]
    keyed: bool,
    #[serde(default)]
    say: String,
    charge: Option<u64>,
}

#[derive(Serialize, JsonSchema)]
struct Output {
    #[schemars(length(max = 20))]
    text: String,
}

fn call(ctx: &Ctx, input: Input) -> Result<Output> {
    let mut request = if input.write { ctx.post(input.url) } else { ctx.get(input.url) };
    if input.keyed {
        request = request.idempotency_key("Idempotency-Key");
    }
    request.bearer("token").send_any()?;
    ctx.info(&input.say);
    if let Some(credits) = input.charge {
        ctx.charge(credits);
    }
    Ok(Output { text: input.say })
}

/// What a careless author would write: a credential nobody declared.
fn undeclared(ctx: &Ctx, _: Value) -> Result<Value> {
    ctx.get("https://api.example/").bearer("other").send()?.json()
}

fn harness() -> Harness {
    let connector = Connector::new("probe", "1.0.0")
        .host("api.example")
        .credential(Credential::api_key("token"))
        .action(Action::new("safe", call).safe())
        .action(Action::new("keyed", call).keyed())
        .action(Action::new("unsafe", call))
        .action(Action::new("undeclared", undeclared));
    Harness::new(connector).secret("token", "s3cr3t-value")
}

/// The message a run fails its test with; empty when it does not.
fn complaint(harness: &Harness, action: &str, input: Value) -> String {
    let run = AssertUnwindSafe(|| harness.run(action, input));
    let Err(panic) = catch_unwind(run) else { return String::new() };
    panic.downcast_ref::<String>().cloned().unwrap_or_else(|| "?".to_owned())
}

#[test]
fn every_rule_can_fail() {
    let here = "https://api.example/";
    for (action, mock, input, complaint_has) in [
        (
            "safe",
            get(here),
            json!({"url": "https://evil.example/"}),
            "a host the manifest does not",
        ),
        ("safe", get(here), json!({"url": "https://api.example/other"}), "nobody mocks GET"),
        ("safe", get(here).times(2), json!({"url": here}), "expected 1 more GET"),
        ("safe", get(here), json!({"url": here, "say": "s3cr3t-value"}), "is in the log"),
        ("safe", get(here), json!({"url": here, "say": "s3cr3t-value"}), "is in the result"),
        (
            "safe",
            get("https://api.example/?k=s3cr3t-value"),
            json!({"url": "https://api.example/?k=s3cr3t-value"}),
            "is in a request",
        ),
        ("safe", get(here), json!({"url": here, "say": "x".repeat(21)}), "does not fit its schema"),
        ("keyed", post(here), json!({"url": here, "write": true}), "has no idempotency key"),
        ("safe", get(here), json!({"url": here, "charge": 2}), "over the 1 held"),
        ("undeclared", get(here), json!({}), "credential `other` is not in the manifest"),
    ] {
        let harness = harness();
        harness.mock(mock);
        let said = complaint(&harness, action, input.clone());
        assert!(said.contains(complaint_has), "{action} {input}: {said}");
    }
}

#[test]
fn what_keeps_the_rules_passes() {
    let here = "https://api.example/";
    for (action, mock, input) in [
        ("safe", get(here), json!({"url": here, "say": "fine"})),
        ("keyed", post(here), json!({"url": here, "write": true, "keyed": true})),
        ("keyed", get(here), json!({"url": here})),
        ("unsafe", post(here), json!({"url": here, "write": true})),
    ] {
        let harness = harness();
        harness.mock(mock);
        assert_eq!(complaint(&harness, action, input), "", "{action}");
    }
}

#[test]
fn not_knowing_depends_on_what_the_action_promises() {
    let input = json!({"url": "https://api.example/", "write": true, "keyed": true});
    for (action, kind) in [("unsafe", "ambiguous"), ("safe", "transient"), ("keyed", "transient")] {
        let harness = harness();
        harness.mock(post("https://api.example/").reset());
        harness.run(action, input.clone()).expect_error(kind, "no_answer");
    }
}

#[test]
fn an_input_that_does_not_fit_never_reaches_the_action() {
    harness().run("safe", json!({"uri": "x"})).expect_error("invalid-input", "schema");
    harness().run("nothing", json!({})).expect_error("invalid-input", "unknown_action");
}

#[test]
fn a_manifest_that_differs_is_noticed() {
    let connector = Connector::new("probe", "1.0.0").action(Action::new("a", undeclared));
    let differs = AssertUnwindSafe(|| manifest_is("Cargo.toml.absent", &connector));
    assert!(std::env::var_os("LEVQOR_BLESS").is_some() || catch_unwind(differs).is_err());
}

#[test]
fn state_has_versions_and_needs_the_wish() {
    fn count(ctx: &Ctx, _: Value) -> Result<Value> {
        let (n, version): (u64, u64) = ctx.state().get("n")?.unwrap_or_default();
        let put = ctx.state().put("n", &(n + 1), Some(version))?;
        assert!(ctx.state().put("n", &0, Some(version)).is_err(), "an old version is refused");
        Ok(json!([n + 1, put]))
    }
    let connector = || Connector::new("counter", "1.0.0").action(Action::new("count", count));
    let harness = Harness::new(connector().wants_state());
    assert_eq!(harness.run("count", json!({})).output(), json!([1, 1]));
    assert_eq!(harness.run("count", json!({})).output(), json!([2, 2]));
    Harness::new(connector()).run("count", json!({})).expect_error("permanent", "state_denied");
}
