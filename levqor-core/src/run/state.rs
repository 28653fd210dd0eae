//! [`RunState`]: the tree of a run as its journal says.
//!
//! It holds what the run still needs: the frontier and the outputs that are in sight. What a
//! finished loop item did is gone from here and stays in the journal.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde_json::Value;

use super::{RunStatus, Started, WaitFor};
use crate::error::RunError;
use crate::ids::{Organization, RunId};
use crate::ledger::{ActionTotal, Tally};
use crate::pipeline::{Block, Pipeline, StepKind};
use crate::time::Timestamp;

/// The journal does not fit the pipeline: a damaged store, or a bug.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the journal does not fit the pipeline: {0}")]
pub struct Corrupt(pub String);

/// A run as its journal says.
#[derive(Clone, Debug)]
pub struct RunState {
    pub(crate) id: RunId,
    pub(crate) organization: Organization,
    pub(crate) pipeline: Arc<Pipeline>,
    pub(crate) started: Arc<Started>,
    pub(crate) status: RunStatus,
    pub(crate) main: Frame,
    pub(crate) on_failure: Option<Frame>,
    /// Why the steps failed, once they did.
    pub(crate) failure: Option<RunError>,
    /// Why it is paused.
    pub(crate) paused: Option<RunError>,
    /// Set by `core/stop`: the run ends with this output.
    pub(crate) stopped: Option<Arc<Value>>,
    pub(crate) output: Option<Arc<Value>>,
    pub(crate) error: Option<RunError>,
    pub(crate) max_credits: Option<u64>,
    pub(crate) steps_used: u64,
    pub(crate) tally: Tally,
    /// What was charged, by connector and action.
    pub(crate) spent: BTreeMap<(Arc<str>, Arc<str>), ActionTotal>,
}

/// Called with an active step's address, id, kind and node.
pub(crate) type Visit<'a> = dyn FnMut(&[u32], &Arc<str>, &StepKind, &Node) + 'a;

/// A list of steps being run.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Frame {
    pub(crate) nodes: Vec<Node>,
    /// Every node before it is final.
    pub(crate) cursor: usize,
}

/// One step's place in a frame.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Node {
    Pending,
    Skipped,
    Done(Arc<Value>),
    Failed(Box<RunError>),
    Cancelled,
    /// A connector call is under way.
    Open {
        attempt: u32,
        failures: u32,
        input: Arc<Value>,
        hold: u64,
    },
    /// Between two attempts.
    Retrying {
        attempt: u32,
        failures: u32,
        input: Arc<Value>,
        due: Timestamp,
    },
    Waiting {
        waits_for: WaitFor,
        due: Option<Timestamp>,
    },
    Inside(Box<Inside>),
}

/// A composite step under way.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Inside {
    pub(crate) deadline: Option<Timestamp>,
    pub(crate) kind: InsideKind,
}

#[derive(Clone, Debug, PartialEq)]
pub(crate) enum InsideKind {
    ForEach {
        items: Vec<Arc<Value>>,
        /// The first item that has not begun.
        next: u32,
        frames: BTreeMap<u32, Frame>,
        outputs: Vec<Option<Arc<Value>>>,
    },
    /// Rounds count from 1; 0 is before the first, and its frame is never run.
    While {
        iteration: u32,
        frame: Frame,
    },
    Parallel {
        frames: Vec<Frame>,
    },
    Switch {
        case: u32,
        frame: Frame,
    },
    /// `output` is that of the body or catch, `error` the one pending.
    Try {
        phase: u32,
        frame: Frame,
        error: Option<RunError>,
        output: Arc<Value>,
    },
    Sub {
        input: Arc<Value>,
        frame: Frame,
    },
}

/// What a frame has come to.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum FrameStatus {
    Active,
    Done,
    Failed(RunError),
}

impl Node {
    pub(crate) fn is_final(&self) -> bool {
        matches!(self, Self::Skipped | Self::Done(_) | Self::Failed(_) | Self::Cancelled)
    }
}

impl Frame {
    pub(crate) fn new(block: &Block) -> Self {
        Self { nodes: vec![Node::Pending; block.steps.len()], cursor: 0 }
    }

    pub(crate) fn status(&self) -> FrameStatus {
        let mut all = true;
        for node in &self.nodes[self.cursor.min(self.nodes.len())..] {
            match node {
                Node::Failed(error) => return FrameStatus::Failed((**error).clone()),
                other => all &= other.is_final(),
            }
        }
        if all { FrameStatus::Done } else { FrameStatus::Active }
    }

    /// The output of the last step that has one, else null.
    pub(crate) fn output(&self) -> Arc<Value> {
        self.nodes
            .iter()
            .rev()
            .find_map(|n| if let Node::Done(output) = n { Some(output.clone()) } else { None })
            .unwrap_or_default()
    }

    pub(crate) fn move_cursor(&mut self) {
        // A failed node stays at or after the cursor, so that `status` sees it.
        while self
            .nodes
            .get(self.cursor)
            .is_some_and(|n| n.is_final() && !matches!(n, Node::Failed(_)))
        {
            self.cursor += 1;
        }
    }
}

