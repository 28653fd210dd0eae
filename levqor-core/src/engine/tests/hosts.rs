//! What hosts need of the engine: keyed requests, records along, filtered lists, pages, versions.

use std::collections::BTreeMap;

use super::*;
use crate::ids::ContentHash;
use crate::store::{Batch, CommitError, Key, Table};

const STEP: &str = r#"{"steps": [{"id": "a", "uses": "t/inc", "with": {"v": 1}}]}"#;

fn step() -> Value {
    serde_json::from_str(STEP).unwrap()
}

fn request(scope: &str, body: &str) -> KeyedRequest {
    KeyedRequest::new(scope, "k1", ContentHash::of(body.as_bytes()))
}

fn host_key(name: &str) -> Key {
    Key::of(Table::Host).text(name)
}

fn row(name: &str) -> Batch {
    let mut batch = Batch::new("local");
    batch.insert(host_key(name), name.to_owned().into());
    batch
}

async fn has_row(world: &World, name: &str) -> bool {
    world.engine.store().get(&[host_key(name)]).await.unwrap()[0].is_some()
}

#[tokio::test]
async fn a_keyed_request_starts_one_run_and_its_whole_body_counts() {
    let world = World::new().await;
    let pipeline = world.compile(step()).await;
    let start = |request: KeyedRequest| {
        let mut start = Start::new(pipeline.clone(), Value::Null);
        start.request = Some(request);
        start
    };
    let none = world.engine.started(&world.organization, &request("run", "a")).await.unwrap();
    assert!(none.is_none());
    let first = world.engine.start(start(request("run", "a"))).await.unwrap();
    let again = world.engine.start(start(request("run", "a"))).await.unwrap();
    assert_eq!((first.id(), again.replayed()), (again.id(), true));
    let known = world.engine.started(&world.organization, &request("run", "a")).await.unwrap();
    assert_eq!(known.unwrap().id(), first.id());
    let other = world.engine.start(start(request("run", "b"))).await.unwrap_err();
    assert_eq!(other.code(), "idempotency.reused");
    let elsewhere = world.engine.start(start(request("intake", "a"))).await.unwrap();
    assert_ne!(elsewhere.id(), first.id(), "keys of two scopes never meet");
    let foreign = Organization::new("other").unwrap();
    let foreign = world.engine.started(&foreign, &request("run", "a")).await.unwrap();
    assert!(foreign.is_none(), "keys of two organizations never meet");
    let plain = Start::new(pipeline.clone(), Value::Null).idempotency_key("k1");
    assert_ne!(world.engine.start(plain).await.unwrap().id(), first.id());
}

/// The loser of a race is refused for what the winner took: it must hear of the winner's run.
#[tokio::test]
async fn a_repetition_is_not_refused_for_what_the_first_request_took() {
    let world = World::new().await;
    let mut document = step();
    document["concurrency"] = json!({"key": "k", "limit": 1, "on_limit": "skip"});
    let pipeline = world.compile(document).await;
    let mut start = Start::new(pipeline, Value::Null);
    start.request = Some(request("run", "a"));
    let all = (0..20).map(|_| world.engine.start(start.clone()));
    let all = futures_util::future::join_all(all).await;
    let ids: std::collections::BTreeSet<RunId> =
        all.into_iter().map(|handle| handle.unwrap().id()).collect();
    assert_eq!(ids.len(), 1);
    assert_eq!(world.engine.list(&world.organization, None, None, 9).await.unwrap().data.len(), 1);
}

#[tokio::test]
async fn what_goes_along_is_in_the_same_commit_or_nowhere() {
    let world = World::new().await;
    let (engine, organization) = (&world.engine, &world.organization);
    let pipeline = world.compile(step()).await;
    let start = || Start::new(pipeline.clone(), Value::Null);
    let run = engine.along(row("start")).start(start()).await.unwrap().id();
    engine.along(row("pause")).pause(organization, run).await.unwrap();
    engine.along(row("resume")).resume(organization, run, None).await.unwrap();
    engine.along(row("cancel")).cancel(organization, run).await.unwrap();
    for name in ["start", "pause", "resume", "cancel"] {
        assert!(has_row(&world, name).await, "{name}");
    }
    // The row stands already: nothing of the change happens.
    let refused = engine.along(row("start")).start(start()).await.unwrap_err();
    assert!(matches!(refused, Error::Commit(CommitError::Conflict { .. })), "{refused:?}");
    assert_eq!(engine.list(organization, None, None, 9).await.unwrap().data.len(), 1);
    let refused = engine.along(row("late")).cancel(organization, run).await.unwrap_err();
    assert_eq!(refused.code(), "run.ended");
    assert!(!has_row(&world, "late").await);
}

