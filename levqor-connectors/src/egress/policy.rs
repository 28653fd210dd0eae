//! [`Policy`]: whether a URL may be requested at all. Pure: no name is resolved here.
//!
//! ```text
//!  text ─▶ URL ─▶ scheme ─▶ no user ─▶ host wished for AND granted ─▶ port ─▶ literal address
//! ```
//! The addresses behind a *name* are checked where they are connected to (`resolver`): a look-up
//! before the connection would be a different look-up.

use std::net::IpAddr;

use ipnet::IpNet;
use url::{Host, Url};

use super::address;
use super::message::HttpError;
use super::pattern::HostPattern;
use crate::limits;

/// What one plugin's requests may reach.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Policy {
    /// Hosts the manifest wishes for.
    pub wishes: Vec<HostPattern>,
    /// Hosts the operator grants.
    pub hosts: Vec<HostPattern>,
    /// Whether `http:` is allowed beside `https:`.
    pub http: bool,
    /// Ports allowed on every host, beside 443 (and 80 with `http`).
    pub ports: Vec<u16>,
    /// Networks that are allowed although they are not public.
    pub private: Vec<IpNet>,
}

/// A URL that passed a [`Policy`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Target {
    pub(crate) url: Url,
}

impl Target {
    /// The host as patterns match it.
    #[must_use]
    pub fn host(&self) -> &str {
        self.url.host_str().unwrap_or_default()
    }

    /// Scheme, host and port: what a credential must not leave.
    pub(crate) fn is_same_origin(&self, other: &Self) -> bool {
        self.url.origin() == other.url.origin()
    }
}

impl Policy {
    /// A policy for exactly these hosts, wished for and granted.
    #[must_use]
    pub fn for_hosts(hosts: Vec<HostPattern>) -> Self {
        Self { wishes: hosts.clone(), hosts, ..Self::default() }
    }

    /// Whether `text` may be requested.
    ///
    /// # Errors
    /// [`HttpError::InvalidRequest`] when it is not an absolute URL written in the plain way,
    /// [`HttpError::Denied`] when it is not allowed. No error repeats path or query.
    pub fn check(&self, text: &str) -> Result<Target, HttpError> {
        let url = parse(text)?;
        match url.scheme() {
            "https" => {}
            "http" if self.http => {}
            "http" => return deny("plain http is not granted (`http = true`)"),
            _ => return deny("only https is allowed"),
        }
        if !url.username().is_empty() || url.password().is_some() {
            return deny("a URL must not hold a user or password; use `auth`");
        }
        let Some(host) = url.host_str() else { return invalid("the URL has no host") };
        if !self.wishes.iter().any(|p| p.matches_host(host)) {
            return deny(&format!("the plugin's manifest does not list the host `{host}`"));
        }
        let granted: Vec<&HostPattern> =
            self.hosts.iter().filter(|p| p.matches_host(host)).collect();
        if granted.is_empty() {
            return deny(&format!("the host `{host}` is not granted"));
        }
        let port = url.port_or_known_default().unwrap_or(0);
        let allowed = url.port().is_none()
            || port == 443
            || (port == 80 && self.http)
            || self.ports.contains(&port)
            || granted.iter().any(|p| p.matches_port(port));
        if !allowed {
            return deny(&format!("port {port} of `{host}` is not granted"));
        }
        self.check_literal(&url, text)?;
        Ok(Target { url })
    }

    /// Literal addresses never meet a resolver, so they are checked here.
    fn check_literal(&self, url: &Url, text: &str) -> Result<(), HttpError> {
        let ip = match url.host() {
            Some(Host::Ipv4(v4)) => {
                // `0x7f.1`, `2130706433`, `0177.0.0.1` and full-width digits are ways around
                // somebody's filter, never an honest spelling.
                if written_host(text) != v4.to_string() {
                    return deny("an address must be written in the plain decimal form");
                }
                IpAddr::V4(v4)
            }
            Some(Host::Ipv6(v6)) => IpAddr::V6(v6),
            _ => return Ok(()),
        };
        if address::is_allowed(ip, &self.private) {
            Ok(())
        } else {
            deny("the address is not public")
        }
    }
}

fn parse(text: &str) -> Result<Url, HttpError> {
    if text.len() > limits::URL_BYTES_MAX {
        return invalid("the URL is too long");
    }
    // The URL standard drops tabs and newlines, trims spaces, and reads `\` as `/`: all of them
    // make people and parsers read different hosts.
    if text.chars().any(|c| c.is_control() || c == ' ') {
        return invalid("the URL holds a space or control character");
    }
    let Ok(mut url) = Url::parse(text) else { return invalid("the URL cannot be parsed") };
    let lower = text.get(..8).map(str::to_ascii_lowercase).unwrap_or_default();
    if !(lower.starts_with("https://") || lower.starts_with("http://")) {
        return deny("only https is allowed");
    }
    let before_query = text.split(['?', '#']).next().unwrap_or_default();
    let written = written_host(text);
    if written.is_empty() || before_query.contains('\\') || written.contains('%') {
        return invalid("the URL's host is empty or holds an escape");
    }
    let plain = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'-' | b'_');
    if matches!(url.host(), Some(Host::Domain(name)) if !name.bytes().all(plain)) {
        return invalid("the URL's host holds a character that no name has");
    }
    if url.host_str().is_some_and(|h| h.ends_with('.')) {
        return invalid("the URL's host ends with a dot");
    }
    url.set_fragment(None);
    Ok(url)
}

