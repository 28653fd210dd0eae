//! `pipelines` and `schedules`: what is stored by name.

use levqor_core::document::{self, Format, PipelineDocument};
use levqor_core::engine::Error;
use levqor_core::pipeline::{self, Change, ChangeKind};
use levqor_core::schedule::{ScheduleRecord, next_n};
use serde_json::{Value, json};

use super::check::{Problem, compile, compile_or_show};
use crate::args::{Global, PipelinesVerb, SchedulesVerb};
use crate::diagnostics::{self, Count};
use crate::exit::Exit;
use crate::failure::{Failure, Result};
use crate::files;
use crate::output::Output;
use crate::session::Session;

/// Characters of a version that are shown to people.
const VERSION_SHOWN: usize = 12;

pub(crate) async fn pipelines(global: &Global, output: Output, verb: PipelinesVerb) -> Result<()> {
    let session = match &verb {
        PipelinesVerb::Push { .. } => Session::open(global, output).await?,
        _ => Session::open_present(global, output).await?,
    };
    let (engine, organization) = (&session.engine, &session.organization);
    match verb {
        PipelinesVerb::Push { files } => push(&session, &files).await,
        PipelinesVerb::List => {
            let all = engine.pipelines(organization).await?;
            output.list(&all, None, &["pipeline", "version", "pushed", "before"], |p| {
                vec![
                    p.name.clone(),
                    short(&p.version.to_string()),
                    p.at.to_string(),
                    p.history.len().to_string(),
                ]
            })
        }
        PipelinesVerb::Show { name } => {
            let pipeline = engine.named(organization, &name).await?;
            let document = serde_json::from_str::<Value>(pipeline.source()).unwrap_or_default();
            output.item(&document, || format!("{document:#}"))
        }
        PipelinesVerb::Diff { file } => diff(&session, &file).await,
        PipelinesVerb::Remove { name } => {
            engine.remove_pipeline(organization, &name).await?;
            output.item(&json!({ "name": name, "removed": true }), || format!("{name} removed"))
        }
    }
}

async fn push(session: &Session, files: &[String]) -> Result<()> {
    let mut all = Vec::new();
    // All or none: a set of documents belongs together.
    for file in files {
        let source = files::read_text(file.as_ref())?;
        all.push(compile_or_show(session, &source).await?.1);
    }
    for parsed in &all {
        let pushed = session.engine.push(&session.organization, parsed).await?;
        session.output.item(&pushed, || {
            let version = short(&pushed.pipeline.version.to_string());
            let what = if pushed.changed { "pushed" } else { "unchanged" };
            format!("{}  {version}  {what}", pushed.pipeline.name)
        })?;
    }
    Ok(())
}

async fn diff(session: &Session, file: &str) -> Result<()> {
    let source = files::read_text(file.as_ref())?;
    let parsed = match document::parse(&source.text, Format::Auto) {
        Ok(parsed) => parsed,
        Err(issues) => {
            diagnostics::show(session.output, &source.name, &source.text, &issues);
            let message = format!("{} has {}", source.name, Count::of(&issues).text());
            return Err(Failure::new(Exit::Invalid, "document.invalid", message));
        }
    };
    if let Err(Problem::Issues(issues)) = compile(session, &source).await {
        diagnostics::show(session.output, &source.name, &source.text, &issues);
    }
    let name = &parsed.document.name;
    let stored = match session.engine.named(&session.organization, name).await {
        Ok(pipeline) => serde_json::from_str(pipeline.source()).unwrap_or_default(),
        Err(Error::NotFound { .. }) => {
            let message = format!("no pipeline `{name}` is stored: all of it would be new");
            let help = session.command(&["pipelines", "push", file]);
            return Err(Failure::new(Exit::Refused, "engine.not_found", message).help(help));
        }
        Err(error) => return Err(error.into()),
    };
    let stored = PipelineDocument::from_value(&stored).map_err(Error::Invalid)?;
    let changes = pipeline::diff(&stored, &parsed.document);
    if changes.is_empty() {
        session.output.note("no difference");
    }
    changes.iter().try_for_each(|change| session.output.item(change, || told(change)))
}

/// A difference as people read it: where, then what it was and what it is.
pub(crate) fn told(change: &Change) -> String {
    let place = match &change.step {
        Some(step) => format!("step {step}  {}", change.pointer),
        None => change.pointer.clone(),
    };
    let word = match change.kind {
        ChangeKind::Added => "added  ",
        ChangeKind::Removed => "removed",
        ChangeKind::Moved => "moved  ",
        _ => "changed",
    };
    let line = |sign: char, value: &Option<Value>| {
        value.as_ref().map(|value| format!("        {sign} {value}"))
    };
    let lines =
        [Some(format!("{word} {place}")), line('-', &change.before), line('+', &change.after)];
    lines.into_iter().flatten().collect::<Vec<_>>().join("\n")
}

fn short(version: &str) -> String {
    version.chars().take(VERSION_SHOWN).collect()
}

pub(crate) async fn schedules(global: &Global, output: Output, verb: SchedulesVerb) -> Result<()> {
    let set = |schedule: String, paused: bool| async move {
        let session = Session::open_present(global, output).await?;
        let Some((pipeline, trigger)) = schedule.split_once('/') else {
            return Err(
                Failure::usage("a schedule is PIPELINE/TRIGGER").help("levqor schedules list")
            );
        };
        let (engine, organization) = (&session.engine, &session.organization);
        let record = engine.pause_schedule(organization, pipeline, trigger, paused).await?;
        let shown = shown(&record, record.next.as_slice());
        output.item(&shown, || {
            let next = record.next.map_or_else(|| "never".to_owned(), |at| at.to_string());
            format!("{schedule}: fires next {next}")
        })
    };
    match verb {
        SchedulesVerb::List { next } => list(global, output, usize::from(next)).await,
        SchedulesVerb::Pause { schedule } => set(schedule, true).await,
        SchedulesVerb::Resume { schedule } => set(schedule, false).await,
        SchedulesVerb::Serve => super::work::work(global, output).await,
    }
}

async fn list(global: &Global, output: Output, times: usize) -> Result<()> {
    let session = Session::open_present(global, output).await?;
    let all = session.engine.schedules(&session.organization).await?;
    let from = |record: &ScheduleRecord| match record.next {
        // The moment before, so that the next time itself is among them.
        Some(next) => next_n(&record.schedule, levqor_core::time::Timestamp(next.0 - 1), times),
        None => Vec::new(),
    };
    let rows: Vec<Value> = all.iter().map(|record| shown(record, &from(record))).collect();
    output.list(&rows, None, &["schedule", "when", "fired", "left out", "next"], |row| {
        let text = |key: &str| match &row[key] {
            Value::String(text) => text.clone(),
            Value::Array(times) => {
                times.iter().filter_map(Value::as_str).collect::<Vec<_>>().join("  ")
            }
            other => other.to_string(),
        };
        let next = if row["paused"] == true { "paused".to_owned() } else { text("next") };
        vec![text("schedule"), text("when"), text("fired"), text("skipped"), next]
    })
}

fn shown(record: &ScheduleRecord, next: &[levqor_core::time::Timestamp]) -> Value {
    let zone = record.schedule.zone();
    json!({
        "schedule": format!("{}/{}", record.pipeline, record.trigger),
        "when": record.schedule.describe(),
        "paused": record.paused,
        "fired": record.fired,
        "skipped": record.skipped,
        "next": next.iter().map(|at| zone.text(*at)).collect::<Vec<_>>(),
    })
}
