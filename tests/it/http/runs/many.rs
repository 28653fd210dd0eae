//! Bulk changes and dead letters.

use axum::http::Method;
use levqor_core::engine::Start;
use levqor_core::ids::Organization;
use serde_json::{Value, json};

use super::super::{World, hello, until};
use super::{failing, is_in, started, waiting};

const BULK: &str = "/api/v1/runs/bulk";

#[tokio::test(flavor = "multi_thread")]
async fn a_bulk_change_says_what_it_would_touch_and_touches_that_in_steps() {
    let world = World::new().await;
    let stranger = world.stranger().await;
    let mut open = Vec::new();
    for _ in 0..5 {
        open.push(started(&world.admin, waiting(), Value::Null, "waiting").await);
    }
    let ended = started(&world.admin, hello(), json!({ "who": 1 }), "succeeded").await;
    let theirs = started(&stranger, waiting(), Value::Null, "waiting").await;
    let filter = json!({ "action": "cancel", "filter": { "pipeline": "waiting" } });
    let would = world.admin.post(BULK, &filter).await.is(200);
    assert_eq!(
        (&would["dry_run"], &would["count"], &would["changed"]),
        (&json!(true), &json!(5), &json!(5))
    );
    is_in(&world.admin, &open[0], "waiting").await;
    let mut really = filter.clone();
    (really["dry_run"], really["limit"]) = (json!(false), json!(2));
    let mut touched = Vec::new();
    loop {
        let did = world.admin.post(BULK, &really).await.is(200);
        assert_eq!(did["changed"], did["count"]);
        for result in did["results"].as_array().unwrap() {
            touched.push(result["run"].as_str().unwrap().to_owned());
        }
        if did["next_cursor"].is_null() {
            break;
        }
        really["cursor"] = did["next_cursor"].clone();
    }
    touched.reverse();
    assert_eq!(touched, open);
    is_in(&stranger, &theirs, "waiting").await;
    let named = json!({ "action": "cancel", "dry_run": false, "runs": [ended, theirs, "nonsense", open[0]] });
    let did = world.admin.post(BULK, &named).await.is(200);
    let codes: Vec<&Value> =
        did["results"].as_array().unwrap().iter().map(|r| &r["code"]).collect();
    assert_eq!(codes, ["run.unfit", "request.not_found", "request.not_found", "run.unfit"]);
    assert_eq!(did["changed"], 0);
    for (wrong, code) in [
        (json!({ "action": "cancel" }), "bulk.which"),
        (json!({ "action": "cancel", "runs": [] }), "bulk.limit"),
        (json!({ "action": "cancel", "filter": {}, "limit": 501 }), "bulk.limit"),
        (json!({ "action": "cancel", "filter": { "state": "x" } }), "request.invalid"),
    ] {
        assert_eq!(world.admin.post(BULK, &wrong).await.refused(422), code, "{wrong}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_bulk_replay_under_a_key_replays_once() {
    let world = World::new().await;
    let run = started(&world.admin, hello(), json!({ "who": 1 }), "succeeded").await;
    let keyed = world.admin.clone().header("idempotency-key", "k");
    let body = json!({ "action": "replay", "dry_run": false, "runs": [run] });
    let one = keyed.post(BULK, &body).await.is(200);
    let two = keyed.post(BULK, &body).await.is(200);
    assert!(one["results"][0]["started"].as_str().unwrap().starts_with("run_"));
    assert_eq!(one["results"][0]["started"], two["results"][0]["started"]);
}

/// A run whose step's outcome is not known: `dead`, until a person decides.
async fn dead(world: &World) -> String {
    let app = world.host.app();
    let organization = Organization::new("main").unwrap();
    let document = json!({
        "schema": "levqor/v1", "name": "dead",
        "steps": [{ "id": "f", "uses": "core/fail",
                    "with": { "code": "gave_up", "message": "as told", "kind": "ambiguous" } }],
    });
    let pipeline = app.engine.compile_text(&organization, &document.to_string()).await.unwrap();
    let start = Start::new(pipeline, Value::Null).organization(organization);
    let run = app.engine.start(start).await.unwrap().id().to_string();
    until(|| async {
        let found = world.admin.get(&format!("/api/v1/status/{run}")).await.is(200);
        matches!(found["status"].as_str(), Some("dead" | "failed")).then_some(())
    })
    .await;
    is_in(&world.admin, &run, "dead").await;
    run
}

#[tokio::test(flavor = "multi_thread")]
async fn dead_letters_are_listed_retried_once_and_discarded() {
    let world = World::new().await;
    let (first, second, third) = (dead(&world).await, dead(&world).await, dead(&world).await);
    let failed = started(&world.admin, failing(), json!({ "fails": true }), "failed").await;
    let list = async |query: &str| {
        let page = world.admin.get(&format!("/api/v1/dead-letters{query}")).await.is(200);
        let runs =
            page["data"].as_array().unwrap().iter().map(|l| l["run"].as_str().unwrap().to_owned());
        (runs.collect::<Vec<_>>(), page["next_cursor"].as_str().map(str::to_owned))
    };
    let (page, cursor) = list("?limit=2").await;
    assert_eq!(page, [third.clone(), second.clone()]);
    assert_eq!(
        list(&format!("?limit=2&cursor={}", cursor.unwrap())).await,
        (vec![first.clone()], None)
    );
    let letter = world.admin.get(&format!("/api/v1/dead-letters/{first}")).await.is(200);
    assert_eq!(
        (&letter["error"]["code"], &letter["detail"]["id"]),
        (&json!("gave_up"), &json!(first))
    );
    let post = async |run: &str, verb: &str| {
        let path = format!("/api/v1/dead-letters/{run}/{verb}");
        world.admin.send(Method::POST, &path, None).await
    };
    // Two people at once, and one who did not hear the answer.
    let (one, two) = tokio::join!(post(&first, "retry"), post(&first, "retry"));
    assert_eq!(one.is(202)["id"], two.is(202)["id"]);
    assert_eq!(post(&first, "retry").await.is(202)["id"], one.json()["id"]);
    post(&second, "discard").await.is(204);
    for verb in ["retry", "discard"] {
        assert_eq!(post(&second, verb).await.refused(404), "request.not_found", "{verb}");
        assert_eq!(post(&failed, verb).await.refused(404), "request.not_found", "{verb}");
    }
    let next = one.json()["id"].as_str().unwrap().to_owned();
    is_in(&world.admin, &next, "dead").await;
    assert_eq!(list("").await.0, [next, third]);
}
