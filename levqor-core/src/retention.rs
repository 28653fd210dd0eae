//! Retention: how long ended runs are kept. On by default; data that an operator may replace.
//!
//! Pure: it says when a run may go and how many are too many. What it is not: it deletes nothing;
//! the engine does, in bounded batches, from [`crate::store::Table::Retention`].

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::run::RunStatus;
use crate::time::Timestamp;

const DAY_MS: u64 = 86_400_000;

/// How long, and how many, runs that ended in one way are kept. What comes first counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Keep {
    /// Days after their end; for ever where absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub days: Option<u32>,
    /// The newest so many of an organization; all where absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub count: Option<u64>,
}

/// How long ended runs are kept, by how they ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct RetentionPolicy {
    /// Runs that ended well.
    pub succeeded: Keep,
    /// Runs that failed.
    pub failed: Keep,
    /// Runs that a person ended.
    pub cancelled: Keep,
    /// Dead letters: a person has not looked at them yet.
    pub dead: Keep,
}

impl Default for RetentionPolicy {
    /// A month for what went well or was cancelled, a quarter for failures, half a year for dead
    /// letters; and never so many that lists and backups become slow.
    fn default() -> Self {
        let keep = |days, count| Keep { days: Some(days), count: Some(count) };
        Self {
            succeeded: keep(30, 1_000_000),
            failed: keep(90, 1_000_000),
            cancelled: keep(30, 100_000),
            dead: keep(180, 100_000),
        }
    }
}

impl RetentionPolicy {
    /// Keeps everything for ever.
    #[must_use]
    pub fn forever() -> Self {
        let keep = Keep { days: None, count: None };
        Self { succeeded: keep, failed: keep, cancelled: keep, dead: keep }
    }

    /// The same, but nothing longer than `days`: a billing plan's limit. Dead letters too.
    #[must_use]
    pub fn at_most(mut self, days: Option<u32>) -> Self {
        let Some(most) = days else { return self };
        for keep in [&mut self.succeeded, &mut self.failed, &mut self.cancelled, &mut self.dead] {
            keep.days = Some(keep.days.map_or(most, |days| days.min(most)));
        }
        self
    }

    /// What holds for runs that ended like this; `None` for a run that has not ended.
    #[must_use]
    pub fn of(&self, status: RunStatus) -> Option<Keep> {
        match status {
            RunStatus::Succeeded => Some(self.succeeded),
            RunStatus::Failed => Some(self.failed),
            RunStatus::Cancelled => Some(self.cancelled),
            RunStatus::Dead => Some(self.dead),
            RunStatus::Queued | RunStatus::Running | RunStatus::Waiting | RunStatus::Paused => None,
        }
    }

    /// How many of `kept` runs that ended like this are too many; the oldest go.
    #[must_use]
    pub fn surplus(&self, status: RunStatus, kept: u64) -> u64 {
        self.of(status).and_then(|keep| keep.count).map_or(0, |most| kept.saturating_sub(most))
    }
}

/// When a run that ended at `ended` may be deleted: `None` for one that has not ended, or that is
/// kept for ever. Of the policy's days, none is cut short: it is a whole number of 24 hours.
#[must_use]
pub fn expires_at(
    status: RunStatus,
    ended: Timestamp,
    policy: &RetentionPolicy,
) -> Option<Timestamp> {
    let days = policy.of(status)?.days?;
    Some(ended.plus_ms(u64::from(days) * DAY_MS))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ended_runs_expire_and_others_never() {
        let policy = RetentionPolicy::default();
        let ended = Timestamp(1_000);
        let table = [
            (RunStatus::Succeeded, Some(30)),
            (RunStatus::Failed, Some(90)),
            (RunStatus::Cancelled, Some(30)),
            (RunStatus::Dead, Some(180)),
            (RunStatus::Queued, None),
            (RunStatus::Running, None),
            (RunStatus::Waiting, None),
            (RunStatus::Paused, None),
        ];
        for (status, days) in table {
            let expected = days.map(|days: u64| ended.plus_ms(days * DAY_MS));
            assert_eq!(expires_at(status, ended, &policy), expected, "{status:?}");
            assert_eq!(expires_at(status, ended, &RetentionPolicy::forever()), None);
        }
    }

    #[test]
    fn a_plan_shortens_and_never_lengthens() {
        let days =
            |p: RetentionPolicy| [p.succeeded, p.failed, p.cancelled, p.dead].map(|k| k.days);
        let policy = RetentionPolicy::default();
        assert_eq!(days(policy.at_most(Some(60))), [Some(30), Some(60), Some(30), Some(60)]);
        assert_eq!(days(RetentionPolicy::forever().at_most(Some(7))), [Some(7); 4]);
        assert_eq!(policy.at_most(None), policy);
    }

    #[test]
    fn a_count_says_how_many_go() {
        let mut policy = RetentionPolicy::forever();
        assert_eq!(policy.surplus(RunStatus::Failed, u64::MAX), 0);
        policy.failed.count = Some(10);
        let surplus = |kept| policy.surplus(RunStatus::Failed, kept);
        assert_eq!([surplus(9), surplus(10), surplus(13)], [0, 0, 3]);
        assert_eq!(policy.surplus(RunStatus::Running, 99), 0);
    }

    #[test]
    fn operators_name_what_they_change() {
        let some: RetentionPolicy = serde_json::from_str(r#"{ "dead": { "days": 365 } }"#).unwrap();
        assert_eq!(some.dead, Keep { days: Some(365), count: None });
        assert_eq!(some.failed, RetentionPolicy::default().failed);
        assert!(serde_json::from_str::<RetentionPolicy>(r#"{ "died": {} }"#).is_err());
    }
}
