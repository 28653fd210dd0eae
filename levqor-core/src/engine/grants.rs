//! The plans' monthly credits: given once a plan and local month, at a start and by a timer.
//!
//! That it is once is the ledger's promise (an entry's id comes from its cause); what is kept here
//! only saves asking it again.

use super::error::Error;
use super::{Engine, Inner, codec};
use crate::ids::Organization;
use crate::ledger::{self, LedgerError, Posted};
use crate::limits::PAGE_MAX;
use crate::quota::OrganizationRecord;
use crate::store::{Key, Table};
use crate::time::Timestamp;

/// Organizations whose last grant is remembered; over it, all are forgotten and looked up again.
const GRANTED_MAX: usize = 100_000;

impl Engine {
    /// Gives an organization its plan's credits of this month, unless it has them. Returns how many
    /// were given by this call.
    ///
    /// # Errors
    /// When the store cannot be read or does not take the entry.
    pub async fn grant_month(&self, organization: &Organization) -> Result<u64, Error> {
        let record = self.inner.organization(organization).await?;
        self.inner.grant_month_of(organization, &record, self.inner.clock.now()).await
    }

    /// The same for every organization that has a record, as the engine does by itself each hour
    /// while it serves. Returns how many credits were given.
    ///
    /// # Errors
    /// As [`Engine::grant_month`]; what was given stays given.
    pub async fn grant_months(&self) -> Result<u64, Error> {
        let now = self.inner.clock.now();
        let mut given: u64 = 0;
        let mut range = Key::of(Table::Organization).prefix();
        loop {
            let page = self.inner.store.scan(&range, PAGE_MAX).await?;
            let Some((last, _)) = page.last() else { return Ok(given) };
            range = range.after(&last.clone());
            for (key, stored) in &page {
                let organization = codec::organization_of(key)?;
                let record = OrganizationRecord::from_value(&stored.value)
                    .map_err(|e| codec::corrupt(e.to_string()))?;
                let credits = self.inner.grant_month_of(&organization, &record, now).await?;
                given = given.saturating_add(credits);
            }
        }
    }
}

impl Inner {
    pub(super) async fn grant_month_of(
        &self,
        organization: &Organization,
        record: &OrganizationRecord,
        now: Timestamp,
    ) -> Result<u64, Error> {
        // Who may start nothing is given nothing; the month's credits come when that ends.
        if record.suspended.is_some() {
            return Ok(0);
        }
        let month = record.monthly_credits(&self.options.plans, now);
        let Some((reference, credits)) = month else { return Ok(0) };
        if self.granted.lock().get(organization) == Some(&reference) {
            return Ok(0);
        }
        let entry = ledger::grant(&reference, credits, now);
        let entry = entry.map_err(|e| codec::corrupt(e.to_string()))?;
        let given = match ledger::post(&*self.store, organization, &entry).await {
            Ok(Posted::Now { .. }) => entry.credits,
            // The plan's amount was changed since: the month has its credits already.
            Ok(Posted::Before { .. }) | Err(LedgerError::Mismatch { .. }) => 0,
            Err(LedgerError::Overflow) => {
                tracing::warn!(%organization, "a monthly grant is over the largest balance");
                return Ok(0);
            }
            Err(LedgerError::Store(error)) => return Err(error.into()),
            Err(LedgerError::Commit(error)) => return Err(error.into()),
            Err(other) => return Err(codec::corrupt(other.to_string())),
        };
        let mut granted = self.granted.lock();
        if granted.len() >= GRANTED_MAX {
            granted.clear();
        }
        granted.insert(organization.clone(), reference);
        Ok(given)
    }
}
