//! Credits: the balance, what moved it, what can be bought, and what the operator gives.

use std::collections::BTreeMap;

use axum::http::{Method, StatusCode};
use levqor_core::ids::Organization;
use levqor_core::ledger::{self, Account, Pack, Posted, Posting};
use levqor_core::quota::OrganizationRecord;
use levqor_core::time::Timestamp;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::app::App;
use crate::caller::Scope;
use crate::desk::Change;
use crate::http::{Answer, Call, Cursor, Json, Page, PageQuery, Problem};
use crate::route::{Route, Tag};

/// What a cursor of the list of entries belongs to.
const ENTRIES: &str = "credits/entries";

pub(super) fn routes() -> Vec<Route> {
    vec![
        Route::new(Method::GET, "/api/v1/credits", "credits", Tag::Money)
            .scope(Scope::BillingRead)
            .about("The balance")
            .answers::<Balance>(StatusCode::OK, "what can be spent, and what is held")
            .to(balance),
        Route::new(Method::GET, "/api/v1/credits/entries", "credit_entries", Tag::Money)
            .scope(Scope::BillingRead)
            .about("What moved the balance, newest first: grants, purchases, runs")
            .answers::<Page<EntryAnswer>>(StatusCode::OK, "a page")
            .to(entries),
        Route::new(Method::GET, "/api/v1/credits/packs", "credit_packs", Tag::Money)
            .scope(Scope::BillingRead)
            .about("Packs of credits that can be bought")
            .answers::<PacksAnswer>(StatusCode::OK, "the packs, in the order shown")
            .to(packs),
        Route::new(Method::POST, "/api/v1/credits/grant", "grant_credits", Tag::Money)
            .scope(Scope::OpsWrite)
            .about("Give an organization credits, once for each reference; for the operator")
            .answers::<Granted>(StatusCode::OK, "they are there, by this request or an earlier one")
            .to(grant),
    ]
}

/// The balance, in credits.
#[derive(Debug, Serialize, JsonSchema)]
pub(super) struct Balance {
    /// What can be spent.
    available: i64,
    /// What steps under way have set aside.
    held: i64,
}

pub(super) async fn balance_of(app: &App, of: &Organization) -> Result<Balance, Problem> {
    let ledger::Balance { available, held } = ledger::balance(&**app.engine.store(), of).await?;
    Ok(Balance { available, held })
}

async fn balance(app: App, call: Call) -> Result<Answer, Problem> {
    let organization = call.caller()?.may(Scope::BillingRead)?;
    Answer::ok(&balance_of(&app, organization).await?)
}

/// What one action cost.
#[derive(Clone, Copy, Debug, Default, Serialize, JsonSchema)]
pub(super) struct Total {
    /// Calls that were charged.
    pub(super) calls: u64,
    /// Credits charged for them.
    pub(super) credits: u64,
}

/// One movement of the balance.
#[derive(Debug, Serialize, JsonSchema)]
struct EntryAnswer {
    /// The entry's id, or the run's.
    id: String,
    /// When.
    #[schemars(extend("format" = "date-time"))]
    at: String,
    /// `grant`, `purchase`, `refund`, `referral`, `adjust`, or `run` for what a run cost.
    cause: &'static str,
    /// What it added; negative where it took.
    credits: i64,
    /// What it refers to: a payment, a plan's month, the operator's note.
    #[serde(skip_serializing_if = "Option::is_none")]
    reference: Option<String>,
    /// The run's pipeline.
    #[serde(skip_serializing_if = "Option::is_none")]
    pipeline: Option<String>,
    /// What the run's actions cost, by `connector/action`.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    actions: BTreeMap<String, Total>,
}

impl EntryAnswer {
    fn of(posting: Posting) -> Option<Self> {
        let at = posting.at().to_string();
        let signed = |credits: u64| i64::try_from(credits).unwrap_or(i64::MAX);
        match posting {
            Posting::Entry(entry) => Some(Self {
                id: entry.id.to_string(),
                at,
                cause: entry.cause.as_str(),
                credits: match entry.from {
                    Account::Available => -signed(entry.credits),
                    _ => signed(entry.credits),
                },
                reference: entry.reference,
                pipeline: None,
                actions: BTreeMap::new(),
            }),
            Posting::Settlement(settled) => {
                let total = |t: ledger::ActionTotal| Total { calls: t.calls, credits: t.credits };
                Some(Self {
                    id: settled.run.to_string(),
                    at,
                    cause: "run",
                    credits: -signed(settled.tally.captured),
                    reference: None,
                    pipeline: settled.pipeline,
                    actions: settled.actions.into_iter().map(|(a, t)| (a, total(t))).collect(),
                })
            }
            // What a newer engine posts is not ours to explain.
            _ => None,
        }
    }
}

