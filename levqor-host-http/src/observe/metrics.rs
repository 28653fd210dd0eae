//! [`Metrics`]: every family that the host exposes, under the prefix `levqor_`.
//!
//! Label sets are closed: routes of the table, statuses, connectors and actions that an operator
//! installed, kinds of errors. Nothing that a caller can invent becomes a label; models, which
//! vendors name, are capped. One registry for each host, not one for the process.

use std::collections::BTreeSet;
use std::fmt;
use std::sync::atomic::{AtomicI64, AtomicU64};
use std::time::Duration;

use levqor_core::engine::Engine;
use levqor_core::error::ErrorKind;
use levqor_core::ledger::Account;
use levqor_core::run::RunStatus;
use parking_lot::Mutex;
use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::registry::Registry;

/// Models with a label of their own; the others share `other`. More than anybody uses at once.
const MODELS_MAX: usize = 32;
/// The label of what has none of its own.
const OTHER: &str = "other";
/// Ends of runs: what `runs_total` counts.
const ENDS: [RunStatus; 4] =
    [RunStatus::Succeeded, RunStatus::Failed, RunStatus::Cancelled, RunStatus::Dead];

/// A run takes from a millisecond to a day.
const RUN_SECONDS: [f64; 12] =
    [0.005, 0.025, 0.1, 0.25, 1.0, 2.5, 10.0, 60.0, 600.0, 3_600.0, 21_600.0, 86_400.0];
/// A call takes from a millisecond to the longest timeout.
const STEP_SECONDS: [f64; 10] = [0.001, 0.005, 0.025, 0.1, 0.25, 1.0, 2.5, 10.0, 60.0, 900.0];
/// An answer takes from half a millisecond to the host's own patience.
const REQUEST_SECONDS: [f64; 10] =
    [0.000_5, 0.001, 0.002_5, 0.005, 0.01, 0.05, 0.25, 1.0, 5.0, 30.0];
/// A commit takes as long as the disk takes to sync.
const COMMIT_SECONDS: [f64; 10] =
    [0.000_1, 0.000_5, 0.001, 0.002_5, 0.005, 0.01, 0.025, 0.1, 0.5, 2.5];
/// Operations of one commit.
const BATCH_SIZES: [f64; 8] = [1.0, 2.0, 4.0, 8.0, 16.0, 64.0, 512.0, 4_096.0];

type Seconds<L> = Family<L, Histogram, fn() -> Histogram>;
type Float = Gauge<f64, AtomicU64>;

#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
struct Status {
    status: &'static str,
}

#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
struct State {
    state: &'static str,
}

#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
struct Action {
    connector: String,
    action: String,
}

#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
struct Failure {
    connector: String,
    kind: &'static str,
}

#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
struct Connector {
    connector: String,
}

#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
struct InAccount {
    account: &'static str,
}

#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
struct Model {
    model: String,
}

#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
struct OfRoute {
    route: &'static str,
}

#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
struct Answered {
    route: &'static str,
    status: u16,
}

#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
struct FlagName {
    flag: &'static str,
}

#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
struct Result {
    result: &'static str,
}

/// Every family.
pub struct Metrics {
    registry: Registry,
    models: Mutex<BTreeSet<String>>,
    runs: Family<Status, Counter>,
    run_seconds: Histogram,
    step_seconds: Seconds<Action>,
    queue_depth: Family<State, Gauge>,
    queue_oldest: Float,
    dead_letters: Gauge<i64, AtomicI64>,
    connector_errors: Family<Failure, Counter>,
    connector_5xx: Family<Connector, Counter>,
    credits: Family<InAccount, Counter>,
    ai_cost: Family<Model, Counter>,
    requests: Family<Answered, Counter>,
    request_seconds: Seconds<OfRoute>,
    commit_seconds: Histogram,
    batch_size: Histogram,
    backup_verified: Float,
    backups: Family<Result, Counter>,
    flags: Family<FlagName, Gauge>,
}

impl fmt::Debug for Metrics {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Metrics").finish_non_exhaustive()
    }
}

