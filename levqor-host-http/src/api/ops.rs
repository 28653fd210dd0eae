//! For the operator: metrics, readiness, queues, dead letters of everybody, flags, backups.

use std::collections::{BTreeMap, BTreeSet};

use axum::http::{Method, StatusCode};
use levqor_core::engine::FoundLetter;
use levqor_core::error::RunError;
use levqor_core::ids::{Organization, RunId};
use levqor_core::time::Timestamp;
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

use crate::app::App;
use crate::backup::{Backup, FailedBackup};
use crate::caller::Scope;
use crate::desk::Change;
use crate::flags::{Changed, Flag, Source};
use crate::http::{Answer, Call, Cursor, Json, Page, PageQuery, Payload, Problem};
use crate::observe::Exposition;
use crate::ops::ready::{self, Readiness};
use crate::route::{Route, Tag};

/// Dead letters that one request retries at most: each is a run that starts at once.
const RETRIES_MAX: usize = 100;
/// Dead letters read at once while looking for some.
const LETTERS_PAGE: u32 = 200;
/// A run that has been ready for longer waits too long for its slot.
const BEHIND_MS: u64 = 30_000;

pub(super) fn routes() -> Vec<Route> {
    let get = |path, id| Route::new(Method::GET, path, id, Tag::Ops).scope(Scope::OpsRead);
    vec![
        get("/metrics", "metrics")
            .about("Metrics, as Prometheus or OpenMetrics text")
            .header("Accept", "`application/openmetrics-text` for OpenMetrics")
            .answers_media(StatusCode::OK, "text/plain", "every family")
            .to(metrics),
        Route::new(Method::GET, "/readyz", "ready", Tag::Ops)
            .about("Whether the host takes requests now, and how each optional service works")
            .answers::<Readiness>(StatusCode::OK, "it does")
            .answers::<Readiness>(StatusCode::SERVICE_UNAVAILABLE, "it does not")
            .to(readiness),
        get("/ops/uptime", "uptime")
            .about("Since when the host is up")
            .answers::<Uptime>(StatusCode::OK, "since then")
            .to(uptime),
        get("/ops/queue_health", "queue_health")
            .about("What the engine has in hand")
            .answers::<QueueHealth>(StatusCode::OK, "as of now")
            .to(queue_health),
        get("/ops/dlq", "list_all_dead_letters")
            .about("Dead letters of every organization")
            .answers::<Page<Letter>>(StatusCode::OK, "by organization, newest first")
            .to(dead_letters),
        Route::new(Method::POST, "/ops/dlq/retry", "retry_dead_letters", Tag::Ops)
            .scope(Scope::OpsWrite)
            .about("Retry dead letters of any organization: these, or all that match")
            .answers::<Retried>(StatusCode::OK, "what was retried, or would be")
            .to(retry),
        get("/ops/flags", "list_flags")
            .about("Every flag, and who said what it is")
            .answers::<FlagList>(StatusCode::OK, "as of now")
            .to(flags),
        Route::new(Method::PATCH, "/ops/flags", "change_flags", Tag::Ops)
            .scope(Scope::OpsWrite)
            .about("Turn flags on or off, for every host of this store")
            .answers::<FlagList>(StatusCode::OK, "as they are now")
            .to(change_flags),
        get("/ops/backup", "list_backups")
            .about("Verified backups, newest first, and what went wrong")
            .answers::<BackupList>(StatusCode::OK, "as of now")
            .to(backups),
        Route::new(Method::POST, "/ops/backup", "take_backup", Tag::Ops)
            .scope(Scope::OpsWrite)
            .about("Take a backup now; what became of it is in the list")
            .answers::<BackupBegun>(StatusCode::ACCEPTED, "it is being taken")
            .to(take_backup),
    ]
}

async fn metrics(app: App, call: Call) -> Result<Answer, Problem> {
    call.caller()?.may(Scope::OpsRead)?;
    let format = Exposition::asked(call.header("accept"));
    let text = format.of(app.metrics.openmetrics(&app.engine));
    Ok(Answer::of(StatusCode::OK, Payload::Typed(format.media(), text.into())))
}

async fn readiness(app: App, _call: Call) -> Result<Answer, Problem> {
    let readiness = ready::readiness(&app).await;
    let status = match readiness.status {
        ready::State::Ready => StatusCode::OK,
        ready::State::NotReady => StatusCode::SERVICE_UNAVAILABLE,
    };
    Answer::json(status, &readiness)
}

/// Since when the host is up.
#[derive(Debug, Serialize, JsonSchema)]
struct Uptime {
    /// When it started, in milliseconds since the Unix epoch.
    started: Timestamp,
    /// How long ago that is.
    uptime_seconds: u64,
    /// Its version.
    version: &'static str,
}

async fn uptime(app: App, call: Call) -> Result<Answer, Problem> {
    call.caller()?.may(Scope::OpsRead)?;
    let started = app.ops.started();
    let uptime_seconds = app.now().since_ms(started) / 1_000;
    Answer::ok(&Uptime { started, uptime_seconds, version: env!("CARGO_PKG_VERSION") })
}

