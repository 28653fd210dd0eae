//! A cancel that is acknowledged, against everything that goes on at the same time.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use axum::Router;
use axum::http::Method;
use axum::routing::get;
use futures_util::future::join_all;
use levqor_core::ids::Organization;
use levqor_core::ledger;
use serde_json::{Value, json};
use tokio::net::TcpListener;

use super::super::{World, until};
use super::started;

const RUNS: usize = 40;

/// A vendor that counts what is asked of it, and the grant that lets it be asked.
async fn vendor() -> (u16, Arc<AtomicU64>) {
    let asked = Arc::new(AtomicU64::new(0));
    let counted = asked.clone();
    let answer = move || {
        counted.fetch_add(1, Ordering::SeqCst);
        std::future::ready("{}")
    };
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let router = Router::new().route("/", get(answer));
    tokio::spawn(async move { axum::serve(listener, router).await });
    (port, asked)
}

#[tokio::test(flavor = "multi_thread")]
async fn after_an_acknowledged_cancel_no_step_starts_and_nothing_is_charged() {
    let (port, asked) = vendor().await;
    let world = World::with(|config| {
        let plugins = config.plugins_dir();
        std::fs::create_dir_all(&plugins).unwrap();
        let grant = format!(
            "[grant.http]\nhosts = [\"127.0.0.1\"]\nports = [{port}]\nhttp = true\n\
             private = [\"127.0.0.0/8\"]\n"
        );
        std::fs::write(plugins.join("plugins.toml"), grant).unwrap();
    })
    .await;
    world.host.app().registry.warm().await.unwrap();
    let call = |id: &str| json!({ "id": id, "uses": "http/get", "with": { "url": format!("http://127.0.0.1:{port}/") } });
    let document = json!({
        "schema": "levqor/v1", "name": "dear",
        "steps": [
            { "id": "w", "uses": "core/wait_event", "with": { "event": "go" } },
            call("a"), call("b"), call("c"),
        ],
    });
    let mut runs = Vec::new();
    for _ in 0..RUNS {
        runs.push(started(&world.admin, document.clone(), Value::Null, "waiting").await);
    }
    let organization = Organization::new("main").unwrap();
    let store = &**world.host.app().engine.store();
    let before = ledger::balance(store, &organization).await.unwrap().available;
    let admin = &world.admin;
    let cancel = async |at: usize| {
        // The later ones when their steps are under way.
        until(|| async { (asked.load(Ordering::SeqCst) as usize >= at / 2).then_some(()) }).await;
        let path = format!("/api/v1/runs/{}/cancel", runs[at]);
        let answer = admin.send(Method::POST, &path, None).await;
        if answer.status != 200 {
            assert_eq!(answer.refused(409), "run.ended");
            return None;
        }
        Some((at, admin.get(&format!("/api/v1/runs/{}", runs[at])).await.is(200)))
    };
    let go = json!({ "name": "go", "payload": {} });
    let (cancels, _) =
        tokio::join!(join_all((0..RUNS).map(cancel)), admin.post("/api/v1/signals", &go));
    let cancelled: Vec<(usize, Value)> = cancels.into_iter().flatten().collect();
    assert!(cancelled.len() > 1, "no cancel came in time");
    for run in &runs {
        until(|| async {
            let status = admin.get(&format!("/api/v1/status/{run}")).await.is(200);
            matches!(status["status"].as_str(), Some("succeeded" | "cancelled")).then_some(())
        })
        .await;
    }
    let mut consumed = 0;
    for run in &runs {
        let now = admin.get(&format!("/api/v1/runs/{run}")).await.is(200);
        consumed += now["credits"].as_u64().unwrap();
        assert_eq!(now["held"], 0);
    }
    for (at, then) in &cancelled {
        let now = admin.get(&format!("/api/v1/runs/{}", runs[*at])).await.is(200);
        assert_eq!(*then, now, "it changed after its cancel was acknowledged");
        assert_eq!(now["status"], "cancelled");
        let journal = admin.get(&format!("/api/v1/runs/{}/journal", runs[*at])).await.is(200);
        let last = journal["data"].as_array().unwrap().last().unwrap()["events"].clone();
        assert_eq!(last.as_array().unwrap().last().unwrap()["event"], "run.finished");
    }
    let balance = ledger::balance(store, &organization).await.unwrap();
    assert_eq!((balance.held, before - balance.available), (0, i64::try_from(consumed).unwrap()));
    assert!(asked.load(Ordering::SeqCst) >= consumed, "a charge without a call");
}
