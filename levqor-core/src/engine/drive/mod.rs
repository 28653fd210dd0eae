//! Drives one run: decide, commit, call, until it ends, parks, or the lease is lost.
//!
//! One driver per run; its parallel branches are calls in one set, and completions that are ready
//! together share a commit.

mod calls;

use std::sync::Arc;

use futures_util::{FutureExt, StreamExt};

use self::calls::Calls;
use super::Inner;
use super::cell::{self, Cell, Hold, Live};
use super::error::Error;
use crate::limits::EVENTS_PER_COMMIT_MAX;
use crate::machine::{self, Moment};
use crate::run::{At, Event, Node, RunState, RunStatus};
use crate::store::CommitError;
use crate::value::json_bytes;

/// Bytes of inputs and outputs after which a commit is cut: well under a batch's limit.
const COMMIT_BYTES_SOFT: usize = 8 * 1024 * 1024;
/// Reloads of one run in a row before the driver gives it back: somebody else is busy with it.
const RELOADS_MAX: u32 = 16;

/// A step of the run and its attempt.
type Place = (At, u32);

/// What one turn came to.
enum Turn {
    /// Look again at once.
    Again,
    /// Wait for calls, changes, or this moment.
    Wait(Option<crate::time::Timestamp>),
    /// Nothing more to do here.
    Over,
}

/// Drives the run in `cell` for as long as this process has something to do for it.
pub(crate) async fn drive(inner: Arc<Inner>, cell: Arc<Cell>) {
    let mut calls = Calls::default();
    let mut reloads = 0;
    let mut may_hold = true;
    loop {
        match turn(&inner, &cell, &mut calls, &mut may_hold, &mut reloads).await {
            Ok(Turn::Again) => {}
            Ok(Turn::Over) => break,
            Ok(Turn::Wait(due)) => wait(&inner, &cell, &mut calls, due).await,
            Err(error) => {
                inner.driver_failed(&cell, error);
                break;
            }
        }
    }
    inner.driver_over(&cell);
}

async fn wait(inner: &Inner, cell: &Cell, calls: &mut Calls, due: Option<crate::time::Timestamp>) {
    let timer = async {
        match due {
            Some(due) => inner.clock.sleep_until(due).await,
            None => std::future::pending().await,
        }
    };
    tokio::select! {
        biased;
        Some(finished) = calls.running.next() => calls.take(finished),
        () = cell.changed.notified() => {}
        () = timer => {}
    }
    while let Some(Some(finished)) = calls.running.next().now_or_never() {
        calls.take(finished);
    }
}

async fn turn(
    inner: &Arc<Inner>,
    cell: &Arc<Cell>,
    calls: &mut Calls,
    may_hold: &mut bool,
    reloads: &mut u32,
) -> Result<Turn, Error> {
    let mut guard = cell.live.lock().await;
    if guard.is_none() {
        *guard = cell::load(inner, &cell.organization, cell.run).await?;
    }
    let Some(live) = guard.as_mut() else { return Ok(Turn::Over) };
    if !live.leased && inner.leased_by_other(&live.header) {
        return Ok(Turn::Over);
    }
    let early = live.header.due.is_some_and(|due| due > inner.clock.now());
    if live.header.status == RunStatus::Queued && early {
        // Its turn in a line came before the time it was to start at.
        inner.park(cell, live);
        *guard = None;
        return Ok(Turn::Over);
    }
    let moment = Moment { now: inner.clock.now(), random: inner.ids.random(), may_hold: *may_hold };
    let (events, more) = decide(inner, live, calls, &moment)?;
    let parks = !has_open(&live.state) && !more;
    if !events.is_empty() {
        let hold = if parks { Hold::Free } else { Hold::Lease };
        let committed =
            cell::commit(inner, &cell.organization, live, events, hold, moment.now).await;
        match committed {
            Ok(()) => {
                calls.done.clear();
                (*may_hold, *reloads) = (true, 0);
            }
            Err(error) => return recover(&mut guard, error, may_hold, reloads),
        }
    }
    calls.done.clear();
    if live.state.status().is_final() {
        inner.run_ended(cell, live);
        return Ok(Turn::Over);
    }
    calls.follow(inner, cell, live);
    if more {
        return Ok(Turn::Again);
    }
    if parks {
        // Parked without an event of our own (a person's change did it): give the lease back.
        if live.leased && live.header.lease.is_some() {
            let freed =
                cell::commit(inner, &cell.organization, live, Vec::new(), Hold::Free, moment.now);
            if let Err(error) = freed.await {
                return recover(&mut guard, error, may_hold, reloads);
            }
        }
        inner.park(cell, live);
        *guard = None;
        return Ok(Turn::Over);
    }
    // Time moves nothing on while the run is paused or the engine stops: only calls end.
    let still = live.state.paused.is_some() || inner.stopping();
    Ok(Turn::Wait(if still { None } else { live.state.next_due() }))
}

