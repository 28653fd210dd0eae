//! `runs`: look at runs and act on them. What moves a run drives it here until it ends.

use levqor_core::engine::{Decision, Engine, Replay, RunDetail};
use levqor_core::ids::RunId;
use levqor_core::run::JournalRecord;
use serde::Serialize;
use serde_json::json;

use super::check::compile_or_show;
use super::run::{announce, resume, to_end};
use crate::args::{DecideArgs, Global, ListArgs, ReplayArgs, RunsVerb};
use crate::failure::Result;
use crate::files;
use crate::follow::Driver;
use crate::output::{self, Format, Output};
use crate::progress::{credits, span};
use crate::session::Session;
use crate::story::{self, StepRow};

pub(crate) async fn runs(global: &Global, output: Output, verb: RunsVerb) -> Result<()> {
    let session = Session::open_present(global, output).await?;
    let (engine, organization) = (&session.engine, &session.organization);
    match verb {
        RunsVerb::List(args) => list(&session, args).await,
        RunsVerb::Show { run, journal: true } => journal(&session, run).await,
        RunsVerb::Show { run, journal: false } => show(&session, run).await,
        RunsVerb::Watch { run } => watch(&session, run).await,
        RunsVerb::Cancel { run } => {
            engine.cancel(organization, run).await?;
            let item = json!({ "id": run, "status": "cancelled" });
            output.item(&item, || format!("{run} cancelled"))
        }
        RunsVerb::Resume { run, max_credits } => resume(&session, run, max_credits).await,
        RunsVerb::Replay(args) => replay(&session, args).await,
        RunsVerb::Decide(args) => decide(&session, args).await,
        RunsVerb::Publish { event, payload } => {
            let took = engine.publish(organization, &event, payload.read()?).await?;
            if took.is_empty() {
                output.note("no run waits for it");
            }
            output.list(&took, None, &["run"], |run| vec![run.to_string()])?;
            let mut driver = Driver::start(engine);
            for run in took {
                let done = to_end(&session, &mut driver, run, 0).await;
                done.result()?;
            }
            driver.stop().await
        }
    }
}

async fn list(session: &Session, args: ListArgs) -> Result<()> {
    let status = args.status.map(Into::into);
    let (engine, organization) = (&session.engine, &session.organization);
    let page = engine.list(organization, status, args.before, args.limit).await?;
    let head = ["run", "pipeline", "status", "created", "took", "credits"];
    session.output.list(&page.data, page.next.map(|n| n.to_string()), &head, |run| {
        vec![
            run.id.to_string(),
            run.pipeline.to_string(),
            run.status.as_str().to_owned(),
            run.created.to_string(),
            run.ended.map_or_else(String::new, |end| span(end.since_ms(run.created))),
            run.credits.to_string(),
        ]
    })
}

/// A run with its steps.
#[derive(Serialize)]
pub(crate) struct Shown {
    #[serde(flatten)]
    run: RunDetail,
    steps: Vec<StepRow>,
}

/// A run and its steps, as they stand in the journal.
pub(crate) async fn look(session: &Session, run: RunId) -> Result<Shown> {
    let Session { engine, organization, .. } = session;
    let detail = engine.get(organization, run).await?;
    let records = engine.journal(organization, run, 0).await?;
    let pipeline = engine.version(organization, detail.summary.version).await?;
    Ok(Shown { run: detail, steps: story::steps(&pipeline, &records) })
}

async fn show(session: &Session, run: RunId) -> Result<()> {
    let shown = look(session, run).await?;
    session.output.item(&shown, || text_of(&shown))
}

