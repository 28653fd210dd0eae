//! How runs stand in the store: keys, formats, chunks. The only place that knows.

use std::cell::RefCell;

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use super::error::Error;
use crate::error::RunError;
use crate::ids::{Organization, RunId};
use crate::limits::INLINE_BYTES_MAX;
use crate::run::{Corrupt, Header, JournalRecord, RunState};
use crate::store::{Batch, Key, Store, Table, Value};
use crate::time::Timestamp;

/// Journal records read at once.
const JOURNAL_PAGE: u32 = 256;

pub(crate) fn corrupt(what: impl Into<String>) -> Error {
    Error::Corrupt(Corrupt(what.into()))
}

/// Runs stand newest first: their ids sort by time, so the key holds the complement.
fn newest_first(key: Key, run: RunId) -> Key {
    key.raw(&(!run.as_u128()).to_be_bytes())
}

pub(crate) fn live_key(organization: &Organization, run: RunId) -> Key {
    newest_first(Key::of(Table::Live).text(organization.as_str()), run)
}

pub(crate) fn done_key(organization: &Organization, run: RunId) -> Key {
    newest_first(Key::of(Table::Done).text(organization.as_str()), run)
}

pub(crate) fn dead_letter_key(organization: &Organization, run: RunId) -> Key {
    newest_first(Key::of(Table::DeadLetter).text(organization.as_str()), run)
}

/// The organization and run of a key in `Live`, `Done` or `DeadLetter`.
pub(crate) fn read_run_key(key: &Key) -> Result<(Organization, RunId), Error> {
    let organization = organization_of(key)?;
    let rest = key.as_bytes().get(organization.as_str().len() + 2..).unwrap_or_default();
    let bits: [u8; 16] =
        rest.try_into().map_err(|_| corrupt(format!("{key:?} is not a run's key")))?;
    Ok((organization, RunId::from_u128(!u128::from_be_bytes(bits))))
}

/// The organization of any key whose first part it is.
pub(crate) fn organization_of(key: &Key) -> Result<Organization, Error> {
    let bad = || corrupt(format!("{key:?} names no organization"));
    let body = key.as_bytes().get(1..).ok_or_else(bad)?;
    let end = body.iter().position(|b| *b == 0).ok_or_else(bad)?;
    let text = std::str::from_utf8(&body[..end]).map_err(|_| bad())?;
    Organization::new(text).map_err(|_| bad())
}

pub(crate) fn journal_key(run: RunId, seq: u64) -> Key {
    Key::of(Table::Journal).raw(&run.as_u128().to_be_bytes()).number(seq)
}

fn chunk_key(run: RunId, seq: u64, part: u64) -> Key {
    Key::of(Table::Chunk).raw(&run.as_u128().to_be_bytes()).number(seq).number(part)
}

pub(crate) fn to_value(value: &impl Serialize) -> Value {
    written(&[], value)
}

/// Room that a thread keeps for writing: past it the room is given back.
const SCRATCH_BYTES_MAX: usize = 64 * 1024;

thread_local! {
    static SCRATCH: RefCell<Vec<u8>> = const { RefCell::new(Vec::new()) };
}

/// A value as JSON after these bytes. Written where the last one was, then copied once at its size:
/// a buffer of its own would be grown and copied several times, each time in cold memory.
fn written(before: &[u8], value: &impl Serialize) -> Value {
    SCRATCH.with_borrow_mut(|bytes| {
        bytes.clear();
        bytes.extend_from_slice(before);
        // Our own types hold no map with keys that are not text: this cannot fail.
        if serde_json::to_writer(&mut *bytes, value).is_err() {
            bytes.truncate(before.len());
        }
        let value = Value::copy_from_slice(bytes);
        if bytes.capacity() > SCRATCH_BYTES_MAX {
            *bytes = Vec::new();
        }
        value
    })
}

pub(crate) fn read<T: DeserializeOwned>(value: &Value, what: &str) -> Result<T, Error> {
    serde_json::from_slice(value).map_err(|e| corrupt(format!("{what}: {e}")))
}

pub(crate) fn write_header(header: &Header) -> Value {
    to_value(header)
}

pub(crate) fn read_header(value: &Value) -> Result<Header, Error> {
    let header: Header = read(value, "run header")?;
    if header.v != 1 {
        return Err(corrupt(format!("run header of format {}", header.v)));
    }
    Ok(header)
}

