//! What is stored in the ledger's table: entries from outside runs, and one settlement per run.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::{Entry, EntryId, LedgerError, Tally};
use crate::ids::{Organization, RunId};
use crate::store::{Key, KeyRange, Table, Value};
use crate::time::Timestamp;

/// Version of the stored form. A reader refuses what is newer.
const FORMAT: u32 = 1;

/// What one action cost in a run, all its calls together.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ActionTotal {
    /// Successful calls.
    pub calls: u64,
    /// Credits charged for them.
    pub credits: u64,
}

/// What a finished run cost: the sum of all its entries, written once with the run's end. The
/// entries themselves are in the run's journal.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Settlement {
    /// The run.
    pub run: RunId,
    /// Its pipeline's name, where it has one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pipeline: Option<String>,
    /// Its sums; nothing is open any more.
    pub tally: Tally,
    /// What each action cost, by `connector/action`: calls that were charged, and their credits.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub actions: BTreeMap<String, ActionTotal>,
    /// When the run ended.
    pub at: Timestamp,
}

impl Settlement {
    /// The settlement of a run that ended at `at`.
    ///
    /// # Errors
    /// [`LedgerError::OverHold`] when a hold is still open: every one must be resolved first.
    pub fn new(run: RunId, tally: Tally, at: Timestamp) -> Result<Self, LedgerError> {
        if tally.open() != 0 {
            return Err(LedgerError::OverHold { held: tally.open(), asked: 0 });
        }
        Ok(Self { run, pipeline: None, tally, actions: BTreeMap::new(), at })
    }

    /// Its record's value.
    ///
    /// # Errors
    /// [`LedgerError::Format`] when it cannot be written as JSON.
    pub fn to_value(&self) -> Result<Value, LedgerError> {
        Posting::Settlement(self.clone()).to_value()
    }
}

/// One record of the ledger's table.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Posting {
    /// Credits that came from or went to the outside.
    Entry(Entry),
    /// What a run cost.
    Settlement(Settlement),
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Stored {
    format: u32,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    entry: Option<Entry>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    settlement: Option<Settlement>,
}

impl Posting {
    /// When it happened.
    #[must_use]
    pub fn at(&self) -> Timestamp {
        match self {
            Self::Entry(entry) => entry.at,
            Self::Settlement(settlement) => settlement.at,
        }
    }

    /// The record's value.
    ///
    /// # Errors
    /// [`LedgerError::Format`] when it cannot be written as JSON.
    pub fn to_value(&self) -> Result<Value, LedgerError> {
        let (entry, settlement) = match self.clone() {
            Self::Entry(entry) => (Some(entry), None),
            Self::Settlement(settlement) => (None, Some(settlement)),
        };
        serde_json::to_vec(&Stored { format: FORMAT, entry, settlement })
            .map(Value::from)
            .map_err(|e| LedgerError::Format(e.to_string()))
    }

    /// Reads a record's value.
    ///
    /// # Errors
    /// [`LedgerError::Format`] when it is damaged or of a newer version.
    pub fn from_value(value: &[u8]) -> Result<Self, LedgerError> {
        let stored: Stored =
            serde_json::from_slice(value).map_err(|e| LedgerError::Format(e.to_string()))?;
        match (stored.format, stored.entry, stored.settlement) {
            (FORMAT, Some(entry), None) => Ok(Self::Entry(entry)),
            (FORMAT, None, Some(settlement)) => Ok(Self::Settlement(settlement)),
            (format, ..) => Err(LedgerError::Format(format!("version {format}"))),
        }
    }
}

/// The key of a run's settlement.
#[must_use]
pub fn key_of_settlement(organization: &Organization, run: RunId, at: Timestamp) -> Key {
    dated(organization, at).text(&run.to_string())
}

/// The key of an entry.
pub(super) fn key_of_entry(organization: &Organization, id: EntryId, at: Timestamp) -> Key {
    dated(organization, at).text(&id.to_string())
}

/// The key that makes an entry happen once, whenever it is repeated: it holds the entry's time.
pub(super) fn key_of_mark(organization: &Organization, id: EntryId) -> Key {
    of(organization).number(MARKS).text(&id.to_string())
}

/// Postings from `from` (inclusive) to `to` (exclusive), newest first.
pub(super) fn between(organization: &Organization, from: Timestamp, to: Timestamp) -> KeyRange {
    // Newest first: the later bound is the smaller key, and each bound is one past its moment.
    let past = |at: Timestamp| of(organization).number(backwards(at.0) + 1);
    KeyRange { start: past(to), end: past(from) }
}

/// Every mark of an organization.
pub(super) fn marks(organization: &Organization) -> KeyRange {
    of(organization).number(MARKS).prefix()
}

/// Where marks stand: after every posting, as no posting is of before the epoch.
const MARKS: u64 = u64::MAX;

fn of(organization: &Organization) -> Key {
    Key::of(Table::Ledger).text(organization.as_str())
}

fn dated(organization: &Organization, at: Timestamp) -> Key {
    of(organization).number(backwards(at.0))
}

/// A number that sorts later times first; below [`MARKS`] for every time.
fn backwards(at_ms: i64) -> u64 {
    MARKS - 1 - u64::try_from(at_ms).unwrap_or(0)
}

/// A posting's place within its organization, as text: 16 hexadecimal digits and the id.
pub(super) fn cursor_text(organization: &Organization, key: &Key) -> String {
    let (number, id) = place(organization, key);
    format!("{number:016x}{id}")
}

/// The key at that place.
pub(super) fn cursor_key(organization: &Organization, text: &str) -> Result<Key, LedgerError> {
    let number = text.get(..16).and_then(|n| u64::from_str_radix(n, 16).ok());
    let id = text.get(16..).filter(|id| crate::ids::check_id(id).is_ok());
    match (number, id) {
        (Some(number), Some(id)) => Ok(of(organization).number(number).text(id)),
        _ => Err(LedgerError::Cursor),
    }
}

/// The entry's id in a mark's key.
pub(super) fn mark_id(organization: &Organization, key: &Key) -> String {
    place(organization, key).1
}

fn place(organization: &Organization, key: &Key) -> (u64, String) {
    let rest = key.as_bytes().get(of(organization).as_bytes().len()..).unwrap_or_default();
    let (number, id) = rest.split_at_checked(8).unwrap_or_default();
    let number = number.try_into().map(u64::from_be_bytes).unwrap_or_default();
    (number, String::from_utf8_lossy(id.strip_suffix(&[0]).unwrap_or(id)).into_owned())
}
