//! [`Guard`]: how much of the host each address, key and organization may use.
//!
//! ```text
//!  global, address ─▶ (authentication: failures of the address) ─▶ key ─▶ body ─▶ place at work
//! ```
//! Rates are refused with 429, places with 503, both with `Retry-After`. Counted in this process: two
//! hosts on one store admit twice as much. What an organization's *plan* allows (runs a day, credits)
//! is the engine's and is durable.

mod bodies;
mod buckets;
mod gcra;
mod peer;
mod shares;

use std::fmt;
use std::net::IpAddr;
use std::time::{Duration, Instant};

use axum::http::{HeaderMap, HeaderName, HeaderValue, StatusCode};

use crate::config::LimitsConfig;
use crate::flags::{Flag, Flags};
use crate::http::Problem;
use crate::limits::{ADDRESSES_MAX, BODIES_BYTES_MAX, KEYS_MAX};
use bodies::Bodies;
pub(crate) use bodies::Room;
use buckets::{Buckets, Standing};
use gcra::Rate;
pub(crate) use peer::Peer;
pub(crate) use shares::Place;
use shares::Shares;

const POLICY: HeaderName = HeaderName::from_static("ratelimit-policy");
const STATE: HeaderName = HeaderName::from_static("ratelimit");
/// After a refused place: requests at work end within parts of a second.
const PLACE_RETRY_SECONDS: u64 = 1;

/// The limits of one host.
pub(crate) struct Guard {
    began: Instant,
    all: Option<Buckets<()>>,
    addresses: Option<Buckets<Peer>>,
    failures: Option<Buckets<Peer>>,
    keys: Option<Buckets<String>>,
    shares: Shares,
    bodies: Bodies,
    flags: Flags,
}

/// How a request stands with the limit that is about it most closely.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Told {
    policy: &'static str,
    standing: Standing,
}

impl fmt::Debug for Guard {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Guard").finish_non_exhaustive()
    }
}

impl Guard {
    pub(crate) fn new(limits: &LimitsConfig, flags: Flags) -> Self {
        let second = Duration::from_secs(1);
        let per_second = |count, burst| Rate::new(count, second, burst);
        let all = per_second(limits.global_per_second, limits.global_burst);
        let addresses = per_second(limits.address_per_second, limits.address_burst);
        let keys = per_second(limits.key_per_second, limits.key_burst);
        let minute = Duration::from_secs(60);
        let failures = Rate::new(limits.failures_per_minute, minute, limits.failures_burst);
        Self {
            began: Instant::now(),
            all: all.map(|rate| Buckets::new(rate, 1)),
            addresses: addresses.map(|rate| Buckets::new(rate, ADDRESSES_MAX)),
            failures: failures.map(|rate| Buckets::new(rate, ADDRESSES_MAX)),
            keys: keys.map(|rate| Buckets::new(rate, KEYS_MAX)),
            shares: Shares::new(limits.in_flight),
            bodies: Bodies::new(BODIES_BYTES_MAX),
            flags,
        }
    }

