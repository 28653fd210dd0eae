//! The stream: a header line, blocks of records, blocks of counters, an end.
//!
//! ```text
//!  {"kind":"levqor-backup","format":1,"created_ms":…}\n
//!  block:   length u32 | kind u8 | payload | crc32 u32        crc over all before it in the block
//!    R      (key length u32 | value length u32 | key | value)*     in key order
//!    C      (scope length u32 | slot length u32 | value i64 | scope | slot)*      in order
//!    E      {"records":…,"counters":…,"bytes":…,"root":"…","sha256":"…"}
//! ```
//!
//! `sha256` is over every byte before the end block, the crc only makes damage visible early and in
//! its place. Numbers are big-endian.

use std::io::{ErrorKind, Read, Write};

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use super::{BackupError, Summary};
use crate::store::{BATCH_BYTES_MAX, Counter, Key, Value};
use crate::time::Timestamp;

const KIND: &str = "levqor-backup";
const FORMAT: u32 = 1;
/// Payload from which on a block is written out.
const BLOCK_BYTES: usize = 256 * 1024;
/// Longest payload: a full block and one record at its limit.
const BLOCK_BYTES_MAX: usize = BLOCK_BYTES + BATCH_BYTES_MAX + 1024;
/// Longest header line: its three fields, with room for some more.
const HEADER_BYTES_MAX: u64 = 4096;

const RECORDS: u8 = b'R';
const COUNTERS: u8 = b'C';
const END: u8 = b'E';

#[derive(Serialize, Deserialize)]
struct Header {
    kind: String,
    format: u32,
    created_ms: i64,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct End {
    records: u64,
    counters: u64,
    bytes: u64,
    root: String,
    sha256: String,
}

/// What has passed so far, and in which order it may go on.
struct Tally {
    created: Timestamp,
    records: u64,
    counters: u64,
    bytes: u64,
    root: Sha256,
    last_key: Option<Key>,
    last_counter: Option<Counter>,
}

impl Tally {
    fn new(created: Timestamp) -> Self {
        let (root, last_key, last_counter) = (Sha256::new(), None, None);
        Self { created, records: 0, counters: 0, bytes: 0, root, last_key, last_counter }
    }

    /// Counts a record; `false` when it is out of order.
    fn record(&mut self, key: &Key, value: &[u8]) -> bool {
        let in_order = self.last_key.as_ref().is_none_or(|last| last < key);
        self.records += 1;
        self.bytes += (key.as_bytes().len() + value.len()) as u64;
        for part in [key.as_bytes(), value] {
            self.root.update((part.len() as u64).to_be_bytes());
            self.root.update(part);
        }
        self.last_key = Some(key.clone());
        in_order && self.counters == 0 && key.is_storable()
    }

    fn counter(&mut self, counter: &Counter, value: i64) -> bool {
        let in_order = self.last_counter.as_ref().is_none_or(|last| last < counter);
        if self.counters == 0 {
            // No record is this long, so records and counters cannot be taken for each other.
            self.root.update(u64::MAX.to_be_bytes());
        }
        self.counters += 1;
        for part in [&counter.scope, &counter.slot] {
            self.root.update((part.len() as u64).to_be_bytes());
            self.root.update(part.as_bytes());
        }
        self.root.update(value.to_be_bytes());
        self.last_counter = Some(counter.clone());
        in_order && value != 0
    }

    fn summary(self) -> Summary {
        let Self { created, records, counters, bytes, root, .. } = self;
        Summary { created, records, counters, bytes, root: hex(root) }
    }
}

fn hex(hash: Sha256) -> String {
    use std::fmt::Write;
    hash.finalize().iter().fold(String::with_capacity(64), |mut text, byte| {
        // Writing to a String cannot fail.
        let _ = write!(text, "{byte:02x}");
        text
    })
}

/// Writes a backup.
pub(super) struct Writer<W> {
    inner: W,
    hash: Sha256,
    tally: Tally,
    kind: u8,
    payload: Vec<u8>,
}

impl<W: Write> Writer<W> {
    pub(super) fn new(inner: W, created: Timestamp) -> Result<Self, BackupError> {
        let tally = Tally::new(created);
        let (hash, kind, payload) = (Sha256::new(), RECORDS, Vec::new());
        let mut writer = Self { inner, hash, tally, kind, payload };
        let header =
            Header { kind: KIND.to_owned(), format: FORMAT, created_ms: created.as_millis() };
        let mut line = to_json(&header)?;
        line.push(b'\n');
        writer.put(&line)?;
        Ok(writer)
    }

