//! From the table to axum's router.

use std::sync::Arc;

use axum::Router;
use axum::extract::rejection::RawPathParamsRejection;
use axum::extract::{RawPathParams, Request, State};
use axum::http::StatusCode;
use axum::response::Response;
use axum::routing::{MethodFilter, on};

use super::{dispatch, table};
use crate::app::App;
use crate::http::Problem;

/// The router of every route, with answers for what is none.
pub(crate) fn router(app: App) -> Router {
    let mut router = Router::new();
    for route in table() {
        let Ok(filter) = MethodFilter::try_from(route.method.clone()) else { continue };
        let shared = Arc::new(route.clone());
        let handler = move |State(app): State<App>,
                            parts: Result<RawPathParams, RawPathParamsRejection>,
                            request: Request| {
            dispatch::dispatch(app, shared.clone(), parts.ok(), request)
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
