//! What was used in the last days: runs by day, credits by action.

use std::collections::BTreeMap;

use axum::http::{Method, StatusCode};
use levqor_core::ids::Organization;
use levqor_core::ledger::{self, Posting};
use levqor_core::limits::PAGE_MAX;
use levqor_core::quota;
use levqor_core::store::Store;
use levqor_core::time::Timestamp;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::super::credits::Total;
use super::{Standing, runs_by_day};
use crate::app::App;
use crate::caller::Scope;
use crate::http::{Answer, Call, Json, Problem};
use crate::route::{Route, Tag};

/// Days where the caller names no number, and at its most: what run counts are kept for.
const DAYS: usize = quota::USAGE_DAYS;
/// Postings that one report reads: a fifth of a second. Whoever has more reads the entries.
const POSTINGS_MAX: usize = 20_000;

pub(super) fn routes() -> Vec<Route> {
    vec![
        Route::new(Method::GET, "/billing/usage", "usage", Tag::Money)
            .scope(Scope::BillingRead)
            .about("Runs by day and credits by connector and action, of the last days")
            .answers::<Usage>(StatusCode::OK, "what was used")
            .to(usage),
    ]
}

#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct UsageQuery {
    /// How many days back, today included, 1 to 30; 30 where not said.
    #[serde(default)]
    #[schemars(range(min = 1, max = 30))]
    days: Option<u32>,
}

/// Runs of one day.
#[derive(Debug, Serialize, JsonSchema)]
struct Day {
    /// `2026-11-26`, in the organization's time zone.
    #[schemars(extend("format" = "date"))]
    day: String,
    /// Runs admitted on it.
    runs: u64,
}

/// What an action was used for.
#[derive(Debug, Serialize, JsonSchema)]
struct ActionUsage {
    /// The connector.
    connector: String,
    /// Its action.
    action: String,
    /// Calls that were charged.
    calls: u64,
    /// Credits charged for them.
    credits: u64,
}

/// What was used.
#[derive(Debug, Serialize, JsonSchema)]
struct Usage {
    /// From when on, to the millisecond.
    #[schemars(extend("format" = "date-time"))]
    from: String,
    /// Until when.
    #[schemars(extend("format" = "date-time"))]
    to: String,
    /// Runs admitted by day, today first.
    days: Vec<Day>,
    /// Runs admitted in all.
    runs: u64,
    /// Calls that were charged, of runs that have ended.
    calls: u64,
    /// Credits charged, of runs that have ended.
    credits: u64,
    /// The same by action, dearest first.
    actions: Vec<ActionUsage>,
    /// `false` where so many runs ended that only the latest 20,000 were added up: `from` says
    /// since when. The whole is in the list of entries.
    complete: bool,
}

async fn usage(app: App, call: Call<(), Json<UsageQuery>>) -> Result<Answer, Problem> {
    let organization = call.caller()?.may(Scope::BillingRead)?;
    let days = match call.query.0.days {
        None => DAYS,
        Some(days @ 1..=30) => days as usize,
        Some(_) => return Err(Problem::bad_request("request.query", "`days` is 1 to 30")),
    };
    let standing = Standing::of(&app, organization).await?;
    let names = quota::past_days(standing.now, &standing.record.zone, days);
    let runs = runs_by_day(&app.engine, organization, &standing, days).await?;
    let from = first_moment(&standing, days);
    // Until the end of this millisecond.
    let to = standing.now.plus_ms(1);
    let spent = Spent::read(&**app.engine.store(), organization, from, to).await?;
    let by_day = names.into_iter().zip(&runs).map(|(day, runs)| Day { day, runs: *runs });
    Answer::ok(&Usage {
        from: spent.from.to_string(),
        to: standing.now.to_string(),
        days: by_day.collect(),
        runs: runs.iter().sum(),
        calls: spent.all.calls,
        credits: spent.all.credits,
        complete: spent.complete,
        actions: spent.actions(),
    })
}

/// When the first of the last `days` local days began.
fn first_moment(standing: &Standing, days: usize) -> Timestamp {
    let back = i64::try_from(days.saturating_sub(1)).unwrap_or(0);
    let begun = standing.record.zone.at(standing.now).and_then(|local| {
        let first = local.date().checked_sub(jiff::ToSpan::days(back)).ok()?;
        first.to_zoned(local.time_zone().clone()).ok()
    });
    begun.map_or(standing.now, |at| Timestamp(at.timestamp().as_millisecond()))
}

/// Settlements, added up.
struct Spent {
    from: Timestamp,
    all: Total,
    by_action: BTreeMap<String, Total>,
    complete: bool,
}

impl Spent {
    async fn read(
        store: &dyn Store,
        organization: &Organization,
        from: Timestamp,
        to: Timestamp,
    ) -> Result<Self, Problem> {
        let mut spent =
            Self { from, all: Total::default(), by_action: BTreeMap::new(), complete: true };
        let (mut read, mut after) = (0, None);
        loop {
            let page =
                ledger::list(store, organization, from, to, after.as_ref(), PAGE_MAX).await?;
            read += page.postings.len();
            let last = page.postings.last().map(Posting::at);
            page.postings.iter().for_each(|posting| spent.add(posting));
            after = page.next;
            if after.is_none() {
                return Ok(spent);
            }
            if read >= POSTINGS_MAX {
                (spent.complete, spent.from) = (false, last.unwrap_or(from));
                return Ok(spent);
            }
        }
    }

    fn add(&mut self, posting: &Posting) {
        let Posting::Settlement(settled) = posting else { return };
        self.all.credits = self.all.credits.saturating_add(settled.tally.captured);
        for (action, total) in &settled.actions {
            let sum = self.by_action.entry(action.clone()).or_default();
            sum.calls = sum.calls.saturating_add(total.calls);
            sum.credits = sum.credits.saturating_add(total.credits);
            self.all.calls = self.all.calls.saturating_add(total.calls);
        }
    }

    fn actions(self) -> Vec<ActionUsage> {
        let named = |(uses, total): (String, Total)| {
            let (connector, action) = uses.split_once('/').unwrap_or((&uses, ""));
            let Total { calls, credits } = total;
            ActionUsage {
                connector: connector.to_owned(),
                action: action.to_owned(),
                calls,
                credits,
            }
        };
        let mut all: Vec<ActionUsage> = self.by_action.into_iter().map(named).collect();
        all.sort_by_key(|a| std::cmp::Reverse(a.credits));
        all
    }
}
