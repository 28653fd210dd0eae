//! What was read of the map lately: the few records that every request reads.
//!
//! A record here is what the map has, and the tables are asked first, so it may be older than what is
//! in them and never than what is in the map: whatever the map takes in, all of this goes.

use std::collections::HashMap;

use bytes::Bytes;
use parking_lot::RwLock;

use super::recent::Name;

/// Records that are kept; the next ones are read from the map.
const KEPT_MAX: usize = 256;
/// Larger ones are not: with [`KEPT_MAX`] this bounds the memory.
const KEPT_BYTES_MAX: usize = 4 * 1024;

#[derive(Debug, Default)]
pub(super) struct Kept(RwLock<Inner>);

#[derive(Debug, Default)]
struct Inner {
    /// How often the map has taken something in.
    turn: u64,
    records: HashMap<Name, Bytes>,
}

impl Kept {
    /// To be asked before the tables are, and given to [`Kept::keep`].
    pub(super) fn turn(&self) -> u64 {
        self.0.read().turn
    }

    pub(super) fn get(&self, key: &[u8]) -> Option<Bytes> {
        self.0.read().records.get(key).cloned()
    }

    /// Keeps what the map said, unless it has taken something in since `turn`: that might have been
    /// this record.
    pub(super) fn keep(&self, turn: u64, key: &[u8], raw: &Bytes) {
        if raw.len() > KEPT_BYTES_MAX {
            return;
        }
        let mut inner = self.0.write();
        if inner.turn == turn && inner.records.len() < KEPT_MAX {
            inner.records.insert(Name::from_slice(key), raw.clone());
        }
    }

    /// The map has taken something in. Called while the tables still have it.
    pub(super) fn forget(&self) {
        let mut inner = self.0.write();
        inner.turn += 1;
        inner.records.clear();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_read_before_a_turn_is_not_kept_after_it() {
        let (kept, old) = (Kept::default(), Bytes::from_static(b"old"));
        let turn = kept.turn();
        kept.keep(turn, b"a", &old);
        assert_eq!(kept.get(b"a"), Some(old.clone()));
        kept.forget();
        assert_eq!(kept.get(b"a"), None);
        kept.keep(turn, b"a", &old);
        assert_eq!(kept.get(b"a"), None, "the map may have another one by now");
        kept.keep(kept.turn(), b"a", &old);
        assert_eq!(kept.get(b"a"), Some(old));
    }

    #[test]
    fn what_is_kept_is_bounded() {
        let kept = Kept::default();
        kept.keep(0, b"large", &Bytes::from(vec![0; KEPT_BYTES_MAX + 1]));
        for id in 0..2 * KEPT_MAX {
            kept.keep(0, &id.to_be_bytes(), &Bytes::from_static(b"x"));
        }
        assert_eq!((kept.get(b"large"), kept.0.read().records.len()), (None, KEPT_MAX));
    }
}
