//! Billing plans at the door: what an organization may start, checked with the start's commit.

use std::collections::BTreeSet;
use std::sync::Arc;

use super::error::Error;
use super::start::Start;
use super::{Engine, Inner, codec};
use crate::ids::Organization;
use crate::limits::PAGE_MAX;
use crate::pipeline::{Block, Pipeline, StepKind};
use crate::quota::{self, OrganizationRecord, Plan};
use crate::store::{Add, Batch, CommitError, Counter, Key, Table, Value};
use crate::time::Timestamp;

/// What the plan says about one start.
pub(crate) struct Admission {
    pub(crate) adds: Vec<Add>,
    pub(crate) steps_max: Option<u64>,
    plan: Plan,
    record: Arc<OrganizationRecord>,
}

impl Engine {
    /// An organization's plan and settings; those of a new one where it has none yet.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub async fn organization(
        &self,
        organization: &Organization,
    ) -> Result<OrganizationRecord, Error> {
        self.inner.organization(organization).await.map(Arc::unwrap_or_clone)
    }

    /// Stores an organization's plan and settings.
    ///
    /// # Errors
    /// When the store does not take it.
    pub async fn set_organization(
        &self,
        organization: &Organization,
        record: &OrganizationRecord,
    ) -> Result<(), Error> {
        let value = record.to_value().map_err(|e| codec::corrupt(e.to_string()))?;
        let mut batch = Batch::new(organization.as_str());
        batch.set.push((OrganizationRecord::key(organization), value));
        self.inner.store.commit(batch).await?;
        Ok(())
    }
}

impl Engine {
    /// Lets go of the counts of runs of days that no report reaches any more, for every
    /// organization that has a record, as the engine does by itself each hour while it serves.
    ///
    /// # Errors
    /// When the store fails; what was let go stays so.
    pub async fn forget_counts(&self) -> Result<(), Error> {
        let (store, now) = (&self.inner.store, self.inner.clock.now());
        let mut range = Key::of(Table::Organization).prefix();
        loop {
            let page = store.scan(&range, PAGE_MAX).await?;
            let Some((last, _)) = page.last() else { return Ok(()) };
            range = range.after(&last.clone());
            for (key, stored) in &page {
                let organization = codec::organization_of(key)?;
                let record = OrganizationRecord::from_value(&stored.value)
                    .map_err(|e| codec::corrupt(e.to_string()))?;
                let past = quota::counts_past(&organization, now, &record.zone);
                let values = store.counters(&past).await?;
                let mut batch = Batch::new(organization.as_str());
                for (counter, value) in past.into_iter().zip(values).filter(|(_, v)| *v != 0) {
                    batch.add(Add { counter, delta: -value, min: 0, max: i64::MAX });
                }
                if batch.add.is_empty() {
                    continue;
                }
                // An addition must not happen twice: it goes with the record as it was read.
                batch.replace(key.clone(), stored.revision, stored.value.clone());
                match store.commit(batch).await {
                    // Somebody changed the record: next time.
                    Ok(_) | Err(CommitError::Conflict { .. }) => {}
                    Err(error) => return Err(error.into()),
                }
            }
        }
    }
}

impl Inner {
    pub(super) async fn organization(
        &self,
        organization: &Organization,
    ) -> Result<Arc<OrganizationRecord>, Error> {
        let key = OrganizationRecord::key(organization);
        let read = |value: &Value| {
            OrganizationRecord::from_value(value).map_err(|e| codec::corrupt(e.to_string()))
        };
        match self.store.get(std::slice::from_ref(&key)).await?.pop().flatten() {
            Some(found) => self.organizations.get(key, &found, read),
            None => {
                let (plan, now) = (&self.options.plans.default, self.clock.now());
                Ok(Arc::new(OrganizationRecord::new(plan, now)))
            }
        }
    }

    /// Whether the plan allows this start, as far as can be said before its commit; `None` where
    /// no plan limits anything.
    pub(crate) async fn admit(&self, start: &Start) -> Result<Option<Admission>, Error> {
        if self.options.plans_unlimited || self.options.is_own(&start.organization) {
            return Ok(None);
        }
        let now = self.clock.now();
        let record = self.organization(&start.organization).await?;
        record.check_active()?;
        let Some((_, plan)) = record.plan_now(&self.options.plans, now) else {
            return Err(codec::corrupt(format!("plan `{}` is not known", record.plan)));
        };
        self.grant_month_of(&start.organization, &record, now).await?;
        let plan = plan.clone();
        plan.check_payload(crate::value::json_bytes(&start.input) as u64)?;
        let mut connectors = BTreeSet::new();
        connectors_of(&start.pipeline, &mut connectors);
        for connector in connectors {
            plan.check_connector(connector)?;
        }
        self.hot
            .lock()
            .limits
            .insert(start.organization.clone(), plan.concurrent_runs.unwrap_or(u32::MAX));
        let adds = if start.uncounted {
            Vec::new()
        } else {
            quota::admit(&plan, &start.organization, now, &record.zone)
        };
        Ok(Some(Admission { adds, steps_max: Some(plan.steps_max()), plan, record }))
    }
}

impl Admission {
    /// The refusal that a commit's exceeded counter means, where it is a quota's.
    pub(crate) fn refusal(&self, counter: &Counter, now: Timestamp) -> Option<Error> {
        let refused = quota::refusal(&self.plan, counter, now, &self.record.zone)?;
        let retry_after_ms = refused.resets_at.map(|at| at.since_ms(now));
        Some(Error::Quota { error: refused.error, retry_after_ms })
    }
}

fn connectors_of<'p>(pipeline: &'p Pipeline, found: &mut BTreeSet<&'p str>) {
    let mut blocks: Vec<&Block> = vec![&pipeline.root];
    blocks.extend(&pipeline.on_failure);
    while let Some(block) = blocks.pop() {
        for step in &block.steps {
            match &step.kind {
                StepKind::Call { connector, .. } => {
                    found.insert(connector);
                }
                StepKind::ForEach { body, .. } | StepKind::While { body, .. } => blocks.push(body),
                StepKind::Parallel { branches, .. } => {
                    blocks.extend(branches.iter().map(|b| &b.body));
                }
                StepKind::Switch { cases, otherwise } => {
                    blocks.extend(cases.iter().map(|(_, b)| b));
                    blocks.push(otherwise);
                }
                StepKind::Try { body, catches, finally } => {
                    blocks.extend(catches.iter().map(|(_, b)| b));
                    blocks.extend([body, finally]);
                }
                StepKind::Sub { pipeline, .. } => connectors_of(pipeline, found),
                _ => {}
            }
        }
    }
}
