//! [`Outgoing`]: a request that passed the policy, ready for a credential and for the wire.
//!
//! From here on it may hold a secret, so it has no `Debug`.

use reqwest::header::{HeaderMap, HeaderName, HeaderValue};

use super::message::{HttpError, Method, Request};
use super::policy::Target;
use crate::limits;

/// Headers that are the connection's, or that would let a guest name another host or length.
const RESERVED: [&str; 14] = [
    "host",
    "content-length",
    "transfer-encoding",
    "connection",
    "keep-alive",
    "proxy-connection",
    "proxy-authorization",
    "proxy-authenticate",
    "te",
    "trailer",
    "upgrade",
    "expect",
    "http2-settings",
    "alt-used",
];

/// Headers that must not follow a redirect to another origin.
const PRIVATE: [&str; 3] = ["authorization", "cookie", "x-api-key"];

/// A checked request.
#[derive(Clone)]
pub(crate) struct Outgoing {
    pub(crate) method: Method,
    pub(crate) target: Target,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Option<Vec<u8>>,
}

impl Outgoing {
    /// Takes over a guest's request for `target`.
    pub(crate) fn new(request: &Request, target: Target) -> Result<Self, HttpError> {
        if request.body.as_ref().is_some_and(|b| b.len() > limits::REQUEST_BYTES_MAX) {
            return Err(invalid("the request's body is too large"));
        }
        if request.headers.len() > limits::HEADERS_MAX {
            return Err(invalid("too many headers"));
        }
        let bytes: usize = request.headers.iter().map(|(n, v)| n.len() + v.len()).sum();
        if bytes > limits::HEADER_BYTES_MAX {
            return Err(invalid("the headers are too large"));
        }
        let mut headers = HeaderMap::with_capacity(request.headers.len() + 2);
        for (name, value) in &request.headers {
            let name = header_name(name)?;
            let value = HeaderValue::from_bytes(value)
                .map_err(|_| invalid(&format!("the value of header `{name}` is not allowed")))?;
            headers.append(name, value);
        }
        if !headers.contains_key("user-agent") {
            let agent = concat!("levqor/", env!("CARGO_PKG_VERSION"));
            headers.insert("user-agent", HeaderValue::from_static(agent));
        }
        Ok(Self { method: request.method, target, headers, body: request.body.clone() })
    }

    /// The request that a redirect with `status` to `target` asks for, of the one the guest wrote
    /// (`self` must be without credential).
    pub(crate) fn redirected(mut self, status: u16, target: Target) -> Self {
        if !self.target.is_same_origin(&target) {
            for name in PRIVATE {
                self.headers.remove(name);
            }
        }
        let becomes_get = match status {
            303 => self.method != Method::Head,
            301 | 302 => self.method == Method::Post,
            _ => false,
        };
        if becomes_get {
            self.method = Method::Get;
            self.body = None;
            for name in ["content-type", "content-encoding", "content-language"] {
                self.headers.remove(name);
            }
        }
        self.target = target;
        self
    }
}

/// A header name a guest may set.
pub(crate) fn header_name(name: &str) -> Result<HeaderName, HttpError> {
    let parsed = HeaderName::from_bytes(name.as_bytes())
        .map_err(|_| invalid("a header's name is not allowed"))?;
    if RESERVED.contains(&parsed.as_str()) {
        return Err(HttpError::Denied(format!("the header `{parsed}` is the host's to set")));
    }
    Ok(parsed)
}

fn invalid(why: &str) -> HttpError {
    HttpError::InvalidRequest(why.to_owned())
}
