//! The security headers of every answer.
//!
//! One list for what programs read, one for pages. A handler chooses neither: an answer of
//! `text/html` is a page. It can say how long an answer may be kept (`Cache-Control`) and which
//! nonce its scripts carry ([`Nonce`]); nothing that weakens the rest.

use std::sync::LazyLock;

use axum::http::header::{self, HeaderMap, HeaderName, HeaderValue};
use axum::response::Response;

use crate::http::Nonce;

/// What an answer that no page shows may do: nothing.
const API_POLICY: &str = "default-src 'none'; frame-ancestors 'none'; base-uri 'none'; \
                          form-action 'none'; sandbox";
/// Two years, and fit for browsers' own lists.
const HSTS: &str = "max-age=63072000; includeSubDomains; preload";
/// What no page of ours uses.
const PERMISSIONS: &str = "accelerometer=(), autoplay=(), camera=(), cross-origin-isolated=(), \
    display-capture=(), encrypted-media=(), fullscreen=(), geolocation=(), gyroscope=(), \
    keyboard-map=(), magnetometer=(), microphone=(), midi=(), payment=(), picture-in-picture=(), \
    publickey-credentials-get=(), screen-wake-lock=(), sync-xhr=(), usb=(), web-share=(), \
    xr-spatial-tracking=(), clipboard-read=(), clipboard-write=(), gamepad=(), hid=(), \
    idle-detection=(), serial=(), unload=()";
/// Where browsers tell what a page's policy stopped.
const REPORTS: &str = "csp=\"/ops/csp-report\"";

/// On every answer, whatever it is.
const ALWAYS: [(&str, &str); 9] = [
    ("x-content-type-options", "nosniff"),
    ("x-frame-options", "DENY"),
    ("referrer-policy", "no-referrer"),
    ("cross-origin-resource-policy", "same-origin"),
    ("cross-origin-opener-policy", "same-origin"),
    ("cross-origin-embedder-policy", "require-corp"),
    ("permissions-policy", PERMISSIONS),
    ("x-permitted-cross-domain-policies", "none"),
    ("x-dns-prefetch-control", "off"),
];

/// [`ALWAYS`] and the policy of what no page shows, to be copied: that costs a tenth of putting them
/// on one by one, and is done for every answer.
static PREPARED: LazyLock<HeaderMap> = LazyLock::new(|| {
    let always = ALWAYS
        .map(|(name, value)| (HeaderName::from_static(name), HeaderValue::from_static(value)));
    let policy = (header::CONTENT_SECURITY_POLICY, HeaderValue::from_static(API_POLICY));
    always.into_iter().chain([policy]).collect()
});

/// On no answer: what they tell helps nobody but an attacker, or is long obsolete.
const NEVER: [&str; 9] = [
    "server",
    "x-powered-by",
    "x-generator",
    "via",
    "sourcemap",
    "x-sourcemap",
    "x-xss-protection",
    "expect-ct",
    // Ours to say, by the way an answer goes.
    "strict-transport-security",
];

/// How an answer reaches its reader.
#[derive(Clone, Copy, Debug)]
pub(super) struct Way {
    /// Over TLS, ours or a trusted proxy's.
    pub(super) is_secure: bool,
    /// Within this machine.
    pub(super) is_local: bool,
}

/// Puts them on.
pub(super) fn put(response: &mut Response, way: Way) {
    let media = response.headers().get(header::CONTENT_TYPE);
    let is_page = media.is_some_and(|media| media.as_bytes().starts_with(b"text/html"));
    let nonce = response.extensions().get::<Nonce>().cloned();
    let said = std::mem::replace(response.headers_mut(), PREPARED.clone());
    let headers = response.headers_mut();
    add(headers, said);
    if is_page {
        let reports = HeaderValue::from_static(REPORTS);
        headers.insert(HeaderName::from_static("reporting-endpoints"), reports);
        if let Ok(policy) = HeaderValue::from_str(&page_policy(nonce.as_ref(), way)) {
            headers.insert(header::CONTENT_SECURITY_POLICY, policy);
        }
    }
    if way.is_secure {
        headers.insert(header::STRICT_TRANSPORT_SECURITY, HeaderValue::from_static(HSTS));
    }
    headers.entry(header::CACHE_CONTROL).or_insert(HeaderValue::from_static("no-store"));
    vary(headers);
}

