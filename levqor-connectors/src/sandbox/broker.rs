//! [`Broker`]: what a guest may ask of its host, and [`Scope`]: in whose name.
//!
//! The sandbox knows neither networks nor vaults; it hands every request of a guest to a broker
//! together with the scope of the call. A guest cannot name another scope: it is not a parameter
//! of any import.

use std::fmt;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::time::Instant;

use async_trait::async_trait;
use levqor_core::ids::{Organization, RunId};
use parking_lot::Mutex;
use zeroize::Zeroizing;

use crate::egress::{HttpError, Request, Response};
use crate::limits;

/// In whose name a guest runs, and what it did so far.
pub(crate) struct Scope {
    pub(crate) organization: Organization,
    pub(crate) run: RunId,
    pub(crate) step: String,
    /// The vault's name of the credential, where the document gives one.
    pub(crate) credential: Option<String>,
    pub(crate) deadline: Instant,
    acted: AtomicU32,
    unanswered: AtomicBool,
    denied: AtomicBool,
    requests: AtomicU32,
    log_lines: AtomicU32,
    revealed: Mutex<Vec<Zeroizing<String>>>,
}

impl Scope {
    pub(crate) fn new(
        organization: Organization,
        run: RunId,
        step: &str,
        credential: Option<&str>,
        deadline: Instant,
    ) -> Self {
        Self {
            organization,
            run,
            step: step.to_owned(),
            credential: credential.map(str::to_owned),
            deadline,
            acted: AtomicU32::new(0),
            unanswered: AtomicBool::new(false),
            denied: AtomicBool::new(false),
            requests: AtomicU32::new(0),
            log_lines: AtomicU32::new(0),
            revealed: Mutex::new(Vec::new()),
        }
    }

    /// Notes that a request which may change something is on its way to the other side.
    pub(crate) fn note_action(&self) {
        self.acted.fetch_add(1, Ordering::AcqRel);
    }

    /// Takes one [`Self::note_action`] back: nothing of that request was sent.
    pub(crate) fn take_back_action(&self) {
        self.acted.fetch_sub(1, Ordering::AcqRel);
    }

    /// Whether such a request went out: a trap then leaves the outcome unknown.
    pub(crate) fn has_acted(&self) -> bool {
        self.acted.load(Ordering::Acquire) > 0
    }

    /// Notes that such a request went out and no whole answer came back.
    pub(crate) fn note_unanswered(&self) {
        self.unanswered.store(true, Ordering::Release);
    }

    /// Whether a request that may change something stayed without answer.
    pub(crate) fn is_unanswered(&self) -> bool {
        self.unanswered.load(Ordering::Acquire)
    }

    /// Notes that a request was not made because the operator does not allow it.
    pub(crate) fn note_denied(&self) {
        self.denied.store(true, Ordering::Release);
    }

    /// Whether a request was denied.
    pub(crate) fn was_denied(&self) -> bool {
        self.denied.load(Ordering::Acquire)
    }

    /// Counts a request; false when the call has made too many.
    pub(crate) fn admit_request(&self) -> bool {
        self.requests.fetch_add(1, Ordering::Relaxed) < limits::REQUESTS_PER_CALL_MAX
    }

    /// Counts a log line; false when the call has written too many.
    pub(crate) fn admit_log_line(&self) -> bool {
        self.log_lines.fetch_add(1, Ordering::Relaxed) < limits::LOG_LINES_MAX
    }

    /// Remembers a secret whose value the guest was given.
    pub(crate) fn note_revealed(&self, value: &str) {
        self.revealed.lock().push(Zeroizing::new(value.to_owned()));
    }

    /// Whether `text` holds a secret that the guest was given.
    pub(crate) fn holds_revealed(&self, text: &str) -> bool {
        let revealed = self.revealed.lock();
        revealed.iter().any(|s| s.len() >= limits::SECRET_SCAN_BYTES_MIN && text.contains(&***s))
    }
}

impl fmt::Debug for Scope {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Scope")
            .field("organization", &self.organization)
            .field("run", &self.run)
            .field("step", &self.step)
            .finish_non_exhaustive()
    }
}

/// Why plugin state could not be read or written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum StateError {
    /// Not granted, or no store is there.
    Denied,
    /// Key or value over its limit.
    TooLarge,
    /// Another version is stored than the guest expects.
    Conflict,
    /// The store failed.
    Unavailable(String),
}

/// A stored value and its version.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct StateEntry {
    pub(crate) value: Vec<u8>,
    pub(crate) version: u64,
}

/// What a guest may ask for. The default answers are refusals.
#[async_trait]
pub(crate) trait Broker: fmt::Debug + Send + Sync + 'static {
    /// Sends one request.
    async fn send(&self, _scope: &Scope, _request: Request) -> Result<Response, HttpError> {
        Err(HttpError::Denied("no host is granted".to_owned()))
    }
    /// Reads plugin state.
    async fn state_get(
        &self,
        _scope: &Scope,
        _key: &str,
    ) -> Result<Option<StateEntry>, StateError> {
        Err(StateError::Denied)
    }
    /// Writes plugin state; the new version.
    async fn state_put(
        &self,
        _scope: &Scope,
        _key: &str,
        _value: Vec<u8>,
        _if_version: Option<u64>,
    ) -> Result<u64, StateError> {
        Err(StateError::Denied)
    }
    /// Removes plugin state.
    async fn state_delete(&self, _scope: &Scope, _key: &str) -> Result<(), StateError> {
        Err(StateError::Denied)
    }
    /// A secret's value.
    async fn reveal(&self, _scope: &Scope, _name: &str) -> Result<Zeroizing<String>, String> {
        Err("revealing secrets is not granted".to_owned())
    }
    /// Milliseconds since the Unix epoch.
    fn now_unix_ms(&self) -> u64 {
        let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
        since.map_or(0, |d| u64::try_from(d.as_millis()).unwrap_or(u64::MAX))
    }
}

/// A broker that grants nothing.
#[derive(Debug)]
pub(crate) struct Nothing;

impl Broker for Nothing {}
