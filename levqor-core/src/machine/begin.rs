//! A pending step begins: skipped, entered, waiting, done at once, or its first attempt opens.

use std::sync::Arc;

use serde_json::Value;

use super::Moment;
use crate::document::Duration;
use crate::error::{ErrorKind, RunError};
use crate::expr::{ExprError, Template};
use crate::limits;
use crate::pipeline::{OnExceed, Step, StepKind};
use crate::run::{At, Event, Level, Node, WaitFor, path_of};
use crate::time::Timestamp;

/// The first event of a pending step.
pub(super) fn begin(level: &Level<'_>, step: &Step, at: &At, moment: &Moment) -> Event {
    match try_begin(level, step, at, moment) {
        Ok(event) => event,
        Err(error) => Event::StepFailed {
            at: at.clone(),
            step: step.id.clone(),
            error: error.at(&step.id, 1),
        },
    }
}

/// The next attempt of a step that waited to be tried again.
pub(super) fn reopen(level: &Level<'_>, step: &Step, at: &At, last: u32, moment: &Moment) -> Event {
    let StepKind::Call { info, .. } = &step.kind else {
        let error = RunError::new(ErrorKind::Internal, "run.corrupt", "not a call");
        return Event::StepFailed { at: at.clone(), step: step.id.clone(), error };
    };
    let hold = info.price.hold();
    over_budget(level, step, hold, moment).map_or_else(
        || Event::AttemptOpened {
            at: at.clone(),
            step: step.id.clone(),
            attempt: last + 1,
            input: None,
            hold,
        },
        |error| exceed(level, step, at, error),
    )
}

fn try_begin(level: &Level<'_>, step: &Step, at: &At, moment: &Moment) -> Result<Event, RunError> {
    if let Some(condition) = &step.condition
        && !condition.eval_bool(level).map_err(|e| expression_error(&e, "if"))?
    {
        return Ok(Event::StepSkipped { at: at.clone(), step: step.id.clone() });
    }
    if let Some(error) = over_steps(level) {
        return Ok(exceed(level, step, at, error));
    }
    let deadline = step.timeout_ms.map(|ms| moment.now.plus_ms(ms));
    let entered = |items, case, input| Event::StepEntered {
        at: at.clone(),
        step: step.id.clone(),
        items,
        case,
        input,
        deadline,
    };
    let render = |template: &Template, what| {
        template.render(level).map(Arc::new).map_err(|e| expression_error(&e, what))
    };
    Ok(match &step.kind {
        StepKind::Call { with, info, .. } => {
            if let Some(output) = reused(level, at) {
                return Ok(Event::StepReused { at: at.clone(), step: step.id.clone(), output });
            }
            let hold = info.price.hold();
            if let Some(error) = over_budget(level, step, hold, moment) {
                return Ok(exceed(level, step, at, error));
            }
            let input = Some(render(with, "with")?);
            Event::AttemptOpened { at: at.clone(), step: step.id.clone(), attempt: 1, input, hold }
        }
        StepKind::Set { with } => succeeded(step, at, render(with, "with")?),
        StepKind::Stop { with } => {
            let output = with.as_ref().map_or(Ok(Arc::default()), |w| render(w, "with"))?;
            succeeded(step, at, output)
        }
        StepKind::Fail { with } => return Err(declared_failure(&*render(with, "with")?)),
        StepKind::Sleep { duration, until } => {
            let due = wake_at(level, duration.as_ref(), until.as_ref(), moment.now)?;
            waiting(step, at, WaitFor::Sleep, Some(due))
        }
        StepKind::WaitEvent { event, timeout_ms, .. } => {
            let due = timeout_ms.map(|ms| moment.now.plus_ms(ms));
            waiting(step, at, WaitFor::Event(event.clone()), due)
        }
        StepKind::Approval { with, expires_ms, .. } => {
            let shown = render(with, "with")?;
            let due = expires_ms.map(|ms| moment.now.plus_ms(ms));
            waiting(step, at, WaitFor::Approval(shown), due)
        }
        StepKind::ForEach { items, max_items, .. } => {
            let rendered = items.render(level).map_err(|e| expression_error(&e, "for_each"))?;
            entered(Some(check_items(rendered, *max_items)?), None, None)
        }
        StepKind::While { .. } | StepKind::Parallel { .. } | StepKind::Try { .. } => {
            entered(None, None, None)
        }
        StepKind::Switch { cases, .. } => {
            let mut taken = cases.len();
            for (index, (condition, _)) in cases.iter().enumerate() {
                if condition.eval_bool(level).map_err(|e| expression_error(&e, "if"))? {
                    taken = index;
                    break;
                }
            }
            entered(None, u32::try_from(taken).ok(), None)
        }
        StepKind::Sub { pipeline, with } => {
            let input = render(with, "with")?;
            pipeline.check_input(&input)?;
            entered(None, None, Some(input))
        }
    })
}

fn succeeded(step: &Step, at: &At, output: Arc<Value>) -> Event {
    Event::StepSucceeded { at: at.clone(), step: step.id.clone(), output: Some(output) }
}

fn waiting(step: &Step, at: &At, waits_for: WaitFor, due: Option<Timestamp>) -> Event {
    Event::StepWaiting { at: at.clone(), step: step.id.clone(), waits_for, due }
}

