//! Goals to drafts, documents to issues, runs to prices; nothing here runs anything.

use std::sync::Arc;

use axum::http::{Method, StatusCode};
use levqor_core::document::{Format, Issue, Severity};
use levqor_core::engine::Error as EngineError;
use levqor_core::ids::Organization;
use levqor_core::pipeline::{Change, Estimate, Pipeline, estimate};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::app::App;
use crate::caller::Scope;
use crate::http::{Answer, Call, Json, Problem};
use crate::planning::{self, Draft, Fallback, MadeBy};
use crate::route::{Route, Tag};

pub(super) fn routes() -> Vec<Route> {
    vec![
        Route::new(Method::POST, "/api/v1/plan", "plan", Tag::Planning)
            .scope(Scope::PipelinesWrite)
            .about("Turn a goal in words into a draft of a pipeline, which nothing runs by itself")
            .idempotent()
            .answers::<DraftAnswer>(StatusCode::CREATED, "a draft, kept for 7 days")
            .to(plan),
        Route::new(Method::GET, "/api/v1/plan", "drafts", Tag::Planning)
            .scope(Scope::PipelinesRead)
            .about("The drafts that are kept, newest first; at most 100")
            .answers::<DraftsAnswer>(StatusCode::OK, "the drafts, without their documents")
            .to(drafts),
        Route::new(Method::GET, "/api/v1/plan/{draft}", "draft", Tag::Planning)
            .scope(Scope::PipelinesRead)
            .about("A draft")
            .answers::<DraftAnswer>(StatusCode::OK, "the draft")
            .to(draft),
        Route::new(Method::POST, "/api/v1/validate", "validate", Tag::Planning)
            .scope(Scope::PipelinesRead)
            .about("Every problem of a document, with its place and a suggestion")
            .answers::<Validated>(StatusCode::OK, "whether it is valid, and what is wrong")
            .to(validate),
        Route::new(Method::POST, "/api/v1/estimate", "estimate", Tag::Planning)
            .scope(Scope::PipelinesRead)
            .about("What a run will cost, before it starts: least, expected and most, with reasons")
            .answers::<Estimate>(StatusCode::OK, "the price")
            .to(price),
    ]
}

/// A goal.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct PlanRequest {
    /// What the pipeline is to do, in words; at most 8 KiB.
    #[schemars(length(min = 1, max = 8192))]
    goal: String,
    /// The name of a stored pipeline to compare the draft with.
    #[serde(default)]
    #[schemars(length(min = 1, max = 64))]
    pipeline: Option<String>,
}

/// A draft of a pipeline.
#[derive(Debug, Serialize, JsonSchema)]
struct DraftAnswer {
    /// `drf_…`; run it by `POST /api/v1/run` with `{"draft": id}`.
    id: String,
    /// The goal it is for.
    goal: String,
    /// Who made it.
    made_by: MadeBy,
    /// Why the model did not make it; `null` where it did.
    fallback: Option<Fallback>,
    /// The document, valid as it stands.
    document: Map<String, Value>,
    /// For people: what it does, what was left out, what is to be filled in.
    note: String,
    /// The actions it calls.
    matched: Vec<String>,
    /// What will keep it from running as it stands, such as a host that is not granted.
    issues: Vec<Issue>,
    /// What a run of it will cost.
    estimate: Estimate,
    /// The pipeline it was compared with.
    pipeline: Option<String>,
    /// What differs from that pipeline; `null` where none was named.
    diff: Option<Vec<Change>>,
    /// The run that asked the model; `null` where none did.
    run: Option<String>,
    /// What that cost, in credits.
    credits: u64,
    /// When it was made.
    #[schemars(extend("format" = "date-time"))]
    created: String,
    /// When it goes.
    #[schemars(extend("format" = "date-time"))]
    expires: String,
}

impl DraftAnswer {
    fn of(draft: Draft) -> Self {
        let Draft { id, goal, document, note, matched, made_by, fallback, issues, .. } = draft;
        let Draft { estimate, pipeline, diff, run, credits, .. } = draft;
        let (created, expires) = (draft.created.to_string(), draft.expires.to_string());
        Self {
            id,
            goal,
            made_by,
            fallback,
            document,
            note,
            matched,
            issues,
            estimate,
            pipeline,
            diff,
            run,
            credits,
            created,
            expires,
        }
    }
}

async fn plan(app: App, call: Call<Json<PlanRequest>>) -> Result<Answer, Problem> {
    let caller = call.caller()?.clone();
    let organization = caller.may(Scope::PipelinesWrite)?.clone();
    let Json(PlanRequest { goal, pipeline }) = call.body;
    let (request, head) = (planning::Request { goal, pipeline }, call.head);
    // On its own: should the caller go away, what was paid for is still kept.
    let making =
        tokio::spawn(
            async move { planning::make(&app, &caller, &organization, &head, request).await },
        );
    let draft = making.await.map_err(|_| Problem::internal())??;
    Answer::created(&format!("/api/v1/plan/{}", draft.id), &DraftAnswer::of(draft))
}

async fn draft(app: App, call: Call) -> Result<Answer, Problem> {
    let organization = call.caller()?.may(Scope::PipelinesRead)?;
    let draft = planning::load(&app, organization, call.part("draft")).await?;
    Answer::ok(&DraftAnswer::of(draft))
}

