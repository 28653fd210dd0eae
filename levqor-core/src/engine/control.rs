//! Changing a run from outside: cancel, resume, replay, decide an approval, publish an event.
//!
//! A change is a transition like any other: applied to the run as it stands, committed against its
//! header's revision, and tried again on what it has become when somebody was faster. The driver,
//! if there is one, is told to look again.

use std::collections::BTreeSet;
use std::sync::Arc;

use serde_json::Value;

use super::cell::{self, Cell, Hold, Live};
use super::error::Error;
use super::idempotency::KeyedRequest;
use super::past::steps_before;
use super::start::RunHandle;
use super::{Engine, Inner, Observed, codec};
use crate::error::{ErrorKind, RunError};
use crate::ids::{Organization, RunId};
use crate::machine;
use crate::pipeline::Pipeline;
use crate::run::{Event, RunState, RunStatus};
use crate::store::{Batch, CommitError, Expect};
use crate::time::Timestamp;

/// Attempts at one change before it is given up: every refusal means that somebody else got on.
const CHANGES_MAX: u32 = 64;

/// What a change does to a run as it stands: the events it comes to, applied already.
type Change<'a> = dyn Fn(&mut RunState, Timestamp) -> Result<Vec<Event>, Error> + Sync + 'a;

/// A person's decision on an approval.
#[derive(Clone, Debug)]
pub struct Decision {
    /// The step's id, or its path where it is in a loop: `review`, `each[3].review`.
    pub step: String,
    /// Approved or rejected.
    pub approved: bool,
    /// What they filled in; must fit the step's `form_schema` when approved.
    pub form: Value,
    /// Who decided.
    pub by: String,
}

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
    /// Ends the run as cancelled. After `Ok` no step starts, nothing is charged, every hold is
    /// released; calls under way are dropped.
    ///
    /// # Errors
    /// [`Error::NotFound`]; [`Error::Refused`] when the run has ended already.
    pub async fn cancel(&self, organization: &Organization, run: RunId) -> Result<(), Error> {
        self.change(organization, run, &|state, _| {
            let mut events = Vec::new();
            while let Some(event) = machine::cancel_first(state) {
                state.apply(&event)?;
                events.push(event);
            }
            let error =
                RunError::new(ErrorKind::Cancelled, "run.cancelled", "the run was cancelled");
            let end = Event::RunFinished {
                status: RunStatus::Cancelled,
                output: None,
                error: Some(error),
            };
            state.apply(&end)?;
            events.push(end);
            Ok(events)
        })
        .await
    }

    /// Pauses the run: calls under way finish, no step starts until [`Engine::resume`].
    ///
    /// # Errors
    /// [`Error::NotFound`]; [`Error::Refused`] when it has ended or is paused.
    pub async fn pause(&self, organization: &Organization, run: RunId) -> Result<(), Error> {
        self.change(organization, run, &|state, _| {
            if state.status() == RunStatus::Paused {
                return Err(conflict("run.paused_already", "the run is paused already"));
            }
            let error = RunError::new(ErrorKind::Cancelled, "run.paused", "paused by a person");
            let event = Event::RunPaused { error };
            state.apply(&event)?;
            Ok(vec![event])
        })
        .await
    }

    /// Decides an approval that is waiting.
    ///
    /// # Errors
    /// [`Error::NotFound`]; [`Error::Refused`] when no such approval waits or the form does not fit.
    pub async fn decide(
        &self,
        organization: &Organization,
        run: RunId,
        decision: &Decision,
    ) -> Result<(), Error> {
        self.change(organization, run, &|state, _| {
            let Decision { step, approved, form, by } = decision;
            let event = machine::signal_approval(state, step, *approved, form, by)?;
            state.apply(&event)?;
            Ok(vec![event])
        })
        .await
    }

    /// Hands an event to every run that waits for one of this name and whose `match` holds, and
    /// starts a run of every stored pipeline with an `event` trigger for it. Returns the runs.
    ///
    /// # Errors
    /// [`Error::Refused`] for a payload that is too large; when the store fails, some runs may have
    /// taken the event.
    pub async fn publish(
        &self,
        organization: &Organization,
        name: &str,
        payload: Value,
    ) -> Result<Vec<RunId>, Error> {
        let bytes_max = crate::limits::INPUT_BYTES_MAX;
        let codes = ["event.payload_too_deep", "event.payload_too_large"];
        crate::value::check(&payload, bytes_max, "the payload", codes)?;
        let payload = Arc::new(payload);
        let candidates = self.inner.event_candidates(organization, name);
        let mut took = Vec::new();
        for run in candidates {
            let change = |state: &mut RunState, now: Timestamp| {
                let events = machine::signal_event(state, name, &payload, now);
                for event in &events {
                    state.apply(event)?;
                }
                if events.is_empty() { Err(not_waiting()) } else { Ok(events) }
            };
            match self.change(organization, run, &change).await {
                Ok(()) => took.push(run),
                Err(Error::Refused(_) | Error::NotFound { .. }) => {}
                Err(error) => return Err(error),
            }
        }
        let started = self.trigger_all(organization, name, &payload).await?;
        took.extend(started.iter().map(RunHandle::id));
        Ok(took)
    }

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
        let run = super::idempotency::run_of(&self.inner, organization, &key).await?;
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
            start.input = input;
        }
        start.principal = replay.principal.or(start.principal);
        start.traceparent = replay.traceparent.or(start.traceparent);
        start.request = replay.request;
        self.start(start).await
    }

    /// Removes a dead letter without retrying it; the run stays as it ended.
    ///
    /// # Errors
    /// [`Error::NotFound`] where there is none.
    pub async fn discard(&self, organization: &Organization, run: RunId) -> Result<(), Error> {
        let key = codec::dead_letter_key(organization, run);
        let Some(found) = &self.inner.store.get(std::slice::from_ref(&key)).await?[0] else {
            return Err(Error::NotFound { what: "dead letter", id: run.to_string() });
        };
        let mut batch = self.batch(organization);
        batch.remove(key, found.revision);
        self.inner.store.commit(batch).await?;
        self.inner.tell(&Observed::DeadLetterGone { organization, run });
        Ok(())
    }

    /// Applies a change to a run that has not ended, wherever it is.
    async fn change(
        &self,
        organization: &Organization,
        run: RunId,
        decide: &Change<'_>,
    ) -> Result<(), Error> {
        let inner = &self.inner;
        for _ in 0..CHANGES_MAX {
            let active = inner.hot.lock().active.get(&run).cloned();
            let done = match active.filter(|cell| cell.organization == *organization) {
                Some(cell) => inner.change_active(&cell, decide, self.along.as_deref()).await?,
                None => {
                    inner.change_parked(organization, run, decide, self.along.as_deref()).await?
                }
            };
            if done {
                return Ok(());
            }
            crate::engine::yield_once().await;
        }
        Err(conflict("run.busy", "the run changes faster than the request; try again"))
    }
}

