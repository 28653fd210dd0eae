//! The ledger over a store: post an entry once, read the balance, list, audit.
//!
//! What runs move is not posted here: it is part of the engine's own commits.

use std::collections::BTreeSet;
use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use super::settlement::{
    between, cursor_key, cursor_text, key_of_entry, key_of_mark, mark_id, marks,
};
use super::{
    AVAILABLE, Account, Books, Entry, HELD, LedgerError, LiveRun, Net, Posting, Report, Violation,
};
use crate::ids::Organization;
use crate::limits::PAGE_MAX;
use crate::store::{Batch, CommitError, Counter, Store, StoreError, Value};
use crate::time::Timestamp;

/// Times a commit whose outcome is unknown is looked up and repeated before the caller is told.
const UNKNOWN_RETRIES: u32 = 3;

/// An organization's two stored accounts.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, serde::Serialize)]
pub struct Balance {
    /// What it can spend.
    pub available: i64,
    /// What its open holds have set aside.
    pub held: i64,
}

/// What became of a posting.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Posted {
    /// It was posted by this call; the organization now has this much available.
    Now {
        /// Available credits afterwards.
        available: i64,
    },
    /// The same was posted before; nothing moved.
    Before {
        /// The entry as it was posted then.
        entry: Entry,
    },
}

/// Posts one entry from outside runs (grant, purchase, refund, referral, adjustment), once: the
/// same cause again moves nothing, whatever its time.
///
/// # Errors
/// [`LedgerError::Insufficient`] when it takes more than there is, [`LedgerError::Mismatch`] when
/// the same cause was posted with another amount, [`LedgerError::NotPostable`] for an entry of a
/// run, or the store's error.
pub async fn post(
    store: &dyn Store,
    organization: &Organization,
    entry: &Entry,
) -> Result<Posted, LedgerError> {
    if entry.cause.is_of_run() {
        return Err(LedgerError::NotPostable);
    }
    let mut unknown = 0;
    loop {
        match store.commit(posting_batch(organization, entry)?).await {
            Ok(done) => {
                return Ok(Posted::Now { available: done.counters.first().copied().unwrap_or(0) });
            }
            Err(CommitError::Conflict { .. }) => return before(store, organization, entry).await,
            Err(CommitError::Bound { value, .. }) => return Err(bound(entry, value)),
            Err(CommitError::Unknown) if unknown < UNKNOWN_RETRIES => unknown += 1,
            Err(other) => return Err(other.into()),
        }
    }
}

/// The batch that posts `entry`; hosts that post together with a record of their own add to it.
///
/// # Errors
/// [`LedgerError::Amount`] or [`LedgerError::Format`] when the entry is not one.
pub fn posting_batch(organization: &Organization, entry: &Entry) -> Result<Batch, LedgerError> {
    let mut batch = Batch::new(organization.as_str());
    let mark = Value::from(entry.at.0.to_string());
    batch.insert(key_of_mark(organization, entry.id), mark);
    let value = Posting::Entry(entry.clone()).to_value()?;
    batch.set.push((key_of_entry(organization, entry.id, entry.at), value));
    for add in Net::of(std::slice::from_ref(entry))?.adds(&organization.as_str().into()) {
        batch.add(add);
    }
    Ok(batch)
}

/// The entry's predecessor of the same id, when it is the same indeed.
async fn before(
    store: &dyn Store,
    organization: &Organization,
    entry: &Entry,
) -> Result<Posted, LedgerError> {
    let missing = || LedgerError::Format(format!("entry {} has a mark and no record", entry.id));
    let mark = one(store, key_of_mark(organization, entry.id)).await?.ok_or_else(missing)?;
    let at: Option<i64> = std::str::from_utf8(&mark).ok().and_then(|t| t.parse().ok());
    let at = Timestamp(at.ok_or_else(|| LedgerError::Format("a mark is no time".to_owned()))?);
    let value = one(store, key_of_entry(organization, entry.id, at)).await?.ok_or_else(missing)?;
    let Posting::Entry(posted) = Posting::from_value(&value)? else { return Err(missing()) };
    if (posted.from, posted.to, posted.credits) != (entry.from, entry.to, entry.credits) {
        return Err(LedgerError::Mismatch { posted: posted.credits, asked: entry.credits });
    }
    Ok(Posted::Before { entry: posted })
}

async fn one(store: &dyn Store, key: crate::store::Key) -> Result<Option<Value>, StoreError> {
    Ok(store.get(&[key]).await?.pop().flatten().map(|record| record.value))
}

