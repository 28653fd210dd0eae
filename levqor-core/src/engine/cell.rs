//! One run in memory, and how it is read from and written to the store.
//!
//! A transition is: apply events to the state, then [`commit`] them with the header at the revision
//! that was read. A stale writer is refused there and nowhere else.

use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use tokio::sync::{Mutex, Notify};

use super::Inner;
use super::codec;
use super::error::Error;
use super::outbox::StatusChange;
use crate::ids::{Organization, RunId};
use crate::ledger::{AVAILABLE, HELD, Settlement, key_of_settlement};
use crate::machine::{self, Moment};
use crate::run::{Event, Header, JournalRecord, Lease, Node, RunState, RunStatus, WaitFor};
use crate::store::{Add, Batch, CommitError, Counter, Revision};
use crate::time::Timestamp;

/// A run that this process drives or changes.
#[derive(Debug)]
pub(crate) struct Cell {
    pub(crate) organization: Organization,
    pub(crate) run: RunId,
    pub(crate) live: Mutex<Option<Live>>,
    /// Somebody else changed the state; the driver looks again.
    pub(crate) changed: Notify,
    /// The run became ready while its driver was leaving: it goes back to the queue.
    pub(crate) again: AtomicBool,
}

impl Cell {
    pub(crate) fn new(organization: Organization, run: RunId, live: Option<Live>) -> Arc<Self> {
        Arc::new(Self {
            organization,
            run,
            live: Mutex::new(live),
            changed: Notify::new(),
            again: AtomicBool::new(false),
        })
    }
}

/// A run as loaded.
#[derive(Debug)]
pub(crate) struct Live {
    pub(crate) header: Header,
    pub(crate) revision: Revision,
    pub(crate) state: RunState,
    /// Whether this engine holds the lease named in the header.
    pub(crate) leased: bool,
}

/// Whether the run goes on in this process after the commit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Hold {
    /// This engine drives it.
    Lease,
    /// Nobody needs to: it is parked, or goes back to the queue.
    Free,
}

/// Reads a live run; `None` when it is not among the live ones.
pub(crate) async fn load(
    inner: &Inner,
    organization: &Organization,
    run: RunId,
) -> Result<Option<Live>, Error> {
    let key = codec::live_key(organization, run);
    let Some(record) = inner.store.get(std::slice::from_ref(&key)).await?.pop().flatten() else {
        return Ok(None);
    };
    let header = codec::read_header(&record.value)?;
    let state = fold(inner, organization, run, &header).await?;
    Ok(Some(Live { header, revision: record.revision, state, leased: false }))
}

/// The state that the journal's first `header.seq` records fold to.
pub(crate) async fn fold(
    inner: &Inner,
    organization: &Organization,
    run: RunId,
    header: &Header,
) -> Result<RunState, Error> {
    let pipeline = inner.pipeline(organization, header.hash).await?;
    let mut state = None;
    for record in codec::read_journal(&*inner.store, run, 0, header.seq).await? {
        for event in record.1.events {
            match (&mut state, event) {
                (None, Event::RunStarted(started)) => {
                    let id = organization.clone();
                    state = Some(RunState::new(run, id, pipeline.clone(), *started));
                }
                (Some(state), event) => state.apply(&event)?,
                (None, _) => return Err(codec::corrupt("a journal does not begin at its start")),
            }
        }
    }
    state.ok_or_else(|| codec::corrupt("a run without a journal"))
}

/// Commits the events, which were applied to `live.state` already.
///
/// On an error nothing was written and `live` must be loaded again (its state ran ahead).
pub(crate) async fn commit(
    inner: &Inner,
    organization: &Organization,
    live: &mut Live,
    events: Vec<Event>,
    hold: Hold,
    now: Timestamp,
) -> Result<(), CommitError> {
    commit_along(inner, organization, live, events, hold, now, None).await
}

/// The same, with records of somebody else's in the commit.
pub(crate) async fn commit_along(
    inner: &Inner,
    organization: &Organization,
    live: &mut Live,
    events: Vec<Event>,
    hold: Hold,
    now: Timestamp,
    along: Option<&Batch>,
) -> Result<(), CommitError> {
    let (mut batch, header) = transition(inner, organization, live, events, hold, now, None);
    if let Some(along) = along {
        batch.along(along.clone());
    }
    let committed = match inner.store.commit(batch).await {
        Err(CommitError::Unknown) => written(inner, organization, live.state.id(), &header).await?,
        other => other?.revision,
    };
    live.header = header;
    live.revision = committed;
    live.leased = hold == Hold::Lease;
    inner.committed(live.state.id(), live.header.seq);
    inner.tell_if_ended(organization, live);
    Ok(())
}

/// After an unknown outcome: the revision of our header where it stands as we wrote it. Where
/// another one stands, ours may have been applied and replaced since; what was read last is no
/// longer true either way. The journal cannot tell: two engines that take over a run in the same
/// millisecond write the same record.
async fn written(
    inner: &Inner,
    organization: &Organization,
    run: RunId,
    header: &Header,
) -> Result<Revision, CommitError> {
    let key = if header.status.is_final() {
        codec::done_key(organization, run)
    } else {
        codec::live_key(organization, run)
    };
    let found = inner.store.get(std::slice::from_ref(&key)).await;
    match found.map_err(|_| CommitError::Unknown)?.pop().flatten() {
        Some(record) if record.value == codec::write_header(header) => Ok(record.revision),
        _ => Err(CommitError::Conflict { key }),
    }
}

