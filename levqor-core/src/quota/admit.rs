//! Admission: the counter addition that a run's start comes to, and what a refused one means.

use std::sync::Arc;

use super::plan::exceeded;
use super::{Plan, USAGE_DAYS};
use crate::error::RunError;
use crate::ids::Organization;
use crate::schedule::Zone;
use crate::store::{Add, Counter};
use crate::time::Timestamp;

/// First part of the slots that count runs a day.
const DAY: &str = "runs/";

/// Slot of the counter of runs admitted on a local day: `runs/2026-11-23`.
#[must_use]
pub fn day_slot(now: Timestamp, zone: &Zone) -> Arc<str> {
    format!("{DAY}{}", zone.day(now)).into()
}

/// The additions for the commit that admits a run: one more on its day, within the plan. Counted
/// also where the plan has no limit, for usage reports.
#[must_use]
pub fn admit(plan: &Plan, organization: &Organization, now: Timestamp, zone: &Zone) -> Vec<Add> {
    let max = plan.runs_per_day.map_or(i64::MAX, i64::from);
    vec![add(organization, day_slot(now, zone), 1, max)]
}

fn add(organization: &Organization, slot: Arc<str>, delta: i64, max: i64) -> Add {
    Add { counter: Counter::new(organization.as_str(), slot), delta, min: 0, max }
}

/// A quota's refusal.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refused {
    /// Kind `quota_exceeded`, code `quota.runs_per_day`.
    pub error: RunError,
    /// When it is worth trying again, where that is known: the `Retry-After` of an answer.
    pub resets_at: Option<Timestamp>,
}

/// What a commit's [`crate::store::CommitError::Bound`] means, when its counter is a quota's;
/// `None` for other counters (credits are the ledger's).
#[must_use]
pub fn refusal(plan: &Plan, counter: &Counter, now: Timestamp, zone: &Zone) -> Option<Refused> {
    if counter.slot.starts_with(DAY) {
        let resets_at = zone.next_day(now);
        let allowed = match plan.runs_per_day.unwrap_or_default() {
            1 => "1 run".to_owned(),
            n => format!("{n} runs"),
        };
        let again = resets_at.map_or_else(|| "tomorrow".to_owned(), |at| zone.text(at));
        let message = format!(
            "the plan {} allows {allowed} a day; the next is possible at {again}",
            plan.title
        );
        return Some(Refused { error: exceeded("runs_per_day", message), resets_at });
    }
    None
}

/// The counters of the last `days` local days, today first, at most [`USAGE_DAYS`]: their sums
/// are the runs of today, of 7 and of 30 days.
#[must_use]
pub fn counts(
    organization: &Organization,
    now: Timestamp,
    zone: &Zone,
    days: usize,
) -> Vec<Counter> {
    let scope: Arc<str> = organization.as_str().into();
    past_days(now, zone, days)
        .into_iter()
        .map(|day| Counter { scope: Arc::clone(&scope), slot: format!("{DAY}{day}").into() })
        .collect()
}

/// The counters of days that [`counts`] does not reach any more, two months of them: nobody looks at
/// them, and an organization's counters are one record that is written whole.
#[must_use]
pub fn counts_past(organization: &Organization, now: Timestamp, zone: &Zone) -> Vec<Counter> {
    let days = days_back(now, zone).skip(USAGE_DAYS).take(2 * USAGE_DAYS);
    days.map(|day| Counter::new(organization.as_str(), format!("{DAY}{day}"))).collect()
}

/// The last `days` local days by the calendar, today first, at most [`USAGE_DAYS`].
#[must_use]
pub fn past_days(now: Timestamp, zone: &Zone, days: usize) -> Vec<String> {
    days_back(now, zone).take(days.min(USAGE_DAYS)).map(|day| day.to_string()).collect()
}

/// Local days, today first.
fn days_back(now: Timestamp, zone: &Zone) -> impl Iterator<Item = jiff::civil::Date> {
    let today = zone.at(now).map(|at| at.date());
    std::iter::successors(today, |day| day.yesterday().ok())
}
