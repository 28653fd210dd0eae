//! [`Entry`]: one amount, moved once, for one reason; and the constructors of every legal one.

use std::fmt;
use std::str::FromStr;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{CREDITS_MAX, LedgerError, Pack};
use crate::ids::{ContentHash, InvalidId, RunId};
use crate::time::Timestamp;

/// Where credits can be. The organization is the one whose ledger the entry stands in.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema,
)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Account {
    /// What the organization can spend. A stored counter.
    Available,
    /// What its open holds have set aside. A stored counter.
    Held,
    /// Spent on steps.
    Consumed,
    /// Bought; the source of packs.
    Purchased,
    /// Given: monthly grants, welcome credits, referrals.
    Promotional,
    /// Taken back because money was paid back.
    Refunded,
    /// Corrected by an operator, in either direction.
    Adjusted,
}

impl Account {
    /// Every account, in the order of reports.
    pub const ALL: [Self; 7] = [
        Self::Available,
        Self::Held,
        Self::Consumed,
        Self::Purchased,
        Self::Promotional,
        Self::Refunded,
        Self::Adjusted,
    ];

    /// The word used in JSON and as a metric's label.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Available => "available",
            Self::Held => "held",
            Self::Consumed => "consumed",
            Self::Purchased => "purchased",
            Self::Promotional => "promotional",
            Self::Refunded => "refunded",
            Self::Adjusted => "adjusted",
        }
    }
}

/// Why an entry was made. Append-only.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema,
)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Cause {
    /// A step is about to be called.
    Hold,
    /// The step succeeded.
    Capture,
    /// The step did not succeed, or cost less than was held.
    Release,
    /// Nobody resolved the hold in time.
    Expire,
    /// Given by the plan or by an operator.
    Grant,
    /// A pack was paid for.
    Purchase,
    /// A payment was paid back.
    Refund,
    /// A referral was rewarded.
    Referral,
    /// An operator's correction.
    Adjust,
}

impl Cause {
    /// The word used in JSON.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Hold => "hold",
            Self::Capture => "capture",
            Self::Release => "release",
            Self::Expire => "expire",
            Self::Grant => "grant",
            Self::Purchase => "purchase",
            Self::Refund => "refund",
            Self::Referral => "referral",
            Self::Adjust => "adjust",
        }
    }

    /// Whether such entries are made by runs, inside their own commits.
    #[must_use]
    pub fn is_of_run(self) -> bool {
        matches!(self, Self::Hold | Self::Capture | Self::Release | Self::Expire)
    }
}

/// An entry's id: 128 bits of the hash of its cause, as 32 hexadecimal digits.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct EntryId(u128);

impl EntryId {
    /// The id of the entry that `cause` makes for these parts. Parts are separated by NUL, which
    /// no id and no payment reference holds.
    #[must_use]
    pub fn derive(cause: Cause, parts: &[&str]) -> Self {
        let mut text = String::with_capacity(96);
        text.push_str("levqor/entry/1\0");
        text.push_str(cause.as_str());
        for part in parts {
            text.push('\0');
            text.push_str(part);
        }
        let hash = ContentHash::of(text.as_bytes());
        let mut head = [0_u8; 16];
        head.copy_from_slice(&hash.0[..16]);
        Self(u128::from_be_bytes(head))
    }
}

impl fmt::Display for EntryId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:032x}", self.0)
    }
}

impl fmt::Debug for EntryId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl FromStr for EntryId {
    type Err = InvalidId;
    fn from_str(text: &str) -> Result<Self, InvalidId> {
        let digits = text.len() == 32 && text.bytes().all(|b| b.is_ascii_hexdigit());
        if !digits {
            return Err(InvalidId);
        }
        u128::from_str_radix(text, 16).map(Self).map_err(|_| InvalidId)
    }
}

impl Serialize for EntryId {
    fn serialize<S: serde::Serializer>(&self, s: S) -> Result<S::Ok, S::Error> {
        s.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for EntryId {
    fn deserialize<D: serde::Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
        let text = std::borrow::Cow::<'de, str>::deserialize(d)?;
        text.parse().map_err(serde::de::Error::custom)
    }
}

/// One amount, moved once from one account to another. Immutable once stored.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Entry {
    /// Derived from the cause: the same thing twice has the same id.
    pub id: EntryId,
    /// Where the credits come from.
    pub from: Account,
    /// Where they go.
    pub to: Account,
    /// How many.
    pub credits: u64,
    /// Why.
    pub cause: Cause,
    /// The run, for entries of runs.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub run: Option<RunId>,
    /// The step with its iterations, `notify[3].dm`, for entries of runs.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub step: Option<String>,
    /// The attempt whose hold it is about, for entries of runs.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub attempt: Option<u32>,
    /// What it refers to outside: a payment, a referral, a period, an operator's note.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reference: Option<String>,
    /// When.
    pub at: Timestamp,
}

/// Sets `credits` aside for one attempt of a step: available → held. `step` carries its
/// iterations. 0 credits is fine and moves nothing.
///
/// # Errors
/// [`LedgerError::Amount`] over [`CREDITS_MAX`].
pub fn hold(
    run: RunId,
    step: &str,
    attempt: u32,
    credits: u64,
    at: Timestamp,
) -> Result<Entry, LedgerError> {
    if credits > CREDITS_MAX {
        return Err(LedgerError::Amount { credits });
    }
    let id = EntryId::derive(Cause::Hold, &[&run.to_string(), step, &attempt.to_string()]);
    Ok(Entry {
        id,
        from: Account::Available,
        to: Account::Held,
        credits,
        cause: Cause::Hold,
        run: Some(run),
        step: Some(step.to_owned()),
        attempt: Some(attempt),
        reference: None,
        at,
    })
}

