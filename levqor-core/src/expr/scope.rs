//! [`MapScope`]: a [`Scope`] from maps, for tests, previews and callers outside a run.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde_json::Value;

use super::{Scope, StepView};

/// Root names and finished steps in maps.
#[derive(Clone, Debug, Default)]
pub struct MapScope {
    roots: BTreeMap<String, Arc<Value>>,
    steps: BTreeMap<String, StepView>,
}

impl MapScope {
    /// An empty scope.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// The same with one more root name.
    #[must_use]
    pub fn with_root(mut self, name: &str, value: Value) -> Self {
        self.roots.insert(name.to_owned(), Arc::new(value));
        self
    }

    /// The same with a step that succeeded with this output.
    #[must_use]
    pub fn with_output(self, id: &str, output: Value) -> Self {
        let output = Some(Arc::new(output));
        self.with_step(id, StepView { status: "succeeded", output, error: None })
    }

    /// The same with one more step.
    #[must_use]
    pub fn with_step(mut self, id: &str, view: StepView) -> Self {
        self.steps.insert(id.to_owned(), view);
        self
    }
}

impl Scope for MapScope {
    fn root(&self, name: &str) -> Option<Arc<Value>> {
        self.roots.get(name).cloned()
    }

    fn step(&self, id: &str) -> Option<StepView> {
        self.steps.get(id).cloned()
    }
}