    pub(super) fn record(&mut self, key: &Key, value: &[u8]) -> Result<(), BackupError> {
        if !self.tally.record(key, value) {
            return Err(BackupError::Damaged(format!("the store returned {key:?} out of order")));
        }
        self.lengths(key.as_bytes(), value)?;
        self.payload.extend_from_slice(key.as_bytes());
        self.payload.extend_from_slice(value);
        self.full(RECORDS)
    }

    pub(super) fn counter(&mut self, counter: &Counter, value: i64) -> Result<(), BackupError> {
        if self.kind == RECORDS {
            self.block()?;
            self.kind = COUNTERS;
        }
        if !self.tally.counter(counter, value) {
            let slot = &counter.slot;
            return Err(BackupError::Damaged(format!("the store returned {slot} out of order")));
        }
        self.lengths(counter.scope.as_bytes(), counter.slot.as_bytes())?;
        self.payload.extend_from_slice(&value.to_be_bytes());
        self.payload.extend_from_slice(counter.scope.as_bytes());
        self.payload.extend_from_slice(counter.slot.as_bytes());
        self.full(COUNTERS)
    }

    pub(super) fn finish(mut self) -> Result<Summary, BackupError> {
        self.block()?;
        let sha256 = hex(self.hash.clone());
        let summary =
            std::mem::replace(&mut self.tally, Tally::new(Timestamp::default())).summary();
        let Summary { records, counters, bytes, ref root, .. } = summary;
        let end = End { records, counters, bytes, root: root.clone(), sha256 };
        self.kind = END;
        self.payload = to_json(&end)?;
        self.block()?;
        self.inner.flush().map_err(BackupError::Io)?;
        Ok(summary)
    }

    fn lengths(&mut self, a: &[u8], b: &[u8]) -> Result<(), BackupError> {
        for part in [a, b] {
            let length = u32::try_from(part.len());
            let length = length.map_err(|_| BackupError::Damaged("a value over 4 GiB".into()))?;
            self.payload.extend_from_slice(&length.to_be_bytes());
        }
        Ok(())
    }

    fn full(&mut self, kind: u8) -> Result<(), BackupError> {
        self.kind = kind;
        if self.payload.len() >= BLOCK_BYTES { self.block() } else { Ok(()) }
    }

    /// Writes the block that has been collected, if any.
    fn block(&mut self) -> Result<(), BackupError> {
        if self.payload.is_empty() {
            return Ok(());
        }
        let payload = std::mem::take(&mut self.payload);
        let length = u32::try_from(payload.len());
        let length = length.map_err(|_| BackupError::Damaged("a block over 4 GiB".into()))?;
        let mut crc = crc32fast::Hasher::new();
        for part in [&length.to_be_bytes()[..], &[self.kind], &payload] {
            crc.update(part);
            self.put(part)?;
        }
        self.put(&crc.finalize().to_be_bytes())
    }

    fn put(&mut self, bytes: &[u8]) -> Result<(), BackupError> {
        self.hash.update(bytes);
        self.inner.write_all(bytes).map_err(BackupError::Io)
    }
}

fn to_json(value: &impl Serialize) -> Result<Vec<u8>, BackupError> {
    serde_json::to_vec(value).map_err(|e| BackupError::Io(e.into()))
}

/// What a backup holds, a block at a time.
pub(super) enum Item {
    Records(Vec<(Key, Value)>),
    Counters(Vec<(Counter, i64)>),
    /// Everything was there and as it was written.
    End(Summary),
}

/// Reads a backup and checks it on the way.
pub(super) struct Reader<R> {
    inner: R,
    hash: Sha256,
    tally: Tally,
    blocks: u64,
}

impl<R: Read> Reader<R> {
    pub(super) fn new(mut inner: R) -> Result<Self, BackupError> {
        let mut line = Vec::new();
        let mut byte = [0];
        while !line.ends_with(b"\n") {
            if line.len() as u64 > HEADER_BYTES_MAX {
                return Err(BackupError::Format("it has no header".to_owned()));
            }
            match inner.read(&mut byte) {
                Ok(0) => return Err(BackupError::Truncated),
                Ok(_) => line.extend_from_slice(&byte),
                Err(e) if e.kind() == ErrorKind::Interrupted => {}
                Err(e) => return Err(BackupError::Io(e)),
            }
        }
        let header: Header = serde_json::from_slice(&line)
            .map_err(|_| BackupError::Format("it has no header".to_owned()))?;
        if header.kind != KIND {
            return Err(BackupError::Format("its header is another kind's".to_owned()));
        }
        if header.format != FORMAT {
            let text = format!("it has format {}, this version knows {FORMAT}", header.format);
            return Err(BackupError::Format(text));
        }
        let tally = Tally::new(Timestamp(header.created_ms));
        Ok(Self { inner, hash: Sha256::new_with_prefix(&line), tally, blocks: 0 })
    }

