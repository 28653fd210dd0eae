//! Typed identifiers, and the port that makes them.
//!
//! Run ids are UUIDv7 in 26 characters of base 32 (`run_…`): they sort by time, so a list by id is
//! a list by age. Nothing here reads a clock or a random source: [`IdSource`] is the port.

use std::cmp::Ordering;
use std::fmt;
use std::str::FromStr;
use std::sync::Arc;
use std::sync::atomic::AtomicU64;
use std::sync::atomic::Ordering::Relaxed;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::time::Timestamp;

/// Who owns a run, a pipeline, a balance. Everything stored is under one.
///
/// 1 to 64 characters of `a-z A-Z 0-9 _ - .`; embedders without tenants use [`Organization::local`].
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, JsonSchema)]
#[serde(transparent)]
pub struct Organization(Arc<str>);

impl Organization {
    /// Checks and wraps an organization's id.
    ///
    /// # Errors
    /// [`InvalidId`] when it is empty, too long or has another character.
    pub fn new(id: &str) -> Result<Self, InvalidId> {
        check_id(id)?;
        Ok(Self(id.into()))
    }

    /// The organization of a single-user engine: `local`.
    #[must_use]
    pub fn local() -> Self {
        Self("local".into())
    }

    /// The id's text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Organization {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl<'de> Deserialize<'de> for Organization {
    fn deserialize<D: serde::Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
        let text = String::deserialize(d)?;
        Self::new(&text).map_err(serde::de::Error::custom)
    }
}

/// Whether `id` can name a step, a pipeline, a connector, an organization.
///
/// # Errors
/// [`InvalidId`] when it is empty, over 64 bytes, or has a character outside `a-z A-Z 0-9 _ - .`.
pub fn check_id(id: &str) -> Result<(), InvalidId> {
    let good = !id.is_empty()
        && id.len() <= crate::limits::ID_BYTES_MAX
        && id.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'-' | b'.'));
    if good { Ok(()) } else { Err(InvalidId) }
}

/// The text is not an id.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("an id is 1 to 64 characters of a-z A-Z 0-9 _ - .")]
pub struct InvalidId;

/// A run's id: `run_` and 26 characters of Crockford base 32; sorts by creation time.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RunId(u128);

const ALPHABET: &[u8; 32] = b"0123456789abcdefghjkmnpqrstvwxyz";

impl RunId {
    /// The id whose 128 bits are these (a UUIDv7 when an [`IdSource`] made it).
    #[must_use]
    pub fn from_u128(bits: u128) -> Self {
        Self(bits)
    }

    /// The id's 128 bits; big-endian bytes sort as the ids do.
    #[must_use]
    pub fn as_u128(self) -> u128 {
        self.0
    }
}

impl fmt::Display for RunId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut text = [0_u8; 26];
        let mut bits = self.0;
        for slot in text.iter_mut().rev() {
            *slot = ALPHABET[(bits & 31) as usize];
            bits >>= 5;
        }
        f.write_str("run_")?;
        f.write_str(std::str::from_utf8(&text).map_err(|_| fmt::Error)?)
    }
}

impl fmt::Debug for RunId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl FromStr for RunId {
    type Err = InvalidId;
    fn from_str(text: &str) -> Result<Self, InvalidId> {
        let body = text.strip_prefix("run_").ok_or(InvalidId)?;
        if body.len() != 26 || body.as_bytes()[0] > b'7' {
            return Err(InvalidId);
        }
        let mut bits = 0_u128;
        for byte in body.bytes() {
            let digit = ALPHABET.iter().position(|a| *a == byte).ok_or(InvalidId)?;
            bits = (bits << 5) | digit as u128;
        }
        Ok(Self(bits))
    }
}

impl Serialize for RunId {
    fn serialize<S: serde::Serializer>(&self, s: S) -> Result<S::Ok, S::Error> {
        s.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for RunId {
    fn deserialize<D: serde::Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
        let text = std::borrow::Cow::<'de, str>::deserialize(d)?;
        text.parse().map_err(serde::de::Error::custom)
    }
}

/// A content hash: SHA-256, shown as 64 hexadecimal digits.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ContentHash(pub [u8; 32]);

impl ContentHash {
    /// The hash of `bytes`.
    #[must_use]
    pub fn of(bytes: &[u8]) -> Self {
        use sha2::Digest;
        Self(sha2::Sha256::digest(bytes).into())
    }
}

impl fmt::Display for ContentHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        const HEX: &[u8; 16] = b"0123456789abcdef";
        let mut text = [0_u8; 64];
        for (i, byte) in self.0.iter().enumerate() {
            text[2 * i] = HEX[usize::from(byte >> 4)];
            text[2 * i + 1] = HEX[usize::from(byte & 15)];
        }
        f.write_str(std::str::from_utf8(&text).map_err(|_| fmt::Error)?)
    }
}

impl fmt::Debug for ContentHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl FromStr for ContentHash {
    type Err = InvalidId;
    fn from_str(text: &str) -> Result<Self, InvalidId> {
        if text.len() != 64 || !text.is_ascii() {
            return Err(InvalidId);
        }
        let mut bytes = [0_u8; 32];
        for (i, byte) in bytes.iter_mut().enumerate() {
            *byte = u8::from_str_radix(&text[2 * i..2 * i + 2], 16).map_err(|_| InvalidId)?;
        }
        Ok(Self(bytes))
    }
}

