//! How records look on the device: a header that makes any damage visible, then the payload.
//!
//! ```text
//!  revision u64 | crc32 u32 | kind u8 | payload        crc over key, revision, kind, payload
//! ```
//!
//! Keys that begin with 0 are the backend's own (no table has number 0): the head record, one
//! record per organization with all its counters, and the pieces of long values.

use std::collections::BTreeMap;
use std::sync::Arc;

use bytes::Bytes;

use crate::store::{Scope, StoreError};

/// Key of the head record.
pub(in crate::store) const HEAD_KEY: &[u8] = &[0, 0];
/// Prefix of the counters' records; the organization follows.
pub(super) const COUNTERS_PREFIX: &[u8] = &[0, 1];
/// Prefix of pieces; revision, record and piece number follow.
pub(super) const PIECES_PREFIX: &[u8] = &[0, 2];
/// First byte of keys that belong to tables.
pub(super) const TABLES_START: u8 = 1;

const HEADER_BYTES: usize = 13;
const KIND_WHOLE: u8 = 0;
const KIND_PIECES: u8 = 1;

/// A record's payload: the value itself, or where its pieces are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Payload<'a> {
    Whole(&'a [u8]),
    Pieces(Pieces),
}

/// Where the pieces of a long value are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Pieces {
    revision: u64,
    record: u32,
    count: u32,
}

impl Pieces {
    pub(super) fn new(revision: u64, record: u32, count: u32) -> Self {
        Self { revision, record, count }
    }

    /// The keys of the pieces, in order.
    pub(super) fn keys(self) -> impl Iterator<Item = Vec<u8>> {
        (0..self.count).map(move |piece| {
            let mut key = PIECES_PREFIX.to_vec();
            key.extend_from_slice(&self.revision.to_be_bytes());
            key.extend_from_slice(&self.record.to_be_bytes());
            key.extend_from_slice(&piece.to_be_bytes());
            key
        })
    }
}

/// Writes a record.
pub(super) fn encode(key: &[u8], revision: u64, payload: Payload<'_>) -> Vec<u8> {
    let pieces;
    let (kind, body) = match payload {
        Payload::Whole(body) => (KIND_WHOLE, body),
        Payload::Pieces(p) => {
            pieces = [
                p.revision.to_be_bytes(),
                (u64::from(p.record) << 32 | u64::from(p.count)).to_be_bytes(),
            ];
            (KIND_PIECES, pieces.as_flattened())
        }
    };
    let mut raw = Vec::with_capacity(HEADER_BYTES + body.len());
    raw.extend_from_slice(&revision.to_be_bytes());
    raw.extend_from_slice(&[0; 4]);
    raw.push(kind);
    raw.extend_from_slice(body);
    let crc = checksum(key, &raw);
    raw[8..12].copy_from_slice(&crc.to_be_bytes());
    raw
}

fn checksum(key: &[u8], raw: &[u8]) -> u32 {
    let mut crc = crc32fast::Hasher::new();
    crc.update(key);
    crc.update(&raw[..8]);
    crc.update(&raw[12..]);
    crc.finalize()
}

/// Reads a record back.
///
/// # Errors
/// `Corrupt` when a byte of key, header or payload is not what was written.
pub(super) fn decode<'a>(key: &[u8], raw: &'a [u8]) -> Result<(u64, Payload<'a>), StoreError> {
    if raw.len() < HEADER_BYTES || checksum(key, raw).to_be_bytes() != raw[8..12] {
        return Err(damaged(key));
    }
    let body = &raw[HEADER_BYTES..];
    let payload = match (raw[12], body.len()) {
        (KIND_WHOLE, _) => Payload::Whole(body),
        (KIND_PIECES, 16) => {
            let place = number(&body[8..]);
            Payload::Pieces(Pieces {
                revision: number(body),
                record: (place >> 32) as u32,
                count: (place & u64::from(u32::MAX)) as u32,
            })
        }
        _ => return Err(damaged(key)),
    };
    Ok((revision_of(raw), payload))
}

/// The error for a record that is not what was written.
pub(super) fn damaged(key: &[u8]) -> StoreError {
    let shown = &key[..key.len().min(48)];
    StoreError::Corrupt(format!("the record at {} fails its checksum", shown.escape_ascii()))
}

/// The revision in a record's header; 0 when there is none.
pub(super) fn revision_of(raw: &[u8]) -> u64 {
    number(raw)
}

