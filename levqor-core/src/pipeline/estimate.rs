//! [`estimate`]: what a run will cost, before it starts, with the reason per step.
//!
//! Pure: prices come from the compiled pipeline, lengths of lists and the truth of conditions from
//! the input where they depend on nothing else. Loops are bounded, so there is a most. It holds
//! nothing and promises nothing: `limits.credits` is the promise.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::{Block, Join, Pipeline, Step, StepKind};
use crate::connector::ActionInfo;
use crate::expr::{Expr, MapScope, Refs, Template};

/// Items or rounds assumed of a loop whose number is not known.
const ROUNDS_EXPECTED: u64 = 10;

/// What a run will cost, in credits.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[non_exhaustive]
pub struct Estimate {
    /// If it succeeds by the cheapest way.
    pub min: u64,
    /// If conditions that are not known yet are true, and loops of unknown length short.
    pub expected: u64,
    /// Never more than this; absent where the number does not fit into 64 bits.
    pub max: Option<u64>,
    /// Every step that costs something, in document order.
    pub steps: Vec<StepEstimate>,
}

/// What one step will cost, over all of its repetitions.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[non_exhaustive]
pub struct StepEstimate {
    /// The step; those of a sub-pipeline after that step's id and a slash.
    pub id: String,
    /// At least.
    pub min: u64,
    /// Probably.
    pub expected: u64,
    /// At most; absent where the number does not fit into 64 bits.
    pub max: Option<u64>,
    /// Why, for people.
    pub reason: String,
}

/// Estimates a run of `pipeline` with `input`.
#[must_use]
pub fn estimate(pipeline: &Pipeline, input: &Value) -> Estimate {
    let mut part = whole(pipeline, Some(input));
    if let Some(on_failure) = &pipeline.on_failure {
        let known = Known::of(pipeline, Some(input));
        let handler = known.block(on_failure).maybe("only if the run fails").free();
        part = part.then(handler);
    }
    if let Some(budget) = pipeline.limits.credits {
        part.cost.max = Some(part.cost.max.map_or(budget, |max| max.min(budget)));
        part.cost.min = part.cost.min.min(budget);
        part.cost.expected = part.cost.expected.min(budget);
    }
    let Cost { min, expected, max } = part.cost;
    Estimate { min, expected, max, steps: part.steps }
}

fn whole(pipeline: &Pipeline, input: Option<&Value>) -> Part {
    Known::of(pipeline, input).block(&pipeline.root)
}

/// Credits of one thing.
#[derive(Clone, Copy, Debug, Default)]
struct Cost {
    min: u64,
    expected: u64,
    max: Option<u64>,
}

impl Cost {
    fn nothing() -> Self {
        Self { min: 0, expected: 0, max: Some(0) }
    }

    fn plus(self, other: Self) -> Self {
        Self {
            min: self.min.saturating_add(other.min),
            expected: self.expected.saturating_add(other.expected),
            max: self.max.zip(other.max).and_then(|(a, b)| a.checked_add(b)),
        }
    }

    fn times(self, times: Self) -> Self {
        Self {
            min: self.min.saturating_mul(times.min),
            expected: self.expected.saturating_mul(times.expected),
            max: self.max.zip(times.max).and_then(|(a, b)| a.checked_mul(b)),
        }
    }
}

/// Some steps and what they cost together.
#[derive(Debug)]
struct Part {
    cost: Cost,
    steps: Vec<StepEstimate>,
}

impl Part {
    fn nothing() -> Self {
        Self { cost: Cost::nothing(), steps: Vec::new() }
    }

    fn then(mut self, other: Self) -> Self {
        self.cost = self.cost.plus(other.cost);
        self.steps.extend(other.steps);
        self
    }

    /// It runs so many times.
    fn repeat(mut self, times: Cost, why: &str) -> Self {
        self.cost = self.cost.times(times);
        for step in &mut self.steps {
            let cost = Cost { min: step.min, expected: step.expected, max: step.max }.times(times);
            (step.min, step.expected, step.max) = (cost.min, cost.expected, cost.max);
            step.reason = format!("{why} × {}", step.reason);
        }
        self
    }

    /// It need not run.
    fn maybe(mut self, why: &str) -> Self {
        self.cost.min = 0;
        for step in &mut self.steps {
            step.min = 0;
            step.reason = format!("{} ({why})", step.reason);
        }
        self
    }

    /// It is not expected to run.
    fn free(mut self) -> Self {
        self.cost.expected = 0;
        for step in &mut self.steps {
            step.expected = 0;
        }
        self
    }

    /// One of them runs, and it is not known which.
    fn one_of(parts: Vec<Self>) -> Self {
        let count = parts.len().max(1) as u64;
        let expected = parts.iter().map(|p| p.cost.expected).fold(0, u64::saturating_add);
        let cost = Cost {
            min: parts.iter().map(|p| p.cost.min).min().unwrap_or(0),
            expected: expected.div_ceil(count),
            max: parts.iter().map(|p| p.cost.max).try_fold(0, |a, b| b.map(|b| a.max(b))),
        };
        let steps = parts.into_iter().flat_map(|part| {
            let mut part = part.maybe("one of several ways");
            part.steps.iter_mut().for_each(|s| s.expected = s.expected.div_ceil(count));
            part.steps
        });
        Self { cost, steps: steps.collect() }
    }
}

/// What is known before the run.
struct Known {
    scope: MapScope,
    has_input: bool,
}

