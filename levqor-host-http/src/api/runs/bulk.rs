//! `POST /api/v1/runs/bulk`: one change to many runs, named or found by a filter.
//!
//! Without `dry_run: false` it only says what it would touch. A call touches a bounded number of
//! runs; the next one goes on with its cursor.

use std::collections::BTreeSet;

use axum::http::{Method, StatusCode};
use futures_util::{StreamExt as _, stream};
use levqor_core::engine::{KeyedRequest, Replay};
use levqor_core::ids::{ContentHash, Organization, RunId};
use levqor_core::run::RunStatus;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::read::{Filter, run_cursor};
use super::{audited, keyed};
use crate::app::App;
use crate::caller::Scope;
use crate::http::{Answer, Call, Cursor, Json, Problem};
use crate::limits::{BULK_MAX, BULK_PARALLEL, PAGE_MAX};
use crate::route::{Route, Tag};

pub(super) fn routes() -> Vec<Route> {
    vec![
        Route::new(Method::POST, "/api/v1/runs/bulk", "change_runs", Tag::Runs)
            .scope(Scope::RunsWrite)
            .about("Change many runs at once; says only what it would touch unless told otherwise")
            .idempotent()
            .answers::<BulkAnswer>(StatusCode::OK, "what became of each run")
            .to(bulk),
    ]
}

/// What is done to each run.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
enum Action {
    /// End it.
    Cancel,
    /// Start no step until resumed.
    Pause,
    /// Send it on, or continue it in a new run.
    Resume,
    /// Run it again from its start.
    Replay,
    /// Remove its dead letter.
    Discard,
}

/// A change to many runs: those of `runs`, or those that fit `filter`.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(extend("oneOf" = [{ "required": ["runs"] }, { "required": ["filter"] }]))]
struct BulkRequest {
    /// What is done.
    action: Action,
    /// These runs.
    #[serde(default)]
    #[schemars(length(min = 1, max = 500))]
    runs: Option<Vec<String>>,
    /// Runs that fit all of this; an empty one fits every run.
    #[serde(default, deserialize_with = "crate::http::maybe_object")]
    filter: Option<Filter>,
    /// Only say what would be touched.
    #[serde(default = "yes")]
    dry_run: bool,
    /// Most runs of this call.
    #[serde(default, deserialize_with = "crate::http::maybe_whole")]
    #[schemars(range(min = 1, max = 500))]
    limit: Option<u32>,
    /// Where to go on: `next_cursor` of the call before. With a filter only.
    #[serde(default)]
    cursor: Option<String>,
}

fn yes() -> bool {
    true
}

/// What became of the runs.
#[derive(Debug, Serialize, JsonSchema)]
struct BulkAnswer {
    /// Whether nothing was done.
    dry_run: bool,
    /// Runs of this call.
    count: usize,
    /// Of these, runs that were changed, or would be touched.
    changed: usize,
    /// One for each.
    results: Vec<BulkResult>,
    /// Hand it back as `cursor` to go on; `null` at the end.
    next_cursor: Option<String>,
}

/// What became of one run.
#[derive(Debug, Serialize, JsonSchema)]
struct BulkResult {
    /// The run.
    run: String,
    /// Whether it was changed, or would be touched.
    ok: bool,
    /// Its status before, where it is known.
    #[serde(skip_serializing_if = "Option::is_none")]
    status: Option<RunStatus>,
    /// The run that goes on or replays it.
    #[serde(skip_serializing_if = "Option::is_none")]
    started: Option<String>,
    /// Why it was not changed: a stable code.
    #[serde(skip_serializing_if = "Option::is_none")]
    code: Option<String>,
    /// The same for people.
    #[serde(skip_serializing_if = "Option::is_none")]
    detail: Option<String>,
}

async fn bulk(app: App, call: Call<Json<BulkRequest>>) -> Result<Answer, Problem> {
    let caller = call.caller()?;
    let organization = caller.may(Scope::RunsWrite)?;
    // A dry run keeps none; a key that is none is refused all the same.
    super::headers::idempotency_key(&call.head.headers)?;
    let (runs, next) = chosen(&app, organization, &call.body.0).await?;
    let (app, call) = (&app, &call);
    let results = stream::iter(runs).map(|run| one(app, call, organization, run));
    let results: Vec<BulkResult> = results.buffered(BULK_PARALLEL).collect().await;
    Answer::ok(&BulkAnswer {
        dry_run: call.body.0.dry_run,
        count: results.len(),
        changed: results.iter().filter(|result| result.ok).count(),
        results,
        next_cursor: next,
    })
}

