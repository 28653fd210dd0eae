//! The session's cookie: `__Host-lvq`, and what it is called on a plain loopback address.
//!
//! Over TLS the name begins with `__Host-`: browsers then take it only with `Secure`, for `/`, and
//! without a domain, so that neither a neighbour nor a stranger on the line can set another. On
//! `http://127.0.0.1`, where a newcomer begins, browsers do not store a `Secure` cookie, so that it is
//! `lvq` there and not `Secure`; nobody else is on that line.

use axum::http::{HeaderMap, header};

use super::secret::Plain;
use crate::config::Config;
use crate::people::session::LIFE_MS;

const SECURE: &str = "__Host-lvq";
const PLAIN: &str = "lvq";

/// Whether browsers come over TLS. Only what is known to be a loopback address without is plain.
fn is_secure(config: &Config) -> bool {
    if !config.tls.is_none() {
        return true;
    }
    if config.public_url.is_empty() {
        return !config.listen.ip().is_loopback();
    }
    let url = url::Url::parse(&config.public_url).ok();
    let is_loopback = |url: &url::Url| match url.host() {
        Some(url::Host::Domain(name)) => name == "localhost",
        Some(url::Host::Ipv4(address)) => address.is_loopback(),
        Some(url::Host::Ipv6(address)) => address.is_loopback(),
        None => false,
    };
    !url.is_some_and(|url| url.scheme() == "http" && is_loopback(&url))
}

fn name(config: &Config) -> &'static str {
    if is_secure(config) { SECURE } else { PLAIN }
}

/// What the request's cookie holds.
pub(crate) fn read(config: &Config, headers: &HeaderMap) -> Option<Plain> {
    let wanted = name(config);
    let all = headers.get_all(header::COOKIE).iter();
    let pairs = all.flat_map(|value| value.to_str().unwrap_or_default().split(';'));
    let mut values =
        pairs.filter_map(|pair| pair.trim().split_once('=')).filter(|(name, _)| *name == wanted);
    values.next().map(|(_, value)| Plain::of(value))
}

/// `Set-Cookie` with a new session.
pub(crate) fn set(config: &Config, secret: &Plain) -> String {
    written(config, secret.reveal(), LIFE_MS / 1_000)
}

/// `Set-Cookie` that removes it.
pub(crate) fn cleared(config: &Config) -> String {
    written(config, "", 0)
}

fn written(config: &Config, value: &str, seconds: u64) -> String {
    let secure = if is_secure(config) { "; Secure" } else { "" };
    let name = name(config);
    format!("{name}={value}; Path=/; HttpOnly; SameSite=Strict; Max-Age={seconds}{secure}")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn config(listen: &str, public_url: &str) -> Config {
        let mut config = Config::in_folder(std::path::Path::new("x"));
        config.listen = listen.parse().unwrap();
        config.public_url = public_url.to_owned();
        config
    }

    #[test]
    fn only_a_plain_loopback_address_goes_without_the_prefix() {
        for (listen, public_url, secure) in [
            ("127.0.0.1:1", "", false),
            ("[::1]:1", "", false),
            ("0.0.0.0:1", "", true),
            ("127.0.0.1:1", "https://levqor.example", true),
            ("127.0.0.1:1", "https://localhost", true),
            ("127.0.0.1:1", "http://levqor.example", true),
            ("0.0.0.0:1", "http://localhost:1", false),
            ("127.0.0.1:1", "not a url", true),
        ] {
            let config = config(listen, public_url);
            let cookie = set(&config, &Plain::of("s"));
            let begins = if secure { "__Host-lvq=s; Path=/" } else { "lvq=s; Path=/" };
            assert!(cookie.starts_with(begins), "{listen} {public_url}: {cookie}");
            assert_eq!(cookie.ends_with("; Secure"), secure, "{cookie}");
            assert!(cookie.contains("; HttpOnly; SameSite=Strict; Max-Age=43200"), "{cookie}");
            assert!(cleared(&config).contains("Max-Age=0"));
        }
    }

    #[test]
    fn it_is_found_among_others_by_its_whole_name() {
        let config = config("0.0.0.0:1", "");
        for (sent, found) in [
            ("__Host-lvq=s", Some("s")),
            ("a=b; __Host-lvq=s; c=d", Some("s")),
            ("lvq=s", None),
            ("x__Host-lvq=s", None),
            ("", None),
        ] {
            let mut headers = HeaderMap::new();
            headers.insert(header::COOKIE, sent.parse().unwrap());
            let read = read(&config, &headers).map(|s| s.reveal().to_owned());
            assert_eq!(read.as_deref(), found, "{sent}");
        }
    }
}
