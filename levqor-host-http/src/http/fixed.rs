//! [`Fixed`]: an answer whose bytes are the same for as long as the program runs.

use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use bytes::Bytes;
use data_encoding::HEXLOWER;
use sha2::{Digest as _, Sha256};

use super::{Answer, Payload};

/// How long a reader may show its copy without asking: a new version of the host shows soon.
const FRESH: HeaderValue = HeaderValue::from_static("public, max-age=300");
/// Digits of a version: enough that two texts never share one.
const VERSION_DIGITS: usize = 16;

/// Bytes, their media type, and a version that is their digest.
#[derive(Clone, Debug)]
pub(crate) struct Fixed {
    media: &'static str,
    bytes: Bytes,
    version: String,
}

impl Fixed {
    /// These bytes; their version is computed here, so make it once.
    pub(crate) fn new(media: &'static str, bytes: Bytes) -> Self {
        let mut version = HEXLOWER.encode(&Sha256::digest(&bytes));
        version.truncate(VERSION_DIGITS);
        Self { media, bytes, version }
    }

    /// The bytes, or 304 for who has them.
    pub(crate) fn answer(&self, headers: &HeaderMap) -> Answer {
        let answer = if self.is_known(headers) {
            Answer::of(StatusCode::NOT_MODIFIED, Payload::Empty)
        } else {
            Answer::of(StatusCode::OK, Payload::Typed(self.media, self.bytes.clone()))
        };
        answer.etag(&self.version).with(header::CACHE_CONTROL, FRESH)
    }

    fn is_known(&self, headers: &HeaderMap) -> bool {
        let named = headers.get_all(header::IF_NONE_MATCH).iter();
        named.filter_map(|value| value.to_str().ok()).flat_map(|value| value.split(',')).any(
            |tag| {
                let tag = tag.trim();
                // A weak tag matches here, RFC 9110 section 13.1.2.
                let opaque = tag.strip_prefix("W/").unwrap_or(tag).trim_matches('"');
                tag == "*" || opaque == self.version
            },
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_has_it_is_not_sent_it_again() {
        let fixed = Fixed::new("text/plain", Bytes::from_static(b"x"));
        let tag = format!("\"{}\"", fixed.version);
        let weak = format!("\"other\", W/{tag}");
        for (given, status) in [(tag.as_str(), 304), (&weak, 304), ("*", 304), ("\"y\"", 200)] {
            let mut headers = HeaderMap::new();
            headers.insert(header::IF_NONE_MATCH, given.parse().unwrap());
            assert_eq!(fixed.answer(&headers).status().as_u16(), status, "{given}");
        }
        assert_eq!(fixed.answer(&HeaderMap::new()).status().as_u16(), 200);
        assert_ne!(fixed.version, Fixed::new("text/plain", Bytes::from_static(b"y")).version);
    }
}
