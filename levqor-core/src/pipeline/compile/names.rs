//! Ids of the document: that they are ids, are unique, and where each stands.

use std::collections::HashMap;

use super::Compiler;
use crate::document::{Step, join};
use crate::ids::check_id;

/// Where each step stands: the ids of the composites around it, outermost first.
pub(super) type Places<'a> = HashMap<&'a str, Vec<&'a str>>;

impl<'a> Compiler<'a> {
    pub(super) fn check_id(&mut self, id: &str, at: &str) {
        if check_id(id).is_err() {
            let message = "an id is 1 to 64 characters of a-z A-Z 0-9 _ - .";
            self.report("document.id", at, message);
        }
    }

    /// Collects the ids of all steps; returns how many steps there are.
    pub(super) fn collect_places(&mut self) -> usize {
        let mut around = Vec::new();
        let document = self.document;
        let mut count = self.collect(&document.steps, "/steps", &mut around);
        if let Some(steps) = &document.on_failure {
            count += self.collect(steps, "/on_failure", &mut around);
        }
        count
    }

    fn collect(&mut self, steps: &'a [Step], at: &str, around: &mut Vec<&'a str>) -> usize {
        let mut count = steps.len();
        for (index, step) in steps.iter().enumerate() {
            let at = format!("{at}/{index}");
            let id_at = join(&at, "id");
            self.check_id(&step.id, &id_at);
            if self.places.insert(&step.id, around.clone()).is_some() {
                let message = format!("another step has the id `{}` already", step.id);
                self.report("document.duplicate_id", &id_at, message);
            }
            around.push(&step.id);
            for (list, at) in children(step, &at) {
                count += self.collect(list, &at, around);
            }
            around.pop();
        }
        count
    }
}

/// Every list of steps directly inside a step, with its pointer.
pub(crate) fn children<'a>(step: &'a Step, at: &str) -> Vec<(&'a [Step], String)> {
    let mut lists: Vec<(&[Step], String)> = Vec::new();
    let named = [
        ("steps", &step.steps),
        ("else", &step.otherwise),
        ("try", &step.body),
        ("finally", &step.finally),
    ];
    for (key, list) in named {
        lists.extend(list.as_ref().map(|l| (l.as_slice(), format!("{at}/{key}"))));
    }
    for (i, branch) in step.parallel.iter().flatten().enumerate() {
        lists.push((&branch.steps, format!("{at}/parallel/{i}/steps")));
    }
    for (i, case) in step.switch.iter().flatten().enumerate() {
        lists.push((&case.steps, format!("{at}/switch/{i}/steps")));
    }
    for (i, catch) in step.catch.iter().flatten().enumerate() {
        lists.push((&catch.steps, format!("{at}/catch/{i}/steps")));
    }
    lists
}