/// After a refused commit the state ran ahead: load it again, or give up.
fn recover(
    guard: &mut Option<Live>,
    error: CommitError,
    may_hold: &mut bool,
    reloads: &mut u32,
) -> Result<Turn, Error> {
    *guard = None;
    *reloads += 1;
    match error {
        _ if *reloads > RELOADS_MAX => Err(error.into()),
        CommitError::Conflict { .. } | CommitError::Unknown => Ok(Turn::Again),
        CommitError::Bound { ref counter, .. } if &*counter.slot == crate::ledger::AVAILABLE => {
            *may_hold = false;
            Ok(Turn::Again)
        }
        other => Err(other.into()),
    }
}

/// Everything that can be said without IO: outcomes, lost attempts, then what the machine says.
fn decide(
    inner: &Inner,
    live: &mut Live,
    calls: &Calls,
    moment: &Moment,
) -> Result<(Vec<Event>, bool), Error> {
    let mut events = Vec::new();
    let mut push = |state: &mut RunState, event: Event| -> Result<(), Error> {
        state.apply(&event)?;
        events.push(event);
        Ok(())
    };
    if !live.leased {
        for (at, attempt) in open_attempts(&live.state) {
            if calls.knows(&at, attempt) {
                continue;
            }
            if let Some(event) = machine::interrupted(&live.state, &at, moment) {
                push(&mut live.state, event)?;
            }
        }
    }
    for ((at, attempt), outcome) in &calls.done {
        if let Some(event) = machine::settle(&live.state, at, *attempt, outcome.clone(), moment) {
            push(&mut live.state, event)?;
        }
    }
    let stop = inner.stopping();
    let more = !stop && advance(&mut live.state, moment, &mut events)?;
    Ok((events, more))
}

/// Applies what the machine says until it says nothing, or enough for one commit (then `true`).
pub(crate) fn advance(
    state: &mut RunState,
    moment: &Moment,
    events: &mut Vec<Event>,
) -> Result<bool, Error> {
    let mut bytes: usize = events.iter().map(weight).sum();
    let most = events.len() + EVENTS_PER_COMMIT_MAX;
    while let Some(event) = machine::next(state, moment) {
        state.apply(&event)?;
        bytes += weight(&event);
        events.push(event);
        if bytes > COMMIT_BYTES_SOFT || events.len() >= most {
            return Ok(!state.status().is_final());
        }
    }
    Ok(false)
}

fn weight(event: &Event) -> usize {
    match event {
        Event::AttemptOpened { input: Some(value), .. }
        | Event::AttemptSucceeded { output: value, .. }
        | Event::StepReused { output: value, .. }
        | Event::StepSucceeded { output: Some(value), .. } => json_bytes(value),
        Event::StepEntered { items: Some(items), .. } => items.iter().map(|v| json_bytes(v)).sum(),
        _ => 100,
    }
}

fn has_open(state: &RunState) -> bool {
    let mut open = false;
    state.each_active(&mut |_, _, _, node| open |= matches!(node, Node::Open { .. }));
    open
}

fn open_attempts(state: &RunState) -> Vec<Place> {
    let mut open = Vec::new();
    state.each_active(&mut |at, _, _, node| {
        if let Node::Open { attempt, .. } = node {
            open.push((at.to_vec(), *attempt));
        }
    });
    open
}
