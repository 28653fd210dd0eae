//! Where deliveries may go: public HTTPS, and what the operator lists besides. Pure.

use std::net::IpAddr;

use ipnet::IpNet;
use levqor_connectors::egress::{HostPattern, HttpError, Policy};
use url::{Host, Url};

/// Longest address of a receiver.
pub(crate) const URL_LEN_MAX: usize = 2_048;
/// Ports under this belong to other services; HTTPS has its own.
const PORT_MIN: u16 = 1_024;
const HTTPS: u16 = 443;

/// The policy under which this address may be sent to.
///
/// Plain HTTP is for addresses in the operator's `private` networks alone, written as numbers: a
/// name could mean another machine by the time it is sent to.
///
/// # Errors
/// Why it may not.
pub(crate) fn policy(private: &[IpNet], text: &str) -> Result<Policy, HttpError> {
    let denied = |why: &str| Err(HttpError::Denied(why.to_owned()));
    let invalid = |why: &str| HttpError::InvalidRequest(why.to_owned());
    if text.len() > URL_LEN_MAX {
        return Err(invalid("the URL is too long"));
    }
    let url = Url::parse(text).map_err(|_| invalid("the URL cannot be parsed"))?;
    let address = match url.host() {
        Some(Host::Ipv4(ip)) => Some(IpAddr::V4(ip)),
        Some(Host::Ipv6(ip)) => Some(IpAddr::V6(ip)),
        _ => None,
    };
    let listed = address.is_some_and(|ip| private.iter().any(|net| net.contains(&ip)));
    let any: HostPattern = "*".parse().map_err(|_| invalid("no host"))?;
    let mut policy = Policy::for_hosts(vec![any]);
    policy.private = private.to_vec();
    policy.http = listed;
    if let Some(port) = url.port() {
        if port < PORT_MIN && port != HTTPS && !listed {
            return denied("the port belongs to another service");
        }
        policy.ports = vec![port];
    }
    policy.check(text)?;
    Ok(policy)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn https_to_anybody_and_plain_http_to_whom_the_operator_lists() {
        let lists: Vec<IpNet> = vec!["127.0.0.0/8".parse().unwrap()];
        for (url, open, listed) in [
            ("https://a.example/hook?x=1", true, true),
            ("https://a.example:8443/", true, true),
            ("https://a.example:443/", true, true),
            ("https://a.example:25/", false, false),
            ("http://a.example/", false, false),
            ("http://127.0.0.1:9000/x", false, true),
            ("http://127.0.0.1:25/x", false, true),
            ("https://127.0.0.1/", false, true),
            ("http://10.0.0.1/", false, false),
            ("https://10.0.0.1/", false, false),
            ("http://localhost:9000/", false, false),
            ("https://u:p@a.example/", false, false),
            ("https://[::ffff:127.0.0.1]/", false, false),
            ("ftp://a.example/", false, false),
            ("a.example", false, false),
            ("", false, false),
        ] {
            assert_eq!(policy(&[], url).is_ok(), open, "{url}");
            assert_eq!(policy(&lists, url).is_ok(), listed, "{url} with 127.0.0.0/8");
        }
        let long = format!("https://a.example/{}", "x".repeat(URL_LEN_MAX));
        assert!(policy(&[], &long).is_err());
    }
}
