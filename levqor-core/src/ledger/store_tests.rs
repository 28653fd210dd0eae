//! The ledger over a store: posting once, pages, races, and an audit that finds what was forged.

use std::sync::Arc;

use super::settlement::key_of_entry;
use super::*;
use crate::ids::{Organization, RunId};
use crate::store::memory::MemoryStore;
use crate::store::{Batch, CommitError, Key, Store, Table, Value};
use crate::time::Timestamp;

const AT: Timestamp = Timestamp(1_700_000_000_000);

fn org() -> Organization {
    Organization::new("acme").unwrap()
}

fn block<F: Future>(future: F) -> F::Output {
    tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(future)
}

#[test]
fn a_posting_happens_once() {
    block(async {
        let store = MemoryStore::new();
        let first = grant("welcome", 10, AT).unwrap();
        assert_eq!(post(&store, &org(), &first).await, Ok(Posted::Now { available: 10 }));
        let later = grant("welcome", 10, AT.plus_ms(5_000)).unwrap();
        assert_eq!(post(&store, &org(), &later).await, Ok(Posted::Before { entry: first }));
        let other = grant("welcome", 11, AT).unwrap();
        let mismatch = Err(LedgerError::Mismatch { posted: 10, asked: 11 });
        assert_eq!(post(&store, &org(), &other).await, mismatch);
        let too_much = refund("pi_1", 11, AT).unwrap();
        let refused = Err(LedgerError::Insufficient { needed: 11, available: 10 });
        assert_eq!(post(&store, &org(), &too_much).await, refused);
        let most = adjust("note", CREDITS_MAX.cast_signed(), AT).unwrap();
        assert_eq!(post(&store, &org(), &most).await, Err(LedgerError::Overflow));
        let hold = hold(RunId::from_u128(1), "a", 1, 1, AT).unwrap();
        assert_eq!(post(&store, &org(), &hold).await, Err(LedgerError::NotPostable));
        assert_eq!(balance(&store, &org()).await.unwrap(), Balance { available: 10, held: 0 });
        assert_eq!(audit(&store, &org(), &[]).await.unwrap().entries, 1);
    });
}

#[test]
fn pages_are_newest_first_and_bounded_by_time() {
    block(async {
        let store = MemoryStore::new();
        for n in 0..5_u64 {
            let entry = grant(&format!("g{n}"), 1 + n, AT.plus_ms(n)).unwrap();
            post(&store, &org(), &entry).await.unwrap();
        }
        // Another organization whose name begins alike stays out of sight.
        let other = Organization::new("acme2").unwrap();
        post(&store, &other, &grant("g", 99, AT).unwrap()).await.unwrap();
        let (from, to) = (Timestamp(0), Timestamp(i64::MAX));
        let mut seen = Vec::new();
        let mut cursor = None;
        loop {
            let page = list(&store, &org(), from, to, cursor.as_ref(), 2).await.unwrap();
            seen.extend(page.postings.iter().map(|p| p.at().0 - AT.0));
            let Some(next) = page.next else { break };
            cursor = Some(next.to_string().parse().unwrap());
        }
        assert_eq!(seen, [4, 3, 2, 1, 0]);
        let some = list(&store, &org(), AT.plus_ms(1), AT.plus_ms(3), None, 9).await.unwrap();
        let times: Vec<_> = some.postings.iter().map(|p| p.at().0 - AT.0).collect();
        assert_eq!((times, some.next), (vec![2, 1], None), "from is included, to is not");
        let none = list(&store, &org(), AT, AT, cursor.as_ref(), 9).await.unwrap();
        assert!(none.postings.is_empty());
        for bad in ["", "zz", "00000000000000000", "0000000000000000a/../b"] {
            assert!(bad.parse::<Cursor>().is_err() || bad.len() == 17, "{bad}");
        }
    });
}

/// What a run does with the last credits, as the engine does it: one commit with its own record.
async fn hold_one(store: &dyn Store, n: u32) -> Result<(), CommitError> {
    let mut batch = Batch::new("acme");
    batch.insert(Key::of(Table::Live).text("acme").number(u64::from(n)), Value::from_static(b"{}"));
    let net = Tally::default().hold(1).unwrap();
    net.adds(&"acme".into()).into_iter().for_each(|add| batch.add(add));
    store.commit(batch).await.map(|_| ())
}

/// R3: 64 at once never spend more than there is.
#[test]
fn the_last_credits_are_spent_once() {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(4).build().unwrap();
    for round in 0..20 {
        let credits = round % 5;
        let store = Arc::new(MemoryStore::new());
        runtime.block_on(async {
            if credits > 0 {
                post(&*store, &org(), &grant("g", credits, AT).unwrap()).await.unwrap();
            }
            let racers = (0..64_u32).map(|n| {
                let store = Arc::clone(&store);
                tokio::spawn(async move { hold_one(&*store, n).await })
            });
            let mut held = 0;
            for racer in racers.collect::<Vec<_>>() {
                match racer.await.unwrap() {
                    Ok(()) => held += 1,
                    Err(error) => assert_eq!(error.code(), "store.bound"),
                }
            }
            assert_eq!(held, credits, "exactly what there was");
            let left = balance(&*store, &org()).await.unwrap();
            assert_eq!(left, Balance { available: 0, held: credits.cast_signed() });
        });
    }
}

/// One payment, told 64 times at once, is booked once.
#[test]
fn a_repeated_payment_is_booked_once() {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(4).build().unwrap();
    let store = Arc::new(MemoryStore::new());
    runtime.block_on(async {
        let pack = Packs::default().packs[0].clone();
        let racers = (0..64_u64).map(|n| {
            let (store, entry) =
                (Arc::clone(&store), purchase(&pack, "pi_1", AT.plus_ms(n)).unwrap());
            tokio::spawn(async move { post(&*store, &org(), &entry).await.unwrap() })
        });
        let mut booked = 0;
        for racer in racers.collect::<Vec<_>>() {
            booked += u32::from(matches!(racer.await.unwrap(), Posted::Now { .. }));
        }
        assert_eq!(booked, 1);
        let report = audit(&*store, &org(), &[]).await.unwrap();
        assert_eq!(report.balances["available"], i128::from(pack.credits));
    });
}

#[test]
fn the_audit_finds_what_was_forged() {
    block(async {
        let store = MemoryStore::new();
        post(&store, &org(), &grant("g", 10, AT).unwrap()).await.unwrap();
        hold_one(&store, 1).await.unwrap();
        let run = RunId::from_u128(1);
        let live = LiveRun { run, tally: Tally { held: 1, captured: 0, released: 0 } };
        audit(&store, &org(), &[live]).await.unwrap();
        let leaked = audit(&store, &org(), &[]).await.unwrap_err();
        assert_eq!(leaked.len(), 2, "the hold belongs to no run: {leaked:?}");

        let forged = grant("forged", 5, AT).unwrap();
        let mut batch = Batch::new("acme");
        let value = Posting::Entry(forged.clone()).to_value().unwrap();
        batch.set.push((key_of_entry(&org(), forged.id, AT), value));
        store.commit(batch).await.unwrap();
        let found = audit(&store, &org(), &[live]).await.unwrap_err();
        assert!(found.contains(&Violation::Unmarked(forged.id.to_string())), "{found:?}");
        let differs =
            |v: &Violation| matches!(v, Violation::Differs { account: Account::Available, .. });
        assert!(found.iter().any(differs), "{found:?}");
    });
}
