//! Cancel, pause, resume, replay, idempotency, concurrency, and taking over after a crash.

use super::*;

fn napping() -> Value {
    json!({"steps": [
        {"id": "a", "uses": "t/echo", "with": {"n": 1}},
        {"id": "nap", "uses": "core/sleep", "with": {"for": "1h"}},
        {"id": "b", "uses": "t/echo", "with": {"n": 2}}]})
}

#[tokio::test]
async fn cancel_ends_it_at_once_and_for_good() {
    let world = World::new().await;
    let run = world.start(napping(), Value::Null).await;
    world.engine.run_until_idle().await.unwrap();
    world.engine.cancel(&world.organization, run).await.unwrap();
    let detail = world.finish(run).await;
    assert_eq!(detail.summary.status, RunStatus::Cancelled);
    assert_eq!((world.called("echo"), world.books().await), (1, (999, 0)));
    let again = world.engine.cancel(&world.organization, run).await.unwrap_err();
    assert_eq!(again.code(), "run.ended");
    let other = Organization::new("other").unwrap();
    let hidden = world.engine.cancel(&other, run).await.unwrap_err();
    assert_eq!(hidden.code(), "engine.not_found");
}

#[tokio::test]
async fn cancel_releases_the_hold_of_a_call_under_way() {
    let world = World::new().await;
    let pipeline =
        world.compile(json!({"steps": [{"id": "h", "uses": "t/hang", "with": {}}]})).await;
    let (engine, organization) = (world.engine.clone(), world.organization.clone());
    let run = engine.start(Start::new(pipeline, Value::Null)).await.unwrap().id();
    let driving = engine.tick();
    tokio::pin!(driving);
    assert!(futures_util::FutureExt::now_or_never(&mut driving).is_none(), "it hangs");
    let balance = crate::ledger::balance(&**engine.store(), &organization).await.unwrap();
    assert_eq!((balance.available, balance.held), (999, 1));
    engine.cancel(&organization, run).await.unwrap();
    driving.await.unwrap();
    assert_eq!(world.books().await, (1_000, 0));
}

#[tokio::test]
async fn a_crash_in_a_call_repeats_a_safe_step_and_gives_an_unsafe_one_to_a_person() {
    for (uses, status) in [("t/hang", RunStatus::Succeeded), ("t/unsafe_hang", RunStatus::Dead)] {
        let store = MemoryStore::new();
        let world = World::on(store.clone()).await;
        let document = json!({"steps": [
            {"id": "one", "uses": "t/inc", "with": {"v": 1}},
            {"id": "h", "uses": uses, "with": {}}]});
        let run = world.start(document, Value::Null).await;
        // The call hangs; the process dies with it.
        assert!(futures_util::FutureExt::now_or_never(world.engine.tick()).is_none());
        let later = World::on(store).await;
        *later.calls.lock() = vec!["let go".to_owned()];
        let detail = later.finish(run).await;
        assert_eq!(detail.summary.status, status, "{uses}");
        assert_eq!(later.called("inc"), 0, "the first step stands");
        if status == RunStatus::Dead {
            assert_eq!(detail.error.unwrap().code, "step.interrupted");
        }
        assert_eq!(later.books().await.1, 0);
    }
}

#[tokio::test]
async fn resume_takes_over_what_succeeded_and_charges_nothing_twice() {
    let world = World::new().await;
    let document = json!({"steps": [
        {"id": "a", "uses": "t/inc", "with": {"v": 1}},
        {"id": "b", "uses": "t/fail", "with": {"kind": "unavailable", "times": 3}},
        {"id": "c", "uses": "t/inc", "with": {"v": "${{ steps.a.output.v }}"}}]});
    let detail = world.run(document, Value::Null).await;
    assert_eq!(detail.summary.status, RunStatus::Dead);
    let (engine, organization) = (&world.engine, &world.organization);
    let resumed = engine.resume(organization, detail.summary.id, None).await.unwrap();
    let twice = engine.resume(organization, detail.summary.id, None).await.unwrap();
    assert_eq!((resumed.id(), twice.replayed()), (twice.id(), true));
    assert!(engine.dead_letters(organization, None, 10).await.unwrap().data.is_empty());
    let after = world.finish(resumed.id()).await;
    assert_eq!(*after.output.unwrap(), json!({"v": 3}));
    assert_eq!(after.origin, Some(detail.summary.id));
    assert_eq!((world.called("inc"), world.books().await), (2, (997, 0)));
    assert_eq!(world.get(detail.summary.id).await.summary.status, RunStatus::Dead, "final");
}

fn from(step: &str, pipeline: Option<Arc<Pipeline>>) -> Replay {
    Replay { from: Some(step.to_owned()), pipeline, ..Replay::default() }
}

