//! A start that was admitted: its slot, its first records, its commit.

use std::sync::Arc;

use tokio::sync::oneshot;

use super::Start;
use super::concurrency::concurrency_of;
use crate::engine::cell::{self, Cell, Hold, Live};
use crate::engine::checks::Leaving;
use crate::engine::view::RunResult;
use crate::engine::{Error, Inner, Observed, codec, drive, hot};
use crate::error::{ErrorKind, RunError};
use crate::ids::{Organization, RunId};
use crate::machine::Moment;
use crate::run::{Event, Header, RunState, RunStatus, Started};
use crate::store::{Batch, CommitError, Revision};
use crate::time::Timestamp;

impl Inner {
    pub(super) async fn accept(
        self: &Arc<Self>,
        start: &Start,
        run: RunId,
        now: Timestamp,
        along: Batch,
        steps_max: Option<u64>,
    ) -> Result<Option<oneshot::Receiver<RunResult>>, Error> {
        let mut live = new_run(start, run, now, steps_max);
        let concurrency = concurrency_of(start, &live.state, now)?;
        live.header.concurrency.clone_from(&concurrency);
        let enters = self.enter_concurrency(start, run, concurrency.as_ref())?;
        let cell = Cell::new(start.organization.clone(), run, None);
        let claimed = enters && start.delay_until.is_none() && self.claim_at_start(&cell);
        let mut leaving = Leaving { inner: self, cell: &cell, armed: true };
        let begun = self.begin(start, live, &cell, claimed, now, along).await;
        leaving.armed = false;
        if begun.is_err() {
            let mut hot = self.hot.lock();
            hot.clear_active(&cell);
            hot.watchers.remove(&run);
            if let Some((key, _)) = &concurrency {
                hot.leave_key(run, key);
            }
            drop(hot);
            // The slot it had taken may be what a ready run waits for.
            self.wake.notify_one();
        } else if let (false, Some((key, limit))) = (enters, &concurrency) {
            let priority = start.priority.unwrap_or(start.pipeline.priority);
            let organization = start.organization.clone();
            let mut hot = self.hot.lock();
            // Whoever was inside may have left while this run was being stored.
            if !hot.enter_key(run, key, *limit) {
                let line = hot.keys.entry(key.clone()).or_default();
                line.line.push_back((organization, run, priority));
            } else if let Some(due) = start.delay_until {
                hot.timers.insert((due, hot::TimerKey::Run(run, organization)));
                hot.parked.insert(run, (Some(due), priority));
                self.wake.notify_one();
            } else {
                hot.ready.push(&organization, run, priority);
                self.wake.notify_one();
            }
        }
        begun
    }

    async fn begin(
        self: &Arc<Self>,
        start: &Start,
        mut live: Live,
        cell: &Arc<Cell>,
        claimed: bool,
        now: Timestamp,
        along: Batch,
    ) -> Result<Option<oneshot::Receiver<RunResult>>, Error> {
        let mut events = vec![Event::RunStarted(Box::new((*live.state.started).clone()))];
        if claimed {
            let moment = Moment { now, random: self.ids.random(), may_hold: true };
            drive::advance(&mut live.state, &moment, &mut events)?;
        }
        let hold = if claimed { Hold::Lease } else { Hold::Free };
        let (mut batch, mut header) =
            cell::transition(self, &start.organization, &live, events, hold, now, Some(()));
        if let (false, Some(at)) = (claimed, start.delay_until) {
            header.due = Some(at);
            rewrite_header(&mut batch, &start.organization, cell.run, &header);
        }
        batch.along(along);
        let (sender, receiver) = oneshot::channel();
        self.hot.lock().watchers.entry(cell.run).or_default().push(sender);
        let committed = self.commit_start(batch, &start.organization, cell.run, &header).await?;
        self.tell(&Observed::RunAccepted { organization: &start.organization, run: cell.run });
        let Some(committed) = committed else {
            // Accepted, and somebody has changed it since: whoever drives it reads it first.
            self.hot.lock().watchers.remove(&cell.run);
            self.driver_over(cell);
            self.hot.lock().ready.push(&start.organization, cell.run, header.priority);
            self.wake.notify_one();
            return Ok(None);
        };
        (live.header, live.revision, live.leased) = (header, committed, claimed);
        self.committed(cell.run, live.header.seq);
        self.tell_if_ended(&start.organization, &live);
        if live.state.status().is_final() {
            self.run_ended(cell, &live);
            self.driver_over(cell);
        } else if claimed {
            *cell.live.lock().await = Some(live);
            self.spawn_claimed(cell.clone());
        } else if live.header.concurrency.is_none() || self.is_inside(&live, cell.run) {
            self.hot.lock().shelve(&start.organization, cell.run, &live.header);
            self.wake.notify_one();
        }
        Ok(Some(receiver))
    }

