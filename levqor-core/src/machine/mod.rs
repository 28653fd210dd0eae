//! The machine: pure decisions. What is the next event of this run, given the time and whether
//! credits may be held; what does an outcome or a signal mean.
//!
//! It performs nothing and reads no clock: effects are the engine's, in
//! [`crate::connector::Connector::run_task`] and [`crate::store::Store::commit`]. The loop is
//!
//! ```text
//!  while let Some(event) = machine::next(&state, &moment) { state.apply(&event)?; events.push(event) }
//! ```

mod begin;
mod composite;
mod next;
mod settle;

pub(crate) use next::cancel_first;
pub use next::next;
pub(crate) use settle::{interrupted, settle, signal_approval, signal_event};

use crate::time::Timestamp;

/// What a decision may depend on besides the state.
#[derive(Clone, Copy, Debug)]
pub struct Moment {
    /// The time, by the engine's clock.
    pub now: Timestamp,
    /// Random bits for jitter.
    pub random: u64,
    /// Whether the organization's balance allowed the last hold. When it did not, the run pauses
    /// where it would hold.
    pub may_hold: bool,
}

impl Moment {
    /// A moment at which credits may be held.
    #[must_use]
    pub fn at(now: Timestamp) -> Self {
        Self { now, random: 0, may_hold: true }
    }
}
