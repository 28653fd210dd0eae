//! What an engine reads before its first tick: every unfinished run, put where its header says.

use super::hot::{self, Hot};
use super::{Error, Inner, codec};
use crate::ids::{Organization, RunId};
use crate::run::{Header, RunStatus};
use crate::store::Table;

/// Headers read at once while opening.
pub(super) const OPEN_PAGE: u32 = 1_000;

impl Inner {
    /// Puts every unfinished run where its header says it belongs.
    pub(super) async fn open(&self) -> Result<(), Error> {
        if crate::store::backup::is_partial(&*self.store).await? {
            return Err(Error::Store(crate::store::StoreError::Format(
                "an import into it was not finished; import again into an empty store".to_owned(),
            )));
        }
        let mut range = crate::store::Key::of(Table::Live).prefix();
        let mut queued = Vec::new();
        loop {
            let page = self.store.scan(&range, OPEN_PAGE).await?;
            let Some((last, _)) = page.last() else { break };
            range = range.after(&last.clone());
            let mut hot = self.hot.lock();
            for (key, record) in &page {
                let (organization, run) = codec::read_run_key(key)?;
                let header = codec::read_header(&record.value)?;
                if let Some((key, limit)) = &header.concurrency {
                    if header.status == RunStatus::Queued {
                        queued.push((run, organization, header.priority, key.clone(), *limit));
                        continue;
                    }
                    hot.keys.entry(key.clone()).or_default().inside.insert(run);
                }
                self.recover(&mut hot, &organization, run, &header);
            }
        }
        // Oldest first, so that a line keeps its order.
        queued.sort_by_key(|(run, ..)| *run);
        let mut hot = self.hot.lock();
        for (run, organization, priority, key, limit) in queued {
            if hot.enter_key(run, &key, limit) {
                hot.ready.push(&organization, run, priority);
            } else {
                hot.keys.entry(key).or_default().line.push_back((organization, run, priority));
            }
        }
        Ok(())
    }

    fn recover(&self, hot: &mut Hot, organization: &Organization, run: RunId, header: &Header) {
        match &header.lease {
            // Another host drives it: look again when its lease is over.
            Some(lease) if self.leased_by_other(header) => {
                let key = hot::TimerKey::Run(run, organization.clone());
                hot.timers.insert((lease.until, key));
                hot.parked.insert(run, (Some(lease.until), header.priority));
            }
            _ => hot.shelve(organization, run, header),
        }
    }
}