fn bound(entry: &Entry, value: i64) -> LedgerError {
    if entry.from == Account::Available {
        let available = u64::try_from(value).unwrap_or(0);
        LedgerError::Insufficient { needed: entry.credits, available }
    } else {
        LedgerError::Overflow
    }
}

/// The organization's balance.
///
/// # Errors
/// When the store cannot be read.
pub async fn balance(
    store: &dyn Store,
    organization: &Organization,
) -> Result<Balance, StoreError> {
    let scope: Arc<str> = organization.as_str().into();
    let of = [AVAILABLE, HELD].map(|slot| Counter::new(Arc::clone(&scope), slot));
    match store.counters(&of).await?.as_slice() {
        [available, held] => Ok(Balance { available: *available, held: *held }),
        _ => Err(StoreError::Corrupt("counters were not answered".to_owned())),
    }
}

/// Where a page ended; opaque text to whoever holds it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Cursor(String);

impl fmt::Display for Cursor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl FromStr for Cursor {
    type Err = LedgerError;
    fn from_str(text: &str) -> Result<Self, LedgerError> {
        let cursor = Self(text.to_owned());
        // Any organization will do: the cursor names a place within one.
        cursor_key(&Organization::local(), text).map(|_| cursor)
    }
}

/// A page of postings.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Page {
    /// Newest first.
    pub postings: Vec<Posting>,
    /// Where the next page begins; `None` at the end.
    pub next: Option<Cursor>,
}

/// Postings of an organization from `from` (inclusive) to `to` (exclusive), newest first.
///
/// # Errors
/// [`LedgerError::Format`] when a record cannot be read, or the store's error.
pub async fn list(
    store: &dyn Store,
    organization: &Organization,
    from: Timestamp,
    to: Timestamp,
    after: Option<&Cursor>,
    limit: u32,
) -> Result<Page, LedgerError> {
    let mut range = between(organization, from, to);
    if let Some(cursor) = after {
        let key = cursor_key(organization, &cursor.0)?;
        if key >= range.start {
            range = range.after(&key);
        }
    }
    // A store need not know what a range that ends before it starts means.
    if range.start >= range.end {
        return Ok(Page { postings: Vec::new(), next: None });
    }
    let limit = limit.clamp(1, PAGE_MAX);
    let found = store.scan(&range, limit).await?;
    let full = found.len() >= limit as usize;
    let last = found.last().map(|(key, _)| cursor_text(organization, key));
    let postings: Result<Vec<_>, _> =
        found.iter().map(|(_, record)| Posting::from_value(&record.value)).collect();
    Ok(Page { postings: postings?, next: last.filter(|_| full).map(Cursor) })
}

/// Audits an organization: its stored accounts equal the fold of everything posted and of its
/// `live` runs, none is negative, every hold of an ended run is resolved, every entry is there
/// once. Exact only while the organization's runs stand still; over a busy store, feed [`Books`]
/// from a snapshot.
///
/// # Errors
/// Everything that is wrong, at once.
pub async fn audit(
    store: &dyn Store,
    organization: &Organization,
    live: &[LiveRun],
) -> Result<Report, Vec<Violation>> {
    let mut books = Books::new();
    live.iter().for_each(|run| books.live(run));
    let unreadable = |e: StoreError| vec![Violation::Unreadable(e.to_string())];
    let mut posted = BTreeSet::new();
    let mut range = between(organization, Timestamp(0), Timestamp(i64::MAX));
    loop {
        let found = store.scan(&range, PAGE_MAX).await.map_err(unreadable)?;
        let Some((last, _)) = found.last() else { break };
        range = range.after(last);
        for (_, record) in &found {
            match Posting::from_value(&record.value) {
                Ok(posting) => {
                    if let Posting::Entry(entry) = &posting {
                        posted.insert(entry.id.to_string());
                    }
                    books.post(&posting);
                }
                Err(e) => books.report(Violation::Unreadable(e.to_string())),
            }
        }
    }
    let mut marked = BTreeSet::new();
    let mut range = marks(organization);
    loop {
        let found = store.scan(&range, PAGE_MAX).await.map_err(unreadable)?;
        let Some((last, _)) = found.last() else { break };
        range = range.after(last);
        marked.extend(found.iter().map(|(key, _)| mark_id(organization, key)));
    }
    posted.symmetric_difference(&marked).for_each(|id| {
        books.report(Violation::Unmarked(id.clone()));
    });
    let Balance { available, held } = balance(store, organization).await.map_err(unreadable)?;
    books.close(available, held)
}
