//! [`Vendor`]: a connector that misbehaves as the seed says, in every class of idempotency.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use async_trait::async_trait;
use levqor_core::connector::{
    ActionManifest, Call, Connector, Idempotency, Manifest, Outcome, Price,
};
use levqor_core::ids::RunId;
use levqor_core::testing::{ManualClock, Rng};
use levqor_core::time::Clock;
use levqor_core::{ErrorKind, RunError};
use parking_lot::Mutex;
use serde_json::json;

/// What a panic of the vendor says, so that a panic hook can keep quiet about it.
pub const PANIC: &str = "the vendor panics on purpose";

/// The connector.
#[derive(Debug)]
pub struct Vendor {
    manifest: Manifest,
    state: Arc<VendorState>,
    clock: ManualClock,
}

/// What all engines' vendors share: there is one world outside.
#[derive(Debug)]
pub struct VendorState {
    /// Whether everything works at once.
    pub behaves: AtomicBool,
    rng: Mutex<Rng>,
    seen: Mutex<Seen>,
}

#[derive(Debug, Default)]
struct Seen {
    calls: BTreeMap<(RunId, String), Called>,
    keys: BTreeMap<String, String>,
    wrong: Vec<String>,
}

#[derive(Debug, Default)]
struct Called {
    key: String,
    /// A call was made and it is not known that nothing happened.
    uncertain: bool,
}

/// The manifest of the vendor: actions `safe`, `keyed`, `unsafe`.
#[must_use]
pub fn manifest() -> Manifest {
    let action = |idempotency, price| ActionManifest {
        idempotency,
        price,
        timeout_ms: Some(2_000),
        ..ActionManifest::default()
    };
    Manifest::new("vendor", "1.0.0")
        .action("safe", action(Idempotency::Safe, Price { base: 1, max: None }))
        .action("keyed", action(Idempotency::Keyed, Price { base: 2, max: Some(5) }))
        .action("unsafe", action(Idempotency::Unsafe, Price { base: 3, max: None }))
}

impl VendorState {
    /// The vendor of a seed.
    #[must_use]
    pub fn new(seed: u64) -> Arc<Self> {
        Arc::new(Self {
            behaves: AtomicBool::new(false),
            rng: Mutex::new(Rng::new(seed ^ 0x7e4d)),
            seen: Mutex::default(),
        })
    }

    /// What the engine did to the vendor that it must not do.
    #[must_use]
    pub fn wrong(&self) -> Option<String> {
        self.seen.lock().wrong.first().cloned()
    }

    fn begin(&self, call: &Call<'_>) {
        let mut seen = self.seen.lock();
        let place = (call.run, call.step.to_owned());
        let key = call.idempotency_key.to_owned();
        let path = call.step.to_owned();
        let keyed = seen.keys.entry(key.clone()).or_insert_with(|| path.clone()).clone();
        let called = seen.calls.entry(place).or_default();
        let mut wrong = Vec::new();
        if keyed != path {
            wrong.push(format!("{}: `{path}` and `{keyed}` share a key", call.run));
        }
        if !called.key.is_empty() && called.key != key {
            wrong.push(format!("{}: the key of `{path}` changed", call.run));
        }
        if call.action == "unsafe" && called.uncertain {
            wrong.push(format!("{}: `{path}` repeated, though it may have happened", call.run));
        }
        (called.key, called.uncertain) = (key, true);
        seen.wrong.append(&mut wrong);
    }

    fn nothing_happened(&self, call: &Call<'_>) {
        let place = (call.run, call.step.to_owned());
        if let Some(called) = self.seen.lock().calls.get_mut(&place) {
            called.uncertain = false;
        }
    }
}

impl Vendor {
    /// The vendor as one engine sees it.
    #[must_use]
    pub fn new(state: Arc<VendorState>, clock: ManualClock) -> Self {
        Self { manifest: manifest(), state, clock }
    }

    fn roll(&self, bound: u64) -> u64 {
        self.state.rng.lock().below(bound)
    }

    async fn pause(&self, ms: u64) {
        self.clock.sleep_until(self.clock.now().plus_ms(ms)).await;
    }

    fn done(&self, call: &Call<'_>) -> Outcome {
        let credits = (call.action == "keyed").then(|| self.roll(9));
        Outcome::Done { output: json!({"n": self.roll(10), "attempt": call.attempt}), credits }
    }
}

#[async_trait]
impl Connector for Vendor {
    fn manifest(&self) -> &Manifest {
        &self.manifest
    }

    async fn run_task(&self, call: Call<'_>) -> Outcome {
        self.state.begin(&call);
        if self.state.behaves.load(Ordering::Relaxed) {
            return self.done(&call);
        }
        let error = |kind, code: &str| RunError::new(kind, format!("vendor.{code}"), "simulated");
        let roll = self.roll(100);
        if roll < 40 {
            self.pause(self.roll(400)).await;
        }
        match roll {
            0..=54 => self.done(&call),
            55..=66 => {
                self.state.nothing_happened(&call);
                let after_ms = (roll < 60).then(|| self.roll(3_000));
                Outcome::Retry { after_ms, error: error(ErrorKind::RateLimited, "busy") }
            }
            67..=74 => {
                self.state.nothing_happened(&call);
                Outcome::Failed { error: error(ErrorKind::NotFound, "missing") }
            }
            75..=81 => {
                self.state.nothing_happened(&call);
                Outcome::Failed { error: error(ErrorKind::Unavailable, "down") }
            }
            82..=88 => Outcome::Ambiguous { error: error(ErrorKind::Timeout, "lost") },
            89..=94 => std::future::pending().await,
            95..=97 => std::panic::resume_unwind(Box::new(PANIC)),
            _ => {
                let text = "x".repeat(70_000 + self.roll(70_000) as usize);
                Outcome::done(json!({"n": 1, "text": text}))
            }
        }
    }
}
