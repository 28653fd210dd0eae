//! [`Rng`] and [`SeededIds`]: the same seed yields the same sequence, on every machine.

use std::sync::Arc;

use parking_lot::Mutex;

use crate::ids::{IdSource, RunId, v7_bits};
use crate::time::Timestamp;

/// A small, fast generator (SplitMix64). Not for secrets.
#[derive(Clone, Debug)]
pub struct Rng(u64);

impl Rng {
    /// A generator whose sequence is that of `seed`.
    #[must_use]
    pub fn new(seed: u64) -> Self {
        Self(seed)
    }

    /// 64 random bits.
    #[expect(clippy::should_implement_trait, reason = "it never ends, and is no iterator")]
    pub fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// A number below `bound`; 0 for a bound of 0.
    pub fn below(&mut self, bound: u64) -> u64 {
        if bound == 0 { 0 } else { self.next() % bound }
    }

    /// True in `percent` of 100 cases.
    pub fn chance(&mut self, percent: u64) -> bool {
        self.below(100) < percent
    }

    /// One of `items`; `None` where there is none.
    pub fn pick<'a, T>(&mut self, items: &'a [T]) -> Option<&'a T> {
        let index = usize::try_from(self.below(items.len() as u64)).ok()?;
        items.get(index)
    }
}

/// Ids and jitter from a seed.
#[derive(Clone, Debug)]
pub struct SeededIds {
    rng: Arc<Mutex<Rng>>,
}

impl SeededIds {
    /// The sequence of `seed`.
    #[must_use]
    pub fn new(seed: u64) -> Self {
        Self { rng: Arc::new(Mutex::new(Rng::new(seed))) }
    }
}

impl IdSource for SeededIds {
    fn run_id(&self, now: Timestamp) -> RunId {
        let mut rng = self.rng.lock();
        let random = (u128::from(rng.next()) << 64) | u128::from(rng.next());
        RunId::from_u128(v7_bits(u64::try_from(now.0).unwrap_or(0), random))
    }

    fn random(&self) -> u64 {
        self.rng.lock().next()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_seed_is_a_sequence() {
        let (a, b) = (SeededIds::new(7), SeededIds::new(7));
        for ms in 0..100 {
            assert_eq!(a.run_id(Timestamp(ms)), b.run_id(Timestamp(ms)));
            assert_eq!(a.random(), b.random());
        }
        assert_ne!(SeededIds::new(8).random(), SeededIds::new(7).random());
    }
}
