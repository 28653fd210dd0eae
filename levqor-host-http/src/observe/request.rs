//! [`Seen`]: one request as logs, metrics and traces have it.
//!
//! Of a request nothing is written down but its route, its status and how long it took. Paths are
//! not: an unknown one may hold a secret that was pasted into the wrong place.

use std::time::Instant;

use axum::extract::Request;
use axum::http::{HeaderName, HeaderValue};
use axum::response::Response;
use tracing::Span;

use super::trace::Trace;
use crate::app::App;

/// W3C trace context.
const TRACEPARENT: HeaderName = HeaderName::from_static("traceparent");
/// The route of what reached none.
const NO_ROUTE: &str = "none";

/// Which route answered; stands in the answer's extensions.
#[derive(Clone, Copy, Debug)]
pub(crate) struct RouteId(pub(crate) &'static str);

/// A request under way.
#[derive(Debug)]
pub(crate) struct Seen {
    app: App,
    begun: Instant,
    method: &'static str,
    trace: Trace,
    /// The trace as it goes on.
    traceparent: Option<HeaderValue>,
    span: Span,
}

impl Seen {
    /// A request came. Its `traceparent` is from here on the place of this request in the trace.
    pub(crate) fn arrives(app: &App, request: &mut Request, request_id: &str) -> Self {
        let headers = request.headers_mut();
        let trace = Trace::below(headers.get(TRACEPARENT).and_then(|value| value.to_str().ok()));
        let traceparent = HeaderValue::from_str(&trace.traceparent()).ok();
        if let Some(value) = &traceparent {
            headers.insert(TRACEPARENT, value.clone());
        }
        let span = tracing::info_span!("request", request_id, trace = &*trace.trace);
        let method = method(request.method());
        Self { app: app.clone(), begun: Instant::now(), method, trace, traceparent, span }
    }

    /// What is logged on the way carries the request's id.
    pub(crate) fn span(&self) -> Span {
        self.span.clone()
    }

    /// It is answered.
    pub(crate) fn answered(self, response: &mut Response) {
        let took = self.begun.elapsed();
        let route = response.extensions().get::<RouteId>().map_or(NO_ROUTE, |route| route.0);
        let status = response.status().as_u16();
        self.app.metrics.answered(route, status, took);
        self.app.spans.request(&self.trace, route, self.method, status, took);
        let ms = took.as_secs_f64() * 1_000.0;
        let ms = (ms * 1_000.0).round() / 1_000.0;
        self.span.in_scope(|| {
            tracing::info!(target: "levqor::request", route, method = self.method, status, ms, "answered");
        });
        if let Some(value) = self.traceparent {
            response.headers_mut().insert(TRACEPARENT, value);
        }
    }
}

/// The method's word; what callers invent has none.
fn method(method: &axum::http::Method) -> &'static str {
    const KNOWN: [&str; 8] = ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE"];
    KNOWN.into_iter().find(|known| *known == method.as_str()).unwrap_or("other")
}
