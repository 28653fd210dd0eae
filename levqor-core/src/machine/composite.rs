//! What a composite step does next: its frames advance, end, and decide its own end.

use super::Moment;
use super::begin::expression_error;
use super::next::{cancel_first_below, next_in_frame};
use crate::error::{ErrorKind, RunError};
use crate::pipeline::{Block, Join, OnItemError, Step, StepKind};
use crate::run::{At, Bind, Event, Frame, FrameStatus, Inside, InsideKind, Level, enter};

/// The next event of a composite step under way.
pub(super) fn next_inside(
    level: &Level<'_>,
    step: &Step,
    inside: &Inside,
    at: &mut At,
    moment: &Moment,
) -> Option<Event> {
    if inside.deadline.is_some_and(|d| d <= moment.now) {
        let error = RunError::new(
            ErrorKind::Timeout,
            "step.timeout",
            format!("step `{}` took longer than its timeout", step.id),
        );
        return Some(abandon(step, inside, at, error));
    }
    let here = Here { level, step, inside, moment };
    match (&step.kind, &inside.kind) {
        (StepKind::ForEach { .. }, InsideKind::ForEach { .. }) => here.for_each(at),
        (StepKind::While { .. }, InsideKind::While { .. }) => here.while_loop(at),
        (StepKind::Parallel { .. }, InsideKind::Parallel { .. }) => here.parallel(at),
        (StepKind::Try { .. }, InsideKind::Try { .. }) => here.try_step(at),
        (_, InsideKind::Switch { case, frame }) => here.single(at, *case, frame),
        (_, InsideKind::Sub { frame, .. }) => here.single(at, 0, frame),
        _ => None,
    }
}

/// Cancels what is active below the step, one event at a time, then fails the step.
fn abandon(step: &Step, inside: &Inside, at: &At, error: RunError) -> Event {
    cancel_below(step, inside, at).unwrap_or_else(|| Event::StepFailed {
        at: at.clone(),
        step: step.id.clone(),
        error,
    })
}

fn cancel_below(step: &Step, inside: &Inside, at: &At) -> Option<Event> {
    inside.kind.frames().into_iter().find_map(|(key, frame)| {
        let block = crate::run::inner_block(&step.kind, key)?;
        let mut below = at.clone();
        below.push(key);
        cancel_first_below(block, frame, &below)
    })
}

/// Whether an error is the run's own end: a limit that a `catch`, a loop that goes on or another
/// branch could step over would be none.
fn is_final(error: &RunError) -> bool {
    matches!(error.code.as_str(), "run.credits_exceeded" | "run.steps_exceeded")
}

struct Here<'a> {
    level: &'a Level<'a>,
    step: &'a Step,
    inside: &'a Inside,
    moment: &'a Moment,
}

