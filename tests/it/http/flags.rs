//! Flags that an operator turns off and on again: what each of them stops, and that the rest goes on.

use axum::http::{Method, StatusCode};
use serde_json::{Value, json};

use super::outbound::{Receiver, quick, run, subscribe};
use super::{World, hello, until};

async fn turn(world: &World, flag: &str, on: bool) {
    let change = json!({ "flags": { flag: on } });
    world.admin.send(Method::PATCH, "/ops/flags", Some(&change)).await.is(200);
}

async fn mode(world: &World, service: &str) -> Value {
    world.anybody().get("/readyz").await.is(200)["modes"][service].clone()
}

#[tokio::test(flavor = "multi_thread")]
async fn rates_are_lifted_and_hold_again() {
    let world = World::with(|config| {
        config.store = "memory:".to_owned();
        config.limits.key_per_second = 1;
        config.limits.key_burst = 2;
    })
    .await;
    turn(&world, "rate_limits", false).await;
    for _ in 0..20 {
        let answered = world.admin.get("/api/v1/runs").await;
        answered.is(200);
        assert_eq!(answered.header("ratelimit"), "", "no rate is told where none is kept");
    }
    turn(&world, "rate_limits", true).await;
    let mut last = StatusCode::OK;
    for _ in 0..3 {
        last = world.admin.get("/api/v1/runs").await.status;
    }
    assert_eq!(last, StatusCode::TOO_MANY_REQUESTS);
}

#[tokio::test(flavor = "multi_thread")]
async fn webhooks_wait_and_go_out_when_they_may() {
    let world = World::with(|config| {
        config.store = "memory:".to_owned();
        quick(config);
    })
    .await;
    let receiver = Receiver::start(&[], 200).await;
    subscribe(&world, &receiver, &["run.succeeded"]).await;
    turn(&world, "outgoing_webhooks", false).await;
    run(&world, hello()).await;
    until(async || {
        let runs = world.admin.get("/api/v1/runs?status=succeeded").await.is(200);
        runs["data"].as_array().filter(|all| !all.is_empty()).map(drop)
    })
    .await;
    let listed = world.admin.get("/api/v1/webhooks/deliveries").await.is(200);
    assert_eq!(listed["data"], json!([]));
    assert!(receiver.got().is_empty());
    turn(&world, "outgoing_webhooks", true).await;
    assert_eq!(receiver.has(1).await.len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn nobody_joins_where_signing_up_is_off() {
    let world = World::new().await;
    turn(&world, "signups", false).await;
    let ask = json!({ "email": "stranger@example.com" });
    world.anybody().post("/auth/link", &ask).await.is(202);
    let member = json!({ "email": "known@example.com" });
    world.admin.send(Method::PUT, "/api/v1/users", Some(&member)).await.is(201);
    world.anybody().post("/auth/link", &member).await.is(202);
    // Who stops waits for what goes on beside the requests.
    let World { host, folder, .. } = world;
    host.stop().await.unwrap();
    let mails = std::fs::read_dir(folder.path().join("mail")).unwrap();
    let mails: Vec<String> =
        mails.map(|file| std::fs::read_to_string(file.unwrap().path()).unwrap()).collect();
    assert_eq!(mails.len(), 1);
    assert!(mails[0].contains("known@example.com"), "{mails:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn mail_goes_to_its_file_where_the_vendor_is_turned_off() {
    let vendor = axum::Router::new().fallback(async || StatusCode::OK);
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    tokio::spawn(async move { axum::serve(listener, vendor).await });
    let world = World::with(|config| {
        config.store = "memory:".to_owned();
        config.mail.resend_url = url;
        config.resend_key = Some(levqor_host_http::caller::secret::Plain::of("re_key"));
    })
    .await;
    assert_eq!(mode(&world, "mail").await, "resend");
    turn(&world, "mail", false).await;
    assert_eq!(mode(&world, "mail").await, "folder");
    let ask = json!({ "email": "ada@example.com" });
    world.anybody().post("/auth/link", &ask).await.is(202);
    let folder = world.folder.path().join("mail");
    until(async || std::fs::read_dir(&folder).ok()?.next().map(drop)).await;
}
