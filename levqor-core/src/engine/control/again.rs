//! Going on with a run that ended or stands still: resume, replay.

use std::sync::Arc;

use serde_json::Value;

use super::conflict;
use crate::engine::idempotency::{KeyedRequest, run_of};
use crate::engine::past::steps_before;
use crate::engine::{Engine, Error, Observed, RunHandle, codec};
use crate::ids::{Organization, RunId};
use crate::pipeline::Pipeline;
use crate::run::{Event, RunStatus};
use crate::store::Expect;

/// How a run is replayed; all of it as it was where nothing is said.
#[derive(Clone, Debug, Default)]
#[non_exhaustive]
pub struct Replay {
    /// The first step to run anew; every step where absent.
    pub from: Option<String>,
    /// Another pipeline than the run's.
    pub pipeline: Option<Arc<Pipeline>>,
    /// Another input than the run's.
    pub input: Option<Value>,
    /// Who replays it; whoever started the run where absent.
    pub principal: Option<String>,
    /// W3C trace context; the run's where absent.
    pub traceparent: Option<String>,
    /// The host's request, where it carries an idempotency key.
    pub request: Option<KeyedRequest>,
}

impl Engine {
    /// Sends a paused run on, or starts a run that continues an ended one: steps that succeeded are
    /// taken over and not charged again, and idempotency keys stay the same. Resuming the same
    /// ended run twice starts one run only. A run that is not paused and has not ended is returned
    /// as it is.
    ///
    /// # Errors
    /// [`Error::NotFound`]; [`Error::Refused`] when the run succeeded.
    pub async fn resume(
        &self,
        organization: &Organization,
        run: RunId,
        max_credits: Option<u64>,
    ) -> Result<RunHandle, Error> {
        let status = self.summary(organization, run).await?.status;
        match status {
            RunStatus::Paused => {
                self.change(organization, run, &|state, _| {
                    if state.status() != RunStatus::Paused {
                        return Err(conflict("run.not_paused", "the run is not paused"));
                    }
                    let event = Event::RunUnpaused { max_credits };
                    state.apply(&event)?;
                    Ok(vec![event])
                })
                .await?;
                Ok(self.handle(run, organization, true, None))
            }
            RunStatus::Succeeded => {
                Err(conflict("run.succeeded", "the run succeeded: there is nothing to resume"))
            }
            status if status.is_final() => self.resume_ended(organization, run, max_credits).await,
            _ => Ok(self.handle(run, organization, true, None)),
        }
    }

    async fn resume_ended(
        &self,
        organization: &Organization,
        run: RunId,
        max_credits: Option<u64>,
    ) -> Result<RunHandle, Error> {
        let past = self.inner.past(organization, run).await?;
        let mut start = past.start(organization, past.pipeline.clone(), true, &|_| true);
        start.max_credits = max_credits.or(past.started.max_credits);
        start.idempotency_key = Some(resume_key(run));
        let letter = codec::dead_letter_key(organization, run);
        let found = self.inner.store.get(std::slice::from_ref(&letter)).await?.pop().flatten();
        if let Some(found) = &found {
            start.along.expect.push(Expect::At(letter.clone(), found.revision));
            start.along.delete.push(letter);
        }
        let handle = self.start(start).await?;
        if found.is_some() && !handle.replayed() {
            self.inner.tell(&Observed::DeadLetterGone { organization, run });
        }
        Ok(handle)
    }

    /// The run that [`Engine::resume`] has started for an ended one.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub async fn resumed(
        &self,
        organization: &Organization,
        run: RunId,
    ) -> Result<Option<RunHandle>, Error> {
        let key = resume_key(run);
        let run = run_of(&self.inner, organization, &key).await?;
        Ok(run.map(|run| self.handle(run, organization, true, None)))
    }

    /// Starts a run that takes over the outputs of an ended run's steps before `from`, and runs
    /// the rest anew, with the same or an edited pipeline, the same or another input.
    ///
    /// # Errors
    /// [`Error::NotFound`]; [`Error::Refused`] when `from` is not a step of the pipeline, or as
    /// [`Engine::start`].
    pub async fn replay(
        &self,
        organization: &Organization,
        run: RunId,
        replay: Replay,
    ) -> Result<RunHandle, Error> {
        let past = self.inner.past(organization, run).await?;
        let pipeline = replay.pipeline.unwrap_or_else(|| past.pipeline.clone());
        let before = steps_before(&pipeline, replay.from.as_deref())?;
        let keep = |path: &str| before.contains(path.split(['.', '[']).next().unwrap_or(path));
        let mut start = past.start(organization, pipeline, false, &keep);
        if let Some(input) = replay.input {
            start.input = input.into();
        }
        start.principal = replay.principal.or(start.principal);
        start.traceparent = replay.traceparent.or(start.traceparent);
        start.request = replay.request;
        self.start(start).await
    }
}

/// The key under which an ended run is continued once.
fn resume_key(run: RunId) -> String {
    format!("resume:{run}")
}
