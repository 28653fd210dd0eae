//! Which names in `Host` are answered.
//!
//! A page of another site can make a browser send requests to 127.0.0.1 under that site's name (DNS
//! rebinding), and a name that nobody set could get into links and caches. So a name that is not
//! ours is answered 421, whatever is asked.

use std::net::SocketAddr;

use axum::http::uri::Authority;

use crate::config::{Config, ConfigError};

/// The names.
#[derive(Debug)]
pub(super) struct Hosts {
    /// A name, and its port where only that one is meant.
    named: Vec<(String, Option<u16>)>,
}

impl Hosts {
    /// Those of the settings.
    pub(super) fn new(config: &Config) -> Result<Self, ConfigError> {
        let mut named = Vec::new();
        if !config.public_url.is_empty() {
            let url = url::Url::parse(&config.public_url).ok();
            let host = url.as_ref().and_then(|url| url.host_str());
            let Some(host) = host else {
                let text = format!("public_url: `{}` is not a URL with a host", config.public_url);
                return Err(ConfigError::Value(text));
            };
            // A proxy in front may name the port it listens on, or none.
            named.push((normal(host), None));
        }
        for text in &config.hosts {
            let Ok(authority) = text.parse::<Authority>() else {
                return Err(ConfigError::Value(format!("hosts: `{text}` is not a name")));
            };
            named.push((normal(authority.host()), authority.port_u16()));
        }
        Ok(Self { named })
    }

    /// Whether a request to this name, over a connection to this address of ours, is for us.
    pub(super) fn knows(&self, asked: &Authority, local: SocketAddr, is_secure: bool) -> bool {
        let name = normal(asked.host());
        let port = asked.port_u16().unwrap_or(if is_secure { 443 } else { 80 });
        let has_good_port = asked.port().is_none() || asked.port_u16().is_some();
        if !has_good_port || asked.as_str().ends_with(':') {
            return false;
        }
        let is_named = self.named.iter().any(|(n, p)| *n == name && p.is_none_or(|p| p == port));
        let ip = local.ip().to_canonical();
        let is_here = if ip.is_loopback() {
            matches!(name.as_str(), "localhost" | "127.0.0.1" | "[::1]") || name == literal(ip)
        } else {
            // Only where nobody said what this host is called.
            self.named.is_empty() && name == literal(ip)
        };
        is_named || (is_here && port == local.port())
    }
}

fn literal(ip: std::net::IpAddr) -> String {
    match ip {
        std::net::IpAddr::V4(v4) => v4.to_string(),
        std::net::IpAddr::V6(v6) => format!("[{v6}]"),
    }
}

/// As names are compared: in lower case, without the dot of the root.
fn normal(host: &str) -> String {
    host.strip_suffix('.').unwrap_or(host).to_ascii_lowercase()
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;

    fn hosts(public_url: &str, names: &[&str]) -> Hosts {
        let mut config = Config::in_folder(Path::new("x"));
        config.public_url = public_url.to_owned();
        config.hosts = names.iter().map(|name| (*name).to_owned()).collect();
        Hosts::new(&config).unwrap()
    }

    #[test]
    fn only_names_that_are_ours_are_known() {
        let here = "127.0.0.1:7700";
        let outside = "192.0.2.7:80";
        let nobody = hosts("", &[]);
        let public = hosts("https://levqor.example/app", &["other.example", "third.example:8443"]);
        for (hosts, asked, local, expected) in [
            (&nobody, "127.0.0.1:7700", here, true),
            (&nobody, "localhost:7700", here, true),
            (&nobody, "LOCALHOST.:7700", here, true),
            (&nobody, "[::1]:7700", "[::1]:7700", true),
            (&nobody, "localhost", here, false),
            (&nobody, "localhost:7701", here, false),
            (&nobody, "localhost:", here, false),
            (&nobody, "localhost:99999", here, false),
            (&nobody, "evil.example:7700", here, false),
            (&nobody, "127.0.0.1.evil.example:7700", here, false),
            (&nobody, "192.0.2.7", outside, true),
            (&nobody, "192.0.2.7:80", outside, true),
            (&nobody, "[2001:db8::1]:80", "[2001:db8::1]:80", true),
            (&nobody, "192.0.2.8", outside, false),
            (&nobody, "localhost:80", outside, false),
            (&nobody, "evil.example", outside, false),
            (&public, "levqor.example", outside, true),
            (&public, "Levqor.Example:443", outside, true),
            (&public, "other.example:1", outside, true),
            (&public, "third.example:8443", outside, true),
            (&public, "third.example:8444", outside, false),
            (&public, "192.0.2.7", outside, false),
            (&public, "evil.example", outside, false),
            (&public, "localhost:7700", here, true),
        ] {
            let known = hosts.knows(&asked.parse().unwrap(), local.parse().unwrap(), false);
            assert_eq!(known, expected, "{asked} at {local}");
        }
    }

    #[test]
    fn a_setting_that_names_no_host_is_refused() {
        let mut config = Config::in_folder(Path::new("x"));
        config.public_url = "levqor".to_owned();
        assert_eq!(Hosts::new(&config).unwrap_err().code(), "config.value");
        config.public_url = String::new();
        config.hosts = vec!["a b".to_owned()];
        assert_eq!(Hosts::new(&config).unwrap_err().code(), "config.value");
    }
}
