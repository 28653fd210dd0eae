//! What an outcome, a lost attempt, an event or a person's decision means for a run.

use std::sync::Arc;

use serde_json::{Value, json};

use super::Moment;
use crate::connector::{Idempotency, Outcome};
use crate::error::{ErrorKind, RunError};
use crate::limits;
use crate::pipeline::{Backoff, RetryPolicy, Step, StepKind};
use crate::run::{At, Bind, Event, Level, Node, RunState, WaitFor, descend};
use crate::time::Timestamp;
use crate::value;

/// The event that an outcome of the open attempt at `at` comes to; `None` when that attempt is not
/// open any more (cancelled, timed out, taken over) and the outcome is too late.
pub(crate) fn settle(
    state: &RunState,
    at: &At,
    attempt: u32,
    outcome: Outcome,
    moment: &Moment,
) -> Option<Event> {
    let mut outcome = Some(outcome);
    descend(state, at, moment.now, &mut |level, step, node| {
        let Node::Open { attempt: open, failures, hold, .. } = node else { return None };
        if *open != attempt {
            return None;
        }
        let StepKind::Call { info, .. } = &step.kind else { return None };
        let failed = |error: RunError, after_ms: Option<u64>| {
            failed(level, step, at, attempt, *failures, error, after_ms, moment)
        };
        Some(match outcome.take()? {
            Outcome::Done { output, credits } => match check_output(&output) {
                Err(error) => failed(error, None),
                Ok(()) => Event::AttemptSucceeded {
                    at: at.clone(),
                    step: step.id.clone(),
                    attempt,
                    output: Arc::new(output),
                    charged: credits.unwrap_or(info.price.base).min(*hold),
                },
            },
            Outcome::Retry { after_ms, mut error } => {
                error.retryable =
                    error.kind != ErrorKind::Ambiguous || info.idempotency != Idempotency::Unsafe;
                failed(error, after_ms)
            }
            Outcome::Failed { error } => failed(error, None),
            Outcome::Ambiguous { mut error } => {
                // Repeating a safe or keyed action does no harm, so nothing is ambiguous about it.
                error.retryable = info.idempotency != Idempotency::Unsafe;
                if !error.retryable {
                    error.kind = ErrorKind::Ambiguous;
                }
                failed(error, None)
            }
        })
    })
    .flatten()
}

/// The event for an attempt whose process is gone: tried again where that does no harm, else
/// ambiguous.
pub(crate) fn interrupted(state: &RunState, at: &At, moment: &Moment) -> Option<Event> {
    descend(state, at, moment.now, &mut |level, step, node| {
        let Node::Open { attempt, failures, .. } = node else { return None };
        let StepKind::Call { info, .. } = &step.kind else { return None };
        let step_id = step.id.clone();
        if info.idempotency != Idempotency::Unsafe && *attempt < limits::ATTEMPTS_MAX {
            return Some(Event::AttemptInterrupted {
                at: at.clone(),
                step: step_id,
                attempt: *attempt,
            });
        }
        let error = RunError::new(
            ErrorKind::Ambiguous,
            "step.interrupted",
            "the process stopped during the call; it is not known whether it took effect",
        );
        Some(failed(level, step, at, *attempt, *failures, error, None, moment))
    })
    .flatten()
}

#[expect(clippy::too_many_arguments, reason = "one decision, all of its inputs")]
fn failed(
    level: &Level<'_>,
    step: &Step,
    at: &At,
    attempt: u32,
    failures: u32,
    error: RunError,
    after_ms: Option<u64>,
    moment: &Moment,
) -> Event {
    let error = error.at(&step.id, attempt);
    let policy = &step.retry;
    // A rate limit is the vendor's wish, not the step's failure.
    let counted = !(error.kind == ErrorKind::RateLimited && after_ms.is_some());
    let used = failures + u32::from(counted);
    let wanted = match &policy.when {
        // Never repeat what may have happened, whatever the document says.
        _ if error.kind == ErrorKind::Ambiguous && !error.retryable => false,
        Some(when) => when.eval_bool(&level.with(Bind::Error(&error))).unwrap_or(false),
        None => error.retryable,
    };
    let in_reach = after_ms.is_none_or(|ms| ms <= limits::RETRY_AFTER_MS_MAX);
    let again = wanted && in_reach && used < policy.max_attempts && attempt < limits::ATTEMPTS_MAX;
    let retry_at = again.then(|| {
        let wait = backoff_ms(policy, used.max(1), moment.random).max(after_ms.unwrap_or(0));
        moment.now.plus_ms(wait)
    });
    Event::AttemptFailed {
        at: at.clone(),
        step: step.id.clone(),
        attempt,
        error,
        retry_at,
        counted,
    }
}

