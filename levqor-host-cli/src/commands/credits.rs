//! `credits`: the balance and the ledger of the embedded store.

use std::collections::BTreeMap;

use levqor_core::ledger::{self, LiveRun, Posted, Posting, Tally};
use levqor_core::run::Event;
use levqor_core::time::Timestamp;
use serde_json::{Value, json};

use crate::args::{CreditsVerb, Global};
use crate::exit::Exit;
use crate::failure::{Failure, Result};
use crate::output::{Output, say};
use crate::session::Session;

/// Pages of runs read at once.
const PAGE: u32 = 200;

pub(crate) async fn credits(global: &Global, output: Output, verb: CreditsVerb) -> Result<()> {
    let session = Session::open(global, output).await?;
    session.welcome().await?;
    let (store, organization) = (&**session.engine.store(), &session.organization);
    match verb {
        CreditsVerb::Balance => {
            let balance = ledger::balance(store, organization).await?;
            output.item(&balance, || {
                format!("{} available, {} held", balance.available, balance.held)
            })
        }
        CreditsVerb::Grant { credits, reference } => {
            let entry = ledger::grant(&reference, credits, session.now())?;
            let available = match ledger::post(store, organization, &entry).await? {
                Posted::Now { available } => available,
                Posted::Before { entry } => {
                    output.note(&format!("`{reference}` was given at {} already", entry.at));
                    ledger::balance(store, organization).await?.available
                }
            };
            let item = json!({ "granted": credits, "available": available });
            output.item(&item, || format!("{available} available"))
        }
        CreditsVerb::List { limit, before } => {
            let cursor = before.map(|text| text.parse()).transpose()?;
            let (from, to) = (Timestamp(0), Timestamp(i64::MAX));
            let page =
                ledger::list(store, organization, from, to, cursor.as_ref(), limit).await?;
            let rows: Vec<Value> = page.postings.iter().map(row).collect();
            let next = page.next.map(|cursor| cursor.to_string());
            output.list(&rows, next, &["at", "cause", "credits", "for"], |row| {
                let text = |key: &str| row[key].as_str().unwrap_or_default().to_owned();
                vec![text("at"), text("cause"), row["credits"].to_string(), text("for")]
            })
        }
        CreditsVerb::Audit => audit(&session).await,
    }
}

fn row(posting: &Posting) -> Value {
    match posting {
        Posting::Entry(entry) => {
            let out = entry.from == ledger::Account::Available;
            let credits = i64::try_from(entry.credits).unwrap_or(i64::MAX);
            json!({
                "at": entry.at.to_string(), "cause": entry.cause, "id": entry.id,
                "credits": if out { -credits } else { credits }, "for": entry.reference,
            })
        }
        Posting::Settlement(run) => json!({
            "at": run.at.to_string(), "cause": "run", "run": run.run,
            "credits": -i64::try_from(run.tally.captured).unwrap_or(i64::MAX),
            "for": format!("{} {}", run.pipeline.as_deref().unwrap_or_default(), run.run),
            "steps": run.steps.iter().map(|(step, total)| (step.clone(), total.credits))
                .collect::<BTreeMap<_, _>>(),
        }),
        _ => Value::Null,
    }
}

/// Folds the ledger and the journals of unfinished runs, and compares with the stored balance.
pub(crate) async fn audit(session: &Session) -> Result<()> {
    let live = live_runs(session).await?;
    let store = &**session.engine.store();
    match ledger::audit(store, &session.organization, &live).await {
        Ok(report) => session.output.item(&report, || {
            let rows = report.balances.iter().map(|(account, n)| format!("{account:12} {n:>12}"));
            let head = format!(
                "the books are in order: {} entries, {} settled and {} open runs",
                report.entries, report.settled_runs, report.live_runs
            );
            [head].into_iter().chain(rows).collect::<Vec<_>>().join("\n")
        }),
        Err(violations) => {
            violations.iter().for_each(|v| say(&v.to_string()));
            let message = format!("the books have {} problem(s)", violations.len());
            Err(Failure::new(Exit::Unreachable, "ledger.audit", message))
        }
    }
}

async fn live_runs(session: &Session) -> Result<Vec<LiveRun>> {
    let Self_ { engine, organization } = Self_::of(session);
    let mut live = Vec::new();
    let mut before = None;
    loop {
        let page = engine.list(organization, None, before, PAGE).await?;
        for run in page.data.iter().filter(|run| !run.status.is_final()) {
            let journal = engine.journal(organization, run.id, 0).await?;
            let mut tally = Tally::default();
            let mut open = BTreeMap::new();
            for event in journal.iter().flat_map(|(_, record)| &record.events) {
                fold(event, &mut tally, &mut open);
            }
            live.push(LiveRun { run: run.id, tally });
        }
        match page.next {
            Some(next) => before = Some(next),
            None => return Ok(live),
        }
    }
}
