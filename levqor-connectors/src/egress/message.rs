//! What a plugin asks for and what it gets: requests, responses and errors of the `http` import.
//!
//! No type here holds a secret: a request names the credential, the host fills it in later.

use std::fmt;

/// How a request is made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Method {
    /// GET
    Get,
    /// HEAD
    Head,
    /// POST
    Post,
    /// PUT
    Put,
    /// PATCH
    Patch,
    /// DELETE
    Delete,
    /// OPTIONS
    Options,
}

impl Method {
    /// Whether the method promises to change nothing on the other side.
    #[must_use]
    pub fn is_safe(self) -> bool {
        matches!(self, Self::Get | Self::Head | Self::Options)
    }

    pub(crate) fn to_http(self) -> reqwest::Method {
        match self {
            Self::Get => reqwest::Method::GET,
            Self::Head => reqwest::Method::HEAD,
            Self::Post => reqwest::Method::POST,
            Self::Put => reqwest::Method::PUT,
            Self::Patch => reqwest::Method::PATCH,
            Self::Delete => reqwest::Method::DELETE,
            Self::Options => reqwest::Method::OPTIONS,
        }
    }
}

/// Which credential the host fills in, and where. Names only.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum Auth {
    /// None at all.
    #[default]
    None,
    /// `Authorization: Bearer …`.
    Bearer(String),
    /// `Authorization: Basic …`.
    Basic(String),
    /// In the header `place`.
    Header(Placed),
    /// In the query parameter `place`.
    Query(Placed),
    /// In the URL's path, wherever the text `place` stands.
    Path(Placed),
    /// In the body, wherever the text `place` stands.
    Body(Placed),
    /// The body's HMAC-SHA256 in hexadecimal, in the header `place`.
    HmacSha256(Placed),
}

impl Auth {
    /// The credential's name, where one is asked for.
    #[must_use]
    pub fn credential(&self) -> Option<&str> {
        match self {
            Self::None => None,
            Self::Bearer(name) | Self::Basic(name) => Some(name),
            Self::Header(p)
            | Self::Query(p)
            | Self::Path(p)
            | Self::Body(p)
            | Self::HmacSha256(p) => Some(&p.credential),
        }
    }
}

/// A credential and the place it goes to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Placed {
    /// Header name, parameter name or placeholder text.
    pub place: String,
    /// The credential's name in the manifest.
    pub credential: String,
}

/// One request as a plugin wrote it.
#[derive(Clone)]
pub struct Request {
    /// How.
    pub method: Method,
    /// Where to; absolute.
    pub url: String,
    /// Header fields in order; values are bytes.
    pub headers: Vec<(String, Vec<u8>)>,
    /// The body.
    pub body: Option<Vec<u8>>,
    /// Which credential goes where.
    pub auth: Auth,
    /// Milliseconds for the whole exchange; the call's time left where absent or less.
    pub timeout_ms: Option<u32>,
    /// Whether redirects are followed (at most three, each checked from the start).
    pub follow_redirects: bool,
}

impl Request {
    /// A request without headers, body and credential.
    #[must_use]
    pub fn new(method: Method, url: impl Into<String>) -> Self {
        Self {
            method,
            url: url.into(),
            headers: Vec::new(),
            body: None,
            auth: Auth::None,
            timeout_ms: None,
            follow_redirects: false,
        }
    }
}

impl fmt::Debug for Request {
    /// Without query, header values and body: they may hold what must not be logged.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Request")
            .field("method", &self.method)
            .field("url", &super::policy::shown(&self.url))
            .finish_non_exhaustive()
    }
}

/// The other side's answer, whole.
#[derive(Clone)]
pub struct Response {
    /// Status code.
    pub status: u16,
    /// Header fields in order.
    pub headers: Vec<(String, Vec<u8>)>,
    /// The body, complete.
    pub body: Vec<u8>,
    /// `Retry-After` as milliseconds from now.
    pub retry_after_ms: Option<u64>,
}

impl fmt::Debug for Response {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Response")
            .field("status", &self.status)
            .field("body_bytes", &self.body.len())
            .finish_non_exhaustive()
    }
}

/// Why a request got no answer. Texts never hold a secret, a query or a path.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum HttpError {
    /// The operator's policy forbids it; nothing was sent.
    #[error("denied: {0}")]
    Denied(String),
    /// The request itself is wrong; nothing was sent.
    #[error("invalid request: {0}")]
    InvalidRequest(String),
    /// The credential is not in the vault, or not usable here; nothing was sent.
    #[error("credential: {0}")]
    UnknownCredential(String),
    /// The name has no address; nothing was sent.
    #[error("dns: {0}")]
    Dns(String),
    /// No connection; nothing was sent.
    #[error("connect: {0}")]
    Connect(String),
    /// No secure connection; nothing was sent.
    #[error("tls: {0}")]
    Tls(String),
    /// Out of time before anything was sent.
    #[error("timeout before anything was sent")]
    Timeout,
    /// The answer has more bytes than this limit; the request was sent.
    #[error("the response is larger than {0} bytes")]
    ResponseTooLarge(u64),
    /// The answer is not HTTP as we know it; the request was sent.
    #[error("protocol: {0}")]
    Protocol(String),
    /// Sent, and no whole answer came: it may have happened.
    #[error("sent without answer: {0}")]
    SentWithoutAnswer(String),
}

impl HttpError {
    /// Stable code, for logs and metrics.
    #[must_use]
    pub fn code(&self) -> &'static str {
        match self {
            Self::Denied(_) => "egress.denied",
            Self::InvalidRequest(_) => "egress.invalid_request",
            Self::UnknownCredential(_) => "egress.unknown_credential",
            Self::Dns(_) => "egress.dns",
            Self::Connect(_) => "egress.connect",
            Self::Tls(_) => "egress.tls",
            Self::Timeout => "egress.timeout",
            Self::ResponseTooLarge(_) => "egress.response_too_large",
            Self::Protocol(_) => "egress.protocol",
            Self::SentWithoutAnswer(_) => "egress.sent_without_answer",
        }
    }

    /// Whether the request may have reached the other side.
    #[must_use]
    pub fn was_sent(&self) -> bool {
        matches!(self, Self::ResponseTooLarge(_) | Self::Protocol(_) | Self::SentWithoutAnswer(_))
    }
}
