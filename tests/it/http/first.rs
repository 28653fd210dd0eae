//! The first request of a newcomer: a run, by the key that the first start printed.

use serde_json::json;

use super::{World, hello};

#[tokio::test(flavor = "multi_thread")]
async fn the_first_key_starts_a_run_and_nobody_else_does() {
    let world = World::new().await;
    let body = json!({ "document": hello(), "input": { "who": "Ada" } });
    let accepted = world.admin.post("/api/v1/run", &body).await;
    assert!(accepted.is(202)["id"].as_str().unwrap().starts_with("run_"));
    assert!(!accepted.header("x-request-id").is_empty());
    let refused = world.anybody().post("/api/v1/run", &body).await;
    assert_eq!(refused.refused(401), "auth.unauthorized");
    assert_eq!(refused.header("www-authenticate"), "Bearer realm=\"levqor\"");
    let wrong = world.anybody().key("lvq_x").post("/api/v1/run", &body).await;
    assert_eq!(wrong.refused(401), "auth.unauthorized");
}

#[tokio::test(flavor = "multi_thread")]
async fn keys_are_what_they_were_after_a_restart() {
    let world = World::with(|_| {}).await;
    let body = json!({ "document": hello(), "input": { "who": "Ada" } });
    world.admin.post("/api/v1/run", &body).await.is(202);
    let world = world.restarted(|_| {}).await;
    assert!(world.host.admin_key().is_none(), "a second start makes no second key");
    world.admin.post("/api/v1/run", &body).await.is(202);
}
