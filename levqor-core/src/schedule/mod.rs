//! Schedules: when a pipeline is due, as a pure function of the schedule, what was handled, and now.
//!
//! ```text
//!  document's `with` ──Schedule::parse──▶ Schedule ─┐
//!  stored ScheduleState ────────────────────────────┼─ due ─▶ Firing { fire, next, skipped }
//!  now (the engine's clock) ────────────────────────┘
//! ```
//!
//! A due time is handled once: [`ScheduleState::through`] is a watermark that only rises, so a
//! clock that goes back fires nothing twice, and nothing fires before it is due. What it is not:
//! it starts no run and holds no timer; the engine does, with a [`ScheduleRecord`] in its commit.

mod due;
mod every;
mod record;
mod spec;
#[cfg(test)]
mod tests;
mod zone;

pub use due::{Firing, ScheduleState, due, next_n};
pub use record::{RecordError, ScheduleRecord};
pub use spec::{CatchUp, Overlap, Schedule, ScheduleError, ScheduleSpec};
pub use zone::Zone;

/// Most missed times that `catch_up: all` makes up for, the newest: past that a pipeline that was
/// down for a week would start more runs than anybody wants.
pub const CATCH_UP_MAX: usize = 100;
/// How late a time may be and still not count as missed under `catch_up: none`. Longer than a
/// restart takes, shorter than the shortest cron of minutes.
pub const LATE_MS_MAX: u64 = 60_000;
/// Missed times of a cron that are counted one by one; past it, the count says "at least".
pub const MISSED_COUNT_MAX: u64 = 1_000;
/// Shortest `every`: a second, as the finest cron.
pub const EVERY_MS_MIN: u64 = 1_000;
/// Longest `every`: a year; longer ones are dates, for which cron is.
pub const EVERY_MS_MAX: u64 = 366 * 24 * 3_600_000;
/// Longest cron text: lists in all six fields fit.
pub const CRON_BYTES_MAX: usize = 256;
/// Most coming times that are listed at once.
pub const NEXT_MAX: usize = 100;
