//! Many threads at once: serializable commits, reads of one moment, snapshots of one cut.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use futures_util::future::join_all;

use super::support::{
    Check, ORG, apply, bounded, counter, ensure, free, insert, insert_and_add, join, key,
    number_in, numbered, present, same, value,
};
use crate::store::{Batch, CommitError, Key, Snapshot, Store, Table, Value};

/// Writers at once: more than any machine's cores, so that groups form.
const WRITERS: u64 = 16;

/// Reads a number, adds one, writes it back; `false` when somebody else was first.
async fn add_one(store: &dyn Store) -> Check<bool> {
    let found = present(store, &key("n")).await?;
    // Others read the same meanwhile.
    tokio::task::yield_now().await;
    let mut batch = Batch::new(ORG);
    let next = number_in(&found)? + 1;
    batch.replace(key("n"), found.revision, next.to_string().into());
    batch.add(free("n", 1));
    match store.commit(batch).await {
        Ok(_) => Ok(true),
        Err(CommitError::Conflict { .. }) => Ok(false),
        Err(e) => Err(e.to_string()),
    }
}

/// Writers on several threads, and several that take turns on each: whatever the machine's load,
/// some of them overlap.
pub(super) async fn no_lost_update(store: Arc<dyn Store>) -> Check {
    const EACH: u64 = 20;
    // A conflict means that somebody else got through since, so they are bounded by all of those.
    const TRIES: u64 = 2 * WRITERS * EACH;
    apply(&*store, insert(key("n"), "0")).await?;
    let mut tasks = Vec::new();
    for _ in 0..WRITERS / 4 {
        let store = store.clone();
        let count_up = async |store: Arc<dyn Store>| -> Check {
            let (mut done, mut tries) = (0, 0);
            while done < EACH {
                tries += 1;
                ensure(tries < TRIES, || format!("{TRIES} tries were not enough for {EACH}"))?;
                done += u64::from(add_one(&*store).await?);
            }
            Ok(())
        };
        tasks.push(tokio::spawn(async move {
            let turns = (0..4).map(|_| count_up(store.clone()));
            join_all(turns).await.into_iter().collect()
        }));
    }
    join(tasks).await?;
    let total = WRITERS * EACH;
    same("a record counted up", number_in(&present(&*store, &key("n")).await?)?, total)?;
    same("a counter beside it", value(&*store, "n").await?, total as i64)
}

pub(super) async fn one_winner(store: Arc<dyn Store>) -> Check {
    for round in 0..20 {
        let winners = Arc::new(AtomicU64::new(0));
        let mut tasks = Vec::new();
        for n in 0..WRITERS {
            let (store, winners) = (store.clone(), winners.clone());
            tasks.push(tokio::spawn(async move {
                let mut batch = insert(numbered(round), n.to_string());
                batch.insert(key(&format!("{round}/{n}")), "x".into());
                match store.commit(batch).await {
                    Ok(_) => winners.fetch_add(1, Ordering::Relaxed),
                    Err(CommitError::Conflict { .. }) => 0,
                    Err(e) => return Err(e.to_string()),
                };
                Ok(())
            }));
        }
        join(tasks).await?;
        same("winners of one key", winners.load(Ordering::Relaxed), 1)?;
        let left = store
            .scan(&Key::of(Table::PluginState).raw(format!("{round}/").as_bytes()).prefix(), 99)
            .await;
        same("records of the winners", left.map_err(|e| e.to_string())?.len(), 1)?;
    }
    Ok(())
}

