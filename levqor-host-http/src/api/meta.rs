//! Whether the host lives, and the API's own description.

use std::sync::LazyLock;

use axum::http::{Method, StatusCode};
use schemars::JsonSchema;
use serde::Serialize;

use crate::app::App;
use crate::http::{Answer, Call, Fixed, Problem};
use crate::route::{Route, Tag, openapi};

pub(super) fn routes() -> Vec<Route> {
    vec![
        Route::new(Method::GET, "/healthz", "health", Tag::Meta)
            .about("Whether the process lives; looks at nothing else")
            .answers::<Health>(StatusCode::OK, "it does")
            .to(health),
        Route::new(Method::GET, "/api/v1/openapi.json", "openapi", Tag::Meta)
            .about("This description")
            .header("If-None-Match", "the version that you have")
            .answers::<serde_json::Map<String, serde_json::Value>>(StatusCode::OK, "OpenAPI 3.1")
            .answers_media(StatusCode::NOT_MODIFIED, "", "you have it")
            .to(description),
    ]
}

/// The process lives.
#[derive(Debug, Serialize, JsonSchema)]
struct Health {
    /// Always `ok`.
    status: &'static str,
}

async fn health(_app: App, _call: Call) -> Result<Answer, Problem> {
    Answer::ok(&Health { status: "ok" })
}

async fn description(_app: App, call: Call) -> Result<Answer, Problem> {
    static TEXT: LazyLock<Fixed> =
        LazyLock::new(|| Fixed::new("application/json", openapi::document_text().clone()));
    Ok(TEXT.answer(&call.head.headers))
}
