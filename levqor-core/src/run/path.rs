//! A step's path for people and for idempotency keys: `notify[3].dm`, `fan.a.send`.

use std::fmt::Write;

use crate::pipeline::{Block, Pipeline, Step, StepKind};

/// The path of the step at `at`; ids and iterations only, so an edited document keeps it where the
/// step keeps its id and place.
#[must_use]
pub fn path_of(pipeline: &Pipeline, at: &[u32]) -> String {
    let mut path = String::with_capacity(24);
    let mut block: Option<&Block> = match at.first() {
        Some(0) => Some(&pipeline.root),
        Some(1) => {
            path.push_str("on_failure.");
            pipeline.on_failure.as_ref()
        }
        _ => None,
    };
    let mut rest = at.get(1..).unwrap_or(&[]);
    while let (Some(current), Some(&index)) = (block, rest.first()) {
        let Some(step) = current.steps.get(index as usize) else { break };
        path.push_str(&step.id);
        let Some(&key) = rest.get(1) else { break };
        block = inner_block(&step.kind, key);
        match &step.kind {
            StepKind::ForEach { .. } => {
                let _ = write!(path, "[{key}]");
            }
            StepKind::While { .. } => {
                let _ = write!(path, "[{}]", key.saturating_sub(1));
            }
            StepKind::Parallel { branches, .. } => {
                if let Some(branch) = branches.get(key as usize) {
                    path.push('.');
                    path.push_str(&branch.id);
                }
            }
            _ => {}
        }
        rest = &rest[2..];
        if !rest.is_empty() {
            path.push('.');
        }
    }
    path
}

/// The block that stands below a step at `key`.
pub(crate) fn inner_block(kind: &StepKind, key: u32) -> Option<&Block> {
    match kind {
        StepKind::ForEach { body, .. } | StepKind::While { body, .. } => Some(body),
        StepKind::Parallel { branches, .. } => branches.get(key as usize).map(|b| &b.body),
        StepKind::Switch { cases, otherwise } => match cases.get(key as usize) {
            Some((_, block)) => Some(block),
            None => (key as usize == cases.len()).then_some(otherwise),
        },
        StepKind::Try { body, catches, finally } => match key as usize {
            0 => Some(body),
            n if n <= catches.len() => catches.get(n - 1).map(|(_, block)| block),
            n if n == catches.len() + 1 => Some(finally),
            _ => None,
        },
        StepKind::Sub { pipeline, .. } => (key == 0).then_some(&pipeline.root),
        _ => None,
    }
}

/// The step at `at`.
pub(crate) fn step_at<'p>(pipeline: &'p Pipeline, at: &[u32]) -> Option<&'p Step> {
    let mut block = match at.first()? {
        0 => &pipeline.root,
        _ => pipeline.on_failure.as_ref()?,
    };
    let mut rest = &at[1..];
    loop {
        let step = block.steps.get(*rest.first()? as usize)?;
        let Some(&key) = rest.get(1) else { return Some(step) };
        block = inner_block(&step.kind, key)?;
        rest = &rest[2..];
    }
}