/// The wait before the attempt after `failures` failures.
pub(crate) fn backoff_ms(policy: &RetryPolicy, failures: u32, random: u64) -> u64 {
    let steps = u64::from(failures.max(1) - 1);
    let base = match policy.backoff {
        Backoff::Constant => policy.delay_ms,
        Backoff::Linear => policy.delay_ms.saturating_mul(steps + 1),
        Backoff::Exponential => {
            policy.delay_ms.saturating_mul(1_u64.checked_shl(steps.min(40) as u32).unwrap_or(1))
        }
    };
    let capped = base.min(policy.max_delay_ms.max(policy.delay_ms)).min(limits::WAIT_MS_MAX);
    // A factor in 1 - jitter ..= 1 + jitter, in thousandths, from 10 random bits.
    let jitter = (policy.jitter.clamp(0.0, 1.0) * 1000.0) as u64;
    let factor = 1000 - jitter + (2 * jitter * (random & 1023)) / 1023;
    capped.saturating_mul(factor) / 1000
}

fn check_output(output: &Value) -> Result<(), RunError> {
    let codes = ["step.output_too_deep", "step.output_too_large"];
    value::check(output, limits::OUTPUT_BYTES_MAX, "the output", codes)
}

/// The events by which waiting steps take a published event: every step that waits for `name` and
/// whose `match` holds.
pub(crate) fn signal_event(
    state: &RunState,
    name: &str,
    payload: &Arc<Value>,
    now: Timestamp,
) -> Vec<Event> {
    let mut waiting = Vec::new();
    state.each_active(&mut |at, _, _, node| {
        if matches!(node, Node::Waiting { waits_for: WaitFor::Event(n), .. } if &**n == name) {
            waiting.push(at.to_vec());
        }
    });
    let mut events = Vec::new();
    for at in waiting {
        let event = descend(state, &at, now, &mut |level, step, _| {
            let StepKind::WaitEvent { matches, .. } = &step.kind else { return None };
            let scope = level.with(Bind::Event(payload.clone()));
            // A `match` that cannot be evaluated for this event does not match it.
            let holds = matches.as_ref().is_none_or(|m| m.eval_bool(&scope).unwrap_or(false));
            holds.then(|| Event::StepSucceeded {
                at: at.clone(),
                step: step.id.clone(),
                output: Some(payload.clone()),
            })
        });
        events.extend(event.flatten());
    }
    events
}

/// The event of a person's decision on the approval at step `path`; an error says why not.
pub(crate) fn signal_approval(
    state: &RunState,
    step_path: &str,
    approved: bool,
    form: &Value,
    by: &str,
) -> Result<Event, RunError> {
    let mut found = None;
    state.each_active(&mut |at, step, kind, node| {
        if let (
            Node::Waiting { waits_for: WaitFor::Approval(_), .. },
            StepKind::Approval { form_schema, .. },
        ) = (node, kind)
            && (&**step == step_path || crate::run::path_of(&state.pipeline, at) == step_path)
        {
            found = Some((at.to_vec(), step.clone(), form_schema.clone()));
        }
    });
    let Some((at, step, schema)) = found else {
        return Err(RunError::new(
            ErrorKind::Conflict,
            "run.not_waiting",
            format!("no approval is waiting at `{step_path}`"),
        ));
    };
    let codes = ["run.form_too_deep", "run.form_too_large"];
    value::check(form, limits::INPUT_BYTES_MAX, "the form", codes)?;
    if approved && let Err(e) = jsonschema::validate(&schema, form) {
        return Err(RunError::new(ErrorKind::InvalidInput, "run.form_invalid", e.to_string()));
    }
    let output = json!({"approved": approved, "form": form, "by": by, "expired": false});
    Ok(Event::StepSucceeded { at, step, output: Some(Arc::new(output)) })
}