/// Charges `credits` of a hold (held → consumed) and gives the rest back. The charge's id is
/// derived from run and step without the attempt: a step is charged at most once, ever.
///
/// # Errors
/// [`LedgerError::OverHold`] when more is charged than is held; [`LedgerError::NotPostable`] when
/// `hold` is no hold.
pub fn capture(hold: &Entry, credits: u64, at: Timestamp) -> Result<Vec<Entry>, LedgerError> {
    let (run, step, attempt) = of_hold(hold)?;
    let rest = hold
        .credits
        .checked_sub(credits)
        .ok_or(LedgerError::OverHold { held: hold.credits, asked: credits })?;
    let mut made = vec![Entry {
        id: EntryId::derive(Cause::Capture, &[&run, step]),
        from: Account::Held,
        to: Account::Consumed,
        credits,
        cause: Cause::Capture,
        at,
        ..hold.clone()
    }];
    if rest > 0 {
        made.push(back(hold, &run, step, attempt, Cause::Release, rest, at));
    }
    Ok(made)
}

/// Gives a whole hold back: held → available.
///
/// # Errors
/// [`LedgerError::NotPostable`] when `hold` is no hold.
pub fn release(hold: &Entry, at: Timestamp) -> Result<Entry, LedgerError> {
    let (run, step, attempt) = of_hold(hold)?;
    Ok(back(hold, &run, step, attempt, Cause::Release, hold.credits, at))
}

/// Gives a hold back that nobody resolved in time: held → available.
///
/// # Errors
/// [`LedgerError::NotPostable`] when `hold` is no hold.
pub fn expire(hold: &Entry, at: Timestamp) -> Result<Entry, LedgerError> {
    let (run, step, attempt) = of_hold(hold)?;
    Ok(back(hold, &run, step, attempt, Cause::Expire, hold.credits, at))
}

/// Gives credits: promotional → available. `reference` names what for (`plan/pro/2026-11`,
/// `welcome`) and makes it happen once.
///
/// # Errors
/// [`LedgerError::Amount`] for 0 or over [`CREDITS_MAX`].
pub fn grant(reference: &str, credits: u64, at: Timestamp) -> Result<Entry, LedgerError> {
    outside(Cause::Grant, Account::Promotional, Account::Available, reference, credits, at)
}

/// Books a pack that was paid for: purchased → available. `payment` is the payment's id at the
/// payment provider; the same payment books once.
///
/// # Errors
/// [`LedgerError::Amount`] for a pack of 0 credits or over [`CREDITS_MAX`].
pub fn purchase(pack: &Pack, payment: &str, at: Timestamp) -> Result<Entry, LedgerError> {
    outside(Cause::Purchase, Account::Purchased, Account::Available, payment, pack.credits, at)
}

/// Takes credits back because `payment` was paid back: available → refunded. Refused by the
/// commit when they were spent already.
///
/// # Errors
/// [`LedgerError::Amount`] for 0 or over [`CREDITS_MAX`].
pub fn refund(payment: &str, credits: u64, at: Timestamp) -> Result<Entry, LedgerError> {
    outside(Cause::Refund, Account::Available, Account::Refunded, payment, credits, at)
}

/// Rewards a referral: promotional → available. `referee` makes it happen once per referee.
///
/// # Errors
/// [`LedgerError::Amount`] for 0 or over [`CREDITS_MAX`].
pub fn referral(referee: &str, credits: u64, at: Timestamp) -> Result<Entry, LedgerError> {
    outside(Cause::Referral, Account::Promotional, Account::Available, referee, credits, at)
}

/// An operator's correction by `delta` credits. `reference` says why and makes it happen once.
///
/// # Errors
/// [`LedgerError::Amount`] for 0 or over [`CREDITS_MAX`] in either direction.
pub fn adjust(reference: &str, delta: i64, at: Timestamp) -> Result<Entry, LedgerError> {
    let (from, to) = if delta < 0 {
        (Account::Available, Account::Adjusted)
    } else {
        (Account::Adjusted, Account::Available)
    };
    outside(Cause::Adjust, from, to, reference, delta.unsigned_abs(), at)
}

fn outside(
    cause: Cause,
    from: Account,
    to: Account,
    reference: &str,
    credits: u64,
    at: Timestamp,
) -> Result<Entry, LedgerError> {
    if credits == 0 || credits > CREDITS_MAX {
        return Err(LedgerError::Amount { credits });
    }
    Ok(Entry {
        id: EntryId::derive(cause, &[reference]),
        from,
        to,
        credits,
        cause,
        run: None,
        step: None,
        attempt: None,
        reference: Some(reference.to_owned()),
        at,
    })
}

fn of_hold(hold: &Entry) -> Result<(String, &str, u32), LedgerError> {
    match (hold.cause, hold.run, &hold.step, hold.attempt) {
        (Cause::Hold, Some(run), Some(step), Some(attempt)) => Ok((run.to_string(), step, attempt)),
        _ => Err(LedgerError::NotPostable),
    }
}

fn back(
    hold: &Entry,
    run: &str,
    step: &str,
    attempt: u32,
    cause: Cause,
    credits: u64,
    at: Timestamp,
) -> Entry {
    Entry {
        id: EntryId::derive(cause, &[run, step, &attempt.to_string()]),
        from: Account::Held,
        to: Account::Available,
        credits,
        cause,
        at,
        ..hold.clone()
    }
}
