//! [`next`]: the one event that a run's state calls for, or none while everything waits.

use super::Moment;
use super::begin::begin;
use super::composite::next_inside;
use crate::error::{ErrorKind, RunError};
use crate::pipeline::{Block, Step, StepKind};
use crate::run::{At, Event, Frame, FrameStatus, Level, Node, RunState, RunStatus, WaitFor};

/// The next event, to be applied before asking again. `None`: open attempts, time or people are
/// waited for, or the run has ended.
#[must_use]
pub fn next(state: &RunState, moment: &Moment) -> Option<Event> {
    if state.status().is_final() || state.paused.is_some() {
        return None;
    }
    if let Some(output) = &state.stopped {
        let end = || finished(RunStatus::Succeeded, Some(output.clone()), None);
        return Some(cancel_first(state).unwrap_or_else(end));
    }
    match &state.failure {
        None => next_main(state, moment),
        Some(failure) => next_failing(state, failure, moment),
    }
}

fn next_main(state: &RunState, moment: &Moment) -> Option<Event> {
    let level = Level::root(state, 0, moment.now)?;
    let overdue = state.started.deadline.is_some_and(|d| d <= moment.now);
    // Steps of the run itself are only ever cancelled because its time is over.
    let cut = state.main.nodes.contains(&Node::Cancelled);
    let status = match state.main.status() {
        FrameStatus::Active if overdue => timed_out(),
        FrameStatus::Done if cut => timed_out(),
        status => status,
    };
    match status {
        FrameStatus::Active => next_in_frame(&level, &mut vec![0], moment),
        FrameStatus::Failed(error) => {
            let fail = || match &state.pipeline.on_failure {
                Some(_) => Event::RunFailing { error: error.clone() },
                None => failed(error.clone()),
            };
            Some(cancel_first(state).unwrap_or_else(fail))
        }
        FrameStatus::Done => Some(match &state.pipeline.output {
            None => finished(RunStatus::Succeeded, Some(state.main.output()), None),
            Some(output) => match output.render(&level) {
                Ok(value) => finished(RunStatus::Succeeded, Some(value.into()), None),
                Err(e) => failed(super::begin::expression_error(&e, "output")),
            },
        }),
    }
}

fn timed_out() -> FrameStatus {
    FrameStatus::Failed(RunError::new(
        ErrorKind::Timeout,
        "run.timeout",
        "the run took longer than its timeout",
    ))
}

fn next_failing(state: &RunState, failure: &RunError, moment: &Moment) -> Option<Event> {
    let Some(frame) = &state.on_failure else { return Some(failed(failure.clone())) };
    match frame.status() {
        FrameStatus::Active => {
            let level = Level::root(state, 1, moment.now)?;
            next_in_frame(&level, &mut vec![1], moment)
        }
        _ => Some(cancel_first(state).unwrap_or_else(|| failed(failure.clone()))),
    }
}

fn finished(
    status: RunStatus,
    output: Option<std::sync::Arc<serde_json::Value>>,
    error: Option<RunError>,
) -> Event {
    Event::RunFinished { status, output, error }
}

fn failed(error: RunError) -> Event {
    let dead = error.retryable
        || matches!(error.kind, ErrorKind::Ambiguous | ErrorKind::PluginTrap | ErrorKind::Internal);
    let status = if dead { RunStatus::Dead } else { RunStatus::Failed };
    finished(status, None, Some(error))
}

/// The next event within a list of steps whose status is active.
pub(super) fn next_in_frame(level: &Level<'_>, at: &mut At, moment: &Moment) -> Option<Event> {
    let nodes = &level.frame.nodes;
    match &level.block.needs {
        None => {
            let index = level.frame.cursor;
            next_in_node(level, index, at, moment)
        }
        Some(needs) => (level.frame.cursor..nodes.len()).find_map(|index| {
            let ready = needs.get(index)?.iter().all(|n| {
                nodes
                    .get(*n as usize)
                    .is_some_and(|n| n.is_final() && !matches!(n, Node::Failed(_)))
            });
            if ready { next_in_node(level, index, at, moment) } else { None }
        }),
    }
}

fn next_in_node(level: &Level<'_>, index: usize, at: &mut At, moment: &Moment) -> Option<Event> {
    let (step, node) = (level.block.steps.get(index)?, level.frame.nodes.get(index)?);
    at.push(u32::try_from(index).ok()?);
    let event = match node {
        Node::Pending => Some(begin(level, step, at, moment)),
        Node::Retrying { attempt, due, .. } if *due <= moment.now => {
            Some(super::begin::reopen(level, step, at, *attempt, moment))
        }
        Node::Waiting { waits_for, due: Some(due) } if *due <= moment.now => {
            Some(wait_over(step, waits_for, at))
        }
        Node::Inside(inside) => next_inside(level, step, inside, at, moment),
        _ => None,
    };
    at.pop();
    event
}

fn wait_over(step: &Step, waits_for: &WaitFor, at: &At) -> Event {
    use crate::pipeline::OnExpire;
    let expired = |message: &str| Event::StepFailed {
        at: at.clone(),
        step: step.id.clone(),
        error: RunError::new(ErrorKind::Timeout, "step.wait_timeout", message).at(&step.id, 1),
    };
    let decided = |approved: bool| Event::StepSucceeded {
        at: at.clone(),
        step: step.id.clone(),
        output: Some(std::sync::Arc::new(
            serde_json::json!({"approved": approved, "expired": true}),
        )),
    };
    match (waits_for, &step.kind) {
        (WaitFor::Sleep, _) => Event::StepSucceeded {
            at: at.clone(),
            step: step.id.clone(),
            output: Some(std::sync::Arc::default()),
        },
        (WaitFor::Approval(_), StepKind::Approval { on_expire, .. }) => match on_expire {
            OnExpire::Fail => expired("nobody decided in time"),
            OnExpire::Reject => decided(false),
            OnExpire::Approve => decided(true),
        },
        _ => expired("the event did not come in time"),
    }
}

/// Cancels the first active step of the whole run.
pub(crate) fn cancel_first(state: &RunState) -> Option<Event> {
    let mut first = None;
    state.each_active(&mut |at, step, _, _| {
        if first.is_none() {
            first = Some(Event::StepCancelled { at: at.to_vec(), step: step.clone() });
        }
    });
    first
}

/// Cancels the first active step below a frame.
pub(super) fn cancel_first_below(block: &Block, frame: &Frame, at: &At) -> Option<Event> {
    let mut first = None;
    crate::run::walk(block, frame, &mut at.clone(), &mut |at, step, _, _| {
        if first.is_none() {
            first = Some(Event::StepCancelled { at: at.to_vec(), step: step.clone() });
        }
    });
    first
}
