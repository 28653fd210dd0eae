//! Lists of steps, by list order or by `needs`, and which kind each step is.

use super::Compiler;
use super::needs::reach;
use super::sight::Sight;
use crate::document::{self, join};
use crate::limits;
use crate::pipeline::{Block, RetryPolicy, Step, StepKind};

/// The keys that say what a step does, and the keys that go with each.
const KINDS: [(&str, &[&str]); 6] = [
    ("uses", &["with", "credential", "retry"]),
    ("for_each", &["as", "max_items", "max_parallel", "on_item_error", "steps"]),
    ("while", &["max_iterations", "steps"]),
    ("parallel", &["join"]),
    ("switch", &["else"]),
    ("try", &["catch", "finally"]),
];

impl<'a> Compiler<'a> {
    /// Compiles a list; `depth` is 1 at the top.
    pub(super) fn block(
        &mut self,
        steps: &'a [document::Step],
        at: &str,
        sight: &Sight<'a>,
        depth: usize,
    ) -> Block {
        if depth > limits::NESTING_MAX {
            let message = format!("steps are nested more than {} deep", limits::NESTING_MAX);
            self.report("document.nesting", at, message);
            return Block::default();
        }
        self.deepest = self.deepest.max(depth);
        let graph = steps.iter().any(|s| s.needs.is_some());
        let needs = graph.then(|| self.needs(steps, at));
        let reach = needs.as_ref().map(|needs| reach(needs));
        if let Some((needs, reach)) = needs.as_ref().zip(reach.as_ref()) {
            self.check_circle(steps, needs, reach, at);
        }
        let mut before = sight.clone();
        let mut compiled = Vec::with_capacity(steps.len());
        for (index, step) in steps.iter().enumerate() {
            let at = format!("{at}/{index}");
            let seen = match &reach {
                None => before.clone(),
                Some(reach) => {
                    sight.with_steps(reach[index].iter().map(|i| steps[*i as usize].id.as_str()))
                }
            };
            compiled.extend(self.step(step, &at, &seen, depth));
            before.add_step(&step.id);
        }
        Block { steps: compiled, needs }
    }

    fn step(
        &mut self,
        step: &'a document::Step,
        at: &str,
        sight: &Sight<'a>,
        depth: usize,
    ) -> Option<Step> {
        let condition = match &step.condition {
            Some(condition) => Some(self.condition(condition, &join(at, "if"), sight)?),
            None => None,
        };
        let kind = self.kind_of(step, at)?;
        let kind = match kind {
            "uses" => self.uses(step, at, sight, depth),
            "for_each" => self.for_each(step, at, sight, depth),
            "while" => self.while_loop(step, at, sight, depth),
            "parallel" => self.parallel(step, at, sight, depth),
            "switch" => self.switch(step, at, sight, depth),
            _ => self.try_catch(step, at, sight, depth),
        };
        let is_call = matches!(kind, Some(StepKind::Call { .. }));
        let retry = self.retry(step, at, is_call, sight);
        let timeout_ms = if is_call {
            self.call_timeout(step.timeout, &join(at, "timeout"))
        } else {
            self.wait(step.timeout, &join(at, "timeout"))
        };
        Some(Step { id: step.id.as_str().into(), condition, kind: kind?, retry, timeout_ms })
    }

    /// Which of the kinds the step is; reports none, several, and keys of another.
    fn kind_of(&mut self, step: &document::Step, at: &str) -> Option<&'static str> {
        let present = [
            ("uses", step.uses.is_some()),
            ("for_each", step.for_each.is_some()),
            ("while", step.while_condition.is_some()),
            ("parallel", step.parallel.is_some()),
            ("switch", step.switch.is_some()),
            ("try", step.body.is_some()),
        ];
        let found: Vec<&'static str> =
            present.iter().filter(|(_, there)| *there).map(|(name, _)| *name).collect();
        let [kind] = found.as_slice() else {
            let all = "`uses`, `for_each`, `while`, `parallel`, `switch`, `try`";
            let message = match found.as_slice() {
                [] => format!("step `{}` has nothing to do: give it one of {all}", step.id),
                several => format!(
                    "step `{}` has {}: a step has exactly one of {all}",
                    step.id,
                    several.iter().map(|k| format!("`{k}`")).collect::<Vec<_>>().join(" and ")
                ),
            };
            self.report("document.step_kind", at, message);
            return None;
        };
        self.check_misplaced(step, at, kind);
        Some(kind)
    }

    fn check_misplaced(&mut self, step: &document::Step, at: &str, kind: &str) {
        let keys = [
            ("with", step.with.is_some()),
            ("credential", step.credential.is_some()),
            ("retry", step.retry.is_some()),
            ("as", step.as_name.is_some()),
            ("max_items", step.max_items.is_some()),
            ("max_parallel", step.max_parallel.is_some()),
            ("on_item_error", step.on_item_error.is_some()),
            ("max_iterations", step.max_iterations.is_some()),
            ("steps", step.steps.is_some()),
            ("join", step.join.is_some()),
            ("else", step.otherwise.is_some()),
            ("catch", step.catch.is_some()),
            ("finally", step.finally.is_some()),
        ];
        let mine = KINDS.iter().find(|(name, _)| *name == kind).map_or(&[][..], |k| k.1);
        for (key, _) in keys.iter().filter(|(key, there)| *there && !mine.contains(key)) {
            let owners: Vec<String> = KINDS
                .iter()
                .filter(|(_, keys)| keys.contains(key))
                .map(|(name, _)| format!("`{name}`"))
                .collect();
            let owners = owners.join(" or ");
            let message = format!("`{key}` belongs to a step with {owners}, not with `{kind}`");
            self.report("document.misplaced_key", &join(at, key), message);
        }
    }

    fn retry(
        &mut self,
        step: &'a document::Step,
        at: &str,
        is_call: bool,
        sight: &Sight<'a>,
    ) -> RetryPolicy {
        if !is_call {
            return RetryPolicy { max_attempts: 1, ..RetryPolicy::default() };
        }
        self.retry_policy(step.retry.as_ref(), &join(at, "retry"), sight)
    }
}
