//! Whether a run may begin now, by its document's `concurrency` or its schedule's overlap.

use std::sync::Arc;

use super::Start;
use crate::engine::cell::Live;
use crate::engine::{Error, Inner};
use crate::error::{ErrorKind, RunError};
use crate::ids::RunId;
use crate::pipeline::OnLimit;
use crate::run::{Level, RunState};
use crate::schedule::Overlap;
use crate::time::Timestamp;

impl Inner {
    /// Whether the run may begin now, as its document's `concurrency` says.
    pub(super) fn enter_concurrency(
        self: &Arc<Self>,
        start: &Start,
        run: RunId,
        concurrency: Option<&(Arc<str>, u32)>,
    ) -> Result<bool, Error> {
        let mut hot = self.hot.lock();
        if hot.ready.len() >= self.options.queue_depth as usize {
            return Err(Error::Refused(RunError::new(
                ErrorKind::RateLimited,
                "queue.full",
                format!("{} runs are waiting already", hot.ready.len()),
            )));
        }
        let Some((key, limit)) = concurrency else { return Ok(true) };
        if hot.enter_key(run, key, *limit) {
            return Ok(true);
        }
        match start.pipeline.concurrency.as_ref().map_or(OnLimit::Queue, |rule| rule.on_limit) {
            OnLimit::Queue => Ok(false),
            OnLimit::Skip => Err(Error::Refused(RunError::new(
                ErrorKind::Conflict,
                "run.concurrency_skipped",
                format!("{limit} run(s) with this concurrency key are not finished"),
            ))),
            OnLimit::CancelRunning => {
                let line: Vec<RunId> = hot
                    .keys
                    .get(key)
                    .map(|l| l.inside.iter().copied().collect())
                    .unwrap_or_default();
                drop(hot);
                self.cancel_in_background(&start.organization, line);
                Ok(false)
            }
        }
    }

    pub(super) fn is_inside(&self, live: &Live, run: RunId) -> bool {
        let Some((key, _)) = &live.header.concurrency else { return true };
        self.hot.lock().keys.get(key).is_some_and(|line| line.inside.contains(&run))
    }
}

/// A run's concurrency key and limit, where it has one.
pub(super) fn concurrency_of(
    start: &Start,
    state: &RunState,
    now: Timestamp,
) -> Result<Option<(Arc<str>, u32)>, Error> {
    let Some(rule) = &start.pipeline.concurrency else {
        // A schedule that queues behind its own last run.
        if start.overlap != Some(Overlap::Queue) {
            return Ok(None);
        }
        let name = start.principal.as_deref().unwrap_or_default();
        let key = format!("{}/{}/{name}", start.organization, start.pipeline.name);
        return Ok(Some((key.into(), 1)));
    };
    let Some(level) = Level::root(state, 0, now) else { return Ok(None) };
    let key = rule.key.render(&level).map_err(|e| {
        let message = format!("in `concurrency.key`: {}", e.message);
        RunError::new(ErrorKind::InvalidInput, e.code, message)
    })?;
    let text = key.as_str().map_or_else(|| key.to_string(), str::to_owned);
    let key = format!("{}/{}/{text}", start.organization, start.pipeline.name);
    Ok(Some((key.into(), rule.limit.max(1))))
}
