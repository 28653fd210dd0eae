//! Requests at work, and each organization's fair part of them.
//!
//! Up to three quarters of the room anybody takes what they need. Beyond that only those who hold
//! less than an equal part go on, so that one organization's crowd cannot fill the room for all.
//! What is read slowly holds no place here: a request counts from when it has arrived whole.

use std::collections::HashMap;
use std::sync::Arc;

use parking_lot::Mutex;

/// The places.
#[derive(Clone, Debug)]
pub(crate) struct Shares {
    room: usize,
    held: Arc<Mutex<Held>>,
}

#[derive(Debug, Default)]
struct Held {
    total: usize,
    by: HashMap<Box<str>, usize>,
}

/// A place; free again when dropped.
#[derive(Debug)]
pub(crate) struct Place {
    held: Arc<Mutex<Held>>,
    who: Box<str>,
}

impl Shares {
    /// So many places; 0 is no limit.
    pub(crate) fn new(room: usize) -> Self {
        let room = if room == 0 { usize::MAX } else { room };
        Self { room, held: Arc::default() }
    }

    /// A place for this organization; `None` when it must come again.
    pub(crate) fn take(&self, who: &str) -> Option<Place> {
        let mut held = self.held.lock();
        let own = held.by.get(who).copied().unwrap_or_default();
        let among = held.by.len() + usize::from(own == 0);
        if !may(self.room, held.total, own, among) {
            return None;
        }
        held.total += 1;
        *held.by.entry(who.into()).or_default() += 1;
        Some(Place { held: self.held.clone(), who: who.into() })
    }
}

/// Whether who holds `own` of `total` places may have another, `among` so many who hold any.
fn may(room: usize, total: usize, own: usize, among: usize) -> bool {
    total < room && (total < room / 4 * 3 || own < (room / among.max(1)).max(1))
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut held = self.held.lock();
        held.total -= 1;
        if let Some(own) = held.by.get_mut(&self.who) {
            *own -= 1;
            if *own == 0 {
                held.by.remove(&self.who);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_crowd_leaves_room_for_others() {
        let shares = Shares::new(100);
        let mut crowd: Vec<Place> = std::iter::from_fn(|| shares.take("a")).collect();
        assert_eq!(crowd.len(), 100, "alone it takes all");
        crowd.truncate(80);
        let others: Vec<Place> = std::iter::from_fn(|| shares.take("b")).collect();
        assert_eq!(others.len(), 20, "and another what is left");
        assert!(shares.take("a").is_none() && shares.take("c").is_none(), "full is full");
        crowd.truncate(70);
        assert!(shares.take("a").is_none(), "it holds more than its part");
        let c: Vec<Place> = std::iter::from_fn(|| shares.take("c")).collect();
        assert_eq!(c.len(), 10);
        drop((crowd, others, c));
        assert_eq!(shares.held.lock().total, 0);
        assert!(shares.held.lock().by.is_empty());
    }

    #[test]
    fn no_room_is_no_limit_and_everybody_has_a_part() {
        let shares = Shares::new(0);
        let all: Vec<_> = (0..10_000).map(|_| shares.take("a")).collect();
        assert!(all.iter().all(Option::is_some));
        for (room, total, own, among, expected) in [
            (4, 0, 0, 1, true),
            (4, 3, 3, 1, true),
            (4, 4, 0, 2, false),
            (4, 3, 2, 2, false),
            (4, 3, 0, 100, true),
        ] {
            assert_eq!(may(room, total, own, among), expected, "{room} {total} {own} {among}");
        }
    }
}
