//! Settings of the edge: rates, caps, TLS.

use std::path::PathBuf;

use ipnet::IpNet;
use serde::Deserialize;

use super::ConfigError;

/// How much one address, one key and all together may use. A rate or a cap of 0 is none.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
#[non_exhaustive]
pub struct LimitsConfig {
    /// Requests a second from one address (one /64 of IPv6), before its credential is looked at.
    pub address_per_second: u64,
    /// As many at once.
    pub address_burst: u64,
    /// Requests a second with one key or session.
    pub key_per_second: u64,
    /// As many at once.
    pub key_burst: u64,
    /// Requests a second in all.
    pub global_per_second: u64,
    /// As many at once.
    pub global_burst: u64,
    /// Credentials a minute from one address that are not accepted.
    pub failures_per_minute: u64,
    /// As many at once.
    pub failures_burst: u64,
    /// Requests that are worked on at the same time.
    pub in_flight: usize,
    /// Connections in all.
    pub connections: usize,
    /// Connections of one address.
    pub connections_per_address: usize,
}

impl Default for LimitsConfig {
    /// What an honest busy client does not meet: one that sends as fast as 64 connections allow is
    /// a load test, and turns them off.
    fn default() -> Self {
        Self {
            // Several keys behind one address: twice a key's.
            address_per_second: 200,
            address_burst: 400,
            // A poller of 100 runs, a console that loads a page of 30 parts, an import.
            key_per_second: 100,
            key_burst: 200,
            // About what a machine of two cores answers.
            global_per_second: 2_000,
            global_burst: 4_000,
            // A client with an old key tries some times; a guesser gets 86,400 tries a day at
            // 256 random bits.
            failures_per_minute: 60,
            failures_burst: 100,
            // With 25 s for a caller who waits for a run: 20 such a second.
            in_flight: 512,
            // Each costs up to a head and a body's share of memory.
            connections: 1_024,
            // A browser opens six, a busy client some dozens.
            connections_per_address: 256,
        }
    }
}

impl LimitsConfig {
    /// None at all: for measuring, and behind a proxy that limits.
    #[must_use]
    pub fn off() -> Self {
        Self {
            address_per_second: 0,
            key_per_second: 0,
            global_per_second: 0,
            failures_per_minute: 0,
            in_flight: 0,
            connections: 0,
            connections_per_address: 0,
            ..Self::default()
        }
    }
}

/// A certificate and its key; plain HTTP where both are empty.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
#[non_exhaustive]
pub struct TlsConfig {
    /// PEM file of the certificate and those it is signed by.
    pub cert: PathBuf,
    /// PEM file of its private key.
    pub key: PathBuf,
}

impl TlsConfig {
    /// From these files.
    #[must_use]
    pub fn files(cert: impl Into<PathBuf>, key: impl Into<PathBuf>) -> Self {
        Self { cert: cert.into(), key: key.into() }
    }

    /// Whether neither is named.
    #[must_use]
    pub fn is_none(&self) -> bool {
        self.cert.as_os_str().is_empty() && self.key.as_os_str().is_empty()
    }
}

/// The networks of a list: `10.0.0.0/8`, or one address.
pub(crate) fn networks(texts: &[String]) -> Result<Vec<IpNet>, ConfigError> {
    let network = |text: &String| {
        let address = || text.parse().map(|address: std::net::IpAddr| IpNet::from(address));
        text.parse().or_else(|_| address()).map_err(|_| {
            ConfigError::Value(format!("trusted_proxies: `{text}` is not a network or an address"))
        })
    };
    texts.iter().map(network).collect()
}
