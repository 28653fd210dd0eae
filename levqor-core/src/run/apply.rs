//! The fold: an event changes the state, and nothing else does.

use std::sync::Arc;

use serde_json::Value;

use super::path::inner_block;
use super::state::{Corrupt, Frame, Inside, InsideKind, Node, RunState};
use super::{Event, RunStatus};
use crate::ledger::LedgerError;
use crate::pipeline::{Step, StepKind};

impl RunState {
    /// Applies one event.
    ///
    /// # Errors
    /// [`Corrupt`] when the event cannot have happened to this run; the state is then unusable.
    pub fn apply(&mut self, event: &Event) -> Result<(), Corrupt> {
        if self.status.is_final() {
            return Err(Corrupt("an event after the end".to_owned()));
        }
        match event {
            Event::RunStarted(_) => {}
            Event::RunPaused { error } => {
                self.paused = Some(error.clone());
                self.status = RunStatus::Paused;
            }
            Event::RunUnpaused { max_credits } => {
                self.paused = None;
                self.max_credits = max_credits.or(self.max_credits);
                self.status = RunStatus::Running;
            }
            Event::RunFailing { error } => {
                self.failure = Some(error.clone());
                self.on_failure = self.pipeline.on_failure.as_ref().map(Frame::new);
            }
            Event::RunFinished { status, output, error } => {
                if self.tally.open() != 0 {
                    return Err(Corrupt("the run ended with credits held".to_owned()));
                }
                self.status = *status;
                self.output.clone_from(output);
                self.error.clone_from(error);
            }
            _ => self.apply_step(event)?,
        }
        Ok(())
    }

    fn apply_step(&mut self, event: &Event) -> Result<(), Corrupt> {
        if self.status == RunStatus::Queued {
            self.status = RunStatus::Running;
        }
        match event {
            Event::StepSkipped { at, .. } => self.set(at, Node::Skipped),
            Event::StepReused { at, output, .. } => self.set(at, Node::Done(output.clone())),
            Event::StepFailed { at, error, .. } => {
                self.set(at, Node::Failed(Box::new(error.clone())))
            }
            Event::StepCancelled { at, .. } => {
                let held = open_hold(self.node(at)?.1);
                self.tally.release(held).map_err(ledger)?;
                self.set(at, Node::Cancelled)
            }
            Event::StepWaiting { at, waits_for, due, .. } => {
                self.steps_used += 1;
                self.set(at, Node::Waiting { waits_for: waits_for.clone(), due: *due })
            }
            Event::StepSucceeded { at, output, .. } => self.succeed(at, output.as_ref()),
            Event::StepEntered { at, .. } => self.enter(at, event),
            Event::ItemFinished { .. }
            | Event::ItemFailed { .. }
            | Event::LoopContinued { .. }
            | Event::TryEntered { .. } => self.apply_inside(event),
            Event::AttemptOpened { at, attempt, input, hold, .. } => {
                self.open(at, *attempt, input.as_ref(), *hold)
            }
            Event::AttemptSucceeded { at, attempt, output, charged, .. } => {
                self.close(at, *attempt, *charged)?;
                self.charge(at, *charged)?;
                self.set(at, Node::Done(output.clone()))
            }
            Event::AttemptFailed { at, attempt, error, retry_at, counted, .. } => {
                let (failures, input) = self.close(at, *attempt, 0)?;
                let failures = failures + u32::from(*counted);
                self.set(
                    at,
                    match retry_at {
                        Some(due) => {
                            Node::Retrying { attempt: *attempt, failures, input, due: *due }
                        }
                        None => Node::Failed(Box::new(error.clone())),
                    },
                )
            }
            Event::AttemptInterrupted { at, attempt, .. } => {
                let (failures, input) = self.close(at, *attempt, 0)?;
                let due = self.started.at;
                self.set(at, Node::Retrying { attempt: *attempt, failures, input, due })
            }
            _ => Err(Corrupt("an unknown event".to_owned())),
        }
    }

    fn open(
        &mut self,
        at: &[u32],
        attempt: u32,
        input: Option<&Arc<Value>>,
        hold: u64,
    ) -> Result<(), Corrupt> {
        let (failures, kept) = match self.node(at)?.1 {
            Node::Pending if attempt == 1 => (0, None),
            Node::Retrying { attempt: last, failures, input, .. } if attempt == last + 1 => {
                (*failures, Some(input.clone()))
            }
            other => return Err(Corrupt(format!("attempt {attempt} opened on {other:?}"))),
        };
        let input = input.cloned().or(kept).unwrap_or_default();
        if attempt == 1 {
            self.steps_used += 1;
        }
        self.tally.hold(hold).map_err(ledger)?;
        self.set(at, Node::Open { attempt, failures, input, hold })
    }