/// The runs of this call, and where the next one goes on.
async fn chosen(
    app: &App,
    organization: &Organization,
    request: &BulkRequest,
) -> Result<(Vec<String>, Option<String>), Problem> {
    let limit = match request.limit.unwrap_or(BULK_MAX) {
        limit @ 1..=BULK_MAX => limit,
        _ => return Err(Problem::invalid("bulk.limit", format!("`limit` is 1 to {BULK_MAX}"))),
    };
    let filter = match (&request.runs, &request.filter) {
        (Some(runs), None) => {
            if runs.is_empty() || runs.len() > limit as usize {
                let detail = format!("name 1 to {limit} runs");
                return Err(Problem::invalid("bulk.limit", detail));
            }
            // Named twice is touched once.
            let mut seen = BTreeSet::new();
            let runs = runs.iter().filter(|run| seen.insert(*run)).cloned();
            return Ok((runs.collect(), None));
        }
        (None, Some(filter)) => filter,
        _ => return Err(Problem::invalid("bulk.which", "send either `runs` or `filter`")),
    };
    let mark = filter.mark();
    let mut before = run_cursor(request.cursor.as_deref(), &mark)?;
    let mut found = Vec::new();
    loop {
        let left = limit - u32::try_from(found.len()).unwrap_or(limit);
        let page = app.engine.find(organization, &filter.to_engine(), before, left).await?;
        let is_short = page.data.len() < left.min(PAGE_MAX) as usize;
        found.extend(page.data.iter().map(|run| run.id.to_string()));
        before = page.next;
        // A short page with a next one has read as many headers as one call may.
        if before.is_none() || is_short || found.len() >= limit as usize {
            let next = before.map(|run| Cursor::after(&run.to_string(), &mark));
            return Ok((found, next.map(Cursor::into_text)));
        }
    }
}

async fn one(
    app: &App,
    call: &Call<Json<BulkRequest>>,
    organization: &Organization,
    text: String,
) -> BulkResult {
    let request = &call.body.0;
    let mut result =
        BulkResult { run: text, ok: false, status: None, started: None, code: None, detail: None };
    let Ok(run) = result.run.parse::<RunId>() else {
        return result.refused(&Problem::not_found("run"));
    };
    match app.engine.summary(organization, run).await {
        Ok(summary) => result.status = Some(summary.status),
        Err(error) => return result.refused(&error.into()),
    }
    if !result.status.is_some_and(|status| request.action.fits(status)) {
        let detail = "the run is not in a state for it";
        return result.refused(&Problem::conflict("run.unfit", detail));
    }
    if request.dry_run {
        result.ok = true;
        return result;
    }
    match request.action.carry_out(app, call, organization, run).await {
        Ok(started) => {
            result.ok = true;
            result.started = started.filter(|id| *id != run).map(|id| id.to_string());
            result
        }
        Err(problem) => result.refused(&problem),
    }
}

impl BulkResult {
    fn refused(mut self, problem: &Problem) -> Self {
        self.code = Some(problem.code().to_owned());
        self.detail = Some(problem.detail().to_owned());
        self
    }
}

impl Action {
    /// Whether a run in this status can be touched.
    fn fits(self, status: RunStatus) -> bool {
        match self {
            Self::Cancel => !status.is_final(),
            Self::Pause => !status.is_final() && status != RunStatus::Paused,
            Self::Resume => {
                status == RunStatus::Paused || status.is_final() && status != RunStatus::Succeeded
            }
            Self::Replay => true,
            Self::Discard => status == RunStatus::Dead,
        }
    }

    /// The run that it started or that goes on, where there is one.
    async fn carry_out(
        self,
        app: &App,
        call: &Call<Json<BulkRequest>>,
        organization: &Organization,
        run: RunId,
    ) -> Result<Option<RunId>, Problem> {
        let (_, engine) = audited(app, call, Scope::RunsWrite, &run.to_string())?;
        match self {
            Self::Cancel => engine.cancel(organization, run).await?,
            Self::Pause => engine.pause(organization, run).await?,
            Self::Resume => return Ok(Some(engine.resume(organization, run, None).await?.id())),
            Self::Replay => {
                let mut how = Replay::default();
                how.principal = Some(call.caller()?.principal());
                how.request = keyed_for(call, run)?;
                return Ok(Some(engine.replay(organization, run, how).await?.id()));
            }
            Self::Discard => engine.discard(organization, run).await?,
        }
        Ok(None)
    }
}

/// The request's key for one of its runs: the same request again replays none twice.
fn keyed_for(call: &Call<Json<BulkRequest>>, run: RunId) -> Result<Option<KeyedRequest>, Problem> {
    let request = keyed(call, &run.to_string())?;
    Ok(request.map(|mut request| {
        let both = format!("{} {run}", request.key);
        request.key = ContentHash::of(both.as_bytes()).to_string();
        request
    }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_action_touches_only_runs_in_a_state_for_it() {
        use RunStatus::{Cancelled, Dead, Failed, Paused, Queued, Running, Succeeded, Waiting};
        let all = [Queued, Running, Waiting, Paused, Succeeded, Failed, Cancelled, Dead];
        let fits = |action: Action| -> Vec<RunStatus> {
            all.into_iter().filter(|status| action.fits(*status)).collect()
        };
        assert_eq!(fits(Action::Cancel), [Queued, Running, Waiting, Paused]);
        assert_eq!(fits(Action::Pause), [Queued, Running, Waiting]);
        assert_eq!(fits(Action::Resume), [Paused, Failed, Cancelled, Dead]);
        assert_eq!(fits(Action::Replay), all);
        assert_eq!(fits(Action::Discard), [Dead]);
    }
}
