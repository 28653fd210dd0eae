//! What a proxy in front of the host is believed about where a request came from.
//!
//! `X-Forwarded-For` grows to the right: each proxy adds whom it spoke to. What is left of the first
//! address that is not a trusted proxy was written by somebody unknown, so the right-most untrusted
//! one is the client. From anybody else the headers mean nothing.

use std::net::{IpAddr, SocketAddr};

use axum::http::HeaderMap;
use ipnet::IpNet;

use crate::config::{Config, ConfigError, networks};

const FOR: &str = "x-forwarded-for";
const PROTO: &str = "x-forwarded-proto";

/// The networks of the trusted.
#[derive(Debug)]
pub(super) struct Proxies(Vec<IpNet>);

impl Proxies {
    pub(super) fn new(config: &Config) -> Result<Self, ConfigError> {
        networks(&config.trusted_proxies).map(Self)
    }

    /// Whether this address is a proxy of ours.
    pub(super) fn has(&self, address: IpAddr) -> bool {
        let address = address.to_canonical();
        self.0.iter().any(|network| network.contains(&address))
    }

    /// Who sent the request.
    pub(super) fn client(&self, headers: &HeaderMap, peer: IpAddr) -> IpAddr {
        let mut client = peer.to_canonical();
        for hop in words(headers, FOR).into_iter().rev() {
            if !self.has(client) {
                break;
            }
            match address(hop) {
                Some(address) => client = address.to_canonical(),
                None => break,
            }
        }
        client
    }

    /// Whether the client spoke TLS, to us or to a proxy.
    pub(super) fn is_secure(&self, headers: &HeaderMap, peer: IpAddr, is_tls: bool) -> bool {
        is_tls
            || (self.has(peer)
                && words(headers, PROTO).last().is_some_and(|p| p.eq_ignore_ascii_case("https")))
    }
}

/// The words of a list that may stand in several fields.
fn words<'a>(headers: &'a HeaderMap, name: &str) -> Vec<&'a str> {
    let texts = headers.get_all(name).into_iter().map(|v| v.to_str().unwrap_or_default());
    texts.flat_map(|text| text.split(',')).map(str::trim).collect()
}

/// `192.0.2.1`, `192.0.2.1:99`, `2001:db8::1` or `[2001:db8::1]:99`.
fn address(text: &str) -> Option<IpAddr> {
    let bare = || text.strip_prefix('[')?.strip_suffix(']')?.parse().ok();
    let with_port = || text.parse().ok().map(|a: SocketAddr| a.ip());
    text.parse().ok().or_else(with_port).or_else(bare)
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;

    fn proxies(texts: &[&str]) -> Proxies {
        let mut config = Config::in_folder(Path::new("x"));
        config.trusted_proxies = texts.iter().map(|text| (*text).to_owned()).collect();
        Proxies::new(&config).unwrap()
    }

    #[test]
    fn the_client_is_the_rightmost_hop_that_is_no_proxy_of_ours() {
        let proxies = proxies(&["10.0.0.0/8", "192.0.2.9", "2001:db8::/32"]);
        for (peer, sent, expected) in [
            ("10.0.0.1", &["198.51.100.7"][..], "198.51.100.7"),
            ("10.0.0.1", &["1.1.1.1, 198.51.100.7"], "198.51.100.7"),
            ("10.0.0.1", &["1.1.1.1, 198.51.100.7, 10.0.0.2", "192.0.2.9"], "198.51.100.7"),
            ("10.0.0.1", &["198.51.100.7:4711"], "198.51.100.7"),
            ("10.0.0.1", &["[2001:db9::1]:4711"], "2001:db9::1"),
            ("::ffff:10.0.0.1", &["198.51.100.7"], "198.51.100.7"),
            ("10.0.0.1", &["10.0.0.3, 10.0.0.2"], "10.0.0.3"),
            ("10.0.0.1", &["1.1.1.1, nonsense"], "10.0.0.1"),
            ("10.0.0.1", &["1.1.1.1, nonsense, 10.0.0.2"], "10.0.0.2"),
            ("10.0.0.1", &[], "10.0.0.1"),
            ("203.0.113.5", &["198.51.100.7"], "203.0.113.5"),
        ] {
            let mut all = HeaderMap::new();
            for value in sent {
                all.append(FOR, value.parse().unwrap());
            }
            let client = proxies.client(&all, peer.parse().unwrap());
            assert_eq!(client.to_string(), expected, "{peer} {sent:?}");
        }
    }

    #[test]
    fn https_is_believed_of_a_proxy_only() {
        let proxies = proxies(&["10.0.0.0/8"]);
        for (peer, sent, is_tls, expected) in [
            ("10.0.0.1", "https", false, true),
            ("10.0.0.1", "https, http", false, false),
            ("10.0.0.1", "http", false, false),
            ("203.0.113.5", "https", false, false),
            ("203.0.113.5", "http", true, true),
        ] {
            let headers = HeaderMap::from_iter([(PROTO.parse().unwrap(), sent.parse().unwrap())]);
            assert_eq!(proxies.is_secure(&headers, peer.parse().unwrap(), is_tls), expected);
        }
    }

    #[test]
    fn what_is_no_network_is_refused() {
        let mut config = Config::in_folder(Path::new("x"));
        config.trusted_proxies = vec!["10.0.0.0/40".to_owned()];
        assert!(Proxies::new(&config).unwrap_err().to_string().contains("10.0.0.0/40"));
    }
}
