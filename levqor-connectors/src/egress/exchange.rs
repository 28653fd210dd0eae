//! One request on the wire, and what came of it.
//!
//! The question every error answers: can the other side have seen the request? Connecting is the
//! only phase of which "no" is certain; everything later is "sent without answer".

use std::convert::Infallible;
use std::error::Error;
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll};
use std::time::{Instant, SystemTime, UNIX_EPOCH};

use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};
use tokio::time::timeout_at;

use super::client::Egress;
use super::message::{HttpError, Response};
use super::outgoing::Outgoing;
use super::policy::Policy;
use super::resolver::{Refused, ResolveError};
use super::retry_after;
use crate::limits;

impl Egress {
    /// Sends `outgoing` as it is, without following anything; ends at `deadline` at the latest.
    pub(crate) async fn exchange(
        &self,
        policy: &Policy,
        outgoing: Outgoing,
        deadline: Instant,
        body_bytes_max: u64,
    ) -> Result<Response, HttpError> {
        let client = self.client(&policy.private).map_err(|e| HttpError::Connect(e.to_string()))?;
        let begun = Arc::new(AtomicBool::new(false));
        let has_body = outgoing.body.is_some();
        let mut request = client
            .request(outgoing.method.to_http(), outgoing.target.url)
            .headers(outgoing.headers);
        if let Some(body) = outgoing.body {
            let watched = Watched { bytes: Some(body.into()), begun: Arc::clone(&begun) };
            request = request.body(reqwest::Body::wrap(watched));
        }
        let request = request.build().map_err(|e| invalid(&e))?;
        match timeout_at(deadline.into(), client.execute(request)).await {
            Ok(Ok(answer)) => read(answer, deadline, body_bytes_max).await,
            Ok(Err(error)) => Err(classify(&error)),
            // With a body we know whether writing began; without one we do not.
            Err(_) if has_body && !begun.load(Ordering::Acquire) => Err(HttpError::Timeout),
            Err(_) => Err(unanswered("no answer in time")),
        }
    }
}

/// Reads the whole answer; more bytes than allowed is an error, never a cut.
async fn read(
    mut answer: reqwest::Response,
    deadline: Instant,
    body_bytes_max: u64,
) -> Result<Response, HttpError> {
    let status = answer.status().as_u16();
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    let now_ms = u64::try_from(now.as_millis()).unwrap_or(0);
    let retry_after_ms =
        answer.headers().get("retry-after").and_then(|v| retry_after::parse(v.as_bytes(), now_ms));
    if answer.headers().len() > limits::HEADERS_MAX {
        return Err(HttpError::Protocol("too many headers in the answer".to_owned()));
    }
    let headers = answer
        .headers()
        .iter()
        .map(|(name, value)| (name.as_str().to_owned(), value.as_bytes().to_vec()))
        .collect();
    if answer.content_length().is_some_and(|n| n > body_bytes_max) {
        return Err(HttpError::ResponseTooLarge(body_bytes_max));
    }
    let mut body = Vec::new();
    loop {
        match timeout_at(deadline.into(), answer.chunk()).await {
            Ok(Ok(Some(chunk))) => {
                if body.len() as u64 + chunk.len() as u64 > body_bytes_max {
                    return Err(HttpError::ResponseTooLarge(body_bytes_max));
                }
                body.extend_from_slice(&chunk);
            }
            Ok(Ok(None)) => break,
            Ok(Err(_)) => return Err(unanswered("the answer broke off")),
            Err(_) => return Err(unanswered("the answer did not end in time")),
        }
    }
    Ok(Response { status, headers, body, retry_after_ms })
}

/// What an error of the HTTP client means. Its own text is never passed on: it holds the URL.
fn classify(error: &reqwest::Error) -> HttpError {
    if error.is_builder() {
        return invalid(error);
    }
    if !error.is_connect() {
        return unanswered("the connection broke before an answer came");
    }
    if find::<Refused>(error).is_some() {
        return HttpError::Denied("an address of the host is not public".to_owned());
    }
    if find::<ResolveError>(error).is_some() {
        return HttpError::Dns("the host's name has no address".to_owned());
    }
    if let Some(tls) = find::<rustls::Error>(error) {
        return HttpError::Tls(crate::text::clean(&tls.to_string(), 200));
    }
    if error.is_timeout() {
        return HttpError::Timeout;
    }
    let kind = find::<io::Error>(error).map_or(io::ErrorKind::Other, io::Error::kind);
    HttpError::Connect(kind.to_string())
}

/// The first error of type `E` in the chain, also inside an `io::Error`, which hides its own.
fn find<'a, E: Error + 'static>(error: &'a (dyn Error + 'static)) -> Option<&'a E> {
    let mut next = Some(error);
    while let Some(error) = next {
        if let Some(found) = error.downcast_ref::<E>() {
            return Some(found);
        }
        let inner = error.downcast_ref::<io::Error>().and_then(io::Error::get_ref);
        if let Some(inner) = inner {
            let inner: &(dyn Error + 'static) = inner;
            if let Some(found) = find::<E>(inner) {
                return Some(found);
            }
        }
        next = error.source();
    }
    None
}

fn invalid(_: &reqwest::Error) -> HttpError {
    HttpError::InvalidRequest("the request cannot be written".to_owned())
}

fn unanswered(why: &str) -> HttpError {
    HttpError::SentWithoutAnswer(why.to_owned())
}

/// A body of known length that remembers whether anybody began to write it. HTTP/1 writes the head
/// together with the body's first part, so until then nothing has left.
struct Watched {
    bytes: Option<Bytes>,
    begun: Arc<AtomicBool>,
}

impl Body for Watched {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        self.begun.store(true, Ordering::Release);
        let bytes = self.bytes.take().filter(|b| !b.is_empty());
        Poll::Ready(bytes.map(|b| Ok(Frame::data(b))))
    }

    fn is_end_stream(&self) -> bool {
        self.bytes.as_ref().is_none_or(Bytes::is_empty)
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::with_exact(self.bytes.as_ref().map_or(0, |b| b.len() as u64))
    }
}
