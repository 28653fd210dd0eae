//! Runs through the door: starting, keys, waiting, lists, changes.

mod events;
mod many;
mod race;

use axum::http::Method;
use serde_json::{Value, json};

use super::{Answered, Client, World, hello, until};

/// Waits for an event, then says what it carried.
fn waiting() -> Value {
    json!({
        "schema": "levqor/v1",
        "name": "waiting",
        "steps": [
            { "id": "a", "uses": "core/template", "with": { "text": "a" } },
            { "id": "w", "uses": "core/wait_event", "with": { "event": "go" } },
            { "id": "b", "uses": "core/template", "with": { "text": "${{ steps.w.output.n }}" } },
        ],
        "output": "${{ steps.b.output }}",
    })
}

/// Fails at its second step until its input says otherwise.
fn failing() -> Value {
    json!({
        "schema": "levqor/v1",
        "name": "failing",
        "steps": [
            { "id": "a", "uses": "core/template", "with": { "text": "a" } },
            { "id": "f", "if": "${{ input.fails }}", "uses": "core/fail",
              "with": { "code": "as_told", "message": "as told" } },
        ],
        "output": "${{ steps.a.output.text }}",
    })
}

/// Starts a run and waits until it is in this status.
async fn started(client: &Client, document: Value, input: Value, status: &str) -> String {
    let body = json!({ "document": document, "input": input });
    let id = client.post("/api/v1/run", &body).await.is(202)["id"].as_str().unwrap().to_owned();
    is_in(client, &id, status).await;
    id
}

async fn is_in(client: &Client, run: &str, status: &str) {
    until(|| async {
        let found = client.get(&format!("/api/v1/status/{run}")).await.is(200);
        (found["status"] == status).then_some(())
    })
    .await;
}

