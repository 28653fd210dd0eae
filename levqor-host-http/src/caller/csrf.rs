//! Requests that another page makes in a person's name, and how they are told.
//!
//! A browser adds the cookie whoever asked. So a request by cookie that changes something must show
//! what a foreign page cannot: a JSON body (no form sends one), a header of ours (no foreign page may
//! set one without being asked first), and where it comes from, as the browser itself writes it.

use axum::http::{StatusCode, Uri, header};

use crate::config::Config;
use crate::http::{Head, Problem};

/// The header that our own pages send.
const MARK: &str = "x-levqor-csrf";
const SITE: &str = "sec-fetch-site";

/// Whether a request by cookie may be carried out.
///
/// # Errors
/// 403 `auth.csrf`.
pub(crate) fn check(config: &Config, head: &Head) -> Result<(), Problem> {
    if head.method.is_safe() {
        return Ok(());
    }
    let media = text(head, header::CONTENT_TYPE.as_str()).unwrap_or_default();
    let media = media.split(';').next().unwrap_or_default().trim();
    let is_json = media.eq_ignore_ascii_case("application/json");
    let is_marked = text(head, MARK) == Some("1");
    if is_json && is_marked && comes_from(config, head) == Some(true) {
        return Ok(());
    }
    Err(refused())
}

/// Whether a sign-in may be carried out: a foreign page must not sign a person in as somebody else.
/// A program that is no browser says nothing about where it comes from.
///
/// # Errors
/// 403 `auth.csrf`.
pub(crate) fn check_sign_in(config: &Config, head: &Head) -> Result<(), Problem> {
    if comes_from(config, head) == Some(false) { Err(refused()) } else { Ok(()) }
}

fn refused() -> Problem {
    let detail = "a change by cookie needs `Content-Type: application/json`, `X-Levqor-Csrf: 1` \
                  and `Sec-Fetch-Site: same-origin` or this host's `Origin`";
    Problem::new(StatusCode::FORBIDDEN, "auth.csrf", detail)
}

/// Whether the request comes from this host's own pages; `None` where it does not say.
fn comes_from(config: &Config, head: &Head) -> Option<bool> {
    if let Some(site) = text(head, SITE) {
        return Some(site == "same-origin");
    }
    let origin = text(head, header::ORIGIN.as_str())?;
    let (_, named) = origin.split_once("://").unwrap_or_default();
    let host = text(head, header::HOST.as_str()).or_else(|| authority(&head.uri));
    let is_host = !named.is_empty() && host.is_some_and(|host| host.eq_ignore_ascii_case(named));
    let public = config.public_url.trim_end_matches('/');
    Some(is_host || (!public.is_empty() && public.eq_ignore_ascii_case(origin)))
}

fn authority(uri: &Uri) -> Option<&str> {
    uri.authority().map(axum::http::uri::Authority::as_str)
}

/// A header's text, where it is there; not text is as good as foreign.
fn text<'h>(head: &'h Head, name: &str) -> Option<&'h str> {
    head.headers.get(name).map(|value| value.to_str().unwrap_or("?"))
}

#[cfg(test)]
mod tests {
    use axum::http::{HeaderMap, HeaderName, Method};

    use super::*;

    fn head(method: Method, sent: &[(&str, &str)]) -> Head {
        let mut headers = HeaderMap::new();
        for (name, value) in sent {
            headers.insert(name.parse::<HeaderName>().unwrap(), value.parse().unwrap());
        }
        Head {
            method,
            uri: "/x".parse().unwrap(),
            headers,
            address: std::net::Ipv4Addr::LOCALHOST.into(),
            request_id: "r".into(),
            route: "x",
            parts: Default::default(),
            once: None,
            is_secure: false,
        }
    }

    #[test]
    fn a_change_by_cookie_shows_what_a_foreign_page_cannot() {
        let mut config = Config::in_folder(std::path::Path::new("x"));
        config.public_url = "https://levqor.example/".to_owned();
        let json = ("content-type", "application/json");
        let mark = ("x-levqor-csrf", "1");
        let host = ("host", "127.0.0.1:7700");
        let table: [(&[(&str, &str)], bool); 12] = [
            (&[json, mark, ("sec-fetch-site", "same-origin")], true),
            (&[json, mark, host, ("origin", "http://127.0.0.1:7700")], true),
            (&[json, mark, host, ("origin", "https://levqor.example")], true),
            (
                &[
                    ("content-type", "application/json; charset=utf-8"),
                    mark,
                    ("sec-fetch-site", "same-origin"),
                ],
                true,
            ),
            (&[mark, ("sec-fetch-site", "same-origin")], false),
            (&[json, ("sec-fetch-site", "same-origin")], false),
            (&[json, mark], false),
            (&[json, mark, ("sec-fetch-site", "same-site")], false),
            (&[json, mark, ("sec-fetch-site", "none")], false),
            (&[json, mark, host, ("origin", "http://127.0.0.1:7701")], false),
            (&[json, mark, host, ("origin", "null")], false),
            // What the browser says of the site wins over an origin.
            (
                &[
                    json,
                    mark,
                    host,
                    ("origin", "http://127.0.0.1:7700"),
                    ("sec-fetch-site", "cross-site"),
                ],
                false,
            ),
        ];
        for (sent, good) in table {
            for method in [Method::POST, Method::PUT, Method::PATCH, Method::DELETE] {
                assert_eq!(check(&config, &head(method, sent)).is_ok(), good, "{sent:?}");
            }
            assert!(check(&config, &head(Method::GET, sent)).is_ok());
        }
    }

    #[test]
    fn a_sign_in_is_refused_from_elsewhere_only() {
        let config = Config::in_folder(std::path::Path::new("x"));
        for (sent, good) in [
            (&[][..], true),
            (&[("sec-fetch-site", "same-origin")], true),
            (&[("sec-fetch-site", "cross-site")], false),
            (&[("host", "a.b"), ("origin", "https://a.b")], true),
            (&[("host", "a.b"), ("origin", "https://a.c")], false),
        ] {
            assert_eq!(check_sign_in(&config, &head(Method::POST, sent)).is_ok(), good, "{sent:?}");
        }
    }
}