pub(super) async fn exact_bound(store: Arc<dyn Store>) -> Check {
    const EACH: u64 = 20;
    const ADMITTED: i64 = 137;
    let refused = Arc::new(AtomicU64::new(0));
    let mut tasks = Vec::new();
    for writer in 0..WRITERS {
        let (store, refused) = (store.clone(), refused.clone());
        tasks.push(tokio::spawn(async move {
            for n in 0..EACH {
                let mut batch = insert(numbered(writer * EACH + n), "x");
                batch.add(bounded("admitted", 1, 0, ADMITTED));
                match store.commit(batch).await {
                    Ok(done) => ensure(done.counters.iter().all(|n| *n <= ADMITTED), || {
                        format!("an answer over the bound: {:?}", done.counters)
                    })?,
                    Err(CommitError::Bound { .. }) => {
                        refused.fetch_add(1, Ordering::Relaxed);
                    }
                    Err(e) => return Err(e.to_string()),
                }
            }
            Ok(())
        }));
    }
    join(tasks).await?;
    same("admitted", value(&*store, "admitted").await?, ADMITTED)?;
    let records = store.scan(&Key::of(Table::Live).prefix(), 9_999).await;
    same("their records", records.map_err(|e| e.to_string())?.len(), ADMITTED as usize)?;
    same("refused", refused.load(Ordering::Relaxed), WRITERS * EACH - ADMITTED as u64)
}

/// Adds to one counter never conflict.
pub(super) async fn adds_commute(store: Arc<dyn Store>) -> Check {
    let mut tasks = Vec::new();
    for writer in 0..WRITERS {
        let store = store.clone();
        tasks.push(tokio::spawn(async move {
            for n in 0..30 {
                apply(&*store, insert_and_add(&format!("{writer}/{n}"), free("n", 1))).await?;
            }
            Ok(())
        }));
    }
    join(tasks).await?;
    same("all adds", value(&*store, "n").await?, 30 * WRITERS as i64)
}

/// Sets `flag` when dropped, so that a writer that fails ends the readers, too.
struct Ends(Arc<AtomicBool>);

impl Drop for Ends {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Release);
    }
}

/// A `get` of two keys that always change together sees them equal.
pub(super) async fn one_moment(store: Arc<dyn Store>) -> Check {
    let pair = [key("left"), key("right")];
    let set = |n: u64| {
        let mut batch = Batch::new(ORG);
        batch.set.extend(pair.iter().map(|k| (k.clone(), Value::from(n.to_string()))));
        batch
    };
    apply(&*store, set(0)).await?;
    let over = Arc::new(AtomicBool::new(false));
    let readers = (0..3).map(|_| {
        let (store, pair, over) = (store.clone(), pair.clone(), over.clone());
        tokio::spawn(read_pairs(store, pair, over))
    });
    let readers: Vec<_> = readers.collect();
    // And one that takes turns with the writer, whatever the machine's load.
    let writer = async {
        let _ends = Ends(over.clone());
        for n in 1..400 {
            apply(&*store, set(n)).await?;
            tokio::task::yield_now().await;
        }
        Ok(())
    };
    let reader = read_pairs(store.clone(), pair.clone(), over.clone());
    let (written, read) = futures_util::future::join(writer, reader).await;
    join(readers).await.and(written).and(read)
}

async fn read_pairs(store: Arc<dyn Store>, pair: [Key; 2], over: Arc<AtomicBool>) -> Check {
    let mut last = 0;
    while !over.load(Ordering::Acquire) {
        let found = store.get(&pair).await.map_err(|e| e.to_string())?;
        let numbers: Vec<_> = found.iter().flatten().map(number_in).collect::<Check<_>>()?;
        ensure(numbers.len() == 2 && numbers[0] == numbers[1], || {
            format!("one get saw two moments: {numbers:?}")
        })?;
        ensure(numbers[0] >= last, || format!("{last}, then {}", numbers[0]))?;
        last = numbers[0];
        tokio::task::yield_now().await;
    }
    Ok(())
}

/// All of a table in a snapshot, page by page.
async fn pages(snapshot: &mut dyn Snapshot, table: Table) -> Check<Vec<(Key, Value)>> {
    let range = Key::of(table).prefix();
    let (mut all, mut after) = (Vec::new(), None);
    loop {
        let page = snapshot.records(after.as_ref(), 13).await.map_err(|e| e.to_string())?;
        let Some((last, _)) = page.last() else { break };
        ensure(page.is_sorted_by(|a, b| a.0 < b.0), || "a page out of order".to_owned())?;
        ensure(after.as_ref().is_none_or(|a| *a < page[0].0), || "a page again".to_owned())?;
        after = Some(last.clone());
        all.extend(page.into_iter().filter(|(key, _)| range.contains(key)));
    }
    Ok(all)
}