    /// Ends the open attempt, charging `charged` of its hold: its failures so far and its input.
    fn close(
        &mut self,
        at: &[u32],
        attempt: u32,
        charged: u64,
    ) -> Result<(u32, Arc<Value>), Corrupt> {
        let (failures, hold, input) = match self.node(at)?.1 {
            Node::Open { attempt: open, failures, input, hold } if *open == attempt => {
                (*failures, *hold, input.clone())
            }
            other => return Err(Corrupt(format!("attempt {attempt} ended on {other:?}"))),
        };
        self.tally.capture(hold, charged).map_err(ledger)?;
        Ok((failures, input))
    }

    /// Notes for which action it was.
    fn charge(&mut self, at: &[u32], credits: u64) -> Result<(), Corrupt> {
        let StepKind::Call { connector, action, .. } = &self.node(at)?.0.kind else {
            return Ok(());
        };
        if credits > 0 {
            let of = (connector.clone(), action.clone());
            let total = self.spent.entry(of).or_default();
            total.calls += 1;
            // The run's own sum was checked before.
            total.credits = total.credits.saturating_add(credits);
        }
        Ok(())
    }

    fn succeed(&mut self, at: &[u32], output: Option<&Arc<Value>>) -> Result<(), Corrupt> {
        if let Some(output) = output {
            if matches!(self.node(at)?.0.kind, StepKind::Stop { .. }) {
                self.stopped = Some(output.clone());
            }
            return self.set(at, Node::Done(output.clone()));
        }
        let (step, node) = self.node(at)?;
        let Node::Inside(inside) = node else {
            return Err(Corrupt("a step without output is not composite".to_owned()));
        };
        let output = derive_output(step, inside);
        self.set(at, Node::Done(output))
    }

    fn enter(&mut self, at: &[u32], event: &Event) -> Result<(), Corrupt> {
        let Event::StepEntered { items, case, input, deadline, .. } = event else {
            return Err(Corrupt("not an entry".to_owned()));
        };
        let (step, _) = self.node(at)?;
        let kind = match &step.kind {
            StepKind::ForEach { .. } => {
                let items = items.clone().unwrap_or_default();
                let outputs = vec![None; items.len()];
                InsideKind::ForEach { items, next: 0, frames: Default::default(), outputs }
            }
            StepKind::While { body, .. } => {
                InsideKind::While { iteration: 0, frame: Frame::new(body) }
            }
            StepKind::Parallel { branches, .. } => InsideKind::Parallel {
                frames: branches.iter().map(|b| Frame::new(&b.body)).collect(),
            },
            StepKind::Switch { .. } => {
                let case = case.unwrap_or(0);
                let block = inner_block(&step.kind, case)
                    .ok_or_else(|| Corrupt("a case that is not there".to_owned()))?;
                InsideKind::Switch { case, frame: Frame::new(block) }
            }
            StepKind::Try { body, .. } => InsideKind::Try {
                phase: 0,
                frame: Frame::new(body),
                error: None,
                output: Arc::default(),
            },
            StepKind::Sub { pipeline, .. } => InsideKind::Sub {
                input: input.clone().unwrap_or_default(),
                frame: Frame::new(&pipeline.root),
            },
            _ => return Err(Corrupt("entered a step that is not composite".to_owned())),
        };
        self.set(at, Node::Inside(Box::new(Inside { deadline: *deadline, kind })))
    }

    fn apply_inside(&mut self, event: &Event) -> Result<(), Corrupt> {
        let (Event::ItemFinished { at, .. }
        | Event::ItemFailed { at, .. }
        | Event::LoopContinued { at, .. }
        | Event::TryEntered { at, .. }) = event
        else {
            return Err(Corrupt("not an inner event".to_owned()));
        };
        let pipeline = self.pipeline.clone();
        let (step, node) = self.node_mut(&pipeline, at)?;
        let wrong = || Corrupt(format!("{event:?} does not fit its step"));
        let Node::Inside(inside) = node else { return Err(wrong()) };
        match (event, &mut inside.kind) {
            (Event::ItemFinished { item, .. }, InsideKind::ForEach { frames, outputs, .. }) => {
                let frame = frames.remove(item).ok_or_else(wrong)?;
                *outputs.get_mut(*item as usize).ok_or_else(wrong)? = Some(frame.output());
            }
            (Event::ItemFailed { item, .. }, InsideKind::ForEach { frames, .. }) => {
                frames.remove(item).ok_or_else(wrong)?;
            }
            (
                Event::LoopContinued { iteration: next, .. },
                InsideKind::While { iteration, frame },
            ) => {
                let StepKind::While { body, .. } = &step.kind else { return Err(wrong()) };
                *frame = Frame::new(body);
                *iteration = *next;
            }
            (
                Event::TryEntered { phase: next, error: pending, .. },
                InsideKind::Try { phase, frame, error, output },
            ) => {
                let block = inner_block(&step.kind, *next).ok_or_else(wrong)?;
                *output = frame.output();
                *frame = Frame::new(block);
                *phase = *next;
                error.clone_from(pending);
            }
            _ => return Err(wrong()),
        }
        Ok(())
    }

