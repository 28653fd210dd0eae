//! Drives one run: decide, commit, call, until it ends, parks, or the lease is lost.
//!
//! One driver per run; its parallel branches are calls in one set, and completions that are ready
//! together share a commit.

use std::collections::HashMap;
use std::panic::AssertUnwindSafe;
use std::sync::Arc;

use super::cell::{self, Cell, Hold, Live};
use super::error::Error;
use super::{Called, Inner, Observed};
use crate::connector::{Call, Connector, Idempotency, Outcome};
use crate::error::{ErrorKind, RunError};
use crate::ids::ContentHash;
use crate::limits::EVENTS_PER_COMMIT_MAX;
use crate::machine::{self, Moment};
use crate::pipeline::StepKind;
use crate::run::{At, Event, Node, RunState, RunStatus, path_of};
use crate::store::CommitError;
use crate::time::Clock;
use crate::value::json_bytes;
use futures_util::future::{AbortHandle, Abortable, Aborted, BoxFuture};
use futures_util::stream::FuturesUnordered;
use futures_util::{FutureExt, StreamExt};

/// Bytes of inputs and outputs after which a commit is cut: well under a batch's limit.
const COMMIT_BYTES_SOFT: usize = 8 * 1024 * 1024;
/// How much longer than its own deadline a call may take, so that a sandbox can say itself why it
/// stopped.
const CALL_GRACE_MS: u64 = 40;
/// Reloads of one run in a row before the driver gives it back: somebody else is busy with it.
const RELOADS_MAX: u32 = 16;

type Place = (At, u32);
type Finished = (Place, Result<Outcome, Aborted>);

#[derive(Default)]
struct Calls {
    running: FuturesUnordered<BoxFuture<'static, Finished>>,
    aborts: HashMap<Place, AbortHandle>,
    /// Outcomes that are not committed yet.
    done: Vec<(Place, Outcome)>,
}

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

impl Calls {
    fn take(&mut self, (place, outcome): Finished) {
        self.aborts.remove(&place);
        if let Ok(outcome) = outcome {
            self.done.push((place, outcome));
        }
    }

    fn knows(&self, at: &At, attempt: u32) -> bool {
        let place = (at.clone(), attempt);
        self.aborts.contains_key(&place) || self.done.iter().any(|(p, _)| *p == place)
    }

    /// Starts the calls of attempts that are open and drops those that are not any more.
    fn follow(&mut self, inner: &Arc<Inner>, cell: &Cell, live: &Live) {
        let open = open_attempts(&live.state);
        if !self.aborts.is_empty() {
            self.aborts.retain(|place, handle| {
                let keep = open.contains(place);
                if !keep {
                    handle.abort();
                }
                keep
            });
        }
        for place in open {
            if self.aborts.contains_key(&place) {
                continue;
            }
            let (handle, registration) = AbortHandle::new_pair();
            let call = prepare(inner, cell, &live.state, &place);
            self.aborts.insert(place.clone(), handle);
            let future = Abortable::new(call, registration).map(move |result| (place, result));
            self.running.push(future.boxed());
        }
    }
}

/// The call of an open attempt, owning all it needs.
fn prepare(
    inner: &Arc<Inner>,
    cell: &Cell,
    state: &RunState,
    (at, attempt): &Place,
) -> BoxFuture<'static, Outcome> {
    let mut found = None;
    state.each_active(&mut |here, _, kind, node| {
        if here == at.as_slice()
            && let (
                StepKind::Call { connector, action, credential, info, .. },
                Node::Open { input, .. },
            ) = (kind, node)
        {
            found =
                Some((connector.clone(), action.clone(), credential.clone(), *info, input.clone()));
        }
    });
    let Some((name, action, credential, info, input)) = found else {
        return std::future::ready(internal("an open attempt without its step")).boxed();
    };
    let Some(connector) = inner.catalog.get(&name) else {
        let message = format!("connector `{name}` is not there any more");
        let error = RunError::new(ErrorKind::NotFound, "connector.unknown", message);
        return std::future::ready(Outcome::Failed { error }).boxed();
    };
    let timeout_ms = crate::run::step_at(&state.pipeline, at)
        .and_then(|s| s.timeout_ms)
        .unwrap_or(info.timeout_ms)
        .min(crate::limits::CALL_MS_MAX);
    let path = path_of(&state.pipeline, at);
    let key = idempotency_key(state, &path);
    let (organization, run, attempt) = (cell.organization.clone(), cell.run, *attempt);
    let (clock, started) = (inner.clock.clone(), state.started.clone());
    let told = inner.observer.is_some().then(|| inner.clone());
    async move {
        let began = clock.now();
        let call = Call {
            organization: &organization,
            run,
            step: &path,
            attempt,
            idempotency_key: &key,
            action: &action,
            input: &input,
            credential: credential.as_deref(),
            time_left_ms: timeout_ms,
            traceparent: started.traceparent.as_deref(),
        };
        let outcome = outcome_of(&*connector, call.clone(), &*clock, info.idempotency).await;
        if let Some(inner) = told {
            inner.tell(&Observed::Called(Called::of(&call, &name, began, clock.now(), &outcome)));
        }
        outcome
    }
    .boxed()
}

/// What the connector says, or that it panicked or let its time pass.
async fn outcome_of(
    connector: &dyn Connector,
    call: Call<'_>,
    clock: &dyn Clock,
    idempotency: Idempotency,
) -> Outcome {
    let timeout_ms = call.time_left_ms;
    let late = async {
        let at = clock.now().plus_ms(timeout_ms + CALL_GRACE_MS);
        clock.sleep_until(at).await;
    };
    tokio::select! {
        biased;
        outcome = AssertUnwindSafe(connector.run_task(call)).catch_unwind() => {
            outcome.unwrap_or_else(|_| panicked(idempotency))
        }
        () = late => timed_out(idempotency, timeout_ms),
    }
}

/// What was sent before the panic is not known.
fn panicked(idempotency: Idempotency) -> Outcome {
    let outcome = internal("the connector panicked");
    match (outcome, idempotency) {
        (Outcome::Failed { error }, Idempotency::Unsafe) => Outcome::Ambiguous { error },
        (outcome, _) => outcome,
    }
}

fn internal(message: &str) -> Outcome {
    Outcome::Failed { error: RunError::new(ErrorKind::Internal, "connector.panicked", message) }
}

fn timed_out(idempotency: Idempotency, timeout_ms: u64) -> Outcome {
    let message = format!("no outcome within {timeout_ms} ms");
    let error = RunError::new(ErrorKind::Timeout, "step.timeout", message);
    match idempotency {
        Idempotency::Safe => Outcome::Retry { after_ms: None, error },
        Idempotency::Keyed | Idempotency::Unsafe => Outcome::Ambiguous { error },
    }
}

/// The same for every attempt of one (run, step, iteration), and for a resumed run's.
fn idempotency_key(state: &RunState, path: &str) -> String {
    let root = match &state.started.origin {
        Some(origin) if origin.keeps_keys => origin.root,
        _ => state.id,
    };
    let hash = ContentHash::of(format!("{root}/{path}").as_bytes()).to_string();
    format!("lvq-{}", &hash[..32])
}