/// The host as it stands in the text, lower case, without user, port and what follows.
fn written_host(text: &str) -> String {
    let rest = text.split_once("://").map_or("", |(_, rest)| rest);
    let authority = rest.split(['/', '?', '#']).next().unwrap_or_default();
    let host_port = authority.rsplit_once('@').map_or(authority, |(_, h)| h);
    let host = match host_port.rsplit_once(':') {
        Some((host, port)) if !port.contains(']') => host,
        _ => host_port,
    };
    host.to_lowercase()
}

/// A URL as it may be shown: scheme, host and port only. Paths and queries can hold secrets.
pub(crate) fn shown(text: &str) -> String {
    match Url::parse(text) {
        Ok(url) if url.has_host() => url.origin().ascii_serialization(),
        _ => "(not a URL)".to_owned(),
    }
}

fn deny<T>(why: &str) -> Result<T, HttpError> {
    Err(HttpError::Denied(crate::text::clean(why, 300)))
}

fn invalid<T>(why: &str) -> Result<T, HttpError> {
    Err(HttpError::InvalidRequest(why.to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Lines of `verdict url`; `ok` and `bad` under a grant of every host, `local` allowed only
    /// with the operator's `private` networks.
    const TABLE: &str = include_str!("urls.txt");

    fn any() -> Policy {
        Policy::for_hosts(vec!["*".parse().unwrap()])
    }

    #[test]
    fn the_table_of_urls() {
        let open = Policy {
            http: true,
            private: ["127.0.0.0/8", "10.0.0.0/8", "::1/128"].map(|n| n.parse().unwrap()).into(),
            ..any()
        };
        let (mut rows, mut wrong) = (0, Vec::new());
        for line in TABLE.lines().filter(|l| !l.is_empty() && !l.starts_with("# ")) {
            let (verdict, url) = line.split_once(' ').unwrap();
            let url = url
                .replace("\\t", "\t")
                .replace("\\n", "\n")
                .replace("\\r", "\r")
                .replace("\\0", "\0");
            let (closed, opened) = (any().check(&url).is_ok(), open.check(&url).is_ok());
            let expected = match verdict {
                "ok" => (true, true),
                "bad" => (false, false),
                "local" => (false, true),
                other => panic!("verdict {other}"),
            };
            if (closed, opened) != expected {
                wrong.push(format!("{verdict} {url:?}: {closed} {opened}"));
            }
            rows += 1;
        }
        assert!(wrong.is_empty(), "{wrong:#?}");
        assert!(rows >= 250, "{rows}");
    }

    #[test]
    fn hosts_are_wished_for_and_granted() {
        let policy = Policy {
            wishes: vec!["*.a.com".parse().unwrap()],
            hosts: vec!["x.a.com".parse().unwrap(), "y.a.com:8443".parse().unwrap()],
            ports: vec![9000],
            ..Policy::default()
        };
        let table = [
            ("https://x.a.com/", true),
            ("https://X.A.com/", true),
            ("https://x.a.com:443/", true),
            ("https://x.a.com:9000/", true),
            ("https://y.a.com:8443/", true),
            ("https://x.a.com:8443/", false),
            ("https://x.a.com:80/", false),
            ("https://z.a.com/", false),
            ("https://a.com/", false),
            ("https://x.a.com.evil.com/", false),
            ("http://x.a.com/", false),
        ];
        for (url, allowed) in table {
            assert_eq!(policy.check(url).is_ok(), allowed, "{url}");
        }
    }

    #[test]
    fn errors_and_logs_show_no_path_or_query() {
        let secret = "https://h.com/botTOKEN/x?key=TOKEN#TOKEN";
        let error = Policy::default().check(secret).unwrap_err();
        assert!(!error.to_string().contains("TOKEN"), "{error}");
        assert_eq!(shown(secret), "https://h.com");
        assert_eq!(shown("https://u:TOKEN@h.com:81/"), "https://h.com:81");
    }

    proptest::proptest! {
        #[test]
        fn nothing_written_reaches_a_special_address(text in "[ -~]{0,40}") {
            let url = format!("https://{text}");
            if let Ok(target) = any().check(&url) {
                match target.url.host() {
                    Some(Host::Ipv4(ip)) => assert!(address::is_public(ip.into())),
                    Some(Host::Ipv6(ip)) => assert!(address::is_public(ip.into())),
                    _ => {}
                }
                assert!(target.url.username().is_empty());
            }
        }
    }
}
