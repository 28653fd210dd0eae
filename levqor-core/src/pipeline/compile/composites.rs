//! Steps that hold steps: loops, branches, cases, `try`.

use serde_json::Value;

use super::Compiler;
use super::sight::{Sight, is_free_name};
use crate::document::{self, Condition, join};
use crate::limits;
use crate::pipeline::{Block, Branch, Join, OnItemError, StepKind};

impl<'a> Compiler<'a> {
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

    pub(super) fn for_each(
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

    pub(super) fn while_loop(
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

    pub(super) fn parallel(
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

    pub(super) fn switch(
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

    pub(super) fn try_catch(
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
}