    /// A rate, unless rates are turned off. Places are not rates: they protect the process itself.
    fn rate<'a, K>(&self, buckets: &'a Option<Buckets<K>>) -> Option<&'a Buckets<K>> {
        buckets.as_ref().filter(|_| self.flags.is_on(Flag::RateLimits))
    }

    /// By a clock that does not go back: setting the machine's grants nothing.
    fn now_ns(&self) -> u64 {
        u64::try_from(self.began.elapsed().as_nanos()).unwrap_or(u64::MAX)
    }

    /// Before anything else of a request is looked at.
    ///
    /// # Errors
    /// `limit.address` or `limit.global`.
    pub(crate) fn arrive(&self, address: IpAddr) -> Result<Option<Told>, Problem> {
        let now_ns = self.now_ns();
        // The address first: what one has too much of is not taken from all.
        let told = self.rate(&self.addresses).map(|all| all.take(Peer::of(address), now_ns));
        let told = told.map(|standing| Told { policy: "address", standing });
        let detail = "too many requests from this address";
        told.map_or(Ok(()), |told| told.admitted("limit.address", detail))?;
        if let Some(all) = self.rate(&self.all) {
            let told = Told { policy: "global", standing: all.take((), now_ns) };
            told.admitted("limit.global", "the host has too many requests")?;
        }
        Ok(told)
    }

    /// Before a credential is looked up.
    ///
    /// # Errors
    /// `limit.failed_authentications`: this address has sent too many that were none, and now not
    /// even a good one is looked at.
    pub(crate) fn may_authenticate(&self, address: IpAddr) -> Result<(), Problem> {
        let Some(failures) = self.rate(&self.failures) else { return Ok(()) };
        let standing = failures.look(&Peer::of(address), self.now_ns());
        let detail = "too many credentials from this address that are not accepted";
        Told { policy: "failures", standing }.admitted("limit.failed_authentications", detail)
    }

    /// A credential was not accepted.
    pub(crate) fn failed(&self, address: IpAddr) {
        if let Some(failures) = self.rate(&self.failures) {
            let _ = failures.take(Peer::of(address), self.now_ns());
        }
    }

    /// After a credential was accepted.
    ///
    /// # Errors
    /// `limit.key`.
    pub(crate) fn key(&self, key: String) -> Result<Option<Told>, Problem> {
        let Some(keys) = self.rate(&self.keys) else { return Ok(None) };
        let told = Told { policy: "key", standing: keys.take(key, self.now_ns()) };
        told.admitted("limit.key", "too many requests with this credential")?;
        Ok(Some(told))
    }

    /// Room for a body that is about to arrive.
    pub(crate) fn body(&self) -> Room {
        self.bodies.body()
    }

    /// Room to work on a request that has arrived whole.
    ///
    /// # Errors
    /// `limit.in_flight`, 503.
    pub(crate) fn place(&self, organization: &str) -> Result<Place, Problem> {
        self.shares.take(organization).ok_or_else(|| {
            let detail = "the host is busy with as many requests as it takes at once";
            Problem::new(StatusCode::SERVICE_UNAVAILABLE, "limit.in_flight", detail)
                .retry_after(PLACE_RETRY_SECONDS)
        })
    }
}

impl Room {
    /// Counts more bytes of the body.
    ///
    /// # Errors
    /// `limit.bodies`, 503: all that are arriving hold too much together.
    pub(crate) fn take(&mut self, bytes: usize) -> Result<(), Problem> {
        if self.try_take(bytes) {
            return Ok(());
        }
        let detail = "the host is receiving too much at once";
        Err(Problem::new(StatusCode::SERVICE_UNAVAILABLE, "limit.bodies", detail)
            .retry_after(PLACE_RETRY_SECONDS))
    }
}

impl Told {
    fn admitted(self, code: &str, detail: &str) -> Result<(), Problem> {
        let Some(wait_ns) = self.standing.refused_ns else { return Ok(()) };
        let mut problem = Problem::new(StatusCode::TOO_MANY_REQUESTS, code, detail)
            .retry_after(seconds(wait_ns).max(1));
        for (name, value) in self.fields() {
            problem = problem.with(name, value);
        }
        Err(problem)
    }

    /// `RateLimit-Policy: "key";q=200;w=2` and `RateLimit: "key";r=37;t=1`, where the answer does
    /// not have them already.
    pub(crate) fn put(self, headers: &mut HeaderMap) {
        for (name, value) in self.fields() {
            headers.entry(name).or_insert(value);
        }
    }

    fn fields(self) -> impl Iterator<Item = (HeaderName, HeaderValue)> {
        let Self { policy, standing: Standing { rate, remaining, reset_ns, .. } } = self;
        let policy_text = format!("\"{policy}\";q={};w={}", rate.burst(), rate.window_s());
        let state_text = format!("\"{policy}\";r={remaining};t={}", seconds(reset_ns));
        let value = |text: &str| HeaderValue::from_str(text).ok();
        let policy = value(&policy_text).map(|value| (POLICY, value));
        policy.into_iter().chain(value(&state_text).map(|value| (STATE, value)))
    }
}

