//! How runs stand in a store, read independently of the engine: a checker that used the engine's
//! own readers would share its mistakes.

use levqor_core::ids::RunId;
use levqor_core::run::{Header, JournalRecord};
use levqor_core::store::{Key, KeyRange, Record, Store, Table, Value};

/// What a key is about.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Place {
    /// The header of a run that goes on.
    Live(String, RunId),
    /// The header of a run that ended.
    Done(String, RunId),
    /// A dead letter.
    DeadLetter(String, RunId),
    /// A journal record.
    Journal(RunId, u64),
    /// Anything else, by its table's number.
    Other(u8),
}

/// Reads a key of the store.
#[must_use]
pub fn place(key: &Key) -> Place {
    let bytes = key.as_bytes();
    let table = bytes.first().copied().unwrap_or(0);
    let owned = |make: fn(String, RunId) -> Place| {
        let end = bytes.iter().position(|b| *b == 0)?;
        let organization = String::from_utf8(bytes[1..end].to_vec()).ok()?;
        let bits: [u8; 16] = bytes.get(end + 1..)?.try_into().ok()?;
        Some(make(organization, RunId::from_u128(!u128::from_be_bytes(bits))))
    };
    let journal = || {
        let run: [u8; 16] = bytes.get(1..17)?.try_into().ok()?;
        let seq: [u8; 8] = bytes.get(17..)?.try_into().ok()?;
        let run = RunId::from_u128(u128::from_be_bytes(run));
        Some(Place::Journal(run, u64::from_be_bytes(seq)))
    };
    let found = match table {
        t if t == Table::Live as u8 => owned(Place::Live),
        t if t == Table::Done as u8 => owned(Place::Done),
        t if t == Table::DeadLetter as u8 => owned(Place::DeadLetter),
        t if t == Table::Journal as u8 => journal(),
        _ => None,
    };
    found.unwrap_or(Place::Other(table))
}

/// The key of a journal record.
#[must_use]
pub fn journal_key(run: RunId, seq: u64) -> Key {
    Key::of(Table::Journal).raw(&run.as_u128().to_be_bytes()).number(seq)
}

/// The key of a piece of a large journal record.
#[must_use]
pub fn chunk_key(run: RunId, seq: u64, part: u64) -> Key {
    Key::of(Table::Chunk).raw(&run.as_u128().to_be_bytes()).number(seq).number(part)
}

/// Reads a header.
///
/// # Errors
/// What is wrong with it.
pub fn header(value: &Value) -> Result<Header, String> {
    serde_json::from_slice(value).map_err(|e| format!("a header: {e}"))
}

/// Reads a journal record; `piece` finds the pieces of a large one.
///
/// # Errors
/// What is wrong with it.
pub fn journal(
    run: RunId,
    seq: u64,
    value: &Value,
    piece: &dyn Fn(&Key) -> Option<Value>,
) -> Result<JournalRecord, String> {
    let wrong = |what: String| format!("{run} record {seq}: {what}");
    let parsed = match value.first() {
        Some(b'J') => serde_json::from_slice(&value[1..]),
        Some(b'C') => {
            let parts: [u8; 8] =
                value[1..].try_into().map_err(|_| wrong("no count of pieces".to_owned()))?;
            let mut whole = Vec::new();
            for part in 0..u64::from_be_bytes(parts) {
                let found = piece(&chunk_key(run, seq, part));
                whole.extend_from_slice(&found.ok_or_else(|| wrong(format!("no piece {part}")))?);
            }
            serde_json::from_slice(&whole)
        }
        _ => return Err(wrong("unknown form".to_owned())),
    };
    parsed.map_err(|e| wrong(e.to_string()))
}

/// Every record of a range.
///
/// # Errors
/// When the store cannot be read.
pub async fn scan_all(store: &dyn Store, range: KeyRange) -> Result<Vec<(Key, Record)>, String> {
    let mut range = range;
    let mut all = Vec::new();
    loop {
        let page = store.scan(&range, 1_000).await.map_err(|e| e.to_string())?;
        let Some((last, _)) = page.last() else { return Ok(all) };
        range = range.after(last);
        all.extend(page);
    }
}
