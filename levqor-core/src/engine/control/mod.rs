//! Changing a run from outside: cancel, resume, replay, decide an approval, publish an event.
//!
//! A change is a transition like any other: applied to the run as it stands, committed against its
//! header's revision, and tried again on what it has become when somebody was faster. The driver,
//! if there is one, is told to look again.

mod again;
mod change;

use std::collections::BTreeSet;
use std::sync::Arc;

use serde_json::Value;

use super::error::Error;
use super::{Engine, Inner, Observed, RunHandle, codec};
use crate::error::{ErrorKind, RunError};
use crate::ids::{Organization, RunId};
use crate::machine;
use crate::run::{Event, RunState, RunStatus};
use crate::time::Timestamp;
pub use again::Replay;
use change::Change;

/// Attempts at one change before it is given up: every refusal means that somebody else got on.
const CHANGES_MAX: u32 = 64;

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

fn conflict(code: &str, message: &str) -> Error {
    Error::Refused(RunError::new(ErrorKind::Conflict, code, message))
}

fn ended() -> Error {
    conflict("run.ended", "the run has ended")
}

fn not_waiting() -> Error {
    conflict("run.not_waiting", "the run does not wait for this event")
}
