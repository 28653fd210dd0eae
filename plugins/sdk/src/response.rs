//! [`Response`], and what a status means for the step: the one table every connector starts from.

use serde::de::DeserializeOwned;

use crate::error::{Result, TaskError};

/// Characters of a vendor's own words that are shown in an error: enough for a sentence.
const EXCERPT_CHARS_MAX: usize = 300;

/// An answer, whole. Any status is an answer.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Response {
    /// HTTP status.
    pub status: u16,
    /// Headers in order.
    pub headers: Vec<(String, Vec<u8>)>,
    /// Body.
    pub body: Vec<u8>,
    /// The Retry-After header as milliseconds from now, read by the host.
    pub retry_after_ms: Option<u64>,
    pub(crate) host: String,
}

impl Response {
    /// First header of this name (any case), if it is text.
    #[must_use]
    pub fn header(&self, name: &str) -> Option<&str> {
        let found = self.headers.iter().find(|(n, _)| n.eq_ignore_ascii_case(name))?;
        std::str::from_utf8(&found.1).ok()
    }

    /// Whether the status is 2xx.
    #[must_use]
    pub fn is_success(&self) -> bool {
        (200..300).contains(&self.status)
    }

    /// The body as text; what is not UTF-8 is replaced.
    #[must_use]
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    /// The body as JSON of this type.
    ///
    /// # Errors
    /// [`TaskError::Permanent`] `bad_response` when it is not: the request has been carried out,
    /// asking again would not help.
    pub fn json<T: DeserializeOwned>(&self) -> Result<T> {
        serde_json::from_slice(&self.body).map_err(|e| {
            TaskError::permanent(format!("the answer of {} is not as expected: {e}", self.host))
                .code("bad_response")
        })
    }

    /// The same if it is a success, else [`Self::to_error`].
    ///
    /// # Errors
    /// Any status but 2xx.
    pub fn error_for_status(self) -> Result<Self> {
        if self.is_success() { Ok(self) } else { Err(self.to_error()) }
    }

    /// What this status means: 401/403 auth, 404/410 not found, 409 conflict, 429 rate limited,
    /// 408/425/5xx transient, other 4xx invalid input, anything else permanent. A vendor with
    /// rules of its own is asked first, this after.
    #[must_use]
    pub fn to_error(&self) -> TaskError {
        let message = format!("{} answered {}{}", self.host, self.status, self.excerpt());
        let error = match self.status {
            401 | 403 => TaskError::auth(message),
            404 | 410 => TaskError::not_found(message),
            409 => TaskError::conflict(message),
            429 => TaskError::rate_limited(message, self.retry_after_ms),
            // Asked to wait: 503 with a Retry-After is a rate limit by another name.
            503 if self.retry_after_ms.is_some() => {
                TaskError::rate_limited(message, self.retry_after_ms)
            }
            408 | 425 | 500..=599 => TaskError::transient(message),
            400..=499 => TaskError::invalid_input(message),
            _ => TaskError::permanent(message),
        };
        error.code(format!("http_{}", self.status))
    }

    /// `: the vendor's own words`, where the body has some in a usual place.
    fn excerpt(&self) -> String {
        let Ok(body) = serde_json::from_slice::<serde_json::Value>(&self.body) else {
            return String::new();
        };
        let usual = ["/error/message", "/error_description", "/message", "/detail", "/error"];
        let words = usual.iter().find_map(|at| body.pointer(at)?.as_str());
        words.map_or_else(String::new, |words| {
            format!(": {}", words.chars().take(EXCERPT_CHARS_MAX).collect::<String>())
        })
    }
}

#[cfg(test)]
mod tests {
    use super::Response;

    fn answer(status: u16, retry_after_ms: Option<u64>) -> Response {
        Response { status, retry_after_ms, host: "api.example".into(), ..Response::default() }
    }

    #[test]
    fn statuses() {
        for (status, after, kind) in [
            (400, None, "invalid-input"),
            (401, None, "auth"),
            (402, None, "invalid-input"),
            (403, None, "auth"),
            (404, None, "not-found"),
            (408, None, "transient"),
            (409, None, "conflict"),
            (410, None, "not-found"),
            (422, None, "invalid-input"),
            (425, None, "transient"),
            (429, None, "rate-limited"),
            (429, Some(3000), "rate-limited"),
            (500, None, "transient"),
            (503, None, "transient"),
            (503, Some(1000), "rate-limited"),
            (529, None, "transient"),
            (302, None, "permanent"),
            (999, None, "permanent"),
        ] {
            assert_eq!(answer(status, after).to_error().kind(), kind, "{status}");
        }
        assert!(answer(204, None).error_for_status().is_ok());
    }

    #[test]
    fn the_vendors_words_are_shown_and_cut() {
        let mut response = answer(400, None);
        response.body = br#"{"error":{"message":"no such model"}}"#.to_vec();
        assert_eq!(response.to_error().message(), "api.example answered 400: no such model");
        response.body = format!(r#"{{"message":"{}"}}"#, "x".repeat(9999)).into_bytes();
        assert!(response.to_error().message().len() < 400);
    }
}
