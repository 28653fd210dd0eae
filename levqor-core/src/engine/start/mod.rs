//! Accepting a run: checked, counted, claimed where a slot is free, all in one commit.

mod accept;
mod concurrency;
mod request;

use tokio::sync::oneshot;

use super::checks::check;
use super::error::Error;
use super::idempotency::{KeyUse, KeyedRequest};
use super::view::RunResult;
use super::{Engine, codec};
use crate::ids::{Organization, RunId};
use crate::store::CommitError;
pub use request::Start;

/// A run that was accepted.
#[derive(Debug)]
pub struct RunHandle {
    id: RunId,
    organization: Organization,
    replayed: bool,
    engine: Engine,
    ended: Option<oneshot::Receiver<RunResult>>,
}

impl RunHandle {
    /// The run's id.
    #[must_use]
    pub fn id(&self) -> RunId {
        self.id
    }

    /// Whether an earlier request with the same idempotency key had started it.
    #[must_use]
    pub fn replayed(&self) -> bool {
        self.replayed
    }

    /// Waits until the run has ended. Needs somebody to drive the engine ([`Engine::serve`]).
    ///
    /// # Errors
    /// When the engine stopped before the run ended.
    pub async fn wait(self) -> Result<RunResult, Error> {
        if let Some(ended) = self.ended
            && let Ok(result) = ended.await
        {
            return Ok(result);
        }
        self.engine.wait(&self.organization, self.id).await
    }
}

impl Engine {
    /// Accepts a run. After `Ok` it is durable and will be driven to its end, whatever crashes.
    ///
    /// # Errors
    /// [`Error::Refused`] for input, quota, budget, queue depth, or a key used for another request;
    /// [`Error::Commit`] when the store did not take it.
    pub async fn start(&self, start: Start) -> Result<RunHandle, Error> {
        check(&start)?;
        let known = KeyUse::of(&start)?;
        if let Some(run) = self.started_by(known.as_ref()).await? {
            return Ok(self.handle(run, &start.organization, true, None));
        }
        let refused = match self.start_new(&start, known.as_ref()).await {
            Ok(handle) => return Ok(handle),
            Err(error) => error,
        };
        // Another request with the same key may have won the race, and with it what this one was
        // refused for: the key itself, the last place of a quota or of a concurrency key.
        match &refused {
            Error::Refused(_) | Error::Commit(CommitError::Conflict { .. }) => {
                match self.started_by(known.as_ref()).await? {
                    Some(run) => Ok(self.handle(run, &start.organization, true, None)),
                    None => Err(refused),
                }
            }
            _ => Err(refused),
        }
    }

    /// The run that a keyed request has started already.
    ///
    /// # Errors
    /// [`Error::Refused`] when the key was used for another request, or is none.
    pub async fn started(
        &self,
        organization: &Organization,
        request: &KeyedRequest,
    ) -> Result<Option<RunHandle>, Error> {
        let known = KeyUse::of_request(organization, request)?;
        let run = self.started_by(Some(&known)).await?;
        Ok(run.map(|run| self.handle(run, organization, true, None)))
    }

    async fn started_by(&self, known: Option<&KeyUse>) -> Result<Option<RunId>, Error> {
        match known {
            Some(known) => known.started(&self.inner).await,
            None => Ok(None),
        }
    }

    async fn start_new(&self, start: &Start, known: Option<&KeyUse>) -> Result<RunHandle, Error> {
        let inner = &self.inner;
        let mut along = start.along.clone();
        if let Some(more) = &self.along {
            along.along((**more).clone());
        }
        let versions =
            inner.remember_version(&start.organization, &start.pipeline, &mut along).await?;
        let now = inner.clock.now();
        let run = inner.ids.run_id(now);
        if let Some(known) = known {
            known.insert(&mut along, run, now);
        }
        if let Some((key, revision, record)) = &start.schedule {
            let mut record = record.clone();
            super::schedules::started_by(&mut record, run);
            let value = record.to_value().map_err(|e| codec::corrupt(e.to_string()))?;
            along.replace(key.clone(), *revision, value);
        }
        let admission = inner.admit(start).await?;
        for add in admission.iter().flat_map(|a| &a.adds) {
            along.add(add.clone());
        }
        let steps_max = admission.as_ref().and_then(|a| a.steps_max);
        let accepted = inner.accept(start, run, now, along, steps_max).await;
        let accepted = accepted.map_err(|error| match &error {
            Error::Commit(CommitError::Bound { counter, .. }) => {
                admission.and_then(|a| a.refusal(counter, now)).unwrap_or(error)
            }
            _ => error,
        });
        let ended = accepted?;
        inner.versions_stored(&versions);
        Ok(self.handle(run, &start.organization, false, ended))
    }

    pub(crate) fn handle(
        &self,
        id: RunId,
        organization: &Organization,
        replayed: bool,
        ended: Option<oneshot::Receiver<RunResult>>,
    ) -> RunHandle {
        let organization = organization.clone();
        RunHandle { id, organization, replayed, engine: self.clone(), ended }
    }
}
