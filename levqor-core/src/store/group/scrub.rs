//! Opening: is everything there that the last group left behind, and nothing else?
//!
//! It finds damage, it does not repair: a store that is not exactly what was written is refused, and
//! a backup is the way back.

use super::Disk;
use super::record::{self, HEAD_KEY, Head, Payload};
use crate::store::{Key, StoreError, Table};

/// What this version writes. A greater number is refused.
pub(super) const FORMAT: u64 = 1;

/// Where the format's number stands.
pub(super) fn format_key() -> Key {
    Key::of(Table::Meta).text(crate::store::META_STORE)
}

/// The head of the last group, `None` for an empty store. With `every_record` all are read.
pub(super) fn check<D: Disk>(disk: &D, every_record: bool) -> Result<Option<Head>, StoreError> {
    let Some(raw) = disk.get(HEAD_KEY)? else {
        if let Some(sequence) = disk.last_sequence() {
            return Err(lost(0, sequence));
        }
        let mut found = false;
        disk.range(&[], &mut |_, _| {
            found = true;
            Ok(false)
        })?;
        return match found {
            true => Err(StoreError::Format("it holds records of something else".to_owned())),
            false => Ok(None),
        };
    };
    check_format(disk)?;
    let head = Head::decode(raw.as_ref())?;
    if let Some(sequence) = disk.last_sequence().filter(|last| *last > head.sequence) {
        return Err(lost(head.sequence, sequence));
    }
    if every_record {
        check_records(disk, &head)?;
    }
    Ok(Some(head))
}

fn lost(found: u64, acknowledged: u64) -> StoreError {
    StoreError::Corrupt(format!(
        "it ends with group {found}, but group {acknowledged} was acknowledged: its end was cut off"
    ))
}

fn check_format<D: Disk>(disk: &D) -> Result<(), StoreError> {
    let key = format_key();
    let raw = disk.get(key.as_bytes())?.ok_or_else(|| record::damaged(key.as_bytes()))?;
    let (_, Payload::Whole(body)) = record::decode(key.as_bytes(), raw.as_ref())? else {
        return Err(record::damaged(key.as_bytes()));
    };
    let value: serde_json::Value = serde_json::from_slice(body).unwrap_or_default();
    match value["format"].as_u64() {
        Some(FORMAT) => Ok(()),
        Some(other) => Err(StoreError::Format(format!(
            "it has format {other}, this version knows {FORMAT}; open it with a newer version"
        ))),
        None => Err(StoreError::Format("its format record has no number".to_owned())),
    }
}

fn check_records<D: Disk>(disk: &D, head: &Head) -> Result<(), StoreError> {
    let (mut records, mut digest) = (0_u64, 0_u64);
    disk.range(&[], &mut |key, raw| {
        if key == HEAD_KEY {
            return Ok(true);
        }
        let (revision, _) = record::decode(key, raw.as_ref())?;
        if revision > head.revision {
            return Err(StoreError::Corrupt(format!(
                "the record at {} is newer than the last whole group ({})",
                key[..key.len().min(48)].escape_ascii(),
                head.sequence
            )));
        }
        records += 1;
        digest = digest.wrapping_add(record::share(raw.as_ref()));
        Ok(true)
    })?;
    if records != head.records {
        return Err(StoreError::Corrupt(format!(
            "group {} left {} records, {records} are there",
            head.sequence, head.records
        )));
    }
    if digest != head.digest {
        return Err(StoreError::Corrupt(format!(
            "a record is not the one that group {} left",
            head.sequence
        )));
    }
    Ok(())
}
