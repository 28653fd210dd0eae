//! Runs: starting, following, ending them.

use std::collections::BTreeMap;
use std::sync::Arc;

use axum::http::{Method, StatusCode};
use levqor_core::document::{self, Format};
use levqor_core::engine::Start;
use levqor_core::ids::Organization;
use levqor_core::pipeline::Pipeline;
use levqor_core::run::RunStatus;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::app::App;
use crate::caller::Scope;
use crate::http::{Answer, Call, Json, Problem};
use crate::route::{Route, Tag};

pub(super) fn routes() -> Vec<Route> {
    vec![
        Route::new(Method::POST, "/api/v1/run", "start_run", Tag::Runs)
            .scope(Scope::RunsWrite)
            .about("Start a run of a document or of a stored pipeline")
            .idempotent()
            .answers::<RunAnswer>(StatusCode::ACCEPTED, "the run is durable and will be driven")
            .to(start),
    ]
}

/// What to run: a document, or the name of a stored pipeline.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct StartRequest {
    /// A pipeline document, `levqor/v1`.
    #[serde(default)]
    document: Option<serde_json::Map<String, Value>>,
    /// The name of a stored pipeline.
    #[serde(default)]
    pipeline: Option<String>,
    /// Its input.
    #[serde(default)]
    input: Value,
    /// Free labels.
    #[serde(default)]
    labels: BTreeMap<String, String>,
    /// Most credits it may cost.
    #[serde(default)]
    max_credits: Option<u64>,
}

/// A run that was accepted.
#[derive(Debug, Serialize, JsonSchema)]
struct RunAnswer {
    /// `run_…`.
    id: String,
    /// `queued` at first.
    status: RunStatus,
}

async fn start(app: App, call: Call<Json<StartRequest>>) -> Result<Answer, Problem> {
    let caller = call.caller()?;
    let organization = caller.may(Scope::RunsWrite)?;
    let request = &call.body.0;
    let pipeline = pipeline_of(&app, organization, request).await?;
    let mut start = Start::new(pipeline, request.input.clone()).organization(organization.clone());
    start.idempotency_key = call.header("idempotency-key").map(str::to_owned);
    start.principal = Some(caller.principal());
    start.traceparent = call.header("traceparent").map(str::to_owned);
    start.labels = request.labels.clone();
    start.max_credits = request.max_credits;
    let run = app.engine.start(start).await?;
    let answer = RunAnswer { id: run.id().to_string(), status: RunStatus::Queued };
    Answer::json(StatusCode::ACCEPTED, &answer)
}

async fn pipeline_of(
    app: &App,
    organization: &Organization,
    request: &StartRequest,
) -> Result<Arc<Pipeline>, Problem> {
    match (&request.document, &request.pipeline) {
        (Some(document), None) => {
            let text = Value::Object(document.clone()).to_string();
            let parsed = document::parse(&text, Format::Json)
                .map_err(levqor_core::engine::Error::Invalid)?;
            Ok(app.engine.compile(organization, &parsed.document, Some(&parsed.spans)).await?)
        }
        (None, Some(name)) => Ok(app.engine.named(organization, name).await?),
        _ => Err(Problem::invalid("run.what", "send either `document` or `pipeline`")),
    }
}
