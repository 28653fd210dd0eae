//! [`Plan`] and [`Plans`]: billing plans as data that an operator may replace.

use std::collections::BTreeSet;

use indexmap::IndexMap;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::error::{ErrorKind, RunError};
use crate::ids::check_id;
use crate::limits;

/// Which connectors a plan may call.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Connectors {
    /// Every one the operator has.
    #[default]
    All,
    /// Only these.
    Only(BTreeSet<String>),
}

/// What one billing plan allows. An absent limit is none but the engine's own.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Plan {
    /// What people call it.
    pub title: String,
    /// Runs a local day of the organization.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub runs_per_day: Option<u32>,
    /// Runs under way at once; more wait in the queue.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub concurrent_runs: Option<u32>,
    /// Step executions of one run, loops included.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub steps_per_run: Option<u64>,
    /// Bytes of a run's input.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub payload_bytes: Option<u64>,
    /// Connectors it may call.
    #[serde(default)]
    pub connectors: Connectors,
    /// Days that ended runs are kept.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub retention_days: Option<u32>,
    /// Credits given each month; of a plan that ends, each 30 days from its beginning.
    #[serde(default)]
    pub monthly_credits: u64,
    /// Days until it ends; the organization is on [`Plan::then`] from that moment on.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub days: Option<u32>,
    /// The plan that follows when `days` are over.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub then: Option<String>,
}

impl Plan {
    /// A plan without limits, for embedders who bill nobody.
    #[must_use]
    pub fn unlimited(title: &str) -> Self {
        Self {
            title: title.to_owned(),
            runs_per_day: None,
            concurrent_runs: None,
            steps_per_run: None,
            payload_bytes: None,
            connectors: Connectors::All,
            retention_days: None,
            monthly_credits: 0,
            days: None,
            then: None,
        }
    }

    /// Step executions one of its runs may have: the plan's limit or the engine's, the smaller.
    #[must_use]
    pub fn steps_max(&self) -> u64 {
        self.steps_per_run.unwrap_or(limits::RUN_STEPS_MAX).min(limits::RUN_STEPS_MAX)
    }

    /// Bytes of input one of its runs may have: the plan's limit or the engine's, the smaller.
    #[must_use]
    pub fn payload_bytes_max(&self) -> u64 {
        let engine = limits::INPUT_BYTES_MAX as u64;
        self.payload_bytes.unwrap_or(engine).min(engine)
    }

    /// Whether a run may have this input.
    ///
    /// # Errors
    /// `quota.payload_bytes` when it is larger than the plan allows.
    pub fn check_payload(&self, bytes: u64) -> Result<(), RunError> {
        let max = self.payload_bytes_max();
        if bytes <= max {
            return Ok(());
        }
        Err(exceeded(
            "payload_bytes",
            format!("the input has {bytes} bytes; the plan allows {max}"),
        ))
    }

    /// Whether a run may execute its `steps`th step.
    ///
    /// # Errors
    /// `quota.steps_per_run` when that is more than the plan allows.
    pub fn check_steps(&self, steps: u64) -> Result<(), RunError> {
        let max = self.steps_max();
        if steps <= max {
            return Ok(());
        }
        Err(exceeded("steps_per_run", format!("the plan allows {max} steps a run")))
    }

    /// Whether the plan may call this connector.
    ///
    /// # Errors
    /// `quota.connector` when it may not.
    pub fn check_connector(&self, connector: &str) -> Result<(), RunError> {
        match &self.connectors {
            Connectors::Only(names) if !names.contains(connector) => {
                Err(exceeded("connector", format!("the plan has no connector `{connector}`")))
            }
            _ => Ok(()),
        }
    }
}

pub(super) fn exceeded(limit: &str, message: String) -> RunError {
    RunError::new(ErrorKind::QuotaExceeded, format!("quota.{limit}"), message)
}

/// Every plan by its id.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Plans {
    /// The plan of organizations that have none, or one that is gone.
    pub default: String,
    /// The plans.
    pub plans: IndexMap<String, Plan>,
}

/// Why a table of plans cannot be used.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("billing plans: {0}")]
pub struct PlansError(pub String);

