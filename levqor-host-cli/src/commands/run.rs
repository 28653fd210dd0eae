//! `run`: start a run (or take one up again), drive it here, print its output.

use levqor_core::engine::Start;
use levqor_core::ids::RunId;

use super::check::file_or_name;
use crate::args::{Global, RunArgs};
use crate::failure::Result;
use crate::follow::{self, Driver, End};
use crate::output::Output;
use crate::session::Session;

pub(crate) async fn run(global: &Global, output: Output, args: RunArgs) -> Result<()> {
    if let Some(run) = args.resume {
        let session = Session::open_present(global, output).await?;
        return resume(&session, run, args.max_credits).await;
    }
    let session = Session::open(global, output).await?;
    let word = args.file.as_deref().unwrap_or("-");
    let pipeline = file_or_name(&session, word).await?;
    let mut start = Start::new(pipeline.clone(), args.input.read()?);
    start.principal = Some("cli".to_owned());
    start.max_credits = args.max_credits;
    start.idempotency_key = args.key;
    start.priority = args.priority;
    session.welcome().await?;
    let mut driver = Driver::start(&session.engine);
    let handle = session.engine.start(start).await?;
    let what = if handle.replayed() { "known already by its key" } else { pipeline.name() };
    announce(&session, handle.id(), what);
    to_end(&session, &mut driver, handle.id(), 0).await.finish(driver).await
}

/// Takes a run up again; an ended one is continued by a new run.
pub(crate) async fn resume(session: &Session, run: RunId, max: Option<u64>) -> Result<()> {
    let past = session.engine.summary(&session.organization, run).await?.seq;
    let mut driver = Driver::start(&session.engine);
    let handle = session.engine.resume(&session.organization, run, max).await?;
    let id = handle.id();
    let same = id == run;
    let what = if same { "going on".to_owned() } else { format!("continues {run}") };
    announce(session, id, &what);
    let past = if same { past } else { 0 };
    to_end(session, &mut driver, id, past).await.finish(driver).await
}

/// Says early which run it is and how to take it up again: the process may not get to say more.
pub(crate) fn announce(session: &Session, run: RunId, what: &str) {
    session.output.note(&format!("run   {run}  {what}"));
    if session.is_durable() {
        let id = run.to_string();
        let command = session.command(&["run", "--resume", &id]);
        session.output.note(&format!("      if it is cut short: {command}"));
    }
}

/// A command's result while the engine is still being driven.
pub(crate) struct Followed(Result<()>);

impl Followed {
    /// What it came to, with the engine going on.
    pub(crate) fn result(self) -> Result<()> {
        self.0
    }

    /// Stops the engine, then ends the command.
    pub(crate) async fn finish(self, driver: Driver) -> Result<()> {
        let stopped = driver.stop().await;
        self.0.and(stopped)
    }
}

/// Follows a run to its end and prints what it came to; `past` as in [`follow::until_end`].
pub(crate) async fn to_end(
    session: &Session,
    driver: &mut Driver,
    run: RunId,
    past: u64,
) -> Followed {
    let end = follow::until_end(session, driver, run, past).await;
    if let Ok(End::Interrupted) = &end {
        session.output.note("stopping…");
    }
    Followed(end.and_then(|end| follow::conclude(session, run, end)))
}
