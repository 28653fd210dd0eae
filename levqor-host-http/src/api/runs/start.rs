//! `POST /api/v1/run`: a run of a document, of a stored pipeline or of a draft.

use std::sync::Arc;
use std::time::Duration;

use axum::http::{HeaderName, HeaderValue, Method, StatusCode, header};
use levqor_core::engine::{Error as EngineError, RunHandle, Start};
use levqor_core::ids::Organization;
use levqor_core::limits::DOCUMENT_BYTES_MAX;
use levqor_core::pipeline::Pipeline;
use levqor_core::run::RunStatus;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::view::RunAnswer;
use super::{Labels, headers, keyed};
use crate::app::App;
use crate::caller::Scope;
use crate::http::{Answer, Call, FieldProblem, Json, Problem, Time};
use crate::planning::draft_document;
use crate::route::{Route, Tag};

pub(super) fn routes() -> Vec<Route> {
    vec![
        Route::new(Method::POST, "/api/v1/run", "start_run", Tag::Runs)
            .about("Start a run of a document, of a stored pipeline or of a draft")
            .starts_run()
            .to(start),
    ]
}

impl Route {
    /// What every route has that starts a run.
    pub(crate) fn starts_run(self) -> Self {
        self.scope(Scope::RunsWrite)
            .idempotent()
            .header("Prefer", "`wait=N`: wait up to N seconds, 25 at most, for the run's end")
            .header("traceparent", "W3C trace context, kept on the run")
            .answers::<RunAnswer>(StatusCode::ACCEPTED, "the run is durable and will be driven")
            .answers::<RunAnswer>(StatusCode::OK, "it ended within the time to wait")
            .refuses(StatusCode::PAYMENT_REQUIRED, "the credits do not cover it")
            .refuses(StatusCode::CONFLICT, "its concurrency key is taken")
    }
}

