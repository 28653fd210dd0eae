//! Schedules of stored pipelines: when they fire, pause, resume, run now.

use axum::http::{Method, StatusCode};
use levqor_core::schedule::{ScheduleRecord, next_n};
use levqor_core::time::Timestamp;
use schemars::JsonSchema;
use serde::Serialize;
use serde_json::json;

use super::runs::view::RunAnswer;
use super::runs::{accepted, audited};
use crate::app::App;
use crate::caller::Scope;
use crate::http::{Answer, Call, Cursor, Json, Page, PageQuery, Problem, Time};
use crate::limits::SCHEDULE_TIMES;
use crate::route::{Route, Tag};

const MARK: &str = "schedules";

pub(super) fn routes() -> Vec<Route> {
    let change = |path, id| {
        Route::new(Method::POST, path, id, Tag::Pipelines)
            .scope(Scope::PipelinesWrite)
            .answers::<ScheduleView>(StatusCode::OK, "the schedule as it is now")
    };
    vec![
        Route::new(Method::GET, "/api/v1/schedules", "list_schedules", Tag::Pipelines)
            .scope(Scope::PipelinesRead)
            .about("Schedules of stored pipelines with their next five times")
            .answers::<Page<ScheduleView>>(StatusCode::OK, "a page of schedules")
            .to(list),
        change("/api/v1/schedules/{pipeline}/{trigger}/pause", "pause_schedule")
            .about("Let a schedule fire no more until resumed")
            .to(pause),
        change("/api/v1/schedules/{pipeline}/{trigger}/resume", "resume_schedule")
            .about("Let a schedule fire again; times that passed are not made up for")
            .to(resume),
        Route::new(
            Method::POST,
            "/api/v1/schedules/{pipeline}/{trigger}/run",
            "run_schedule",
            Tag::Pipelines,
        )
        .scope(Scope::RunsWrite)
        .about("Start now what the schedule starts at its times")
        .answers::<RunAnswer>(StatusCode::ACCEPTED, "the run is durable and will be driven")
        .refuses(StatusCode::PAYMENT_REQUIRED, "the credits do not cover it")
        .refuses(StatusCode::CONFLICT, "its concurrency key is taken")
        .to(run_now),
    ]
}

/// A schedule trigger of a stored pipeline.
#[derive(Debug, Serialize, JsonSchema)]
struct ScheduleView {
    /// The pipeline's name.
    pipeline: String,
    /// The trigger's id in the document.
    trigger: String,
    /// When it fires, in words.
    when: String,
    /// The zone that its calendar is of.
    timezone: String,
    /// Whether a person paused it.
    paused: bool,
    /// Times it fired.
    fired: u64,
    /// Times that were left out: missed, overlapping or refused.
    skipped: u64,
    /// The run that it started last.
    last_run: Option<String>,
    /// The times that come next, five at most.
    next: Vec<Time>,
}

impl From<ScheduleRecord> for ScheduleView {
    fn from(record: ScheduleRecord) -> Self {
        let next = match record.next {
            // The moment before, so that the next time itself is among them.
            Some(at) => next_n(&record.schedule, Timestamp(at.0 - 1), SCHEDULE_TIMES),
            None => Vec::new(),
        };
        Self {
            when: record.schedule.describe(),
            timezone: record.schedule.zone().to_string(),
            pipeline: record.pipeline,
            trigger: record.trigger,
            paused: record.paused,
            fired: record.fired,
            skipped: record.skipped,
            last_run: record.last_run.map(|run| run.to_string()),
            next: next.into_iter().map(Time).collect(),
        }
    }
}

async fn list(app: App, call: Call<(), Json<PageQuery>>) -> Result<Answer, Problem> {
    let organization = call.caller()?.may(Scope::PipelinesRead)?;
    let limit = call.query.0.limit()? as usize;
    let after = Cursor::read(call.query.0.cursor.as_deref(), MARK)?;
    let name = |record: &ScheduleRecord| format!("{}/{}", record.pipeline, record.trigger);
    let mut all = app.engine.schedules(organization).await?;
    all.sort_by_key(name);
    all.retain(|record| after.as_ref().is_none_or(|after| name(record) > *after));
    let next = all.get(limit.saturating_sub(1)).filter(|_| all.len() > limit);
    let next = next.map(|last| Cursor::after(&name(last), MARK));
    all.truncate(limit);
    Answer::ok(&Page::new(all.into_iter().map(ScheduleView::from).collect(), next))
}

async fn pause(app: App, call: Call) -> Result<Answer, Problem> {
    set(&app, &call, true).await
}

async fn resume(app: App, call: Call) -> Result<Answer, Problem> {
    set(&app, &call, false).await
}

async fn set(app: &App, call: &Call, paused: bool) -> Result<Answer, Problem> {
    let (pipeline, trigger) = (call.part("pipeline"), call.part("trigger"));
    let target = format!("{pipeline}/{trigger}");
    let (organization, engine) = audited(app, call, Scope::PipelinesWrite, &target)?;
    let record = engine.pause_schedule(organization, pipeline, trigger, paused).await?;
    Answer::ok(&ScheduleView::from(record))
}

async fn run_now(app: App, call: Call) -> Result<Answer, Problem> {
    let (pipeline, trigger) = (call.part("pipeline"), call.part("trigger"));
    let target = format!("{pipeline}/{trigger}");
    let (organization, engine) = audited(&app, &call, Scope::RunsWrite, &target)?;
    let all = app.engine.schedules(organization).await?;
    if !all.iter().any(|known| known.pipeline == pipeline && known.trigger == trigger) {
        return Err(Problem::not_found("schedule"));
    }
    let event =
        json!({ "scheduled_at": app.now().to_string(), "trigger": trigger, "by_hand": true });
    let run = engine.trigger(organization, pipeline, trigger, event).await?;
    accepted(&app, &call, organization, run).await
}