fn number(bytes: &[u8]) -> u64 {
    bytes.first_chunk().map_or(0, |chunk| u64::from_be_bytes(*chunk))
}

/// One record's share of the digest over all records, from its header alone. Shares are summed, so
/// that the digest can be kept up to date without reading anything else.
pub(super) fn share(raw: &[u8]) -> u64 {
    let crc = raw.get(8..).map_or(0, |rest| {
        rest.first_chunk().map_or(0, |chunk| u64::from(u32::from_be_bytes(*chunk)))
    });
    // splitmix64's finalizer: neighbouring revisions must not cancel each other out.
    let mut x = revision_of(raw).rotate_left(32) ^ crc;
    x = x.wrapping_add(0x9e37_79b9_7f4a_7c15);
    x = (x ^ (x >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    x = (x ^ (x >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    x ^ (x >> 31)
}

/// What must stand in the store after a group: written with each, checked at open.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(in crate::store) struct Head {
    /// Number of the group, from 1.
    pub(in crate::store) sequence: u64,
    /// Revision of the group's last batch.
    pub(super) revision: u64,
    /// Records that stand, this one excluded.
    pub(super) records: u64,
    /// Sum of their shares.
    pub(super) digest: u64,
    /// crc32 over the last head's chain and the digest: two histories differ from where they part.
    pub(super) chain: u32,
}

impl Head {
    pub(in crate::store) fn encode(&self) -> Vec<u8> {
        let mut body = Vec::with_capacity(36);
        for number in [self.sequence, self.records, self.digest] {
            body.extend_from_slice(&number.to_be_bytes());
        }
        body.extend_from_slice(&self.chain.to_be_bytes());
        encode(HEAD_KEY, self.revision, Payload::Whole(&body))
    }

    pub(in crate::store) fn decode(raw: &[u8]) -> Result<Self, StoreError> {
        match decode(HEAD_KEY, raw)? {
            (revision, Payload::Whole(body)) if body.len() == 28 => Ok(Self {
                sequence: number(body),
                revision,
                records: number(&body[8..]),
                digest: number(&body[16..]),
                chain: (number(&body[20..]) & u64::from(u32::MAX)) as u32,
            }),
            _ => Err(damaged(HEAD_KEY)),
        }
    }

    /// The chain's next link.
    pub(super) fn link(&self, digest: u64) -> u32 {
        let mut crc = crc32fast::Hasher::new_with_initial(self.chain);
        crc.update(&digest.to_be_bytes());
        crc.finalize()
    }
}

/// All counters of one organization that are not 0.
pub(super) type Pack = BTreeMap<Arc<str>, i64>;

/// Where an organization's counters are.
pub(super) fn pack_key(scope: &str) -> Vec<u8> {
    let mut key = COUNTERS_PREFIX.to_vec();
    key.extend_from_slice(scope.as_bytes());
    key
}

/// The organization whose counters are at `key`.
pub(super) fn pack_scope(key: &[u8]) -> Result<Scope, StoreError> {
    let text = key.get(COUNTERS_PREFIX.len()..).and_then(|name| std::str::from_utf8(name).ok());
    text.map(Scope::from).ok_or_else(|| damaged(key))
}

/// Writes counters: slot length, slot, value, for each.
pub(super) fn encode_pack(pack: &Pack) -> Vec<u8> {
    let mut body = Vec::with_capacity(pack.len() * 32);
    for (slot, value) in pack {
        // A slot's length is bounded by the key limit long before it is by u32.
        body.extend_from_slice(&(slot.len() as u32).to_be_bytes());
        body.extend_from_slice(slot.as_bytes());
        body.extend_from_slice(&value.to_be_bytes());
    }
    body
}

/// Reads counters back.
pub(super) fn decode_pack(key: &[u8], body: &Bytes) -> Result<Pack, StoreError> {
    let mut pack = Pack::new();
    let mut rest: &[u8] = body;
    while !rest.is_empty() {
        let (slot, value, left) = decode_slot(rest).ok_or_else(|| damaged(key))?;
        pack.insert(slot.into(), value);
        rest = left;
    }
    Ok(pack)
}

fn decode_slot(bytes: &[u8]) -> Option<(&str, i64, &[u8])> {
    let (length, rest) = bytes.split_first_chunk()?;
    let (slot, rest) = rest.split_at_checked(u32::from_be_bytes(*length) as usize)?;
    let (value, rest) = rest.split_first_chunk()?;
    Some((std::str::from_utf8(slot).ok()?, i64::from_be_bytes(*value), rest))
}
