//! [`Books`]: the pure audit. Folds everything that was posted and everything that is still held,
//! and compares the sums with the stored counters.
//!
//! Not a repair: what differs is named, and a person decides.

use std::collections::{BTreeMap, BTreeSet};

use serde::Serialize;

use super::{Account, Cause, Entry, EntryId, Posting, Tally};
use crate::ids::RunId;

/// A run that has not ended, as the audit needs it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LiveRun {
    /// The run.
    pub run: RunId,
    /// Its sums so far; what is open in them is held.
    pub tally: Tally,
}

/// What books in order come to.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Report {
    /// Each account's balance; an account that only gives is negative. They sum to 0.
    pub balances: BTreeMap<&'static str, i128>,
    /// Entries from outside runs.
    pub entries: u64,
    /// Runs that were settled.
    pub settled_runs: u64,
    /// Runs that have not ended.
    pub live_runs: u64,
}

/// What is wrong in the books.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Violation {
    /// A stored counter is not the sum of its entries.
    #[error("{account} is stored as {stored} and its entries sum to {folded}", account = account.as_str())]
    Differs {
        /// Which counter.
        account: Account,
        /// What the store has.
        stored: i128,
        /// What the entries come to.
        folded: i128,
    },
    /// A stored counter is below 0.
    #[error("{} is {value}, below 0", account.as_str())]
    Negative {
        /// Which counter.
        account: Account,
        /// Its value.
        value: i64,
    },
    /// The accounts do not sum to 0.
    #[error("the accounts sum to {0}, not to 0")]
    Unbalanced(i128),
    /// One entry stands in the ledger twice.
    #[error("entry {0} was posted twice")]
    Duplicate(EntryId),
    /// An entry has no mark that keeps it from being posted again, or the mark no entry.
    #[error("entry {0} and its mark do not both exist")]
    Unmarked(String),
    /// An entry's accounts do not fit its cause, or it is not an entry that is posted alone.
    #[error("entry {0} has accounts that do not fit its cause")]
    Misposted(EntryId),
    /// A run was settled twice, or is settled and still going on.
    #[error("{0} was settled more than once, or before its end")]
    SettledTwice(RunId),
    /// A settled run's holds were not all resolved, or more came out of them than went in.
    #[error("{run}: {held} credits were held, {captured} captured and {released} released")]
    Unresolved {
        /// The run.
        run: RunId,
        /// Sum of its holds.
        held: u64,
        /// Sum of its captures.
        captured: u64,
        /// Sum of its releases.
        released: u64,
    },
    /// A hold was made twice, resolved more than once, or a step charged twice.
    #[error("step `{step}`: {what}")]
    Hold {
        /// The step with its iterations.
        step: String,
        /// What is wrong.
        what: &'static str,
    },
    /// The ledger or its counters could not be read.
    #[error("the ledger cannot be read: {0}")]
    Unreadable(String),
}

/// Books of one organization, being folded.
#[derive(Clone, Debug, Default)]
pub struct Books {
    sums: BTreeMap<Account, i128>,
    entries: BTreeSet<EntryId>,
    settled: BTreeSet<RunId>,
    live: BTreeSet<RunId>,
    found: Vec<Violation>,
}

impl Books {
    /// Empty books.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Takes in one record of the ledger's table.
    pub fn post(&mut self, posting: &Posting) {
        match posting {
            Posting::Entry(entry) => {
                if !self.entries.insert(entry.id) {
                    self.found.push(Violation::Duplicate(entry.id));
                }
                if entry.cause.is_of_run() || !fits(entry) {
                    self.found.push(Violation::Misposted(entry.id));
                }
                self.shift(entry.from, entry.to, entry.credits);
            }
            Posting::Settlement(settlement) => {
                let tally = settlement.tally;
                if !self.settled.insert(settlement.run) {
                    self.found.push(Violation::SettledTwice(settlement.run));
                }
                let out = u128::from(tally.captured) + u128::from(tally.released);
                if out != u128::from(tally.held) {
                    self.found.push(unresolved(settlement.run, tally));
                }
                self.fold(tally);
            }
        }
    }

    /// Takes in a run that has not ended.
    pub fn live(&mut self, live: &LiveRun) {
        if !self.live.insert(live.run) {
            self.found.push(Violation::SettledTwice(live.run));
        }
        let out = u128::from(live.tally.captured) + u128::from(live.tally.released);
        if out > u128::from(live.tally.held) {
            self.found.push(unresolved(live.run, live.tally));
        }
        self.fold(live.tally);
    }

