//! The decision of a rate limit: the generic cell rate algorithm, as a pure function.
//!
//! A bucket is one number: the moment until which what was admitted has used the rate up (its
//! *theoretical arrival time*). It lies at most a burst ahead of now; a bucket in the past is full
//! and need not be kept. Whole nanoseconds, no floating point: what is refused now and told to come
//! back in `wait_ns` is admitted then, and refused a nanosecond before.

use std::time::Duration;

/// So many requests a second, and so many at once.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Rate {
    /// Nanoseconds that one request uses up, rounded up: never more than the rate that was set.
    interval_ns: u64,
    burst: u64,
}

/// What became of one request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// It goes on; the bucket is now this.
    Admitted { bucket_ns: u64 },
    /// It does not; the same request is admitted so much later.
    Refused { wait_ns: u64 },
}

impl Rate {
    /// `count` requests in each `per`, `burst` at once. `None` where `count` is 0: no limit.
    pub(crate) fn new(count: u64, per: Duration, burst: u64) -> Option<Self> {
        let per_ns = u64::try_from(per.as_nanos()).unwrap_or(u64::MAX);
        let interval_ns = per_ns.div_ceil(if count == 0 { return None } else { count }).max(1);
        Some(Self { interval_ns, burst: burst.max(1) })
    }

    /// How far ahead of now a bucket may lie.
    fn depth_ns(self) -> u64 {
        self.interval_ns.saturating_mul(self.burst)
    }

    /// Whether a request at `now_ns` is admitted by a bucket; an absent one is `0`.
    pub(crate) fn decide(self, bucket_ns: u64, now_ns: u64) -> Verdict {
        let bucket_ns = bucket_ns.max(now_ns).saturating_add(self.interval_ns);
        match bucket_ns.saturating_sub(now_ns).checked_sub(self.depth_ns()) {
            None | Some(0) => Verdict::Admitted { bucket_ns },
            Some(wait_ns) => Verdict::Refused { wait_ns },
        }
    }

    /// How many more requests a bucket admits at once.
    pub(crate) fn remaining(self, bucket_ns: u64, now_ns: u64) -> u64 {
        self.depth_ns().saturating_sub(bucket_ns.saturating_sub(now_ns)) / self.interval_ns
    }

    /// Requests at once.
    pub(crate) fn burst(self) -> u64 {
        self.burst
    }

    /// Whole seconds in which an empty bucket is full again.
    pub(crate) fn window_s(self) -> u64 {
        self.depth_ns().div_ceil(1_000_000_000)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// The same limit said differently: a pot of `burst` tokens, each worth `interval` parts, one
    /// part back each nanosecond.
    struct Pot {
        parts: u128,
        at_ns: u64,
    }

    impl Pot {
        fn take(&mut self, rate: Rate, now_ns: u64) -> bool {
            let whole = u128::from(rate.burst) * u128::from(rate.interval_ns);
            self.parts = (self.parts + u128::from(now_ns - self.at_ns)).min(whole);
            self.at_ns = now_ns;
            let is_enough = self.parts >= u128::from(rate.interval_ns);
            if is_enough {
                self.parts -= u128::from(rate.interval_ns);
            }
            is_enough
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(512))]

        /// 512 × up to 300 arrivals: as the pot decides, within `burst + W × rate` in every window,
        /// admitted at the advertised moment and refused before it.
        #[test]
        fn it_admits_what_the_exact_model_admits(
            count in 1_u64..2_000,
            per_s in 1_u64..120,
            burst in 1_u64..50,
            gaps in proptest::collection::vec(0_u64..3_000_000_000, 1..300),
        ) {
            let rate = Rate::new(count, Duration::from_secs(per_s), burst).unwrap();
            let mut pot = Pot { parts: u128::MAX / 4, at_ns: 1 };
            let (mut bucket, mut now, mut admitted) = (0, 1, Vec::new());
            for gap in gaps {
                // Gaps near the interval are the interesting ones.
                now += gap % (rate.interval_ns * 3).max(2);
                let verdict = rate.decide(bucket, now);
                let expected = pot.take(rate, now);
                prop_assert_eq!(matches!(verdict, Verdict::Admitted { .. }), expected);
                match verdict {
                    Verdict::Admitted { bucket_ns } => {
                        bucket = bucket_ns;
                        admitted.push(now);
                    }
                    Verdict::Refused { wait_ns } => {
                        let then = rate.decide(bucket, now + wait_ns);
                        let is_admitted = matches!(then, Verdict::Admitted { .. });
                        prop_assert!(is_admitted);
                        let before = rate.decide(bucket, now + wait_ns - 1);
                        prop_assert_eq!(before, Verdict::Refused { wait_ns: 1 });
                    }
                }
            }
            for (first, from) in admitted.iter().enumerate() {
                for (last, until) in admitted.iter().enumerate().skip(first) {
                    // n ≤ burst + W × count / per, without division.
                    let n = (last - first + 1) as u128;
                    let per_ns = u128::from(per_s) * 1_000_000_000;
                    let window = u128::from(until - from) * u128::from(count);
                    prop_assert!(n * per_ns <= u128::from(burst) * per_ns + window);
                }
            }
        }
    }

    #[test]
    fn a_clock_that_goes_back_grants_nothing() {
        let rate = Rate::new(10, Duration::from_secs(1), 1).unwrap();
        let Verdict::Admitted { bucket_ns } = rate.decide(0, 5_000_000_000) else { panic!() };
        for back in [4_999_999_999, 1_000_000_000, 0] {
            assert!(matches!(rate.decide(bucket_ns, back), Verdict::Refused { .. }), "{back}");
        }
    }

    #[test]
    fn what_is_told_fits_what_is_done() {
        let rate = Rate::new(100, Duration::from_secs(1), 200).unwrap();
        assert_eq!((rate.burst(), rate.window_s()), (200, 2));
        let (mut bucket, now) = (0, 7);
        for left in (0..200).rev() {
            let Verdict::Admitted { bucket_ns } = rate.decide(bucket, now) else { panic!() };
            bucket = bucket_ns;
            assert_eq!(rate.remaining(bucket, now), left);
        }
        assert_eq!(rate.decide(bucket, now), Verdict::Refused { wait_ns: 10_000_000 });
        assert_eq!(Rate::new(0, Duration::from_secs(1), 9), None);
    }
}
