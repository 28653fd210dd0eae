//! What an organization uses, what its plan allows, and which plan that is.

mod plan;
mod usage;

use axum::http::{Method, StatusCode};
use levqor_core::engine::Engine;
use levqor_core::ids::Organization;
use levqor_core::quota::{self, Connectors, OrganizationRecord, Plan};
use levqor_core::schedule::Zone;
use levqor_core::time::Timestamp;
use schemars::JsonSchema;
use serde::Serialize;

use super::credits::{Balance, balance_of};
use crate::app::App;
use crate::caller::Scope;
use crate::http::{Answer, Call, Problem};
use crate::route::{Route, Tag};

pub(super) fn routes() -> Vec<Route> {
    let mut routes = vec![
        Route::new(Method::GET, "/billing/limits", "limits", Tag::Money)
            .scope(Scope::BillingRead)
            .about("What the plan allows, what of it is used now, and when that begins anew")
            .answers::<LimitsAnswer>(StatusCode::OK, "every limit of the plan in force")
            .to(limits),
        Route::new(Method::GET, "/api/usage/summary", "usage_summary", Tag::Money)
            .scope(Scope::BillingRead)
            .about("Runs of today, of 7 and of 30 days, and the plan")
            .answers::<Summary>(StatusCode::OK, "the counts")
            .to(summary),
    ];
    routes.extend(usage::routes());
    routes.extend(plan::routes());
    routes
}

/// An organization with the plan in force.
struct Standing {
    record: OrganizationRecord,
    id: String,
    plan: Plan,
    now: Timestamp,
}

impl Standing {
    async fn of(app: &App, organization: &Organization) -> Result<Self, Problem> {
        let record = app.engine.organization(organization).await?;
        let now = app.now();
        // The table of plans was checked at the start: there is a default.
        let in_force = record.plan_now(app.engine.plans(), now).ok_or_else(Problem::internal)?;
        let (id, plan) = (in_force.0.to_owned(), in_force.1.clone());
        Ok(Self { record, id, plan, now })
    }

    /// When the plan ends by itself.
    fn ends(&self) -> Option<Timestamp> {
        // What follows a plan that has ended does not end itself.
        self.record.plan_ends(&self.plan)
    }

    /// When something of it begins anew: the plan's end, or the next month's credits.
    fn renewal(&self) -> Option<Timestamp> {
        match self.ends() {
            Some(end) => Some(end),
            None if self.plan.monthly_credits > 0 => next_month(&self.record.zone, self.now),
            None => None,
        }
    }
}

/// When the local month after the moment's begins.
fn next_month(zone: &Zone, now: Timestamp) -> Option<Timestamp> {
    let local = zone.at(now)?;
    let first = local.date().first_of_month().checked_add(jiff::ToSpan::month(1)).ok()?;
    let begins = first.to_zoned(local.time_zone().clone()).ok()?;
    Some(Timestamp(begins.timestamp().as_millisecond()))
}

/// Runs of the last `days` local days, today first.
async fn runs_by_day(
    engine: &Engine,
    organization: &Organization,
    standing: &Standing,
    days: usize,
) -> Result<Vec<u64>, Problem> {
    let of = quota::counts(organization, standing.now, &standing.record.zone, days);
    let counts = engine.store().counters(&of).await?;
    Ok(counts.into_iter().map(|n| u64::try_from(n).unwrap_or(0)).collect())
}

/// One limit of a plan.
#[derive(Debug, Serialize, JsonSchema)]
struct Limit {
    /// `runs_per_day`, `concurrent_runs`, `steps_per_run`, `payload_bytes`, `retention_days`,
    /// `monthly_credits`.
    name: &'static str,
    /// The most; `null` where there is none.
    max: Option<u64>,
    /// What is used now; `null` where it is a bound on each single thing.
    used: Option<u64>,
    /// When the count begins anew; `null` where it does not.
    #[schemars(extend("format" = "date-time"))]
    resets_at: Option<String>,
}

