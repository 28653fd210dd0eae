//! Ended runs go when their time is up, in bounded batches; what they cost stays in the ledger.
//!
//! Runs stand newest first, so those that may be old are one range of keys, found without reading
//! the others.

use super::error::Error;
use super::{Engine, codec};
use crate::ids::{Organization, RunId};
use crate::limits::PAGE_MAX;
use crate::retention::{self, RetentionPolicy};
use crate::run::{Header, RunStatus};
use crate::store::{Batch, Key, Table};
use crate::time::Timestamp;

/// Records deleted in one commit.
const DELETE_MAX: usize = 1_000;

impl Engine {
    /// Deletes the journals and headers of an organization's ended runs whose retention is over, at
    /// most `limit` runs. Returns how many; fewer than `limit` means that none is left.
    ///
    /// # Errors
    /// When the store fails; what was deleted stays deleted.
    pub async fn expire(
        &self,
        organization: &Organization,
        policy: &RetentionPolicy,
        limit: u32,
    ) -> Result<u32, Error> {
        let now = self.inner.clock.now();
        let mut range = Key::of(Table::Done).text(organization.as_str()).prefix();
        let mut seen = std::collections::BTreeMap::new();
        let mut gone = 0;
        loop {
            let page = self.inner.store.scan(&range, PAGE_MAX).await?;
            let Some((last, _)) = page.last() else { return Ok(gone) };
            range = range.after(&last.clone());
            for (key, record) in &page {
                let header = codec::read_header(&record.value)?;
                let kept: &mut u64 = seen.entry(header.status).or_default();
                *kept += 1;
                if !is_over(&header, policy, *kept, now) {
                    continue;
                }
                if gone == limit {
                    return Ok(gone);
                }
                let run = codec::read_run_key(key)?.1;
                self.forget(organization, run, &header, key).await?;
                gone += 1;
            }
        }
    }

    async fn forget(
        &self,
        organization: &Organization,
        run: RunId,
        header: &Header,
        key: &Key,
    ) -> Result<(), Error> {
        let store = &self.inner.store;
        for table in [Table::Chunk, Table::Journal] {
            let range = Key::of(table).raw(&run.as_u128().to_be_bytes()).prefix();
            loop {
                let found = store.scan(&range, DELETE_MAX as u32).await?;
                if found.is_empty() {
                    break;
                }
                let mut batch = Batch::new(organization.as_str());
                batch.delete = found.into_iter().map(|(key, _)| key).collect();
                store.commit(batch).await?;
            }
        }
        // The header goes last: a crash in between leaves a run that is found again.
        let mut batch = Batch::new(organization.as_str());
        batch.delete.push(key.clone());
        if header.status == RunStatus::Dead {
            batch.delete.push(codec::dead_letter_key(organization, run));
        }
        store.commit(batch).await?;
        Ok(())
    }
}

fn is_over(header: &Header, policy: &RetentionPolicy, kept: u64, now: Timestamp) -> bool {
    let ended = header.ended.unwrap_or(header.created);
    retention::expires_at(header.status, ended, policy).is_some_and(|at| at <= now)
        || policy.surplus(header.status, kept) > 0
}