fn reused(level: &Level<'_>, at: &At) -> Option<Arc<Value>> {
    let origin = level.state.started.origin.as_ref()?;
    origin.reuse.get(&path_of(&level.state.pipeline, at)).cloned()
}

fn check_items(rendered: Value, max_items: u32) -> Result<Vec<Arc<Value>>, RunError> {
    let Value::Array(items) = rendered else {
        return Err(RunError::new(
            ErrorKind::InvalidInput,
            "step.not_a_list",
            "`for_each` needs a list",
        ));
    };
    if items.len() > max_items as usize {
        return Err(RunError::new(
            ErrorKind::InvalidInput,
            "step.too_many_items",
            format!("`for_each` has {} items, `max_items` is {max_items}", items.len()),
        ));
    }
    Ok(items.into_iter().map(Arc::new).collect())
}

fn wake_at(
    level: &Level<'_>,
    wait: Option<&Template>,
    until: Option<&Template>,
    now: Timestamp,
) -> Result<Timestamp, RunError> {
    let bad = |what: String| RunError::new(ErrorKind::InvalidInput, "step.bad_time", what);
    if let Some(wait) = wait {
        let value = wait.render(level).map_err(|e| expression_error(&e, "for"))?;
        let ms = match &value {
            Value::String(text) => {
                text.parse::<Duration>().map_err(|e| bad(format!("`for: {text}`: {e}")))?.as_ms()
            }
            Value::Number(n) => n
                .as_u64()
                .and_then(|seconds| seconds.checked_mul(1_000))
                .ok_or_else(|| bad(format!("`for: {n}` is not a number of seconds")))?,
            other => return Err(bad(format!("`for: {other}` is not a duration such as \"10m\""))),
        };
        return Ok(now.plus_ms(ms.min(limits::WAIT_MS_MAX)));
    }
    let Some(until) = until else { return Err(bad("`sleep` needs `for` or `until`".to_owned())) };
    let value = until.render(level).map_err(|e| expression_error(&e, "until"))?;
    let at: jiff::Timestamp = value
        .as_str()
        .and_then(|text| text.parse().ok())
        .ok_or_else(|| bad(format!("`until: {value}` is not an RFC 3339 time")))?;
    Ok(Timestamp(at.as_millisecond()).min(now.plus_ms(limits::WAIT_MS_MAX)))
}

fn declared_failure(with: &Value) -> RunError {
    let text = |key: &str| with.get(key).and_then(Value::as_str);
    let kind = text("kind")
        .and_then(|k| serde_json::from_value(Value::String(k.to_owned())).ok())
        .unwrap_or(ErrorKind::InvalidInput);
    let mut error = RunError::new(
        kind,
        text("code").unwrap_or("step.fail"),
        text("message").unwrap_or("the document says so"),
    );
    // The author decided: nothing to wait for.
    error.retryable = false;
    error
}

/// The error of an expression, as a step's error.
pub(super) fn expression_error(error: &ExprError, place: &str) -> RunError {
    let message = format!("in `{place}`: {}", error.message);
    RunError::new(ErrorKind::InvalidInput, error.code, message)
}

fn over_steps(level: &Level<'_>) -> Option<RunError> {
    let own = level.state.pipeline.limits.steps.unwrap_or(limits::RUN_STEPS_MAX);
    let plan = level.state.started.max_steps.unwrap_or(limits::RUN_STEPS_MAX);
    let most = own.min(plan).min(limits::RUN_STEPS_MAX);
    (level.state.steps_used >= most).then(|| {
        RunError::new(
            ErrorKind::BudgetExceeded,
            "run.steps_exceeded",
            format!("the run has used its {most} steps"),
        )
    })
}

fn over_budget(level: &Level<'_>, step: &Step, hold: u64, moment: &Moment) -> Option<RunError> {
    let state = level.state;
    if hold > 0 && !moment.may_hold {
        return Some(RunError::new(
            ErrorKind::BudgetExceeded,
            "credits.insufficient",
            format!("the balance does not cover the {hold} credits of step `{}`", step.id),
        ));
    }
    let most = state.max_credits?;
    let would = state.tally.captured.saturating_add(state.tally.open()).saturating_add(hold);
    (hold > 0 && would > most).then(|| {
        RunError::new(
            ErrorKind::BudgetExceeded,
            "run.credits_exceeded",
            format!("step `{}` would bring the run to {would} of {most} credits", step.id),
        )
    })
}

/// Pauses the run, or fails the step, as the document's `limits.on_exceed` says.
fn exceed(level: &Level<'_>, step: &Step, at: &At, error: RunError) -> Event {
    let error = error.at(&step.id, 1);
    // An empty balance is not the document's doing: it always pauses.
    if level.state.pipeline.limits.on_exceed == OnExceed::Pause
        || error.code == "credits.insufficient"
    {
        return Event::RunPaused { error };
    }
    // A step that had been tried is closed as it stands; one that had not fails.
    debug_assert!(matches!(
        level.frame.nodes.get(*at.last().unwrap_or(&0) as usize),
        Some(Node::Pending | Node::Retrying { .. })
    ));
    Event::StepFailed { at: at.clone(), step: step.id.clone(), error }
}