impl Here<'_> {
    fn advance(&self, at: &mut At, key: u32, frame: &Frame) -> Option<Event> {
        let level = enter(self.level, self.step, self.inside, key, frame)?;
        at.push(key);
        let event = next_in_frame(&level, at, self.moment);
        at.pop();
        event
    }

    fn succeeded(&self, at: &At) -> Event {
        Event::StepSucceeded { at: at.clone(), step: self.step.id.clone(), output: None }
    }

    fn abandon(&self, at: &At, error: RunError) -> Option<Event> {
        Some(abandon(self.step, self.inside, at, error))
    }

    fn for_each(&self, at: &mut At) -> Option<Event> {
        let StepKind::ForEach { max_parallel, on_item_error, body, .. } = &self.step.kind else {
            return None;
        };
        let InsideKind::ForEach { items, next, frames, .. } = &self.inside.kind else {
            return None;
        };
        for (key, frame) in frames {
            match frame.status() {
                FrameStatus::Active => {
                    if let Some(event) = self.advance(at, *key, frame) {
                        return Some(event);
                    }
                }
                FrameStatus::Done => {
                    return Some(Event::ItemFinished { at: at.clone(), item: *key });
                }
                FrameStatus::Failed(error) => {
                    return self.item_failed(at, *key, body, frame, error, *on_item_error);
                }
            }
        }
        if (*next as usize) < items.len() {
            if frames.len() >= *max_parallel as usize {
                return None;
            }
            let fresh = Frame::new(body);
            return self.advance(at, *next, &fresh);
        }
        frames.is_empty().then(|| self.succeeded(at))
    }

    fn item_failed(
        &self,
        at: &At,
        item: u32,
        body: &Block,
        frame: &Frame,
        error: RunError,
        on_item_error: OnItemError,
    ) -> Option<Event> {
        match on_item_error {
            OnItemError::Continue if !is_final(&error) => {
                let mut below = at.clone();
                below.push(item);
                let end = || Event::ItemFailed { at: at.clone(), item, error };
                Some(cancel_first_below(body, frame, &below).unwrap_or_else(end))
            }
            _ => self.abandon(at, error),
        }
    }

    fn while_loop(&self, at: &mut At) -> Option<Event> {
        let StepKind::While { condition, max_iterations, .. } = &self.step.kind else {
            return None;
        };
        let InsideKind::While { iteration, frame, .. } = &self.inside.kind else { return None };
        if *iteration > 0 {
            match frame.status() {
                FrameStatus::Active => return self.advance(at, *iteration, frame),
                FrameStatus::Failed(error) => return self.abandon(at, error),
                FrameStatus::Done => {}
            }
        }
        // Before the first round and after each one: iterations count from 1. The condition sees
        // the steps of the round that just ended.
        let inner = enter(self.level, self.step, self.inside, *iteration, frame)?;
        let place = if *iteration == 0 { self.level } else { &inner };
        // `index` of the condition is the round it would let begin.
        match condition.eval_bool(&place.with(Bind::Index(*iteration))) {
            Err(e) => self.abandon(at, expression_error(&e, "while")),
            Ok(false) => Some(self.while_over(at)),
            Ok(true) if iteration >= max_iterations => self.abandon(
                at,
                RunError::new(
                    ErrorKind::BudgetExceeded,
                    "step.too_many_iterations",
                    format!("`while` is still true after {max_iterations} iterations"),
                ),
            ),
            Ok(true) => Some(Event::LoopContinued { at: at.clone(), iteration: iteration + 1 }),
        }
    }

    /// The loop's output is that of its last round.
    fn while_over(&self, at: &At) -> Event {
        let output = match &self.inside.kind {
            InsideKind::While { iteration, frame, .. } if *iteration > 0 => frame.output(),
            _ => Default::default(),
        };
        Event::StepSucceeded { at: at.clone(), step: self.step.id.clone(), output: Some(output) }
    }

    fn parallel(&self, at: &mut At) -> Option<Event> {
        let StepKind::Parallel { branches, join } = &self.step.kind else { return None };
        let InsideKind::Parallel { frames } = &self.inside.kind else { return None };
        let (mut done, mut failed) = (0, None);
        for frame in frames {
            match frame.status() {
                FrameStatus::Done => done += 1,
                FrameStatus::Failed(error) if is_final(&error) => return self.abandon(at, error),
                FrameStatus::Failed(error) => failed = failed.or(Some(error)),
                FrameStatus::Active => {}
            }
        }
        let all_ended = |failed: &Option<RunError>| {
            failed.is_some() && frames.iter().all(|f| f.status() != FrameStatus::Active)
        };
        match join {
            Join::All if failed.is_some() => return self.abandon(at, failed?),
            Join::Any if done == 0 && all_ended(&failed) => return self.abandon(at, failed?),
            Join::Any if done > 0 => {
                let end = || self.succeeded(at);
                return Some(cancel_below(self.step, self.inside, at).unwrap_or_else(end));
            }
            _ if done == branches.len() => return Some(self.succeeded(at)),
            _ => {}
        }
        (0..).zip(frames).find_map(|(key, frame)| match frame.status() {
            FrameStatus::Active => self.advance(at, key, frame),
            FrameStatus::Failed(_) => {
                // `any`: a failed branch's leftovers are abandoned, the others go on.
                let mut below = at.clone();
                below.push(key);
                cancel_first_below(&branches.get(key as usize)?.body, frame, &below)
            }
            FrameStatus::Done => None,
        })
    }

    fn single(&self, at: &mut At, key: u32, frame: &Frame) -> Option<Event> {
        match frame.status() {
            FrameStatus::Active => self.advance(at, key, frame),
            FrameStatus::Failed(error) => self.abandon(at, error),
            FrameStatus::Done => Some(self.single_done(at, key, frame)),
        }
    }

    fn single_done(&self, at: &At, key: u32, frame: &Frame) -> Event {
        let template = match &self.step.kind {
            StepKind::Sub { pipeline, .. } => pipeline.output.as_ref(),
            _ => None,
        };
        let level = enter(self.level, self.step, self.inside, key, frame);
        let (Some(template), Some(level)) = (template, level) else { return self.succeeded(at) };
        match template.render(&level) {
            Ok(value) => Event::StepSucceeded {
                at: at.clone(),
                step: self.step.id.clone(),
                output: Some(value.into()),
            },
            Err(e) => Event::StepFailed {
                at: at.clone(),
                step: self.step.id.clone(),
                error: expression_error(&e, "output").at(&self.step.id, 1),
            },
        }
    }

    fn try_step(&self, at: &mut At) -> Option<Event> {
        let StepKind::Try { catches, finally, .. } = &self.step.kind else { return None };
        let InsideKind::Try { phase, frame, error, .. } = &self.inside.kind else { return None };
        let last = u32::try_from(catches.len()).ok()? + 1;
        let failure = match frame.status() {
            FrameStatus::Active => return self.advance(at, *phase, frame),
            FrameStatus::Done => None,
            FrameStatus::Failed(error) => Some(error),
        };
        if failure.is_some()
            && let Some(event) = cancel_below(self.step, self.inside, at)
        {
            return Some(event);
        }
        let to = |phase: u32, error: Option<RunError>| Event::TryEntered {
            at: at.clone(),
            phase,
            error,
        };
        if *phase == last {
            // The pending error of body or catch outlives `finally`, whose own error outlives both.
            return match failure.or_else(|| error.clone()) {
                Some(error) => self.abandon(at, error),
                None => Some(self.succeeded(at)),
            };
        }
        if *phase == 0
            && let Some(failure) = &failure
        {
            match self.catching(failure) {
                Ok(Some(phase)) => return Some(to(phase, Some(failure.clone()))),
                Ok(None) => {}
                Err(error) if finally.steps.is_empty() => return self.abandon(at, error),
                Err(error) => return Some(to(last, Some(error))),
            }
        }
        match failure {
            failure if !finally.steps.is_empty() => Some(to(last, failure)),
            Some(error) => self.abandon(at, error),
            None => Some(self.succeeded(at)),
        }
    }

    /// The phase of the first catch whose `when` holds for the error.
    fn catching(&self, failure: &RunError) -> Result<Option<u32>, RunError> {
        let StepKind::Try { catches, .. } = &self.step.kind else { return Ok(None) };
        if is_final(failure) {
            return Ok(None);
        }
        let scope = self.level.with(Bind::Error(failure));
        for (phase, (when, _)) in (1..).zip(catches) {
            let holds = match when {
                None => true,
                Some(when) => when.eval_bool(&scope).map_err(|e| expression_error(&e, "when"))?,
            };
            if holds {
                return Ok(Some(phase));
            }
        }
        Ok(None)
    }
}
