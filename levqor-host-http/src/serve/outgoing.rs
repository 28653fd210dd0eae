//! An answer's body on its way out: counted, ended when the host stops, watched for a stalled peer.

use std::pin::Pin;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Weak};
use std::task::{Context, Poll};
use std::time::Duration;

use axum::body::{Body, Bytes};
use axum::http::header::CONTENT_TYPE;
use axum::response::Response;
use hyper::body::{Body as HttpBody, Frame, SizeHint};
use parking_lot::Mutex;
use tokio::time::Instant;
use tokio_util::sync::{CancellationToken, WaitForCancellationFutureOwned};

use super::wire::Open;

/// Bodies that never end by themselves.
const EVENTS: &[u8] = b"text/event-stream";

/// A body with what is kept of it until it is dropped.
pub(super) struct Outgoing {
    inner: Body,
    /// For a stream of events: when the host stops, it ends.
    stopping: Option<Pin<Box<WaitForCancellationFutureOwned>>>,
    /// When the peer was last given a part and has not asked for the next; 0 where it waits for us.
    given: Option<Arc<Given>>,
    _counted: Counted,
}

#[derive(Debug)]
struct Given {
    began: Instant,
    at_ms: AtomicU64,
}

/// A request that is being answered.
#[derive(Debug)]
pub(super) struct Counted(Open);

impl Counted {
    /// `open` has been counted up for it.
    pub(super) fn of(open: Open) -> Self {
        Self(open)
    }
}

impl Drop for Counted {
    fn drop(&mut self) {
        self.0.end();
    }
}

/// Bodies under way on one connection whose peer decides for each how much it takes: HTTP/2.
#[derive(Debug, Default)]
pub(super) struct Watched(Mutex<Vec<Weak<Given>>>);

impl Watched {
    /// Whether a peer has left a body lie for so long.
    pub(super) fn is_stalled(&self, time: Duration) -> bool {
        let mut all = self.0.lock();
        all.retain(|given| given.strong_count() > 0);
        all.iter().filter_map(Weak::upgrade).any(|given| given.is_stalled(time))
    }
}

impl Given {
    fn now_ms(&self) -> u64 {
        u64::try_from(self.began.elapsed().as_millis()).unwrap_or(u64::MAX).max(1)
    }

    fn is_stalled(&self, time: Duration) -> bool {
        let at_ms = self.at_ms.load(Ordering::Acquire);
        at_ms > 0 && u128::from(self.now_ms().saturating_sub(at_ms)) > time.as_millis()
    }
}

/// The response with its body so kept.
pub(super) fn outgoing(
    response: Response,
    counted: Counted,
    stopping: &CancellationToken,
    watched: Option<&Watched>,
) -> axum::http::Response<Outgoing> {
    let is_events =
        response.headers().get(CONTENT_TYPE).is_some_and(|m| m.as_bytes().starts_with(EVENTS));
    let stopping = is_events.then(|| Box::pin(stopping.clone().cancelled_owned()));
    let given = watched.map(|all| {
        let given = Arc::new(Given { began: Instant::now(), at_ms: AtomicU64::new(1) });
        all.0.lock().push(Arc::downgrade(&given));
        given
    });
    response.map(|inner| Outgoing { inner, stopping, given, _counted: counted })
}

impl HttpBody for Outgoing {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        if let Some(stopping) = &mut self.stopping
            && stopping.as_mut().poll(cx).is_ready()
        {
            return Poll::Ready(None);
        }
        let polled = Pin::new(&mut self.inner).poll_frame(cx);
        if let Some(given) = &self.given {
            let at_ms = if polled.is_pending() { 0 } else { given.now_ms() };
            given.at_ms.store(at_ms, Ordering::Release);
        }
        polled
    }

    fn is_end_stream(&self) -> bool {
        self.inner.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.inner.size_hint()
    }
}

#[cfg(test)]
mod tests {
    use futures_util::FutureExt as _;
    use http_body_util::BodyExt as _;

    use super::*;

    fn out(media: &str, stop: &CancellationToken, watched: &Watched, open: &Open) -> Outgoing {
        let parts = futures_util::stream::iter([Ok::<_, std::io::Error>("part")]);
        let parts = futures_util::StreamExt::chain(parts, futures_util::stream::pending());
        let mut response = Response::new(Body::from_stream(parts));
        response.headers_mut().insert(CONTENT_TYPE, media.parse().unwrap());
        open.begin();
        outgoing(response, Counted::of(open.clone()), stop, Some(watched)).into_body()
    }

    #[test]
    fn a_stream_of_events_ends_when_the_host_stops_and_others_go_on() {
        let (stop, watched, open) = (CancellationToken::new(), Watched::default(), Open::default());
        for (media, ends) in [("text/event-stream", true), ("application/zip", false)] {
            let stop = stop.child_token();
            let mut body = out(media, &stop, &watched, &open);
            assert!(body.frame().now_or_never().unwrap().is_some(), "{media}");
            assert!(body.frame().now_or_never().is_none(), "{media}: it waits for more");
            stop.cancel();
            let ended = body.frame().now_or_never();
            assert_eq!(ended.map(|frame| frame.is_none()), ends.then_some(true), "{media}");
            assert_eq!(open.count(), 1);
            drop(body);
            assert_eq!(open.count(), 0);
        }
    }

    #[test]
    fn a_peer_that_does_not_come_for_the_next_part_is_seen() {
        let (stop, watched, open) = (CancellationToken::new(), Watched::default(), Open::default());
        let mut body = out("text/event-stream", &stop, &watched, &open);
        body.frame().now_or_never().unwrap();
        let given_at = |body: &Outgoing| body.given.as_ref().unwrap().at_ms.load(Ordering::Acquire);
        assert!(given_at(&body) > 0, "a part was given and nobody came");
        assert!(!watched.is_stalled(Duration::from_secs(3_600)), "not for an hour yet");
        body.given.as_ref().unwrap().at_ms.store(1, Ordering::Release);
        while body.given.as_ref().unwrap().now_ms() < 3 {
            std::hint::spin_loop();
        }
        assert!(watched.is_stalled(Duration::from_millis(1)));
        assert!(body.frame().now_or_never().is_none());
        assert_eq!(given_at(&body), 0, "now it waits for us");
        assert!(!watched.is_stalled(Duration::ZERO));
        drop(body);
        assert!(!watched.is_stalled(Duration::ZERO) && watched.0.lock().is_empty());
    }
}
