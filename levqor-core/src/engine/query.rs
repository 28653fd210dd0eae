//! Reading runs: one, a page, a journal, and waiting for an end.

use tokio::sync::oneshot;

use super::codec;
use super::error::Error;
use super::view::{RunDetail, RunResult, RunSummary};
use super::{DeadLetter, Engine};
use crate::ids::{Organization, RunId};
use crate::limits::PAGE_MAX;
use crate::run::{Event, Header, JournalRecord, RunStatus};
use crate::store::{Key, KeyRange, Table};

/// A page of a list.
#[derive(Clone, Debug, PartialEq, serde::Serialize)]
pub struct Page<T> {
    /// The items.
    pub data: Vec<T>,
    /// Where the next page begins; `None` at the end.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub next: Option<RunId>,
}

impl Engine {
    async fn header(&self, organization: &Organization, run: RunId) -> Result<Header, Error> {
        let keys = [codec::live_key(organization, run), codec::done_key(organization, run)];
        let found = self.inner.store.get(&keys).await?.into_iter().flatten().next();
        match found {
            Some(record) => codec::read_header(&record.value),
            None => Err(Error::NotFound { what: "run", id: run.to_string() }),
        }
    }

    /// A run's status and counts.
    ///
    /// # Errors
    /// [`Error::NotFound`] where the organization has no such run.
    pub async fn summary(
        &self,
        organization: &Organization,
        run: RunId,
    ) -> Result<RunSummary, Error> {
        Ok(RunSummary::of(run, &self.header(organization, run).await?))
    }

    /// A run with its input, output and error.
    ///
    /// # Errors
    /// [`Error::NotFound`] where the organization has no such run.
    pub async fn get(&self, organization: &Organization, run: RunId) -> Result<RunDetail, Error> {
        let header = self.header(organization, run).await?;
        let store = &*self.inner.store;
        let first = codec::read_journal(store, run, 0, 1).await?;
        let last =
            codec::read_journal(store, run, header.seq.saturating_sub(1), header.seq).await?;
        let Some(Event::RunStarted(started)) = first.into_iter().flat_map(|(_, r)| r.events).next()
        else {
            return Err(codec::corrupt("a journal does not begin at its start"));
        };
        let (mut output, mut error) = (None, None);
        for event in last.into_iter().flat_map(|(_, r)| r.events) {
            match event {
                Event::RunFinished { output: o, error: e, .. } => (output, error) = (o, e),
                Event::RunPaused { error: e } => error = Some(e),
                _ => {}
            }
        }
        Ok(RunDetail {
            summary: RunSummary::of(run, &header),
            input: started.input.clone(),
            principal: started.principal.clone(),
            origin: started.origin.as_ref().map(|o| o.run),
            output,
            error,
        })
    }

    /// The journal's records from `from` on, in order, with their sequence numbers.
    ///
    /// # Errors
    /// [`Error::NotFound`] where the organization has no such run.
    pub async fn journal(
        &self,
        organization: &Organization,
        run: RunId,
        from: u64,
    ) -> Result<Vec<(u64, JournalRecord)>, Error> {
        let header = self.header(organization, run).await?;
        codec::read_journal(&*self.inner.store, run, from, header.seq).await
    }

    /// Ticks with `(run, journal length)` after commits of this engine. Hints: a slow reader loses
    /// some and reads [`Engine::journal`] again.
    #[must_use]
    pub fn feed(&self) -> tokio::sync::broadcast::Receiver<(RunId, u64)> {
        self.inner.feed.subscribe()
    }

    /// Waits until the run has ended. Needs somebody to drive the engine.
    ///
    /// # Errors
    /// [`Error::NotFound`], or [`Error::Stopped`] when the engine stops first.
    pub async fn wait(&self, organization: &Organization, run: RunId) -> Result<RunResult, Error> {
        let (sender, receiver) = oneshot::channel();
        self.inner.hot.lock().watchers.entry(run).or_default().push(sender);
        let detail = self.get(organization, run).await?;
        if detail.summary.status.is_final() {
            let status = detail.summary.status;
            return Ok(RunResult { id: run, status, output: detail.output, error: detail.error });
        }
        receiver.await.map_err(|_| Error::Stopped)
    }

    /// Runs of an organization, newest first; live ones, ended ones, or (`None`) both merged.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub async fn list(
        &self,
        organization: &Organization,
        status: Option<RunStatus>,
        before: Option<RunId>,
        limit: u32,
    ) -> Result<Page<RunSummary>, Error> {
        let limit = limit.clamp(1, PAGE_MAX) as usize;
        let wanted = |header: &Header| status.is_none_or(|s| s == header.status);
        let mut all = Vec::new();
        let tables = match status {
            Some(status) if status.is_final() => vec![Table::Done],
            Some(_) => vec![Table::Live],
            None => vec![Table::Live, Table::Done],
        };
        for table in tables {
            let mut range = newest_range(table, organization, before);
            let mut found = 0;
            while found <= limit {
                let page = self.inner.store.scan(&range, PAGE_MAX).await?;
                let Some((last, _)) = page.last() else { break };
                range = range.after(&last.clone());
                for (key, record) in &page {
                    let header = codec::read_header(&record.value)?;
                    if wanted(&header) {
                        found += 1;
                        all.push(RunSummary::of(codec::read_run_key(key)?.1, &header));
                    }
                }
            }
        }
        all.sort_by_key(|run| std::cmp::Reverse(run.id));
        let more = all.len() > limit;
        all.truncate(limit);
        let next = if more { all.last().map(|r| r.id) } else { None };
        Ok(Page { data: all, next })
    }

    /// Dead letters, newest first.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub async fn dead_letters(
        &self,
        organization: &Organization,
        before: Option<RunId>,
        limit: u32,
    ) -> Result<Page<(RunId, DeadLetter)>, Error> {
        let limit = limit.clamp(1, PAGE_MAX);
        let range = newest_range(Table::DeadLetter, organization, before);
        let mut data = Vec::new();
        for (key, record) in self.inner.store.scan(&range, limit + 1).await? {
            let letter: DeadLetter = codec::read(&record.value, "dead letter")?;
            data.push((codec::read_run_key(&key)?.1, letter));
        }
        let more = data.len() > limit as usize;
        data.truncate(limit as usize);
        let next = if more { data.last().map(|(run, _)| *run) } else { None };
        Ok(Page { data, next })
    }
}

fn newest_range(table: Table, organization: &Organization, before: Option<RunId>) -> KeyRange {
    let prefix = Key::of(table).text(organization.as_str());
    let range = prefix.clone().prefix();
    match before {
        Some(run) => range.after(&prefix.raw(&(!run.as_u128()).to_be_bytes())),
        None => range,
    }
}