/// What a plan allows and what is used of it.
#[derive(Debug, Serialize, JsonSchema)]
struct LimitsAnswer {
    /// The plan in force, by its id.
    plan: String,
    /// What people call it.
    title: String,
    /// When it ends by itself; `null` where it does not.
    #[schemars(extend("format" = "date-time"))]
    ends_at: Option<String>,
    /// The time zone whose midnight begins a day.
    timezone: String,
    /// Its limits.
    limits: Vec<Limit>,
    /// Connectors it may call.
    connectors: Connectors,
    /// The balance.
    credits: Balance,
    /// Why nothing may run, where an operator stopped it.
    suspended: Option<String>,
}

async fn limits(app: App, call: Call) -> Result<Answer, Problem> {
    let organization = call.caller()?.may(Scope::BillingRead)?;
    let standing = Standing::of(&app, organization).await?;
    let today = runs_by_day(&app.engine, organization, &standing, 1).await?;
    let (plan, zone) = (&standing.plan, &standing.record.zone);
    let limit = |name, max, used| Limit { name, max, used, resets_at: None };
    let per_day = Limit {
        resets_at: zone.next_day(standing.now).map(|at| at.to_string()),
        ..limit("runs_per_day", plan.runs_per_day.map(u64::from), today.first().copied())
    };
    let driven = u64::from(app.engine.driven(organization));
    let monthly = Limit {
        resets_at: next_month(zone, standing.now).map(|at| at.to_string()),
        ..limit("monthly_credits", Some(plan.monthly_credits), None)
    };
    let limits = vec![
        per_day,
        limit("concurrent_runs", plan.concurrent_runs.map(u64::from), Some(driven)),
        limit("steps_per_run", Some(plan.steps_max()), None),
        limit("payload_bytes", Some(plan.payload_bytes_max()), None),
        limit("retention_days", plan.retention_days.map(u64::from), None),
        monthly,
    ];
    Answer::ok(&LimitsAnswer {
        ends_at: standing.ends().map(|at| at.to_string()),
        timezone: zone.name().to_owned(),
        limits,
        connectors: plan.connectors.clone(),
        credits: balance_of(&app, organization).await?,
        suspended: standing.record.suspended.clone(),
        title: standing.plan.title.clone(),
        plan: standing.id,
    })
}

/// Runs that were admitted, and the plan.
#[derive(Debug, Serialize, JsonSchema)]
struct Summary {
    /// Since the organization's midnight.
    runs_today: u64,
    /// Of the last 7 days, today included.
    runs_7d: u64,
    /// Of the last 30 days, today included.
    runs_30d: u64,
    /// The plan in force, by its id.
    plan: String,
    /// When the plan ends or the next month's credits come; `null` where neither happens.
    #[schemars(extend("format" = "date-time"))]
    renewal_at: Option<String>,
}

async fn summary(app: App, call: Call) -> Result<Answer, Problem> {
    let organization = call.caller()?.may(Scope::BillingRead)?;
    let standing = Standing::of(&app, organization).await?;
    let days = runs_by_day(&app.engine, organization, &standing, quota::USAGE_DAYS).await?;
    let of = |n: usize| days.iter().take(n).sum();
    Answer::ok(&Summary {
        runs_today: of(1),
        runs_7d: of(7),
        runs_30d: of(30),
        renewal_at: standing.renewal().map(|at| at.to_string()),
        plan: standing.id,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_month_begins_at_local_midnight() {
        let at = |text: &str| Timestamp(text.parse::<jiff::Timestamp>().unwrap().as_millisecond());
        for (zone, now, next) in [
            ("UTC", "2026-11-26T22:00:00Z", "2026-12-01T00:00:00Z"),
            ("UTC", "2026-12-31T23:59:59.999Z", "2027-01-01T00:00:00Z"),
            ("UTC", "2027-01-01T00:00:00Z", "2027-02-01T00:00:00Z"),
            ("Europe/Berlin", "2026-11-30T23:30:00Z", "2026-12-31T23:00:00Z"),
            ("America/New_York", "2026-11-01T03:00:00Z", "2026-11-01T04:00:00Z"),
        ] {
            let zone = Zone::parse(zone).unwrap();
            assert_eq!(next_month(&zone, at(now)), Some(at(next)), "{zone} {now}");
        }
    }
}
