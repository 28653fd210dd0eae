//! The operator's own listener: what may be read is read without a key, by this machine alone.
//!
//! A browser on this machine must not be made to read it for a page from elsewhere: only names of
//! this machine are answered. Nothing can be changed here; that takes a key, at the front door.

use std::convert::Infallible;
use std::net::IpAddr;
use std::sync::{Arc, LazyLock};

use axum::Router;
use axum::extract::Request;
use axum::http::{HeaderName, HeaderValue, Method, StatusCode, header};
use axum::response::Response;
use hyper::body::Incoming;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::server::conn::auto;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;
use tower::ServiceExt as _;
use tracing::Instrument as _;

use crate::app::App;
use crate::caller::Scope;
use crate::http::Problem;
use crate::ids;
use crate::limits::{HEAD_BYTES_MAX, HEAD_TIME, HEADERS_MAX};
use crate::observe::request::Seen;
use crate::route::dispatch::{self, Arrival};
use crate::route::{self, Access, Route};

/// Connections at once: a scraper, a probe, a person.
const CONNECTIONS_MAX: usize = 64;

/// What is answered here: everything public of the host itself, and what `ops:read` may see.
static ROUTES: LazyLock<Vec<Route>> = LazyLock::new(|| {
    let readable = |route: &&Route| {
        let open = matches!(route.path, "/healthz" | "/readyz");
        route.method == Method::GET && (open || route.access == Access::Scope(Scope::OpsRead))
    };
    let routes = route::table().iter().filter(readable).cloned();
    routes
        .map(|route| match route.access {
            Access::Public => route,
            _ => route.access(Access::Operator),
        })
        .collect()
});

pub(super) async fn serve(app: App, socket: TcpListener, stop: CancellationToken) {
    let router = route::router_of(app.clone(), &ROUTES);
    let places = Arc::new(Semaphore::new(CONNECTIONS_MAX));
    loop {
        let accepted = tokio::select! {
            biased;
            () = stop.cancelled() => return,
            accepted = socket.accept() => accepted,
        };
        let (Ok((stream, _)), Ok(place)) = (accepted, places.clone().try_acquire_owned()) else {
            tokio::task::yield_now().await;
            continue;
        };
        let (app, router, stop) = (app.clone(), router.clone(), stop.clone());
        tokio::spawn(async move {
            tokio::select! {
                () = stop.cancelled() => {}
                () = connection(app, router, stream) => {}
            }
            drop(place);
        });
    }
}

async fn connection(app: App, router: Router, stream: TcpStream) {
    let mut builder = auto::Builder::new(TokioExecutor::new()).http1_only();
    builder
        .http1()
        .timer(TokioTimer::new())
        .header_read_timeout(HEAD_TIME)
        .max_headers(HEADERS_MAX)
        .max_buf_size(HEAD_BYTES_MAX);
    let service = hyper::service::service_fn(move |request: hyper::Request<Incoming>| {
        let (app, router) = (app.clone(), router.clone());
        async move {
            Ok::<_, Infallible>(answer(&app, router, request.map(axum::body::Body::new)).await)
        }
    });
    if let Err(error) = builder.serve_connection(TokioIo::new(stream), service).await {
        tracing::debug!(%error, "a connection of the operator's listener ended early");
    }
}

async fn answer(app: &App, router: Router, mut request: Request) -> Response {
    let address = IpAddr::V4(std::net::Ipv4Addr::LOCALHOST);
    let arrival = Arrival { request_id: ids::make("req").into(), address, is_secure: false };
    let seen = Seen::arrives(app, &mut request, &arrival.request_id);
    let mut response = if is_of_this_machine(&request) {
        request.extensions_mut().insert(arrival.clone());
        let routed = router.oneshot(request).instrument(seen.span()).await;
        routed.unwrap_or_else(|never| match never {})
    } else {
        let detail = "this listener answers for names of this machine only";
        let problem = Problem::new(StatusCode::MISDIRECTED_REQUEST, "request.host", detail);
        dispatch::refusal(&problem, &arrival.request_id)
    };
    seen.answered(&mut response);
    let headers = response.headers_mut();
    for (name, value) in [
        (header::CACHE_CONTROL, "no-store"),
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (header::CONTENT_SECURITY_POLICY, "default-src 'none'; frame-ancestors 'none'; sandbox"),
        (HeaderName::from_static("cross-origin-resource-policy"), "same-origin"),
    ] {
        headers.insert(name, HeaderValue::from_static(value));
    }
    if let Ok(value) = HeaderValue::from_str(&arrival.request_id) {
        headers.insert(HeaderName::from_static("x-request-id"), value);
    }
    response
}

fn is_of_this_machine(request: &Request) -> bool {
    let host = request.headers().get(header::HOST).and_then(|host| host.to_str().ok());
    let Some(name) = host.and_then(|host| host.parse::<axum::http::uri::Authority>().ok()) else {
        return false;
    };
    let name = name.host().trim_start_matches('[').trim_end_matches(']');
    name == "localhost" || name.parse::<IpAddr>().is_ok_and(|ip| ip.is_loopback())
}
