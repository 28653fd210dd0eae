//! Closing and opening again.

use super::support::{
    Check, ORG, Random, apply, conflict, ensure, free, insert, key, numbered, same, value,
};
use crate::store::{Batch, Counter, Key, KeyRange, Record, Revision, Store, Table, Value};

/// Everything that can be read.
#[derive(Debug, PartialEq)]
struct All {
    records: Vec<(Key, Record)>,
    counters: Vec<(Counter, i64)>,
}

async fn everything(store: &dyn Store) -> Check<All> {
    let range = KeyRange { start: Key::of(Table::Meta), end: Key::from_bytes(Vec::new()) };
    let records = store.scan(&range, u32::MAX).await.map_err(|e| e.to_string())?;
    let mut snapshot = store.snapshot().await.map_err(|e| e.to_string())?;
    let counters = snapshot.counters().await.map_err(|e| e.to_string())?;
    Ok(All { records, counters })
}

pub(super) async fn reopen<S: Store>(open: &impl AsyncFn() -> S) -> Check {
    let mut random = Random(11);
    let mut before: Option<All> = None;
    let mut revisions: Vec<Revision> = Vec::new();
    for round in 0..4 {
        let store = open().await;
        let found = everything(&store).await?;
        if let Some(before) = before {
            ensure(found == before, || difference(&before, &found))?;
        }
        for n in 0..120 {
            let mut batch = insert(numbered(round * 1_000 + n), "x");
            let size = if n % 40 == 7 { 200_000 } else { random.below(300) as usize };
            batch
                .set
                .push((key(&format!("{}", random.below(50))), Value::from(vec![n as u8; size])));
            batch.add(free(&format!("{}", random.below(9)), 1));
            if n % 5 == 0 {
                batch.delete.push(numbered(random.below(2_000) + 5_000));
                batch.delete.push(numbered(round.saturating_sub(1) * 1_000 + n + 1));
            }
            let revision = apply(&store, batch).await?.revision;
            ensure(!revisions.contains(&revision), || {
                format!("{revision:?} is used again after opening")
            })?;
            revisions.push(revision);
        }
        if let Some(stale) = revisions.first().filter(|_| round > 0) {
            let mut batch = Batch::new(ORG);
            batch.replace(numbered(0), *stale, Value::from("y"));
            let mut check = Batch::new(ORG);
            check.set.push((numbered(0), Value::from("z")));
            apply(&store, check).await?;
            conflict(&store, "a revision from before", batch, &numbered(0)).await?;
        }
        let total: i64 = {
            let mut sum = 0;
            for n in 0..9 {
                sum += value(&store, &n.to_string()).await?;
            }
            sum
        };
        same("adds so far", total, (round as i64 + 1) * 120)?;
        before = Some(everything(&store).await?);
    }
    Ok(())
}

fn difference(before: &All, after: &All) -> String {
    let lost = before.records.iter().find(|record| !after.records.contains(record));
    let new = after.records.iter().find(|record| !before.records.contains(record));
    format!(
        "after opening again: {} records were {}, the first lost is {:?}, the first new {:?}; \
         counters were {:?}, are {:?}",
        after.records.len(),
        before.records.len(),
        lost.map(|(key, _)| key),
        new.map(|(key, _)| key),
        before.counters,
        after.counters
    )
}
