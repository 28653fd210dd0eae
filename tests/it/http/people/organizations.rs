//! Organizations: the operator makes and lists them, each knows only itself.

use serde_json::json;

use super::super::{World, hello};
use super::{narrow, other, patch};

#[tokio::test(flavor = "multi_thread")]
async fn the_operator_makes_an_organization_that_can_work() {
    let world = World::new().await;
    let body = json!({ "name": "Acme", "plan": "pro" });
    let made = world.admin.post("/api/v1/organizations", &body).await.is(201);
    let acme = world.anybody().key(made["key"].as_str().unwrap());
    let own = acme.get("/api/v1/organization").await.is(200);
    assert_eq!(own, made["organization"]);
    assert_eq!((&own["name"], &own["plan"]), (&json!("Acme"), &json!("pro")));
    let run = json!({ "document": hello(), "input": { "who": "Ada" } });
    acme.post("/api/v1/run", &run).await.is(202);
    let refused = acme.post("/api/v1/organizations", &json!({ "name": "x" })).await;
    assert_eq!(refused.refused(403), "auth.scope_missing");
    assert_eq!(acme.get("/api/v1/organizations").await.refused(403), "auth.scope_missing");
    let wrong = json!({ "name": "x", "plan": "golden" });
    let refused = world.admin.post("/api/v1/organizations", &wrong).await;
    assert_eq!(refused.refused(422), "organization.plan");
    let page = world.admin.get("/api/v1/organizations").await.is(200);
    let names: Vec<&str> =
        page["data"].as_array().unwrap().iter().map(|o| o["name"].as_str().unwrap()).collect();
    assert!(names.contains(&"main") && names.contains(&"Acme"), "{names:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_organization_is_changed_by_who_read_it() {
    let world = World::new().await;
    let ours = other(&world, "ours").await;
    let read = ours.get("/api/v1/organization").await;
    let tag = read.header("etag").to_owned();
    let change = json!({ "name": "Ours & Co", "zone": "Europe/Vienna" });
    let refused = patch(&ours, "/api/v1/organization", &change).await;
    assert_eq!(refused.refused(428), "request.if_match_missing");
    let at = ours.clone().header("if-match", &tag);
    let changed = patch(&at, "/api/v1/organization", &change).await;
    assert_eq!(changed.is(200)["zone"], "Europe/Vienna");
    assert_ne!(changed.header("etag"), tag);
    let stale = patch(&at, "/api/v1/organization", &change).await;
    assert_eq!(stale.refused(412), "request.if_match");
    let any = ours.clone().header("if-match", "*");
    let wrong = patch(&any, "/api/v1/organization", &json!({ "zone": "Mars/Base" })).await;
    assert_eq!(wrong.refused(422), "organization.zone");
    for field in ["plan", "id", "suspended", "created", "credits", "owner"] {
        let wrong = patch(&any, "/api/v1/organization", &json!({ field: "x" })).await;
        assert_eq!(wrong.refused(422), "request.invalid", "{field}");
    }
    let reader = narrow(&world, &ours, &["people:read"]).await.header("if-match", "*");
    let refused = patch(&reader, "/api/v1/organization", &change).await;
    assert_eq!(refused.refused(403), "auth.scope_missing");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_audit_log_says_who_did_what_in_ones_own_organization() {
    let world = World::new().await;
    let (ours, theirs) = (other(&world, "ours").await, other(&world, "theirs").await);
    for n in 0..5 {
        let body = json!({ "name": format!("k{n}"), "scopes": [] });
        ours.post("/api/v1/keys", &body).await.is(201);
    }
    let (mut rows, mut path) = (Vec::new(), "/api/v1/audit?limit=2".to_owned());
    loop {
        let page = ours.get(&path).await.is(200);
        rows.extend(page["data"].as_array().unwrap().clone());
        match page["next_cursor"].as_str() {
            Some(cursor) => path = format!("/api/v1/audit?limit=2&cursor={cursor}"),
            None => break,
        }
    }
    let actions: Vec<&str> = rows.iter().map(|r| r["action"].as_str().unwrap()).collect();
    assert_eq!(
        actions,
        ["make_key", "make_key", "make_key", "make_key", "make_key", "make_organization"]
    );
    let times: Vec<i64> = rows.iter().map(|r| r["at"].as_i64().unwrap()).collect();
    assert!(times.is_sorted_by(|a, b| a >= b), "newest first: {times:?}");
    assert!(rows[0]["principal"].as_str().unwrap().starts_with("key:key_"), "{}", rows[0]);
    assert!(rows[0]["request_id"].as_str().unwrap().starts_with("req_"), "{}", rows[0]);
    let foreign = theirs.get("/api/v1/audit").await.is(200);
    assert_eq!(foreign["data"].as_array().unwrap().len(), 1);
}
