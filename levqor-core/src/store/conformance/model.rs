//! Random batches, against the reference: same answers, same records, same counters.

use std::collections::HashMap;
use std::sync::Arc;

use super::support::{Check, ORG, Random, bounded, counter, ensure, numbered, same};
use crate::store::{
    Batch, CommitError, Committed, Expect, Key, MemoryStore, Revision, Store, Table, Value,
};

/// Batches to try; with 24 keys and 6 counters each meets every kind of neighbour many times.
const BATCHES: u64 = 1_500;
const KEYS: u64 = 24;
const COUNTERS: u64 = 6;

pub(super) async fn same_as_memory(store: Arc<dyn Store>) -> Check {
    let model = MemoryStore::new();
    let mut random = Random(7);
    // Revisions differ between stores: the same ones under the model's number.
    let mut revisions: HashMap<Revision, Revision> = HashMap::new();
    for n in 0..BATCHES {
        let found = model.get(&(0..KEYS).map(numbered).collect::<Vec<_>>()).await;
        let found: Vec<_> = found
            .map_err(|e| e.to_string())?
            .into_iter()
            .map(|record| record.map(|r| r.revision))
            .collect();
        let batch = draw(&mut random, &found, n);
        let wanted = model.commit(batch.clone()).await;
        let mut translated = batch;
        for expect in &mut translated.expect {
            if let Expect::At(_, at) = expect {
                *at = revisions.get(at).copied().unwrap_or(*at);
            }
        }
        let got = store.commit(translated).await;
        if let (Ok(wanted), Ok(got)) = (&wanted, &got) {
            revisions.insert(wanted.revision, got.revision);
        }
        same(&format!("batch {n}"), without_revision(got), without_revision(wanted))?;
    }
    let range = Key::of(Table::Live).prefix();
    let records = async |store: &dyn Store| -> Check<Vec<(Key, Value)>> {
        let found = store.scan(&range, 99).await.map_err(|e| e.to_string())?;
        Ok(found.into_iter().map(|(key, record)| (key, record.value)).collect())
    };
    same("records at the end", records(&*store).await?, records(&model).await?)?;
    let all: Vec<_> = (0..COUNTERS).map(|n| counter(&n.to_string())).collect();
    let values = async |store: &dyn Store| store.counters(&all).await.map_err(|e| e.to_string());
    same("counters at the end", values(&*store).await?, values(&model).await?)?;
    ensure(revisions.len() as u64 > BATCHES / 10, || "hardly any batch was let through".to_owned())
}

fn without_revision(answer: Result<Committed, CommitError>) -> Result<Vec<i64>, CommitError> {
    answer.map(|done| done.counters)
}

fn draw(random: &mut Random, found: &[Option<Revision>], n: u64) -> Batch {
    let mut batch = Batch::new(ORG);
    let first = random.below(KEYS);
    for offset in 0..=random.below(3) {
        let at = (first + offset) % KEYS;
        let (key, value) = (numbered(at), Value::from(format!("{n}/{at}")));
        // Mostly right, sometimes not: a refusal must leave no trace for later batches.
        let standing = found.get(at as usize).copied().flatten();
        match (standing, random.below(8)) {
            (_, 0) => batch.insert(key, value),
            (Some(revision), 1..4) => batch.remove(key, revision),
            (Some(revision), 4) => batch.replace(key, Revision(revision.0 + 1_000_000), value),
            (Some(revision), _) => batch.replace(key, revision, value),
            (None, _) => batch.insert(key, value),
        }
    }
    for _ in 0..random.below(3) {
        let slot = random.below(COUNTERS).to_string();
        let delta = random.below(11) as i64 - 5;
        batch.add(bounded(&slot, delta, -10, 10));
    }
    batch
}
