//! From the table to axum's router.

use std::sync::Arc;

use axum::Router;
use axum::extract::rejection::RawPathParamsRejection;
use axum::extract::{RawPathParams, Request, State};
use axum::http::StatusCode;
use axum::response::Response;
use axum::routing::{MethodFilter, on};

use super::{Route, dispatch, table};
use crate::app::App;
use crate::http::Problem;
use crate::observe::request::RouteId;

/// The router of every route, with answers for what is none.
pub(crate) fn router(app: App) -> Router {
    router_of(app, table())
}

/// The router of these routes.
pub(crate) fn router_of(app: App, routes: &[Route]) -> Router {
    let mut router = Router::new();
    for route in routes {
        let Ok(filter) = MethodFilter::try_from(route.method.clone()) else { continue };
        let shared = Arc::new(route.clone());
        let handler = move |State(app): State<App>,
                            parts: Result<RawPathParams, RawPathParamsRejection>,
                            request: Request| {
            let shared = shared.clone();
            async move {
                let id = RouteId(shared.id);
                let mut response = dispatch::dispatch(app, shared, parts.ok(), request).await;
                response.extensions_mut().insert(id);
                response
            }
        };
        router = router.route(route.path, on(filter, handler));
    }
    router
        .fallback(async |request: Request| unknown(&request, StatusCode::NOT_FOUND))
        .method_not_allowed_fallback(async |request: Request| {
            unknown(&request, StatusCode::METHOD_NOT_ALLOWED)
        })
        .with_state(app)
}

fn unknown(request: &Request, status: StatusCode) -> Response {
    let problem = match status {
        StatusCode::METHOD_NOT_ALLOWED => {
            Problem::new(status, "request.method", "this path does not take this method")
        }
        _ => Problem::not_found("path"),
    };
    dispatch::refusal(&problem, &dispatch::request_id(request))
}
