//! `pipelines` and `schedules`: what is stored by name.

use levqor_core::document::{self, Format};
use levqor_core::engine::Error;
use levqor_core::schedule::{ScheduleRecord, next_n};
use serde::Serialize;
use serde_json::{Value, json};

use super::check::{Problem, compile, compile_or_show};
use crate::args::{Global, PipelinesVerb, SchedulesVerb};
use crate::diagnostics::{self, Count};
use crate::exit::Exit;
use crate::failure::{Failure, Result};
use crate::files;
use crate::output::{Format as Shape, Output};
use crate::session::Session;

/// Characters of a version that are shown to people.
const VERSION_SHOWN: usize = 12;

pub(crate) async fn pipelines(global: &Global, output: Output, verb: PipelinesVerb) -> Result<()> {
    let session = Session::open(global, output).await?;
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

/// One difference between two documents.
#[derive(Debug, PartialEq, Serialize)]
struct Change {
    pointer: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    before: Option<Value>,
    #[serde(skip_serializing_if = "Option::is_none")]
    after: Option<Value>,
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
    let after = parsed.document.to_value();
    let name = &parsed.document.name;
    let before = match session.engine.named(&session.organization, name).await {
        Ok(pipeline) => serde_json::from_str(pipeline.source()).unwrap_or_default(),
        Err(Error::NotFound { .. }) => {
            session.output.note(&format!("no pipeline `{name}` is stored: all of it is new"));
            json!({})
        }
        Err(error) => return Err(error.into()),
    };
    let mut changes = Vec::new();
    compare("", &before, &after, &mut changes);
    if session.output.format == Shape::Text && changes.is_empty() {
        session.output.note("no difference");
    }
    for change in &changes {
        session.output.item(change, || {
            let line = |sign: char, value: &Option<Value>| {
                value.as_ref().map(|v| format!("{sign} {}: {v}", change.pointer))
            };
            let lines = [line('-', &change.before), line('+', &change.after)];
            lines.into_iter().flatten().collect::<Vec<_>>().join("\n")
        })?;
    }
    Ok(())
}

/// Collects what differs; steps are told apart by their ids, not by where they stand.
fn compare(pointer: &str, before: &Value, after: &Value, found: &mut Vec<Change>) {
    match (before, after) {
        (Value::Object(a), Value::Object(b)) => {
            let keys: std::collections::BTreeSet<_> = a.keys().chain(b.keys()).collect();
            for key in keys {
                let pointer = format!("{pointer}/{key}");
                pair(&pointer, a.get(key), b.get(key), found);
            }
        }
        (Value::Array(a), Value::Array(b)) if by_id(a).is_some() && by_id(b).is_some() => {
            let (a, b) = (by_id(a).unwrap_or_default(), by_id(b).unwrap_or_default());
            for (id, item) in &a {
                let other = b.iter().find(|(i, _)| i == id).map(|(_, v)| *v);
                pair(&format!("{pointer}/{id}"), Some(item), other, found);
            }
            for (id, item) in b.iter().filter(|(id, _)| a.iter().all(|(i, _)| i != id)) {
                pair(&format!("{pointer}/{id}"), None, Some(item), found);
            }
            let order = |list: &[(&str, &Value)], other: &[(&str, &Value)]| -> Vec<String> {
                let both = list.iter().filter(|(id, _)| other.iter().any(|(i, _)| i == id));
                both.map(|(id, _)| (*id).to_owned()).collect()
            };
            let (old, new) = (order(&a, &b), order(&b, &a));
            if old != new {
                let (before, after) = (Some(json!(old)), Some(json!(new)));
                found.push(Change { pointer: format!("{pointer} (order)"), before, after });
            }
        }
        _ => pair(pointer, Some(before), Some(after), found),
    }
}

fn pair(pointer: &str, before: Option<&Value>, after: Option<&Value>, found: &mut Vec<Change>) {
    match (before, after) {
        (Some(a), Some(b)) if a == b => {}
        (Some(a @ Value::Object(_)), Some(b @ Value::Object(_)))
        | (Some(a @ Value::Array(_)), Some(b @ Value::Array(_)))
            if !a.is_array() || (by_id_of(a) && by_id_of(b)) =>
        {
            compare(pointer, a, b, found);
        }
        _ => found.push(Change {
            pointer: pointer.to_owned(),
            before: before.cloned(),
            after: after.cloned(),
        }),
    }
}

fn by_id_of(value: &Value) -> bool {
    value.as_array().is_some_and(|items| by_id(items).is_some())
}

fn by_id(items: &[Value]) -> Option<Vec<(&str, &Value)>> {
    items.iter().map(|item| Some((item.get("id")?.as_str()?, item))).collect()
}

fn short(version: &str) -> String {
    version.chars().take(VERSION_SHOWN).collect()
}

pub(crate) async fn schedules(global: &Global, output: Output, verb: SchedulesVerb) -> Result<()> {
    let set = |schedule: String, paused: bool| async move {
        let session = Session::open(global, output).await?;
        let Some((pipeline, trigger)) = schedule.split_once('/') else {
            return Err(Failure::usage("a schedule is PIPELINE/TRIGGER").help("levqor schedules list"));
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
    let session = Session::open(global, output).await?;
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn differences_are_told_by_step() {
        let before = json!({ "name": "a", "steps": [
            { "id": "x", "with": { "n": 1 } }, { "id": "y" }, { "id": "z" } ] });
        let after = json!({ "name": "a", "steps": [
            { "id": "z" }, { "id": "x", "with": { "n": 2 } }, { "id": "new" } ] });
        let mut found = Vec::new();
        compare("", &before, &after, &mut found);
        let pointers: Vec<_> = found.iter().map(|c| c.pointer.as_str()).collect();
        assert_eq!(pointers, ["/steps/x/with/n", "/steps/y", "/steps/new", "/steps (order)"]);
        found.clear();
        compare("", &before, &before, &mut found);
        assert_eq!(found, []);
    }
}
