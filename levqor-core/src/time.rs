//! Time as a port: the engine reads no clock but the one it was given.
//!
//! [`Timestamp`] is milliseconds since the Unix epoch, UTC. [`Clock`] tells it and waits for it;
//! [`SystemClock`] is the real one. A test clock stands in the `testing` module.

use std::fmt;
use std::future::Future;
use std::pin::Pin;

use serde::{Deserialize, Serialize};

/// Milliseconds since the Unix epoch, UTC.
#[derive(
    Clone,
    Copy,
    Debug,
    Default,
    PartialEq,
    Eq,
    PartialOrd,
    Ord,
    Hash,
    Serialize,
    Deserialize,
    schemars::JsonSchema,
)]
#[serde(transparent)]
pub struct Timestamp(pub i64);

impl Timestamp {
    /// The moment `ms` milliseconds later; saturates at the ends of time.
    #[must_use]
    pub fn plus_ms(self, ms: u64) -> Self {
        Self(self.0.saturating_add(i64::try_from(ms).unwrap_or(i64::MAX)))
    }

    /// Milliseconds from `earlier` to `self`, 0 when `earlier` is later.
    #[must_use]
    pub fn since_ms(self, earlier: Self) -> u64 {
        u64::try_from(self.0.saturating_sub(earlier.0)).unwrap_or(0)
    }

    /// Milliseconds since the epoch.
    #[must_use]
    pub fn as_millis(self) -> i64 {
        self.0
    }

    /// The same moment for calendar arithmetic; `None` outside the years −9999..9999.
    #[must_use]
    pub fn to_jiff(self) -> Option<jiff::Timestamp> {
        jiff::Timestamp::from_millisecond(self.0).ok()
    }
}

impl fmt::Display for Timestamp {
    /// RFC 3339 in UTC with milliseconds.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.to_jiff() {
            Some(at) => write!(f, "{at:.3}"),
            None => write!(f, "{}ms", self.0),
        }
    }
}

/// What a clock's wait returns.
pub type Wait = Pin<Box<dyn Future<Output = ()> + Send>>;

/// The engine's only source of time.
///
/// `now` may jump in either direction; the engine never assumes that it is monotonic and never
/// fires anything before its due time by this clock.
pub trait Clock: fmt::Debug + Send + Sync + 'static {
    /// The present moment.
    fn now(&self) -> Timestamp;
    /// Completes once `now()` is `at` or later. May complete late, never early.
    fn sleep_until(&self, at: Timestamp) -> Wait;
}

/// A clock that is shared already.
impl Clock for std::sync::Arc<dyn Clock> {
    fn now(&self) -> Timestamp {
        (**self).now()
    }

    fn sleep_until(&self, at: Timestamp) -> Wait {
        (**self).sleep_until(at)
    }
}

/// The machine's clock. Waiting needs a tokio runtime with time enabled.
#[derive(Clone, Copy, Debug, Default)]
pub struct SystemClock;

impl Clock for SystemClock {
    fn now(&self) -> Timestamp {
        // The one place that reads the machine's clock.
        let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
        Timestamp(since.map_or(0, |d| i64::try_from(d.as_millis()).unwrap_or(i64::MAX)))
    }

    fn sleep_until(&self, at: Timestamp) -> Wait {
        let clock = *self;
        Box::pin(async move {
            loop {
                let left = at.since_ms(clock.now());
                if left == 0 {
                    return;
                }
                // A day at most, so that a stepped wall clock is noticed.
                let nap = left.min(86_400_000);
                tokio::time::sleep(std::time::Duration::from_millis(nap)).await;
            }
        })
    }
}
