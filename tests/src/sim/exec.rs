//! The executor of a simulation: one thread, and the seed says who goes next.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll, Wake, Waker};

use futures_util::future::BoxFuture;
use levqor_core::engine::Spawner;
use levqor_core::testing::Rng;
use parking_lot::Mutex;

/// Tasks that live and die together: one engine's.
pub type Group = u32;

/// A future that waits to become a task of its group.
type Spawned = (Group, BoxFuture<'static, ()>);

/// The executor.
#[derive(Default)]
pub struct Exec {
    tasks: Vec<Option<Task>>,
    ready: Arc<Mutex<Vec<usize>>>,
    incoming: Arc<Mutex<Vec<Spawned>>>,
}

struct Task {
    group: Group,
    future: BoxFuture<'static, ()>,
    flag: Arc<Flag>,
}

struct Flag {
    task: usize,
    queued: AtomicBool,
    ready: Arc<Mutex<Vec<usize>>>,
}

impl Wake for Flag {
    fn wake(self: Arc<Self>) {
        if !self.queued.swap(true, Ordering::Relaxed) {
            self.ready.lock().push(self.task);
        }
    }
}

impl std::fmt::Debug for Exec {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Exec").field("tasks", &self.tasks.len()).finish_non_exhaustive()
    }
}

impl Exec {
    /// What spawns into a group.
    #[must_use]
    pub fn spawner(&self, group: Group) -> Spawner {
        let incoming = self.incoming.clone();
        Arc::new(move |future| incoming.lock().push((group, future)))
    }

    /// Takes in what was spawned.
    fn take_in(&mut self) {
        for (group, future) in std::mem::take(&mut *self.incoming.lock()) {
            let task = self.tasks.len();
            let ready = self.ready.clone();
            let flag = Arc::new(Flag { task, queued: AtomicBool::new(true), ready });
            self.ready.lock().push(task);
            self.tasks.push(Some(Task { group, future, flag }));
        }
    }

    /// Polls one ready task whose group is `awake`, as the seed says: its number, or `None` when
    /// all of them wait.
    pub fn poll_one(&mut self, rng: &mut Rng, awake: &dyn Fn(Group) -> bool) -> Option<usize> {
        self.take_in();
        let task = {
            let mut ready = self.ready.lock();
            ready.retain(|task| self.tasks[*task].is_some());
            let may: Vec<usize> = (0..ready.len())
                .filter(|i| self.tasks[ready[*i]].as_ref().is_some_and(|t| awake(t.group)))
                .collect();
            let place = *rng.pick(&may)?;
            ready.remove(place)
        };
        let mut taken = self.tasks[task].take()?;
        taken.flag.queued.store(false, Ordering::Relaxed);
        let waker = Waker::from(taken.flag.clone());
        let poll = taken.future.as_mut().poll(&mut Context::from_waker(&waker));
        if poll == Poll::Pending {
            self.tasks[task] = Some(taken);
        }
        Some(task)
    }

    /// Drops every task of a group, as a crash does.
    pub fn crash(&mut self, group: Group) {
        self.take_in();
        for slot in &mut self.tasks {
            if slot.as_ref().is_some_and(|t| t.group == group) {
                *slot = None;
            }
        }
        // What the dying spawned in their last moment dies too.
        self.incoming.lock().retain(|(g, _)| *g != group);
    }
}
