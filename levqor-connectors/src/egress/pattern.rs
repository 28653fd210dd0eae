//! [`HostPattern`]: which hosts a manifest wishes for, a grant allows, a credential may go to.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize, Serializer};
use url::Host;

/// `api.slack.com`, `*.slack.com` (any depth below, not `slack.com` itself), `*`, `127.0.0.1`,
/// `[::1]`; with a port where it is not the scheme's own: `localhost:8080`, `127.0.0.1:*`.
///
/// ```
/// use levqor_connectors::egress::HostPattern;
/// let pattern: HostPattern = "*.slack.com".parse()?;
/// assert!(pattern.matches_host("hooks.slack.com") && !pattern.matches_host("slack.com"));
/// # Ok::<(), levqor_connectors::egress::InvalidHostPattern>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct HostPattern {
    name: Name,
    port: Port,
}

#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
enum Name {
    Any,
    /// With its leading dot.
    Below(String),
    Exact(String),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
enum Port {
    Default,
    Exact(u16),
    Any,
}

/// The text is not a host pattern.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is not a host: write `api.example.com`, `*.example.com` or `*`")]
pub struct InvalidHostPattern(String);

impl HostPattern {
    /// Whether `host` (as a URL shows it, lower case) fits, ports aside.
    #[must_use]
    pub fn matches_host(&self, host: &str) -> bool {
        match &self.name {
            Name::Any => true,
            Name::Below(suffix) => host.len() > suffix.len() && host.ends_with(suffix.as_str()),
            Name::Exact(name) => host == name,
        }
    }

    /// Whether `port` is allowed by the pattern itself.
    pub(crate) fn matches_port(&self, port: u16) -> bool {
        match self.port {
            Port::Default => false,
            Port::Exact(only) => port == only,
            Port::Any => true,
        }
    }

    /// Whether everything that fits `other` fits this one, ports aside.
    #[must_use]
    pub fn covers(&self, other: &Self) -> bool {
        match (&self.name, &other.name) {
            (Name::Any, _) => true,
            (_, Name::Any) => false,
            (Name::Below(mine), Name::Below(theirs)) => theirs.ends_with(mine.as_str()),
            (Name::Below(_), Name::Exact(name)) => self.matches_host(name),
            (Name::Exact(_), Name::Below(_)) => false,
            (Name::Exact(mine), Name::Exact(theirs)) => mine == theirs,
        }
    }

    /// Whether it is `*`: any host there is.
    #[must_use]
    pub fn is_any(&self) -> bool {
        self.name == Name::Any
    }
}

impl FromStr for HostPattern {
    type Err = InvalidHostPattern;

    fn from_str(text: &str) -> Result<Self, InvalidHostPattern> {
        let bad = || InvalidHostPattern(crate::text::clean(text, 100));
        let (name, port) = split_port(text);
        let port = match port {
            None => Port::Default,
            Some("*") => Port::Any,
            Some(digits) => Port::Exact(digits.parse().map_err(|_| bad())?),
        };
        let parse = |name: &str| match Host::parse(name) {
            Ok(host) if !name.ends_with('.') && !name.contains('*') => Ok(host),
            _ => Err(bad()),
        };
        let name = if name == "*" {
            Name::Any
        } else if let Some(suffix) = name.strip_prefix("*.") {
            match parse(suffix)? {
                Host::Domain(domain) => Name::Below(format!(".{domain}")),
                _ => return Err(bad()),
            }
        } else {
            Name::Exact(parse(name)?.to_string())
        };
        Ok(Self { name, port })
    }
}

fn split_port(text: &str) -> (&str, Option<&str>) {
    match text.rsplit_once(':') {
        // The colons of a bare IPv6 address are inside brackets.
        Some((name, port)) if !port.contains(']') => (name, Some(port)),
        _ => (text, None),
    }
}

impl fmt::Display for HostPattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.name {
            Name::Any => f.write_str("*")?,
            Name::Below(suffix) => write!(f, "*{suffix}")?,
            Name::Exact(name) => f.write_str(name)?,
        }
        match self.port {
            Port::Default => Ok(()),
            Port::Exact(port) => write!(f, ":{port}"),
            Port::Any => f.write_str(":*"),
        }
    }
}

impl Serialize for HostPattern {
    fn serialize<S: Serializer>(&self, s: S) -> Result<S::Ok, S::Error> {
        s.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for HostPattern {
    fn deserialize<D: Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
        String::deserialize(d)?.parse().map_err(serde::de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn p(text: &str) -> HostPattern {
        text.parse().unwrap()
    }

    #[test]
    fn matching() {
        let yes = [
            ("slack.com", "slack.com"),
            ("SLACK.com", "slack.com"),
            ("*.slack.com", "a.slack.com"),
            ("*.slack.com", "a.b.slack.com"),
            ("*", "x"),
            ("[::1]", "[::1]"),
            ("127.0.0.1:*", "127.0.0.1"),
            ("bücher.de", "xn--bcher-kva.de"),
        ];
        let no = [
            ("slack.com", "a.slack.com"),
            ("slack.com", "slack.com.evil.com"),
            ("*.slack.com", "slack.com"),
            ("*.slack.com", "evilslack.com"),
            ("*.slack.com", ".slack.com"),
            ("slack.com", "xslack.com"),
        ];
        for (pattern, host) in yes {
            assert!(p(pattern).matches_host(host), "{pattern} {host}");
        }
        for (pattern, host) in no {
            assert!(!p(pattern).matches_host(host), "{pattern} {host}");
        }
        assert!(p("a:80").matches_port(80) && !p("a:80").matches_port(81));
        assert!(p("a:*").matches_port(1) && !p("a").matches_port(443));
    }

    #[test]
    fn what_is_not_a_pattern() {
        for bad in ["", "a b", "*.", "*.*", "a.*.b", "*a.com", "a.com.", "a/b", "a:b", "*.1.2.3.4"]
        {
            assert!(bad.parse::<HostPattern>().is_err(), "{bad}");
        }
    }

    #[test]
    fn covering_and_text() {
        assert!(p("*").covers(&p("*.a.com")) && p("*.a.com").covers(&p("*.b.a.com")));
        assert!(p("*.a.com").covers(&p("b.a.com")) && !p("*.a.com").covers(&p("a.com")));
        assert!(!p("a.com").covers(&p("*.a.com")) && !p("a.com").covers(&p("*")));
        for text in ["*", "*.a.com", "a.com:8080", "127.0.0.1:*", "[::1]:80"] {
            assert_eq!(p(text).to_string(), text);
        }
    }
}
