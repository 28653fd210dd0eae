//! Whether the host is ready: the store takes a commit, the engine works, nothing is ending.

use levqor_core::ids::Organization;
use levqor_core::time::Timestamp;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use tokio::sync::Mutex;

use crate::app::App;
use crate::desk::{Change, Record, Room};
use crate::flags::Flag;

/// How long an answer of the store counts: probes of many balancers must not become a load.
const PROBE_MS: u64 = 3_000;

/// What the store said last.
#[derive(Debug, Default)]
pub(crate) struct Probe(Mutex<Option<(Timestamp, Result<(), String>)>>);

/// A commit for its own sake.
#[derive(Debug, Serialize, Deserialize)]
struct Touched {
    at: Timestamp,
}

impl Record for Touched {
    const ROOM: Room = Room::Probe;
}

/// How the host is, for whoever sends it requests.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, JsonSchema)]
pub(crate) struct Readiness {
    /// `ready`, or `not_ready`.
    pub(crate) status: State,
    /// What was looked at.
    pub(crate) checks: Checks,
    /// Which of its ways each optional service works in.
    pub(crate) modes: Modes,
}

/// Whether to send it requests.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub(crate) enum State {
    Ready,
    NotReady,
}

/// What was looked at.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, JsonSchema)]
pub(crate) struct Checks {
    /// `ok`, or the stable code of why the store takes no commit.
    pub(crate) store: String,
    /// Whether it is not about to end.
    pub(crate) accepting: bool,
}

/// Which of its ways each optional service works in. Each degrades, and says so here.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, JsonSchema)]
pub(crate) struct Modes {
    /// `sled`, `redb`, `postgres` or `memory`.
    pub(crate) store: String,
    /// `sentry`, or `file`.
    pub(crate) errors: String,
    /// `resend`, or `folder`.
    pub(crate) mail: String,
    /// `model`, or `matcher`.
    pub(crate) planner: String,
    /// `otlp`, or `off`.
    pub(crate) tracing: String,
    /// `encrypted`, `plain`, or `off`.
    pub(crate) backups: String,
}

impl Probe {
    /// Whether the store takes a commit, from a moment ago at most.
    async fn store(&self, app: &App) -> Result<(), String> {
        // Whoever comes meanwhile waits for the same answer.
        let mut last = self.0.lock().await;
        let now = app.now();
        if let Some((at, answer)) = &*last
            && now.since_ms(*at) < PROBE_MS
            && *at <= now
        {
            return answer.clone();
        }
        let organization = Organization::new(crate::people::organization::OPERATOR);
        let organization = organization.unwrap_or_else(|_| Organization::local());
        let change = Change::of_system(&organization).put(&["ready"], &Touched { at: now });
        let answer = app.desk.commit(change).await.map_err(|problem| problem.code().to_owned());
        *last = Some((now, answer.clone()));
        answer
    }
}

/// Looks.
pub(crate) async fn readiness(app: &App) -> Readiness {
    let store = app.ops.probe().store(app).await;
    let accepting = !app.ops.is_draining();
    let ready = store.is_ok() && accepting;
    Readiness {
        status: if ready { State::Ready } else { State::NotReady },
        checks: Checks { store: store.err().unwrap_or_else(|| "ok".to_owned()), accepting },
        modes: modes(app),
    }
}

fn modes(app: &App) -> Modes {
    let config = &app.config;
    let store = if config.store.is_empty() { "sled" } else { &config.store };
    let backups = match (config.backup.every_hours, app.flags.is_on(Flag::Backups)) {
        (0, _) | (_, false) => "off",
        _ if app.backups.is_sealing() => "encrypted",
        _ => "plain",
    };
    let sends_mail = app.mails.has_vendor() && app.flags.is_on(Flag::Mail);
    Modes {
        store: store.split(':').next().unwrap_or_default().to_owned(),
        errors: if app.errors.is_sent_away() { "sentry" } else { "file" }.to_owned(),
        mail: if sends_mail { "resend" } else { "folder" }.to_owned(),
        planner: if app.model().is_some() { "model" } else { "matcher" }.to_owned(),
        tracing: if app.spans.is_on() { "otlp" } else { "off" }.to_owned(),
        backups: backups.to_owned(),
    }
}
