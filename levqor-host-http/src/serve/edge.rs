//! The outermost layer: what is about every request before it is routed, and every answer after.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::Arc;

use axum::Router;
use axum::extract::{Request, State};
use axum::http::{HeaderName, HeaderValue};
use axum::middleware::{Next, from_fn_with_state};
use axum::response::Response;
use tracing::Instrument as _;

use crate::app::App;
use crate::ids;
use crate::observe::request::Seen;
use crate::route::dispatch::Arrival;

/// What the layer needs.
#[derive(Clone, Debug)]
struct Edge {
    app: App,
}

/// The router with the layer around it.
pub(super) fn around(app: App, _address: SocketAddr) -> Router {
    let edge = Arc::new(Edge { app: app.clone() });
    crate::route::router(app).layer(from_fn_with_state(edge, pass))
}

async fn pass(State(edge): State<Arc<Edge>>, mut request: Request, next: Next) -> Response {
    let peer = request.extensions().get::<SocketAddr>().map(SocketAddr::ip);
    let arrival = Arrival {
        request_id: ids::make("req").into(),
        address: peer.unwrap_or(IpAddr::V4(Ipv4Addr::LOCALHOST)),
    };
    request.extensions_mut().insert(arrival.clone());
    let seen = Seen::arrives(&edge.app, &mut request, &arrival.request_id);
    let mut response = next.run(request).instrument(seen.span()).await;
    seen.answered(&mut response);
    if let Ok(value) = HeaderValue::from_str(&arrival.request_id) {
        response.headers_mut().insert(HeaderName::from_static("x-request-id"), value);
    }
    response
}
