//! Records: expectations, revisions, all or nothing, sizes.

use std::sync::Arc;

use super::support::{
    Check, ORG, absent, apply, conflict, ensure, free, get, insert, key, present, same, value,
};
use crate::store::{BATCH_BYTES_MAX, BATCH_OPS_MAX, Batch, CommitError, Expect, Store, Value};

pub(super) async fn expectations(store: Arc<dyn Store>) -> Check {
    let store = &*store;
    let (a, b) = (key("a"), key("b"));
    absent(store, "a fresh store", &a).await?;
    let first = apply(store, insert(a.clone(), "1")).await?.revision;
    let found = present(store, &a).await?;
    same("an inserted value", found.value, Value::from("1"))?;
    same("an inserted revision", found.revision, first)?;
    conflict(store, "inserting over a record", insert(a.clone(), "2"), &a).await?;
    same("after a refused insert", present(store, &a).await?.value, Value::from("1"))?;

    let mut batch = Batch::new(ORG);
    batch.replace(a.clone(), first, Value::from("2"));
    let second = apply(store, batch.clone()).await?.revision;
    conflict(store, "replacing a stale revision", batch, &a).await?;
    same("after a replace", present(store, &a).await?.value, Value::from("2"))?;
    let mut batch = Batch::new(ORG);
    batch.replace(b.clone(), second, Value::from("3"));
    conflict(store, "replacing an absent record", batch, &b).await?;

    let mut batch = Batch::new(ORG);
    batch.remove(a.clone(), first);
    conflict(store, "removing a stale revision", batch, &a).await?;
    let mut batch = Batch::new(ORG);
    batch.remove(a.clone(), second);
    apply(store, batch.clone()).await?;
    absent(store, "after a remove", &a).await?;
    conflict(store, "removing twice", batch, &a).await?;

    // Without expectations: last write wins, removing nothing is fine.
    let mut batch = Batch::new(ORG);
    batch.set.push((a.clone(), Value::from("4")));
    batch.delete.push(b.clone());
    apply(store, batch).await?;
    let mut batch = Batch::new(ORG);
    batch.set.push((a.clone(), Value::from("5")));
    apply(store, batch).await?;
    same("after blind sets", present(store, &a).await?.value, Value::from("5"))?;
    apply(store, Batch::new(ORG)).await?;
    Ok(())
}

/// Revisions are never used twice for a key, even when the value is the same or was away.
pub(super) async fn revisions(store: Arc<dyn Store>) -> Check {
    let store = &*store;
    let (a, b) = (key("a"), key("b"));
    let mut seen = Vec::new();
    for round in 0..6 {
        let mut batch = Batch::new(ORG);
        batch.set.push((a.clone(), Value::from("same")));
        batch.set.push((b.clone(), Value::from(format!("{round}"))));
        let revision = apply(store, batch).await?.revision;
        same("a record's revision", present(store, &a).await?.revision, revision)?;
        same("its neighbour's", present(store, &b).await?.revision, revision)?;
        ensure(!seen.contains(&revision), || format!("{revision:?} was used before"))?;
        for old in &seen {
            let mut batch = Batch::new(ORG);
            batch.replace(a.clone(), *old, Value::from("stale"));
            conflict(store, "an earlier revision", batch, &a).await?;
        }
        seen.push(revision);
        if round % 2 == 1 {
            let mut batch = Batch::new(ORG);
            batch.remove(a.clone(), revision);
            apply(store, batch).await?;
        }
    }
    Ok(())
}

pub(super) async fn atomicity(store: Arc<dyn Store>) -> Check {
    let store = &*store;
    let (taken, gone) = (key("taken"), key("gone"));
    apply(store, insert(taken.clone(), "1")).await?;
    let standing = apply(store, insert(gone.clone(), "1")).await?.revision;
    let names: Vec<_> = (0..40).map(|n| key(&format!("k{n:02}"))).collect();
    let batch = |with_conflict: bool| {
        let mut batch = Batch::new(ORG);
        names.iter().for_each(|k| batch.insert(k.clone(), Value::from("v")));
        batch.remove(gone.clone(), standing);
        batch.add(free("moved", 7));
        if with_conflict {
            batch.insert(taken.clone(), Value::from("2"));
        }
        batch
    };
    conflict(store, "a batch with one bad expectation", batch(true), &taken).await?;
    for k in &names {
        absent(store, "part of a refused batch", k).await?;
    }
    same("a record a refused batch removes", present(store, &gone).await?.revision, standing)?;
    same("a counter a refused batch moves", value(store, "moved").await?, 0)?;

    let revision = apply(store, batch(false)).await?.revision;
    let found = store.get(&names).await.map_err(|e| e.to_string())?;
    same("records of a batch", found.iter().flatten().count(), names.len())?;
    ensure(found.iter().flatten().all(|r| r.revision == revision), || {
        "records of one batch have different revisions".to_owned()
    })?;
    absent(store, "removed by the batch", &gone).await?;
    same("a counter of the batch", value(store, "moved").await?, 7)
}