impl Serialize for ContentHash {
    fn serialize<S: serde::Serializer>(&self, s: S) -> Result<S::Ok, S::Error> {
        s.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for ContentHash {
    fn deserialize<D: serde::Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
        let text = std::borrow::Cow::<'de, str>::deserialize(d)?;
        text.parse().map_err(serde::de::Error::custom)
    }
}

/// The engine's only source of randomness: ids and jitter come from here.
pub trait IdSource: fmt::Debug + Send + Sync + 'static {
    /// A new id, a UUIDv7 of `now`: its first 48 bits are `now`'s milliseconds, by which lists find
    /// runs; ids made later at a later `now` sort later.
    fn run_id(&self, now: Timestamp) -> RunId;
    /// 64 random bits, for jitter.
    fn random(&self) -> u64;
}

/// Ids from the operating system's random source. Those of one millisecond count up (RFC 9562
/// §6.2, method 1), so a list by id shows runs in the order in which they were started.
#[derive(Debug, Default)]
pub struct SystemIds {
    /// The newest millisecond seen, above [`COUNT_BITS`] of count within it.
    newest: AtomicU64,
}

/// Bits between version and variant: 4,096 ids of one millisecond are in order.
const COUNT_BITS: u32 = 12;

impl SystemIds {
    /// The number of this id within its millisecond. Random where there is none to give: the
    /// count is full, or the clock was set back. An id never borrows another millisecond.
    fn count(&self, ms: u64) -> u64 {
        let next = |newest: u64| match ms.cmp(&(newest >> COUNT_BITS)) {
            Ordering::Greater => Some(ms << COUNT_BITS),
            Ordering::Equal => Some(newest + 1).filter(|n| n >> COUNT_BITS == ms),
            Ordering::Less => None,
        };
        match self.newest.fetch_update(Relaxed, Relaxed, next) {
            Ok(newest) => next(newest).unwrap_or_default(),
            Err(_) => self.random(),
        }
    }
}

impl IdSource for SystemIds {
    fn run_id(&self, now: Timestamp) -> RunId {
        let ms = u64::try_from(now.0).unwrap_or(0);
        let low = (u128::from(self.count(ms)) << 64) | u128::from(self.random());
        RunId(v7_bits(ms, low))
    }

    fn random(&self) -> u64 {
        POOL.with_borrow_mut(|pool| pool.next())
    }
}

/// Random words of one thread: one call of the operating system yields [`POOL_WORDS`] of them.
#[derive(Debug)]
struct Pool {
    words: [u64; POOL_WORDS],
    left: usize,
}

/// A page of randomness: a system call costs as much as making a hundred ids.
const POOL_WORDS: usize = 64;

thread_local! {
    static POOL: std::cell::RefCell<Pool> =
        const { std::cell::RefCell::new(Pool { words: [0; POOL_WORDS], left: 0 }) };
}

impl Pool {
    fn next(&mut self) -> u64 {
        if self.left == 0 {
            let mut bytes = [0; POOL_WORDS * 8];
            let filled = getrandom::fill(&mut bytes).is_ok();
            for (word, chunk) in self.words.iter_mut().zip(bytes.as_chunks::<8>().0) {
                *word = if filled { u64::from_ne_bytes(*chunk) } else { unlucky() };
            }
            self.left = POOL_WORDS;
        }
        self.left -= 1;
        // A word is given out once.
        std::mem::take(&mut self.words[self.left])
    }
}

/// No entropy: a counter keeps ids unique within the process.
fn unlucky() -> u64 {
    static NEXT: AtomicU64 = AtomicU64::new(1);
    NEXT.fetch_add(1, Relaxed)
}

/// The layout of UUIDv7 (RFC 9562 §5.7): 48 bits of milliseconds, then version, variant, random.
pub(crate) fn v7_bits(ms: u64, random: u128) -> u128 {
    let time = u128::from(ms & 0xffff_ffff_ffff) << 80;
    let rand_a = ((random >> 64) & 0x0fff) << 64;
    let rand_b = random & 0x3fff_ffff_ffff_ffff;
    time | (0x7 << 76) | rand_a | (0b10 << 62) | rand_b
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn run_ids_read_back_and_sort_by_time() {
        let ids = SystemIds::default();
        let early = ids.run_id(Timestamp(1_000));
        let late = ids.run_id(Timestamp(2_000));
        assert!(early < late && early.to_string() < late.to_string());
        assert_eq!(early.to_string().parse::<RunId>(), Ok(early));
        for bad in ["", "run_", "run_zzzzzzzzzzzzzzzzzzzzzzzzzz", "run_0000000000000000000000000!"]
        {
            assert!(bad.parse::<RunId>().is_err(), "{bad}");
        }
    }

    #[test]
    fn ids_of_one_millisecond_stand_in_the_order_of_their_making() {
        let ids = SystemIds::default();
        let at = |ms: i64| ids.run_id(Timestamp(ms));
        let ms = |id: RunId| id.as_u128() >> 80;
        let made: Vec<RunId> = (0..4_096).map(|i| at(7 + i / 4_000)).collect();
        assert!(made.is_sorted_by(|a, b| a < b));
        let more: Vec<RunId> = (0..5_000).map(|_| at(9)).collect();
        assert!(more[..4_096].is_sorted_by(|a, b| a < b));
        // A full count and a clock that was set back cost the order, not the time.
        assert!(more.iter().all(|id| ms(*id) == 9));
        assert_eq!((ms(at(3)), ms(at(3)), ms(at(9)), ms(at(10))), (3, 3, 9, 10));
        assert!(at(10) < at(10));
    }
}
