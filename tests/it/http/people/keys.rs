//! API keys: made, listed, rotated under load, revoked at once, never wider than their maker.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use axum::http::Method;
use serde_json::{Value, json};

use super::super::{World, bytes_below};
use super::{delete, narrow, other, shape};

#[tokio::test(flavor = "multi_thread")]
async fn a_key_is_shown_once_and_listed_without_its_secret() {
    let world = World::with(|_| {}).await;
    let body = json!({ "name": "ci", "scopes": ["people:read", "runs:read"] });
    let answered = world.admin.post("/api/v1/keys", &body).await;
    let made = answered.is(201);
    let (id, text) = (made["id"].as_str().unwrap(), made["key"].as_str().unwrap());
    assert_eq!(answered.header("location"), format!("/api/v1/keys/{id}"));
    assert!(text.starts_with("lvq_") && text.ends_with(made["last4"].as_str().unwrap()), "{made}");
    let ours = world.anybody().key(text);
    let got = ours.get(&format!("/api/v1/keys/{id}")).await.is(200);
    assert_eq!(got["scopes"], json!(["runs:read", "people:read"]));
    assert!(got["created_by"].as_str().unwrap().starts_with("key:"), "{got}");
    assert_eq!(got["last_used"].as_i64().unwrap() % 60_000, 0, "to the minute");
    let listed = ours.get("/api/v1/keys").await;
    assert_eq!(listed.is(200)["data"].as_array().unwrap().len(), 2);
    let secret = text.splitn(3, '_').last().unwrap();
    assert!(!String::from_utf8_lossy(&listed.body).contains(secret));
    let id = id.to_owned();
    let world = world.restarted(|_| {}).await;
    let after = world.admin.get(&format!("/api/v1/keys/{id}")).await.is(200);
    assert_eq!(after["last_used"], got["last_used"], "written late, and written");
    let stored = bytes_below(world.folder.path());
    assert!(!stored.windows(secret.len()).any(|w| w == secret.as_bytes()), "a secret is stored");
    assert!(stored.windows(id.len()).any(|w| w == id.as_bytes()), "the look finds what is there");
}

