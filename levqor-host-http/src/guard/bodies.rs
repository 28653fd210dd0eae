//! Bytes of bodies that are arriving, bounded over all of them: what is sent slowly lies in memory.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

/// The bytes of all.
#[derive(Clone, Debug)]
pub(super) struct Bodies {
    room: usize,
    held: Arc<AtomicUsize>,
}

/// One body's; given back when dropped.
#[derive(Debug)]
pub(crate) struct Room {
    all: Bodies,
    own: usize,
}

impl Bodies {
    pub(super) fn new(room: usize) -> Self {
        Self { room, held: Arc::default() }
    }

    pub(super) fn body(&self) -> Room {
        Room { all: self.clone(), own: 0 }
    }
}

impl Room {
    /// So many bytes more; false where there is no room.
    pub(super) fn try_take(&mut self, bytes: usize) -> bool {
        let held = self.all.held.fetch_add(bytes, Ordering::AcqRel);
        self.own += bytes;
        held.saturating_add(bytes) <= self.all.room
    }
}

impl Drop for Room {
    fn drop(&mut self) {
        self.all.held.fetch_sub(self.own, Ordering::AcqRel);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_bodies_together_have_one_room() {
        let bodies = Bodies::new(100);
        let (mut one, mut other) = (bodies.body(), bodies.body());
        assert!(one.try_take(60) && other.try_take(40));
        assert!(!other.try_take(1));
        drop(one);
        assert!(other.try_take(59));
        drop(other);
        assert_eq!(bodies.held.load(Ordering::Acquire), 0);
    }
}
