//! The loop: what is due becomes ready, what is ready is driven, until told to stop.

use std::future::Future;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use futures_util::FutureExt;

use super::cell::Cell;
use super::drive::drive;
use super::error::Error;
use super::hot::{Hot, TimerKey};
use super::{Engine, Inner, Spawner};
use crate::ids::{Organization, RunId};
use crate::time::Timestamp;

/// How long a stopping engine waits for calls under way, in milliseconds.
const GRACE_MS: u64 = 10_000;

/// Between two looks for runs whose retention is over: an hour, or soon where some are left.
const EXPIRY_IDLE_MS: u64 = 3_600_000;
const EXPIRY_BUSY_MS: u64 = 5_000;

/// Between two looks for organizations that lack this month's credits. A start looks by itself, so
/// this is for those who only look at their balance.
const GRANTS_MS: u64 = 3_600_000;

/// What [`Engine::tick`] did.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Tick {
    /// It drove a run, or fired a schedule.
    Worked,
    /// Nothing is ready; the earliest timer stands at this moment, where there is one.
    Idle(Option<Timestamp>),
}

/// How [`Engine::serve`] ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Served {
    /// Runs whose calls were still under way after the grace time; they continue at the next open.
    pub abandoned: usize,
}

impl Engine {
    /// Drives runs on the present tokio runtime until `shutdown` completes, then lets calls under
    /// way finish for at most 10 s.
    ///
    /// # Errors
    /// When the store failed; every commit that was acknowledged stands.
    pub async fn serve(&self, shutdown: impl Future<Output = ()> + Send) -> Result<Served, Error> {
        let handle = tokio::runtime::Handle::current();
        let spawner: Spawner = Arc::new(move |future| {
            handle.spawn(future);
        });
        self.serve_on(spawner, shutdown).await
    }

    /// The same with another executor, for simulations.
    ///
    /// # Errors
    /// As [`Engine::serve`].
    pub async fn serve_on(
        &self,
        spawner: Spawner,
        shutdown: impl Future<Output = ()> + Send,
    ) -> Result<Served, Error> {
        let inner = &self.inner;
        inner.hot.lock().stopping = false;
        *inner.spawner.lock() = Some(spawner.clone());
        let mut shutdown = std::pin::pin!(shutdown.fuse());
        let mut next_expiry = inner.clock.now();
        let mut next_grants = inner.clock.now();
        let mut next_sweep = inner.clock.now().plus_ms(inner.options.lease_ms / 3);
        loop {
            if let Some(error) = inner.failure.lock().take() {
                *inner.spawner.lock() = None;
                return Err(error);
            }
            inner.fire_schedules().await?;
            if inner.clock.now() >= next_expiry {
                let more = self.expire_some().await?;
                let pause_ms = if more { EXPIRY_BUSY_MS } else { EXPIRY_IDLE_MS };
                next_expiry = inner.clock.now().plus_ms(pause_ms);
            }
            if !inner.options.plans_unlimited && inner.clock.now() >= next_grants {
                self.grant_months().await?;
                self.forget_counts().await?;
                next_grants = inner.clock.now().plus_ms(GRANTS_MS);
            }
            if inner.options.shared && inner.clock.now() >= next_sweep {
                inner.sweep().await?;
                next_sweep = inner.clock.now().plus_ms(inner.options.lease_ms / 3);
            }
            let next = inner.dispatch(&spawner);
            let mut due = next.map_or(next_expiry, |due| due.min(next_expiry));
            if !inner.options.plans_unlimited {
                due = due.min(next_grants);
            }
            if inner.options.shared {
                due = due.min(next_sweep);
            }
            let timer = inner.clock.sleep_until(due);
            tokio::select! {
                biased;
                () = &mut shutdown => break,
                () = inner.wake.notified() => {}
                () = timer => {}
            }
        }
        Ok(self.drain().await)
    }

