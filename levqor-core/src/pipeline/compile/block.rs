//! Lists of steps and the composites, by list order or by `needs`.

use std::collections::{BTreeSet, HashMap};

use serde_json::Value;

use super::Compiler;
use super::sight::{Sight, is_free_name};
use crate::document::{self, Condition, join};
use crate::limits;
use crate::pipeline::{Block, Branch, Join, OnItemError, RetryPolicy, Step, StepKind};

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

    /// For each step the indices of those it waits for; reports unknown ones and circles.
    fn needs(&mut self, steps: &'a [document::Step], at: &str) -> Vec<Vec<u32>> {
        let places: HashMap<&str, usize> =
            steps.iter().enumerate().map(|(i, s)| (s.id.as_str(), i)).collect();
        let mut all = Vec::with_capacity(steps.len());
        for (i, step) in steps.iter().enumerate() {
            let mut mine = BTreeSet::new();
            for (n, id) in step.needs.iter().flatten().enumerate() {
                match places.get(id.as_str()).copied() {
                    Some(found) => {
                        mine.insert(u32::try_from(found).unwrap_or(u32::MAX));
                    }
                    None => {
                        let message = format!("there is no step `{id}` in this list");
                        let guess = self.guess(id, steps.iter().map(|s| s.id.as_str()));
                        let at = format!("{at}/{i}/needs/{n}");
                        let guess = guess.map(|g| format!("`{g}`"));
                        self.suggest("document.unknown_step", &at, message, guess);
                    }
                }
            }
            all.push(mine.into_iter().collect::<Vec<u32>>());
        }
        all
    }

    fn check_circle(
        &mut self,
        steps: &[document::Step],
        needs: &[Vec<u32>],
        reach: &[BTreeSet<u32>],
        at: &str,
    ) {
        let Some(circle) = circle(needs, reach) else { return };
        let names: Vec<&str> = circle.iter().map(|i| steps[*i].id.as_str()).collect();
        let first = circle.first().copied().unwrap_or(0);
        let message = format!("steps need each other in a circle: {}", names.join(" → "));
        self.report("document.needs_cycle", &format!("{at}/{first}/needs"), message);
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

    /// The body of a loop, which must be there.
    fn body(
        &mut self,
        step: &'a document::Step,
        at: &str,
        sight: &Sight<'a>,
        depth: usize,
    ) -> Block {
        let Some(steps) = &step.steps else {
            let message = format!("the loop `{}` lacks `steps`", step.id);
            self.report("document.missing_key", at, message);
            return Block::default();
        };
        let at = join(at, "steps");
        if steps.is_empty() {
            self.report("document.empty", &at, "a loop has at least one step");
        }
        self.block(steps, &at, sight, depth + 1)
    }

    fn for_each(
        &mut self,
        step: &'a document::Step,
        at: &str,
        sight: &Sight<'a>,
        depth: usize,
    ) -> Option<StepKind> {
        let list_at = join(at, "for_each");
        let list = step.for_each.as_ref()?;
        let is_expression = |text: &str| text.starts_with("${{");
        match list {
            Value::Array(_) => {}
            Value::String(text) if is_expression(text) => {}
            Value::String(text) => {
                let guess = format!("\"${{{{ {text} }}}}\"");
                let message = "`for_each` is a list or an expression for one";
                self.suggest("document.type", &list_at, message, Some(guess));
            }
            other => {
                let message = format!(
                    "`for_each` is a list or an expression for one, not {}",
                    document::reader::kind(other)
                );
                self.report("document.type", &list_at, message);
            }
        }
        let items = self.template(list, &list_at, sight);
        let var = step.as_name.as_deref().unwrap_or("item");
        if !is_free_name(var) {
            let message = format!("`{var}` cannot be an item's name: it is taken or not a name");
            self.report("document.value", &join(at, "as"), message);
        }
        let max_items = self.bounded(
            step.max_items,
            limits::FOR_EACH_ITEMS_DEFAULT,
            limits::FOR_EACH_ITEMS_MAX,
            &join(at, "max_items"),
        );
        if let Value::Array(list) = list
            && list.len() > max_items as usize
        {
            let message = format!("the list has {} items, `max_items` is {max_items}", list.len());
            self.report("document.value", &list_at, message);
        }
        let parallel_at = join(at, "max_parallel");
        let max_parallel =
            self.bounded(step.max_parallel, 1, limits::FOR_EACH_PARALLEL_MAX, &parallel_at);
        let inner = sight.with_name(var).with_name("item").with_name("index");
        let body = self.body(step, at, &inner, depth);
        Some(StepKind::ForEach {
            items: items?,
            var: var.into(),
            max_items,
            max_parallel,
            on_item_error: match step.on_item_error {
                Some(document::OnItemError::Continue) => OnItemError::Continue,
                _ => OnItemError::Fail,
            },
            body,
        })
    }

    fn while_loop(
        &mut self,
        step: &'a document::Step,
        at: &str,
        sight: &Sight<'a>,
        depth: usize,
    ) -> Option<StepKind> {
        // The condition sees the round that just ended; before the first, all of it is undefined.
        let inner = sight.with_name("index");
        let round = step.steps.iter().flatten().map(|s| s.id.as_str());
        let seen = inner.with_steps(round);
        let condition: &Condition = step.while_condition.as_ref()?;
        let condition = self.condition(condition, &join(at, "while"), &seen);
        let max_iterations = self.bounded(
            step.max_iterations,
            limits::WHILE_ITERATIONS_DEFAULT,
            limits::WHILE_ITERATIONS_MAX,
            &join(at, "max_iterations"),
        );
        let body = self.body(step, at, &inner, depth);
        Some(StepKind::While { condition: condition?, max_iterations, body })
    }

    fn parallel(
        &mut self,
        step: &'a document::Step,
        at: &str,
        sight: &Sight<'a>,
        depth: usize,
    ) -> Option<StepKind> {
        let at = join(at, "parallel");
        let given = step.parallel.as_ref()?;
        if given.is_empty() {
            self.report("document.empty", &at, "`parallel` has at least one branch");
        }
        let mut branches = Vec::with_capacity(given.len());
        for (i, branch) in given.iter().enumerate() {
            let id_at = format!("{at}/{i}/id");
            self.check_id(&branch.id, &id_at);
            if given[..i].iter().any(|other| other.id == branch.id) {
                let message = format!("another branch has the id `{}` already", branch.id);
                self.report("document.duplicate_id", &id_at, message);
            }
            let body = self.block(&branch.steps, &format!("{at}/{i}/steps"), sight, depth + 1);
            branches.push(Branch { id: branch.id.as_str().into(), body });
        }
        let join = match step.join {
            Some(document::Join::Any) => Join::Any,
            _ => Join::All,
        };
        Some(StepKind::Parallel { branches, join })
    }

    fn switch(
        &mut self,
        step: &'a document::Step,
        at: &str,
        sight: &Sight<'a>,
        depth: usize,
    ) -> Option<StepKind> {
        let cases_at = join(at, "switch");
        let given = step.switch.as_ref()?;
        if given.is_empty() {
            self.report("document.empty", &cases_at, "`switch` has at least one case");
        }
        let mut cases = Vec::with_capacity(given.len());
        for (i, case) in given.iter().enumerate() {
            let at = format!("{cases_at}/{i}");
            let condition = self.condition(&case.condition, &join(&at, "if"), sight);
            let body = self.block(&case.steps, &join(&at, "steps"), sight, depth + 1);
            cases.extend(condition.map(|condition| (condition, body)));
        }
        let otherwise = match &step.otherwise {
            Some(steps) => self.block(steps, &join(at, "else"), sight, depth + 1),
            None => Block::default(),
        };
        Some(StepKind::Switch { cases, otherwise })
    }

    fn try_catch(
        &mut self,
        step: &'a document::Step,
        at: &str,
        sight: &Sight<'a>,
        depth: usize,
    ) -> Option<StepKind> {
        let steps = step.body.as_ref()?;
        if steps.is_empty() {
            self.report("document.empty", &join(at, "try"), "`try` has at least one step");
        }
        let body = self.block(steps, &join(at, "try"), sight, depth + 1);
        let inner = sight.with_name("error");
        let mut catches = Vec::new();
        for (i, catch) in step.catch.iter().flatten().enumerate() {
            let at = format!("{at}/catch/{i}");
            let when = match &catch.when {
                Some(when) => self.condition(when, &join(&at, "when"), &inner).map(Some),
                None => Some(None),
            };
            let body = self.block(&catch.steps, &join(&at, "steps"), &inner, depth + 1);
            catches.extend(when.map(|when| (when, body)));
        }
        let finally = match &step.finally {
            Some(steps) => self.block(steps, &join(at, "finally"), sight, depth + 1),
            None => Block::default(),
        };
        Some(StepKind::Try { body, catches, finally })
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

/// For each step everything it waits for, directly or not.
fn reach(needs: &[Vec<u32>]) -> Vec<BTreeSet<u32>> {
    let from = |start: usize| {
        let (mut seen, mut open) = (BTreeSet::new(), needs[start].clone());
        while let Some(next) = open.pop() {
            if seen.insert(next) {
                open.extend(&needs[next as usize]);
            }
        }
        seen
    };
    (0..needs.len()).map(from).collect()
}

/// A circle among `needs`, if there is one: it ends where it begins.
fn circle(needs: &[Vec<u32>], reach: &[BTreeSet<u32>]) -> Option<Vec<usize>> {
    let index = |i: usize| u32::try_from(i).unwrap_or(u32::MAX);
    let start = (0..needs.len()).find(|i| reach[*i].contains(&index(*i)))?;
    let mut path = vec![start];
    let mut at = start;
    loop {
        let back = |i: &&u32| **i == index(start) || reach[**i as usize].contains(&index(start));
        let next = *needs[at].iter().find(back)? as usize;
        path.push(next);
        if next == start || path.len() > needs.len() {
            return Some(path);
        }
        at = next;
    }
}
