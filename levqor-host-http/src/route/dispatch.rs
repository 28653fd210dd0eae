//! One request on its way through: authenticated, read, handled, answered.
//!
//! What is about the connection (headers of every answer, hosts, limits of addresses) is before
//! this, in `serve`.

use std::net::{IpAddr, Ipv4Addr};
use std::panic::AssertUnwindSafe;
use std::sync::Arc;

use axum::extract::{RawPathParams, Request};
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::Response;
use bytes::Bytes;
use futures_util::FutureExt as _;
use http_body_util::{BodyExt as _, LengthLimitError, Limited};

use super::{Access, Route};
use crate::app::App;
use crate::caller::{Caller, authenticate};
use crate::http::{Answer, Head, Problem};
use crate::limits::{ANSWER_TIME, BODY_TIME};

/// What `serve` knows of a request before it is routed.
#[derive(Clone, Debug)]
pub(crate) struct Arrival {
    pub(crate) request_id: Arc<str>,
    pub(crate) address: IpAddr,
}

/// The request's id; a request that did not come through `serve` has none.
pub(crate) fn request_id(request: &Request) -> Arc<str> {
    arrival(request).request_id
}

fn arrival(request: &Request) -> Arrival {
    request.extensions().get::<Arrival>().cloned().unwrap_or_else(|| Arrival {
        request_id: "".into(),
        address: IpAddr::V4(Ipv4Addr::LOCALHOST),
    })
}

/// Answers a request for this route.
pub(crate) async fn dispatch(
    app: App,
    route: Arc<Route>,
    parts: Option<RawPathParams>,
    request: Request,
) -> Response {
    let Arrival { request_id, address } = arrival(&request);
    let (top, body) = request.into_parts();
    let head = Head {
        method: top.method,
        uri: top.uri,
        headers: top.headers,
        address,
        request_id: request_id.clone(),
        route: route.id,
        parts: parts.iter().flatten().map(|(n, v)| (n.to_owned(), v.to_owned())).collect(),
    };
    let handled = AssertUnwindSafe(answer(&app, &route, Arc::new(head), parts.is_some(), body));
    let answered = match handled.catch_unwind().await {
        Ok(answered) => answered,
        Err(_) => {
            tracing::error!(request_id = &*request_id, route = route.id, "a handler panicked");
            Err(Problem::internal())
        }
    };
    match answered {
        Ok(answer) => answer.into_response(),
        Err(problem) => refusal(&problem, &request_id),
    }
}

async fn answer(
    app: &App,
    route: &Route,
    head: Arc<Head>,
    parts_good: bool,
    body: axum::body::Body,
) -> Result<Answer, Problem> {
    if !parts_good {
        return Err(Problem::not_found("path"));
    }
    let who = admitted(app, route, &head).await?;
    let body = read(body, route.body_bytes_max).await?;
    let handled = route.call(app.clone(), head, who, body);
    match tokio::time::timeout(ANSWER_TIME, handled).await {
        Ok(answered) => answered,
        Err(_) => {
            let status = StatusCode::SERVICE_UNAVAILABLE;
            Err(Problem::new(status, "request.timeout", "it took too long").retry_after(1))
        }
    }
}

/// Who asks, if they may ask this at all. Handlers ask again for the organization, by scope.
async fn admitted(app: &App, route: &Route, head: &Head) -> Result<Option<Caller>, Problem> {
    let needed = match route.access {
        Access::Public | Access::Signed => return Ok(None),
        Access::Operator => return Ok(Some(Caller::at_the_operators_listener())),
        Access::Caller => None,
        Access::Scope(scope) => Some(scope),
    };
    let who = authenticate::caller(app, &head.headers).await?;
    let caller = who.as_ref().ok_or_else(Problem::unauthorized)?;
    if let Some(scope) = needed {
        caller.may(scope)?;
    }
    Ok(who)
}

async fn read(body: axum::body::Body, bytes_max: usize) -> Result<Bytes, Problem> {
    let collected = Limited::new(body, bytes_max).collect();
    match tokio::time::timeout(BODY_TIME, collected).await {
        Ok(Ok(whole)) => Ok(whole.to_bytes()),
        Ok(Err(error)) if error.is::<LengthLimitError>() => {
            let status = StatusCode::PAYLOAD_TOO_LARGE;
            let detail = format!("the body is over {bytes_max} bytes");
            Err(Problem::new(status, "request.body_too_large", detail))
        }
        Ok(Err(_)) => Err(Problem::bad_request("request.body", "the body did not arrive whole")),
        Err(_) => {
            let status = StatusCode::REQUEST_TIMEOUT;
            Err(Problem::new(status, "request.body_slow", "the body came too slowly"))
        }
    }
}

/// A refusal as it goes out.
pub(crate) fn refusal(problem: &Problem, request_id: &str) -> Response {
    let text = serde_json::to_vec(&problem.document(request_id)).unwrap_or_default();
    let mut response = Response::new(axum::body::Body::from(text));
    *response.status_mut() = problem.status();
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/problem+json"));
    for (name, value) in problem.headers() {
        headers.append(name.clone(), value.clone());
    }
    response
}