    async fn drain(&self) -> Served {
        let inner = &self.inner;
        let mut cells: Vec<Arc<Cell>> = {
            let mut hot = inner.hot.lock();
            hot.stopping = true;
            hot.active.values().cloned().collect()
        };
        cells.sort_unstable_by_key(|cell| cell.run);
        *inner.spawner.lock() = None;
        for cell in cells {
            cell.changed.notify_one();
        }
        let over = inner.clock.sleep_until(inner.clock.now().plus_ms(GRACE_MS));
        let mut over = std::pin::pin!(over);
        loop {
            let left = inner.hot.lock().active.len();
            if left == 0 {
                return Served { abandoned: 0 };
            }
            tokio::select! {
                biased;
                () = inner.wake.notified() => {}
                () = &mut over => return Served { abandoned: left },
            }
        }
    }

    /// One bounded unit of work: fires what is due, then drives one ready run until it ends, parks
    /// or waits for its own calls (which are awaited here).
    ///
    /// # Errors
    /// When the store failed.
    pub async fn tick(&self) -> Result<Tick, Error> {
        let inner = &self.inner;
        if let Some(error) = inner.failure.lock().take() {
            return Err(error);
        }
        let fired = inner.fire_schedules().await?;
        let cell = {
            let mut hot = inner.hot.lock();
            // Ticking after a `serve` that ended: the engine works again.
            hot.stopping &= inner.spawner.lock().is_some();
            inner.fire_runs(&mut hot);
            inner.claim(&mut hot)
        };
        let Some(cell) = cell else {
            let next = inner.hot.lock().timers.first().map(|(at, _)| *at);
            return Ok(if fired > 0 { Tick::Worked } else { Tick::Idle(next) });
        };
        drive(inner.clone(), cell).await;
        Ok(Tick::Worked)
    }

    /// Ticks until nothing is ready now. Returns the earliest timer.
    ///
    /// # Errors
    /// When the store failed.
    pub async fn run_until_idle(&self) -> Result<Option<Timestamp>, Error> {
        loop {
            if let Tick::Idle(next) = self.tick().await? {
                return Ok(next);
            }
        }
    }
}

impl Inner {
    /// Moves parked runs that are due to the ready queue.
    fn fire_runs(&self, hot: &mut Hot) {
        let now = self.clock.now();
        while let Some((due, key)) = hot.timers.first().cloned() {
            if due > now {
                break;
            }
            let TimerKey::Run(run, organization) = &key else { break };
            hot.timers.remove(&(due, key.clone()));
            let parked = hot.parked.remove(run);
            let priority = parked.map_or(super::DEFAULT_PRIORITY, |(_, priority)| priority);
            hot.ready.push(organization, *run, priority);
        }
    }

    fn claim(&self, hot: &mut Hot) -> Option<Arc<Cell>> {
        if hot.stopping || hot.active.len() >= self.options.slots {
            return None;
        }
        loop {
            let mut ready = std::mem::take(&mut hot.ready);
            let next = ready.pop(&|organization| hot.may_run(organization));
            hot.ready = ready;
            let (organization, run) = next?;
            // A run may stand in the queue twice (woken by time and by an event), or its driver may
            // be leaving at this moment.
            if let Some(cell) = hot.active.get(&run) {
                cell.again.store(true, Ordering::Relaxed);
                continue;
            }
            let cell = Cell::new(organization, run, None);
            hot.set_active(&cell);
            return Some(cell);
        }
    }

    /// Fires timers and spawns drivers while there are slots. Returns the next timer.
    fn dispatch(self: &Arc<Self>, spawner: &Spawner) -> Option<Timestamp> {
        loop {
            let mut hot = self.hot.lock();
            self.fire_runs(&mut hot);
            match self.claim(&mut hot) {
                Some(cell) => {
                    drop(hot);
                    spawner(drive(self.clone(), cell).boxed());
                }
                None => return hot.timers.first().map(|(at, _)| *at),
            }
        }
    }

