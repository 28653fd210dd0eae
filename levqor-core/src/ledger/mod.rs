//! Credits: a double-entry ledger in integers.
//!
//! An [`Entry`] moves one amount between two accounts, has a cause, and an id derived from that
//! cause, so a replay is a no-op. Before a step its price is **held**; on success **captured** in
//! the step's own commit (the rest goes back); otherwise **released**.
//!
//! ```text
//!  purchased ─┐                 ┌── hold ──▶ held(org) ── capture ──▶ consumed
//!  promotional┼─▶ available(org)┤                │
//!  adjusted ──┘        ▲        └── refund ──▶ refunded
//!                      └──────── release, expire ┘
//! ```
//!
//! Only `available` and `held` are stored, as bounded counters of the organization; the others are
//! sums over entries, so that no record is written by every run. What it is not: it takes no
//! payments and knows no plans ([`crate::quota`]); a host turns a payment into one [`purchase`].

mod account;
mod books;
mod entry;
mod error;
mod make;
mod net;
mod packs;
mod settlement;
#[cfg(test)]
mod store_tests;
#[cfg(test)]
mod tests;

pub use account::{Balance, Cursor, Page, Posted, audit, balance, list, post, posting_batch};
pub use books::{Books, LiveRun, Report, Violation, trace};
pub use entry::{Account, Cause, Entry, EntryId};
pub use error::{LedgerError, insufficient};
pub use make::{adjust, capture, expire, grant, hold, purchase, referral, refund, release};
pub use net::{Net, Tally, adds};
pub use packs::{Pack, Packs, PacksError};
pub use settlement::{ActionTotal, Posting, Settlement, key_of_settlement};

/// Slot of the counter that holds what an organization can spend.
pub const AVAILABLE: &str = "available";
/// Slot of the counter that holds what its open holds have set aside.
pub const HELD: &str = "held";

/// Most credits one entry may move, and an organization may own: 2^53 − 1, so that every amount
/// is exact in a JSON reader that knows doubles only.
pub const CREDITS_MAX: u64 = (1 << 53) - 1;
