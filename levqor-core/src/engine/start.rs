//! Accepting a run: checked, counted, claimed where a slot is free, all in one commit.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde_json::Value;
use tokio::sync::oneshot;

use super::cell::{self, Cell, Hold, Live};
use super::checks::{Leaving, check};
use super::error::Error;
use super::idempotency::{KeyUse, KeyedRequest};
use super::view::RunResult;
use super::{Engine, Inner, Observed, codec, drive};
use crate::error::{ErrorKind, RunError};
use crate::ids::{Organization, RunId};
use crate::machine::Moment;
use crate::pipeline::{OnLimit, Pipeline};
use crate::run::{Event, Header, Level, Origin, RunState, RunStatus, Started};
use crate::schedule::{Overlap, ScheduleRecord};
use crate::store::{Batch, CommitError, Key, Revision};
use crate::time::Timestamp;

/// A request to start a run.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Start {
    /// Whose run it is.
    pub organization: Organization,
    /// What to run.
    pub pipeline: Arc<Pipeline>,
    /// Its input; must fit the pipeline's `input_schema`.
    pub input: Value,
    /// The same key with the same pipeline and input starts one run only.
    pub idempotency_key: Option<String>,
    /// A host's request with its key, in place of `idempotency_key`: all of the request counts, not
    /// the pipeline and the input alone.
    pub request: Option<KeyedRequest>,
    /// Who starts it, for people.
    pub principal: Option<String>,
    /// Free labels.
    pub labels: BTreeMap<String, String>,
    /// 1 (first) to 5 (last); the document's where absent.
    pub priority: Option<u8>,
    /// Most credits it may capture; the document's limit holds as well.
    pub max_credits: Option<u64>,
    /// Not before this moment.
    pub delay_until: Option<Timestamp>,
    /// W3C trace context.
    pub traceparent: Option<String>,
    /// Not one of the plan's runs a day: a host's own work. What it costs is charged as ever.
    pub uncounted: bool,
    /// The key alone decides: another input under it is a repetition, not a mistake.
    pub(crate) dedupes: bool,
    pub(crate) origin: Option<Box<Origin>>,
    /// The schedule that fires, to be advanced in the same commit.
    pub(crate) schedule: Option<(Key, Revision, ScheduleRecord)>,
    pub(crate) overlap: Option<Overlap>,
    /// Written in the same commit: a schedule's advance, a dead letter's mark.
    pub(crate) along: Batch,
}

impl Start {
    /// A run of `pipeline` with `input`, for organization `local`.
    #[must_use]
    pub fn new(pipeline: Arc<Pipeline>, input: Value) -> Self {
        Self {
            organization: Organization::local(),
            pipeline,
            input,
            idempotency_key: None,
            request: None,
            principal: None,
            labels: BTreeMap::new(),
            priority: None,
            max_credits: None,
            delay_until: None,
            traceparent: None,
            uncounted: false,
            dedupes: false,
            origin: None,
            schedule: None,
            overlap: None,
            along: Batch::default(),
        }
    }

    /// For this organization.
    #[must_use]
    pub fn organization(mut self, organization: Organization) -> Self {
        self.organization = organization;
        self
    }

    /// Under this idempotency key.
    #[must_use]
    pub fn idempotency_key(mut self, key: impl Into<String>) -> Self {
        self.idempotency_key = Some(key.into());
        self
    }
}

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

impl Inner {
    async fn accept(
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
                hot.timers.insert((due, super::hot::TimerKey::Run(run, organization)));
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

    fn is_inside(&self, live: &Live, run: RunId) -> bool {
        let Some((key, _)) = &live.header.concurrency else { return true };
        self.hot.lock().keys.get(key).is_some_and(|line| line.inside.contains(&run))
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

    /// Whether the run may begin now, as its document's `concurrency` says.
    fn enter_concurrency(
        self: &Arc<Self>,
        start: &Start,
        run: RunId,
        concurrency: Option<&(Arc<str>, u32)>,
    ) -> Result<bool, Error> {
        let mut hot = self.hot.lock();
        if hot.ready.len() >= self.options.queue_depth as usize {
            return Err(Error::Refused(RunError::new(
                ErrorKind::RateLimited,
                "queue.full",
                format!("{} runs are waiting already", hot.ready.len()),
            )));
        }
        let Some((key, limit)) = concurrency else { return Ok(true) };
        if hot.enter_key(run, key, *limit) {
            return Ok(true);
        }
        match start.pipeline.concurrency.as_ref().map_or(OnLimit::Queue, |rule| rule.on_limit) {
            OnLimit::Queue => Ok(false),
            OnLimit::Skip => Err(Error::Refused(RunError::new(
                ErrorKind::Conflict,
                "run.concurrency_skipped",
                format!("{limit} run(s) with this concurrency key are not finished"),
            ))),
            OnLimit::CancelRunning => {
                let line: Vec<RunId> = hot
                    .keys
                    .get(key)
                    .map(|l| l.inside.iter().copied().collect())
                    .unwrap_or_default();
                drop(hot);
                self.cancel_in_background(&start.organization, line);
                Ok(false)
            }
        }
    }
}

fn new_run(start: &Start, run: RunId, now: Timestamp, max_steps: Option<u64>) -> Live {
    let pipeline = &start.pipeline;
    let started = Started {
        pipeline: pipeline.name.clone(),
        hash: pipeline.hash,
        input: Arc::new(start.input.clone()),
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

fn concurrency_of(
    start: &Start,
    state: &RunState,
    now: Timestamp,
) -> Result<Option<(Arc<str>, u32)>, Error> {
    let Some(rule) = &start.pipeline.concurrency else {
        // A schedule that queues behind its own last run.
        let queues = start.overlap == Some(Overlap::Queue);
        let name = start.principal.as_deref().unwrap_or_default();
        let key = format!("{}/{}/{name}", start.organization, start.pipeline.name);
        return Ok(queues.then(|| (key.into(), 1)));
    };
    let Some(level) = Level::root(state, 0, now) else { return Ok(None) };
    let key = rule.key.render(&level).map_err(|e| {
        let message = format!("in `concurrency.key`: {}", e.message);
        RunError::new(ErrorKind::InvalidInput, e.code, message)
    })?;
    let text = key.as_str().map_or_else(|| key.to_string(), str::to_owned);
    let key = format!("{}/{}/{text}", start.organization, start.pipeline.name);
    Ok(Some((key.into(), rule.limit.max(1))))
}

fn rewrite_header(batch: &mut Batch, organization: &Organization, run: RunId, header: &Header) {
    let key = codec::live_key(organization, run);
    if let Some((_, value)) = batch.set.iter_mut().find(|(k, _)| *k == key) {
        *value = codec::write_header(header);
    }
}
