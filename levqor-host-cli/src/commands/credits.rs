//! `credits`: the balance and the ledger of the embedded store.

use std::collections::BTreeMap;

use levqor_core::ledger::{self, Posted, Posting};
use levqor_core::time::Timestamp;
use serde_json::{Value, json};

use crate::args::{CreditsVerb, Global};
use crate::exit::Exit;
use crate::failure::{Failure, Result};
use crate::output::{Output, say};
use crate::session::Session;

pub(crate) async fn credits(global: &Global, output: Output, verb: CreditsVerb) -> Result<()> {
    let session = match &verb {
        CreditsVerb::Grant { .. } => Session::open(global, output).await?,
        _ => Session::open_present(global, output).await?,
    };
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
            let page = ledger::list(store, organization, from, to, cursor.as_ref(), limit).await?;
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
            "actions": run.actions.iter().map(|(action, total)| (action.clone(), total.credits))
                .collect::<BTreeMap<_, _>>(),
        }),
        _ => Value::Null,
    }
}

/// Compares the stored balance with the fold of everything posted and held.
async fn audit(session: &Session) -> Result<()> {
    match session.engine.audit(&session.organization).await? {
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