/// Nothing that is committed later shows, whatever it does.
pub(super) async fn snapshot(store: Arc<dyn Store>) -> Check {
    let mut wanted = Vec::new();
    for n in 0..60 {
        let mut batch = insert(numbered(n), n.to_string());
        batch.add(free(&format!("c{n:02}"), n as i64));
        apply(&*store, batch).await?;
        wanted.push((numbered(n), Value::from(n.to_string())));
    }
    let mut snapshot = store.snapshot().await.map_err(|e| e.to_string())?;
    let mut late = store.snapshot().await.map_err(|e| e.to_string())?;
    for n in 0..60 {
        let mut batch = insert(numbered(1_000 + n), "later");
        match n % 3 {
            0 => batch.delete.push(numbered(n)),
            1 => batch.set.push((numbered(n), "changed".into())),
            _ => {}
        }
        batch.add(free(&format!("c{n:02}"), -7));
        apply(&*store, batch).await?;
    }
    same("records of a snapshot", pages(&mut *snapshot, Table::Live).await?, wanted.clone())?;
    let counters = snapshot.counters().await.map_err(|e| e.to_string())?;
    let wanted_counters: Vec<_> = (1..60).map(|n| (counter(&format!("c{n:02}")), n)).collect();
    same("counters of a snapshot", counters, wanted_counters)?;
    drop(snapshot);
    apply(&*store, insert(numbered(2_000), "later still")).await?;
    same("of a second snapshot", pages(&mut *late, Table::Live).await?, wanted)
}

/// Every commit keeps three things equal: records, a header, a counter. So must every snapshot.
pub(super) async fn snapshot_under_load(store: Arc<dyn Store>) -> Check {
    let over = Arc::new(AtomicBool::new(false));
    apply(&*store, insert(key("count"), "0")).await?;
    let writer = tokio::spawn({
        let (store, over) = (store.clone(), over.clone());
        async move {
            let (mut n, mut at) = (0, present(&*store, &key("count")).await?.revision);
            while !over.load(Ordering::Acquire) && n < 20_000 {
                n += 1;
                let mut batch = insert(numbered(n), "x");
                batch.replace(key("count"), at, n.to_string().into());
                // One record wanders, so that what is deleted counts as much.
                batch.delete.push(Key::of(Table::Done).number(n - 1));
                batch.set.push((Key::of(Table::Done).number(n), "x".into()));
                batch.add(free("count", 1));
                at = apply(&*store, batch).await?.revision;
            }
            Ok(())
        }
    });
    let ends = Ends(over);
    let mut last = 0;
    for _ in 0..20 {
        // Not the same cut twenty times.
        while value(&*store, "count").await? < last + 5 && !writer.is_finished() {
            tokio::task::yield_now().await;
        }
        let mut snapshot = store.snapshot().await.map_err(|e| e.to_string())?;
        let header = pages(&mut *snapshot, Table::PluginState).await?;
        let records = pages(&mut *snapshot, Table::Live).await?.len();
        let wanderers = pages(&mut *snapshot, Table::Done).await?;
        let counters = snapshot.counters().await.map_err(|e| e.to_string())?;
        let counted = counters.first().map_or(0, |(_, value)| *value);
        let header = header.first().map(|(_, value)| value.clone()).unwrap_or_default();
        same("a header and its records", header, Value::from(records.to_string()))?;
        same("a counter and its records", counted, records as i64)?;
        let wanted =
            if records == 0 { None } else { Some(Key::of(Table::Done).number(records as u64)) };
        same(
            "the wanderer",
            wanderers.into_iter().map(|(k, _)| k).collect(),
            Vec::from_iter(wanted),
        )?;
        last = counted;
    }
    drop(ends);
    join(vec![writer]).await
}
