//! Pipelines, schedules, connectors and credentials through the door.

use axum::http::Method;
use levqor_core::ids::Organization;
use serde_json::{Value, json};

use super::{Client, World, bytes_below, hello};

const PATH: &str = "/api/v1/pipelines/hello";

fn saying(what: &str) -> Value {
    let mut document = hello();
    document["steps"][0]["with"]["text"] = what.into();
    document
}

impl Client {
    pub(crate) async fn put(&self, path: &str, body: &Value) -> super::Answered {
        self.send(Method::PUT, path, Some(body)).await
    }

    async fn delete(&self, path: &str) -> super::Answered {
        self.send(Method::DELETE, path, None).await
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_pipeline_is_changed_only_by_who_has_read_it() {
    let world = World::new().await;
    let admin = &world.admin;
    let matching = |tag: &str| admin.clone().header("if-match", tag);
    assert_eq!(
        matching("\"x\"").put(PATH, &hello()).await.refused(412),
        "request.precondition_failed"
    );
    let first = admin.put(PATH, &hello()).await;
    first.is(201);
    assert_eq!(first.header("location"), PATH);
    let tag = first.header("etag").to_owned();
    assert_eq!(tag, format!("\"{}\"", first.json()["version"].as_str().unwrap()));
    assert_eq!(admin.put(PATH, &saying("2")).await.refused(428), "request.precondition_required");
    let new_only = admin.clone().header("if-none-match", "*");
    assert_eq!(new_only.put(PATH, &saying("2")).await.refused(412), "request.precondition_failed");
    let second = matching(&tag).put(PATH, &saying("2")).await;
    second.is(200);
    let newer = second.header("etag").to_owned();
    assert_ne!(tag, newer);
    assert_eq!(
        matching(&tag).put(PATH, &saying("3")).await.refused(412),
        "request.precondition_failed"
    );
    let read = admin.get(PATH).await;
    assert_eq!((read.is(200)["document"].clone(), read.header("etag")), (saying("2"), &*newer));
    let known = admin.clone().header("if-none-match", &newer).get(PATH).await;
    assert_eq!((known.status.as_u16(), known.body.len(), known.header("etag")), (304, 0, &*newer));
    admin.clone().header("if-none-match", &tag).get(PATH).await.is(200);
    assert_eq!(admin.delete(PATH).await.refused(428), "request.precondition_required");
    assert_eq!(matching(&tag).delete(PATH).await.refused(412), "request.precondition_failed");
    matching(&newer).delete(PATH).await.is(204);
    assert_eq!(matching(&newer).delete(PATH).await.refused(404), "request.not_found");
    assert_eq!(admin.get(PATH).await.refused(404), "request.not_found");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_document_may_be_yaml_and_what_is_wrong_is_shown_in_its_own_text() {
    let world = World::new().await;
    let put = async |media: &str, text: &str| {
        let text = text.to_owned().into();
        let any = match world.admin.get(PATH).await.status.as_u16() {
            404 => world.admin.clone(),
            _ => world.admin.clone().header("if-match", "*"),
        };
        any.send_bytes(Method::PUT, PATH, Some(media), text).await
    };
    let good =
        "schema: levqor/v1\nname: hello\nsteps:\n  - {id: a, uses: core/set, with: {v: 1}}\n";
    put("application/yaml; charset=utf-8", good).await.is(201);
    let bad = "schema: levqor/v1\nname: hello\nstpes: []\n";
    let refused = put("application/yaml", bad).await.is(422);
    assert_eq!(refused["code"], "document.invalid");
    let errors = refused["errors"].as_array().unwrap();
    let found = errors.iter().find(|e| e["pointer"] == "#/stpes").unwrap();
    assert_eq!((&found["line"], &found["suggestion"]), (&json!(3), &json!("`steps`")));
    assert_eq!(put("text/plain", good).await.refused(415), "request.media_type");
    assert_eq!(put("application/json", good).await.refused(422), "document.invalid");
    let other = good.replace("name: hello", "name: other");
    assert_eq!(put("application/yaml", &other).await.refused(422), "pipeline.name_differs");
    let foreign = good.replace("core/set", "nobody/knows");
    assert_eq!(put("application/yaml", &foreign).await.refused(422), "document.invalid");
}

#[tokio::test(flavor = "multi_thread")]
async fn versions_are_kept_listed_and_compared() {
    let world = World::new().await;
    let admin = &world.admin;
    let stranger = world.stranger().await;
    let any = admin.clone().header("if-match", "*");
    let mut versions = vec![admin.put(PATH, &saying("0")).await.is(201)["version"].clone()];
    for n in 1..4 {
        versions.push(any.put(PATH, &saying(&n.to_string())).await.is(200)["version"].clone());
    }
    let listed = admin.get(&format!("{PATH}/versions")).await.is(200);
    let of = |list: &Value, key: &str| -> Vec<Value> {
        list["data"].as_array().unwrap().iter().map(|item| item[key].clone()).collect()
    };
    let newest_first: Vec<Value> = versions.iter().rev().cloned().collect();
    assert_eq!(of(&listed, "version"), newest_first);
    assert_eq!(of(&listed, "in_force"), [true, false, false, false]);
    let first = versions[0].as_str().unwrap();
    let path = format!("{PATH}/versions/{first}");
    assert_eq!(admin.get(&path).await.is(200)["document"], saying("0"));
    let diff = admin.get(&format!("{PATH}/diff")).await.is(200);
    assert_eq!((&diff["from"], &diff["to"]), (&versions[2], &versions[3]));
    assert_eq!(diff["changes"][0]["pointer"], "/steps/0/with");
    let whole = admin.get(&format!("{PATH}/diff?from={first}")).await.is(200);
    assert_eq!((&whole["from"], &whole["to"]), (&versions[0], &versions[3]));
    // A version of another name, or of nobody, is none of this one's.
    let mut other = hello();
    other["name"] = "other".into();
    let foreign = admin.put("/api/v1/pipelines/other", &other).await.is(201)["version"].clone();
    for version in [foreign.as_str().unwrap(), &"0".repeat(64), "x"] {
        let path = format!("{PATH}/versions/{version}");
        assert_eq!(admin.get(&path).await.refused(404), "request.not_found");
        let path = format!("{PATH}/diff?to={version}");
        assert_eq!(admin.get(&path).await.refused(404), "request.not_found");
    }
    for path in [PATH.to_owned(), format!("{PATH}/versions"), path, format!("{PATH}/diff")] {
        assert_eq!(stranger.get(&path).await.refused(404), "request.not_found", "{path}");
    }
    let page = admin.get("/api/v1/pipelines?limit=1").await.is(200);
    assert_eq!(of(&page, "name"), ["hello"]);
    let cursor = page["next_cursor"].as_str().unwrap();
    let rest = admin.get(&format!("/api/v1/pipelines?limit=1&cursor={cursor}")).await.is(200);
    assert_eq!((of(&rest, "name"), &rest["next_cursor"]), (vec![json!("other")], &Value::Null));
    assert_eq!(stranger.get("/api/v1/pipelines").await.is(200)["data"], json!([]));
}

#[tokio::test(flavor = "multi_thread")]
async fn schedules_show_their_times_and_obey() {
    let world = World::new().await;
    let admin = &world.admin;
    let mut document = hello();
    document["triggers"] = json!([
        { "id": "nightly", "uses": "schedule", "with": { "cron": "0 3 * * *", "timezone": "Europe/Berlin" } },
        { "id": "hook", "uses": "event", "with": { "event": "x" } },
    ]);
    document["output"] = json!("done");
    document["steps"][0]["with"]["text"] = json!("${{ input.trigger }}");
    admin.put(PATH, &document).await.is(201);
    let list = admin.get("/api/v1/schedules").await.is(200);
    let schedule = &list["data"][0];
    assert_eq!((&schedule["pipeline"], &schedule["trigger"]), (&json!("hello"), &json!("nightly")));
    assert_eq!(schedule["timezone"], "Europe/Berlin");
    let times: Vec<&str> =
        schedule["next"].as_array().unwrap().iter().map(|t| t.as_str().unwrap()).collect();
    assert_eq!(times.len(), 5);
    assert!(times.iter().all(|t| t.ends_with("01:00:00.000Z") || t.ends_with("02:00:00.000Z")));
    assert!(times.windows(2).all(|pair| pair[0] < pair[1]), "{times:?}");
    let post = async |client: &Client, trigger: &str, verb: &str| {
        let path = format!("/api/v1/schedules/hello/{trigger}/{verb}");
        client.send(Method::POST, &path, None).await
    };
    let paused = post(admin, "nightly", "pause").await.is(200);
    assert_eq!((&paused["paused"], &paused["next"]), (&json!(true), &json!([])));
    let resumed = post(admin, "nightly", "resume").await.is(200);
    assert_eq!((&resumed["paused"], &resumed["next"]), (&json!(false), &schedule["next"]));
    let waits = admin.clone().header("prefer", "wait=20");
    assert_eq!(post(&waits, "nightly", "run").await.is(200)["status"], "succeeded");
    let stranger = world.stranger().await;
    for verb in ["pause", "resume", "run"] {
        assert_eq!(post(admin, "hook", verb).await.refused(404), "request.not_found", "{verb}");
        assert_eq!(post(&stranger, "nightly", verb).await.refused(404), "request.not_found");
    }
    assert_eq!(stranger.get("/api/v1/schedules").await.is(200)["data"], json!([]));
}

#[tokio::test(flavor = "multi_thread")]
async fn connectors_show_what_they_do_what_it_costs_and_what_blocks_them() {
    let world = World::new().await;
    let list = world.admin.get("/api/v1/connectors").await.is(200);
    let named = |name: &str| {
        let all = list["data"].as_array().unwrap();
        all.iter().find(|c| c["name"] == name).unwrap_or_else(|| panic!("no {name}")).clone()
    };
    assert_eq!(named("text")["blocked"], Value::Null);
    let get =
        named("http")["actions"].as_array().unwrap().iter().find(|a| a["name"] == "get").cloned();
    assert_eq!(get.unwrap()["price"]["base"], 1);
    let slack = world.admin.get("/api/v1/connectors/slack").await.is(200);
    assert!(slack["manifest"]["actions"]["post_message"]["input_schema"]["properties"].is_object());
    let absent = world.admin.get("/api/v1/connectors/nobody").await;
    assert_eq!(absent.refused(404), "request.not_found");
    let folder = world.folder.path().to_str().unwrap();
    assert!(!list.to_string().contains(folder), "a path of the host's disk is shown");
}

#[tokio::test(flavor = "multi_thread")]
async fn credentials_go_in_and_never_come_out() {
    const CANARY: &str = "sk-canary-5b1d9e";
    let world = World::with(|_| {}).await;
    let admin = &world.admin;
    let path = "/api/v1/credentials/stripe";
    let key = json!({ "kind": "api_key", "key": CANARY, "hosts": ["api.stripe.com"] });
    let basic =
        json!({ "kind": "basic", "user": "u", "password": CANARY, "hosts": ["*.example.com"] });
    let shown =
        json!({ "name": "stripe", "kind": "api_key", "hosts": ["api.stripe.com"], "version": 1 });
    let mut answers = vec![admin.put(path, &key).await];
    assert_eq!(answers[0].is(201), shown);
    answers.push(admin.put(path, &basic).await);
    assert_eq!(
        (&answers[1].is(200)["kind"], &answers[1].json()["version"]),
        (&json!("basic"), &json!(2))
    );
    answers.push(admin.get("/api/v1/credentials").await);
    assert_eq!(answers[2].is(200)["data"][0]["name"], "stripe");
    // What is refused is not said again either.
    for wrong in [
        json!({ "kind": "api_key", "key": [CANARY], "hosts": [] }),
        json!({ "kind": "api_key", "key": CANARY, "hosts": ["a b"] }),
        json!({ "kind": "api_key", "kye": CANARY, "hosts": [] }),
        json!({ "kind": "nothing", "key": CANARY, "hosts": [] }),
    ] {
        let refused = admin.put(path, &wrong).await;
        assert_eq!(refused.status, 422, "{wrong}");
        answers.push(refused);
    }
    let stored = world.host.app().vault.get(&Organization::new("main").unwrap(), "stripe");
    assert!(stored.unwrap().is_some_and(|c| c.is_for("www.example.com")));
    let stranger = world.stranger().await;
    assert_eq!(stranger.get("/api/v1/credentials").await.is(200)["data"], json!([]));
    assert_eq!(stranger.delete(path).await.refused(404), "request.not_found");
    answers.push(admin.delete(path).await);
    assert_eq!(answers.last().unwrap().status, 204);
    assert_eq!(admin.delete(path).await.refused(404), "request.not_found");
    let World { host, folder, .. } = world;
    host.stop().await.unwrap();
    let mut all = bytes_below(folder.path());
    answers.iter().for_each(|answer| all.extend_from_slice(&answer.body));
    assert!(all.windows(6).any(|w| w == b"stripe"), "the search finds nothing at all");
    assert!(!all.windows(CANARY.len()).any(|w| w == CANARY.as_bytes()));
}
