//! A shop on loopback: a file of 200 orders, and each order by itself.

use std::net::Ipv4Addr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use axum::extract::{Path, State};
use axum::http::{HeaderMap, StatusCode};
use axum::routing::get;
use axum::{Json, Router};
use serde_json::{Value, json};
use tokio::net::TcpListener;

pub(super) const ORDERS: usize = 200;

/// What it saw.
#[derive(Debug, Default)]
pub(super) struct Seen {
    token: String,
    now: AtomicUsize,
    /// Requests for single orders that were under way at the same time, at most.
    pub(super) most: AtomicUsize,
    /// Requests for single orders.
    pub(super) orders: AtomicUsize,
    /// Requests without the right token.
    pub(super) refused: AtomicUsize,
}

pub(super) struct Shop {
    pub(super) url: String,
    pub(super) seen: Arc<Seen>,
}

/// The price of an order in cents.
pub(super) fn cents(id: usize) -> usize {
    500 + id * 7 % 1_000
}

impl Shop {
    /// Opens; every request must carry this token.
    pub(super) async fn open(token: &str) -> Self {
        let seen = Arc::new(Seen { token: token.to_owned(), ..Seen::default() });
        let app = Router::new()
            .route("/orders.json", get(list))
            .route("/orders/{id}", get(one))
            .with_state(seen.clone());
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        tokio::spawn(async move { axum::serve(listener, app).await });
        Self { url, seen }
    }
}

fn check(seen: &Seen, headers: &HeaderMap) -> Result<(), StatusCode> {
    let wanted = format!("Bearer {}", seen.token);
    if headers.get("authorization").is_some_and(|v| v.as_bytes() == wanted.as_bytes()) {
        return Ok(());
    }
    seen.refused.fetch_add(1, Ordering::Relaxed);
    Err(StatusCode::UNAUTHORIZED)
}

async fn list(
    State(seen): State<Arc<Seen>>,
    headers: HeaderMap,
) -> Result<Json<Value>, StatusCode> {
    check(&seen, &headers)?;
    let orders: Vec<Value> =
        (0..ORDERS).map(|id| json!({"id": id, "customer": format!("customer {id}")})).collect();
    Ok(Json(json!({ "orders": orders })))
}

async fn one(
    State(seen): State<Arc<Seen>>,
    headers: HeaderMap,
    Path(id): Path<usize>,
) -> Result<Json<Value>, StatusCode> {
    check(&seen, &headers)?;
    let now = seen.now.fetch_add(1, Ordering::SeqCst) + 1;
    seen.most.fetch_max(now, Ordering::SeqCst);
    // Long enough for the others to arrive.
    tokio::time::sleep(Duration::from_millis(5)).await;
    seen.now.fetch_sub(1, Ordering::SeqCst);
    seen.orders.fetch_add(1, Ordering::Relaxed);
    Ok(Json(json!({"id": id, "cents": cents(id)})))
}
