//! Around a start: what a request must be before anything is done for it, and what is put right
//! when its caller goes away in the middle.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::Inner;
use super::cell::Cell;
use super::error::Error;
use super::start::Start;
use crate::error::{ErrorKind, RunError};
use crate::limits;

pub(super) fn check(start: &Start) -> Result<(), Error> {
    let refuse =
        |code, message| Err(Error::Refused(RunError::new(ErrorKind::InvalidInput, code, message)));
    let codes = ["run.input_too_deep", "run.input_too_large"];
    crate::value::check(&start.input, limits::INPUT_BYTES_MAX, "the input", codes)?;
    if start.priority.is_some_and(|p| !(1..=5).contains(&p)) {
        return refuse("run.bad_priority", "a priority is 1 to 5".to_owned());
    }
    if let Some(problem) = label_problem(&start.labels) {
        return refuse("run.bad_label", problem);
    }
    start.pipeline.check_input(&start.input)?;
    Ok(())
}

/// What is wrong with the labels, if anything.
fn label_problem(labels: &BTreeMap<String, String>) -> Option<String> {
    if labels.len() > limits::LABELS_MAX {
        return Some(format!("a run has at most {} labels", limits::LABELS_MAX));
    }
    if let Some(name) = labels.keys().find(|name| crate::ids::check_id(name).is_err()) {
        return Some(format!("label `{name}`: a name is 1 to 64 characters of a-z A-Z 0-9 _ - ."));
    }
    let bytes_max = limits::LABEL_BYTES_MAX;
    let long = labels.iter().find(|(_, value)| value.len() > bytes_max);
    long.map(|(name, _)| format!("label `{name}`: a value has at most {bytes_max} bytes"))
}

/// A caller between claiming a slot and handing the run to a driver. Should it go away there (its
/// connection is closed, its future dropped), the run may be stored or not: the queue finds out.
pub(super) struct Leaving<'a> {
    pub(super) inner: &'a Inner,
    pub(super) cell: &'a Arc<Cell>,
    pub(super) armed: bool,
}

impl Drop for Leaving<'_> {
    fn drop(&mut self) {
        if self.armed {
            let mut hot = self.inner.hot.lock();
            hot.clear_active(self.cell);
            hot.watchers.remove(&self.cell.run);
            let priority = super::DEFAULT_PRIORITY;
            hot.ready.push(&self.cell.organization, self.cell.run, priority);
            drop(hot);
            self.inner.wake.notify_one();
        }
    }
}