/// What a handler said, less what it has no say in.
fn add(headers: &mut HeaderMap, said: HeaderMap) {
    let mut last = None;
    for (name, value) in said {
        // A name that comes several times is named once.
        if let Some(name) = name {
            let is_free = !NEVER.contains(&name.as_str()) && !PREPARED.contains_key(&name);
            last = is_free.then_some(name);
        }
        if let Some(name) = &last {
            headers.append(name.clone(), value);
        }
    }
}

/// A page's policy: its own files, and scripts that carry its nonce or, without one, are files.
fn page_policy(nonce: Option<&Nonce>, way: Way) -> String {
    let scripts = match nonce {
        Some(nonce) => format!("'nonce-{nonce}' 'strict-dynamic'"),
        None => "'self'".to_owned(),
    };
    // Over plain HTTP from another machine this would send a page's own files to a port that does
    // not speak TLS; this machine's browsers except it themselves.
    let upgrade = if way.is_secure || way.is_local { " upgrade-insecure-requests;" } else { "" };
    format!(
        "default-src 'none'; script-src {scripts}; style-src 'self'; img-src 'self'; \
         font-src 'self'; connect-src 'self'; manifest-src 'self'; form-action 'self'; \
         base-uri 'none'; object-src 'none'; frame-ancestors 'none'; \
         require-trusted-types-for 'script'; trusted-types 'none';{upgrade} report-to csp"
    )
}

/// An answer depends on who asks, beside what its handler said.
fn vary(headers: &mut HeaderMap) {
    let plain = HeaderValue::from_static("Authorization");
    if !headers.contains_key(header::VARY) {
        headers.insert(header::VARY, plain);
        return;
    }
    let said: Vec<String> = headers
        .get_all(header::VARY)
        .into_iter()
        .filter_map(|value| value.to_str().ok().map(str::to_owned))
        .filter(|value| !value.eq_ignore_ascii_case("authorization"))
        .collect();
    let all = std::iter::once("Authorization".to_owned()).chain(said);
    let all = all.collect::<Vec<_>>().join(", ");
    headers.insert(header::VARY, HeaderValue::from_str(&all).unwrap_or(plain));
}

#[cfg(test)]
mod tests {
    use axum::body::Body;

    use super::*;

    fn answered(media: &str, nonce: Option<Nonce>, way: Way) -> HeaderMap {
        let mut response = Response::new(Body::empty());
        let headers = response.headers_mut();
        headers.insert("content-type", media.parse().unwrap());
        headers.insert("server", "x".parse().unwrap());
        headers.insert("content-security-policy", "default-src *".parse().unwrap());
        headers.insert("cache-control", "public, max-age=300".parse().unwrap());
        headers.insert("vary", "Accept".parse().unwrap());
        headers.insert("strict-transport-security", "max-age=0".parse().unwrap());
        headers.append("set-cookie", "a=1".parse().unwrap());
        headers.append("set-cookie", "b=2".parse().unwrap());
        if let Some(nonce) = nonce {
            response.extensions_mut().insert(nonce);
        }
        put(&mut response, way);
        response.headers().clone()
    }

    #[test]
    fn a_handler_can_say_how_long_and_which_nonce_and_nothing_else() {
        let local = Way { is_secure: false, is_local: true };
        let headers = answered("application/json", None, local);
        assert!(!headers.contains_key("server"));
        assert_eq!(headers.get_all("set-cookie").iter().collect::<Vec<_>>(), ["a=1", "b=2"]);
        assert_eq!(headers.get_all("content-security-policy").iter().count(), 1);
        assert_eq!(headers["content-security-policy"], API_POLICY);
        assert_eq!(headers["cache-control"], "public, max-age=300");
        assert_eq!(headers["vary"], "Authorization, Accept");
        assert!(!headers.contains_key("strict-transport-security"));
        let nonce = Nonce::make();
        let secure = Way { is_secure: true, is_local: false };
        let headers = answered("text/html; charset=utf-8", Some(nonce.clone()), secure);
        let policy = headers["content-security-policy"].to_str().unwrap();
        assert!(policy.contains(&format!("script-src 'nonce-{nonce}' 'strict-dynamic'; ")));
        assert!(policy.ends_with("upgrade-insecure-requests; report-to csp"), "{policy}");
        assert_eq!(headers["strict-transport-security"], HSTS);
        assert_eq!(headers["reporting-endpoints"], REPORTS);
        let plain = Way { is_secure: false, is_local: false };
        let headers = answered("text/html", None, plain);
        let policy = headers["content-security-policy"].to_str().unwrap();
        assert!(policy.contains("script-src 'self'; ") && !policy.contains("upgrade"));
        for loose in ["unsafe", "data:", "*"] {
            assert!(!policy.contains(loose), "{policy}");
        }
    }
}