    /// Adds something that was found elsewhere.
    pub fn report(&mut self, violation: Violation) {
        self.found.push(violation);
    }

    /// Compares the fold with the stored counters.
    ///
    /// # Errors
    /// Everything that is wrong, at once.
    pub fn close(mut self, available: i64, held: i64) -> Result<Report, Vec<Violation>> {
        for (account, value) in [(Account::Available, available), (Account::Held, held)] {
            let folded = self.sums.get(&account).copied().unwrap_or(0);
            let stored = i128::from(value);
            if stored != folded {
                self.found.push(Violation::Differs { account, stored, folded });
            }
            if value < 0 {
                self.found.push(Violation::Negative { account, value });
            }
        }
        let total: i128 = self.sums.values().sum();
        if total != 0 {
            self.found.push(Violation::Unbalanced(total));
        }
        self.found
            .extend(self.settled.intersection(&self.live).copied().map(Violation::SettledTwice));
        if !self.found.is_empty() {
            return Err(self.found);
        }
        let balance = |a: &Account| (a.as_str(), self.sums.get(a).copied().unwrap_or(0));
        Ok(Report {
            balances: Account::ALL.iter().map(balance).collect(),
            entries: self.entries.len() as u64,
            settled_runs: self.settled.len() as u64,
            live_runs: self.live.len() as u64,
        })
    }

    fn fold(&mut self, tally: Tally) {
        self.shift(Account::Available, Account::Held, tally.held);
        self.shift(Account::Held, Account::Consumed, tally.captured);
        self.shift(Account::Held, Account::Available, tally.released);
    }

    fn shift(&mut self, from: Account, to: Account, credits: u64) {
        *self.sums.entry(from).or_default() -= i128::from(credits);
        *self.sums.entry(to).or_default() += i128::from(credits);
    }
}

fn unresolved(run: RunId, tally: Tally) -> Violation {
    let Tally { held, captured, released } = tally;
    Violation::Unresolved { run, held, captured, released }
}

/// Whether an entry's accounts are those of its cause.
fn fits(entry: &Entry) -> bool {
    use Account::{Adjusted, Available, Consumed, Held, Promotional, Purchased, Refunded};
    matches!(
        (entry.cause, entry.from, entry.to),
        (Cause::Hold, Available, Held)
            | (Cause::Capture, Held, Consumed)
            | (Cause::Release | Cause::Expire, Held, Available)
            | (Cause::Grant | Cause::Referral, Promotional, Available)
            | (Cause::Purchase, Purchased, Available)
            | (Cause::Refund, Available, Refunded)
            | (Cause::Adjust, Available, Adjusted)
            | (Cause::Adjust, Adjusted, Available)
    )
}

/// Checks one run's entries in their order (as its journal has them) and sums them up: each hold
/// is made once and resolved once, no step is charged twice. What is still open is in the tally.
///
/// # Errors
/// Everything that is wrong, at once.
pub fn trace(entries: &[Entry]) -> Result<Tally, Vec<Violation>> {
    let mut found = Vec::new();
    let mut tally = Tally::default();
    // Of each (step, attempt): what is left of its hold, and whether a release closed it.
    let mut holds: BTreeMap<(&str, u32), (u64, bool)> = BTreeMap::new();
    let mut charged = BTreeSet::new();
    for entry in entries {
        let step = entry.step.as_deref().unwrap_or_default();
        let mut wrong = |what| found.push(Violation::Hold { step: step.to_owned(), what });
        if !entry.cause.is_of_run() || !fits(entry) {
            wrong("an entry's accounts do not fit its cause");
            continue;
        }
        let place = (step, entry.attempt.unwrap_or_default());
        if entry.cause == Cause::Hold {
            if holds.insert(place, (entry.credits, false)).is_some() {
                wrong("held twice for one attempt");
            }
            tally.held = tally.held.saturating_add(entry.credits);
            continue;
        }
        let Some((left, closed)) = holds.get_mut(&place) else {
            wrong("resolved without a hold");
            continue;
        };
        match left.checked_sub(entry.credits) {
            Some(rest) if !*closed => *left = rest,
            _ => wrong("more came out of a hold than went in"),
        }
        if entry.cause == Cause::Capture {
            if !charged.insert(step) {
                wrong("charged twice");
            }
            tally.captured = tally.captured.saturating_add(entry.credits);
        } else {
            *closed = true;
            if *left > 0 {
                wrong("a release left something held");
            }
            tally.released = tally.released.saturating_add(entry.credits);
        }
    }
    if found.is_empty() { Ok(tally) } else { Err(found) }
}