/// An expectation about a record that the batch does not touch counts as much as any.
pub(super) async fn guards(store: Arc<dyn Store>) -> Check {
    let store = &*store;
    let (guard, target) = (key("guard"), key("target"));
    let old = apply(store, insert(guard.clone(), "open")).await?.revision;
    let guarded = |expect: Expect| {
        let mut batch = insert(target.clone(), "x");
        batch.expect.push(expect);
        batch
    };
    let mut batch = Batch::new(ORG);
    batch.replace(guard.clone(), old, Value::from("shut"));
    let new = apply(store, batch).await?.revision;
    let stale = guarded(Expect::At(guard.clone(), old));
    conflict(store, "a stale guard", stale, &guard).await?;
    let taken = guarded(Expect::Absent(guard.clone()));
    conflict(store, "a guard that it is absent", taken, &guard).await?;
    absent(store, "behind a failed guard", &target).await?;
    apply(store, guarded(Expect::At(guard.clone(), new))).await?;
    same("a guard after use", present(store, &guard).await?.revision, new)
}

pub(super) async fn invalid_batches(store: Arc<dyn Store>) -> Check {
    let store = &*store;
    let (a, b) = (key("a"), key("b"));
    let mut adds_alone = Batch::new(ORG);
    adds_alone.add(free("n", 1));
    let mut adds_blindly = adds_alone.clone();
    adds_blindly.set.push((a.clone(), Value::from("1")));
    let mut adds_beside = adds_blindly.clone();
    adds_beside.expect.push(Expect::Absent(b.clone()));
    let mut deletes_absent = adds_alone.clone();
    deletes_absent.expect.push(Expect::Absent(a.clone()));
    deletes_absent.delete.push(a.clone());
    let mut writes_twice = insert(a.clone(), "1");
    writes_twice.delete.push(a.clone());
    let mut moves_twice = insert(a.clone(), "1");
    moves_twice.add = vec![free("n", 1), free("n", 1)];
    let outside = insert(crate::store::Key::from_bytes(vec![0, 0]), "1");
    for (what, batch) in [
        ("an add alone", adds_alone),
        ("an add with a blind set", adds_blindly),
        ("an add with an expectation beside", adds_beside),
        ("an add that deletes what is absent", deletes_absent),
        ("a key written twice", writes_twice),
        ("a counter moved twice", moves_twice),
        ("a key outside the tables", outside),
    ] {
        let answer = store.commit(batch).await;
        ensure(matches!(answer, Err(CommitError::Invalid(_))), || {
            format!("{what}: got {answer:?}, wanted it to be invalid")
        })?;
        absent(store, what, &a).await?;
        same(what, value(store, "n").await?, 0)?;
    }
    Ok(())
}

pub(super) async fn too_large(store: Arc<dyn Store>) -> Check {
    let store = &*store;
    let many = |count: usize| {
        let mut batch = Batch::new(ORG);
        let all = (0..count).map(|n| (key(&format!("n{n}")), Value::from("x")));
        batch.set.extend(all);
        batch
    };
    let big = insert(key("n0"), vec![0; BATCH_BYTES_MAX + 1]);
    for (what, batch) in [("operations", many(BATCH_OPS_MAX + 1)), ("bytes", big)] {
        let answer = store.commit(batch).await;
        ensure(matches!(answer, Err(CommitError::TooLarge { .. })), || {
            format!("too many {what}: got {:?}", answer.map(|_| "Ok"))
        })?;
        absent(store, "of a batch that is too large", &key("n0")).await?;
    }
    apply(store, many(BATCH_OPS_MAX)).await?;
    present(store, &key(&format!("n{}", BATCH_OPS_MAX - 1))).await?;
    Ok(())
}

/// Values of all sizes come back whole, also after one replaced another.
pub(super) async fn values(store: Arc<dyn Store>) -> Check {
    let store = &*store;
    let sizes = [0, 1, 255, 4_096, 65_536, 65_537, 1_048_576, 0, 8_388_608, 3];
    let mut revision = None;
    for (n, size) in sizes.into_iter().enumerate() {
        let body: Vec<u8> = (0..size).map(|i| (i * 31 + n) as u8).collect();
        let body = Value::from(body);
        let mut batch = Batch::new(ORG);
        match revision {
            None => batch.insert(key("v"), body.clone()),
            Some(at) => batch.replace(key("v"), at, body.clone()),
        }
        batch.insert(key(&format!("v{n}")), body.clone());
        revision = Some(apply(store, batch).await?.revision);
        let found = present(store, &key("v")).await?.value;
        ensure(found == body, || format!("a value of {size} bytes came back changed"))?;
    }
    for (n, size) in sizes.into_iter().enumerate() {
        let found = present(store, &key(&format!("v{n}"))).await?.value;
        same("the size of a value", found.len(), size)?;
    }
    if let Some(at) = revision {
        let mut batch = Batch::new(ORG);
        batch.remove(key("v"), at);
        batch.delete.push(key("v8"));
        apply(store, batch).await?;
    }
    same("a removed value", get(store, &key("v")).await?, None)?;
    absent(store, "a removed long value", &key("v8")).await
}
