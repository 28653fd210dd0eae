//! [`OrganizationRecord`]: an organization's plan, zone and settings, in [`Table::Organization`].

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::{Plan, Plans};
use crate::error::{ErrorKind, RunError};
use crate::ids::Organization;
use crate::ledger::{self, Entry, LedgerError};
use crate::schedule::Zone;
use crate::store::{Key, Table, Value};
use crate::time::Timestamp;

/// Version of the stored form. A reader refuses what is newer.
const FORMAT: u32 = 1;

const DAY_MS: u64 = 86_400_000;
/// Days of a month where it is counted from a plan's beginning.
const MONTH_DAYS: u64 = 30;

/// One organization.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct OrganizationRecord {
    /// Version of this form: 1.
    pub format: u32,
    /// Id of its billing plan.
    pub plan: String,
    /// Since when it is on that plan.
    pub plan_since: Timestamp,
    /// Its time zone: days of quotas begin at its midnight.
    #[serde(default)]
    pub zone: Zone,
    /// Why nothing may run, where an operator stopped it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub suspended: Option<String>,
    /// What hosts keep with it; the engine does not look.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub settings: BTreeMap<String, serde_json::Value>,
}

/// Why a record cannot be read.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("an organization's record cannot be read: {0}")]
pub struct RecordError(pub String);

impl OrganizationRecord {
    /// An organization that begins on `plan` now, in UTC.
    #[must_use]
    pub fn new(plan: &str, now: Timestamp) -> Self {
        Self {
            format: FORMAT,
            plan: plan.to_owned(),
            plan_since: now,
            zone: Zone::utc(),
            suspended: None,
            settings: BTreeMap::new(),
        }
    }

    /// The plan in force now, with its id: the organization's own, what follows it when its days
    /// are over, or the default where it is unknown.
    #[must_use]
    pub fn plan_now<'a>(&self, plans: &'a Plans, now: Timestamp) -> Option<(&'a str, &'a Plan)> {
        let (id, plan) = plans.get(&self.plan)?;
        match (&plan.then, self.plan_ends(plan)) {
            (Some(then), Some(end)) if now >= end => plans.get(then),
            _ => Some((id, plan)),
        }
    }

    /// When the plan ends by itself, where it does.
    #[must_use]
    pub fn plan_ends(&self, plan: &Plan) -> Option<Timestamp> {
        plan.days.map(|days| self.plan_since.plus_ms(u64::from(days) * DAY_MS))
    }

    /// Whether it may start runs at all.
    ///
    /// # Errors
    /// `quota.suspended`, with the operator's reason.
    pub fn check_active(&self) -> Result<(), RunError> {
        match &self.suspended {
            None => Ok(()),
            Some(reason) => Err(RunError::new(
                ErrorKind::PolicyDenied,
                "quota.suspended",
                format!("the organization is suspended: {reason}"),
            )),
        }
    }

    /// The plan's credits of this month, for [`ledger::post`]: once a plan and local month, or once
    /// in 30 days of a plan that ends by itself. `None` where the plan gives none.
    ///
    /// # Errors
    /// [`LedgerError::Amount`] for a plan that [`Plans::check`] refuses.
    pub fn monthly_grant(
        &self,
        plans: &Plans,
        now: Timestamp,
    ) -> Result<Option<Entry>, LedgerError> {
        let Some((reference, credits)) = self.monthly_credits(plans, now) else { return Ok(None) };
        ledger::grant(&reference, credits, now).map(Some)
    }

    /// The same without the entry's id: its reference, and how many.
    pub(crate) fn monthly_credits(&self, plans: &Plans, now: Timestamp) -> Option<(String, u64)> {
        let (id, plan) = self.plan_now(plans, now)?;
        let gives = plan.monthly_credits > 0;
        gives.then(|| (format!("plan/{id}/{}", self.month(plan, now)), plan.monthly_credits))
    }

    /// What the month's credits are known by. A trial over the end of a month is one month, in
    /// whichever zone: it is named by the month in which it began.
    fn month(&self, plan: &Plan, now: Timestamp) -> String {
        let month = |day: String| day.get(..7).unwrap_or(&day).to_owned();
        if plan.days.is_none() {
            return month(self.zone.day(now));
        }
        let passed = now.since_ms(self.plan_since) / (MONTH_DAYS * DAY_MS);
        let utc = Zone::utc();
        match passed {
            0 => month(utc.day(self.plan_since)),
            _ => utc.day(self.plan_since.plus_ms(passed * MONTH_DAYS * DAY_MS)),
        }
    }

    /// The record's key.
    #[must_use]
    pub fn key(organization: &Organization) -> Key {
        Key::of(Table::Organization).text(organization.as_str())
    }

    /// Its value.
    ///
    /// # Errors
    /// [`RecordError`] when it cannot be written as JSON.
    pub fn to_value(&self) -> Result<Value, RecordError> {
        serde_json::to_vec(self).map(Value::from).map_err(|e| RecordError(e.to_string()))
    }

    /// Reads a value.
    ///
    /// # Errors
    /// [`RecordError`] when it is damaged or of a newer version.
    pub fn from_value(value: &[u8]) -> Result<Self, RecordError> {
        let record: Self = serde_json::from_slice(value).map_err(|e| RecordError(e.to_string()))?;
        if record.format != FORMAT {
            return Err(RecordError(format!("version {}", record.format)));
        }
        Ok(record)
    }
}
