//! Rates: by address, by key, by credentials that are none; told on every answer.

use std::time::Duration;

use serde_json::json;

use super::super::{World, hello};

#[tokio::test(flavor = "multi_thread")]
async fn who_comes_back_when_told_is_answered() {
    let world = World::with(|config| {
        config.store = "memory:".to_owned();
        // Slow enough that this test is faster than its rate.
        config.limits.address_per_second = 1;
        config.limits.address_burst = 3;
    })
    .await;
    let anybody = world.anybody();
    for left in [2, 1, 0] {
        let answer = anybody.get("/healthz").await;
        answer.is(200);
        assert_eq!(answer.header("ratelimit-policy"), "\"address\";q=3;w=3");
        assert!(answer.header("ratelimit").starts_with(&format!("\"address\";r={left};t=")));
    }
    let refused = anybody.get("/healthz").await;
    assert_eq!(refused.refused(429), "limit.address");
    assert_eq!(refused.header("retry-after"), "1");
    assert!(refused.header("ratelimit").starts_with("\"address\";r=0;t="));
    assert_eq!(refused.header("x-frame-options"), "DENY");
    // Being refused costs nothing, and the moment that was told is enough.
    let _ = anybody.get("/healthz").await;
    tokio::time::sleep(Duration::from_secs(1)).await;
    anybody.get("/healthz").await.is(200);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_address_is_what_a_trusted_proxy_says() {
    let world = World::with(|config| {
        config.store = "memory:".to_owned();
        config.trusted_proxies = vec!["127.0.0.0/8".to_owned()];
        config.limits.address_per_second = 1;
        config.limits.address_burst = 1;
    })
    .await;
    let from = |address: &str| world.anybody().header("x-forwarded-for", address);
    from("198.51.100.1").get("/healthz").await.is(200);
    assert_eq!(from("198.51.100.1").get("/healthz").await.refused(429), "limit.address");
    // What is left of it was written by the client.
    assert_eq!(from("1.2.3.4, 198.51.100.1").get("/healthz").await.refused(429), "limit.address");
    from("198.51.100.2").get("/healthz").await.is(200);
    from("2001:db8::1").get("/healthz").await.is(200);
    assert_eq!(from("2001:db8::2").get("/healthz").await.refused(429), "limit.address");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_key_has_a_rate_of_its_own() {
    let world = World::with(|config| {
        config.store = "memory:".to_owned();
        config.limits.key_per_second = 1;
        config.limits.key_burst = 2;
    })
    .await;
    let body = json!({ "document": hello(), "input": { "who": "Ada" } });
    for left in [1, 0] {
        let answer = world.admin.post("/api/v1/run", &body).await;
        answer.is(202);
        assert_eq!(answer.header("ratelimit-policy"), "\"key\";q=2;w=2");
        assert!(answer.header("ratelimit").starts_with(&format!("\"key\";r={left};t=")));
    }
    let refused = world.admin.post("/api/v1/run", &body).await;
    assert_eq!(refused.refused(429), "limit.key");
    assert_eq!(refused.header("retry-after"), "1");
    assert_eq!(refused.header("ratelimit-policy"), "\"key\";q=2;w=2");
    world.anybody().get("/healthz").await.is(200);
}

#[tokio::test(flavor = "multi_thread")]
async fn guessing_keys_ends_soon() {
    let world = World::with(|config| {
        config.store = "memory:".to_owned();
        config.limits.failures_per_minute = 1;
        config.limits.failures_burst = 3;
    })
    .await;
    let body = json!({ "document": hello(), "input": { "who": "Ada" } });
    let guesser = world.anybody().key("lvq_key_00000000000000000000000000_guessed");
    for _ in 0..3 {
        assert_eq!(guesser.post("/api/v1/run", &body).await.refused(401), "auth.unauthorized");
    }
    let refused = guesser.post("/api/v1/run", &body).await;
    assert_eq!(refused.refused(429), "limit.failed_authentications");
    assert!(refused.header("retry-after").parse::<u64>().unwrap() > 50);
    // Who guesses must not learn from the answer that a guess was right.
    let right = world.admin.post("/api/v1/run", &body).await;
    assert_eq!(right.refused(429), "limit.failed_authentications");
    world.anybody().get("/healthz").await.is(200);
}

#[tokio::test(flavor = "multi_thread")]
async fn all_together_have_a_rate_and_nothing_is_no_limit() {
    let world = World::with(|config| {
        config.store = "memory:".to_owned();
        config.limits = levqor_host_http::config::LimitsConfig::off();
        config.limits.global_per_second = 1;
        config.limits.global_burst = 2;
    })
    .await;
    for _ in 0..2 {
        let answer = world.anybody().get("/healthz").await;
        answer.is(200);
        assert_eq!(answer.header("ratelimit"), "");
    }
    assert_eq!(world.anybody().get("/healthz").await.refused(429), "limit.global");
}
