//! Counters: bounds, merging, nothing half, nothing twice.

use std::sync::Arc;

use super::support::{
    Check, ORG, absent, apply, bounded, conflict, free, insert_and_add, key, out_of_bounds, same,
    value,
};
use crate::store::{Add, Batch, Counter, Store};

pub(super) async fn bounds(store: Arc<dyn Store>) -> Check {
    let store = &*store;
    same("an unused counter", value(store, "n").await?, 0)?;
    let mut names = 0;
    let mut batch = |add: Add| {
        names += 1;
        insert_and_add(&format!("k{names}"), add)
    };
    let done = apply(store, batch(bounded("n", 10, 0, 10))).await?;
    same("the answer to an add up to its bound", done.counters, vec![10])?;
    let over = batch(bounded("n", 1, 0, 10));
    out_of_bounds(store, "one over the greatest", over, "n", 10).await?;
    apply(store, batch(bounded("n", -10, 0, 10))).await?;
    out_of_bounds(store, "one under the least", batch(bounded("n", -1, 0, 10)), "n", 0).await?;

    // A bound only stops moves towards it: a debt may shrink, an excess may drain.
    apply(store, batch(free("n", -50))).await?;
    apply(store, batch(bounded("n", 20, 0, 10))).await?;
    same("a debt that shrinks", value(store, "n").await?, -30)?;
    apply(store, batch(free("n", 80))).await?;
    apply(store, batch(bounded("n", -20, 0, 10))).await?;
    same("an excess that drains", value(store, "n").await?, 30)?;
    apply(store, batch(bounded("n", 0, 40, 20))).await?;
    same("an add of nothing", value(store, "n").await?, 30)?;

    apply(store, batch(free("max", i64::MAX))).await?;
    out_of_bounds(store, "past the greatest number", batch(free("max", 1)), "max", i64::MAX)
        .await?;
    apply(store, batch(free("min", i64::MIN))).await?;
    out_of_bounds(store, "past the least number", batch(free("min", -1)), "min", i64::MIN).await?;

    // Neither slots nor organizations meet.
    let other = Counter::new("acme2", "n");
    apply(store, batch(Add { counter: other.clone(), delta: 3, min: 0, max: 9 })).await?;
    let all = [other, Counter::new(ORG, "n"), Counter::new("acm", "en"), Counter::new(ORG, "nn")];
    let found = store.counters(&all).await.map_err(|e| e.to_string())?;
    same("counters side by side", found, vec![3, 30, 0, 0])
}

pub(super) async fn merged_adds(store: Arc<dyn Store>) -> Check {
    let store = &*store;
    let mut batch = insert_and_add("a", bounded("n", 5, 0, 100));
    batch.add(bounded("m", 1, 0, 9));
    batch.add(bounded("n", -3, 0, 50));
    let done = apply(store, batch).await?;
    same("merged adds", done.counters, vec![2, 1])?;
    let mut batch = insert_and_add("b", bounded("n", 30, 0, 100));
    batch.add(bounded("n", 19, 0, 50));
    out_of_bounds(store, "merged adds over the tighter bound", batch, "n", 2).await
}

/// One refused add, or one conflict, leaves every counter and record as it was.
pub(super) async fn refused_adds(store: Arc<dyn Store>) -> Check {
    let store = &*store;
    apply(store, insert_and_add("a", free("full", 10))).await?;
    let mut batch = insert_and_add("b", free("n", 1));
    batch.add(bounded("full", 1, 0, 10));
    batch.add(free("m", 1));
    out_of_bounds(store, "the second of three adds", batch, "full", 10).await?;
    absent(store, "a record of a refused batch", &key("b")).await?;
    let mut batch = insert_and_add("b", free("n", 1));
    batch.insert(key("a"), "again".into());
    conflict(store, "a batch with adds", batch, &key("a")).await?;
    same("n", value(store, "n").await?, 0)?;
    same("m", value(store, "m").await?, 0)?;
    same("full", value(store, "full").await?, 10)
}

/// The same batch again, as after an unknown outcome, counts once.
pub(super) async fn repeated_adds(store: Arc<dyn Store>) -> Check {
    let store = &*store;
    let first = insert_and_add("a", free("n", 5));
    let at = apply(store, first.clone()).await?.revision;
    conflict(store, "an insert sent twice", first, &key("a")).await?;
    let mut second = Batch::new(ORG);
    second.replace(key("a"), at, "2".into());
    second.add(free("n", 5));
    let at = apply(store, second.clone()).await?.revision;
    conflict(store, "a replace sent twice", second, &key("a")).await?;
    let mut third = Batch::new(ORG);
    third.remove(key("a"), at);
    third.add(free("n", 5));
    apply(store, third.clone()).await?;
    conflict(store, "a remove sent twice", third, &key("a")).await?;
    same("three batches, each sent twice", value(store, "n").await?, 15)
}
