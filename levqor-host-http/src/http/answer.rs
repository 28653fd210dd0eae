//! [`Answer`]: what a handler gives back.

use axum::http::{HeaderName, HeaderValue, StatusCode, header};
use bytes::Bytes;
use serde::Serialize;

use super::{Nonce, Problem};

/// An answer that is not a refusal.
#[derive(Debug)]
pub struct Answer {
    status: StatusCode,
    payload: Payload,
    headers: Vec<(HeaderName, HeaderValue)>,
    nonce: Option<Nonce>,
    /// Members of the JSON that are shown this once.
    secrets: Vec<&'static str>,
}

/// An answer's body.
#[derive(Debug)]
#[non_exhaustive]
pub enum Payload {
    /// None.
    Empty,
    /// JSON.
    Json(Bytes),
    /// Of this media type.
    Typed(&'static str, Bytes),
    /// Written as it comes, of this media type: server-sent events, downloads.
    Stream(&'static str, axum::body::Body),
}

impl Answer {
    /// JSON with this status.
    ///
    /// # Errors
    /// `host.internal` where the value cannot be written, which no type of ours does.
    pub fn json(status: StatusCode, value: &impl Serialize) -> Result<Self, Problem> {
        match serde_json::to_vec(value) {
            Ok(bytes) => Ok(Self::of(status, Payload::Json(bytes.into()))),
            Err(error) => {
                tracing::error!(%error, "an answer cannot be written");
                Err(Problem::internal())
            }
        }
    }

    /// 200 with JSON.
    ///
    /// # Errors
    /// As [`Answer::json`].
    pub fn ok(value: &impl Serialize) -> Result<Self, Problem> {
        Self::json(StatusCode::OK, value)
    }

    /// 201 with JSON, and where it is from now on.
    ///
    /// # Errors
    /// As [`Answer::json`].
    pub fn created(location: &str, value: &impl Serialize) -> Result<Self, Problem> {
        Ok(Self::json(StatusCode::CREATED, value)?.text_header(header::LOCATION, location))
    }

    /// 204.
    #[must_use]
    pub fn nothing() -> Self {
        Self::of(StatusCode::NO_CONTENT, Payload::Empty)
    }

    /// Any payload.
    #[must_use]
    pub fn of(status: StatusCode, payload: Payload) -> Self {
        Self { status, payload, headers: Vec::new(), secrets: Vec::new(), nonce: None }
    }

    /// A page. Its headers are those of pages: its own files only, and no inline script or style.
    #[must_use]
    pub fn page(status: StatusCode, html: impl Into<Bytes>) -> Self {
        Self::of(status, Payload::Typed("text/html; charset=utf-8", html.into()))
    }

    /// A page whose scripts carry this nonce.
    #[must_use]
    pub fn nonce(mut self, nonce: Nonce) -> Self {
        self.nonce = Some(nonce);
        self
    }

    /// With a header.
    #[must_use]
    pub fn with(mut self, name: HeaderName, value: HeaderValue) -> Self {
        self.headers.push((name, value));
        self
    }

    /// With a header whose text may not be one; then without it.
    #[must_use]
    pub fn text_header(self, name: HeaderName, text: &str) -> Self {
        match HeaderValue::from_str(text) {
            Ok(value) => self.with(name, value),
            Err(_) => self,
        }
    }

    /// This member of the JSON (a JSON Pointer: `/key`) is shown once and never kept.
    #[must_use]
    pub fn secret(mut self, pointer: &'static str) -> Self {
        self.secrets.push(pointer);
        self
    }

    /// With a strong `ETag`.
    #[must_use]
    pub fn etag(self, version: &str) -> Self {
        self.text_header(header::ETAG, &format!("\"{version}\""))
    }

    /// The status.
    #[must_use]
    pub fn status(&self) -> StatusCode {
        self.status
    }

    /// The body's JSON, where it is JSON.
    #[must_use]
    pub fn json_bytes(&self) -> Option<&Bytes> {
        match &self.payload {
            Payload::Json(bytes) => Some(bytes),
            _ => None,
        }
    }

    pub(crate) fn headers(&self) -> &[(HeaderName, HeaderValue)] {
        &self.headers
    }

    /// The body's JSON with `null` for what is shown once; `None` where it is not JSON.
    pub(crate) fn json_blanked(&self) -> Option<serde_json::Value> {
        let mut value: serde_json::Value = serde_json::from_slice(self.json_bytes()?).ok()?;
        for pointer in &self.secrets {
            if let Some(member) = value.pointer_mut(pointer) {
                *member = serde_json::Value::Null;
            }
        }
        Some(value)
    }

    pub(crate) fn into_response(self) -> axum::response::Response {
        let (media, body) = match self.payload {
            Payload::Empty => (None, axum::body::Body::empty()),
            Payload::Json(bytes) => (Some("application/json"), bytes.into()),
            Payload::Typed(media, bytes) => (Some(media), bytes.into()),
            Payload::Stream(media, body) => (Some(media), body),
        };
        let mut response = axum::response::Response::new(body);
        *response.status_mut() = self.status;
        if let Some(nonce) = self.nonce {
            response.extensions_mut().insert(nonce);
        }
        let headers = response.headers_mut();
        if let Some(media) = media {
            headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(media));
        }
        for (name, value) in self.headers {
            headers.append(name, value);
        }
        response
    }
}
