//! Triggers as hosts see them. Who receives events and starts runs is the engine.

use serde_json::Value;

use super::Pipeline;

/// A trigger of a pipeline.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub struct TriggerView<'a> {
    /// Its id in the document.
    pub id: &'a str,
    /// `webhook`, `schedule` or `event`.
    pub uses: &'a str,
    /// Its settings, checked.
    pub with: &'a Value,
}

impl Pipeline {
    /// Its triggers, in document order.
    pub fn triggers(&self) -> impl Iterator<Item = TriggerView<'_>> {
        self.triggers.iter().map(|t| TriggerView { id: &t.id, uses: &t.uses, with: &t.with })
    }
}