impl PlansError {
    /// Stable code, for `levqor explain`.
    #[must_use]
    pub fn code(&self) -> &'static str {
        "quota.plans"
    }
}

impl Default for Plans {
    /// `free` (one run a day), `trial`, `payg`, `pro`, `enterprise`.
    fn default() -> Self {
        let plan = |title: &str| Plan::unlimited(title);
        let free = Plan {
            runs_per_day: Some(1),
            concurrent_runs: Some(1),
            steps_per_run: Some(100),
            payload_bytes: Some(64 * 1024),
            retention_days: Some(7),
            monthly_credits: 50,
            ..plan("Free")
        };
        let trial = Plan {
            runs_per_day: Some(100),
            concurrent_runs: Some(5),
            steps_per_run: Some(2_000),
            payload_bytes: Some(256 * 1024),
            retention_days: Some(14),
            monthly_credits: 500,
            days: Some(14),
            then: Some("free".to_owned()),
            ..plan("Free trial")
        };
        let payg = Plan {
            concurrent_runs: Some(20),
            steps_per_run: Some(10_000),
            retention_days: Some(30),
            ..plan("Pay as you go")
        };
        let pro = Plan {
            concurrent_runs: Some(50),
            steps_per_run: Some(50_000),
            retention_days: Some(90),
            monthly_credits: 5_000,
            ..plan("Pro")
        };
        let enterprise =
            Plan { retention_days: Some(365), monthly_credits: 50_000, ..plan("Enterprise") };
        let plans = [
            ("free", free),
            ("trial", trial),
            ("payg", payg),
            ("pro", pro),
            ("enterprise", enterprise),
        ];
        Self {
            default: "free".to_owned(),
            plans: plans.into_iter().map(|(id, plan)| (id.to_owned(), plan)).collect(),
        }
    }
}

impl Plans {
    /// One plan without limits, for embedders who bill nobody.
    #[must_use]
    pub fn unlimited() -> Self {
        let id = "unlimited".to_owned();
        Self { default: id.clone(), plans: [(id, Plan::unlimited("Unlimited"))].into() }
    }

    /// Reads and checks `{"default": "free", "plans": {"free": {...}}}`. Hosts read other
    /// notations into the same type and call [`Plans::check`].
    ///
    /// # Errors
    /// [`PlansError`] when it is not such a document or a plan is wrong.
    pub fn from_json(text: &str) -> Result<Self, PlansError> {
        let plans: Self = serde_json::from_str(text).map_err(|e| PlansError(e.to_string()))?;
        plans.check()?;
        Ok(plans)
    }

    /// Checks ids, and that every plan that is named is there.
    ///
    /// # Errors
    /// The first [`PlansError`] found.
    pub fn check(&self) -> Result<(), PlansError> {
        if !self.plans.contains_key(&self.default) {
            return Err(PlansError(format!("the default `{}` is not there", self.default)));
        }
        for (id, plan) in &self.plans {
            let fail = |what: &str| Err(PlansError(format!("`{id}`: {what}")));
            if check_id(id).is_err() {
                return fail("the id is not an id");
            }
            if plan.days.is_some() != plan.then.is_some() {
                return fail("`days` and `then` go together");
            }
            // One step only: a chain of plans that end would have to be walked to be understood.
            let follower = plan.then.as_ref().map(|then| self.plans.get(then));
            match follower {
                Some(None) => return fail("the plan that follows is not there"),
                Some(Some(next)) if next.days.is_some() => {
                    return fail("the plan that follows ends, too");
                }
                _ => {}
            }
            if plan.monthly_credits > crate::ledger::CREDITS_MAX {
                return fail("too many monthly credits");
            }
        }
        Ok(())
    }

    /// The plan of this id, else the default one, with the id it really has. `None` only for a
    /// table that [`Plans::check`] refuses.
    #[must_use]
    pub fn get(&self, id: &str) -> Option<(&str, &Plan)> {
        let found = self.plans.get_key_value(id);
        found.or_else(|| self.plans.get_key_value(&self.default)).map(|(id, p)| (id.as_str(), p))
    }
}
