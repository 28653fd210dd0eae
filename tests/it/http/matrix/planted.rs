//! Planted leaks: a server that tells a foreign thing from none, in one way at a time.

use axum::extract::Path;
use axum::http::{HeaderMap, StatusCode};
use axum::routing::{get, post};
use axum::{Json, Router};
use serde_json::json;

use super::*;

/// How the server fails to keep two organizations apart.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Leak {
    Nothing,
    Shows,
    OtherStatus,
    OtherWords,
    OtherHeader,
    ReachesNothing,
}

const REAL: &str = "run_01m83b47q4fhnsmkrkztx86000";

async fn served(leak: Leak) -> std::net::SocketAddr {
    let started = post(async || (StatusCode::ACCEPTED, Json(json!({ "id": REAL }))));
    let shown = get(async move |Path(run): Path<String>, headers: HeaderMap| {
        let is_a = headers["authorization"].to_str().unwrap().ends_with('a');
        let found = run == REAL && leak != Leak::ReachesNothing;
        let foreign = found && !is_a;
        let mut answer = HeaderMap::new();
        if foreign && leak == Leak::OtherHeader {
            answer.insert("etag", "\"1\"".parse().unwrap());
        }
        let (status, body) = match (found && is_a, foreign, leak) {
            (true, _, _) | (_, true, Leak::Shows) => {
                (200, json!({ "id": run, "status": "queued" }))
            }
            (_, true, Leak::OtherStatus) => (403, json!({ "code": "request.not_found" })),
            (_, true, Leak::OtherWords) => (404, json!({ "code": "run.foreign" })),
            _ => (404, json!({ "code": "request.not_found", "detail": run })),
        };
        (StatusCode::from_u16(status).unwrap(), answer, Json(body))
    });
    let router = Router::new().route("/api/v1/run", started).route("/api/v1/runs/{run}", shown);
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move { axum::serve(listener, router).await });
    address
}

#[tokio::test]
async fn each_way_of_leaking_is_seen() {
    let target = Target {
        method: Method::GET,
        path: "/api/v1/runs/{run}".to_owned(),
        parts: vec![("run".to_owned(), REAL.replace("000", "wxv"))],
        query: Vec::new(),
        body: None,
        is_versioned: false,
    };
    let row = row("planted", &[Kind::Run]);
    for leak in [
        Leak::Nothing,
        Leak::Shows,
        Leak::OtherStatus,
        Leak::OtherWords,
        Leak::OtherHeader,
        Leak::ReachesNothing,
    ] {
        let address = served(leak).await;
        let (a, b) = (Client::new(address).key("a"), Client::new(address).key("b"));
        let found = wrong(&a, &b, &target, &row, 0).await;
        assert_eq!(found.is_empty(), leak == Leak::Nothing, "{leak:?}: {found:?}");
    }
}
