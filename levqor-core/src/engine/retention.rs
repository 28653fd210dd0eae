//! Ended runs go when their time is up, in bounded batches; what they cost stays in the ledger.
//!
//! Runs stand newest first, so those that may be old are one range of keys, found without reading
//! the others.

use super::error::Error;
use super::{Engine, Observed, codec};
use crate::ids::{Organization, RunId};
use crate::limits::PAGE_MAX;
use crate::retention::{self, RetentionPolicy};
use crate::run::{Header, RunStatus};
use crate::store::{Batch, Key, Table};
use crate::time::Timestamp;

/// Runs or keys one pass of [`Engine::expire_some`] deletes at most.
const EXPIRE_PASS: u32 = 500;
/// How long an idempotency key is remembered: a week, seven times what vendors ask for.
const IDEMPOTENCY_KEPT_MS: u64 = 7 * 86_400_000;
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

    /// One bounded pass over every organization, as the engine does by itself while it serves:
    /// ended runs by the builder's policy, and idempotency keys older than a week. Returns whether
    /// some are left.
    ///
    /// # Errors
    /// As [`Engine::expire`].
    pub async fn expire_some(&self) -> Result<bool, Error> {
        let mut left = EXPIRE_PASS;
        for table in [Table::Done, Table::Idempotency] {
            let mut range = Key::of(table).prefix();
            while let Some((key, _)) = self.inner.store.scan(&range, 1).await?.pop() {
                let organization = codec::organization_of(&key)?;
                let gone = match table {
                    Table::Done => {
                        self.expire(&organization, &self.inner.options.retention, left).await?
                    }
                    _ => self.expire_keys(&organization, left).await?,
                };
                left -= gone;
                if left == 0 {
                    return Ok(true);
                }
                let whole = Key::of(table).text(organization.as_str()).prefix();
                range.start = whole.end;
            }
        }
        Ok(false)
    }

    async fn expire_keys(&self, organization: &Organization, limit: u32) -> Result<u32, Error> {
        let now = self.inner.clock.now();
        let mut range = Key::of(Table::Idempotency).text(organization.as_str()).prefix();
        let mut batch = Batch::new(organization.as_str());
        loop {
            let page = self.inner.store.scan(&range, PAGE_MAX).await?;
            let Some((last, _)) = page.last() else { break };
            range = range.after(&last.clone());
            let old = page.into_iter().filter(|(_, record)| {
                super::idempotency::key_time(&record.value)
                    .is_ok_and(|at| now.since_ms(at) > IDEMPOTENCY_KEPT_MS)
            });
            batch.delete.extend(old.map(|(key, _)| key));
            if batch.delete.len() >= limit.min(DELETE_MAX as u32) as usize {
                break;
            }
        }
        batch.delete.truncate(limit as usize);
        let gone = batch.delete.len() as u32;
        if gone > 0 {
            self.inner.store.commit(batch).await?;
        }
        Ok(gone)
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
        let mut had_letter = false;
        if header.status == RunStatus::Dead {
            let letter = codec::dead_letter_key(organization, run);
            had_letter = store.get(std::slice::from_ref(&letter)).await?[0].is_some();
            batch.delete.push(letter);
        }
        store.commit(batch).await?;
        if had_letter {
            self.inner.tell(&Observed::DeadLetterGone { organization, run });
        }
        Ok(())
    }
}

fn is_over(header: &Header, policy: &RetentionPolicy, kept: u64, now: Timestamp) -> bool {
    let ended = header.ended.unwrap_or(header.created);
    retention::expires_at(header.status, ended, policy).is_some_and(|at| at <= now)
        || policy.surplus(header.status, kept) > 0
}