/// The batch of a transition and the header it writes. `first` says that the run is new, and its
/// key must be absent.
pub(crate) fn transition(
    inner: &Inner,
    organization: &Organization,
    live: &Live,
    events: Vec<Event>,
    hold: Hold,
    now: Timestamp,
    first: Option<()>,
) -> (Batch, Header) {
    let state = &live.state;
    let run = state.id();
    let claims = hold == Hold::Lease && !live.leased;
    let epoch = live.header.epoch + u64::from(claims);
    let mut batch = Batch::new(organization.as_str());
    let mut header = next_header(inner, live, hold, epoch, now);
    if events.is_empty() {
        // A lease taken, renewed or given back is not part of the run's history.
        header.seq = live.header.seq;
    } else {
        let record = JournalRecord { v: 1, at: now, epoch, events };
        codec::put_journal(&mut batch, run, live.header.seq, &record);
    }
    let live_key = codec::live_key(organization, run);
    let bytes = codec::write_header(&header);
    match (first, header.status.is_final()) {
        (Some(()), false) => batch.insert(live_key, bytes),
        (Some(()), true) => batch.insert(codec::done_key(organization, run), bytes),
        (None, false) => batch.replace(live_key, live.revision, bytes),
        (None, true) => {
            batch.remove(live_key, live.revision);
            batch.set.push((codec::done_key(organization, run), bytes));
        }
    }
    if header.status == RunStatus::Dead {
        batch.set.push(codec::dead_letter(organization, run, &header, state));
    }
    if first.is_some() || header.status != live.header.status {
        tell_outbox(inner, organization, run, &header, now, &mut batch);
    }
    move_credits(&mut batch, organization, &live.header, &header);
    if header.status.is_final() {
        settle_ledger(&mut batch, organization, state, &header);
    }
    (batch, header)
}

/// Records that the embedder wants along with a change of status.
fn tell_outbox(
    inner: &Inner,
    organization: &Organization,
    run: RunId,
    header: &Header,
    now: Timestamp,
    batch: &mut Batch,
) {
    let Some(outbox) = &inner.options.outbox else { return };
    if inner.options.is_own(organization) {
        return;
    }
    batch.set.extend(outbox.records(&StatusChange {
        organization,
        run,
        pipeline: &header.pipeline,
        status: header.status,
        seq: header.seq,
        created: header.created,
        at: now,
    }));
}

/// What the transition holds, captures and releases, as two bounded adds.
fn move_credits(batch: &mut Batch, organization: &Organization, before: &Header, after: &Header) {
    // Amounts are under 2^53, so none of this can wrap.
    let signed = |n: u64| i64::try_from(n).unwrap_or(i64::MAX);
    let held = signed(after.tally.open()) - signed(before.tally.open());
    let captured = signed(after.tally.captured) - signed(before.tally.captured);
    let mut add = |slot: &'static str, delta: i64| {
        if delta != 0 {
            let counter = Counter::new(organization.as_str(), slot);
            batch.add(Add { counter, delta, min: 0, max: i64::MAX });
        }
    };
    add(AVAILABLE, -(held + captured));
    add(HELD, held);
}

/// A run that cost something leaves one record in the ledger, which outlives the run.
fn settle_ledger(
    batch: &mut Batch,
    organization: &Organization,
    state: &RunState,
    header: &Header,
) {
    if header.tally.captured == 0 {
        return;
    }
    let at = header.ended.unwrap_or_default();
    let settled = Settlement::new(state.id(), header.tally, at).and_then(|mut settlement| {
        settlement.pipeline = Some(header.pipeline.to_string());
        settlement.actions = state.spent();
        settlement.to_value()
    });
    // `apply` refuses to end a run with an open hold, so a settlement can always be made.
    if let Ok(value) = settled {
        batch.set.push((key_of_settlement(organization, state.id(), at), value));
    }
}

fn next_header(inner: &Inner, live: &Live, hold: Hold, epoch: u64, now: Timestamp) -> Header {
    let state = &live.state;
    let mut events = Vec::new();
    let (mut open, mut waits) = (false, false);
    state.each_active(&mut |_, _, _, node| match node {
        Node::Open { .. } => open = true,
        Node::Waiting { waits_for: WaitFor::Event(name), .. } => {
            waits = true;
            if !events.contains(name) {
                events.push(name.clone());
            }
        }
        _ => waits = true,
    });
    // Somebody else's change may have made a waiting run ready: its header must say so, for a
    // process that finds it after a crash.
    let ready = || hold == Hold::Free && machine::next(state, &Moment::at(now)).is_some();
    let status = match state.status() {
        RunStatus::Running if !open && waits && !ready() => RunStatus::Waiting,
        status => status,
    };
    let ends = status.is_final();
    let lease = (hold == Hold::Lease && !ends).then(|| Lease {
        holder: inner.holder.clone(),
        until: now.plus_ms(inner.options.lease_ms),
    });
    Header {
        v: 1,
        status,
        seq: live.header.seq + 1,
        epoch,
        lease,
        // A queued run is due at once; a delayed start says otherwise itself.
        due: if ends || status == RunStatus::Queued { None } else { state.next_due() },
        events,
        tally: state.tally(),
        ended: ends.then_some(now),
        pipeline: live.header.pipeline.clone(),
        hash: live.header.hash,
        priority: live.header.priority,
        created: live.header.created,
        concurrency: live.header.concurrency.clone(),
        labels: live.header.labels.clone(),
    }
}
