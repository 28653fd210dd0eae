//! Lists of runs: live and ended ones merged, newest first, filtered by what stands in headers.
//!
//! What it is not: an index. A filter reads the headers one by one, a bounded number for each page;
//! times are bounds of the keys and cost nothing.

use std::collections::{BTreeMap, VecDeque};

use super::error::Error;
use super::query::Page;
use super::view::RunSummary;
use super::{Inner, codec};
use crate::ids::{Organization, RunId};
use crate::limits::PAGE_MAX;
use crate::run::{Header, RunStatus};
use crate::store::{Key, KeyRange, Table};
use crate::time::Timestamp;

/// Which runs a list shows: those that fit all of it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct RunFilter {
    /// In this status.
    pub status: Option<RunStatus>,
    /// Of this pipeline.
    pub pipeline: Option<String>,
    /// Accepted after this moment.
    pub created_after: Option<Timestamp>,
    /// Accepted before this moment.
    pub created_before: Option<Timestamp>,
    /// With these labels.
    pub labels: BTreeMap<String, String>,
}

impl RunFilter {
    fn fits(&self, header: &Header) -> bool {
        let has = |(name, value): (&String, &String)| header.labels.get(name) == Some(value);
        self.status.is_none_or(|s| s == header.status)
            && self.pipeline.as_ref().is_none_or(|p| **p == *header.pipeline)
            && self.created_after.is_none_or(|at| header.created > at)
            && self.created_before.is_none_or(|at| header.created < at)
            && self.labels.iter().all(has)
    }

    fn tables(&self) -> &'static [Table] {
        match self.status {
            Some(status) if status.is_final() => &[Table::Done],
            Some(_) => &[Table::Live],
            // A run that ends in between is seen twice rather than not at all.
            None => &[Table::Live, Table::Done],
        }
    }
}

/// Up to `limit` runs before `before`, having read at most `scan_max` headers.
pub(super) async fn find(
    inner: &Inner,
    organization: &Organization,
    filter: &RunFilter,
    before: Option<RunId>,
    limit: u32,
    scan_max: u32,
) -> Result<Page<RunSummary>, Error> {
    let limit = limit.clamp(1, PAGE_MAX) as usize;
    let mut sources: Vec<Source> = Vec::new();
    for table in filter.tables() {
        sources.push(Source::new(bounded(*table, organization, filter, before)));
    }
    let mut page = Page { data: Vec::new(), next: None };
    let (mut last, mut read) = (None, 0);
    loop {
        for source in &mut sources {
            source.fill(inner).await?;
        }
        let newest = sources.iter().filter_map(Source::head).max();
        let Some(run) = newest else { return Ok(page) };
        if page.data.len() == limit || read == scan_max {
            page.next = last;
            return Ok(page);
        }
        // The later table has the later state of a run that stands in both.
        let taken = sources.iter_mut().filter_map(|source| source.take(run)).last();
        (last, read) = (Some(run), read + 1);
        if let Some(header) = taken.filter(|header| filter.fits(header)) {
            page.data.push(RunSummary::of(run, &header));
        }
    }
}

/// One table's headers, read page by page.
struct Source {
    range: KeyRange,
    read: VecDeque<(RunId, Header)>,
    ended: bool,
}

impl Source {
    fn new(range: KeyRange) -> Self {
        Self { range, read: VecDeque::new(), ended: false }
    }

    async fn fill(&mut self, inner: &Inner) -> Result<(), Error> {
        if self.ended || !self.read.is_empty() {
            return Ok(());
        }
        let page = inner.store.scan(&self.range, PAGE_MAX).await?;
        self.ended = page.len() < PAGE_MAX as usize;
        if let Some((last, _)) = page.last() {
            self.range = self.range.clone().after(last);
        }
        for (key, record) in &page {
            let run = codec::read_run_key(key)?.1;
            self.read.push_back((run, codec::read_header(&record.value)?));
        }
        Ok(())
    }

    fn head(&self) -> Option<RunId> {
        self.read.front().map(|(run, _)| *run)
    }

    fn take(&mut self, run: RunId) -> Option<Header> {
        if self.head() != Some(run) {
            return None;
        }
        self.read.pop_front().map(|(_, header)| header)
    }
}

/// A table's runs before `before`, newest first.
pub(super) fn newest_range(
    table: Table,
    organization: &Organization,
    before: Option<RunId>,
) -> KeyRange {
    let prefix = Key::of(table).text(organization.as_str());
    let range = prefix.clone().prefix();
    match before {
        Some(run) => range.after(&prefix.raw(&(!run.as_u128()).to_be_bytes())),
        None => range,
    }
}

/// The same within the filter's times. Ids begin with the milliseconds at which they were made.
fn bounded(
    table: Table,
    organization: &Organization,
    filter: &RunFilter,
    before: Option<RunId>,
) -> KeyRange {
    let first_of = |at: Timestamp| {
        let ms = u128::try_from(at.as_millis().clamp(0, (1 << 48) - 1)).unwrap_or(0);
        RunId::from_u128(ms << 80)
    };
    let until = filter.created_before.map(first_of);
    let before = [before, until].into_iter().flatten().min();
    let mut range = newest_range(table, organization, before);
    if let Some(at) = filter.created_after {
        let oldest = !first_of(at).as_u128();
        range.end = Key::of(table).text(organization.as_str()).raw(&oldest.to_be_bytes());
    }
    range
}