    /// Spawns a driver for a run that was claimed at its start.
    pub(crate) fn spawn_claimed(self: &Arc<Self>, cell: Arc<Cell>) {
        let spawner = self.spawner.lock().clone();
        match spawner {
            Some(spawner) => spawner(drive(self.clone(), cell).boxed()),
            None => {
                // The engine stopped in between: the run waits for the next serve.
                let mut hot = self.hot.lock();
                hot.clear_active(&cell);
                hot.ready.push(&cell.organization, cell.run, super::DEFAULT_PRIORITY);
            }
        }
    }

    /// On a shared store: finds runs that others left or started, and renews our leases.
    async fn sweep(&self) -> Result<(), Error> {
        let mut cells: Vec<Arc<Cell>> = self.hot.lock().active.values().cloned().collect();
        // In the order of age: a simulation replays it.
        cells.sort_unstable_by_key(|cell| cell.run);
        for cell in cells {
            let Ok(mut guard) = cell.live.try_lock() else { continue };
            let now = self.clock.now();
            if let Some(live) = guard.as_mut()
                && live.leased
            {
                let hold = super::cell::Hold::Lease;
                let renewed =
                    super::cell::commit(self, &cell.organization, live, Vec::new(), hold, now);
                if renewed.await.is_err() {
                    // Refused or unknown: the driver finds out at its next commit.
                    *guard = None;
                    cell.changed.notify_one();
                }
            }
        }
        let mut range = crate::store::Key::of(crate::store::Table::Live).prefix();
        loop {
            let page = self.store.scan(&range, super::open::OPEN_PAGE).await?;
            let Some((last, _)) = page.last() else { break };
            range = range.after(&last.clone());
            for (key, record) in &page {
                let (organization, run) = super::codec::read_run_key(key)?;
                let header = super::codec::read_header(&record.value)?;
                self.adopt(&organization, run, &header);
            }
        }
        self.leave_ended().await
    }

    /// Runs that hold a concurrency key here and that another engine has ended make room.
    async fn leave_ended(&self) -> Result<(), Error> {
        let inside: Vec<(Arc<str>, RunId, crate::store::Key)> = {
            let hot = self.hot.lock();
            let of = |key: &Arc<str>| key.split('/').next().and_then(|o| Organization::new(o).ok());
            let mut inside = Vec::new();
            for (key, line) in &hot.keys {
                let runs = line.inside.iter().filter(|run| !hot.active.contains_key(run));
                let done = runs.filter_map(|run| {
                    Some((key.clone(), *run, super::codec::done_key(&of(key)?, *run)))
                });
                inside.extend(done);
            }
            inside.sort_unstable_by_key(|(_, run, _)| *run);
            inside
        };
        for part in inside.chunks(super::open::OPEN_PAGE as usize) {
            let keys: Vec<_> = part.iter().map(|(_, _, done)| done.clone()).collect();
            let found = self.store.get(&keys).await?;
            let mut hot = self.hot.lock();
            for ((key, run, _), _) in part.iter().zip(found).filter(|(_, found)| found.is_some()) {
                hot.leave_key(*run, key);
            }
        }
        Ok(())
    }

    fn adopt(&self, organization: &Organization, run: RunId, header: &crate::run::Header) {
        let mut hot = self.hot.lock();
        let known = hot.active.contains_key(&run) || hot.is_parked_as(organization, run, header);
        if known || self.leased_by_other(header) {
            return;
        }
        // Another engine may have moved it on since it was parked here.
        hot.unpark(organization, run, &[]);
        if let Some((key, limit)) = &header.concurrency {
            let begun = header.status != crate::run::RunStatus::Queued;
            if !begun && !hot.enter_key(run, key, *limit) {
                let line = &mut hot.keys.entry(key.clone()).or_default().line;
                if !line.iter().any(|(_, waiting, _)| *waiting == run) {
                    line.push_back((organization.clone(), run, header.priority));
                }
                return;
            }
            hot.keys.entry(key.clone()).or_default().inside.insert(run);
        }
        hot.shelve(organization, run, header);
    }
}