/// What the engine has in hand.
#[derive(Debug, Serialize, JsonSchema)]
struct QueueHealth {
    /// `ok`, or `behind` where a run has waited for its slot for over 30 seconds.
    status: &'static str,
    /// Runs that wait for a slot.
    ready: usize,
    /// Runs that are driven.
    running: usize,
    /// Runs that wait for time, an event, a person or a budget.
    parked: usize,
    /// Runs behind others of their concurrency key.
    lined_up: usize,
    /// How long the one that has been ready longest has waited.
    oldest_ready_seconds: u64,
    /// Runs that a person should look at.
    dead_letters: i64,
}

async fn queue_health(app: App, call: Call) -> Result<Answer, Problem> {
    call.caller()?.may(Scope::OpsRead)?;
    let load = app.engine.load();
    let oldest_ms = load.oldest_ready.map_or(0, |since| app.now().since_ms(since));
    Answer::ok(&QueueHealth {
        status: if oldest_ms > BEHIND_MS { "behind" } else { "ok" },
        ready: load.ready,
        running: load.running,
        parked: load.parked,
        lined_up: load.lined_up,
        oldest_ready_seconds: oldest_ms / 1_000,
        dead_letters: app.metrics.dead_letters(),
    })
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

/// Every flag.
#[derive(Debug, Serialize, JsonSchema)]
struct FlagList {
    /// The flags.
    data: Vec<FlagState>,
}

/// One flag.
#[derive(Debug, Serialize, JsonSchema)]
struct FlagState {
    /// Its name.
    name: Flag,
    /// Whether it is on.
    on: bool,
    /// Who said so.
    source: Source,
    /// What it is for.
    about: &'static str,
}

fn flag_list(app: &App) -> Result<Answer, Problem> {
    let state = |name: Flag| {
        let (on, source) = app.flags.state(name);
        FlagState { name, on, source, about: name.about() }
    };
    Answer::ok(&FlagList { data: Flag::ALL.map(state).into() })
}

async fn flags(app: App, call: Call) -> Result<Answer, Problem> {
    call.caller()?.may(Scope::OpsRead)?;
    flag_list(&app)
}

/// Flags to change.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct FlagChange {
    /// Each flag's new state.
    #[schemars(schema_with = "each_flag")]
    flags: BTreeMap<Flag, bool>,
}

/// An object that may have each flag, and nothing else.
fn each_flag(_: &mut SchemaGenerator) -> Schema {
    let flags = Flag::ALL.map(|flag| {
        let about = json!({ "type": "boolean", "description": flag.about() });
        (flag.as_str().to_owned(), about)
    });
    json_schema!({
        "type": "object",
        "minProperties": 1,
        "additionalProperties": false,
        "properties": flags.into_iter().collect::<Map<String, Value>>(),
    })
}

async fn change_flags(app: App, call: Call<Json<FlagChange>>) -> Result<Answer, Problem> {
    let caller = call.caller()?;
    let organization = caller.may(Scope::OpsWrite)?;
    let asked = &call.body.0.flags;
    if asked.is_empty() {
        return Err(Problem::invalid(
            "flags.none",
            "name a flag, as {\"flags\": {\"planner\": true}}",
        ));
    }
    if let Some(flag) = asked.keys().find(|flag| app.flags.state(**flag).1 == Source::Environment) {
        let detail = format!("`{}` is set by the environment, which wins", flag.as_str());
        return Err(Problem::conflict("flags.overridden", detail));
    }
    let read = app.desk.get::<Changed>(&["all"]).await?;
    let mut changed = read.as_ref().map(|(changed, _)| changed.clone()).unwrap_or_default();
    changed.flags.extend(asked);
    let words = asked.iter().map(|(flag, on)| format!("{}={on}", flag.as_str()));
    let target = words.collect::<Vec<_>>().join(",");
    let change = Change::by(caller, organization, &call.head, &target, app.now());
    let change = match read {
        Some((_, revision)) => change.replace(&["all"], revision, &changed),
        None => change.insert(&["all"], &changed),
    };
    app.desk.commit(change).await?;
    app.flags.requested(changed);
    // What waited for a flag need not wait for the next look.
    app.post.ready.notify_one();
    flag_list(&app)
}

/// Backups.
#[derive(Debug, Serialize, JsonSchema)]
struct BackupList {
    /// Verified ones, newest first.
    data: Vec<Backup>,
    /// What went wrong since the start, newest first.
    failures: Vec<FailedBackup>,
    /// Whether one is being taken.
    running: bool,
}

async fn backups(app: App, call: Call) -> Result<Answer, Problem> {
    call.caller()?.may(Scope::OpsRead)?;
    let (data, failures) = (app.backups.list(), app.backups.failures());
    Answer::ok(&BackupList { data, failures, running: app.backups.is_running() })
}

/// A backup that is being taken.
#[derive(Debug, Serialize, JsonSchema)]
struct BackupBegun {
    /// Always `running`.
    status: &'static str,
}

async fn take_backup(app: App, call: Call) -> Result<Answer, Problem> {
    let caller = call.caller()?;
    let organization = caller.may(Scope::OpsWrite)?;
    let begun = app.backups.begin();
    let taking = begun.map_err(|busy| Problem::conflict(busy.code(), busy.to_string()))?;
    let change = Change::by(caller, organization, &call.head, "backup", app.now());
    app.desk.commit(change).await?;
    let (store, clock) = (app.engine.store().clone(), app.engine.clock().clone());
    // What became of it stands in the list, is counted and logged.
    tokio::spawn(async move { drop(taking.take(store, clock).await) });
    Answer::json(StatusCode::ACCEPTED, &BackupBegun { status: "running" })
}
