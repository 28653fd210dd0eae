//! `POST /api/v1/intake`: a run of a stored pipeline by its name, for those who only hand work in.

use std::sync::Arc;

use axum::http::Method;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::runs::{Asked, Labels, What, accept};
use crate::app::App;
use crate::http::{Answer, Call, Json, Problem, Time};
use crate::route::{Route, Tag};

pub(super) fn routes() -> Vec<Route> {
    vec![
        Route::new(Method::POST, "/api/v1/intake", "intake", Tag::Runs)
            .about("Start a run of a stored pipeline")
            .starts_run()
            .to(intake),
    ]
}

/// Which pipeline to run, and with what.
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct IntakeRequest {
    /// The name of a stored pipeline.
    #[schemars(length(min = 1, max = 64))]
    pipeline: String,
    /// Its input.
    #[serde(default)]
    input: Arc<Value>,
    /// Free labels: 16 at most, names like ids, values of 128 bytes at most.
    #[serde(default)]
    #[schemars(length(max = 16))]
    labels: Labels,
    /// Not before this moment.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    delay_until: Option<Time>,
    /// Most credits it may cost.
    #[serde(
        default,
        skip_serializing_if = "Option::is_none",
        deserialize_with = "crate::http::maybe_whole"
    )]
    max_credits: Option<u64>,
    /// 1 (first) to 5 (last); the document's where absent.
    #[serde(
        default,
        skip_serializing_if = "Option::is_none",
        deserialize_with = "crate::http::maybe_whole"
    )]
    #[schemars(range(min = 1, max = 5))]
    priority: Option<u8>,
}

async fn intake(app: App, call: Call<Json<IntakeRequest>>) -> Result<Answer, Problem> {
    let request = &call.body.0;
    let asked = Asked {
        what: What::Named(&request.pipeline),
        input: &request.input,
        labels: &request.labels,
        delay_until: request.delay_until,
        max_credits: request.max_credits,
        priority: request.priority,
    };
    accept(&app, &call, asked, request).await
}