#[tokio::test(flavor = "multi_thread")]
async fn nobody_makes_or_takes_a_key_that_may_more() {
    let world = World::new().await;
    let few = narrow(&world, &world.admin, &["people:read", "people:write"]).await;
    let wide = json!({ "name": "wide", "scopes": ["people:read", "runs:read"] });
    assert_eq!(few.post("/api/v1/keys", &wide).await.refused(403), "auth.scope_escalation");
    let all = world.admin.get("/api/v1/keys").await.is(200);
    let admin = all["data"].as_array().unwrap().iter().find(|k| k["name"] == "admin").unwrap();
    let rotate = format!("/api/v1/keys/{}/rotate", admin["id"].as_str().unwrap());
    assert_eq!(few.post(&rotate, &json!({})).await.refused(403), "auth.scope_escalation");
    let own = json!({ "name": "own", "scopes": ["people:read"] });
    few.post("/api/v1/keys", &own).await.is(201);
    let reader = narrow(&world, &world.admin, &["people:read"]).await;
    let refused = reader.post("/api/v1/keys", &own).await;
    assert_eq!(refused.refused(403), "auth.scope_missing");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_revoked_key_is_refused_at_once() {
    let world = World::new().await;
    for _ in 0..20 {
        let body = json!({ "name": "k", "scopes": ["people:read"] });
        let made = world.admin.post("/api/v1/keys", &body).await.is(201);
        let key = world.anybody().key(made["key"].as_str().unwrap());
        key.get("/api/v1/organization").await.is(200);
        let path = format!("/api/v1/keys/{}", made["id"].as_str().unwrap());
        delete(&world.admin, &path).await.is(204);
        assert_eq!(key.get("/api/v1/organization").await.refused(401), "auth.unauthorized");
        assert_eq!(world.admin.get(&path).await.refused(404), "request.not_found");
        assert_eq!(delete(&world.admin, &path).await.refused(404), "request.not_found");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_rotation_under_load_fails_no_honest_call() {
    let world = World::new().await;
    let body = json!({ "name": "busy", "scopes": ["people:read"] });
    let made = world.admin.post("/api/v1/keys", &body).await.is(201);
    let rotate = format!("/api/v1/keys/{}/rotate", made["id"].as_str().unwrap());
    let text = Arc::new(parking_lot::Mutex::new(made["key"].as_str().unwrap().to_owned()));
    let (stop, calls) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicU64::new(0)));
    let mut callers = Vec::new();
    for _ in 0..4 {
        let (client, text) = (world.anybody(), text.clone());
        let (stop, calls) = (stop.clone(), calls.clone());
        callers.push(tokio::spawn(async move {
            while !stop.load(Ordering::Relaxed) {
                let key = client.clone().key(&text.lock());
                key.get("/api/v1/organization").await.is(200);
                calls.fetch_add(1, Ordering::Relaxed);
            }
        }));
    }
    for round in 1..=7_u64 {
        let before = text.lock().clone();
        let new = world.admin.post(&rotate, &json!({ "overlap_seconds": 600 })).await.is(200);
        assert!(new["overlap_ends"].is_i64(), "{new}");
        // Whoever still holds the secret before is served while the overlap lasts.
        world.anybody().key(&before).get("/api/v1/organization").await.is(200);
        *text.lock() = new["key"].as_str().unwrap().to_owned();
        while calls.load(Ordering::Relaxed) < round * 20 {
            tokio::task::yield_now().await;
        }
    }
    stop.store(true, Ordering::Relaxed);
    for caller in callers {
        caller.await.unwrap();
    }
    let many = world.admin.post(&rotate, &json!({ "overlap_seconds": 600 })).await;
    assert_eq!(
        many.refused(409),
        "key.too_many_overlaps",
        "an overlap that was promised is not cut off"
    );
    let old = text.lock().clone();
    world.admin.post(&rotate, &json!({ "overlap_seconds": 0 })).await.is(200);
    let refused = world.anybody().key(&old).get("/api/v1/organization").await;
    assert_eq!(refused.refused(401), "auth.unauthorized");
    let wrong = world.admin.post(&rotate, &json!({ "overlap_seconds": 604_801 })).await;
    assert_eq!(wrong.refused(422), "key.overlap_too_long");
}

#[tokio::test(flavor = "multi_thread")]
async fn another_organizations_key_is_not_there() {
    let world = World::new().await;
    let (ours, theirs) = (other(&world, "ours").await, other(&world, "theirs").await);
    let all = theirs.get("/api/v1/keys").await.is(200);
    let foreign = all["data"][0]["id"].as_str().unwrap().to_owned();
    let absent = "key_00000000000000000000000000".to_owned();
    for (method, tail, body) in [
        (Method::GET, "", None),
        (Method::DELETE, "", None),
        (Method::POST, "/rotate", Some(json!({}))),
    ] {
        let mut shapes = Vec::new();
        for id in [&foreign, &absent] {
            let path = format!("/api/v1/keys/{id}{tail}");
            let answered = ours.send(method.clone(), &path, body.as_ref()).await;
            assert_eq!(answered.status, 404);
            shapes.push(shape(&answered));
        }
        assert_eq!(shapes[0], shapes[1], "{method}");
    }
    theirs.get("/api/v1/organization").await.is(200);
}

#[tokio::test(flavor = "multi_thread")]
async fn lists_of_keys_go_page_by_page() {
    let world = World::new().await;
    let ours = other(&world, "ours").await;
    for n in 0..6 {
        let body = json!({ "name": format!("k{n}"), "scopes": [] });
        ours.post("/api/v1/keys", &body).await.is(201);
    }
    let (mut seen, mut path) = (Vec::new(), "/api/v1/keys?limit=3".to_owned());
    loop {
        let page = ours.get(&path).await.is(200);
        seen.extend(page["data"].as_array().unwrap().iter().map(|k| k["id"].clone()));
        match page["next_cursor"].as_str() {
            Some(cursor) => path = format!("/api/v1/keys?limit=3&cursor={cursor}"),
            None => break,
        }
    }
    seen.sort_by_key(Value::to_string);
    seen.dedup();
    assert_eq!(seen.len(), 7);
}

#[tokio::test(flavor = "multi_thread")]
async fn keys_that_cannot_be_are_refused() {
    let world = World::new().await;
    for (body, code) in [
        (json!({ "name": "", "scopes": [] }), "request.invalid"),
        (json!({ "name": "a\nb", "scopes": [] }), "request.invalid"),
        (json!({ "name": "k", "scopes": ["runs:all"] }), "request.invalid"),
        (json!({ "name": "k", "scopes": [], "organization": "main" }), "request.invalid"),
        (json!({ "name": "k", "scopes": [], "expires": 1 }), "key.expired"),
    ] {
        assert_eq!(world.admin.post("/api/v1/keys", &body).await.refused(422), code, "{body}");
    }
}
