//! [`Pace`]: how often something may be asked for, by who asks: so many within an hour.
//!
//! Kept in memory and bounded. What it is not: the limits of every request, which are at the edge.

use std::collections::HashMap;
use std::net::IpAddr;

use levqor_core::time::Timestamp;
use parking_lot::Mutex;

/// The window.
const HOUR_MS: u64 = 60 * 60 * 1_000;
/// Askers that are known at a time. When there are more, new ones wait: forgetting one to make room
/// would set an offender free.
const ASKERS_MAX: usize = 50_000;

/// Counts by asker.
#[derive(Debug)]
pub(crate) struct Pace {
    per_hour: u32,
    askers: Mutex<HashMap<String, (Timestamp, u32)>>,
}

impl Pace {
    pub(crate) fn new(per_hour: u32) -> Self {
        Self { per_hour, askers: Mutex::default() }
    }

    /// Counts one for the asker; how long to wait, in seconds, where it is one too many.
    pub(crate) fn take(&self, asker: &str, now: Timestamp) -> Result<(), u64> {
        let mut askers = self.askers.lock();
        let is_over = |begun: Timestamp| now.since_ms(begun) >= HOUR_MS;
        if !askers.contains_key(asker) && askers.len() >= ASKERS_MAX {
            askers.retain(|_, (begun, _)| !is_over(*begun));
            if askers.len() >= ASKERS_MAX {
                return Err(HOUR_MS / 1_000);
            }
        }
        let (begun, count) = askers.entry(asker.to_owned()).or_insert((now, 0));
        if is_over(*begun) {
            (*begun, *count) = (now, 0);
        }
        if *count >= self.per_hour {
            return Err(begun.plus_ms(HOUR_MS).since_ms(now).div_ceil(1_000).max(1));
        }
        *count += 1;
        Ok(())
    }
}

/// An address as an asker: IPv6 by the /64 that one customer has.
pub(crate) fn network(address: IpAddr) -> String {
    match address.to_canonical() {
        IpAddr::V4(v4) => v4.to_string(),
        IpAddr::V6(v6) => {
            let [a, b, c, d, ..] = v6.segments();
            format!("{a:x}:{b:x}:{c:x}:{d:x}::/64")
        }
    }
}

/// How often sign-in links may be asked for.
#[derive(Debug)]
pub(crate) struct Links {
    pub(crate) by_address: Pace,
    pub(crate) by_email: Pace,
}

impl Links {
    /// Links from one network within an hour: an office signs in behind one address.
    const BY_ADDRESS: u32 = 30;
    /// Links to one mailbox within an hour: one, and some that were lost.
    const BY_EMAIL: u32 = 5;

    pub(crate) fn new() -> Self {
        Self { by_address: Pace::new(Self::BY_ADDRESS), by_email: Pace::new(Self::BY_EMAIL) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn so_many_within_an_hour_and_each_asker_alone() {
        let pace = Pace::new(2);
        let at = |ms: i64| Timestamp(ms);
        assert_eq!(pace.take("a", at(0)), Ok(()));
        assert_eq!(pace.take("a", at(1_000)), Ok(()));
        assert_eq!(pace.take("a", at(2_000)), Err(3_598));
        assert_eq!(pace.take("b", at(2_000)), Ok(()));
        assert_eq!(pace.take("a", at(3_599_999)), Err(1));
        assert_eq!(pace.take("a", at(3_600_000)), Ok(()));
        // A clock that goes back gives nothing.
        assert_eq!(pace.take("a", at(3_600_000)), Ok(()));
        assert!(pace.take("a", at(0)).is_err());
    }
}