    pub(super) fn next(&mut self) -> Result<Item, BackupError> {
        let before = self.hash.clone();
        let head = self.take(5)?;
        let (length, kind) = split_u32(&head).ok_or(BackupError::Truncated)?;
        if length as usize > BLOCK_BYTES_MAX {
            return Err(self.damaged("its length"));
        }
        let payload = self.take(length as usize)?;
        let mut crc = crc32fast::Hasher::new();
        crc.update(&head);
        crc.update(&payload);
        if self.take(4)? != crc.finalize().to_be_bytes() {
            return Err(self.damaged("its checksum"));
        }
        self.blocks += 1;
        match kind {
            [RECORDS] => self.records(&payload),
            [COUNTERS] => self.counters(&payload),
            [END] => self.end(&payload, before),
            _ => Err(self.damaged("its kind")),
        }
    }

    fn take(&mut self, count: usize) -> Result<Vec<u8>, BackupError> {
        let mut bytes = Vec::new();
        // Grows as bytes come: a damaged length must not take the memory it names.
        let read = self.inner.by_ref().take(count as u64).read_to_end(&mut bytes);
        if read.map_err(BackupError::Io)? < count {
            return Err(BackupError::Truncated);
        }
        self.hash.update(&bytes);
        Ok(bytes)
    }

    fn damaged(&self, what: &str) -> BackupError {
        BackupError::Damaged(format!("block {}: {what} is wrong", self.blocks + 1))
    }

    fn records(&mut self, mut payload: &[u8]) -> Result<Item, BackupError> {
        let mut records = Vec::new();
        while !payload.is_empty() {
            let (key, value, rest) =
                split_record(payload).ok_or_else(|| self.damaged("a length in it"))?;
            let key = Key::from_bytes(key.to_vec());
            if !self.tally.record(&key, value) {
                return Err(self.damaged("the order of its records"));
            }
            records.push((key, Value::copy_from_slice(value)));
            payload = rest;
        }
        Ok(Item::Records(records))
    }

    fn counters(&mut self, mut payload: &[u8]) -> Result<Item, BackupError> {
        let mut counters = Vec::new();
        while !payload.is_empty() {
            let (counter, value, rest) =
                split_counter(payload).ok_or_else(|| self.damaged("a length in it"))?;
            if !self.tally.counter(&counter, value) {
                return Err(self.damaged("the order of its counters"));
            }
            counters.push((counter, value));
            payload = rest;
        }
        Ok(Item::Counters(counters))
    }

    fn end(&mut self, payload: &[u8], before: Sha256) -> Result<Item, BackupError> {
        let end: End = serde_json::from_slice(payload).map_err(|_| self.damaged("its text"))?;
        let tally = std::mem::replace(&mut self.tally, Tally::new(Timestamp::default()));
        let summary = tally.summary();
        let Summary { records, counters, bytes, ref root, .. } = summary;
        if end.sha256 != hex(before) {
            return Err(BackupError::Damaged("its SHA-256 is another".to_owned()));
        }
        if (end.records, end.counters, end.bytes, &end.root) != (records, counters, bytes, root) {
            return Err(BackupError::Damaged("its contents are not what its end says".to_owned()));
        }
        let mut more = [0];
        match self.inner.read(&mut more) {
            Ok(0) => Ok(Item::End(summary)),
            Ok(_) => Err(BackupError::Trailing),
            Err(e) => Err(BackupError::Io(e)),
        }
    }
}

fn split_u32(bytes: &[u8]) -> Option<(u32, &[u8])> {
    let (number, rest) = bytes.split_first_chunk()?;
    Some((u32::from_be_bytes(*number), rest))
}

fn split_record(bytes: &[u8]) -> Option<(&[u8], &[u8], &[u8])> {
    let (key, rest) = split_u32(bytes)?;
    let (value, rest) = split_u32(rest)?;
    let (key, rest) = rest.split_at_checked(key as usize)?;
    let (value, rest) = rest.split_at_checked(value as usize)?;
    Some((key, value, rest))
}

fn split_counter(bytes: &[u8]) -> Option<(Counter, i64, &[u8])> {
    let (scope, rest) = split_u32(bytes)?;
    let (slot, rest) = split_u32(rest)?;
    let (value, rest) = rest.split_first_chunk()?;
    let (scope, rest) = rest.split_at_checked(scope as usize)?;
    let (slot, rest) = rest.split_at_checked(slot as usize)?;
    let counter = Counter::new(std::str::from_utf8(scope).ok()?, std::str::from_utf8(slot).ok()?);
    Some((counter, i64::from_be_bytes(*value), rest))
}