async fn audited(world: &World) -> Vec<String> {
    let app = world.host.app();
    let rows = app.desk.list::<levqor_host_http::desk::Audit>(&["main"], None, 100).await.unwrap();
    rows.into_iter().map(|row| format!("{} {}", row.record.action, row.record.target)).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_run_is_waited_for_as_long_as_was_asked() {
    let world = World::new().await;
    let body = json!({ "document": hello(), "input": { "who": "Ada" } });
    let waits = world.admin.clone().header("prefer", "wait=20");
    let ended = waits.post("/api/v1/run", &body).await;
    let answer = ended.is(200);
    assert_eq!(
        (&answer["status"], &answer["output"]),
        (&json!("succeeded"), &json!({ "text": "hello, Ada" }))
    );
    assert_eq!(ended.header("preference-applied"), "wait=20");
    let id = answer["id"].as_str().unwrap();
    assert_eq!(ended.header("location"), format!("/api/v1/runs/{id}"));
    assert!(world.admin.get(ended.header("location")).await.is(200)["input"]["who"] == "Ada");
    let soon = world.admin.clone().header("prefer", "wait=1");
    let open = soon.post("/api/v1/run", &json!({ "document": waiting() })).await;
    let answer = open.is(202);
    assert_eq!(
        (&answer["status"], open.header("preference-applied")),
        (&json!("waiting"), "wait=1")
    );
    let body = json!({ "document": failing(), "input": { "fails": true } });
    let answer = waits.post("/api/v1/run", &body).await.is(200);
    assert_eq!(
        (&answer["status"], &answer["error"]["code"]),
        (&json!("failed"), &json!("as_told"))
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_key_answers_the_same_request_the_same_and_another_one_not_at_all() {
    let world = World::new().await;
    world.admin.put("/api/v1/pipelines/hello", &hello()).await.is(201);
    let keyed = world.admin.clone().header("idempotency-key", "k1");
    let body = |n: u32| json!({ "pipeline": "hello", "input": { "who": n } });
    let first = keyed.post("/api/v1/run", &body(1)).await;
    first.is(202);
    assert_eq!(first.header("idempotent-replayed"), "");
    let same = |again: &Answered| {
        assert_eq!((again.status, &again.body), (first.status, &first.body));
        assert_eq!(again.header("idempotent-replayed"), "true");
        assert_eq!(again.header("location"), first.header("location"));
    };
    same(&keyed.post("/api/v1/run", &body(1)).await);
    let quoted = world.admin.clone().header("idempotency-key", "\"k1\"");
    same(&quoted.post("/api/v1/run", &body(1)).await);
    // All of the body counts, not the input alone.
    let mut labelled = body(1);
    labelled["labels"] = json!({ "a": "b" });
    for other in [body(2), labelled] {
        assert_eq!(keyed.post("/api/v1/run", &other).await.refused(422), "idempotency.reused");
    }
    let elsewhere = keyed.post("/api/v1/intake", &body(1)).await;
    assert_ne!(elsewhere.is(202)["id"], first.json()["id"], "keys are of one route");
    let stranger = world.stranger().await.header("idempotency-key", "k1");
    let theirs = json!({ "document": hello(), "input": { "who": 1 } });
    let foreign = stranger.post("/api/v1/run", &theirs).await.is(202);
    assert_ne!(foreign["id"], first.json()["id"], "keys are of one organization");
    // The answer stays the same when what it was about has gone.
    let gone = world.admin.clone().header("if-match", "*");
    gone.send(Method::DELETE, "/api/v1/pipelines/hello", None).await.is(204);
    same(&keyed.post("/api/v1/run", &body(1)).await);
    let world = world.admin.clone().header("idempotency-key", "a b");
    assert_eq!(world.post("/api/v1/run", &body(1)).await.refused(400), "idempotency.bad_key");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_start_keeps_what_it_was_given() {
    let world = World::new().await;
    let trace = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";
    let traced = world.admin.clone().header("traceparent", trace);
    let body = json!({
        "document": hello(), "input": { "who": 1 }, "labels": { "env": "prod" },
        "delay_until": "2099-01-01T00:00:00Z", "max_credits": 3, "priority": 1,
    });
    let id = traced.post("/api/v1/run", &body).await.is(202)["id"].as_str().unwrap().to_owned();
    let run = world.admin.get(&format!("/api/v1/runs/{id}")).await.is(200);
    assert_eq!(run["status"], "queued");
    // The same trace; its span is the request's own.
    assert_eq!(run["traceparent"].as_str().unwrap()[..36], trace[..36]);
    assert_eq!(
        (&run["labels"]["env"], &run["due"]),
        (&json!("prod"), &json!("2099-01-01T00:00:00.000Z"))
    );
    assert!(run["principal"].as_str().unwrap().starts_with("key:"));
    let journal = world.admin.get(&format!("/api/v1/runs/{id}/journal")).await.is(200);
    assert_eq!(journal["data"][0]["events"][0]["max_credits"], 3);
    assert!(journal["data"][0]["events"][0]["at"].as_str().unwrap().ends_with('Z'));
    for (wrong, code) in [
        (json!({}), "run.what"),
        (json!({ "document": hello(), "pipeline": "hello" }), "run.what"),
        (json!({ "document": hello(), "priority": 6 }), "run.bad_priority"),
        (json!({ "document": hello(), "labels": { "a b": "" } }), "run.bad_label"),
        (json!({ "document": hello(), "delay_until": "soon" }), "request.invalid"),
        (json!({ "document": hello(), "organization": "main" }), "request.invalid"),
    ] {
        assert_eq!(world.admin.post("/api/v1/run", &wrong).await.refused(422), code, "{wrong}");
    }
    let broken = json!({ "document": { "schema": "levqor/v1", "name": "x", "stpes": [] } });
    let refused = world.admin.post("/api/v1/run", &broken).await.is(422);
    let pointers: Vec<&str> = refused["errors"]
        .as_array()
        .unwrap()
        .iter()
        .filter_map(|e| e["pointer"].as_str())
        .collect();
    assert!(pointers.contains(&"#/document/stpes"), "{pointers:?}");
    let absent = json!({ "pipeline": "nobody" });
    assert_eq!(world.admin.post("/api/v1/run", &absent).await.refused(404), "request.not_found");
    assert_eq!(world.admin.post("/api/v1/intake", &absent).await.refused(404), "request.not_found");
}

#[tokio::test(flavor = "multi_thread")]
async fn runs_are_listed_by_status_pipeline_label_and_time_in_pages() {
    let world = World::new().await;
    let mut ids = Vec::new();
    for n in 0..5 {
        let body = json!({ "document": hello(), "input": { "who": n }, "labels": { "odd": (n % 2).to_string() } });
        let waits = world.admin.clone().header("prefer", "wait=20");
        ids.push(waits.post("/api/v1/run", &body).await.is(200)["id"].clone());
    }
    // Newest first, as lists are; ids of one millisecond stand in any order.
    let newest = |id: &Value| std::cmp::Reverse(id.as_str().unwrap().to_owned());
    let mut odd = vec![ids[1].clone(), ids[3].clone()];
    odd.sort_by_key(newest);
    ids.sort_by_key(newest);
    let open = started(&world.admin, waiting(), Value::Null, "waiting").await;
    let list = async |query: &str| {
        let page = world.admin.get(&format!("/api/v1/runs?{query}")).await.is(200);
        let ids: Vec<Value> =
            page["data"].as_array().unwrap().iter().map(|r| r["id"].clone()).collect();
        (ids, page["next_cursor"].as_str().map(str::to_owned))
    };
    assert_eq!(list("status=succeeded").await.0, ids);
    assert_eq!(list("pipeline=waiting").await.0, [json!(open)]);
    assert_eq!(list("label.odd=1").await.0, odd);
    assert_eq!(list("created_before=2001-01-01T00:00:00Z").await.0, [] as [Value; 0]);
    assert_eq!(list("created_after=2001-01-01T00:00:00Z").await.0.len(), 6);
    let (first, cursor) = list("status=succeeded&limit=3").await;
    let cursor = cursor.unwrap();
    let (rest, end) = list(&format!("status=succeeded&limit=3&cursor={cursor}")).await;
    assert_eq!(([first, rest].concat(), end), (ids, None));
    let elsewhere = world.admin.get(&format!("/api/v1/runs?status=dead&cursor={cursor}")).await;
    assert_eq!(elsewhere.refused(400), "request.cursor");
    assert_eq!(world.admin.get("/api/v1/runs?stauts=dead").await.refused(400), "request.query");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_run_is_paused_sent_on_decided_and_cancelled_and_each_leaves_an_audit_row() {
    let world = World::new().await;
    let id = started(&world.admin, waiting(), Value::Null, "waiting").await;
    let post = async |verb: &str, body: Option<Value>| {
        let path = format!("/api/v1/runs/{id}/{verb}");
        world.admin.send(Method::POST, &path, body.as_ref()).await
    };
    assert_eq!(post("pause", None).await.is(200)["status"], "paused");
    assert_eq!(post("pause", None).await.refused(409), "run.paused_already");
    assert_eq!(post("resume", Some(json!({}))).await.is(202)["id"], id);
    is_in(&world.admin, &id, "waiting").await;
    assert_eq!(post("cancel", None).await.is(200)["status"], "cancelled");
    assert_eq!(
        post("cancel", None).await.is(200)["status"],
        "cancelled",
        "asked twice is done once"
    );
    assert_eq!(post("pause", None).await.refused(409), "run.ended");
    let wanted = ["cancel_run", "resume_run", "pause_run"].map(|action| format!("{action} {id}"));
    assert_eq!(audited(&world).await, wanted);

    let document = json!({
        "schema": "levqor/v1", "name": "approval",
        "steps": [{ "id": "ok", "uses": "core/approval", "with": { "expires": "1h" } }],
        "output": "${{ steps.ok.output }}",
    });
    let id = started(&world.admin, document, Value::Null, "waiting").await;
    let signal = format!("/api/v1/runs/{id}/signal");
    let wrong = json!({ "step": "no", "approved": true });
    assert_eq!(world.admin.post(&signal, &wrong).await.refused(409), "run.not_waiting");
    world.admin.post(&signal, &json!({ "step": "ok", "approved": true })).await.is(200);
    is_in(&world.admin, &id, "succeeded").await;
    let output = world.admin.get(&format!("/api/v1/status/{id}")).await.is(200)["output"].clone();
    assert_eq!(output["approved"], true);
    assert!(output["by"].as_str().unwrap().starts_with("key:"));
}

#[tokio::test(flavor = "multi_thread")]
async fn an_ended_run_is_resumed_once_and_replayed_as_often_as_asked() {
    let world = World::new().await;
    let id = started(&world.admin, failing(), json!({ "fails": true }), "failed").await;
    let resume = format!("/api/v1/runs/{id}/resume");
    let first = world.admin.post(&resume, &json!({})).await;
    let again = world.admin.post(&resume, &json!({})).await;
    assert_eq!((first.is(202), again.header("idempotent-replayed")), (again.is(202), "true"));
    assert_ne!(first.json()["id"], id);
    let replay = format!("/api/v1/runs/{id}/replay");
    let keyed = world.admin.clone().header("idempotency-key", "k").header("prefer", "wait=20");
    let body = json!({ "from": "f", "input": { "fails": false } });
    let one = keyed.post(&replay, &body).await;
    assert_eq!(
        (one.is(200)["status"].clone(), &one.json()["output"]),
        (json!("succeeded"), &json!("a"))
    );
    let journal = format!("/api/v1/runs/{}/journal", one.json()["id"].as_str().unwrap());
    let journal = world.admin.get(&journal).await.is(200);
    assert_eq!(journal["data"][0]["events"][0]["origin"]["run"], id);
    let two = keyed.post(&replay, &body).await;
    assert_eq!(
        (two.json()["id"].clone(), two.header("idempotent-replayed")),
        (one.json()["id"].clone(), "true")
    );
    let other = keyed.post(&replay, &json!({})).await;
    assert_eq!(other.refused(422), "idempotency.reused");
    let three =
        world.admin.post(&replay, &json!({ "document": hello(), "input": { "who": 1 } })).await;
    assert_ne!(three.is(202)["id"], one.json()["id"]);
    let missing = world.admin.post(&replay, &json!({ "from": "nope" })).await;
    assert_eq!(missing.refused(404), "request.not_found");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_signal_reaches_the_runs_of_its_organization_that_wait_for_it() {
    let world = World::new().await;
    let stranger = world.stranger().await;
    let mine = started(&world.admin, waiting(), Value::Null, "waiting").await;
    let theirs = started(&stranger, waiting(), Value::Null, "waiting").await;
    let body = json!({ "name": "go", "payload": { "n": "7" } });
    let took = world.admin.post("/api/v1/signals", &body).await.is(200);
    assert_eq!(took["runs"], json!([mine]));
    is_in(&world.admin, &mine, "succeeded").await;
    let status = stranger.get(&format!("/api/v1/status/{theirs}")).await.is(200);
    assert_eq!(status["status"], "waiting");
}

/// Whatever is asked of it: another organization's run is answered for as one that is not there.
#[tokio::test(flavor = "multi_thread")]
async fn a_foreign_run_answers_as_an_absent_one() {
    let world = World::new().await;
    let stranger = world.stranger().await;
    let open = started(&world.admin, waiting(), Value::Null, "waiting").await;
    let dead = started(&world.admin, failing(), json!({ "fails": true }), "failed").await;
    let absent = "run_01900000000000000000000000";
    let asked = |run: &str| {
        let runs = format!("/api/v1/runs/{run}");
        let letters = format!("/api/v1/dead-letters/{run}");
        let signal = json!({ "step": "w", "approved": true });
        vec![
            (Method::GET, format!("/api/v1/status/{run}"), None),
            (Method::GET, runs.clone(), None),
            (Method::GET, format!("{runs}/journal"), None),
            (Method::GET, format!("{runs}/events"), None),
            (Method::POST, format!("{runs}/cancel"), None),
            (Method::POST, format!("{runs}/pause"), None),
            (Method::POST, format!("{runs}/resume"), Some(json!({}))),
            (Method::POST, format!("{runs}/replay"), Some(json!({}))),
            (Method::POST, format!("{runs}/replay"), Some(json!({ "document": {} }))),
            (Method::POST, format!("{runs}/signal"), Some(signal)),
            (Method::GET, letters.clone(), None),
            (Method::POST, format!("{letters}/retry"), None),
            (Method::POST, format!("{letters}/discard"), None),
        ]
    };
    for run in [&open, &dead] {
        for (foreign, absent) in asked(run).into_iter().zip(asked(absent)) {
            let (method, path, body) = foreign;
            let foreign = stranger.send(method.clone(), &path, body.as_ref()).await;
            let absent = stranger.send(method, &absent.1, body.as_ref()).await;
            assert_eq!(foreign.status, 404, "{path}");
            let said = |answer: &Answered| {
                let mut body = answer.json();
                body["request_id"] = Value::Null;
                let mut names: Vec<String> =
                    answer.headers.keys().map(ToString::to_string).collect();
                names.sort();
                (answer.status, body, names)
            };
            assert_eq!(said(&foreign), said(&absent), "{path}");
        }
    }
    assert_eq!(
        world.admin.get(&format!("/api/v1/status/{open}")).await.is(200)["status"],
        "waiting"
    );
    assert_eq!(stranger.get("/api/v1/runs").await.is(200)["data"], json!([]));
}
