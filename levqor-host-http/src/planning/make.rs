//! One goal on its way to a stored draft.

use std::time::Duration;

use levqor_core::document::{self, Format, PipelineDocument};
use levqor_core::engine::{Error as EngineError, RunDetail, Start};
use levqor_core::ids::{Organization, RunId};
use levqor_core::ledger;
use levqor_core::pipeline::{self, Pipeline};
use levqor_core::planner::{self, offline};
use levqor_core::run::RunStatus;
use serde_json::{Map, Value, json};
use tokio::sync::broadcast::error::RecvError;

use super::asked::Goal;
use super::draft::{self, Draft, Fallback, MadeBy};
use super::granted;
use super::model::{Model, PLAN_MS};
use crate::app::App;
use crate::caller::Caller;
use crate::desk::Change;
use crate::http::{Head, Problem};

/// How long an answer is waited for: the planning itself, and a moment to write down how it ended.
const WAIT: Duration = Duration::from_millis(PLAN_MS + 1_500);
/// Between two looks at a run where no hint of a change came.
const LOOK: Duration = Duration::from_millis(250);

/// What is asked for, by whom.
#[derive(Debug)]
pub(crate) struct Request {
    pub(crate) goal: String,
    /// A stored pipeline to compare with.
    pub(crate) pipeline: Option<String>,
}

/// What came of a goal before it is compiled again and stored.
struct Made {
    draft: planner::Draft,
    by: MadeBy,
    fallback: Option<Fallback>,
    run: Option<RunId>,
    credits: u64,
}

/// Makes and stores a draft.
pub(crate) async fn make(
    app: &App,
    caller: &Caller,
    organization: &Organization,
    head: &Head,
    request: Request,
) -> Result<Draft, Problem> {
    let Request { goal, pipeline } = request;
    // Looked up first: a name that is not there should cost nothing.
    let before = match &pipeline {
        Some(name) => Some(app.engine.named(organization, name).await?),
        None => None,
    };
    let made = plan(app, caller, organization, &goal).await?;
    let compiled = compile(app, organization, &made.draft.document).await?;
    let issues = granted::foreign_hosts(&made.draft.document, app.engine.catalog(), &app.registry);
    let now = app.now();
    let draft = Draft {
        id: Draft::new_id(),
        goal,
        diff: before.map(|old| difference(&old, &compiled)).transpose()?,
        estimate: pipeline::estimate(&compiled, &Value::Null),
        document: object(made.draft.document)?,
        note: made.draft.note,
        matched: made.draft.matched,
        made_by: made.by,
        fallback: made.fallback,
        issues,
        pipeline,
        run: made.run.map(|run| run.to_string()),
        credits: made.credits,
        created: now,
        expires: Draft::expiry(now),
    };
    let change = Change::by(caller, organization, head, &draft.id, now);
    draft::store(app, organization, change, &draft).await?;
    Ok(draft)
}

async fn plan(
    app: &App,
    caller: &Caller,
    organization: &Organization,
    goal: &str,
) -> Result<Made, Problem> {
    let now = app.now();
    let record = app.engine.organization(organization).await?;
    record.check_active()?;
    let in_force = record.plan_now(app.engine.plans(), now).ok_or_else(Problem::internal)?;
    let connectors = granted::connectors(app.engine.catalog(), &app.registry, in_force.1);
    // What is wrong with a goal is wrong for either way.
    planner::prompt(&[], goal).map_err(|e| Problem::invalid(e.code(), e.to_string()))?;
    let fallback = match app.model() {
        None if app.model.is_some() => {
            Fallback::new("plan.no_model", "an operator turned the model off")
        }
        None => Fallback::new("plan.no_model", "no model is configured"),
        Some(model) => {
            let goal = Goal {
                organization: organization.clone(),
                text: goal.to_owned(),
                connectors: connectors.clone(),
            };
            match ask(app, caller, model, goal).await? {
                Ok(made) => return Ok(made),
                Err(fallback) => fallback,
            }
        }
    };
    match offline::draft(&connectors, goal) {
        Some(draft) => {
            Ok(Made { draft, by: MadeBy::Matcher, fallback: Some(fallback), run: None, credits: 0 })
        }
        None => {
            let detail = format!(
                "no part of the goal fits an action that may be used ({}: {})",
                fallback.code, fallback.message
            );
            Err(Problem::invalid("plan.no_match", detail))
        }
    }
}

