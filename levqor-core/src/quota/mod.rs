//! Quotas: what a billing plan allows, as data and as bounded counters.
//!
//! A limit that counts (runs a day) is a counter addition inside the commit that starts the run, so
//! that however many start at once, exactly the quota is admitted. A limit of size (steps, payload,
//! connectors) is a check. How many run at once refuses nobody: the rest waits in the engine's queue.
//! What it is not: it takes no money and moves no credits ([`crate::ledger`]); the plan's monthly
//! credits are an entry it hands over.

mod admit;
mod plan;
mod record;
#[cfg(test)]
mod tests;

pub use admit::{Refused, admit, counts, counts_past, day_slot, past_days, refusal};
pub use plan::{Connectors, Plan, Plans, PlansError};
pub use record::{OrganizationRecord, RecordError};

/// Days of run counts that are kept and summed up for usage reports.
pub const USAGE_DAYS: usize = 30;
