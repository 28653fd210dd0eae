//! One connection, from its handshake to its end.
//!
//! Plain connections speak HTTP/1.1 only: a server that first looks which version comes waits for
//! that without a deadline. Over TLS the handshake, which has one, says which.

use std::convert::Infallible;
use std::sync::Arc;

use axum::extract::Request;
use hyper::body::Incoming;
use hyper::server::conn::{http1, http2};
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::server::graceful::Watcher;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio::time::Instant;
use tokio_rustls::TlsAcceptor;
use tokio_util::sync::CancellationToken;

use super::edge::{Edge, Link};
use super::outgoing::{Counted, Outgoing, Watched, outgoing};
use super::tls::H2;
use super::wire::{Open, Paced, Wire};
use crate::limits::{
    BUFFER_BYTES_MAX, ERROR_STREAMS_MAX, HANDSHAKE_TIME, HEAD_BYTES_MAX, HEADERS_MAX, IDLE_TIME,
    PING_EVERY, PING_TIME, RESET_STREAMS_MAX, STREAMS_MAX, WATCH_EVERY, WRITE_STALL,
};

/// What every connection of a host has in common.
#[derive(Clone)]
pub(super) struct Common {
    pub(super) edge: Arc<Edge>,
    pub(super) tls: Option<TlsAcceptor>,
    pub(super) stopping: CancellationToken,
}

/// Serves it to its end.
pub(super) async fn serve(common: Common, stream: TcpStream, mut link: Link, watcher: Watcher) {
    let _ = stream.set_nodelay(true);
    let Some(tls) = common.tls.clone() else {
        return http1(&common, stream, link, watcher).await;
    };
    link.is_tls = true;
    match tokio::time::timeout(HANDSHAKE_TIME, tls.accept(stream)).await {
        Ok(Ok(stream)) if stream.get_ref().1.alpn_protocol() == Some(H2) => {
            http2(&common, stream, link, watcher).await;
        }
        Ok(Ok(stream)) => http1(&common, stream, link, watcher).await,
        Ok(Err(error)) => tracing::debug!(%error, "a TLS handshake failed"),
        Err(_) => tracing::debug!("a TLS handshake took too long"),
    }
}

async fn http1<S>(common: &Common, stream: S, link: Link, watcher: Watcher)
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let open = Open::default();
    let edge = common.edge.clone();
    let refuse = Arc::new(move |problem: &_| edge.refuse(problem, link));
    let wire = Wire::new(Paced::new(stream), open.clone(), refuse);
    let shared = common.clone();
    let service = hyper::service::service_fn(move |request| {
        let counted = Counted::of(open.clone());
        let common = shared.clone();
        async move { Ok::<_, Infallible>(answer(&common, request, link, counted, None).await) }
    });
    // The wire keeps the deadlines and has judged the head; these are only wide enough for it.
    let served = http1::Builder::new()
        .header_read_timeout(None)
        .max_headers(HEADERS_MAX)
        .max_buf_size(BUFFER_BYTES_MAX)
        .serve_connection(TokioIo::new(wire), service);
    if let Err(error) = watcher.watch(served).await {
        tracing::debug!(%error, "a connection ended early");
    }
}

async fn http2<S>(common: &Common, stream: S, link: Link, watcher: Watcher)
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let (open, watched) = (Open::default(), Arc::new(Watched::default()));
    let (shared, streams, bodies) = (common.clone(), open.clone(), watched.clone());
    let service = hyper::service::service_fn(move |request| {
        streams.begin();
        let counted = Counted::of(streams.clone());
        let (common, bodies) = (shared.clone(), bodies.clone());
        async move { Ok::<_, Infallible>(answer(&common, request, link, counted, Some(&bodies)).await) }
    });
    let served = http2::Builder::new(TokioExecutor::new())
        .timer(TokioTimer::new())
        .max_concurrent_streams(STREAMS_MAX)
        // The edge refuses from half of it on, with a problem; beyond it h2 answers a bare 431.
        .max_header_list_size(2 * HEAD_BYTES_MAX as u32)
        .max_pending_accept_reset_streams(RESET_STREAMS_MAX)
        .max_local_error_reset_streams(ERROR_STREAMS_MAX)
        .max_send_buf_size(BUFFER_BYTES_MAX)
        .keep_alive_interval(PING_EVERY)
        .keep_alive_timeout(PING_TIME)
        .serve_connection(TokioIo::new(Paced::new(stream)), service);
    tokio::select! {
        ended = watcher.watch(served) => {
            if let Err(error) = ended {
                tracing::debug!(%error, "a connection ended early");
            }
        }
        () = left_alone(&open, &watched) => tracing::debug!("a connection was left alone"),
    }
}

/// Ends when nothing has been asked for too long, or an answer is not taken.
async fn left_alone(open: &Open, watched: &Watched) {
    let mut asked = Instant::now();
    loop {
        tokio::time::sleep(WATCH_EVERY).await;
        if open.count() > 0 {
            asked = Instant::now();
        }
        if asked.elapsed() > IDLE_TIME || watched.is_stalled(WRITE_STALL) {
            return;
        }
    }
}

async fn answer(
    common: &Common,
    request: hyper::Request<Incoming>,
    link: Link,
    counted: Counted,
    watched: Option<&Watched>,
) -> hyper::Response<Outgoing> {
    let request: Request = request.map(axum::body::Body::new);
    let response = common.edge.answer(request, link).await;
    outgoing(response, counted, &common.stopping, watched)
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    async fn end_of(open: &Open, watched: &Watched) -> Option<Duration> {
        let begun = Instant::now();
        let left = left_alone(open, watched);
        tokio::time::timeout(10 * IDLE_TIME, left).await.ok().map(|()| begun.elapsed())
    }

    #[tokio::test(start_paused = true)]
    async fn a_connection_without_streams_is_left_alone_after_a_minute() {
        let (open, watched) = (Open::default(), Watched::default());
        let took = end_of(&open, &watched).await.unwrap();
        assert!((IDLE_TIME..IDLE_TIME + 2 * WATCH_EVERY).contains(&took), "{took:?}");
        open.begin();
        assert_eq!(end_of(&open, &watched).await, None, "a stream is being answered");
        open.end();
        assert!(end_of(&open, &watched).await.is_some());
    }

    /// A stream whose answer lies there ends the connection; one whose answer is not ready does not.
    #[tokio::test(start_paused = true)]
    async fn an_answer_that_nobody_takes_ends_the_connection() {
        let (open, watched, stop) = (Open::default(), Watched::default(), CancellationToken::new());
        open.begin();
        let response = axum::response::Response::new(axum::body::Body::from("answer"));
        let body = outgoing(response, Counted::of(open.clone()), &stop, Some(&watched));
        let took = end_of(&open, &watched).await.unwrap();
        assert!((WRITE_STALL..WRITE_STALL + 2 * WATCH_EVERY).contains(&took), "{took:?}");
        drop(body);
        assert_eq!(open.count(), 0);
    }
}