/// First byte of a stored journal record.
const INLINE: u8 = b'J';
const CHUNKED: u8 = b'C';

/// Adds a journal record to the batch, in chunks where it is large.
pub(crate) fn put_journal(batch: &mut Batch, run: RunId, seq: u64, record: &JournalRecord) {
    let bytes = written(&[INLINE], record);
    if bytes.len() <= INLINE_BYTES_MAX {
        batch.set.push((journal_key(run, seq), bytes));
        return;
    }
    let whole = bytes.slice(1..);
    let mut parts = 0_u64;
    let mut start = 0;
    while start < whole.len() {
        let end = (start + INLINE_BYTES_MAX).min(whole.len());
        batch.set.push((chunk_key(run, seq, parts), whole.slice(start..end)));
        parts += 1;
        start = end;
    }
    let mut head = vec![CHUNKED];
    head.extend_from_slice(&parts.to_be_bytes());
    batch.set.push((journal_key(run, seq), head.into()));
}

/// Journal records `from..to` with their sequence numbers.
pub(crate) async fn read_journal(
    store: &dyn Store,
    run: RunId,
    from: u64,
    to: u64,
) -> Result<Vec<(u64, JournalRecord)>, Error> {
    read_journal_within(store, run, from, to, usize::MAX).await
}

/// The same, stopping after the record with which `bytes_max` is reached.
pub(crate) async fn read_journal_within(
    store: &dyn Store,
    run: RunId,
    from: u64,
    to: u64,
    bytes_max: usize,
) -> Result<Vec<(u64, JournalRecord)>, Error> {
    let mut records = Vec::new();
    let (mut next, mut bytes) = (from, 0_usize);
    while next < to {
        let page = (to - next).min(u64::from(JOURNAL_PAGE));
        let keys: Vec<Key> = (next..next + page).map(|seq| journal_key(run, seq)).collect();
        for (seq, found) in (next..).zip(store.get(&keys).await?) {
            let value = found.ok_or_else(|| corrupt(format!("{run} lacks record {seq}")))?.value;
            if bytes >= bytes_max {
                return Ok(records);
            }
            bytes = bytes.saturating_add(stored_bytes(&value));
            records.push((seq, decode_journal(store, run, seq, &value).await?));
        }
        next += page;
    }
    Ok(records)
}

/// The size of a record, about: chunks are counted as full ones.
fn stored_bytes(value: &Value) -> usize {
    match (value.first(), value.get(1..).map(<[u8; 8]>::try_from)) {
        (Some(&CHUNKED), Some(Ok(parts))) => {
            let parts = usize::try_from(u64::from_be_bytes(parts)).unwrap_or(usize::MAX);
            parts.saturating_mul(INLINE_BYTES_MAX)
        }
        _ => value.len(),
    }
}

async fn decode_journal(
    store: &dyn Store,
    run: RunId,
    seq: u64,
    value: &Value,
) -> Result<JournalRecord, Error> {
    let bad = || corrupt(format!("{run} record {seq} has an unknown form"));
    let record: JournalRecord = match value.first() {
        Some(&INLINE) => read(&value.slice(1..), "journal record")?,
        Some(&CHUNKED) => {
            let parts: [u8; 8] = value[1..].try_into().map_err(|_| bad())?;
            let keys: Vec<Key> =
                (0..u64::from_be_bytes(parts)).map(|part| chunk_key(run, seq, part)).collect();
            let mut whole = Vec::new();
            for part in store.get(&keys).await? {
                whole.extend_from_slice(&part.ok_or_else(bad)?.value);
            }
            read(&whole.into(), "journal record")?
        }
        _ => return Err(bad()),
    };
    if record.v != 1 {
        return Err(corrupt(format!("{run} record {seq} of format {}", record.v)));
    }
    Ok(record)
}

/// A run that a person should look at.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct DeadLetter {
    /// Format version: 1.
    pub v: u8,
    /// The pipeline's name.
    pub pipeline: String,
    /// Why it is here.
    pub error: Option<RunError>,
    /// Since when.
    pub at: Timestamp,
}

pub(crate) fn dead_letter(
    organization: &Organization,
    run: RunId,
    header: &Header,
    state: &RunState,
) -> (Key, Value) {
    let letter = DeadLetter {
        v: 1,
        pipeline: header.pipeline.to_string(),
        error: state.error().cloned(),
        at: header.ended.unwrap_or_default(),
    };
    (dead_letter_key(organization, run), to_value(&letter))
}