impl Default for Metrics {
    fn default() -> Self {
        Self::new()
    }
}

impl Metrics {
    /// Every family, at zero.
    #[must_use]
    pub fn new() -> Self {
        let mut metrics = Self {
            registry: Registry::with_prefix("levqor"),
            models: Mutex::default(),
            runs: Family::default(),
            run_seconds: Histogram::new(RUN_SECONDS),
            step_seconds: Family::new_with_constructor(|| Histogram::new(STEP_SECONDS)),
            queue_depth: Family::default(),
            queue_oldest: Gauge::default(),
            dead_letters: Gauge::default(),
            connector_errors: Family::default(),
            connector_5xx: Family::default(),
            credits: Family::default(),
            ai_cost: Family::default(),
            requests: Family::default(),
            request_seconds: Family::new_with_constructor(|| Histogram::new(REQUEST_SECONDS)),
            commit_seconds: Histogram::new(COMMIT_SECONDS),
            batch_size: Histogram::new(BATCH_SIZES),
            backup_verified: Gauge::default(),
            backups: Family::default(),
            flags: Family::default(),
        };
        metrics.register();
        for status in ENDS {
            drop(metrics.runs.get_or_create(&Status { status: status.as_str() }));
        }
        for account in Account::ALL {
            drop(metrics.credits.get_or_create(&InAccount { account: account.as_str() }));
        }
        for result in ["verified", "failed"] {
            drop(metrics.backups.get_or_create(&Result { result }));
        }
        metrics.queue(&levqor_core::engine::Load::default(), 0.0);
        metrics
    }

    fn register(&mut self) {
        let r = &mut self.registry;
        r.register("runs", "Runs that ended, by how", self.runs.clone());
        r.register(
            "run_duration_seconds",
            "From a run's acceptance to its end",
            self.run_seconds.clone(),
        );
        r.register("step_duration_seconds", "Calls of connectors", self.step_seconds.clone());
        r.register("queue_depth", "Runs in hand that have not ended", self.queue_depth.clone());
        r.register(
            "queue_oldest_seconds",
            "How long the run that has been ready longest has waited for a slot",
            self.queue_oldest.clone(),
        );
        r.register("dead_letters", "Runs that a person should look at", self.dead_letters.clone());
        r.register(
            "connector_errors",
            "Calls of connectors that did not work, by the error's kind",
            self.connector_errors.clone(),
        );
        r.register(
            "connector_5xx",
            "Answers of the other side with a status of 500 or above",
            self.connector_5xx.clone(),
        );
        r.register(
            "credits",
            "Credits that ledger entries moved out of or into an account",
            self.credits.clone(),
        );
        r.register("ai_cost", "Credits that calls of models cost", self.ai_cost.clone());
        r.register("http_requests", "Requests answered", self.requests.clone());
        r.register(
            "http_request_duration_seconds",
            "From a request's head to its answer's head",
            self.request_seconds.clone(),
        );
        r.register("store_commit_seconds", "Commits of the store", self.commit_seconds.clone());
        r.register("store_batch_size", "Operations of a commit", self.batch_size.clone());
        r.register(
            "backup_last_verified_seconds",
            "When the newest backup was verified, in Unix time; 0 where none was",
            self.backup_verified.clone(),
        );
        r.register("backups", "Backups taken, by what came of them", self.backups.clone());
        r.register("flag_enabled", "Whether a flag is on", self.flags.clone());
    }

    pub(super) fn run_ended(&self, status: RunStatus, took: Duration) {
        self.runs.get_or_create(&Status { status: status.as_str() }).inc();
        self.run_seconds.observe(took.as_secs_f64());
        if status == RunStatus::Dead {
            self.dead_letters.inc();
        }
    }

