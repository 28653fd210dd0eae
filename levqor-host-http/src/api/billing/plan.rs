//! Which plans there are, and who changes an organization's: the organization itself to a trial,
//! once; the operator to any.

use axum::http::{Method, StatusCode};
use levqor_core::ids::Organization;
use levqor_core::quota::{OrganizationRecord, Plan, Plans};
use levqor_core::store::{Batch, Revision};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::json;

use super::super::credits::known;
use super::Standing;
use crate::app::App;
use crate::caller::Scope;
use crate::desk::Change;
use crate::http::{Answer, Call, Json, Problem};
use crate::route::{Route, Tag};

/// Setting of an organization's record: when its trial began.
const TRIAL: &str = "trial_since";

pub(super) fn routes() -> Vec<Route> {
    vec![
        Route::new(Method::GET, "/api/v1/plans", "plans", Tag::Money)
            .scope(Scope::BillingRead)
            .about("The billing plans")
            .answers::<PlansAnswer>(StatusCode::OK, "every plan with what it allows")
            .to(plans),
        Route::new(Method::PUT, "/api/v1/organization/plan", "choose_plan", Tag::Money)
            .scope(Scope::BillingWrite)
            .about("Begin the trial, once; other plans come with a payment or from the operator")
            .answers::<PlanAnswer>(StatusCode::OK, "the plan in force now")
            .to(choose),
        Route::new(Method::POST, "/api/v1/plans/assign", "assign_plan", Tag::Money)
            .scope(Scope::OpsWrite)
            .about("Put an organization on a plan; for the operator")
            .answers::<PlanAnswer>(StatusCode::OK, "the plan in force now")
            .to(assign),
    ]
}

/// A plan by its id.
#[derive(Debug, Serialize, JsonSchema)]
struct PlanRow {
    /// Its id.
    id: String,
    /// What it allows.
    plan: Plan,
}

/// Every plan.
#[derive(Debug, Serialize, JsonSchema)]
struct PlansAnswer {
    /// The plan of organizations that have chosen none.
    default: String,
    /// The plans, in the operator's order.
    data: Vec<PlanRow>,
}

async fn plans(app: App, call: Call) -> Result<Answer, Problem> {
    call.caller()?.may(Scope::BillingRead)?;
    let Plans { default, plans } = app.engine.plans();
    let row = |(id, plan): (&String, &Plan)| PlanRow { id: id.clone(), plan: plan.clone() };
    Answer::ok(&PlansAnswer { default: default.clone(), data: plans.iter().map(row).collect() })
}

/// The plan that is wanted.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct ChooseRequest {
    /// The plan's id.
    #[schemars(length(min = 1, max = 64))]
    plan: String,
}

/// An organization's plan, from the operator.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct AssignRequest {
    /// Whose plan it will be.
    #[schemars(length(min = 1, max = 64))]
    organization: String,
    /// The plan's id.
    #[schemars(length(min = 1, max = 64))]
    plan: String,
}

/// The plan in force.
#[derive(Debug, Serialize, JsonSchema)]
struct PlanAnswer {
    /// Its id.
    plan: String,
    /// What people call it.
    title: String,
    /// When it ends by itself; `null` where it does not.
    #[schemars(extend("format" = "date-time"))]
    ends_at: Option<String>,
}

async fn choose(app: App, call: Call<Json<ChooseRequest>>) -> Result<Answer, Problem> {
    let caller = call.caller()?;
    let organization = caller.may(Scope::BillingWrite)?;
    let wanted = &call.body.0.plan;
    let plan = found(app.engine.plans(), wanted)?;
    let (mut record, revision) = read(&app, organization).await?;
    if record.plan == *wanted {
        return answer(&app, organization).await;
    }
    if plan.days.is_none() {
        let detail = "this plan comes with a payment or from the operator";
        return Err(Problem::new(StatusCode::FORBIDDEN, "plan.not_free", detail));
    }
    if record.settings.contains_key(TRIAL) {
        return Err(Problem::conflict("plan.trial_used", "the trial can be begun once"));
    }
    if record.plan != app.engine.plans().default {
        let detail = "a trial is for organizations that have no other plan";
        return Err(Problem::conflict("plan.has_other", detail));
    }
    record.settings.insert(TRIAL.to_owned(), json!(app.now().to_string()));
    let change = Change::by(caller, organization, &call.head, wanted, app.now());
    write(&app, organization, record, revision, wanted, change).await?;
    answer(&app, organization).await
}

async fn assign(app: App, call: Call<Json<AssignRequest>>) -> Result<Answer, Problem> {
    let caller = call.caller()?;
    caller.may(Scope::OpsWrite)?;
    let AssignRequest { organization, plan: wanted } = &call.body.0;
    found(app.engine.plans(), wanted)?;
    let organization = known(&app, organization).await?;
    let (record, revision) = read(&app, &organization).await?;
    // Its days begin when it is assigned, once.
    if record.plan != *wanted {
        let change = Change::by(caller, &organization, &call.head, wanted, app.now());
        write(&app, &organization, record, revision, wanted, change).await?;
    }
    answer(&app, &organization).await
}

fn found<'a>(plans: &'a Plans, id: &str) -> Result<&'a Plan, Problem> {
    let unknown = || Problem::invalid("plan.unknown", "there is no plan of this id");
    plans.plans.get(id).ok_or_else(unknown)
}

async fn read(
    app: &App,
    organization: &Organization,
) -> Result<(OrganizationRecord, Option<Revision>), Problem> {
    let key = OrganizationRecord::key(organization);
    let stored = app.engine.store().get(std::slice::from_ref(&key)).await?.pop().flatten();
    let Some(stored) = stored else {
        return Ok((app.engine.organization(organization).await?, None));
    };
    let record = OrganizationRecord::from_value(&stored.value).map_err(|error| {
        tracing::error!(%organization, %error, "an organization's record cannot be read");
        Problem::internal()
    })?;
    Ok((record, Some(stored.revision)))
}

/// Puts the organization on the plan from now on, and gives it the month's credits.
async fn write(
    app: &App,
    organization: &Organization,
    mut record: OrganizationRecord,
    revision: Option<Revision>,
    plan: &str,
    change: Change,
) -> Result<(), Problem> {
    plan.clone_into(&mut record.plan);
    record.plan_since = app.now();
    let value = record.to_value().map_err(|_| Problem::internal())?;
    let key = OrganizationRecord::key(organization);
    let mut batch = Batch::new(organization.as_str());
    match revision {
        Some(revision) => batch.replace(key, revision, value),
        None => batch.insert(key, value),
    }
    app.desk.commit(change.along(batch)).await?;
    // Should this fail, the engine's own timer gives them.
    app.engine.grant_month(organization).await?;
    Ok(())
}

async fn answer(app: &App, organization: &Organization) -> Result<Answer, Problem> {
    let standing = Standing::of(app, organization).await?;
    let ends_at = standing.ends().map(|at| at.to_string());
    Answer::ok(&PlanAnswer { title: standing.plan.title.clone(), plan: standing.id, ends_at })
}