    fn set(&mut self, at: &[u32], value: Node) -> Result<(), Corrupt> {
        let pipeline = self.pipeline.clone();
        let (frame, _, index) = self.place(&pipeline, at)?;
        let node = frame.nodes.get_mut(index).ok_or_else(|| Corrupt(format!("{at:?}")))?;
        if node.is_final() {
            return Err(Corrupt(format!("the step at {at:?} had ended")));
        }
        *node = value;
        frame.move_cursor();
        Ok(())
    }

    fn node(&self, at: &[u32]) -> Result<(&Step, &Node), Corrupt> {
        let missing = || Corrupt(format!("no step at {at:?}"));
        let (mut block, mut frame) = match at.first() {
            Some(0) => (&self.pipeline.root, &self.main),
            Some(1) => (
                self.pipeline.on_failure.as_ref().ok_or_else(missing)?,
                self.on_failure.as_ref().ok_or_else(missing)?,
            ),
            _ => return Err(missing()),
        };
        let mut rest = &at[1..];
        loop {
            let index = *rest.first().ok_or_else(missing)? as usize;
            let step = block.steps.get(index).ok_or_else(missing)?;
            let node = frame.nodes.get(index).ok_or_else(missing)?;
            let Some(&key) = rest.get(1) else { return Ok((step, node)) };
            let Node::Inside(inside) = node else { return Err(missing()) };
            block = inner_block(&step.kind, key).ok_or_else(missing)?;
            match inside.kind.frames().into_iter().find(|(k, _)| *k == key) {
                Some((_, inner)) => frame = inner,
                // A `for_each` item that has not begun: every step of it is pending.
                None if rest.len() == 3 => {
                    let step = block.steps.get(rest[2] as usize).ok_or_else(missing)?;
                    return Ok((step, &Node::Pending));
                }
                None => return Err(missing()),
            }
            rest = &rest[2..];
        }
    }

    fn node_mut<'a, 'p>(
        &'a mut self,
        pipeline: &'p crate::pipeline::Pipeline,
        at: &[u32],
    ) -> Result<(&'p Step, &'a mut Node), Corrupt> {
        let (frame, step, index) = self.place(pipeline, at)?;
        let node = frame.nodes.get_mut(index).ok_or_else(|| Corrupt(format!("{at:?}")))?;
        Ok((step, node))
    }

    /// The frame and index at `at`, making the frame of a `for_each` item that begins.
    fn place<'a, 'p>(
        &'a mut self,
        pipeline: &'p crate::pipeline::Pipeline,
        at: &[u32],
    ) -> Result<(&'a mut Frame, &'p Step, usize), Corrupt> {
        let missing = || Corrupt(format!("no step at {at:?}"));
        let (mut block, mut frame) = match at.first() {
            Some(0) => (&pipeline.root, &mut self.main),
            Some(1) => (
                pipeline.on_failure.as_ref().ok_or_else(missing)?,
                self.on_failure.as_mut().ok_or_else(missing)?,
            ),
            _ => return Err(missing()),
        };
        let mut rest = &at[1..];
        loop {
            let index = *rest.first().ok_or_else(missing)? as usize;
            let step = block.steps.get(index).ok_or_else(missing)?;
            let Some(&key) = rest.get(1) else { return Ok((frame, step, index)) };
            block = inner_block(&step.kind, key).ok_or_else(missing)?;
            let Some(Node::Inside(inside)) = frame.nodes.get_mut(index) else {
                return Err(missing());
            };
            frame = inside.kind.frame_mut(key, block).ok_or_else(missing)?;
            rest = &rest[2..];
        }
    }
}

#[expect(clippy::needless_pass_by_value, reason = "the shape `map_err` asks for")]
fn ledger(error: LedgerError) -> Corrupt {
    Corrupt(error.to_string())
}

fn open_hold(node: &Node) -> u64 {
    if let Node::Open { hold, .. } = node { *hold } else { 0 }
}

/// A composite's output, from its parts.
fn derive_output(step: &Step, inside: &Inside) -> Arc<Value> {
    match (&inside.kind, &step.kind) {
        (InsideKind::ForEach { outputs, .. }, _) => Arc::new(Value::Array(
            outputs.iter().map(|o| o.as_deref().cloned().unwrap_or(Value::Null)).collect(),
        )),
        (InsideKind::Parallel { frames }, StepKind::Parallel { branches, .. }) => {
            Arc::new(Value::Object(
                branches
                    .iter()
                    .zip(frames)
                    .map(|(b, f)| (b.id.to_string(), (*f.output()).clone()))
                    .collect(),
            ))
        }
        (InsideKind::Try { phase, frame, output, .. }, StepKind::Try { catches, .. }) => {
            if *phase as usize > catches.len() { output.clone() } else { frame.output() }
        }
        (InsideKind::Switch { frame, .. } | InsideKind::Sub { frame, .. }, _) => frame.output(),
        _ => Arc::default(),
    }
}