#[tokio::test]
async fn replay_runs_an_edited_document_from_a_step() {
    let world = World::new().await;
    let document = |add: u32| {
        json!({"steps": [
            {"id": "a", "uses": "t/inc", "with": {"v": 1}},
            {"id": "b", "uses": "t/inc", "with": {"v": format!("${{{{ steps.a.output.v + {add} }}}}")}}]})
    };
    let first = world.run(document(0), Value::Null).await;
    assert_eq!(*first.output.unwrap(), json!({"v": 3}));
    let edited = world.compile(document(100)).await;
    let (engine, id) = (&world.engine, first.summary.id);
    let again = engine.replay(&world.organization, id, from("b", Some(edited))).await.unwrap();
    assert_eq!(*world.finish(again.id()).await.output.unwrap(), json!({"v": 103}));
    assert_eq!(world.called("inc"), 3, "step `a` was taken over");
    let missing = engine.replay(&world.organization, id, from("nope", None)).await;
    assert_eq!(missing.unwrap_err().code(), "engine.not_found");
}

#[tokio::test]
async fn one_idempotency_key_starts_one_run() {
    let world = World::new().await;
    let pipeline = world.compile(napping()).await;
    let start = |n: u32| Start::new(pipeline.clone(), json!({"n": n})).idempotency_key("k1");
    let first = world.engine.start(start(1)).await.unwrap();
    let again = world.engine.start(start(1)).await.unwrap();
    assert_eq!((first.id(), again.replayed()), (again.id(), true));
    let other = world.engine.start(start(2)).await.unwrap_err();
    assert_eq!(other.code(), "idempotency.reused");
}

#[tokio::test]
async fn a_concurrency_key_queues_skips_or_replaces() {
    let limited = |rule: &str| {
        let mut document = napping();
        document["concurrency"] = json!({"key": "${{ input.k }}", "limit": 1, "on_limit": rule});
        document
    };
    let world = World::new().await;
    let one = world.start(limited("queue"), json!({"k": "x"})).await;
    let two = world.start(limited("queue"), json!({"k": "x"})).await;
    let free = world.start(limited("queue"), json!({"k": "y"})).await;
    world.engine.run_until_idle().await.unwrap();
    let mut status = Vec::new();
    for run in [one, two, free] {
        status.push(world.get(run).await.summary.status);
    }
    assert_eq!(status, [RunStatus::Waiting, RunStatus::Queued, RunStatus::Waiting]);
    assert_eq!(world.finish(one).await.summary.status, RunStatus::Succeeded);
    assert_eq!(world.finish(two).await.summary.status, RunStatus::Succeeded);

    let world = World::new().await;
    world.start(limited("skip"), json!({"k": "x"})).await;
    let pipeline = world.compile(limited("skip")).await;
    let skipped = world.engine.start(Start::new(pipeline, json!({"k": "x"}))).await.unwrap_err();
    assert_eq!(skipped.code(), "run.concurrency_skipped");
}

#[tokio::test]
async fn a_delayed_run_keeps_its_time_when_its_turn_comes_first() {
    let world = World::new().await;
    let mut document = napping();
    document["concurrency"] = json!({"key": "k", "limit": 1, "on_limit": "queue"});
    let first = world.start(document.clone(), Value::Null).await;
    let mut start = Start::new(world.compile(document).await, Value::Null);
    let at = world.clock.now().plus_ms(86_400_000);
    start.delay_until = Some(at);
    let second = world.engine.start(start).await.unwrap().id();
    assert_eq!(world.finish(first).await.summary.status, RunStatus::Succeeded);
    world.engine.run_until_idle().await.unwrap();
    assert_eq!(world.get(second).await.summary.status, RunStatus::Queued);
    world.clock.set(at);
    assert_eq!(world.finish(second).await.summary.status, RunStatus::Succeeded);
}

#[tokio::test]
async fn a_new_engine_continues_where_the_old_one_stopped() {
    let store = MemoryStore::new();
    let world = World::on(store.clone()).await;
    let run = world.start(napping(), Value::Null).await;
    world.engine.run_until_idle().await.unwrap();
    let later = World::on(store).await;
    assert_eq!(later.get(run).await.summary.status, RunStatus::Waiting);
    assert_eq!(later.finish(run).await.summary.status, RunStatus::Succeeded);
    assert_eq!((world.called("echo"), later.called("echo")), (1, 1), "no step ran twice");
}

