//! Schedules of stored pipelines: their records, their timers, and how a due one starts a run.
//!
//! A firing is one commit: the run's start and the schedule's advance. A crash before it fires
//! again, a crash after it does not.

use std::sync::Arc;

use super::error::Error;
use super::hot::TimerKey;
use super::{Engine, Inner, codec};
use crate::ids::{Organization, RunId};
use crate::limits::PAGE_MAX;
use crate::pipeline::Pipeline;
use crate::schedule::{Overlap, Schedule, ScheduleRecord};
use crate::store::{Batch, CommitError, Key, Record, Revision, Table};
use crate::time::Timestamp;

/// A schedule's timer before and after a change.
pub(crate) struct TimerChange {
    pipeline: Arc<str>,
    trigger: Arc<str>,
    before: Option<Timestamp>,
    after: Option<Timestamp>,
}

impl Engine {
    /// The schedules of an organization's pipelines.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub async fn schedules(
        &self,
        organization: &Organization,
    ) -> Result<Vec<ScheduleRecord>, Error> {
        let range = Key::of(Table::Schedule).text(organization.as_str()).prefix();
        let found = self.inner.scan_schedules(range).await?;
        Ok(found.into_iter().map(|(_, record, _)| record).collect())
    }

    /// Stops a schedule from firing, or lets it fire again from now on.
    ///
    /// # Errors
    /// [`Error::NotFound`].
    pub async fn pause_schedule(
        &self,
        organization: &Organization,
        pipeline: &str,
        trigger: &str,
        paused: bool,
    ) -> Result<ScheduleRecord, Error> {
        let inner = &self.inner;
        let key = ScheduleRecord::key(organization, pipeline, trigger);
        let Some(found) = inner.store.get(std::slice::from_ref(&key)).await?.pop().flatten() else {
            return Err(Error::NotFound { what: "schedule", id: format!("{pipeline}/{trigger}") });
        };
        let mut record = read(&found)?;
        let before = record.next;
        if paused {
            record.pause();
        } else {
            record.resume(inner.clock.now());
        }
        let mut batch = self.batch(organization);
        batch.replace(key, found.revision, value(&record)?);
        inner.store.commit(batch).await?;
        let change = TimerChange {
            pipeline: pipeline.into(),
            trigger: trigger.into(),
            before,
            after: record.next,
        };
        inner.set_schedules(organization, vec![change]);
        Ok(record)
    }
}

fn read(record: &Record) -> Result<ScheduleRecord, Error> {
    ScheduleRecord::from_value(&record.value).map_err(|e| codec::corrupt(e.to_string()))
}

fn value(record: &ScheduleRecord) -> Result<crate::store::Value, Error> {
    record.to_value().map_err(|e| codec::corrupt(e.to_string()))
}

impl Inner {
    async fn scan_schedules(
        &self,
        mut range: crate::store::KeyRange,
    ) -> Result<Vec<(Key, ScheduleRecord, Revision)>, Error> {
        let mut all = Vec::new();
        loop {
            let page = self.store.scan(&range, PAGE_MAX).await?;
            let Some((last, _)) = page.last() else { return Ok(all) };
            range = range.after(&last.clone());
            for (key, record) in &page {
                all.push((key.clone(), read(record)?, record.revision));
            }
        }
    }

    /// Sets every schedule's timer; part of opening.
    pub(crate) async fn open_schedules(&self) -> Result<(), Error> {
        for (key, record, _) in self.scan_schedules(Key::of(Table::Schedule).prefix()).await? {
            let organization = codec::organization_of(&key)?;
            let change = TimerChange {
                pipeline: record.pipeline.as_str().into(),
                trigger: record.trigger.as_str().into(),
                before: None,
                after: record.next,
            };
            self.set_schedules(&organization, vec![change]);
        }
        Ok(())
    }

    /// Adds to the batch what a pushed pipeline's triggers change.
    pub(crate) async fn schedule_changes(
        &self,
        organization: &Organization,
        pipeline: &Pipeline,
        now: Timestamp,
        batch: &mut Batch,
    ) -> Result<Vec<TimerChange>, Error> {
        let range = ScheduleRecord::of_pipeline(organization, pipeline.name());
        let stored = self.scan_schedules(range).await?;
        let mut changes = Vec::new();
        let wanted = || pipeline.triggers.iter().filter(|t| &*t.uses == "schedule");
        for trigger in wanted() {
            let schedule = Schedule::parse(&trigger.with).map_err(|e| {
                crate::RunError::new(crate::ErrorKind::InvalidInput, e.code, e.message)
            })?;
            let key = ScheduleRecord::key(organization, pipeline.name(), &trigger.id);
            let known = stored.iter().find(|(k, ..)| *k == key);
            let before = known.and_then(|(_, record, _)| record.next);
            let record = match known {
                Some((_, record, _)) => {
                    let mut record = record.clone();
                    record.replace(schedule, now);
                    record
                }
                None => ScheduleRecord::new(pipeline.name(), &trigger.id, schedule, now),
            };
            match known {
                Some((_, _, revision)) => batch.replace(key, *revision, value(&record)?),
                None => batch.insert(key, value(&record)?),
            }
            changes.push(TimerChange {
                pipeline: pipeline.name.clone(),
                trigger: trigger.id.clone(),
                before,
                after: record.next,
            });
        }
        for (key, record, revision) in stored {
            if !wanted().any(|t| *t.id == *record.trigger) {
                batch.remove(key, revision);
                changes.push(removed(&record));
            }
        }
        Ok(changes)
    }

