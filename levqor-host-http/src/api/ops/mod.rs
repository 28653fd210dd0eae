//! For the operator: metrics, readiness, queues; dead letters of everybody, flags, backups.

mod backups;
mod flags;
mod letters;

use axum::http::{Method, StatusCode};
use levqor_core::time::Timestamp;
use schemars::JsonSchema;
use serde::Serialize;

use crate::app::App;
use crate::caller::Scope;
use crate::http::{Answer, Call, Payload, Problem};
use crate::observe::Exposition;
use crate::ops::ready::{self, Readiness};
use crate::route::{Route, Tag};

/// A run that has been ready for longer waits too long for its slot.
const BEHIND_MS: u64 = 30_000;

pub(super) fn routes() -> Vec<Route> {
    let get = |path, id| Route::new(Method::GET, path, id, Tag::Ops).scope(Scope::OpsRead);
    let mut routes = vec![
        get("/metrics", "metrics")
            .about("Metrics, as Prometheus or OpenMetrics text")
            .header("Accept", "`application/openmetrics-text` for OpenMetrics")
            .answers_media(StatusCode::OK, "text/plain", "every family")
            .to(metrics),
        Route::new(Method::GET, "/readyz", "ready", Tag::Ops)
            .about("Whether the host takes requests now, and how each optional service works")
            .answers::<Readiness>(StatusCode::OK, "it does")
            .answers::<Readiness>(StatusCode::SERVICE_UNAVAILABLE, "it does not")
            .to(readiness),
        get("/ops/uptime", "uptime")
            .about("Since when the host is up")
            .answers::<Uptime>(StatusCode::OK, "since then")
            .to(uptime),
        get("/ops/queue_health", "queue_health")
            .about("What the engine has in hand")
            .answers::<QueueHealth>(StatusCode::OK, "as of now")
            .to(queue_health),
    ];
    routes.extend(letters::routes());
    routes.extend(flags::routes());
    routes.extend(backups::routes());
    routes
}

async fn metrics(app: App, call: Call) -> Result<Answer, Problem> {
    call.caller()?.may(Scope::OpsRead)?;
    let format = Exposition::asked(call.header("accept"));
    let text = format.of(app.metrics.openmetrics(&app.engine));
    Ok(Answer::of(StatusCode::OK, Payload::Typed(format.media(), text.into())))
}

async fn readiness(app: App, _call: Call) -> Result<Answer, Problem> {
    let readiness = ready::readiness(&app).await;
    let status = match readiness.status {
        ready::State::Ready => StatusCode::OK,
        ready::State::NotReady => StatusCode::SERVICE_UNAVAILABLE,
    };
    Answer::json(status, &readiness)
}

/// Since when the host is up.
#[derive(Debug, Serialize, JsonSchema)]
struct Uptime {
    /// When it started, in milliseconds since the Unix epoch.
    started: Timestamp,
    /// How long ago that is.
    uptime_seconds: u64,
    /// Its version.
    version: &'static str,
}

async fn uptime(app: App, call: Call) -> Result<Answer, Problem> {
    call.caller()?.may(Scope::OpsRead)?;
    let started = app.ops.started();
    let uptime_seconds = app.now().since_ms(started) / 1_000;
    Answer::ok(&Uptime { started, uptime_seconds, version: env!("CARGO_PKG_VERSION") })
}

/// What the engine has in hand.
#[derive(Debug, Serialize, JsonSchema)]
struct QueueHealth {
    /// `ok`, or `behind` where a run has waited for its slot for over 30 seconds.
    status: &'static str,
    /// Runs that wait for a slot.
    ready: usize,
    /// Runs that are driven.
    running: usize,
    /// Runs that wait for time, an event, a person or a budget.
    parked: usize,
    /// Runs behind others of their concurrency key.
    lined_up: usize,
    /// How long the one that has been ready longest has waited.
    oldest_ready_seconds: u64,
    /// Runs that a person should look at.
    dead_letters: i64,
}

async fn queue_health(app: App, call: Call) -> Result<Answer, Problem> {
    call.caller()?.may(Scope::OpsRead)?;
    let load = app.engine.load();
    let oldest_ms = load.oldest_ready.map_or(0, |since| app.now().since_ms(since));
    Answer::ok(&QueueHealth {
        status: if oldest_ms > BEHIND_MS { "behind" } else { "ok" },
        ready: load.ready,
        running: load.running,
        parked: load.parked,
        lined_up: load.lined_up,
        oldest_ready_seconds: oldest_ms / 1_000,
        dead_letters: app.metrics.dead_letters(),
    })
}