/// The version goes into the store with the start's commit. A commit that is refused stores
/// nothing, and the next start must not believe that it did.
#[tokio::test]
async fn a_refused_start_does_not_lose_the_version_of_the_next() {
    let store = MemoryStore::new();
    let world = World::on(store.clone()).await;
    let take = crate::ledger::refund("all", 1_000, Timestamp(1)).unwrap();
    crate::ledger::post(&store, &world.organization, &take).await.unwrap();
    let pipeline = world.compile(json!({"steps": [{"id": "a", "uses": "t/inc"}]})).await;
    // While it is served a start holds its first step's price at once.
    *world.engine.inner.spawner.lock() = Some(Arc::new(drop));
    let start = || world.engine.start(Start::new(pipeline.clone(), json!({})));
    assert_eq!(start().await.unwrap_err().code(), "credits.insufficient");
    world.grant("more", 10).await;
    let run = start().await.unwrap().id();
    // The process dies here; another one has only the store.
    let later = World::on(store).await;
    assert_eq!(later.finish(run).await.summary.status, RunStatus::Succeeded);
}

#[tokio::test]
async fn a_half_imported_store_is_refused() {
    use crate::store::backup;
    let world = World::new().await;
    world.run(napping(), Value::Null).await;
    let mut bytes = Vec::new();
    backup::export(&**world.engine.store(), &mut bytes, Timestamp(1)).await.unwrap();
    let whole = MemoryStore::new();
    backup::import(&bytes[..], &whole).await.unwrap();
    assert!(Engine::builder(whole, Catalog::new()).build().await.is_ok());
    let half = MemoryStore::new();
    assert!(backup::import(&bytes[..bytes.len() - 40], &half).await.is_err());
    if backup::is_partial(&half).await.unwrap() {
        let refused = Engine::builder(half, Catalog::new()).build().await.unwrap_err();
        assert_eq!(refused.code(), "store.format");
    }
}

/// Writes one record for each end and each pause.
#[derive(Debug)]
struct Ends;

impl Outbox for Ends {
    fn records(&self, change: &StatusChange<'_>) -> Vec<(crate::store::Key, crate::store::Value)> {
        if !change.status.is_final() && change.status != RunStatus::Paused {
            return Vec::new();
        }
        let key = crate::store::Key::of(Table::Host).text(change.organization.as_str());
        let key = key.text(&change.run.to_string()).text(&format!("{:08x}", change.seq));
        vec![(key, format!("{} {:?}", change.pipeline, change.status).into())]
    }
}

#[tokio::test]
async fn what_the_outbox_writes_is_there_when_the_status_is_and_never_for_the_embedders_own() {
    let store = MemoryStore::new();
    let plans = crate::quota::Plans::default();
    let calls = Arc::new(Mutex::new(Vec::new()));
    let engine = Engine::builder(store.clone(), Catalog::new().with(connector(&calls)).unwrap())
        .clock(ManualClock::new(Timestamp(1_700_000_000_000)))
        .ids(SeededIds::new(7))
        .plans(plans)
        .outbox(Arc::new(Ends))
        .own_organizations("own.")
        .build()
        .await
        .unwrap();
    let said = async || {
        let all = engine.store().scan(&crate::store::Key::of(Table::Host).prefix(), 100).await;
        let texts = all.unwrap().into_iter();
        texts.map(|(_, r)| String::from_utf8_lossy(&r.value).into_owned()).collect::<Vec<_>>()
    };
    let start = async |of: &str, steps: Value| {
        let organization = Organization::new(of).unwrap();
        let document = json!({"schema": "levqor/v1", "name": "p", "steps": steps});
        let pipeline = engine.compile_text(&organization, &document.to_string()).await.unwrap();
        let run = engine.start(Start::new(pipeline, Value::Null).organization(organization)).await;
        engine.run_until_idle().await.unwrap();
        run.map(|run| run.id())
    };
    let good = json!([{"id": "a", "uses": "core/set", "with": {"v": 1}}]);
    start("a", good.clone()).await.unwrap();
    assert_eq!(said().await, ["p Succeeded"]);
    let refused = start("a", good.clone()).await.unwrap_err();
    assert_eq!(refused.code(), "quota.runs_per_day");
    for _ in 0..3 {
        start("own.a", good.clone()).await.unwrap();
    }
    assert_eq!(said().await.len(), 1, "its own runs are neither limited nor told");
    let napping = json!([{"id": "nap", "uses": "core/sleep", "with": {"for": "1h"}}]);
    let run = start("b", napping).await.unwrap();
    let organization = Organization::new("b").unwrap();
    engine.pause(&organization, run).await.unwrap();
    engine.cancel(&organization, run).await.unwrap();
    engine.run_until_idle().await.unwrap();
    assert_eq!(said().await, ["p Succeeded", "p Paused", "p Cancelled"]);
}
