//! Whether the host lives, and the API's own description.

use axum::http::{Method, StatusCode};
use bytes::Bytes;
use schemars::JsonSchema;
use serde::Serialize;

use crate::app::App;
use crate::http::{Answer, Call, Payload, Problem};
use crate::route::{Route, Tag, openapi};

pub(super) fn routes() -> Vec<Route> {
    vec![
        Route::new(Method::GET, "/healthz", "health", Tag::Meta)
            .about("Whether the process lives; looks at nothing else")
            .answers::<Health>(StatusCode::OK, "it does")
            .to(health),
        Route::new(Method::GET, "/api/v1/openapi.json", "openapi", Tag::Meta)
            .about("This description")
            .answers::<serde_json::Map<String, serde_json::Value>>(StatusCode::OK, "OpenAPI 3.1")
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

async fn description(_app: App, _call: Call) -> Result<Answer, Problem> {
    let text = Bytes::from(openapi::document_text());
    Ok(Answer::of(StatusCode::OK, Payload::Json(text)))
}