impl Known {
    fn of(pipeline: &Pipeline, input: Option<&Value>) -> Self {
        let scope = MapScope::new().with_root("vars", Value::clone(&pipeline.vars));
        let scope = match input {
            Some(input) => scope.with_root("input", input.clone()),
            None => scope,
        };
        Self { scope, has_input: input.is_some() }
    }

    fn covers(&self, refs: &Refs) -> bool {
        refs.steps.is_empty()
            && refs.roots.iter().all(|r| r == "vars" || (self.has_input && r == "input"))
    }

    fn truth(&self, condition: &Expr) -> Option<bool> {
        if !self.covers(condition.refs()) {
            return None;
        }
        condition.eval_bool(&self.scope).ok()
    }

    fn value(&self, template: &Template) -> Option<Value> {
        if !self.covers(template.refs()) {
            return None;
        }
        template.render(&self.scope).ok()
    }

    fn block(&self, block: &Block) -> Part {
        block.steps.iter().fold(Part::nothing(), |part, step| part.then(self.step(step)))
    }

    fn step(&self, step: &Step) -> Part {
        let condition = step.condition.as_ref();
        match condition.map(|c| self.truth(c)) {
            Some(Some(false)) => Part::nothing(),
            Some(None) => self.kind(step).maybe("if its condition is true"),
            Some(Some(true)) | None => self.kind(step),
        }
    }

    fn kind(&self, step: &Step) -> Part {
        match &step.kind {
            StepKind::Call { info, .. } => call(step, info),
            StepKind::Set { .. }
            | StepKind::Sleep { .. }
            | StepKind::WaitEvent { .. }
            | StepKind::Approval { .. }
            | StepKind::Fail { .. }
            | StepKind::Stop { .. } => Part::nothing(),
            StepKind::ForEach { items, max_items, body, .. } => {
                let (times, why) = self.items(items, *max_items);
                self.block(body).repeat(times, &why)
            }
            StepKind::While { condition, max_iterations, body } => {
                if self.truth(condition) == Some(false) {
                    return Part::nothing();
                }
                let most = u64::from(*max_iterations);
                let expected = most.min(ROUNDS_EXPECTED);
                let times = Cost { min: 0, expected, max: Some(most) };
                self.block(body).repeat(times, &format!("up to {most} rounds"))
            }
            StepKind::Parallel { branches, join } => {
                let parts = branches.iter().map(|branch| self.block(&branch.body));
                match join {
                    Join::All => parts.fold(Part::nothing(), Part::then),
                    Join::Any => {
                        let parts: Vec<Part> = parts.collect();
                        let least = parts.iter().map(|p| p.cost.min).min().unwrap_or(0);
                        let all = parts
                            .into_iter()
                            .map(|p| p.maybe("cancelled if another branch is first"))
                            .fold(Part::nothing(), Part::then);
                        Part { cost: Cost { min: least, ..all.cost }, ..all }
                    }
                }
            }
            StepKind::Switch { cases, otherwise } => self.switch(cases, otherwise),
            StepKind::Try { body, catches, finally } => {
                let body = self.block(body);
                let handlers: Vec<Part> = catches.iter().map(|(_, b)| self.block(b)).collect();
                let handler = if handlers.is_empty() {
                    Part::nothing()
                } else {
                    Part::one_of(handlers).maybe("only if `try` fails").free()
                };
                body.then(handler).then(self.block(finally))
            }
            StepKind::Sub { pipeline, with } => {
                let mut part = whole(pipeline, self.value(with).as_ref());
                for inner in &mut part.steps {
                    inner.id = format!("{}/{}", step.id, inner.id);
                }
                part
            }
        }
    }

    fn switch(&self, cases: &[(Expr, Block)], otherwise: &Block) -> Part {
        let mut possible = Vec::new();
        for (condition, body) in cases {
            match self.truth(condition) {
                Some(false) => {}
                Some(true) if possible.is_empty() => return self.block(body),
                Some(true) => {
                    possible.push(self.block(body));
                    return Part::one_of(possible);
                }
                None => possible.push(self.block(body)),
            }
        }
        possible.push(self.block(otherwise));
        Part::one_of(possible)
    }

    fn items(&self, items: &Template, max_items: u32) -> (Cost, String) {
        let most = u64::from(max_items);
        if let Some(Value::Array(list)) = self.value(items) {
            let count = (list.len() as u64).min(most);
            return (
                Cost { min: count, expected: count, max: Some(count) },
                format!("{count} items"),
            );
        }
        if let Some(count) = items.length() {
            let count = (count as u64).min(most);
            return (
                Cost { min: count, expected: count, max: Some(count) },
                format!("{count} items"),
            );
        }
        let expected = most.min(ROUNDS_EXPECTED);
        (Cost { min: 0, expected, max: Some(most) }, format!("up to {most} items"))
    }
}

fn call(step: &Step, info: &ActionInfo) -> Part {
    let (base, hold) = (info.price.base, info.price.hold());
    let metered = info.price.max.is_some();
    let reason = if metered {
        format!("{base} credits a call, {hold} at most")
    } else if base == 1 {
        "1 credit a call".to_owned()
    } else {
        format!("{base} credits a call")
    };
    let cost = Cost { min: if metered { 0 } else { base }, expected: base, max: Some(hold) };
    if hold == 0 {
        return Part::nothing();
    }
    let Cost { min, expected, max } = cost;
    let step = StepEstimate { id: step.id.to_string(), min, expected, max, reason };
    Part { cost, steps: vec![step] }
}

#[cfg(test)]
mod tests;