async fn entries(app: App, call: Call<(), Json<PageQuery>>) -> Result<Answer, Problem> {
    let organization = call.caller()?.may(Scope::BillingRead)?;
    let PageQuery { cursor, .. } = &call.query.0;
    let limit = call.query.0.limit()?;
    let after = Cursor::read(cursor.as_deref(), ENTRIES)?;
    let after = after.map(|text| text.parse::<ledger::Cursor>()).transpose()?;
    let (store, all) = (&**app.engine.store(), Timestamp(i64::MAX));
    let page = ledger::list(store, organization, Timestamp(0), all, after.as_ref(), limit).await?;
    let next = page.next.map(|cursor| Cursor::after(&cursor.to_string(), ENTRIES));
    let data = page.postings.into_iter().filter_map(EntryAnswer::of).collect();
    Answer::ok(&Page::new(data, next))
}

/// What can be bought.
#[derive(Debug, Serialize, JsonSchema)]
struct PacksAnswer {
    /// The packs.
    data: Vec<Pack>,
}

async fn packs(app: App, call: Call) -> Result<Answer, Problem> {
    call.caller()?.may(Scope::BillingRead)?;
    Answer::ok(&PacksAnswer { data: app.packs.packs.clone() })
}

/// Credits from the operator.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct GrantRequest {
    /// Who gets them.
    #[schemars(length(min = 1, max = 64))]
    organization: String,
    /// How many.
    #[serde(deserialize_with = "crate::http::whole")]
    #[schemars(range(min = 1, max = 9_007_199_254_740_991_u64))]
    credits: u64,
    /// What for. The same reference gives once, however often it is sent.
    #[schemars(length(min = 1, max = 100), regex(pattern = r"^[A-Za-z0-9._:/-]+$"))]
    reference: String,
}

/// Credits that were given.
#[derive(Debug, Serialize, JsonSchema)]
struct Granted {
    /// The entry.
    entry: String,
    /// Whether this request gave them; `false` where an earlier one with the reference had.
    given: bool,
    /// What the organization can spend now.
    available: i64,
}

/// The one place where an organization is named in a body: it is the operator's act, not a caller's
/// on itself, and needs the operator's scope.
async fn grant(app: App, call: Call<Json<GrantRequest>>) -> Result<Answer, Problem> {
    let caller = call.caller()?;
    caller.may(Scope::OpsWrite)?;
    let GrantRequest { organization, credits, reference } = &call.body.0;
    let good = |b: u8| b.is_ascii_alphanumeric() || b"._:/-".contains(&b);
    if !(1..=100).contains(&reference.len()) || !reference.bytes().all(good) {
        let detail = "a reference has 1 to 100 letters, digits and `. _ : / -`";
        return Err(Problem::invalid("credits.reference", detail));
    }
    let organization = known(&app, organization).await?;
    // Apart from what plans and payments refer to.
    let entry = ledger::grant(&format!("operator/{reference}"), *credits, app.now())?;
    let batch = ledger::posting_batch(&organization, &entry)?;
    let change = Change::by(caller, &organization, &call.head, reference, app.now()).along(batch);
    let given = match app.desk.commit(change).await {
        Ok(()) => true,
        Err(problem) if problem.code() == "store.conflict" => {
            let posted = ledger::post(&**app.engine.store(), &organization, &entry).await?;
            matches!(posted, Posted::Now { .. })
        }
        Err(problem) => return Err(problem),
    };
    let available = balance_of(&app, &organization).await?.available;
    Answer::ok(&Granted { entry: entry.id.to_string(), given, available })
}

/// An organization that exists.
pub(super) async fn known(app: &App, name: &str) -> Result<Organization, Problem> {
    let absent = || Problem::not_found("organization");
    let organization = Organization::new(name).map_err(|_| absent())?;
    let key = OrganizationRecord::key(&organization);
    match app.engine.store().get(std::slice::from_ref(&key)).await?.pop().flatten() {
        Some(_) => Ok(organization),
        None => Err(absent()),
    }
}
