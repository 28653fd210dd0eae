//! Keys: a table's byte, then parts that sort as their values do.
//!
//! Text is written with 0x00 as its end (ids never hold one), numbers big-endian. A key is only
//! ever built by [`Key::of`] and friends, so two tables cannot meet.

use std::fmt;

/// Every table, in one list: what is in it and who writes it. Numbers are append-only.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(u8)]
#[non_exhaustive]
pub enum Table {
    /// `(name)`: the store's own facts, such as its format version. Written at creation.
    Meta = 1,
    /// `(organization, run)`: headers of runs that have not ended. Written by the engine.
    Live = 2,
    /// `(organization, run)`: headers of runs that have ended. Written by the engine, once.
    Done = 3,
    /// `(run, sequence)`: the journal, one record a commit. Written by the engine, once.
    Journal = 4,
    /// `(run, sequence, part)`: the rest of a journal record over 64 KiB.
    Chunk = 5,
    /// `(organization, hash)`: pipeline documents by content. Written once.
    Version = 6,
    /// `(organization, pipeline)`: which version a name means now.
    Pipeline = 7,
    /// `(organization, key)`: idempotency keys and dedupe keys, with the run each started.
    Idempotency = 8,
    /// `(organization, pipeline, trigger)`: a schedule's next due time.
    Schedule = 9,
    /// `(organization, time backwards, id)`: what the ledger settled, newest first. Written once.
    Ledger = 10,
    /// `(organization, run)`: dead letters, from the run's end until retried or discarded.
    DeadLetter = 11,
    /// `(organization)`: an organization's billing plan and settings.
    Organization = 12,
    /// `(due, organization, run)`: ended runs by the day their retention ends.
    Retention = 13,
    /// `(scope, connector, key)`: small state that plugins keep.
    PluginState = 14,
    /// `(room, …)`: what the embedding program keeps beside the engine (people, keys, endpoints),
    /// so that one commit and one backup hold both. The engine neither reads nor writes it.
    Host = 15,
}

impl Table {
    /// All tables, for export and for `levqor store verify`.
    pub const ALL: [Self; 15] = [
        Self::Meta,
        Self::Live,
        Self::Done,
        Self::Journal,
        Self::Chunk,
        Self::Version,
        Self::Pipeline,
        Self::Idempotency,
        Self::Schedule,
        Self::Ledger,
        Self::DeadLetter,
        Self::Organization,
        Self::Retention,
        Self::PluginState,
        Self::Host,
    ];
}

/// A key of the store's map.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Key(Vec<u8>);

impl Key {
    /// The key of `table` with no parts yet.
    #[must_use]
    pub fn of(table: Table) -> Self {
        let mut bytes = Vec::with_capacity(40);
        bytes.push(table as u8);
        Self(bytes)
    }

    /// Appends text and its end mark. A NUL in the text would end it early, so it is replaced.
    #[must_use]
    pub fn text(mut self, text: &str) -> Self {
        self.0.extend(text.bytes().map(|b| if b == 0 { 1 } else { b }));
        self.0.push(0);
        self
    }

    /// Appends a number, big-endian.
    #[must_use]
    pub fn number(mut self, number: u64) -> Self {
        self.0.extend_from_slice(&number.to_be_bytes());
        self
    }

    /// Appends raw bytes of fixed width.
    #[must_use]
    pub fn raw(mut self, bytes: &[u8]) -> Self {
        self.0.extend_from_slice(bytes);
        self
    }

    /// A key as it was stored.
    #[must_use]
    pub fn from_bytes(bytes: Vec<u8>) -> Self {
        Self(bytes)
    }

    /// The key's bytes, in the order the store sorts by.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }

    /// The key's bytes, without copying them.
    #[must_use]
    pub fn into_bytes(self) -> Vec<u8> {
        self.0
    }

    /// Whether a batch may write here: in a table (numbers start at 1; a backend keeps its own
    /// records under 0) and no longer than [`super::KEY_BYTES_MAX`].
    #[must_use]
    pub fn is_storable(&self) -> bool {
        self.0.first().is_some_and(|table| *table != 0) && self.0.len() <= super::KEY_BYTES_MAX
    }

    /// Every key that begins with this one.
    #[must_use]
    pub fn prefix(self) -> KeyRange {
        let mut end = self.0.clone();
        while let Some(last) = end.pop() {
            if last < 0xff {
                end.push(last + 1);
                break;
            }
        }
        KeyRange { start: self, end: Self(end) }
    }
}

impl fmt::Debug for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Key({})", self.0.escape_ascii())
    }
}

/// Keys from `start` (inclusive) to `end` (exclusive; empty means without end).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeyRange {
    /// First key.
    pub start: Key,
    /// First key past the range.
    pub end: Key,
}

impl KeyRange {
    /// The part of the range after `key`, for the next page.
    #[must_use]
    pub fn after(mut self, key: &Key) -> Self {
        let mut start = key.0.clone();
        start.push(0);
        self.start = Key(start);
        self
    }

    /// Whether no key can be within.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        !self.end.0.is_empty() && self.start >= self.end
    }

    /// Whether `key` is within.
    #[must_use]
    pub fn contains(&self, key: &Key) -> bool {
        *key >= self.start && (self.end.0.is_empty() || *key < self.end)
    }
}
