//! Goals that were put to the model and wait for their run to ask for them, by an id nobody else
//! knows. A run's input holds the id alone: no pipeline of anybody's own gets a model by it.

use std::collections::HashMap;
use std::sync::Arc;

use levqor_core::connector::Manifest;
use levqor_core::ids::Organization;
use parking_lot::Mutex;

use crate::ids;

/// A goal, and what its plan may use.
#[derive(Debug)]
pub(super) struct Goal {
    pub(super) organization: Organization,
    pub(super) text: String,
    pub(super) connectors: Vec<Manifest>,
}

/// The goals under way; a cheap clone.
#[derive(Clone, Debug, Default)]
pub(super) struct Asked(Arc<Mutex<HashMap<String, Goal>>>);

/// Takes a goal away again that its run never asked for.
#[derive(Debug)]
pub(super) struct Asking {
    pub(super) id: String,
    asked: Asked,
}

impl Asked {
    pub(super) fn put(&self, goal: Goal) -> Asking {
        let id = ids::make("ask");
        self.0.lock().insert(id.clone(), goal);
        Asking { id, asked: self.clone() }
    }

    /// The goal, once, for its own organization.
    pub(super) fn take(&self, id: &str, organization: &Organization) -> Option<Goal> {
        let mut open = self.0.lock();
        let own = open.get(id).is_some_and(|goal| goal.organization == *organization);
        if own { open.remove(id) } else { None }
    }
}

impl Drop for Asking {
    fn drop(&mut self) {
        self.asked.0.lock().remove(&self.id);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_goal_is_handed_out_once_to_its_own_organization() {
        let asked = Asked::default();
        let of = |name: &str| Organization::new(name).unwrap();
        let goal = || Goal { organization: of("a"), text: "x".to_owned(), connectors: Vec::new() };
        let asking = asked.put(goal());
        assert!(asked.take(&asking.id, &of("b")).is_none());
        assert!(asked.take("ask_", &of("a")).is_none());
        assert!(asked.take(&asking.id, &of("a")).is_some());
        assert!(asked.take(&asking.id, &of("a")).is_none());
        let dropped = asked.put(goal()).id.clone();
        assert!(asked.take(&dropped, &of("a")).is_none());
    }
}
