//! The outermost layer: what is about every request before it is routed, and every answer after.
//!
//! Also answers what no handler sees: heads that are none, connections that are too many.

use std::io::Write as _;
use std::net::{IpAddr, SocketAddr};

use axum::Router;
use axum::extract::Request;
use axum::http::uri::Authority;
use axum::http::{HeaderMap, HeaderName, HeaderValue, StatusCode, Uri, header};
use axum::response::Response;
use bytes::Bytes;
use tower::ServiceExt as _;
use tracing::Instrument as _;

use super::headers::{self, Way};
use super::hosts::Hosts;
use super::proxies::Proxies;
use crate::app::App;
use crate::config::ConfigError;
use crate::guard::Told;
use crate::http::Problem;
use crate::ids;
use crate::limits::{HEAD_BYTES_MAX, HEADERS_MAX};
use crate::observe::request::Seen;
use crate::route::dispatch::{self, Arrival};

/// A connection's two ends.
#[derive(Clone, Copy, Debug)]
pub(super) struct Link {
    pub(super) peer: SocketAddr,
    pub(super) local: SocketAddr,
    pub(super) is_tls: bool,
}

/// The layer and what it lies around.
#[derive(Debug)]
pub(super) struct Edge {
    app: App,
    router: Router,
    hosts: Hosts,
    pub(super) proxies: Proxies,
}

impl Edge {
    pub(super) fn new(app: App) -> Result<Self, ConfigError> {
        let hosts = Hosts::new(&app.config)?;
        let proxies = Proxies::new(&app.config)?;
        let router = crate::route::router(app.clone());
        Ok(Self { app, router, hosts, proxies })
    }

    /// Answers one request.
    pub(super) async fn answer(&self, mut request: Request, link: Link) -> Response {
        let peer = link.peer.ip();
        let arrival = Arrival {
            request_id: ids::make("req").into(),
            address: self.proxies.client(request.headers(), peer),
            is_secure: self.proxies.is_secure(request.headers(), peer, link.is_tls),
        };
        let seen = Seen::arrives(&self.app, &mut request, &arrival.request_id);
        let mut response = match self.admit(&request, &arrival, link) {
            Ok(told) => {
                request.extensions_mut().insert(arrival.clone());
                let router = self.router.clone();
                let handled = router.oneshot(request).instrument(seen.span());
                let mut response = handled.await.unwrap_or_else(|never| match never {});
                if let Some(told) = told {
                    told.put(response.headers_mut());
                }
                response
            }
            Err(problem) => dispatch::refusal(&problem, &arrival.request_id),
        };
        seen.answered(&mut response);
        finish(&mut response, &arrival);
        response
    }

    /// What is looked at before a route.
    fn admit(
        &self,
        request: &Request,
        arrival: &Arrival,
        link: Link,
    ) -> Result<Option<Told>, Problem> {
        let told = self.app.guard.arrive(arrival.address)?;
        if head_bytes(request.uri(), request.headers()) > HEAD_BYTES_MAX
            || request.headers().len() > HEADERS_MAX
        {
            let detail =
                format!("a head has at most {HEAD_BYTES_MAX} bytes and {HEADERS_MAX} fields");
            let status = StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE;
            return Err(Problem::new(status, "request.head_too_large", detail));
        }
        let asked = asked(request.uri(), request.headers())?;
        if !self.hosts.knows(&asked, link.local, arrival.is_secure) {
            let detail = "this host does not answer for that name; its settings `public_url` and \
                          `hosts` say for which";
            return Err(Problem::new(StatusCode::MISDIRECTED_REQUEST, "request.host", detail));
        }
        Ok(told)
    }

    /// A refusal that no handler made, as the bytes of an answer that ends its connection.
    pub(super) fn refuse(&self, problem: &Problem, link: Link) -> Bytes {
        let is_secure = link.is_tls;
        let arrival =
            Arrival { request_id: ids::make("req").into(), address: link.peer.ip(), is_secure };
        let text = serde_json::to_vec(&problem.document(&arrival.request_id)).unwrap_or_default();
        let mut response = dispatch::refusal(problem, &arrival.request_id);
        finish(&mut response, &arrival);
        let headers = response.headers_mut();
        headers.insert(header::CONTENT_LENGTH, HeaderValue::from(text.len()));
        headers.insert(header::CONNECTION, HeaderValue::from_static("close"));
        let now = jiff::Timestamp::new(self.app.now().as_millis() / 1_000, 0).unwrap_or_default();
        let date = jiff::fmt::rfc2822::DateTimePrinter::new().timestamp_to_rfc9110_string(&now);
        if let Some(date) = date.ok().and_then(|date| HeaderValue::from_str(&date).ok()) {
            headers.insert(header::DATE, date);
        }
        written(&response, &text)
    }

    /// The refusal of a connection that is one too many.
    pub(super) fn too_many(&self, link: Link) -> Bytes {
        let detail = "there are too many connections, in all or of this address";
        let status = StatusCode::SERVICE_UNAVAILABLE;
        self.refuse(&Problem::new(status, "limit.connections", detail).retry_after(1), link)
    }
}

fn finish(response: &mut Response, arrival: &Arrival) {
    if let Ok(value) = HeaderValue::from_str(&arrival.request_id) {
        response.headers_mut().insert(HeaderName::from_static("x-request-id"), value);
    }
    let Arrival { is_secure, address, .. } = *arrival;
    headers::put(response, Way { is_secure, is_local: is_local(address) });
}

fn is_local(address: IpAddr) -> bool {
    address.to_canonical().is_loopback()
}

/// The head's size as HTTP/2 counts it; HTTP/1.1's was bounded on the wire.
fn head_bytes(uri: &Uri, headers: &HeaderMap) -> usize {
    let target = uri.path().len() + uri.query().map_or(0, str::len);
    target + headers.iter().map(|(n, v)| n.as_str().len() + v.len() + 32).sum::<usize>()
}

/// The name that is asked: `:authority`, or `Host`; where there are both, they agree.
fn asked(uri: &Uri, headers: &HeaderMap) -> Result<Authority, Problem> {
    let refused = || Problem::bad_request("request.head", "a request has one `Host`");
    let mut hosts = headers.get_all(header::HOST).iter();
    let host = match (hosts.next(), hosts.next()) {
        (None, _) => None,
        (Some(host), None) => Some(Authority::try_from(host.as_bytes()).map_err(|_| refused())?),
        _ => return Err(refused()),
    };
    match (uri.authority(), host) {
        (Some(a), Some(b)) if !a.as_str().eq_ignore_ascii_case(b.as_str()) => Err(refused()),
        (Some(authority), _) => Ok(authority.clone()),
        (None, Some(host)) => Ok(host),
        (None, None) => Err(refused()),
    }
}

/// An answer as HTTP/1.1 writes it.
fn written(response: &Response, body: &[u8]) -> Bytes {
    let mut bytes = Vec::with_capacity(2_048);
    let status = response.status();
    let reason = status.canonical_reason().unwrap_or_default();
    let _ = write!(bytes, "HTTP/1.1 {} {reason}\r\n", status.as_u16());
    for (name, value) in response.headers() {
        let _ = write!(bytes, "{name}: ");
        bytes.extend_from_slice(value.as_bytes());
        bytes.extend_from_slice(b"\r\n");
    }
    bytes.extend_from_slice(b"\r\n");
    bytes.extend_from_slice(body);
    bytes.into()
}