#[tokio::test]
async fn lists_are_filtered_by_what_headers_hold() {
    let world = World::new().await;
    let (engine, organization) = (&world.engine, &world.organization);
    let pipeline = world.compile(step()).await;
    let mut ids = Vec::new();
    for (n, team) in ["a", "b", "a", "a"].into_iter().enumerate() {
        let mut start = Start::new(pipeline.clone(), Value::Null);
        start.labels.insert("team".to_owned(), team.to_owned());
        ids.push(engine.start(start).await.unwrap().id());
        world.clock.advance_ms(10);
        if n == 1 {
            engine.run_until_idle().await.unwrap();
        }
    }
    let t0 = Timestamp(1_700_000_000_000);
    let find = async |filter: RunFilter, before: Option<RunId>, limit: u32| {
        let page = engine.find(organization, &filter, before, limit).await.unwrap();
        let at = |run: &RunSummary| ids.iter().position(|id| *id == run.id).unwrap();
        (page.data.iter().map(at).collect::<Vec<_>>(), page.next)
    };
    let all = RunFilter::default;
    assert_eq!(find(all(), None, 9).await, (vec![3, 2, 1, 0], None));
    let (some, next) = find(all(), None, 3).await;
    assert_eq!((some, next), (vec![3, 2, 1], Some(ids[1])));
    assert_eq!(find(all(), next, 3).await, (vec![0], None));
    let ended = RunFilter { status: Some(RunStatus::Succeeded), ..all() };
    assert_eq!(find(ended, None, 9).await.0, [1, 0]);
    let labels = BTreeMap::from([("team".to_owned(), "a".to_owned())]);
    assert_eq!(find(RunFilter { labels, ..all() }, None, 9).await.0, [3, 2, 0]);
    let after = RunFilter { created_after: Some(t0), ..all() };
    assert_eq!(find(after, None, 9).await.0, [3, 2, 1]);
    let between = RunFilter {
        created_after: Some(t0.plus_ms(9)),
        created_before: Some(t0.plus_ms(30)),
        ..all()
    };
    assert_eq!(find(between, None, 9).await.0, [2, 1]);
    let elsewhere = RunFilter { pipeline: Some("else".to_owned()), ..all() };
    assert_eq!(find(elsewhere, None, 9).await, (vec![], None));
}

#[tokio::test]
async fn labels_are_bounded() {
    let world = World::new().await;
    let pipeline = world.compile(step()).await;
    let many = (0..=crate::limits::LABELS_MAX).map(|n| (n.to_string(), String::new())).collect();
    let long = "x".repeat(crate::limits::LABEL_BYTES_MAX + 1);
    let one = |name: &str, value: &str| BTreeMap::from([(name.to_owned(), value.to_owned())]);
    for labels in [many, one("a", &long), one("a b", ""), one("", "")] {
        let mut start = Start::new(pipeline.clone(), Value::Null);
        start.labels = labels;
        assert_eq!(world.engine.start(start).await.unwrap_err().code(), "run.bad_label");
    }
}

#[tokio::test]
async fn a_journal_comes_in_pages_of_records_and_bytes() {
    let world = World::new().await;
    let steps: Vec<Value> = (0..6)
        .map(|n| json!({"id": format!("s{n}"), "uses": "t/echo", "with": {"t": "${{ input }}"}}))
        .collect();
    let large = "x".repeat(1_500_000 / 2);
    let run = world.run(json!({"steps": steps}), json!(large)).await.summary;
    let engine = &world.engine;
    let whole = engine.journal(&world.organization, run.id, 0).await.unwrap();
    let (mut read, mut pages, mut next) = (Vec::new(), 0, 0);
    loop {
        let page = engine.journal_page(&world.organization, run.id, next, 200).await.unwrap();
        next = page.records.last().unwrap().0 + 1;
        read.extend(page.records);
        pages += 1;
        if page.is_whole {
            break;
        }
    }
    assert_eq!(read, whole);
    assert!(pages > 1, "a page has about 4 MiB");
    let two = engine.journal_page(&world.organization, run.id, 1, 2).await.unwrap();
    assert_eq!(two.records, whole[1..3]);
    assert!(!two.is_whole);
    let past = engine.journal_page(&world.organization, run.id, 99, 2).await.unwrap();
    assert!(past.records.is_empty() && past.is_whole);
}

#[tokio::test]
async fn a_push_or_removal_finds_the_version_it_expects_or_does_nothing() {
    use VersionExpected::{Absent, At, Present};
    let world = World::new().await;
    let (engine, organization) = (&world.engine, &world.organization);
    let parsed = |add: u32| {
        let mut document = step();
        document["steps"][0]["with"]["v"] = json!(add);
        world.parse(document)
    };
    let code = |result: Result<Pushed, Error>| result.unwrap_err().code().to_owned();
    let missing = engine.push_over(organization, &parsed(1), Present).await;
    assert_eq!(code(missing), "pipeline.changed");
    let first = engine.push_over(organization, &parsed(1), Absent).await.unwrap().pipeline;
    assert_eq!(code(engine.push_over(organization, &parsed(2), Absent).await), "pipeline.changed");
    let at = At(first.version);
    let second = engine.push_over(organization, &parsed(2), at).await.unwrap().pipeline;
    assert_eq!(code(engine.push_over(organization, &parsed(3), at).await), "pipeline.changed");
    assert_eq!(engine.document(organization, first.version).await.unwrap(), parsed(1).document);
    let stale = engine.remove_pipeline_at(organization, "test", at).await.unwrap_err();
    assert_eq!(stale.code(), "pipeline.changed");
    engine.remove_pipeline_at(organization, "test", At(second.version)).await.unwrap();
    let gone = engine.stored_pipeline(organization, "test").await.unwrap_err();
    assert_eq!(gone.code(), "engine.not_found");
}

#[tokio::test]
async fn whoever_stops_waiting_leaves_nothing_behind() {
    let world = World::new().await;
    let absent = world.engine.inner.ids.run_id(Timestamp(1));
    assert!(world.engine.wait(&world.organization, absent).await.is_err());
    let run = world.start(json!({"steps": [{"id": "a", "uses": "t/hang"}]}), Value::Null).await;
    let waiting = world.engine.wait(&world.organization, run);
    let soon = tokio::time::timeout(std::time::Duration::from_millis(1), waiting).await;
    assert!(soon.is_err());
    // What is left is the handle's of the start, which was dropped.
    world.engine.inner.hot.lock().forget_watchers(run);
    assert!(world.engine.inner.hot.lock().watchers.is_empty());
}
