//! Dead letters: ended runs that a person should look at, until retried or discarded.

use axum::http::{Method, StatusCode};
use levqor_core::engine::DeadLetter;
use levqor_core::error::RunError;
use levqor_core::ids::RunId;
use schemars::JsonSchema;
use serde::Serialize;

use super::runs::view::{RunAnswer, RunDetailView};
use super::runs::{accepted, audited, run_cursor};
use crate::app::App;
use crate::caller::Scope;
use crate::http::{Answer, Call, Cursor, Json, Page, PageQuery, Problem, Time};
use crate::route::{Route, Tag};

/// What is said where there is none.
const WHAT: &str = "dead letter";
const MARK: &str = "dead-letters";

pub(super) fn routes() -> Vec<Route> {
    vec![
        Route::new(Method::GET, "/api/v1/dead-letters", "list_dead_letters", Tag::Runs)
            .scope(Scope::RunsRead)
            .about("Runs that a person should look at, newest first")
            .answers::<Page<DeadLetterView>>(StatusCode::OK, "a page of dead letters")
            .to(list),
        Route::new(Method::GET, "/api/v1/dead-letters/{run}", "get_dead_letter", Tag::Runs)
            .scope(Scope::RunsRead)
            .about("A dead letter with its run")
            .answers::<DeadLetterDetail>(StatusCode::OK, "the dead letter")
            .to(get),
        Route::new(
            Method::POST,
            "/api/v1/dead-letters/{run}/retry",
            "retry_dead_letter",
            Tag::Runs,
        )
        .scope(Scope::RunsWrite)
        .about("Continue the run from where it failed, in a new run, once")
        .answers::<RunAnswer>(StatusCode::ACCEPTED, "the run that goes on")
        .to(retry),
        Route::new(
            Method::POST,
            "/api/v1/dead-letters/{run}/discard",
            "discard_dead_letter",
            Tag::Runs,
        )
        .scope(Scope::RunsWrite)
        .about("Remove a dead letter without retrying; its run stays as it ended")
        .answers_media(StatusCode::NO_CONTENT, "", "it is gone")
        .to(discard),
    ]
}

/// A run that a person should look at.
#[derive(Debug, Serialize, JsonSchema)]
struct DeadLetterView {
    /// The run.
    run: String,
    /// Its pipeline's name.
    pipeline: String,
    /// Why it is here.
    error: Option<RunError>,
    /// Since when.
    at: Time,
}

/// The same with all of its run.
#[derive(Debug, Serialize, JsonSchema)]
struct DeadLetterDetail {
    #[serde(flatten)]
    letter: DeadLetterView,
    /// The run.
    detail: RunDetailView,
}

impl DeadLetterView {
    fn of(run: RunId, letter: DeadLetter) -> Self {
        let DeadLetter { pipeline, error, at, .. } = letter;
        Self { run: run.to_string(), pipeline, error, at: at.into() }
    }
}

async fn list(app: App, call: Call<(), Json<PageQuery>>) -> Result<Answer, Problem> {
    let organization = call.caller()?.may(Scope::RunsRead)?;
    let limit = call.query.0.limit()?;
    let before = run_cursor(call.query.0.cursor.as_deref(), MARK)?;
    let page = app.engine.dead_letters(organization, before, limit).await?;
    let next = page.next.map(|run| Cursor::after(&run.to_string(), MARK));
    let view = |(run, letter)| DeadLetterView::of(run, letter);
    Answer::ok(&Page::new(page.data.into_iter().map(view).collect(), next))
}

async fn get(app: App, call: Call) -> Result<Answer, Problem> {
    let organization = call.caller()?.may(Scope::RunsRead)?;
    let run = letter_of(&call)?;
    let letter = app.engine.dead_letter(organization, run).await?;
    let detail = app.engine.get(organization, run).await?.into();
    Answer::ok(&DeadLetterDetail { letter: DeadLetterView::of(run, letter), detail })
}

async fn retry(app: App, call: Call) -> Result<Answer, Problem> {
    let run = letter_of(&call)?;
    let (organization, engine) = audited(&app, &call, Scope::RunsWrite, &run.to_string())?;
    // Two that retry at once, and one that did not hear the answer, get the same run.
    if let Some(earlier) = app.engine.resumed(organization, run).await? {
        return accepted(&app, &call, organization, earlier).await;
    }
    app.engine.dead_letter(organization, run).await?;
    let goes_on = engine.resume(organization, run, None).await?;
    accepted(&app, &call, organization, goes_on).await
}

async fn discard(app: App, call: Call) -> Result<Answer, Problem> {
    let run = letter_of(&call)?;
    let (organization, engine) = audited(&app, &call, Scope::RunsWrite, &run.to_string())?;
    engine.discard(organization, run).await?;
    Ok(Answer::nothing())
}

fn letter_of<B, Q>(call: &Call<B, Q>) -> Result<RunId, Problem> {
    call.part("run").parse().map_err(|_| Problem::not_found(WHAT))
}
