//! [`Mock`]: one expected request and its answer. [`Sent`]: a request as the host would see it.

use crate::backend::Exchange;
use crate::http::{Auth, HttpError, Method, Request};
use crate::response::Response;

/// One expected request and what is answered. Used once, unless [`Mock::times`] says more; those
/// given first are used first.
#[derive(Clone, Debug)]
pub struct Mock {
    method: Option<Method>,
    url: String,
    left: u32,
    answer: Exchange,
}

/// Expects a GET. `url` is compared without its query, unless it has one itself.
#[must_use]
pub fn get(url: &str) -> Mock {
    Mock::new(Some(Method::Get), url)
}

/// Expects a POST.
#[must_use]
pub fn post(url: &str) -> Mock {
    Mock::new(Some(Method::Post), url)
}

/// Expects a PUT.
#[must_use]
pub fn put(url: &str) -> Mock {
    Mock::new(Some(Method::Put), url)
}

/// Expects a PATCH.
#[must_use]
pub fn patch(url: &str) -> Mock {
    Mock::new(Some(Method::Patch), url)
}

/// Expects a DELETE.
#[must_use]
pub fn delete(url: &str) -> Mock {
    Mock::new(Some(Method::Delete), url)
}

/// Expects any method.
#[must_use]
pub fn any(url: &str) -> Mock {
    Mock::new(None, url)
}

impl Mock {
    fn new(method: Option<Method>, url: &str) -> Self {
        let answer = Ok(Response { status: 200, ..Response::default() });
        Self { method, url: url.to_owned(), left: 1, answer }
    }

    /// Answers with this status.
    #[must_use]
    pub fn reply(mut self, status: u16) -> Self {
        self.answer = Ok(Response { status, ..self.answer.unwrap_or_default() });
        self
    }

    /// With one more header. `retry-after` in seconds is also read as the host would.
    #[must_use]
    pub fn header(mut self, name: &str, value: &str) -> Self {
        let mut response = self.answer.unwrap_or_default();
        if name.eq_ignore_ascii_case("retry-after") {
            response.retry_after_ms = value.parse().ok().map(|seconds: u64| seconds * 1000);
        }
        response.headers.push((name.to_owned(), value.as_bytes().to_vec()));
        self.answer = Ok(response);
        self
    }

    /// With this JSON body.
    #[must_use]
    pub fn json(self, body: serde_json::Value) -> Self {
        self.header("content-type", "application/json").body(body.to_string())
    }

    /// With this body.
    #[must_use]
    pub fn body(mut self, body: impl Into<Vec<u8>>) -> Self {
        self.answer = Ok(Response { body: body.into(), ..self.answer.unwrap_or_default() });
        self
    }

    /// No answer at all: this error.
    #[must_use]
    pub fn fail(mut self, error: HttpError) -> Self {
        self.answer = Err(error);
        self
    }

    /// The connection breaks after the request was sent.
    #[must_use]
    pub fn reset(self) -> Self {
        self.fail(HttpError::SentWithoutAnswer("connection reset".to_owned()))
    }

    /// Answers this many requests.
    #[must_use]
    pub fn times(mut self, times: u32) -> Self {
        self.left = times;
        self
    }

    pub(crate) fn takes(&self, sent: &Sent) -> bool {
        let url = if self.url.contains('?') { sent.url.as_str() } else { sent.path() };
        self.left > 0 && self.method.is_none_or(|m| m == sent.method) && self.url == url
    }

    pub(crate) fn answer(&mut self) -> Exchange {
        self.left = self.left.saturating_sub(1);
        self.answer.clone()
    }

    /// What was expected and never came.
    pub(crate) fn unused(&self) -> Option<String> {
        let method = self.method.map_or("any", Method::as_str);
        (self.left > 0).then(|| format!("expected {} more {method} {}", self.left, self.url))
    }
}

/// A request as the host sees it: credentials are still names.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sent {
    /// Method.
    pub method: Method,
    /// The whole URL with its query.
    pub url: String,
    /// Headers in order.
    pub headers: Vec<(String, String)>,
    /// Body as text; empty if there is none.
    pub body: String,
    /// The credential to be filled in.
    pub auth: Auth,
    /// Whether the host was asked to follow redirects.
    pub follow_redirects: bool,
}

impl Sent {
    /// First header of this name in any case.
    #[must_use]
    pub fn header(&self, name: &str) -> Option<&str> {
        let found = self.headers.iter().find(|(n, _)| n.eq_ignore_ascii_case(name));
        found.map(|(_, value)| value.as_str())
    }

    /// The body as JSON; null if it is not.
    #[must_use]
    pub fn json(&self) -> serde_json::Value {
        serde_json::from_str(&self.body).unwrap_or_default()
    }

    /// First query parameter of this name, decoded.
    #[must_use]
    pub fn query(&self, name: &str) -> Option<String> {
        let query = self.url.split_once('?')?.1;
        let mut pairs = form_urlencoded::parse(query.as_bytes());
        pairs.find(|(n, _)| n == name).map(|(_, value)| value.into_owned())
    }

    pub(crate) fn path(&self) -> &str {
        self.url.split_once('?').map_or(self.url.as_str(), |(path, _)| path)
    }

    pub(crate) fn line(&self) -> String {
        format!("{} {}", self.method.as_str(), self.url)
    }

    /// Everything the guest wrote, for the search for secrets.
    pub(crate) fn everything(&self) -> String {
        format!("{} {:?} {}", self.url, self.headers, self.body)
    }
}

impl From<&Request> for Sent {
    fn from(request: &Request) -> Self {
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        Self {
            method: request.method,
            url: request.url.clone(),
            headers: request.headers.iter().map(|(n, v)| (n.clone(), text(v))).collect(),
            body: request.body.as_deref().map(text).unwrap_or_default(),
            auth: request.auth.clone(),
            follow_redirects: request.follow_redirects,
        }
    }
}