impl RunState {
    /// The state of a run whose first event this is.
    #[must_use]
    pub fn new(
        id: RunId,
        organization: Organization,
        pipeline: Arc<Pipeline>,
        started: Started,
    ) -> Self {
        let main = Frame::new(&pipeline.root);
        Self {
            id,
            organization,
            status: RunStatus::Queued,
            main,
            on_failure: None,
            failure: None,
            paused: None,
            stopped: None,
            output: None,
            error: None,
            max_credits: started.max_credits,
            steps_used: 0,
            tally: Tally::default(),
            spent: BTreeMap::new(),
            started: Arc::new(started),
            pipeline,
        }
    }

    /// The run's id.
    #[must_use]
    pub fn id(&self) -> RunId {
        self.id
    }

    /// Where it is in its life.
    #[must_use]
    pub fn status(&self) -> RunStatus {
        self.status
    }

    /// Its output, once it succeeded.
    #[must_use]
    pub fn output(&self) -> Option<&Arc<Value>> {
        self.output.as_ref()
    }

    /// Its error, once it failed, or why it is paused.
    #[must_use]
    pub fn error(&self) -> Option<&RunError> {
        self.error.as_ref().or(self.paused.as_ref())
    }

    /// Credits held, captured and released so far.
    #[must_use]
    pub fn tally(&self) -> Tally {
        self.tally
    }

    /// What was charged so far, by `connector/action`.
    #[must_use]
    pub fn spent(&self) -> BTreeMap<String, ActionTotal> {
        let named = |((connector, action), total): (&(Arc<str>, Arc<str>), &ActionTotal)| {
            (format!("{connector}/{action}"), *total)
        };
        self.spent.iter().map(named).collect()
    }

    /// Calls `visit` with the address, step and node of every step that is neither pending nor
    /// final and is not composite.
    pub(crate) fn each_active(&self, visit: &mut Visit<'_>) {
        let mut at = vec![0];
        walk(&self.pipeline.root, &self.main, &mut at, visit);
        if let (Some(block), Some(frame)) = (&self.pipeline.on_failure, &self.on_failure) {
            at[0] = 1;
            walk(block, frame, &mut at, visit);
        }
    }

    /// The earliest moment at which something is due, deadlines included.
    pub(crate) fn next_due(&self) -> Option<Timestamp> {
        let mut due = if self.failure.is_none() { self.started.deadline } else { None };
        let mut sooner = |at: Option<Timestamp>| {
            if let Some(at) = at {
                due = Some(due.map_or(at, |d| d.min(at)));
            }
        };
        self.each_active(&mut |_, _, _, node| match node {
            Node::Retrying { due, .. } => sooner(Some(*due)),
            Node::Waiting { due, .. } => sooner(*due),
            _ => {}
        });
        match &self.on_failure {
            None => deadlines(&self.main, &mut sooner),
            Some(frame) => deadlines(frame, &mut sooner),
        }
        due
    }
}

fn deadlines(frame: &Frame, sooner: &mut dyn FnMut(Option<Timestamp>)) {
    // What stands beside a failure is abandoned: its deadlines mean nothing any more.
    if matches!(frame.status(), FrameStatus::Failed(_)) {
        return;
    }
    for node in &frame.nodes[frame.cursor.min(frame.nodes.len())..] {
        if let Node::Inside(inside) = node {
            sooner(inside.deadline);
            for (_, frame) in inside.kind.frames() {
                deadlines(frame, sooner);
            }
        }
    }
}

/// Visits the active leaves below a frame.
pub(crate) fn walk(block: &Block, frame: &Frame, at: &mut Vec<u32>, visit: &mut Visit<'_>) {
    for (index, node) in frame.nodes.iter().enumerate().skip(frame.cursor) {
        let Some(step) = block.steps.get(index) else { return };
        at.push(u32::try_from(index).unwrap_or(u32::MAX));
        match node {
            Node::Open { .. } | Node::Retrying { .. } | Node::Waiting { .. } => {
                visit(at, &step.id, &step.kind, node);
            }
            Node::Inside(inside) => {
                for (key, inner) in inside.kind.frames() {
                    if let Some(block) = super::path::inner_block(&step.kind, key) {
                        at.push(key);
                        walk(block, inner, at, visit);
                        at.pop();
                    }
                }
            }
            _ => {}
        }
        at.pop();
    }
}

impl InsideKind {
    /// The frames under way, each with its key.
    pub(crate) fn frames(&self) -> Vec<(u32, &Frame)> {
        match self {
            Self::ForEach { frames, .. } => frames.iter().map(|(k, f)| (*k, f)).collect(),
            Self::While { iteration, frame } => vec![(*iteration, frame)],
            Self::Parallel { frames } => (0..).zip(frames.iter()).collect(),
            Self::Switch { case, frame } => vec![(*case, frame)],
            Self::Try { phase, frame, .. } => vec![(*phase, frame)],
            Self::Sub { frame, .. } => vec![(0, frame)],
        }
    }

    /// The frame at `key`; a `for_each` item that has not begun gets one.
    pub(crate) fn frame_mut(&mut self, key: u32, block: &Block) -> Option<&mut Frame> {
        match self {
            Self::ForEach { items, next, frames, .. } => {
                if key == *next && (key as usize) < items.len() {
                    frames.insert(key, Frame::new(block));
                    *next += 1;
                }
                frames.get_mut(&key)
            }
            Self::Parallel { frames } => frames.get_mut(key as usize),
            Self::While { iteration: k, frame }
            | Self::Switch { case: k, frame }
            | Self::Try { phase: k, frame, .. } => (*k == key).then_some(frame),
            Self::Sub { frame, .. } => (key == 0).then_some(frame),
        }
    }
}