    /// The revision of the new header; `None` when the run is accepted and its header has changed
    /// since.
    async fn commit_start(
        &self,
        batch: Batch,
        organization: &Organization,
        run: RunId,
        header: &Header,
    ) -> Result<Option<Revision>, Error> {
        match self.store.commit(batch).await {
            Ok(committed) => Ok(Some(committed.revision)),
            Err(CommitError::Unknown) => {
                // The id is new: if a header stands there, it is ours.
                let keys = [codec::live_key(organization, run), codec::done_key(organization, run)];
                let found = self.store.get(&keys).await?.into_iter().flatten().next();
                let found = found.ok_or(Error::Commit(CommitError::Unknown))?;
                let same = found.value == codec::write_header(header);
                Ok(same.then_some(found.revision))
            }
            Err(CommitError::Bound { counter, value })
                if &*counter.slot == crate::ledger::AVAILABLE =>
            {
                let message =
                    format!("the balance of {value} credits does not cover the first step");
                Err(RunError::new(ErrorKind::BudgetExceeded, "credits.insufficient", message)
                    .into())
            }
            Err(error) => Err(error.into()),
        }
    }

    fn claim_at_start(&self, cell: &Arc<Cell>) -> bool {
        let serving = self.spawner.lock().is_some();
        let mut hot = self.hot.lock();
        let free = serving
            && !hot.stopping
            && hot.ready.len() == 0
            && hot.may_run(&cell.organization)
            && hot.active.len() < self.options.slots;
        if free {
            hot.set_active(cell);
        }
        free
    }
}

fn new_run(start: &Start, run: RunId, now: Timestamp, max_steps: Option<u64>) -> Live {
    let pipeline = &start.pipeline;
    let started = Started {
        pipeline: pipeline.name.clone(),
        hash: pipeline.hash,
        input: start.input.clone(),
        at: now,
        principal: start.principal.clone(),
        labels: start.labels.clone(),
        traceparent: start.traceparent.clone(),
        max_credits: match (pipeline.limits.credits, start.max_credits) {
            (Some(a), Some(b)) => Some(a.min(b)),
            (a, b) => a.or(b),
        },
        max_steps,
        deadline: pipeline.timeout_ms.map(|ms| start.delay_until.unwrap_or(now).plus_ms(ms)),
        origin: start.origin.clone(),
    };
    let header = Header {
        v: 1,
        pipeline: pipeline.name.clone(),
        hash: pipeline.hash,
        status: RunStatus::Queued,
        priority: start.priority.unwrap_or(pipeline.priority),
        created: now,
        seq: 0,
        epoch: 0,
        lease: None,
        due: None,
        events: Vec::new(),
        concurrency: None,
        labels: Arc::new(start.labels.clone()),
        tally: crate::ledger::Tally::default(),
        ended: None,
    };
    let state = RunState::new(run, start.organization.clone(), pipeline.clone(), started);
    Live { header, revision: Revision(0), state, leased: false }
}

fn rewrite_header(batch: &mut Batch, organization: &Organization, run: RunId, header: &Header) {
    let key = codec::live_key(organization, run);
    if let Some((_, value)) = batch.set.iter_mut().find(|(k, _)| *k == key) {
        *value = codec::write_header(header);
    }
}
