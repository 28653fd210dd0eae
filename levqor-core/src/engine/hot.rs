//! Hot state: what the engine keeps in memory so that it never scans the store to find work.
//!
//! Everything here is rebuilt from run headers when the engine opens; losing it loses nothing.

use std::collections::{BTreeSet, HashMap, VecDeque};
use std::sync::Arc;

use tokio::sync::oneshot;

use super::cell::Cell;
use super::fair::FairQueue;
use super::view::RunResult;
use crate::ids::{Organization, RunId};
use crate::run::Header;
use crate::time::Timestamp;

/// What a timer is for.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum TimerKey {
    Run(RunId, Organization),
    /// `(organization, pipeline, trigger)`.
    Schedule(Organization, Arc<str>, Arc<str>),
}

#[derive(Debug, Default)]
pub(crate) struct Hot {
    pub(crate) ready: FairQueue,
    pub(crate) timers: BTreeSet<(Timestamp, TimerKey)>,
    /// Parked runs: when their timer stands, and their priority.
    pub(crate) parked: HashMap<RunId, (Option<Timestamp>, u8)>,
    /// Parked runs by the event they wait for.
    pub(crate) waiting: HashMap<(Organization, Arc<str>), BTreeSet<RunId>>,
    /// Runs that this engine drives now.
    pub(crate) active: HashMap<RunId, Arc<Cell>>,
    pub(crate) active_by: HashMap<Organization, u32>,
    /// Runs at once that an organization's plan allows, where a plan limits them.
    pub(crate) limits: HashMap<Organization, u32>,
    pub(crate) keys: HashMap<Arc<str>, KeyLine>,
    pub(crate) watchers: HashMap<RunId, Vec<oneshot::Sender<RunResult>>>,
    pub(crate) stopping: bool,
}

/// Runs under one concurrency key.
#[derive(Debug, Default)]
pub(crate) struct KeyLine {
    pub(crate) inside: BTreeSet<RunId>,
    pub(crate) line: VecDeque<(Organization, RunId, u8)>,
}

impl Hot {
    /// Puts a run that nothing drives where its header says it belongs.
    pub(crate) fn shelve(&mut self, organization: &Organization, run: RunId, header: &Header) {
        use crate::run::RunStatus as S;
        match header.status {
            S::Queued if header.due.is_some() => self.park(organization, run, header),
            S::Queued | S::Running => self.ready.push(organization, run, header.priority),
            S::Waiting | S::Paused => self.park(organization, run, header),
            _ => {}
        }
    }

    pub(crate) fn park(&mut self, organization: &Organization, run: RunId, header: &Header) {
        let due = if header.status == crate::run::RunStatus::Paused { None } else { header.due };
        if let Some(due) = due {
            self.timers.insert((due, TimerKey::Run(run, organization.clone())));
        }
        self.parked.insert(run, (due, header.priority));
        for name in &header.events {
            self.waiting.entry((organization.clone(), name.clone())).or_default().insert(run);
        }
    }

    /// Whether the run is parked here as its header says.
    pub(crate) fn is_parked_as(
        &self,
        organization: &Organization,
        run: RunId,
        header: &Header,
    ) -> bool {
        let due = if header.status == crate::run::RunStatus::Paused { None } else { header.due };
        let knows = |name: &Arc<str>| {
            let waiting = self.waiting.get(&(organization.clone(), name.clone()));
            waiting.is_some_and(|runs| runs.contains(&run))
        };
        self.parked.get(&run).is_some_and(|(at, _)| *at == due)
            && !matches!(header.status, crate::run::RunStatus::Running)
            && header.events.iter().all(knows)
    }

    /// Takes a parked run off its timer; whether it was parked.
    pub(crate) fn unpark(&mut self, organization: &Organization, run: RunId, events: &[Arc<str>]) {
        if let Some((Some(due), _)) = self.parked.remove(&run) {
            self.timers.remove(&(due, TimerKey::Run(run, organization.clone())));
        }
        for name in events {
            let key = (organization.clone(), name.clone());
            if let Some(runs) = self.waiting.get_mut(&key) {
                runs.remove(&run);
                if runs.is_empty() {
                    self.waiting.remove(&key);
                }
            }
        }
    }

    /// Whether a run may enter under its key now; it does if so.
    pub(crate) fn enter_key(&mut self, run: RunId, key: &Arc<str>, limit: u32) -> bool {
        let line = self.keys.entry(key.clone()).or_default();
        if line.inside.contains(&run) {
            return true;
        }
        let free = line.inside.len() < limit as usize;
        if free {
            line.inside.insert(run);
        }
        free
    }

    /// A run under this key ended: the next in line becomes ready.
    pub(crate) fn leave_key(&mut self, run: RunId, key: &Arc<str>) {
        let Some(line) = self.keys.get_mut(key) else { return };
        line.line.retain(|(_, waiting, _)| *waiting != run);
        if line.inside.remove(&run)
            && let Some((organization, next, priority)) = line.line.pop_front()
        {
            line.inside.insert(next);
            self.ready.push(&organization, next, priority);
        }
        if line.inside.is_empty() && line.line.is_empty() {
            self.keys.remove(key);
        }
    }

    /// Lets go of watchers that stopped waiting: a hundred thousand sleeping runs that nobody
    /// waits for must not keep a channel each.
    pub(crate) fn forget_watchers(&mut self, run: RunId) {
        if let Some(watchers) = self.watchers.get_mut(&run) {
            watchers.retain(|watcher| !watcher.is_closed());
            if watchers.is_empty() {
                self.watchers.remove(&run);
            }
        }
    }

    /// Whether the organization may have one more run driven now.
    pub(crate) fn may_run(&self, organization: &Organization) -> bool {
        let running = self.active_by.get(organization).copied().unwrap_or(0);
        self.limits.get(organization).is_none_or(|most| running < *most)
    }

    pub(crate) fn set_active(&mut self, cell: &Arc<Cell>) {
        self.active.insert(cell.run, cell.clone());
        *self.active_by.entry(cell.organization.clone()).or_default() += 1;
    }

    pub(crate) fn clear_active(&mut self, cell: &Arc<Cell>) {
        let same = self.active.get(&cell.run).is_some_and(|c| Arc::ptr_eq(c, cell));
        if same {
            self.active.remove(&cell.run);
            if let Some(count) = self.active_by.get_mut(&cell.organization) {
                *count -= 1;
                if *count == 0 {
                    self.active_by.remove(&cell.organization);
                }
            }
        }
    }
}
