//! [`Breaker`]: stops calling a plugin that only traps. Pure; the time is passed in.
//!
//! ```text
//!  closed ──failures in a row──▶ open ──cool-down──▶ one probe ──ok──▶ closed
//!                                  ▲                     └─failure─┘
//! ```
//! Kept for each organization by itself: one organization's inputs must not close a plugin to all.

use levqor_core::time::Timestamp;

use crate::limits;

/// The state of one plugin (by digest) for one organization.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Breaker {
    failures: u32,
    /// While open: when the next probe may go.
    probe_at: Option<Timestamp>,
}

/// Whether a call may go.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Admission {
    Go,
    /// Not before this many milliseconds.
    Wait(u64),
}

impl Breaker {
    /// Decides about a call; an admitted probe closes the door behind itself for a cool-down, so
    /// that a probe whose result never comes does not keep it open.
    pub(super) fn admit(&mut self, now: Timestamp) -> Admission {
        match self.probe_at {
            Some(at) if now < at => Admission::Wait(at.since_ms(now)),
            Some(_) => {
                self.probe_at = Some(now.plus_ms(limits::BREAKER_COOL_DOWN_MS));
                Admission::Go
            }
            None => Admission::Go,
        }
    }

    /// Takes note of how a call ended.
    pub(super) fn record(&mut self, now: Timestamp, failed: bool) {
        if !failed {
            *self = Self::default();
            return;
        }
        self.failures = self.failures.saturating_add(1);
        if self.failures >= limits::BREAKER_FAILURES {
            self.probe_at = Some(now.plus_ms(limits::BREAKER_COOL_DOWN_MS));
        }
    }

    /// Whether nothing needs to be remembered.
    pub(super) fn is_closed(&self) -> bool {
        self.failures == 0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const COOL: i64 = limits::BREAKER_COOL_DOWN_MS as i64;

    #[test]
    fn opens_cools_down_probes_and_closes() {
        let mut breaker = Breaker::default();
        let t = Timestamp;
        for i in 0..limits::BREAKER_FAILURES {
            assert_eq!(breaker.admit(t(0)), Admission::Go, "{i}");
            breaker.record(t(0), true);
        }
        assert_eq!(breaker.admit(t(1)), Admission::Wait(limits::BREAKER_COOL_DOWN_MS - 1));
        // One probe, the next caller waits again.
        assert_eq!(breaker.admit(t(COOL)), Admission::Go);
        assert_eq!(breaker.admit(t(COOL)), Admission::Wait(limits::BREAKER_COOL_DOWN_MS));
        breaker.record(t(COOL + 5), true);
        assert_eq!(breaker.admit(t(COOL + 6)), Admission::Wait(limits::BREAKER_COOL_DOWN_MS - 1));
        // A probe that never reports: another may go after the cool-down.
        assert_eq!(breaker.admit(t(2 * COOL + 5)), Admission::Go);
        assert_eq!(breaker.admit(t(3 * COOL + 5)), Admission::Go);
        breaker.record(t(3 * COOL + 6), false);
        assert!(breaker.is_closed());
        assert_eq!(breaker.admit(t(3 * COOL + 6)), Admission::Go);
    }

    #[test]
    fn a_success_between_failures_starts_the_count_anew() {
        let mut breaker = Breaker::default();
        for _ in 0..10 {
            for _ in 1..limits::BREAKER_FAILURES {
                breaker.record(Timestamp(0), true);
            }
            assert_eq!(breaker.admit(Timestamp(0)), Admission::Go);
            breaker.record(Timestamp(0), false);
        }
    }
}