/// What `runs show` and `dlq show` print for people.
pub(crate) fn text_of(shown: &Shown) -> String {
    let RunDetail { summary, input, output, error, origin, principal, traceparent } = &shown.run;
    let mut rows = vec![
        ("run", summary.id.to_string()),
        ("pipeline", format!("{}  version {:.12}", summary.pipeline, summary.version.to_string())),
        ("status", summary.status.as_str().to_owned()),
        ("created", summary.created.to_string()),
    ];
    if let Some(ended) = summary.ended {
        let took = span(ended.since_ms(summary.created));
        rows.push(("ended", format!("{ended}  after {took}")));
    }
    if let Some(due) = summary.due {
        rows.push(("goes on", due.to_string()));
    }
    rows.push(("credits", format!("{} charged, {} held", summary.credits, summary.held)));
    if let Some(principal) = principal {
        rows.push(("started by", principal.clone()));
    }
    if let Some(origin) = origin {
        rows.push(("continues", origin.to_string()));
    }
    if let Some(traceparent) = traceparent {
        rows.push(("trace", traceparent.clone()));
    }
    rows.push(("input", input.to_string()));
    if let Some(output) = output {
        rows.push(("output", output.to_string()));
    }
    if let Some(error) = error {
        rows.push(("error", error.to_string()));
    }
    let head: Vec<String> = rows.iter().map(|(k, v)| format!("{k:11} {v}")).collect();
    let steps = output::table(
        &["step", "status", "attempts", "took", "credits", "note"],
        shown.steps.iter().map(cells),
    );
    format!("{}\n\n{steps}", head.join("\n"))
}

fn cells(step: &StepRow) -> Vec<String> {
    let note = match (&step.error, step.due) {
        (_, Some(due)) => format!("until {due}"),
        (Some(error), None) => error.to_string(),
        _ => String::new(),
    };
    vec![
        step.step.clone(),
        step.status.to_owned(),
        if step.attempts == 0 { String::new() } else { step.attempts.to_string() },
        step.ended.map_or_else(String::new, |end| span(end.since_ms(step.began))),
        credits(step.credits).split(' ').next().unwrap_or_default().to_owned(),
        note,
    ]
}

async fn journal(session: &Session, run: RunId) -> Result<()> {
    let records = session.engine.journal(&session.organization, run, 0).await?;
    let lines: Vec<_> = records.iter().map(|(seq, r)| numbered(*seq, r)).collect();
    match session.output.format {
        Format::Json => session.output.item(&lines, String::new),
        _ => lines.iter().try_for_each(|line| session.output.raw(&line.to_string())),
    }
}

fn numbered(seq: u64, record: &JournalRecord) -> serde_json::Value {
    json!({ "seq": seq, "at": record.at.to_string(), "epoch": record.epoch, "events": record.events })
}

async fn watch(session: &Session, run: RunId) -> Result<()> {
    let past = session.engine.summary(&session.organization, run).await?.seq;
    let mut driver = Driver::start(&session.engine);
    to_end(session, &mut driver, run, past).await.finish(driver).await
}

async fn replay(session: &Session, args: ReplayArgs) -> Result<()> {
    let Session { engine, organization, .. } = session;
    let pipeline = match &args.file {
        Some(file) => Some(compile_or_show(session, &files::read_text(file.as_ref())?).await?.0),
        None => None,
    };
    let mut driver = Driver::start(engine);
    let mut how = Replay::default();
    (how.from, how.pipeline, how.input) = (args.from, pipeline, args.input.given()?);
    let handle = engine.replay(organization, args.run, how).await?;
    announce(session, handle.id(), &format!("replays {}", args.run));
    to_end(session, &mut driver, handle.id(), 0).await.finish(driver).await
}

async fn decide(session: &Session, args: DecideArgs) -> Result<()> {
    let engine: &Engine = &session.engine;
    let decision = Decision {
        step: args.step,
        approved: args.approve,
        form: args.form.read()?,
        by: "cli".to_owned(),
    };
    let past = engine.summary(&session.organization, args.run).await?.seq;
    let mut driver = Driver::start(engine);
    engine.decide(&session.organization, args.run, &decision).await?;
    to_end(session, &mut driver, args.run, past).await.finish(driver).await
}
