//! One change applied to a run as it stands, with a driver or without.

use std::sync::Arc;

use super::ended;
use crate::engine::cell::{self, Cell, Hold, Live};
use crate::engine::{Error, Inner, codec};
use crate::ids::{Organization, RunId};
use crate::run::{Event, RunState};
use crate::store::{Batch, CommitError};
use crate::time::Timestamp;

/// What a change does to a run as it stands: the events it comes to, applied already.
pub(super) type Change<'a> =
    dyn Fn(&mut RunState, Timestamp) -> Result<Vec<Event>, Error> + Sync + 'a;

impl Inner {
    /// Changes a run that a driver of this engine holds; `false` when it let go in between.
    pub(super) async fn change_active(
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
    pub(super) async fn change_parked(
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
}

/// Tells the driver to look again, also when the caller went away in the middle.
struct Woken<'a>(&'a Cell);

impl Drop for Woken<'_> {
    fn drop(&mut self) {
        self.0.changed.notify_one();
    }
}

/// A conflict is somebody else's progress: `Ok(false)`, try again.
fn retryable(error: CommitError) -> Result<bool, Error> {
    match error {
        CommitError::Conflict { .. } | CommitError::Unknown => Ok(false),
        other => Err(other.into()),
    }
}