    pub(crate) async fn schedules_removed(
        &self,
        organization: &Organization,
        name: &str,
        batch: &mut Batch,
    ) -> Result<Vec<TimerChange>, Error> {
        let mut changes = Vec::new();
        let range = ScheduleRecord::of_pipeline(organization, name);
        for (key, record, revision) in self.scan_schedules(range).await? {
            batch.remove(key, revision);
            changes.push(removed(&record));
        }
        Ok(changes)
    }

    pub(crate) fn set_schedules(&self, organization: &Organization, changes: Vec<TimerChange>) {
        let mut hot = self.hot.lock();
        for TimerChange { pipeline, trigger, before, after } in changes {
            let key = TimerKey::Schedule(organization.clone(), pipeline, trigger);
            if let Some(before) = before {
                hot.timers.remove(&(before, key.clone()));
            }
            if let Some(after) = after {
                hot.timers.insert((after, key));
            }
        }
        drop(hot);
        self.wake.notify_one();
    }

    /// Fires every schedule that is due. Returns how many runs started.
    pub(crate) async fn fire_schedules(self: &Arc<Self>) -> Result<usize, Error> {
        let now = self.clock.now();
        let mut due = Vec::new();
        {
            let mut hot = self.hot.lock();
            let keys: Vec<_> = hot
                .timers
                .iter()
                .take_while(|(at, _)| *at <= now)
                .filter(|(_, key)| matches!(key, TimerKey::Schedule(..)))
                .cloned()
                .collect();
            for key in keys {
                hot.timers.remove(&key);
                due.push(key);
            }
        }
        let mut started = 0;
        for (_, key) in due {
            let TimerKey::Schedule(organization, pipeline, trigger) = key else { continue };
            match self.fire_schedule(&organization, &pipeline, &trigger, now).await {
                Ok(count) => started += count,
                Err(Error::Store(error)) => return Err(error.into()),
                Err(error) => {
                    // The record stays as it was; look again in a minute.
                    tracing::warn!(%pipeline, %trigger, %error, "a schedule did not fire");
                    let again = now.plus_ms(crate::schedule::LATE_MS_MAX);
                    let key = TimerKey::Schedule(organization, pipeline, trigger);
                    self.hot.lock().timers.insert((again, key));
                }
            }
        }
        Ok(started)
    }

    async fn fire_schedule(
        self: &Arc<Self>,
        organization: &Organization,
        name: &Arc<str>,
        trigger: &Arc<str>,
        now: Timestamp,
    ) -> Result<usize, Error> {
        let engine = Engine::of(self.clone());
        let key = ScheduleRecord::key(organization, name, trigger);
        let mut started = 0;
        // One commit a due time; several only when missed times are made up for.
        for _ in 0..=crate::schedule::CATCH_UP_MAX {
            let Some(found) = self.store.get(std::slice::from_ref(&key)).await?.pop().flatten()
            else {
                return Ok(started);
            };
            let mut record = read(&found)?;
            let times = record.advance(now);
            let Some(at) = times.first().copied() else {
                let change = TimerChange {
                    pipeline: name.clone(),
                    trigger: trigger.clone(),
                    before: None,
                    after: record.next,
                };
                self.set_schedules(organization, vec![change]);
                return Ok(started);
            };
            let last = times.len() == 1;
            if !last {
                // Take one time only; the others stay due.
                record = read(&found)?;
                record.advance(at);
            }
            let blocked = self.overlapped(organization, &mut record).await?;
            let mut along = Batch::new(organization.as_str());
            if blocked {
                record.skipped += 1;
                record.fired = record.fired.saturating_sub(1);
                along.replace(key.clone(), found.revision, value(&record)?);
                self.store.commit(along).await?;
                continue;
            }
            let pipeline = engine.named(organization, name).await?;
            let event = serde_json::json!({ "scheduled_at": at.to_string(), "trigger": trigger });
            let mut start = super::trigger::start(organization, &pipeline, trigger, event, None)?;
            start.schedule = Some((key.clone(), found.revision, record.clone()));
            start.overlap = Some(record.schedule.overlap());
            match engine.start(start).await {
                Ok(_) => started += 1,
                Err(Error::Commit(CommitError::Conflict { .. })) => {}
                Err(Error::Refused(error)) => {
                    // A quota or an empty balance: this time is left out, the schedule goes on.
                    tracing::warn!(%name, %trigger, %error, "a scheduled run was refused");
                    record.skipped += 1;
                    along.replace(key.clone(), found.revision, value(&record)?);
                    self.store.commit(along).await?;
                }
                Err(error) => return Err(error),
            }
        }
        Ok(started)
    }

    /// Whether the last run of this schedule is still under way and `overlap` is `skip`; cancels
    /// it where it is `cancel_running`.
    async fn overlapped(
        self: &Arc<Self>,
        organization: &Organization,
        record: &mut ScheduleRecord,
    ) -> Result<bool, Error> {
        let Some(last) = record.last_run else { return Ok(false) };
        let live = codec::live_key(organization, last);
        if self.store.get(std::slice::from_ref(&live)).await?[0].is_none() {
            return Ok(false);
        }
        match record.schedule.overlap() {
            Overlap::Skip => Ok(true),
            Overlap::CancelRunning => {
                let engine = Engine::of(self.clone());
                match engine.cancel(organization, last).await {
                    Ok(()) | Err(Error::Refused(_) | Error::NotFound { .. }) => Ok(false),
                    Err(error) => Err(error),
                }
            }
            _ => Ok(false),
        }
    }
}

/// What the schedule remembers of the run it started.
pub(crate) fn started_by(record: &mut ScheduleRecord, run: RunId) {
    record.last_run = Some(run);
}

fn removed(record: &ScheduleRecord) -> TimerChange {
    TimerChange {
        pipeline: record.pipeline.as_str().into(),
        trigger: record.trigger.as_str().into(),
        before: record.next,
        after: None,
    }
}
