//! [`due`]: which times fire now.

use serde::{Deserialize, Serialize};

use super::{CATCH_UP_MAX, CatchUp, LATE_MS_MAX, MISSED_COUNT_MAX, NEXT_MAX, Schedule};
use crate::time::Timestamp;

/// What of a schedule has been handled.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ScheduleState {
    /// Every due time up to and including this moment was fired or skipped. Only rises.
    pub through: Timestamp,
}

impl ScheduleState {
    /// A schedule that starts at `now`: times before it are not its business.
    #[must_use]
    pub fn starting(now: Timestamp) -> Self {
        Self { through: now }
    }
}

/// What to do now.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Firing {
    /// The due times to start runs for, in order; none lies after now.
    pub fire: Vec<Timestamp>,
    /// When to look again; `None` when nothing is due ever again.
    pub next: Option<Timestamp>,
    /// Times that were missed and are left out. Of a cron, at least this many when it is
    /// [`MISSED_COUNT_MAX`] or more.
    pub skipped: u64,
    /// The state to store with the runs, in the same commit.
    pub state: ScheduleState,
}

/// Which times of `schedule` fire at `now`, given what was handled. Pure; the same arguments give
/// the same answer, and after `state` is stored nothing of it fires again.
#[must_use]
pub fn due(schedule: &Schedule, state: &ScheduleState, now: Timestamp) -> Firing {
    let (newest, count) = newest_between(schedule, state.through, now);
    let Some(last) = newest.last().copied() else {
        return Firing {
            fire: Vec::new(),
            next: schedule.next_after(state.through),
            skipped: 0,
            state: *state,
        };
    };
    let fire = match schedule.catch_up() {
        CatchUp::None if now.since_ms(last) > LATE_MS_MAX => Vec::new(),
        CatchUp::None | CatchUp::Last => vec![last],
        CatchUp::All => newest,
    };
    Firing {
        skipped: count.saturating_sub(fire.len() as u64),
        fire,
        next: schedule.next_after(last),
        state: ScheduleState { through: last },
    }
}

/// The next `n` due times after `from`; at most [`NEXT_MAX`].
#[must_use]
pub fn next_n(schedule: &Schedule, from: Timestamp, n: usize) -> Vec<Timestamp> {
    std::iter::successors(schedule.next_after(from), |at| schedule.next_after(*at))
        .take(n.min(NEXT_MAX))
        .collect()
}

/// The newest due times after `after` and not after `until`, at most [`CATCH_UP_MAX`], in order,
/// and how many there are in all (a cron's are counted up to [`MISSED_COUNT_MAX`]).
fn newest_between(
    schedule: &Schedule,
    after: Timestamp,
    until: Timestamp,
) -> (Vec<Timestamp>, u64) {
    let (all, whole) = walk(schedule, after, until);
    if whole {
        let count = all.len() as u64;
        return (tail(all), count);
    }
    // Too many to walk through: look at the end only, in windows that double until they are full.
    let mut window_ms = 1_000;
    let mut newest = Vec::new();
    while newest.len() < CATCH_UP_MAX {
        let start = Timestamp(until.0.saturating_sub(window_ms)).max(after);
        let (found, whole) = walk(schedule, start, until);
        if !whole {
            break;
        }
        newest = found;
        if start == after {
            break;
        }
        window_ms = window_ms.saturating_mul(2);
    }
    let count = schedule.count_between(after, until).unwrap_or(MISSED_COUNT_MAX);
    (tail(newest), count)
}

/// Walks from `after` to `until`; whether it came to the end within [`MISSED_COUNT_MAX`] steps.
fn walk(schedule: &Schedule, after: Timestamp, until: Timestamp) -> (Vec<Timestamp>, bool) {
    let mut found = Vec::new();
    let mut at = after;
    while let Some(next) = schedule.next_after(at).filter(|next| *next <= until) {
        if found.len() as u64 >= MISSED_COUNT_MAX {
            return (found, false);
        }
        found.push(next);
        at = next;
    }
    (found, true)
}

fn tail(mut times: Vec<Timestamp>) -> Vec<Timestamp> {
    let surplus = times.len().saturating_sub(CATCH_UP_MAX);
    times.split_off(surplus)
}
