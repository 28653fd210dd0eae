//! Calls of connectors under way, for one run: started for open attempts, dropped with them.

use std::collections::HashMap;
use std::panic::AssertUnwindSafe;
use std::sync::Arc;

use futures_util::FutureExt;
use futures_util::future::{AbortHandle, Abortable, Aborted, BoxFuture};
use futures_util::stream::FuturesUnordered;

use super::{Place, open_attempts};
use crate::connector::{Call, Connector, Idempotency, Outcome};
use crate::engine::cell::{Cell, Live};
use crate::engine::{Called, Inner, Observed};
use crate::error::{ErrorKind, RunError};
use crate::ids::ContentHash;
use crate::pipeline::StepKind;
use crate::run::{At, Node, RunState, path_of};
use crate::time::Clock;

/// How much longer than its own deadline a call may take, so that a sandbox can say itself why it
/// stopped.
const CALL_GRACE_MS: u64 = 40;

type Finished = (Place, Result<Outcome, Aborted>);

#[derive(Default)]
pub(super) struct Calls {
    pub(super) running: FuturesUnordered<BoxFuture<'static, Finished>>,
    aborts: HashMap<Place, AbortHandle>,
    /// Outcomes that are not committed yet.
    pub(super) done: Vec<(Place, Outcome)>,
}

impl Calls {
    pub(super) fn take(&mut self, (place, outcome): Finished) {
        self.aborts.remove(&place);
        if let Ok(outcome) = outcome {
            self.done.push((place, outcome));
        }
    }

    pub(super) fn knows(&self, at: &At, attempt: u32) -> bool {
        let place = (at.clone(), attempt);
        self.aborts.contains_key(&place) || self.done.iter().any(|(p, _)| *p == place)
    }

    /// Starts the calls of attempts that are open and drops those that are not any more.
    pub(super) fn follow(&mut self, inner: &Arc<Inner>, cell: &Cell, live: &Live) {
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
