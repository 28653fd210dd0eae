//! [`Entry`]: one amount, moved once, for one reason.

use std::fmt;
use std::str::FromStr;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

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
