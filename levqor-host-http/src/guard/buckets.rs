//! Many buckets of one rate, in bounded memory.
//!
//! A bucket in the past is worth nothing and is dropped first. Where all are in use and another is
//! needed, those that are nearest to full go, and the highest of them becomes the *floor*: what a
//! key without a bucket starts from. So whoever lost a bucket finds no better one, and the busiest
//! are the last to lose theirs. The price is that under such a flood a newcomer starts with less
//! than a whole burst; it is back to a whole one as soon as the floor is in the past.

use std::collections::HashMap;
use std::collections::hash_map::RandomState;
use std::hash::{BuildHasher, Hash};

use parking_lot::Mutex;

use super::gcra::{Rate, Verdict};

/// Locks: many more than cores, so that two requests seldom meet.
const SHARDS: usize = 64;

/// The buckets.
#[derive(Debug)]
pub(crate) struct Buckets<K> {
    rate: Rate,
    hasher: RandomState,
    shards: Vec<Mutex<Shard<K>>>,
    shard_len_max: usize,
}

#[derive(Debug)]
struct Shard<K> {
    buckets: HashMap<K, u64>,
    floor_ns: u64,
}

/// How a key stands after a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Standing {
    pub(crate) rate: Rate,
    pub(crate) remaining: u64,
    /// Nanoseconds until the bucket is full again.
    pub(crate) reset_ns: u64,
    /// Nanoseconds until a refused request is admitted.
    pub(crate) refused_ns: Option<u64>,
}

impl<K: Hash + Eq> Buckets<K> {
    /// At most about `len_max` buckets.
    pub(crate) fn new(rate: Rate, len_max: usize) -> Self {
        let shard = || Mutex::new(Shard { buckets: HashMap::new(), floor_ns: 0 });
        let shards = (0..SHARDS).map(|_| shard()).collect();
        let shard_len_max = (len_max / SHARDS).max(8);
        Self { rate, hasher: RandomState::new(), shards, shard_len_max }
    }

    /// Takes one request's worth from the key's bucket, if it is there.
    pub(crate) fn take(&self, key: K, now_ns: u64) -> Standing {
        let mut shard = self.shard(&key).lock();
        let bucket_ns = shard.bucket(&key);
        match self.rate.decide(bucket_ns, now_ns) {
            Verdict::Admitted { bucket_ns } => {
                shard.put(key, bucket_ns, now_ns, self.shard_len_max);
                self.standing(bucket_ns, now_ns, None)
            }
            Verdict::Refused { wait_ns } => self.standing(bucket_ns, now_ns, Some(wait_ns)),
        }
    }

    /// Whether a request would be admitted; takes nothing.
    pub(crate) fn look(&self, key: &K, now_ns: u64) -> Standing {
        let bucket_ns = self.shard(key).lock().bucket(key);
        match self.rate.decide(bucket_ns, now_ns) {
            Verdict::Admitted { .. } => self.standing(bucket_ns, now_ns, None),
            Verdict::Refused { wait_ns } => self.standing(bucket_ns, now_ns, Some(wait_ns)),
        }
    }

    fn standing(&self, bucket_ns: u64, now_ns: u64, refused_ns: Option<u64>) -> Standing {
        let remaining = self.rate.remaining(bucket_ns, now_ns);
        let reset_ns = bucket_ns.saturating_sub(now_ns);
        Standing { rate: self.rate, remaining, reset_ns, refused_ns }
    }

    fn shard(&self, key: &K) -> &Mutex<Shard<K>> {
        let at = self.hasher.hash_one(key) as usize % self.shards.len();
        &self.shards[at]
    }

    #[cfg(test)]
    fn len(&self) -> usize {
        self.shards.iter().map(|shard| shard.lock().buckets.len()).sum()
    }
}

impl<K: Hash + Eq> Shard<K> {
    fn bucket(&self, key: &K) -> u64 {
        self.buckets.get(key).copied().unwrap_or(self.floor_ns)
    }

