//! What vendors do on bad days: too many requests, refusals with status 200, connections that end.

use async_trait::async_trait;
use levqor_core::connector::{Call, Connector, Idempotency, Manifest, Outcome};
use levqor_core::engine::RunDetail;
use levqor_core::error::ErrorKind;
use levqor_core::run::{Event, RunStatus};
use serde_json::{Value, json};
use std::sync::Arc;

use super::mock::Mock;
use super::{World, loopback};
use crate::support::figure;

const TOKEN: &str = "xoxb-CANARY-faults-51d0";

/// One step that posts a message, tried three times.
fn message() -> Value {
    one("slack/post_message", json!({"channel": "C024BE91L", "text": "hello"}))
}

fn one(uses: &str, with: Value) -> Value {
    json!({
        "retry": {"max_attempts": 3, "delay": "50ms", "max_delay": "50ms", "jitter": 0.0},
        "steps": [{"id": "s", "uses": uses, "with": with}],
    })
}

/// Attempts that failed, as `(code, whether it is tried again)`.
async fn failures(world: &World, detail: &RunDetail) -> Vec<(String, bool)> {
    let engine = &world.served.engine;
    let journal = engine.journal(&world.served.organization, detail.summary.id, 0).await.unwrap();
    let events = journal.into_iter().flat_map(|(_, record)| record.events);
    events
        .filter_map(|event| match event {
            Event::AttemptFailed { error, retry_at, .. } => Some((error.code, retry_at.is_some())),
            _ => None,
        })
        .collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn slack_on_a_bad_day() {
    let Some(slack) = Mock::start("slack").await else { return };
    let world = World::new(&loopback("slack", "bot_token", Some(&slack.url))).await;
    world.secret("slack", TOKEN);

    // Too many requests: tried again after the time it says, also where repeating does harm.
    slack.fault(json!({"kind": "rate", "retry_after": 1, "times": 2})).await;
    let detail = world.served.run(message(), Value::Null).await;
    assert_eq!(detail.summary.status, RunStatus::Succeeded, "{:?}", detail.error);
    let requests = slack.judged_well(TOKEN).await;
    let at: Vec<i64> = requests.iter().map(|r| r["at"].as_i64().unwrap()).collect();
    assert_eq!(at.len(), 3, "{requests:?}");
    let waits = [at[1] - at[0], at[2] - at[1]];
    assert!(waits.iter().all(|ms| *ms >= 1_000), "asked for 1000 ms: {waits:?}");
    assert_eq!(failures(&world, &detail).await.len(), 2);
    assert_eq!(detail.summary.credits, 1, "charged once");
    figure(&format!("slack's 429 with Retry-After 1: tried again after {waits:?} ms"));

    // Status 200, and no.
    let refusals = [
        ("channel_not_found", ErrorKind::NotFound, "slack.channel_not_found"),
        ("invalid_auth", ErrorKind::Unauthorized, "slack.invalid_auth"),
        ("msg_too_long", ErrorKind::InvalidInput, "slack.msg_too_long"),
    ];
    for (word, kind, code) in refusals {
        slack.reset().await;
        slack.fault(json!({"status": 200, "body": {"ok": false, "error": word}})).await;
        let detail = world.served.run(message(), Value::Null).await;
        assert_eq!(detail.summary.status, RunStatus::Failed, "{word}");
        let error = detail.error.unwrap();
        assert_eq!((error.kind, error.code.as_str()), (kind, code), "{word}: {error:?}");
        assert_eq!(slack.judged_well(TOKEN).await.len(), 1, "{word} is not tried again");
        assert_eq!(detail.summary.credits, 0, "{word}");
    }

    // Sent, and the connection ended: nobody knows, and a message must not be posted twice.
    slack.reset().await;
    slack.fault(json!({"kind": "reset-after-commit"})).await;
    let detail = world.served.run(message(), Value::Null).await;
    assert_eq!(detail.summary.status, RunStatus::Dead, "{:?}", detail.error);
    let error = detail.error.clone().unwrap();
    assert_eq!((error.kind, error.retryable), (ErrorKind::Ambiguous, false), "{error:?}");
    assert_eq!(slack.judged_well(TOKEN).await.len(), 1);
    let letters =
        world.served.engine.dead_letters(&world.served.organization, None, 10).await.unwrap();
    assert!(letters.data.iter().any(|(run, _)| *run == detail.summary.id));
    // The same where reading is safe: asked again.
    slack.reset().await;
    slack.fault(json!({"kind": "reset-after-commit"})).await;
    let update =
        one("slack/update_message", json!({"channel": "C024BE91L", "ts": "1.2", "text": "x"}));
    let detail = world.served.run(update, Value::Null).await;
    assert_eq!(detail.summary.status, RunStatus::Succeeded, "{:?}", detail.error);
    assert_eq!(slack.judged_well(TOKEN).await.len(), 2);
    world.served.books().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn openai_on_a_bad_day() {
    let Some(openai) = Mock::start("openai").await else { return };
    let world = World::new(&loopback("openai", "api_key", Some(&openai.url))).await;
    world.secret("openai", TOKEN);
    let chat = || one("openai/chat", json!({"prompt": "hello"}));
    let faults = [
        (json!({"kind": "reset"}), "openai.no_answer"),
        (json!({"kind": "reset-after-commit"}), "openai.no_answer"),
        (json!({"status": 503, "body": {"error": {"message": "overloaded"}}}), "openai.http_503"),
    ];
    for (fault, code) in faults {
        openai.reset().await;
        openai.fault(fault.clone()).await;
        let detail = world.served.run(chat(), Value::Null).await;
        assert_eq!(detail.summary.status, RunStatus::Succeeded, "{fault}: {:?}", detail.error);
        assert_eq!(failures(&world, &detail).await, [(code.to_owned(), true)], "{fault}");
        assert_eq!(openai.judged_well(TOKEN).await.len(), 2, "{fault}");
    }
    // No money at the vendor: 429, but no waiting helps.
    openai.reset().await;
    let body = json!({"error": {"message": "no quota", "type": "insufficient_quota",
                                "code": "insufficient_quota"}});
    openai.fault(json!({"status": 429, "body": body})).await;
    let error = world.served.run(chat(), Value::Null).await.error.unwrap();
    assert_eq!((error.code.as_str(), error.retryable), ("openai.insufficient_quota", false));
    assert_eq!(openai.requests().await.len(), 1);
    world.served.books().await;
}

/// `http` for a vendor that honours the idempotency key, as an operator may know of it.
#[derive(Debug)]
struct Keyed {
    http: Arc<dyn Connector>,
    manifest: Manifest,
}

#[async_trait]
impl Connector for Keyed {
    fn manifest(&self) -> &Manifest {
        &self.manifest
    }

    async fn run_task(&self, call: Call<'_>) -> Outcome {
        self.http.run_task(call).await
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_keyed_request_is_repeated_with_its_key() {
    let Some(stripe) = Mock::start("stripe").await else { return };
    let world = World::new(&loopback("http", "auth", None)).await;
    world.secret("http", TOKEN);
    let http = world.catalog.get("http").unwrap();
    let mut manifest = http.manifest().clone();
    manifest.name = "pay".to_owned();
    manifest.actions.get_mut("request").unwrap().idempotency = Idempotency::Keyed;
    world.catalog.add(Arc::new(Keyed { http, manifest })).unwrap();
    let request = |uses: &str| {
        one(
            uses,
            json!({
            "method": "POST", "url": format!("{}/v1/customers", stripe.url), "auth": "bearer",
            "form": {"email": "ada@example.com"}, "idempotency_header": "Idempotency-Key"}),
        )
    };
    stripe.fault(json!({"kind": "reset-after-commit"})).await;
    let detail = world.served.run(request("pay/request"), Value::Null).await;
    assert_eq!(detail.summary.status, RunStatus::Succeeded, "{:?}", detail.error);
    let requests = stripe.judged_well(TOKEN).await;
    assert_eq!(requests.len(), 2, "{requests:?}");
    let key = |n: usize| requests[n]["headers"]["idempotency-key"].as_str().unwrap().to_owned();
    assert_eq!(key(0), key(1));
    assert!(key(0).len() >= 32, "{}", key(0));
    assert_eq!(detail.summary.credits, 1, "charged once");
    // Another run has another key.
    world.served.run(request("pay/request"), Value::Null).await;
    let again = stripe.judged_well(TOKEN).await;
    assert_ne!(again[2]["headers"]["idempotency-key"], again[1]["headers"]["idempotency-key"]);
    // The same without the promise: a person decides.
    stripe.reset().await;
    stripe.fault(json!({"kind": "reset-after-commit"})).await;
    let detail = world.served.run(request("http/request"), Value::Null).await;
    assert_eq!(detail.summary.status, RunStatus::Dead, "{:?}", detail.error);
    assert_eq!(stripe.judged_well(TOKEN).await.len(), 1);
    world.served.books().await;
}