    pub(super) fn called(
        &self,
        connector: &str,
        action: &str,
        took: Duration,
        kind: Option<ErrorKind>,
    ) {
        let (connector, action) = (connector.to_owned(), action.to_owned());
        let labels = Action { connector, action };
        self.step_seconds.get_or_create(&labels).observe(took.as_secs_f64());
        if let Some(kind) = kind {
            let failure = Failure { connector: labels.connector, kind: kind.as_str() };
            self.connector_errors.get_or_create(&failure).inc();
        }
    }

    pub(super) fn vendor_failed(&self, connector: &str) {
        self.connector_5xx.get_or_create(&Connector { connector: connector.to_owned() }).inc();
    }

    pub(super) fn letter_gone(&self) {
        self.dead_letters.dec();
    }

    /// How many dead letters a store held before anything was heard.
    pub(crate) fn letters_found(&self, count: u64) {
        self.dead_letters.inc_by(i64::try_from(count).unwrap_or(i64::MAX));
    }

    pub(super) fn credits_moved(&self, account: Account, credits: u64) {
        self.credits.get_or_create(&InAccount { account: account.as_str() }).inc_by(credits);
    }

    pub(super) fn model_cost(&self, model: &str, credits: u64) {
        let model = self.model(model);
        self.ai_cost.get_or_create(&Model { model }).inc_by(credits);
    }

    /// The label of a model: its name while there is room, and while it is a plain one.
    fn model(&self, name: &str) -> String {
        let plain = |b: u8| b.is_ascii_alphanumeric() || b"-_.:/".contains(&b);
        if name.is_empty() || name.len() > 64 || !name.bytes().all(plain) {
            return OTHER.to_owned();
        }
        let mut models = self.models.lock();
        if models.contains(name) || (models.len() < MODELS_MAX && models.insert(name.to_owned())) {
            name.to_owned()
        } else {
            OTHER.to_owned()
        }
    }

    pub(super) fn answered(&self, route: &'static str, status: u16, took: Duration) {
        self.requests.get_or_create(&Answered { route, status }).inc();
        self.request_seconds.get_or_create(&OfRoute { route }).observe(took.as_secs_f64());
    }

    pub(super) fn committed(&self, operations: usize, took: Duration) {
        self.commit_seconds.observe(took.as_secs_f64());
        self.batch_size.observe(operations as f64);
    }

    /// A backup was taken, or not.
    pub(crate) fn backup(&self, verified: bool) {
        let result = if verified { "verified" } else { "failed" };
        self.backups.get_or_create(&Result { result }).inc();
    }

    /// When the newest verified backup was verified.
    pub(crate) fn backup_verified_at(&self, at: levqor_core::time::Timestamp) {
        self.backup_verified.set(at.as_millis() as f64 / 1_000.0);
    }

    /// Whether a flag is on now.
    pub(crate) fn flag(&self, flag: &'static str, on: bool) {
        self.flags.get_or_create(&FlagName { flag }).set(i64::from(on));
    }

    fn queue(&self, load: &levqor_core::engine::Load, oldest_seconds: f64) {
        for (state, count) in [
            ("ready", load.ready),
            ("running", load.running),
            ("parked", load.parked),
            ("lined_up", load.lined_up),
        ] {
            let count = i64::try_from(count).unwrap_or(i64::MAX);
            self.queue_depth.get_or_create(&State { state }).set(count);
        }
        self.queue_oldest.set(oldest_seconds);
    }

    /// Everything as OpenMetrics text, with what the engine has in hand now.
    pub(crate) fn openmetrics(&self, engine: &Engine) -> String {
        let (load, now) = (engine.load(), engine.clock().now());
        let oldest_ms = load.oldest_ready.map_or(0, |since| now.since_ms(since));
        self.queue(&load, Duration::from_millis(oldest_ms).as_secs_f64());
        self.text()
    }

    fn text(&self) -> String {
        let mut text = String::with_capacity(16 * 1024);
        // Writing to a `String` cannot fail.
        let _ = prometheus_client::encoding::text::encode(&mut text, &self.registry);
        text
    }

    /// Dead letters now.
    pub(crate) fn dead_letters(&self) -> i64 {
        self.dead_letters.get()
    }
}

#[cfg(test)]
mod tests;
