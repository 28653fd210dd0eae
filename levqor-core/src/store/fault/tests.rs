//! The store that lies on purpose: each fault is seen as what it is.

use std::task::Waker;

use super::*;
use crate::store::{MemoryStore, Table, Value, conformance};

fn key(n: u64) -> Key {
    Key::of(Table::Live).number(n)
}

fn insert(n: u64) -> Batch {
    let mut batch = Batch::new("acme");
    batch.insert(key(n), Value::from("x"));
    batch
}

/// Polls `turns` times.
fn poll<T>(future: &mut (impl Future<Output = T> + Unpin), turns: u32) -> Option<T> {
    let mut cx = Context::from_waker(Waker::noop());
    for _ in 0..turns {
        if let Poll::Ready(done) = Pin::new(&mut *future).poll(&mut cx) {
            return Some(done);
        }
    }
    None
}

fn run<T>(future: impl Future<Output = T>) -> T {
    poll(&mut Box::pin(future), 100).unwrap()
}

fn stands(store: &FaultStore<MemoryStore>, n: u64) -> bool {
    run(store.inner().get(&[key(n)])).unwrap()[0].is_some()
}

#[test]
fn a_commit_can_be_cut_before_and_after_its_effect() {
    let store = FaultStore::new(MemoryStore::new(), FaultPlan::calm(1));
    let mut before = store.commit(insert(1));
    assert!(poll(&mut before, 1).is_none());
    let mut after = store.commit(insert(2));
    assert!(poll(&mut after, 2).is_none());
    assert!(!stands(&store, 1));
    assert!(stands(&store, 2), "the second turn applies, the third answers");
    drop((before, after));
    store.drop_unacked();
    for n in 10..40 {
        run(store.commit(insert(n))).unwrap();
    }
    assert!(!stands(&store, 1), "after the power cut it never applies");
    assert_eq!(store.counts().abandoned, 1);
}

#[test]
fn an_abandoned_commit_may_still_apply() {
    let store = FaultStore::new(MemoryStore::new(), FaultPlan::calm(1));
    poll(&mut store.commit(insert(1)), 1);
    for n in 10..40 {
        run(store.commit(insert(n))).unwrap();
    }
    assert!(stands(&store, 1));
    assert_eq!(store.counts().applied_late, 1);
}

#[test]
fn unknown_is_both_and_reads_fail_too() {
    let store = FaultStore::new(MemoryStore::new(), FaultPlan::rough(3));
    let mut outcomes = [0; 2];
    for n in 0..1_000 {
        match run(store.commit(insert(n))) {
            Ok(_) => assert!(stands(&store, n)),
            Err(CommitError::Unknown) => outcomes[usize::from(stands(&store, n))] += 1,
            Err(other) => panic!("{other}"),
        }
        let _ = run(store.get(&[key(n)]));
    }
    let counts = store.counts();
    assert_eq!(outcomes, [counts.unknown_lost, counts.unknown_applied]);
    assert!(outcomes.iter().all(|n| *n > 20) && counts.unavailable > 20, "{counts:?}");
    store.poison();
    assert!(matches!(run(store.commit(insert(5_000))), Err(CommitError::Poisoned(_))));
    store.heal();
    store.set_plan(FaultPlan::default());
    run(store.commit(insert(5_000))).unwrap();
}

#[test]
fn the_same_seed_fails_the_same_way() {
    let history = |seed| {
        let store = FaultStore::new(MemoryStore::new(), FaultPlan::rough(seed));
        (0..300).map(|n| run(store.commit(insert(n))).is_ok()).collect::<Vec<_>>()
    };
    assert_eq!(history(9), history(9));
    assert_ne!(history(9), history(10));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn without_faults_it_conforms() {
    let open = async || FaultStore::new(MemoryStore::new(), FaultPlan::calm(1));
    conformance::all(open).await.unwrap();
}