    fn put(&mut self, key: K, bucket_ns: u64, now_ns: u64, len_max: usize) {
        if self.buckets.len() >= len_max && !self.buckets.contains_key(&key) {
            self.buckets.retain(|_, bucket| *bucket > now_ns);
            if self.buckets.len() >= len_max {
                self.lower(len_max);
            }
        }
        self.buckets.insert(key, bucket_ns);
    }

    /// Drops the eighth that is nearest to full; so many at once that the scan is seldom.
    fn lower(&mut self, len_max: usize) {
        let mut all: Vec<u64> = self.buckets.values().copied().collect();
        let (_, cut, _) = all.select_nth_unstable(len_max / 8);
        self.floor_ns = self.floor_ns.max(*cut);
        let floor_ns = self.floor_ns;
        self.buckets.retain(|_, bucket| *bucket > floor_ns);
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use proptest::prelude::*;

    use super::*;

    fn buckets(count: u64, burst: u64, len_max: usize) -> Buckets<u64> {
        Buckets::new(Rate::new(count, Duration::from_secs(1), burst).unwrap(), len_max)
    }

    fn is_admitted(buckets: &Buckets<u64>, key: u64, now_ns: u64) -> bool {
        buckets.take(key, now_ns).refused_ns.is_none()
    }

    #[test]
    fn a_million_addresses_take_bounded_memory_and_free_no_offender() {
        let all = buckets(1, 3, 8_192);
        let offender = 7;
        for _ in 0..3 {
            assert!(is_admitted(&all, offender, 1));
        }
        for other in 0..1_000_000 {
            // A microsecond apart: within the second in which the offender must wait.
            let now_ns = 1 + other / 2;
            let _ = all.take(1_000 + other, now_ns);
            if other % 1_000 == 0 {
                assert!(!is_admitted(&all, offender, now_ns), "freed after {other}");
            }
        }
        assert!(all.len() <= 8_192, "{}", all.len());
        assert!(is_admitted(&all, offender, 4_000_000_000), "for good");
        assert!(is_admitted(&all, 5, 9_000_000_000), "a newcomer, when the flood is over");
    }

    #[test]
    fn keys_do_not_share_their_fate() {
        let all = buckets(1, 1, 100_000);
        for key in 0..500 {
            assert!(is_admitted(&all, key, 10), "{key}");
            assert!(!is_admitted(&all, key, 10), "{key}");
        }
    }

    #[test]
    fn looking_takes_nothing() {
        let all = buckets(1, 1, 1_000);
        for _ in 0..3 {
            assert_eq!(all.look(&1, 10).refused_ns, None);
        }
        assert!(is_admitted(&all, 1, 10));
        assert_eq!(all.look(&1, 10).refused_ns, Some(1_000_000_000));
    }

    #[test]
    fn threads_at_once_are_admitted_no_more_than_the_burst() {
        let all = buckets(1, 1_000, 1_000);
        let admitted: usize = std::thread::scope(|scope| {
            let threads: Vec<_> = (0..16)
                .map(|_| scope.spawn(|| (0..500).filter(|_| is_admitted(&all, 1, 5)).count()))
                .collect();
            threads.into_iter().map(|t| t.join().unwrap()).sum()
        });
        assert_eq!(admitted, 1_000);
    }

    proptest! {
        /// With room for few, no key is ever admitted where it would not be with room for all.
        #[test]
        fn a_bounded_map_admits_no_more_than_an_unbounded_one(
            arrivals in proptest::collection::vec((0_u64..600, 0_u64..40_000_000), 1..3_000),
        ) {
            let (few, many) = (buckets(10, 2, 64), buckets(10, 2, 1_000_000));
            let mut now_ns = 1;
            for (key, gap) in arrivals {
                now_ns += gap % 2_000_000;
                // Only what the bounded one admits is taken from the other, as requests that went on.
                if is_admitted(&few, key, now_ns) {
                    prop_assert!(is_admitted(&many, key, now_ns));
                }
            }
        }
    }
}
