//! The ready queue: strict priority, then fair among organizations by virtual start time.
//!
//! Each organization has a virtual clock that moves one unit a run; the one furthest behind goes
//! first. A newcomer starts at the clock of the queue, so it neither waits behind another's backlog
//! nor is paid for having been away.

use std::collections::{BTreeMap, BTreeSet, HashMap, VecDeque};
use std::sync::Arc;

use crate::ids::{Organization, RunId};
use crate::time::{Clock, Timestamp};

/// Priorities 1 (first) to 5 (last).
pub(crate) const PRIORITIES: usize = 5;

#[derive(Debug, Default)]
pub(crate) struct FairQueue {
    levels: [Level; PRIORITIES],
    /// Every run that waits, and since when: a run found twice still waits once.
    waiting: HashMap<RunId, Timestamp>,
    clock: Option<Arc<dyn Clock>>,
}

#[derive(Debug, Default)]
struct Level {
    /// Organizations with a run waiting, by virtual start time.
    order: BTreeSet<(u64, Organization)>,
    lines: BTreeMap<Organization, VecDeque<RunId>>,
    /// Where each organization's clock stands; only those ahead of `now` are kept.
    clocks: HashMap<Organization, u64>,
    now: u64,
}

impl FairQueue {
    /// An empty queue that knows how long its runs have waited.
    pub(crate) fn by(clock: Arc<dyn Clock>) -> Self {
        Self { clock: Some(clock), ..Self::default() }
    }

    /// Since when the run that has waited longest has waited.
    pub(crate) fn oldest(&self) -> Option<Timestamp> {
        self.waiting.values().min().copied()
    }

    pub(crate) fn len(&self) -> usize {
        self.waiting.len()
    }

    pub(crate) fn push(&mut self, organization: &Organization, run: RunId, priority: u8) {
        let index = usize::from(priority.clamp(1, PRIORITIES as u8)) - 1;
        let level = &mut self.levels[index];
        let std::collections::hash_map::Entry::Vacant(place) = self.waiting.entry(run) else {
            return;
        };
        place.insert(self.clock.as_ref().map(|clock| clock.now()).unwrap_or_default());
        if let Some(line) = level.lines.get_mut(organization) {
            line.push_back(run);
            return;
        }
        let start = level.clocks.get(organization).copied().unwrap_or(0).max(level.now);
        level.order.insert((start, organization.clone()));
        level.lines.insert(organization.clone(), VecDeque::from([run]));
    }

    /// The run whose turn it is, among organizations that `may` run one more.
    pub(crate) fn pop(
        &mut self,
        may: &dyn Fn(&Organization) -> bool,
    ) -> Option<(Organization, RunId)> {
        let level = self.levels.iter_mut().find_map(|level| {
            let first = level.order.iter().find(|(_, o)| may(o)).cloned()?;
            Some((level, first))
        });
        let (level, (start, organization)) = level?;
        level.order.remove(&(start, organization.clone()));
        level.now = level.now.max(start);
        let line = level.lines.get_mut(&organization)?;
        let run = line.pop_front()?;
        self.waiting.remove(&run);
        if line.is_empty() {
            level.lines.remove(&organization);
            level.clocks.insert(organization.clone(), start + 1);
            let now = level.now;
            if level.clocks.len() > 1024 {
                level.clocks.retain(|_, at| *at > now);
            }
        } else {
            level.order.insert((start + 1, organization.clone()));
        }
        Some((organization, run))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_run_of_a_newcomer_does_not_wait_behind_a_backlog() {
        let (big, small) = (Organization::new("big").unwrap(), Organization::new("small").unwrap());
        let mut queue = FairQueue::default();
        for n in 0..1_000 {
            queue.push(&big, RunId::from_u128(n), 3);
        }
        for _ in 0..500 {
            queue.pop(&|_| true).unwrap();
        }
        queue.push(&small, RunId::from_u128(9_999), 3);
        let place = (0..).find(|_| queue.pop(&|_| true).unwrap().0 == small).unwrap();
        assert!(place <= 1, "the newcomer waited for {place} runs");
        assert_eq!(queue.len(), 500 - place);
    }

    #[test]
    fn priority_is_strict_and_a_full_organization_is_passed_over() {
        let (a, b) = (Organization::new("a").unwrap(), Organization::new("b").unwrap());
        let mut queue = FairQueue::default();
        queue.push(&a, RunId::from_u128(1), 5);
        queue.push(&a, RunId::from_u128(2), 1);
        queue.push(&b, RunId::from_u128(3), 3);
        assert_eq!(queue.pop(&|_| true).unwrap().1, RunId::from_u128(2));
        assert_eq!(queue.pop(&|o| *o == a).unwrap().1, RunId::from_u128(1));
        assert_eq!(queue.pop(&|o| *o == a), None);
        assert_eq!(queue.pop(&|_| true).unwrap().1, RunId::from_u128(3));
    }
}
