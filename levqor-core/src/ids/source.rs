//! [`IdSource`]: the port, and the operating system behind it.

use std::cmp::Ordering;
use std::fmt;
use std::sync::atomic::AtomicU64;
use std::sync::atomic::Ordering::Relaxed;

use super::RunId;
use crate::time::Timestamp;

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
        RunId::from_u128(v7_bits(ms, low))
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
