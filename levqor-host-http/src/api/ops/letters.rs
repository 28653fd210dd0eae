//! Dead letters of every organization: listed, and retried where they lie.

use std::collections::{BTreeMap, BTreeSet};

use axum::http::{Method, StatusCode};
use levqor_core::engine::FoundLetter;
use levqor_core::error::RunError;
use levqor_core::ids::{Organization, RunId};
use levqor_core::time::Timestamp;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::app::App;
use crate::caller::Scope;
use crate::desk::Change;
use crate::http::{Answer, Call, Cursor, Json, Page, PageQuery, Problem};
use crate::route::{Route, Tag};

/// Dead letters that one request retries at most: each is a run that starts at once.
const RETRIES_MAX: usize = 100;
/// Dead letters read at once while looking for some.
const LETTERS_PAGE: u32 = 200;

pub(super) fn routes() -> Vec<Route> {
    vec![
        Route::new(Method::GET, "/ops/dlq", "list_all_dead_letters", Tag::Ops)
            .scope(Scope::OpsRead)
            .about("Dead letters of every organization")
            .answers::<Page<Letter>>(StatusCode::OK, "by organization, newest first")
            .to(dead_letters),
        Route::new(Method::POST, "/ops/dlq/retry", "retry_dead_letters", Tag::Ops)
            .scope(Scope::OpsWrite)
            .about("Retry dead letters of any organization: these, or all that match")
            .answers::<Retried>(StatusCode::OK, "what was retried, or would be")
            .to(retry),
    ]
}

/// A dead letter, with whose it is.
#[derive(Debug, Serialize, JsonSchema)]
struct Letter {
    /// Whose.
    organization: String,
    /// Of which run.
    run: String,
    /// The run's pipeline.
    pipeline: String,
    /// Why it is here.
    #[serde(skip_serializing_if = "Option::is_none")]
    error: Option<RunError>,
    /// Since when, in milliseconds since the Unix epoch.
    at: Timestamp,
}

impl From<FoundLetter> for Letter {
    fn from(found: FoundLetter) -> Self {
        Self {
            organization: found.organization.to_string(),
            run: found.run.to_string(),
            pipeline: found.letter.pipeline,
            error: found.letter.error,
            at: found.letter.at,
        }
    }
}

async fn dead_letters(app: App, call: Call<(), Json<PageQuery>>) -> Result<Answer, Problem> {
    call.caller()?.may(Scope::OpsRead)?;
    let Json(query) = &call.query;
    let limit = query.limit()?;
    let after = Cursor::read(query.cursor.as_deref(), "ops/dlq")?;
    let after = after.as_deref().map(place).transpose()?;
    let after = after.as_ref().map(|(organization, run)| (organization, *run));
    let mut found = app.engine.every_dead_letter(after, limit + 1).await?;
    let more = found.len() > limit as usize;
    found.truncate(limit as usize);
    let last = found.last().filter(|_| more);
    let next =
        last.map(|last| Cursor::after(&format!("{}/{}", last.organization, last.run), "ops/dlq"));
    Answer::ok(&Page::new(found.into_iter().map(Letter::from).collect(), next))
}

fn place(text: &str) -> Result<(Organization, RunId), Problem> {
    let refused = || Problem::bad_request("request.cursor", "the cursor is not one of this list's");
    let (organization, run) = text.split_once('/').ok_or_else(refused)?;
    let organization = Organization::new(organization).map_err(|_| refused())?;
    Ok((organization, run.parse().map_err(|_| refused())?))
}

/// Which dead letters to retry: name some, or say `all` with what they have in common.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct RetryRequest {
    /// These runs'.
    #[serde(default)]
    #[schemars(length(max = 100))]
    runs: Vec<String>,
    /// Every one that matches what follows.
    #[serde(default)]
    all: bool,
    /// Of this pipeline.
    #[serde(default)]
    #[schemars(length(min = 1, max = 128))]
    pipeline: Option<String>,
    /// With this error code.
    #[serde(default)]
    #[schemars(length(min = 1, max = 128))]
    code: Option<String>,
    /// Only say which.
    #[serde(default)]
    dry_run: bool,
}

/// What was retried, or would be.
#[derive(Debug, Serialize, JsonSchema)]
struct Retried {
    /// Dead letters that match, of at most 100.
    matched: Vec<Letter>,
    /// The runs that took over, by the run they continue.
    started: BTreeMap<String, String>,
    /// Stable codes of what could not be retried, by run.
    refused: BTreeMap<String, String>,
    /// Whether more match than one request retries.
    more: bool,
}

async fn retry(app: App, call: Call<Json<RetryRequest>>) -> Result<Answer, Problem> {
    let caller = call.caller()?;
    caller.may(Scope::OpsWrite)?;
    let request = &call.body.0;
    let (found, more) = matching(&app, request).await?;
    let (mut started, mut refused) = (BTreeMap::new(), BTreeMap::new());
    for letter in found.iter().filter(|_| !request.dry_run) {
        let FoundLetter { organization, run, .. } = letter;
        match app.engine.resume(organization, *run, None).await {
            Ok(handle) => {
                let id = handle.id().to_string();
                // In the books of whose run it is: they see who touched it.
                let change = Change::by(caller, organization, &call.head, &id, app.now());
                app.desk.commit(change).await?;
                started.insert(run.to_string(), id);
            }
            Err(error) => drop(refused.insert(run.to_string(), error.code().to_owned())),
        }
    }
    let matched = found.into_iter().map(Letter::from).collect();
    Answer::ok(&Retried { matched, started, refused, more })
}

async fn matching(app: &App, request: &RetryRequest) -> Result<(Vec<FoundLetter>, bool), Problem> {
    if request.all != request.runs.is_empty() {
        return Err(Problem::invalid("dlq.which", "send either `runs` or `\"all\": true`"));
    }
    if request.runs.len() > RETRIES_MAX {
        return Err(Problem::invalid("dlq.too_many", format!("at most {RETRIES_MAX} at once")));
    }
    for text in request.pipeline.iter().chain(&request.code) {
        if text.is_empty() || text.len() > 128 {
            return Err(Problem::invalid(
                "dlq.filter",
                "`pipeline` and `code` have 1 to 128 bytes",
            ));
        }
    }
    let runs: BTreeSet<&str> = request.runs.iter().map(String::as_str).collect();
    let wanted = |found: &FoundLetter| {
        let code = found.letter.error.as_ref().map(|error| error.code.as_str());
        (request.all || runs.contains(&*found.run.to_string()))
            && request.pipeline.as_ref().is_none_or(|name| *name == found.letter.pipeline)
            && request.code.as_deref().is_none_or(|wanted| code == Some(wanted))
    };
    let (mut matched, mut after) = (Vec::new(), None);
    loop {
        let place = after.as_ref().map(|(organization, run)| (organization, *run));
        let page = app.engine.every_dead_letter(place, LETTERS_PAGE).await?;
        let Some(last) = page.last() else { return Ok((matched, false)) };
        after = Some((last.organization.clone(), last.run));
        for found in page.into_iter().filter(wanted) {
            if matched.len() == RETRIES_MAX {
                return Ok((matched, true));
            }
            matched.push(found);
        }
    }
}