/// What to run: a document, the name of a stored pipeline, or the id of a draft.
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(extend("oneOf" = [
    { "required": ["document"] }, { "required": ["pipeline"] }, { "required": ["draft"] },
]))]
struct StartRequest {
    /// A pipeline document, `levqor/v1`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    document: Option<Map<String, Value>>,
    /// The name of a stored pipeline.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 64))]
    pipeline: Option<String>,
    /// The id of a draft that `POST /api/v1/plan` made.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 64))]
    draft: Option<String>,
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

async fn start(app: App, call: Call<Json<StartRequest>>) -> Result<Answer, Problem> {
    let request = &call.body.0;
    let what = match (&request.document, &request.pipeline, &request.draft) {
        (Some(document), None, None) => What::Document(document),
        (None, Some(name), None) => What::Named(name),
        (None, None, Some(id)) => What::Draft(id),
        _ => {
            let detail = "send one of `document`, `pipeline` and `draft`";
            return Err(Problem::invalid("run.what", detail));
        }
    };
    let asked = Asked {
        what,
        input: &request.input,
        labels: &request.labels,
        delay_until: request.delay_until,
        max_credits: request.max_credits,
        priority: request.priority,
    };
    accept(&app, &call, asked, request).await
}

/// What a start runs.
#[derive(Debug)]
pub(crate) enum What<'a> {
    Document(&'a Map<String, Value>),
    Named(&'a str),
    Draft(&'a str),
}

/// A start as a request asks for it.
#[derive(Debug)]
pub(crate) struct Asked<'a> {
    pub(crate) what: What<'a>,
    pub(crate) input: &'a Arc<Value>,
    pub(crate) labels: &'a Labels,
    pub(crate) delay_until: Option<Time>,
    pub(crate) max_credits: Option<u64>,
    pub(crate) priority: Option<u8>,
}

/// Accepts a run, or answers what the same request has started before. `said` is all that the
/// request says.
pub(crate) async fn accept<B, Q>(
    app: &App,
    call: &Call<B, Q>,
    asked: Asked<'_>,
    said: &impl Serialize,
) -> Result<Answer, Problem> {
    let caller = call.caller()?;
    let organization = caller.may(Scope::RunsWrite)?;
    let request = keyed(call, said)?;
    // Before anything else is looked at: a repetition is answered as the first request was, also
    // when the pipeline has changed or gone since.
    if let Some(request) = &request
        && let Some(known) = app.engine.started(organization, request).await?
    {
        return accepted(app, call, organization, known).await;
    }
    let pipeline = match asked.what {
        What::Document(document) => compile(app, organization, document).await?,
        What::Named(name) => app.engine.named(organization, name).await?,
        What::Draft(id) => {
            let document = draft_document(app, organization, id).await?;
            compile(app, organization, &document).await?
        }
    };
    let mut start = Start::new(pipeline, asked.input.clone()).organization(organization.clone());
    start.request = request;
    start.principal = Some(caller.principal());
    start.labels = asked.labels.clone();
    start.delay_until = asked.delay_until.map(|at| at.0);
    start.max_credits = asked.max_credits;
    start.priority = asked.priority;
    start.traceparent = headers::traceparent(&call.head.headers);
    let run = app.engine.start(start).await?;
    accepted(app, call, organization, run).await
}

/// The answer to a start: 202 at once, or 200 when the run ended in time. A plain 202 is the same
/// for every repetition.
pub(crate) async fn accepted<B, Q>(
    app: &App,
    call: &Call<B, Q>,
    organization: &Organization,
    run: RunHandle,
) -> Result<Answer, Problem> {
    let (id, replayed) = (run.id(), run.replayed());
    let wait = headers::wait(&call.head.headers);
    let answer = match wait {
        Some(wait) => waited(app, organization, run, wait).await?,
        None => RunAnswer::queued(id),
    };
    let ended = answer.status.is_final();
    let status = if ended { StatusCode::OK } else { StatusCode::ACCEPTED };
    let mut answered =
        Answer::json(status, &answer)?.text_header(header::LOCATION, &format!("/api/v1/runs/{id}"));
    if let Some(wait) = wait {
        let name = HeaderName::from_static("preference-applied");
        answered = answered.text_header(name, &format!("wait={}", wait.as_secs()));
    }
    if replayed {
        let name = HeaderName::from_static("idempotent-replayed");
        answered = answered.with(name, HeaderValue::from_static("true"));
    }
    Ok(answered)
}

/// The run as it is after the time to wait, or when it ended. The run is accepted whatever happens
/// meanwhile: a host that stops answers what it knows.
async fn waited(
    app: &App,
    organization: &Organization,
    run: RunHandle,
    wait: Duration,
) -> Result<RunAnswer, Problem> {
    let id = run.id();
    let ended = tokio::select! {
        ended = tokio::time::timeout(wait, run.wait()) => ended.ok(),
        () = app.stopping.cancelled() => None,
    };
    match ended {
        Some(Ok(result)) => Ok(RunAnswer::ended(result)),
        Some(Err(EngineError::Stopped)) | None => {
            let detail = app.engine.get(organization, id).await;
            Ok(detail.map_or_else(|_| RunAnswer::queued(id), RunAnswer::of))
        }
        Some(Err(error)) => Err(error.into()),
    }
}

/// Compiles a document that stands in a request's `document`.
pub(super) async fn compile(
    app: &App,
    organization: &Organization,
    document: &Map<String, Value>,
) -> Result<Arc<Pipeline>, Problem> {
    let value = Value::Object(document.clone());
    let bytes = serde_json::to_vec(&value).map_or(usize::MAX, |text| text.len());
    if bytes > DOCUMENT_BYTES_MAX {
        let detail = format!("a document has at most {DOCUMENT_BYTES_MAX} bytes");
        let problem = Problem::invalid("document.invalid", detail.clone());
        let field = FieldProblem::new("#/document", "document.too_large", detail);
        return Err(problem.errors(vec![field]));
    }
    app.engine.compile_value(organization, &value).await.map_err(|error| match error {
        EngineError::Invalid(mut issues) => {
            for issue in &mut issues {
                issue.pointer.insert_str(0, "/document");
            }
            EngineError::Invalid(issues).into()
        }
        other => other.into(),
    })
}

impl RunAnswer {
    fn ended(result: levqor_core::engine::RunResult) -> Self {
        let status = result.status;
        Self { id: result.id.to_string(), status, output: result.output, error: result.error }
    }

    fn of(detail: levqor_core::engine::RunDetail) -> Self {
        let (id, status) = (detail.summary.id.to_string(), detail.summary.status);
        Self { id, status, output: detail.output, error: detail.error }
    }

    fn queued(id: levqor_core::ids::RunId) -> Self {
        Self { id: id.to_string(), status: RunStatus::Queued, output: None, error: None }
    }
}
