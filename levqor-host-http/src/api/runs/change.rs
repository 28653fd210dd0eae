//! Changing a run: cancel, pause, resume, replay, and a person's decision.

use axum::http::{Method, StatusCode};
use levqor_core::engine::{Decision, Replay};
use levqor_core::ids::{Organization, RunId};
use levqor_core::run::RunStatus;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::view::RunAnswer;
use super::{accepted, audited, headers, keyed, start};
use crate::app::App;
use crate::caller::Scope;
use crate::http::{Answer, Call, Json, Problem};
use crate::route::{Route, Tag};

const NOT_NOW: &str = "the run is not in a state for it";

pub(super) fn routes() -> Vec<Route> {
    let change = |path, id| {
        Route::new(Method::POST, path, id, Tag::Runs)
            .scope(Scope::RunsWrite)
            .answers::<RunAnswer>(StatusCode::OK, "the run as it is now")
            .refuses(StatusCode::CONFLICT, NOT_NOW)
    };
    vec![
        change("/api/v1/runs/{run}/cancel", "cancel_run")
            .about("End a run: after the answer no step starts and nothing is charged")
            .to(cancel),
        change("/api/v1/runs/{run}/pause", "pause_run")
            .about("Let calls under way finish and start no step until resumed")
            .to(pause),
        change("/api/v1/runs/{run}/signal", "signal_run")
            .about("Decide an approval that a run waits for")
            .to(signal),
        Route::new(Method::POST, "/api/v1/runs/{run}/resume", "resume_run", Tag::Runs)
            .scope(Scope::RunsWrite)
            .about("Send a paused run on, or continue an ended one in a new run, once")
            .answers::<RunAnswer>(StatusCode::ACCEPTED, "the run that goes on")
            .refuses(StatusCode::CONFLICT, NOT_NOW)
            .to(resume),
        Route::new(Method::POST, "/api/v1/runs/{run}/replay", "replay_run", Tag::Runs)
            .about("Run an ended run again, from a step, with an edited document or another input")
            .starts_run()
            .to(replay),
    ]
}

async fn cancel(app: App, call: Call) -> Result<Answer, Problem> {
    let run = call.run()?;
    let (organization, engine) = audited(&app, &call, Scope::RunsWrite, &run.to_string())?;
    match engine.cancel(organization, run).await {
        Ok(()) => {}
        // Asked twice: it is what was asked for.
        Err(error) if error.code() == "run.ended" => {
            if app.engine.summary(organization, run).await?.status != RunStatus::Cancelled {
                return Err(error.into());
            }
        }
        Err(error) => return Err(error.into()),
    }
    as_it_is(&app, organization, run).await
}

async fn pause(app: App, call: Call) -> Result<Answer, Problem> {
    let run = call.run()?;
    let (organization, engine) = audited(&app, &call, Scope::RunsWrite, &run.to_string())?;
    engine.pause(organization, run).await?;
    as_it_is(&app, organization, run).await
}

/// A decision on an approval.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct SignalRequest {
    /// The step's id, or its path where it is in a loop: `review`, `each[3].review`.
    #[schemars(length(min = 1))]
    step: String,
    /// Whether it is approved.
    approved: bool,
    /// What was filled in; fits the step's `form_schema` when approved.
    #[serde(default)]
    form: Value,
}

async fn signal(app: App, call: Call<Json<SignalRequest>>) -> Result<Answer, Problem> {
    let run = call.run()?;
    let (organization, engine) = audited(&app, &call, Scope::RunsWrite, &run.to_string())?;
    let SignalRequest { step, approved, form } = &call.body.0;
    let by = call.caller()?.principal();
    let decision = Decision { step: step.clone(), approved: *approved, form: form.clone(), by };
    engine.decide(organization, run, &decision).await?;
    as_it_is(&app, organization, run).await
}

async fn as_it_is(app: &App, organization: &Organization, run: RunId) -> Result<Answer, Problem> {
    let status = app.engine.summary(organization, run).await?.status;
    Answer::ok(&RunAnswer { id: run.to_string(), status, output: None, error: None })
}

/// How a run goes on.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct ResumeRequest {
    /// Another limit of credits for what is left.
    #[serde(default, deserialize_with = "crate::http::maybe_whole")]
    max_credits: Option<u64>,
}

async fn resume(app: App, call: Call<Json<ResumeRequest>>) -> Result<Answer, Problem> {
    let run = call.run()?;
    let (organization, engine) = audited(&app, &call, Scope::RunsWrite, &run.to_string())?;
    let goes_on = engine.resume(organization, run, call.body.0.max_credits).await?;
    accepted(&app, &call, organization, goes_on).await
}

/// What a replay changes; an empty object for nothing.
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct ReplayRequest {
    /// The first step to run anew; outputs of the steps before it are taken over.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    from: Option<String>,
    /// Another document than the run's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    document: Option<Map<String, Value>>,
    /// Another input than the run's; `null` is one too.
    #[serde(default, skip_serializing_if = "Option::is_none", deserialize_with = "given")]
    input: Option<Value>,
}

/// A value that is there and null is not an absent one.
fn given<'de, D: serde::Deserializer<'de>>(d: D) -> Result<Option<Value>, D::Error> {
    Value::deserialize(d).map(Some)
}

async fn replay(app: App, call: Call<Json<ReplayRequest>>) -> Result<Answer, Problem> {
    let run = call.run()?;
    let (organization, engine) = audited(&app, &call, Scope::RunsWrite, &run.to_string())?;
    let asked = &call.body.0;
    let request = keyed(&call, asked)?;
    if let Some(request) = &request
        && let Some(known) = app.engine.started(organization, request).await?
    {
        return accepted(&app, &call, organization, known).await;
    }
    let mut how = Replay::default();
    // A foreign run must answer as an absent one, whatever else is wrong with the request.
    app.engine.summary(organization, run).await?;
    if let Some(document) = &asked.document {
        how.pipeline = Some(start::compile(&app, organization, document).await?);
    }
    how.from.clone_from(&asked.from);
    how.input.clone_from(&asked.input);
    how.principal = Some(call.caller()?.principal());
    how.traceparent = headers::traceparent(&call.head.headers);
    how.request = request;
    let replayed = engine.replay(organization, run, how).await?;
    accepted(&app, &call, organization, replayed).await
}