impl Inner {
    /// Changes a run that a driver of this engine holds; `false` when it let go in between.
    async fn change_active(
        &self,
        cell: &Arc<Cell>,
        decide: &Change<'_>,
        along: Option<&Batch>,
    ) -> Result<bool, Error> {
        let mut guard = cell.live.lock().await;
        let Some(held) = guard.as_ref() else { return Ok(false) };
        if held.state.status().is_final() {
            return Err(ended());
        }
        let now = self.clock.now();
        let mut next = held.state.clone();
        let events = decide(&mut next, now)?;
        // Taken out while the outcome is open: should the caller go away now, the driver finds
        // nothing here and reads the run again.
        let Some(mut live) = guard.take() else { return Ok(false) };
        live.state = next;
        let hold = if live.leased { Hold::Lease } else { Hold::Free };
        let woken = Woken(cell);
        let done =
            cell::commit_along(self, &cell.organization, &mut live, events, hold, now, along).await;
        drop(woken);
        match done {
            Ok(()) => {
                if live.state.status().is_final() {
                    self.run_ended(cell, &live);
                }
                *guard = Some(live);
                Ok(true)
            }
            Err(error) => retryable(error),
        }
    }

    /// Changes a run that nobody here drives; `false` to try again.
    async fn change_parked(
        &self,
        organization: &Organization,
        run: RunId,
        decide: &Change<'_>,
        along: Option<&Batch>,
    ) -> Result<bool, Error> {
        let Some(mut live) = cell::load(self, organization, run).await? else {
            let done = codec::done_key(organization, run);
            return match self.store.get(std::slice::from_ref(&done)).await?[0] {
                Some(_) => Err(ended()),
                None => Err(Error::NotFound { what: "run", id: run.to_string() }),
            };
        };
        let now = self.clock.now();
        let waited = live.header.events.clone();
        let events = decide(&mut live.state, now)?;
        let free = Hold::Free;
        if let Err(error) =
            cell::commit_along(self, organization, &mut live, events, free, now, along).await
        {
            return retryable(error);
        }
        self.reshelve(organization, run, &live, &waited);
        Ok(true)
    }

    fn reshelve(&self, organization: &Organization, run: RunId, live: &Live, waited: &[Arc<str>]) {
        let mut hot = self.hot.lock();
        hot.unpark(organization, run, waited);
        if live.state.status().is_final() {
            drop(hot);
            let cell = Cell::new(organization.clone(), run, None);
            self.run_ended(&cell, live);
        } else {
            hot.shelve(organization, run, &live.header);
        }
        self.wake.notify_one();
    }

    /// Runs that wait for an event of this name, and active ones, which may have a branch that does.
    fn event_candidates(&self, organization: &Organization, name: &str) -> BTreeSet<RunId> {
        let hot = self.hot.lock();
        let key = (organization.clone(), Arc::from(name));
        let mut runs = hot.waiting.get(&key).cloned().unwrap_or_default();
        runs.extend(hot.active.values().filter(|c| c.organization == *organization).map(|c| c.run));
        runs
    }

    pub(crate) fn cancel_in_background(
        self: &Arc<Self>,
        organization: &Organization,
        runs: Vec<RunId>,
    ) {
        let Some(spawner) = self.spawner.lock().clone() else { return };
        let (engine, organization) = (Engine::of(self.clone()), organization.clone());
        spawner(Box::pin(async move {
            for run in runs {
                if let Err(error) = engine.cancel(&organization, run).await {
                    tracing::debug!(%run, %error, "not cancelled for its successor");
                }
            }
        }));
    }
}

/// Tells the driver to look again, also when the caller went away in the middle.
struct Woken<'a>(&'a Cell);

impl Drop for Woken<'_> {
    fn drop(&mut self) {
        self.0.changed.notify_one();
    }
}

/// The key under which an ended run is continued once.
fn resume_key(run: RunId) -> String {
    format!("resume:{run}")
}

/// A conflict is somebody else's progress: `Ok(false)`, try again.
fn retryable(error: CommitError) -> Result<bool, Error> {
    match error {
        CommitError::Conflict { .. } | CommitError::Unknown => Ok(false),
        other => Err(other.into()),
    }
}

fn conflict(code: &str, message: &str) -> Error {
    Error::Refused(RunError::new(ErrorKind::Conflict, code, message))
}

fn ended() -> Error {
    conflict("run.ended", "the run has ended")
}

fn not_waiting() -> Error {
    conflict("run.not_waiting", "the run does not wait for this event")
}