/// Lets a run of the planner's own ask the model. The inner error is why there is no draft of it.
async fn ask(
    app: &App,
    caller: &Caller,
    model: &Model,
    goal: Goal,
) -> Result<Result<Made, Fallback>, Problem> {
    let organization = goal.organization.clone();
    // A run without credits would wait for them.
    app.engine.grant_month(&organization).await?;
    let balance = ledger::balance(&**app.engine.store(), &organization).await?;
    let available = u64::try_from(balance.available).unwrap_or(0);
    if available < model.hold {
        let message =
            format!("{} credits are held for a plan and {available} are available", model.hold);
        return Ok(Err(Fallback::new("credits.insufficient", message)));
    }
    let asking = model.asked.put(goal);
    let pipeline = compile(app, &organization, &asking_document()).await?;
    let mut start =
        Start::new(pipeline, json!({ "ask": asking.id })).organization(organization.clone());
    start.principal = Some(caller.principal());
    start.uncounted = true;
    let run = match app.engine.start(start).await {
        Ok(run) => run.id(),
        Err(EngineError::Refused(error) | EngineError::Quota { error, .. }) => {
            return Ok(Err(Fallback { code: error.code, message: error.message }));
        }
        Err(other) => return Err(other.into()),
    };
    let ended = tokio::time::timeout(WAIT, settled(app, &organization, run)).await;
    let detail = match ended {
        Ok(detail) => detail?,
        Err(_) => return Ok(Err(give_up(app, &organization, run, "plan.timeout").await)),
    };
    Ok(match (detail.summary.status, detail.output, detail.error) {
        (RunStatus::Succeeded, Some(output), _) => {
            read(&output, run, detail.summary.credits).ok_or_else(Problem::internal).map(Ok)?
        }
        (RunStatus::Paused, _, error) => {
            let code = error.map_or_else(|| "plan.paused".to_owned(), |e| e.code);
            Err(give_up(app, &organization, run, &code).await)
        }
        (_, _, Some(error)) => Err(Fallback { code: error.code, message: error.message }),
        _ => Err(Fallback::new("plan.no_reply", "there was no reply")),
    })
}

/// The pipeline of the planner's own runs: one step, tried once.
fn asking_document() -> Value {
    json!({
        "schema": "levqor/v1",
        "name": "planner",
        "timeout": format!("{PLAN_MS}ms"),
        "retry": { "max_attempts": 1 },
        "steps": [
            { "id": "plan", "uses": "planner/plan", "with": { "ask": "${{ input.ask }}" } },
        ],
        "output": "${{ steps.plan.output }}",
    })
}

/// The run once it has ended, or waits for somebody.
async fn settled(
    app: &App,
    organization: &Organization,
    run: RunId,
) -> Result<RunDetail, EngineError> {
    let mut feed = app.engine.feed();
    loop {
        let status = app.engine.summary(organization, run).await?.status;
        if status.is_final() || status == RunStatus::Paused {
            return app.engine.get(organization, run).await;
        }
        let hint = async {
            loop {
                match feed.recv().await {
                    Ok((changed, _)) if changed != run => {}
                    Ok(_) | Err(RecvError::Lagged(_)) => return,
                    Err(RecvError::Closed) => std::future::pending().await,
                }
            }
        };
        // Hints may be lost.
        let _ = tokio::time::timeout(LOOK, hint).await;
    }
}

async fn give_up(app: &App, organization: &Organization, run: RunId, code: &str) -> Fallback {
    if let Err(error) = app.engine.cancel(organization, run).await {
        tracing::warn!(%run, code = error.code(), "a planning run is not cancelled");
    }
    Fallback::new(code, "the model's run did not end in time")
}

fn read(output: &Value, run: RunId, credits: u64) -> Option<Made> {
    let draft: planner::Draft = serde_json::from_value(json!({
        "document": output.get("document")?,
        "matched": output.get("matched")?,
        "note": output.get("note")?,
    }))
    .ok()?;
    Some(Made { draft, by: MadeBy::Model, fallback: None, run: Some(run), credits })
}

/// The same door that any document comes through.
async fn compile(
    app: &App,
    organization: &Organization,
    document: &Value,
) -> Result<std::sync::Arc<Pipeline>, Problem> {
    Ok(app.engine.compile_value(organization, document).await?)
}

fn difference(old: &Pipeline, new: &Pipeline) -> Result<Vec<pipeline::Change>, Problem> {
    let read = |pipeline: &Pipeline| -> Result<PipelineDocument, Problem> {
        let parsed = document::parse(pipeline.source(), Format::Json);
        Ok(parsed.map_err(EngineError::Invalid)?.document)
    };
    Ok(pipeline::diff(&read(old)?, &read(new)?))
}

fn object(document: Value) -> Result<Map<String, Value>, Problem> {
    match document {
        Value::Object(members) => Ok(members),
        _ => Err(Problem::internal()),
    }
}
