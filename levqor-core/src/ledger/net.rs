//! [`Net`] and [`Tally`]: what entries come to, as counter movements and as a run's own sums.
//!
//! The hot path: a run's transition keeps a [`Tally`] in its header and nets its movements into at
//! most two counter additions, without building an [`Entry`] for each.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::{AVAILABLE, Account, CREDITS_MAX, Entry, HELD, LedgerError};
use crate::store::{Add, Counter, Scope};

/// What a commit moves, in all.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Net {
    /// Change of the organization's available credits.
    pub available: i64,
    /// Change of its held credits.
    pub held: i64,
    /// Whether credits come in from outside; then the balance's upper bound is checked. What comes
    /// back from a hold is never refused.
    pub inflow: bool,
}

impl Net {
    /// What these entries move, in all.
    ///
    /// # Errors
    /// [`LedgerError::Amount`] or [`LedgerError::Overflow`] when a sum leaves its range.
    pub fn of(entries: &[Entry]) -> Result<Self, LedgerError> {
        let mut net = Self::default();
        for entry in entries {
            net.take(entry.from, entry.credits)?;
            net.put(entry.to, entry.credits)?;
            net.inflow |= entry.to == Account::Available && entry.from != Account::Held;
        }
        Ok(net)
    }

    /// The same with `other` on top.
    ///
    /// # Errors
    /// [`LedgerError::Overflow`] when a sum leaves its range.
    pub fn plus(self, other: Self) -> Result<Self, LedgerError> {
        Ok(Self {
            available: checked(self.available.checked_add(other.available))?,
            held: checked(self.held.checked_add(other.held))?,
            inflow: self.inflow || other.inflow,
        })
    }

    /// The counter additions: none for a counter that does not move. A decrease is refused by the
    /// commit below 0, an inflow above [`CREDITS_MAX`].
    #[must_use]
    pub fn adds(self, scope: &Scope) -> Vec<Add> {
        let most = if self.inflow { CREDITS_MAX.cast_signed() } else { i64::MAX };
        [(AVAILABLE, self.available, most), (HELD, self.held, i64::MAX)]
            .into_iter()
            .filter(|(_, delta, _)| *delta != 0)
            .map(|(slot, delta, max)| Add {
                counter: Counter { scope: Arc::clone(scope), slot: slot.into() },
                delta,
                min: 0,
                max,
            })
            .collect()
    }

    fn take(&mut self, account: Account, credits: u64) -> Result<(), LedgerError> {
        let amount = amount(credits)?;
        self.slot(account, |sum| sum.checked_sub(amount))
    }

    fn put(&mut self, account: Account, credits: u64) -> Result<(), LedgerError> {
        let amount = amount(credits)?;
        self.slot(account, |sum| sum.checked_add(amount))
    }

    fn slot(
        &mut self,
        account: Account,
        change: impl Fn(i64) -> Option<i64>,
    ) -> Result<(), LedgerError> {
        match account {
            Account::Available => self.available = checked(change(self.available))?,
            Account::Held => self.held = checked(change(self.held))?,
            _ => {}
        }
        Ok(())
    }
}

/// The counter additions that these entries of one organization come to.
///
/// # Errors
/// [`LedgerError::Amount`] or [`LedgerError::Overflow`] when a sum leaves its range.
pub fn adds(entries: &[Entry], organization: &str) -> Result<Vec<Add>, LedgerError> {
    Ok(Net::of(entries)?.adds(&organization.into()))
}

/// A run's own sums, kept in its header: `held == captured + released + open` always.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Tally {
    /// Everything that was ever held.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub held: u64,
    /// Everything that was charged.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub captured: u64,
    /// Everything that was given back.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub released: u64,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "the shape serde asks for")]
fn is_zero(number: &u64) -> bool {
    *number == 0
}

impl Tally {
    /// Credits in open holds.
    #[must_use]
    pub fn open(&self) -> u64 {
        self.held.saturating_sub(self.captured).saturating_sub(self.released)
    }

    /// Sets `credits` aside before an attempt.
    ///
    /// # Errors
    /// [`LedgerError::Amount`] or [`LedgerError::Overflow`] when a sum leaves its range.
    pub fn hold(&mut self, credits: u64) -> Result<Net, LedgerError> {
        let moved = amount(credits)?;
        self.held = sum(self.held, credits)?;
        Ok(Net { available: -moved, held: moved, inflow: false })
    }

    /// Resolves a hold of `held` credits: charges `credits` of it, gives the rest back.
    ///
    /// # Errors
    /// [`LedgerError::OverHold`] when more is charged than the hold, or the run's open holds, have.
    pub fn capture(&mut self, held: u64, credits: u64) -> Result<Net, LedgerError> {
        let over = LedgerError::OverHold { held: held.min(self.open()), asked: credits.max(held) };
        let rest = held.checked_sub(credits).ok_or_else(|| over.clone())?;
        if held > self.open() {
            return Err(over);
        }
        self.captured = sum(self.captured, credits)?;
        self.released = sum(self.released, rest)?;
        Ok(Net { available: amount(rest)?, held: -amount(held)?, inflow: false })
    }

    /// Resolves a hold of `held` credits by giving all of it back.
    ///
    /// # Errors
    /// [`LedgerError::OverHold`] when the run's open holds have less.
    pub fn release(&mut self, held: u64) -> Result<Net, LedgerError> {
        self.capture(held, 0)
    }
}

fn sum(left: u64, right: u64) -> Result<u64, LedgerError> {
    left.checked_add(right).ok_or(LedgerError::Overflow)
}

/// An amount as a counter's movement.
fn amount(credits: u64) -> Result<i64, LedgerError> {
    if credits > CREDITS_MAX {
        return Err(LedgerError::Amount { credits });
    }
    Ok(credits.cast_signed())
}

fn checked(value: Option<i64>) -> Result<i64, LedgerError> {
    value.ok_or(LedgerError::Overflow)
}