/// Whole seconds, rounded up: who waits so long has waited enough.
fn seconds(ns: u64) -> u64 {
    ns.div_ceil(1_000_000_000)
}

#[cfg(test)]
mod tests {
    use std::net::Ipv4Addr;

    use super::*;

    #[test]
    fn each_limit_refuses_by_its_own_name_and_says_when_to_come_again() {
        let limits = LimitsConfig {
            address_per_second: 1,
            address_burst: 2,
            failures_per_minute: 6,
            failures_burst: 1,
            key_per_second: 1,
            key_burst: 1,
            in_flight: 1,
            ..LimitsConfig::default()
        };
        let guard = Guard::new(&limits, Flags::of_file(""));
        let one = IpAddr::V4(Ipv4Addr::new(192, 0, 2, 1));
        let mut headers = HeaderMap::new();
        guard.arrive(one).unwrap().unwrap().put(&mut headers);
        assert_eq!(headers["ratelimit-policy"], "\"address\";q=2;w=2");
        assert_eq!(headers["ratelimit"], "\"address\";r=1;t=1");
        guard.arrive(one).unwrap();
        let refused = guard.arrive(one).unwrap_err();
        assert_eq!((refused.status().as_u16(), refused.code()), (429, "limit.address"));
        assert!(refused.headers().iter().any(|(n, v)| n == "retry-after" && v == "1"));
        assert!(refused.headers().iter().any(|(n, v)| n == STATE && v == "\"address\";r=0;t=2"));
        guard.arrive(IpAddr::V4(Ipv4Addr::new(192, 0, 2, 2))).unwrap();
        guard.may_authenticate(one).unwrap();
        guard.failed(one);
        let refused = guard.may_authenticate(one).unwrap_err();
        assert_eq!(refused.code(), "limit.failed_authentications");
        assert!(refused.headers().iter().any(|(n, v)| n == "retry-after" && v == "10"));
        guard.key("key:a".to_owned()).unwrap();
        assert_eq!(guard.key("key:a".to_owned()).unwrap_err().code(), "limit.key");
        guard.key("key:b".to_owned()).unwrap();
        let place = guard.place("a").unwrap();
        let refused = guard.place("b").unwrap_err();
        assert_eq!((refused.status().as_u16(), refused.code()), (503, "limit.in_flight"));
        drop(place);
        guard.place("b").unwrap();
    }

    #[test]
    fn rates_that_are_turned_off_leave_the_places() {
        let limits = LimitsConfig {
            address_per_second: 1,
            address_burst: 1,
            global_per_second: 1,
            global_burst: 1,
            key_per_second: 1,
            key_burst: 1,
            failures_per_minute: 1,
            failures_burst: 1,
            in_flight: 1,
            ..LimitsConfig::default()
        };
        let guard = Guard::new(&limits, Flags::of_file("rate_limits = false"));
        let one = IpAddr::V4(Ipv4Addr::LOCALHOST);
        for _ in 0..10 {
            assert!(guard.arrive(one).unwrap().is_none());
            guard.failed(one);
            guard.may_authenticate(one).unwrap();
            assert!(guard.key("key:a".to_owned()).unwrap().is_none());
        }
        let _place = guard.place("a").unwrap();
        assert_eq!(guard.place("b").unwrap_err().code(), "limit.in_flight");
    }

    #[test]
    fn a_rate_of_nothing_is_no_limit() {
        let guard = Guard::new(&LimitsConfig::off(), Flags::of_file(""));
        let one = IpAddr::V4(Ipv4Addr::LOCALHOST);
        let mut places = Vec::new();
        for _ in 0..5_000 {
            assert!(guard.arrive(one).unwrap().is_none());
            guard.failed(one);
            guard.may_authenticate(one).unwrap();
            assert!(guard.key("key:a".to_owned()).unwrap().is_none());
            places.push(guard.place("a").unwrap());
        }
    }
}
