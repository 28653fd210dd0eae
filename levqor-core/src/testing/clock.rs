//! [`ManualClock`]: time that stands still until it is moved.

use std::collections::BTreeMap;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};

use parking_lot::Mutex;

use crate::time::{Clock, Timestamp, Wait};

/// A clock that moves when told. Clones share it.
#[derive(Clone, Debug)]
pub struct ManualClock {
    shared: Arc<Mutex<Shared>>,
}

#[derive(Debug, Default)]
struct Shared {
    now: Timestamp,
    sleeping: BTreeMap<(Timestamp, u64), Waker>,
    next: u64,
}

impl ManualClock {
    /// A clock that shows `now`.
    #[must_use]
    pub fn new(now: Timestamp) -> Self {
        Self { shared: Arc::new(Mutex::new(Shared { now, ..Shared::default() })) }
    }

    /// Moves the clock, in either direction, and wakes who is due.
    pub fn set(&self, now: Timestamp) {
        let mut shared = self.shared.lock();
        shared.now = now;
        let rest = shared.sleeping.split_off(&(now.plus_ms(1), 0));
        let due = std::mem::replace(&mut shared.sleeping, rest);
        drop(shared);
        for waker in due.into_values() {
            waker.wake();
        }
    }

    /// Moves the clock forward.
    pub fn advance_ms(&self, ms: u64) {
        self.set(self.now().plus_ms(ms));
    }

    /// The earliest moment somebody waits for.
    #[must_use]
    pub fn next_wake(&self) -> Option<Timestamp> {
        self.shared.lock().sleeping.keys().next().map(|(at, _)| *at)
    }
}

impl Clock for ManualClock {
    fn now(&self) -> Timestamp {
        self.shared.lock().now
    }

    fn sleep_until(&self, at: Timestamp) -> Wait {
        Box::pin(Sleep { shared: self.shared.clone(), at, place: None })
    }
}

struct Sleep {
    shared: Arc<Mutex<Shared>>,
    at: Timestamp,
    place: Option<u64>,
}

impl Future for Sleep {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<()> {
        let shared = self.shared.clone();
        let mut shared = shared.lock();
        if shared.now >= self.at {
            return Poll::Ready(());
        }
        let place = *self.place.get_or_insert_with(|| {
            shared.next += 1;
            shared.next
        });
        shared.sleeping.insert((self.at, place), context.waker().clone());
        Poll::Pending
    }
}

impl Drop for Sleep {
    fn drop(&mut self) {
        if let Some(place) = self.place {
            self.shared.lock().sleeping.remove(&(self.at, place));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use futures_util::FutureExt;

    #[test]
    fn a_sleeper_wakes_at_its_time_and_not_before() {
        let clock = ManualClock::new(Timestamp(1_000));
        let mut sleep = clock.sleep_until(Timestamp(1_500));
        assert_eq!(sleep.as_mut().now_or_never(), None);
        assert_eq!(clock.next_wake(), Some(Timestamp(1_500)));
        clock.advance_ms(499);
        assert_eq!(sleep.as_mut().now_or_never(), None);
        clock.advance_ms(1);
        assert_eq!(sleep.as_mut().now_or_never(), Some(()));
        assert_eq!(clock.next_wake(), None);
        let other = clock.sleep_until(Timestamp(9_000));
        drop(other);
        assert_eq!(clock.next_wake(), None, "who is gone waits for nothing");
    }
}
