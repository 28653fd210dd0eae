//! Reading runs: one, a page, a journal, and waiting for an end.

use tokio::sync::oneshot;

use super::codec;
use super::error::Error;
use super::lists::{self, RunFilter};
use super::view::{RunDetail, RunResult, RunSummary};
use super::{DeadLetter, Engine};
use crate::ids::{ContentHash, Organization, RunId};
use crate::limits::PAGE_MAX;
use crate::run::{Event, Header, JournalRecord, RunStatus};
use crate::store::Table;

/// A page of a list.
#[derive(Clone, Debug, PartialEq, serde::Serialize)]
pub struct Page<T> {
    /// The items.
    pub data: Vec<T>,
    /// Where the next page begins; `None` at the end.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub next: Option<RunId>,
}

/// A page of a run's journal.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct JournalPage {
    /// Records with their sequence numbers, in order.
    pub records: Vec<(u64, JournalRecord)>,
    /// Whether the journal has no record after them by now.
    pub is_whole: bool,
    /// Where the run was in its life then.
    pub status: RunStatus,
    /// The version the run is pinned to, for [`crate::run::path_of`].
    pub version: ContentHash,
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
            traceparent: started.traceparent.clone(),
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

    /// A page of the journal: records from `from` on, as many as `limit` and
    /// [`crate::limits::JOURNAL_PAGE_BYTES_MAX`] allow, at least one where there is one.
    ///
    /// # Errors
    /// [`Error::NotFound`] where the organization has no such run.
    pub async fn journal_page(
        &self,
        organization: &Organization,
        run: RunId,
        from: u64,
        limit: u32,
    ) -> Result<JournalPage, Error> {
        let header = self.header(organization, run).await?;
        let to = header.seq.min(from.saturating_add(u64::from(limit)));
        let bytes_max = crate::limits::JOURNAL_PAGE_BYTES_MAX;
        let store = &*self.inner.store;
        let records = codec::read_journal_within(store, run, from, to, bytes_max).await?;
        let read = records.last().map_or(from, |(seq, _)| seq + 1);
        Ok(JournalPage {
            records,
            is_whole: read >= header.seq,
            status: header.status,
            version: header.hash,
        })
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
        // Whoever stops waiting, or asked for a run that is not there, leaves nothing behind.
        let _leaving = Leaving { engine: self, run };
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
        let filter = RunFilter { status, ..RunFilter::default() };
        lists::find(&self.inner, organization, &filter, before, limit, u32::MAX).await
    }

    /// Runs of an organization that fit the filter, newest first. A page that reads
    /// [`crate::limits::LIST_SCAN_MAX`] headers ends there: it may be short, or empty, and have a
    /// next one all the same.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub async fn find(
        &self,
        organization: &Organization,
        filter: &RunFilter,
        before: Option<RunId>,
        limit: u32,
    ) -> Result<Page<RunSummary>, Error> {
        let scan_max = crate::limits::LIST_SCAN_MAX;
        lists::find(&self.inner, organization, filter, before, limit, scan_max).await
    }

    /// The dead letter of a run.
    ///
    /// # Errors
    /// [`Error::NotFound`] where there is none.
    pub async fn dead_letter(
        &self,
        organization: &Organization,
        run: RunId,
    ) -> Result<DeadLetter, Error> {
        let key = codec::dead_letter_key(organization, run);
        match self.inner.store.get(std::slice::from_ref(&key)).await?.pop().flatten() {
            Some(record) => codec::read(&record.value, "dead letter"),
            None => Err(Error::NotFound { what: "dead letter", id: run.to_string() }),
        }
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
        let range = lists::newest_range(Table::DeadLetter, organization, before);
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

/// A waiter on its way out. Declared before the receiver, so dropped after it.
struct Leaving<'a> {
    engine: &'a Engine,
    run: RunId,
}

impl Drop for Leaving<'_> {
    fn drop(&mut self) {
        self.engine.inner.hot.lock().forget_watchers(self.run);
    }
}
