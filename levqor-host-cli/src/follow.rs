//! Driving the engine in this process while watching one run, until it ends or somebody stops it.

use std::sync::Arc;

use levqor_core::RunError;
use levqor_core::engine::{Engine, Error, Served};
use levqor_core::ids::RunId;
use levqor_core::run::{Event, RunStatus};
use serde_json::Value;
use tokio::sync::broadcast::error::RecvError;
use tokio::sync::oneshot;
use tokio::task::JoinHandle;

use crate::exit::Exit;
use crate::failure::{Failure, Result};
use crate::output::say;
use crate::progress::Progress;
use crate::session::Session;

/// How long `run` waits for a person's decision or an event that only another process could bring:
/// none can, while this one has the store. A wait that ends by itself sooner is waited for.
const PATIENCE_MS: u64 = 60_000;

/// How following a run ended.
#[derive(Debug)]
pub(crate) enum End {
    /// The run ended.
    Finished { status: RunStatus, output: Option<Arc<Value>>, error: Option<RunError> },
    /// A budget or a person paused it.
    Paused { error: RunError },
    /// Only a person or an event can move it.
    Waiting { step: String, what: String },
    /// Ctrl-C.
    Interrupted,
}

/// An engine being driven in the background.
pub(crate) struct Driver {
    stop: Option<oneshot::Sender<()>>,
    served: JoinHandle<std::result::Result<Served, Error>>,
}

impl Driver {
    /// Starts driving.
    pub(crate) fn start(engine: &Engine) -> Self {
        let (stop, stopped) = oneshot::channel::<()>();
        let engine = engine.clone();
        let served = tokio::spawn(async move {
            engine
                .serve(async {
                    let _ = stopped.await;
                })
                .await
        });
        Self { stop: Some(stop), served }
    }

    /// Lets calls under way finish and stops; a second Ctrl-C does not wait for them.
    pub(crate) async fn stop(mut self) -> Result<()> {
        drop(self.stop.take());
        tokio::select! {
            ended = &mut self.served => served(ended),
            () = interrupted() => Ok(()),
        }
    }

    /// Completes when the engine fails by itself.
    pub(crate) async fn failed(&mut self) -> Failure {
        match served((&mut self.served).await) {
            Err(failure) => failure,
            Ok(()) => Error::Stopped.into(),
        }
    }
}

fn served(
    ended: std::result::Result<std::result::Result<Served, Error>, tokio::task::JoinError>,
) -> Result<()> {
    match ended {
        Ok(Ok(_)) => Ok(()),
        Ok(Err(error)) => Err(error.into()),
        Err(_) => Err(Error::Stopped.into()),
    }
}

/// Completes on Ctrl-C, and on SIGTERM where there is one.
pub(crate) async fn interrupted() {
    #[cfg(unix)]
    {
        use tokio::signal::unix::{SignalKind, signal};
        if let Ok(mut terminate) = signal(SignalKind::terminate()) {
            tokio::select! {
                _ = tokio::signal::ctrl_c() => {}
                _ = terminate.recv() => {}
            }
            return;
        }
    }
    let _ = tokio::signal::ctrl_c().await;
}

/// Follows a run and shows its progress until something in [`End`] is true. Its first `past` journal
/// records were written before this process.
pub(crate) async fn until_end(
    session: &Session,
    driver: &mut Driver,
    run: RunId,
    past: u64,
) -> Result<End> {
    let Session { engine, organization, .. } = session;
    let mut feed = engine.feed();
    let version = engine.summary(organization, run).await?.version;
    let pipeline = engine.version(organization, version).await?;
    let mut progress = Progress::new(pipeline, session.output);
    let mut interrupted = std::pin::pin!(interrupted());
    let mut seq = 0;
    loop {
        for (at, record) in engine.journal(organization, run, seq).await? {
            seq = at + 1;
            progress.set_past(at < past);
            for event in &record.events {
                progress.see(record.at, event);
                if let Event::RunFinished { status, output, error } = event {
                    let (status, output, error) = (*status, output.clone(), error.clone());
                    return Ok(End::Finished { status, output, error });
                }
            }
        }
        if let Some(error) = progress.paused() {
            return Ok(End::Paused { error });
        }
        if let Some((step, what)) = progress.stands_still(session.now(), PATIENCE_MS) {
            return Ok(End::Waiting { step, what });
        }
        loop {
            tokio::select! {
                biased;
                () = &mut interrupted => return Ok(End::Interrupted),
                failure = driver.failed() => return Err(failure),
                ticked = feed.recv() => match ticked {
                    Ok((id, _)) if id != run => {}
                    Ok(_) | Err(RecvError::Lagged(_)) => break,
                    Err(RecvError::Closed) => return Err(Error::Stopped.into()),
                }
            }
        }
    }
}

/// Prints what a followed run came to, and ends the command with its exit code.
pub(crate) fn conclude(session: &Session, run: RunId, end: End) -> Result<()> {
    let id = run.to_string();
    let again = || session.command(&["run", "--resume", &id]);
    let failed = |code: String, message: String| Failure::new(Exit::RunFailed, code, message);
    match end {
        End::Finished { status: RunStatus::Succeeded, output, .. } => {
            session.output.run_output(output.as_deref().unwrap_or(&Value::Null))
        }
        End::Finished { error, .. } if !session.is_durable() => Err(match error {
            Some(e) => failed(e.code.clone(), told(&e)),
            None => failed("run.cancelled".to_owned(), "the run was cancelled".to_owned()),
        }),
        End::Finished { status, error, .. } => {
            let error = error.unwrap_or_else(|| ended(status));
            let again = format!("go on with: {}", again());
            let help = match levqor_core::explain::find(&error.code) {
                // A connector's own codes are its author's to explain.
                None => again,
                Some(known) => format!("levqor explain {}\n      {again}", known.code),
            };
            Err(failed(error.code.clone(), told(&error)).help(help))
        }
        End::Paused { error } => {
            let message = format!("the run is paused: {}", error.message);
            Err(failed(error.code.clone(), message).help(format!("go on with: {}", again())))
        }
        End::Waiting { step, what } => {
            let message = format!("step `{step}` waits for {what}");
            let help = if what.starts_with("event") {
                session.command(&["runs", "publish", what.trim_start_matches("event ")])
            } else {
                session.command(&["runs", "decide", &id, &step, "--approve"])
            };
            Err(failed("run.waiting".to_owned(), message).help(help))
        }
        End::Interrupted => {
            if session.is_durable() {
                say(&format!("interrupted; go on with: {}", again()));
            }
            Err(Failure::silent(Exit::Interrupted))
        }
    }
}

fn ended(status: RunStatus) -> RunError {
    let message = format!("the run ended as {}", status.as_str());
    RunError::new(levqor_core::ErrorKind::Internal, "run.ended", message)
}

fn told(error: &RunError) -> String {
    match &error.step {
        Some(step) => format!("step `{step}` failed: {}", error.message),
        None => error.message.clone(),
    }
}