/// A draft in the list.
#[derive(Debug, Serialize, JsonSchema)]
struct DraftRow {
    /// `drf_…`.
    id: String,
    /// The goal it is for.
    goal: String,
    /// Who made it.
    made_by: MadeBy,
    /// The actions it calls.
    matched: Vec<String>,
    /// When it was made.
    #[schemars(extend("format" = "date-time"))]
    created: String,
    /// When it goes.
    #[schemars(extend("format" = "date-time"))]
    expires: String,
}

/// The drafts that are kept.
#[derive(Debug, Serialize, JsonSchema)]
struct DraftsAnswer {
    /// Newest first.
    data: Vec<DraftRow>,
}

async fn drafts(app: App, call: Call) -> Result<Answer, Problem> {
    let organization = call.caller()?.may(Scope::PipelinesRead)?;
    let row = |draft: Draft| DraftRow {
        id: draft.id,
        goal: draft.goal,
        made_by: draft.made_by,
        matched: draft.matched,
        created: draft.created.to_string(),
        expires: draft.expires.to_string(),
    };
    let drafts = planning::recent(&app, organization).await?;
    Answer::ok(&DraftsAnswer { data: drafts.into_iter().map(row).collect() })
}

/// A document, as JSON or as text.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct ValidateRequest {
    /// The document.
    #[serde(default)]
    document: Option<Map<String, Value>>,
    /// The document's text, YAML or JSON: then issues have their line and column.
    #[serde(default)]
    source: Option<String>,
}

/// What is to be known of a document.
#[derive(Debug, Serialize, JsonSchema)]
struct Validated {
    /// Whether it can be stored and run.
    valid: bool,
    /// Its name, where it is valid.
    name: Option<String>,
    /// Its version by content, where it is valid.
    version: Option<String>,
    /// Everything that is wrong with it.
    issues: Vec<Issue>,
}

async fn validate(app: App, call: Call<Json<ValidateRequest>>) -> Result<Answer, Problem> {
    let organization = call.caller()?.may(Scope::PipelinesRead)?;
    let ValidateRequest { document, source } = &call.body.0;
    let (document, source) = (document.as_ref(), source.as_deref());
    match compiled(&app, organization, document, source).await {
        Ok(pipeline) => Answer::ok(&Validated {
            valid: true,
            name: Some(pipeline.name().to_owned()),
            version: Some(pipeline.hash().to_string()),
            issues: Vec::new(),
        }),
        Err(Refused::Issues(issues)) => {
            let valid = !issues.iter().any(|issue| issue.severity == Severity::Error);
            Answer::ok(&Validated { valid, name: None, version: None, issues })
        }
        Err(Refused::Problem(problem)) => Err(problem),
    }
}

/// What to price: one of document, text, stored pipeline and draft.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct EstimateRequest {
    /// A pipeline document.
    #[serde(default)]
    document: Option<Map<String, Value>>,
    /// A document's text, YAML or JSON.
    #[serde(default)]
    source: Option<String>,
    /// The name of a stored pipeline.
    #[serde(default)]
    pipeline: Option<String>,
    /// The id of a draft.
    #[serde(default)]
    draft: Option<String>,
    /// The input of the run: with it, lists have their length and conditions their truth.
    #[serde(default)]
    input: Value,
}

async fn price(app: App, call: Call<Json<EstimateRequest>>) -> Result<Answer, Problem> {
    let organization = call.caller()?.may(Scope::PipelinesRead)?;
    let EstimateRequest { document, source, pipeline, draft, input } = &call.body.0;
    let pipeline = match (document, source, pipeline, draft) {
        (None, None, Some(name), None) => app.engine.named(organization, name).await?,
        (None, None, None, Some(id)) => {
            let document = planning::draft_document(&app, organization, id).await?;
            compiled(&app, organization, Some(&document), None)
                .await
                .map_err(Refused::into_problem)?
        }
        (document, source, None, None) => {
            compiled(&app, organization, document.as_ref(), source.as_deref())
                .await
                .map_err(Refused::into_problem)?
        }
        _ => return Err(which()),
    };
    Answer::ok(&estimate(&pipeline, input))
}

fn which() -> Problem {
    Problem::invalid(
        "document.which",
        "send exactly one of the ways to say which document is meant",
    )
}

/// Why there is no compiled pipeline.
enum Refused {
    Issues(Vec<Issue>),
    Problem(Problem),
}

impl Refused {
    fn into_problem(self) -> Problem {
        match self {
            Self::Issues(issues) => EngineError::Invalid(issues).into(),
            Self::Problem(problem) => problem,
        }
    }
}

async fn compiled(
    app: &App,
    organization: &Organization,
    document: Option<&Map<String, Value>>,
    source: Option<&str>,
) -> Result<Arc<Pipeline>, Refused> {
    let (text, format) = match (document, source) {
        (Some(document), None) => (Value::Object(document.clone()).to_string(), Format::Json),
        (None, Some(source)) => (source.to_owned(), Format::Auto),
        _ => return Err(Refused::Problem(which())),
    };
    let read = app.engine.read(organization, &text, format).await;
    read.map(|(pipeline, _)| pipeline).map_err(|error| match error {
        EngineError::Invalid(mut issues) => {
            if document.is_some() {
                // The text was ours: places in it mean nothing to whoever sent an object.
                for issue in &mut issues {
                    (issue.line, issue.column, issue.span) = (None, None, None);
                }
            }
            Refused::Issues(issues)
        }
        other => Refused::Problem(other.into()),
    })
}
