//! `Idempotency-Key` on what the desk writes: done once, answered alike, also after a restart.

use futures_util::future::join_all;
use serde_json::{Value, json};

use super::super::{Client, World};
use super::{narrow, other};

const KEYS: &str = "/api/v1/keys";

fn body() -> Value {
    json!({ "name": "once", "scopes": ["runs:read"] })
}

async fn keys_of(client: &Client) -> usize {
    let page = client.get("/api/v1/keys?limit=200").await.is(200);
    page["data"].as_array().unwrap().iter().filter(|k| k["name"] == "once").count()
}

#[tokio::test(flavor = "multi_thread")]
async fn two_hundred_at_once_do_it_once() {
    let world = World::new().await;
    for round in 0..5 {
        let ours = other(&world, "ours").await;
        let keyed = ours.clone().header("idempotency-key", &format!("k-{round}"));
        let body = body();
        let all = join_all((0..200).map(|_| keyed.post(KEYS, &body))).await;
        let mut ids = std::collections::BTreeSet::new();
        let mut shown = 0;
        for answered in &all {
            match answered.status.as_u16() {
                201 => {
                    ids.insert(answered.json()["id"].to_string());
                    shown += usize::from(answered.json()["key"].is_string());
                }
                409 => {
                    assert_eq!(answered.refused(409), "idempotency.in_flight");
                    assert_eq!(answered.header("retry-after"), "1");
                }
                other => panic!("{other}"),
            }
        }
        assert_eq!((ids.len(), shown), (1, 1));
        assert_eq!(keys_of(&ours).await, 1);
        let again = keyed.post(KEYS, &body).await;
        assert_eq!(again.header("idempotent-replayed"), "true");
        assert!(ids.contains(&again.is(201)["id"].to_string()));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_same_request_is_answered_alike_after_a_restart_too() {
    let world = World::with(|_| {}).await;
    let keyed = world.admin.clone().header("idempotency-key", "\"k 1\"".replace(' ', "-").as_str());
    let first = keyed.post(KEYS, &body()).await;
    assert_eq!(first.header("idempotent-replayed"), "");
    let mut wanted = first.is(201);
    wanted["key"] = Value::Null;
    // The quoted and the bare form are the same key.
    let bare = world.admin.clone().header("idempotency-key", "k-1");
    let again = bare.post(KEYS, &body()).await;
    assert_eq!(
        (again.is(201), again.header("location")),
        (wanted.clone(), first.header("location"))
    );
    let world = world.restarted(|_| {}).await;
    let keyed = world.admin.clone().header("idempotency-key", "k-1");
    let again = keyed.post(KEYS, &body()).await;
    assert_eq!((again.is(201), again.header("idempotent-replayed")), (wanted, "true"));
    assert_eq!(keys_of(&world.admin).await, 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_key_belongs_to_its_request_and_its_organization() {
    let world = World::new().await;
    let (ours, theirs) = (other(&world, "ours").await, other(&world, "theirs").await);
    let keyed = |client: &Client| client.clone().header("idempotency-key", "k");
    let made = keyed(&ours).post(KEYS, &body()).await.is(201);
    let changed = json!({ "name": "once", "scopes": [] });
    assert_eq!(keyed(&ours).post(KEYS, &changed).await.refused(422), "idempotency.reused");
    let rotate = format!("{KEYS}/{}/rotate", made["id"].as_str().unwrap());
    let rotated = keyed(&ours).post(&rotate, &json!({})).await;
    assert_eq!((rotated.header("idempotent-replayed"), rotated.status.as_u16()), ("", 200));
    let foreign = keyed(&theirs).post(KEYS, &body()).await;
    assert_eq!(foreign.header("idempotent-replayed"), "");
    assert_ne!(foreign.is(201)["id"], made["id"]);
    // Who may not make a key is not told what was answered to somebody who may.
    let reader = narrow(&world, &ours, &["people:read"]).await;
    assert_eq!(keyed(&reader).post(KEYS, &body()).await.refused(403), "auth.scope_missing");
    let wrong = ours.clone().header("idempotency-key", &"k".repeat(256));
    assert_eq!(wrong.post(KEYS, &body()).await.refused(400), "idempotency.bad_key");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_refusal_is_decided_again() {
    let world = World::new().await;
    let keyed = world.admin.clone().header("idempotency-key", "k");
    let wrong = json!({ "name": "x", "plan": "golden" });
    let path = "/api/v1/organizations";
    assert_eq!(keyed.post(path, &wrong).await.refused(422), "organization.plan");
    keyed.post(path, &json!({ "name": "x" })).await.is(201);
    assert_eq!(keyed.post(path, &wrong).await.refused(422), "idempotency.reused");
}
