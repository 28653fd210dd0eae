//! The organization's books, with the runs that are under way.

use super::error::Error;
use super::{Engine, codec};
use crate::ids::Organization;
use crate::ledger::{self, LiveRun, Report, Violation};
use crate::limits::PAGE_MAX;
use crate::store::{Key, Table};

impl Engine {
    /// Checks an organization's books: stored balances against every entry, settlement and open
    /// hold. Exact while nothing is being driven; a run that moves in between shows as a difference.
    ///
    /// # Errors
    /// When the store cannot be read; the inner error lists what does not agree.
    pub async fn audit(
        &self,
        organization: &Organization,
    ) -> Result<Result<Report, Vec<Violation>>, Error> {
        let mut live = Vec::new();
        let mut range = Key::of(Table::Live).text(organization.as_str()).prefix();
        loop {
            let page = self.inner.store.scan(&range, PAGE_MAX).await?;
            let Some((last, _)) = page.last() else { break };
            range = range.after(&last.clone());
            for (key, record) in &page {
                let header = codec::read_header(&record.value)?;
                live.push(LiveRun { run: codec::read_run_key(key)?.1, tally: header.tally });
            }
        }
        Ok(ledger::audit(&*self.inner.store, organization, &live).await)
    }
}
