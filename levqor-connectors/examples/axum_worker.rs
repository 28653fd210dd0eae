//! A worker inside an axum service: each POST starts a durable run, the engine works beside the
//! server, both are drained at shutdown.
//!
//! `cargo run --release -p levqor-connectors --example axum_worker`, and from another terminal
//! `curl -i -H 'content-type: application/json' -d '{"name":"Ada"}' localhost:8080/greetings`.
//! With `-- --demo` it takes any free port, sends that request itself, and stops.
#![expect(clippy::print_stdout, reason = "an example shows what comes out")]

use std::sync::Arc;

use axum::extract::{Path, State};
use axum::http::{HeaderMap, StatusCode};
use axum::routing::{get, post};
use axum::{Json, Router};
use levqor_connectors::registry::Registry;
use levqor_core::store::SledStore;
use levqor_core::{Catalog, Engine, Error, Organization, Pipeline, RunId, Start};
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;

const DOCUMENT: &str = r#"
schema: levqor/v1
name: greeting
input_schema: { type: object, required: [name], properties: { name: { type: string } } }
steps:
  - { id: nap, uses: core/sleep, with: { for: 100ms } }
  - { id: shout, uses: text/upper, with: { text: "hello, ${{ input.name }}" } }
output: "${{ steps.shout.output.text }}"
"#;

type Anything = Box<dyn std::error::Error + Send + Sync>;

#[derive(Clone)]
struct App {
    engine: Engine,
    greeting: Arc<Pipeline>,
}

type Answer = Result<(StatusCode, Json<Value>), (StatusCode, String)>;

fn refused(error: &Error) -> (StatusCode, String) {
    let status = match error {
        Error::Refused(_) => StatusCode::UNPROCESSABLE_ENTITY,
        Error::Quota { .. } => StatusCode::TOO_MANY_REQUESTS,
        Error::NotFound { .. } => StatusCode::NOT_FOUND,
        _ => StatusCode::SERVICE_UNAVAILABLE,
    };
    (status, format!("{error} ({})\n", error.code()))
}

/// 202 means that the run is durable: it will be driven to its end, whatever crashes.
async fn start(State(app): State<App>, headers: HeaderMap, Json(input): Json<Value>) -> Answer {
    let mut start = Start::new(app.greeting, input);
    let key = headers.get("idempotency-key").and_then(|value| value.to_str().ok());
    start.idempotency_key = key.map(str::to_owned);
    let run = app.engine.start(start).await.map_err(|e| refused(&e))?;
    Ok((StatusCode::ACCEPTED, Json(json!({ "id": run.id() }))))
}

async fn show(State(app): State<App>, Path(run): Path<RunId>) -> Answer {
    let detail = app.engine.get(&Organization::local(), run).await.map_err(|e| refused(&e))?;
    Ok((StatusCode::OK, Json(json!({ "status": detail.summary.status, "output": detail.output }))))
}

#[tokio::main]
async fn main() -> Result<(), Anything> {
    let is_demo = std::env::args().any(|argument| argument == "--demo");
    let folder = tempfile::tempdir()?; // A service keeps its data in a folder of its own.
    let catalog = Catalog::new();
    Registry::builder().builtins().build().await?.register(&catalog)?;
    let engine = Engine::builder(SledStore::open(folder.path())?, catalog).build().await?;
    let greeting = engine.compile_text(&Organization::local(), DOCUMENT).await?;

    let address = if is_demo { "127.0.0.1:0" } else { "127.0.0.1:8080" };
    let listener = TcpListener::bind(address).await?;
    let address = listener.local_addr()?;
    println!("http://{address}/greetings");
    let router = Router::new()
        .route("/greetings", post(start))
        .route("/greetings/{run}", get(show))
        .with_state(App { engine: engine.clone(), greeting });

    // First the server stops: requests under way are answered, and no run is started any more. Then
    // the engine stops: calls under way end, what is left goes on with the next start.
    let (stop_server, server_stops) = watch::channel(());
    let (stop_engine, engine_stops) = watch::channel(());
    let server = axum::serve(listener, router).with_graceful_shutdown(closed(server_stops));
    let server = tokio::spawn(server.into_future());
    let worker = tokio::spawn(async move { engine.serve(closed(engine_stops)).await });
    if is_demo {
        demo(&address.to_string()).await?;
    } else {
        tokio::signal::ctrl_c().await?;
    }
    drop(stop_server);
    server.await??;
    drop(stop_engine);
    println!("stopped; {} runs were left to the next start", worker.await??.abandoned);
    Ok(())
}

/// Completes when the other end is dropped.
async fn closed(mut end: watch::Receiver<()>) {
    while end.changed().await.is_ok() {}
}

async fn demo(address: &str) -> Result<(), Anything> {
    let post = "POST /greetings HTTP/1.1\r\nidempotency-key: order-1\r\n\
        content-type: application/json\r\ncontent-length: 14\r\n";
    let accepted = send(address, &format!("{post}\r\n{{\"name\":\"Ada\"}}")).await?;
    let again = send(address, &format!("{post}\r\n{{\"name\":\"Ada\"}}")).await?;
    let id = accepted["id"].as_str().ok_or("no run was started")?;
    if again["id"] != id {
        return Err("the same request started two runs".into());
    }
    loop {
        let run = send(address, &format!("GET /greetings/{id} HTTP/1.1\r\n\r\n")).await?;
        println!("{id} {run}");
        match run["status"].as_str() {
            Some("succeeded") if run["output"] == "HELLO, ADA" => return Ok(()),
            Some("queued" | "running" | "waiting") => {}
            _ => return Err("the run did not end well".into()),
        }
        tokio::time::sleep(std::time::Duration::from_millis(50)).await;
    }
}

/// Sends one request and reads the answer's JSON.
async fn send(address: &str, request: &str) -> Result<Value, Anything> {
    let mut stream = TcpStream::connect(address).await?;
    let (head, body) = request.split_once("\r\n\r\n").ok_or("no head")?;
    let request = format!("{head}\r\nhost: {address}\r\nconnection: close\r\n\r\n{body}");
    stream.write_all(request.as_bytes()).await?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await?;
    let (_, body) = answer.split_once("\r\n\r\n").ok_or("no answer")?;
    Ok(serde_json::from_str(body)?)
}
