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
use futures_util::FutureExt as _;

use super::{Access, Route, body};
use crate::app::App;
use crate::caller::{Caller, authenticate};
use crate::desk::Begun;
use crate::guard::Told;
use crate::http::{Answer, Head, Problem};
use crate::limits::ANSWER_TIME;

/// What `serve` knows of a request before it is routed.
#[derive(Clone, Debug)]
pub(crate) struct Arrival {
    pub(crate) request_id: Arc<str>,
    pub(crate) address: IpAddr,
    pub(crate) is_secure: bool,
}

/// The request's id; a request that did not come through `serve` has none.
pub(crate) fn request_id(request: &Request) -> Arc<str> {
    arrival(request).request_id
}

fn arrival(request: &Request) -> Arrival {
    request.extensions().get::<Arrival>().cloned().unwrap_or_else(|| Arrival {
        request_id: "".into(),
        address: IpAddr::V4(Ipv4Addr::LOCALHOST),
        is_secure: false,
    })
}

/// Answers a request for this route.
pub(crate) async fn dispatch(
    app: App,
    route: Arc<Route>,
    parts: Option<RawPathParams>,
    request: Request,
) -> Response {
    let Arrival { request_id, address, is_secure } = arrival(&request);
    let (top, body) = request.into_parts();
    let head = Head {
        method: top.method,
        uri: top.uri,
        headers: top.headers,
        address,
        is_secure,
        request_id: request_id.clone(),
        route: route.id,
        parts: parts.iter().flatten().map(|(n, v)| (n.to_owned(), v.to_owned())).collect(),
        once: None,
    };
    let mut told = None;
    let handled = answer(&app, &route, head, parts.is_some(), body, &mut told);
    let answered = match AssertUnwindSafe(handled).catch_unwind().await {
        Ok(answered) => answered,
        Err(_) => {
            tracing::error!(request_id = &*request_id, route = route.id, "a handler panicked");
            Err(Problem::internal())
        }
    };
    let mut response = match answered {
        Ok(answer) => answer.into_response(),
        Err(problem) => refusal(&problem, &request_id),
    };
    if let Some(told) = told {
        told.put(response.headers_mut());
    }
    response
}

async fn answer(
    app: &App,
    route: &Route,
    mut head: Head,
    parts_good: bool,
    body: axum::body::Body,
    told: &mut Option<Told>,
) -> Result<Answer, Problem> {
    if !parts_good {
        return Err(Problem::not_found("path"));
    }
    let who = admitted(app, route, &head).await?;
    if let Some(caller) = &who {
        *told = app.guard.key(caller.limit_key())?;
    }
    let body = body::read(app, body, route.body_bytes_max).await?;
    let organization = who.as_ref().map_or("", |caller| caller.limit_organization());
    let _place = app.guard.place(organization)?;
    if let Some(caller) = who.as_ref().filter(|_| route.is_once) {
        match app.desk.once(caller, &head, &body, app.now()).await? {
            Some(Begun::Again(answer)) => return Ok(answer),
            Some(Begun::New(once)) => head.once = Some(once),
            None => {}
        }
    }
    let handled = route.call(app.clone(), Arc::new(head), who.clone(), body);
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
    app.guard.may_authenticate(head.address)?;
    let who = match authenticate::caller(app, head).await {
        Err(problem) if problem.status() == StatusCode::UNAUTHORIZED => {
            app.guard.failed(head.address);
            return Err(problem);
        }
        who => who?,
    };
    let caller = who.as_ref().ok_or_else(Problem::unauthorized)?;
    if let Some(scope) = needed {
        caller.may(scope)?;
    }
    Ok(who)
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
