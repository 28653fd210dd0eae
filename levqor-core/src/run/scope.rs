//! What an expression sees from its place in the tree.

use std::sync::Arc;

use serde_json::{Value, json};

use super::path::inner_block;
use super::state::{Frame, Inside, InsideKind, Node, RunState};
use crate::error::RunError;
use crate::expr::{Scope, StepView};
use crate::pipeline::{Block, Step, StepKind};
use crate::time::Timestamp;

/// One list of steps on the way from the root to the expression.
pub(crate) struct Level<'a> {
    pub(crate) parent: Option<&'a Level<'a>>,
    pub(crate) state: &'a RunState,
    pub(crate) now: Timestamp,
    pub(crate) block: &'a Block,
    pub(crate) frame: &'a Frame,
    pub(crate) bind: Bind<'a>,
}

/// Names a level brings in.
pub(crate) enum Bind<'a> {
    None,
    Item {
        var: &'a str,
        item: Arc<Value>,
        index: u32,
    },
    Index(u32),
    Error(&'a RunError),
    /// A boundary: nothing outside is in sight.
    Inputs {
        input: Arc<Value>,
        vars: Arc<Value>,
    },
    /// `event` of a `match`.
    Event(Arc<Value>),
}

impl<'a> Level<'a> {
    /// The level of the run's own steps (`key` 0) or of `on_failure` (`key` 1).
    pub(crate) fn root(state: &'a RunState, key: u32, now: Timestamp) -> Option<Self> {
        let (block, frame) = match key {
            0 => (&state.pipeline.root, &state.main),
            _ => (state.pipeline.on_failure.as_ref()?, state.on_failure.as_ref()?),
        };
        let input = state.started.input.clone();
        let vars = state.pipeline.vars.clone();
        Some(Self { parent: None, state, now, block, frame, bind: Bind::Inputs { input, vars } })
    }

    /// The same place with one more name.
    pub(crate) fn with(&'a self, bind: Bind<'a>) -> Level<'a> {
        Level { parent: Some(self), bind, ..*self }
    }
}

/// The level below `step` at `key`, and its frame.
pub(crate) fn enter<'a>(
    parent: &'a Level<'a>,
    step: &'a Step,
    inside: &'a Inside,
    key: u32,
    frame: &'a Frame,
) -> Option<Level<'a>> {
    let block = inner_block(&step.kind, key)?;
    let bind = match (&inside.kind, &step.kind) {
        (InsideKind::ForEach { items, .. }, StepKind::ForEach { var, .. }) => {
            Bind::Item { var, item: items.get(key as usize)?.clone(), index: key }
        }
        // Rounds count from 1 in the tree, from 0 for people.
        (InsideKind::While { .. }, _) => Bind::Index(key.saturating_sub(1)),
        (InsideKind::Try { error: Some(error), .. }, _) => Bind::Error(error),
        (InsideKind::Sub { input, .. }, StepKind::Sub { pipeline, .. }) => {
            Bind::Inputs { input: input.clone(), vars: pipeline.vars.clone() }
        }
        _ => Bind::None,
    };
    Some(Level { parent: Some(parent), state: parent.state, now: parent.now, block, frame, bind })
}

/// Calls `f` with the level, step and node at `at`.
pub(crate) fn descend<R>(
    state: &RunState,
    at: &[u32],
    now: Timestamp,
    f: &mut dyn FnMut(&Level<'_>, &Step, &Node) -> R,
) -> Option<R> {
    fn go<R>(
        level: &Level<'_>,
        rest: &[u32],
        f: &mut dyn FnMut(&Level<'_>, &Step, &Node) -> R,
    ) -> Option<R> {
        let index = *rest.first()? as usize;
        let step = level.block.steps.get(index)?;
        let node = level.frame.nodes.get(index)?;
        let Some(&key) = rest.get(1) else { return Some(f(level, step, node)) };
        let Node::Inside(inside) = node else { return None };
        let (_, frame) = inside.kind.frames().into_iter().find(|(k, _)| *k == key)?;
        let inner = enter(level, step, inside, key, frame)?;
        go(&inner, &rest[2..], f)
    }
    let level = Level::root(state, *at.first()?, now)?;
    go(&level, &at[1..], f)
}

impl Scope for Level<'_> {
    fn root(&self, name: &str) -> Option<Arc<Value>> {
        match name {
            "run" => return Some(Arc::new(run_object(self.state))),
            "now" => return Some(Arc::new(json!(self.now.to_string()))),
            _ => {}
        }
        let mut level = Some(self);
        while let Some(here) = level {
            match &here.bind {
                Bind::Item { var, item, .. } if name == *var || name == "item" => {
                    return Some(item.clone());
                }
                Bind::Item { index, .. } | Bind::Index(index) if name == "index" => {
                    return Some(Arc::new(json!(index)));
                }
                Bind::Error(error) if name == "error" => {
                    return serde_json::to_value(error).ok().map(Arc::new);
                }
                Bind::Event(event) if name == "event" => return Some(event.clone()),
                Bind::Inputs { input, vars } => {
                    return match name {
                        "input" => Some(input.clone()),
                        "vars" => Some(vars.clone()),
                        "error" => {
                            let failure = here.state.failure.as_ref()?;
                            serde_json::to_value(failure).ok().map(Arc::new)
                        }
                        _ => None,
                    };
                }
                _ => {}
            }
            level = here.parent;
        }
        None
    }

    fn step(&self, id: &str) -> Option<StepView> {
        let mut level = Some(self);
        while let Some(here) = level {
            let found = here.block.steps.iter().position(|s| &*s.id == id);
            if let Some(node) = found.and_then(|i| here.frame.nodes.get(i)) {
                return view(node);
            }
            if matches!(here.bind, Bind::Inputs { .. }) {
                // `on_failure` sees the steps of the run.
                let main =
                    here.state.on_failure.as_ref().is_some_and(|f| std::ptr::eq(f, here.frame));
                let position = || here.state.pipeline.root.steps.iter().position(|s| &*s.id == id);
                return if main { view(here.state.main.nodes.get(position()?)?) } else { None };
            }
            level = here.parent;
        }
        None
    }
}

fn view(node: &Node) -> Option<StepView> {
    match node {
        Node::Done(output) => {
            Some(StepView { status: "succeeded", output: Some(output.clone()), error: None })
        }
        Node::Skipped => Some(StepView { status: "skipped", output: None, error: None }),
        Node::Cancelled => Some(StepView { status: "cancelled", output: None, error: None }),
        Node::Failed(error) => Some(StepView {
            status: "failed",
            output: None,
            error: serde_json::to_value(error).ok().map(Arc::new),
        }),
        _ => None,
    }
}

fn run_object(state: &RunState) -> Value {
    json!({
        "id": state.id,
        "pipeline": state.started.pipeline,
        "organization": state.organization,
        "started_at": state.started.at.to_string(),
        "labels": state.started.labels,
    })
}
