//! Holds, captures, budgets and plans, through whole runs.

use super::*;
use crate::ledger;
use crate::quota::{OrganizationRecord, Plans};

fn steps(n: usize) -> Value {
    let steps: Vec<Value> =
        (0..n).map(|i| json!({"id": format!("s{i}"), "uses": "t/echo", "with": {}})).collect();
    json!({ "steps": steps })
}

#[tokio::test]
async fn the_real_cost_is_charged_and_the_rest_released() {
    for (costs, charged) in [(None, 10), (Some(3), 3), (Some(40), 40), (Some(9_000), 40)] {
        let world = World::new().await;
        let with = costs.map_or(json!({}), |c| json!({"costs": c}));
        let document = json!({"steps": [{"id": "d", "uses": "t/dear", "with": with}]});
        let detail = world.run(document, Value::Null).await;
        assert_eq!(detail.summary.credits, charged);
        assert_eq!(world.books().await, (1_000 - charged as i64, 0));
    }
}

#[tokio::test]
async fn an_empty_balance_pauses_and_a_grant_lets_it_go_on() {
    let world = World::new().await;
    let dear = |n: usize| {
        let step = |i| json!({"id": format!("d{i}"), "uses": "t/dear", "with": {"costs": 40}});
        json!({ "steps": (0..n).map(step).collect::<Vec<_>>() })
    };
    let detail = world.run(dear(26), Value::Null).await;
    assert_eq!((detail.summary.status, detail.summary.credits), (RunStatus::Paused, 1_000));
    assert_eq!(detail.error.unwrap().code, "credits.insufficient");
    let (id, organization) = (detail.summary.id, &world.organization);
    world.grant("more", 50).await;
    world.engine.resume(organization, id, None).await.unwrap();
    let detail = world.finish(id).await;
    assert_eq!((detail.summary.status, detail.summary.credits), (RunStatus::Succeeded, 1_040));
    assert_eq!(world.books().await, (10, 0));
}

#[tokio::test]
async fn a_budget_pauses_or_fails_as_the_document_says() {
    for (rule, status) in [("pause", RunStatus::Paused), ("fail", RunStatus::Failed)] {
        let world = World::new().await;
        let mut document = steps(5);
        document["limits"] = json!({"credits": 3, "on_exceed": rule});
        let detail = world.run(document, Value::Null).await;
        assert_eq!((detail.summary.status, detail.summary.credits), (status, 3));
        assert_eq!(detail.error.unwrap().code, "run.credits_exceeded");
        assert_eq!(world.books().await, (997, 0));
        if status == RunStatus::Paused {
            let (id, org) = (detail.summary.id, &world.organization);
            world.engine.resume(org, id, Some(5)).await.unwrap();
            assert_eq!(world.finish(id).await.summary.status, RunStatus::Succeeded);
        }
    }
}

#[tokio::test]
async fn nothing_in_a_document_steps_over_its_budget() {
    let call = |id: &str| json!({"id": id, "uses": "t/echo", "with": {}});
    let calls = || json!([call("a"), call("b"), call("c"), call("d"), call("e")]);
    let others = || json!([call("f"), call("g"), call("h"), call("i"), call("j")]);
    for (what, step) in [
        ("catch", json!({"id": "t", "try": calls(), "catch": [{"steps": []}]})),
        (
            "loop",
            json!({"id": "t", "for_each": "${{ [1, 2, 3, 4, 5] }}", "as": "n",
            "max_items": 5, "on_item_error": "continue", "steps": [call("a")]}),
        ),
        (
            "any",
            json!({"id": "t", "join": "any",
            "parallel": [{"id": "x", "steps": calls()}, {"id": "y", "steps": others()}]}),
        ),
    ] {
        let world = World::new().await;
        let mut document = steps(1);
        document["steps"] = json!([step]);
        document["limits"] = json!({"credits": 3, "on_exceed": "fail"});
        let detail = world.run(document, Value::Null).await;
        let ended = (detail.summary.status, detail.summary.credits <= 3);
        assert_eq!(ended, (RunStatus::Failed, true), "{what}");
        assert_eq!(detail.error.unwrap().code, "run.credits_exceeded", "{what}");
    }
}

/// A world with the default billing plans, whose organization is on `plan` since 14 November 2023,
/// 22:13:20 UTC.
async fn planned(plan: &str) -> World {
    let calls = Arc::new(Mutex::new(Vec::new()));
    let clock = ManualClock::new(Timestamp(1_700_000_000_000));
    let engine =
        Engine::builder(MemoryStore::new(), Catalog::new().with(connector(&calls)).unwrap())
            .clock(clock.clone())
            .plans(Plans::default())
            .build()
            .await
            .unwrap();
    let record = OrganizationRecord::new(plan, clock.now());
    engine.set_organization(&Organization::local(), &record).await.unwrap();
    World { engine, clock, calls, organization: Organization::local() }
}

#[tokio::test]
async fn a_free_plan_starts_one_run_a_day() {
    let world = planned("free").await;
    let pipeline = world.compile(steps(1)).await;
    world.engine.start(Start::new(pipeline.clone(), Value::Null)).await.unwrap();
    let second = world.engine.start(Start::new(pipeline.clone(), Value::Null)).await.unwrap_err();
    let Error::Quota { error, retry_after_ms } = second else { panic!("{second}") };
    assert_eq!((error.code.as_str(), retry_after_ms), ("quota.runs_per_day", Some(6_400_000)));
    // What a host does for the organization is not one of its runs.
    let mut own = Start::new(pipeline.clone(), Value::Null);
    own.uncounted = true;
    world.engine.start(own).await.unwrap();
    world.clock.advance_ms(6_399_999);
    assert!(world.engine.start(Start::new(pipeline.clone(), Value::Null)).await.is_err());
    world.clock.advance_ms(1);
    world.engine.start(Start::new(pipeline, Value::Null)).await.unwrap();
}

#[tokio::test]
async fn a_plan_gives_its_credits_once_a_month() {
    let world = planned("free").await;
    let pipeline = world.compile(steps(1)).await;
    // The first run of a new organization finds the month's credits, whoever comes first.
    world.engine.start(Start::new(pipeline, Value::Null)).await.unwrap();
    world.engine.run_until_idle().await.unwrap();
    assert_eq!(world.books().await, (49, 0));
    let (engine, local) = (&world.engine, &world.organization);
    let racing = futures_util::future::join_all((0..20).map(|_| engine.grant_month(local))).await;
    assert_eq!(racing.into_iter().map(Result::unwrap).sum::<u64>(), 0);
    // Another engine on the same store remembers nothing, and the ledger does.
    let other = Engine::builder_on(engine.store().clone(), Catalog::new())
        .clock(world.clock.clone())
        .plans(Plans::default());
    let other = other.build().await.unwrap();
    assert_eq!(other.grant_months().await.unwrap(), 0);
    world.clock.advance_ms(17 * 86_400_000);
    let racing = futures_util::future::join_all(
        (0..20).flat_map(|_| [engine.grant_months(), other.grant_months()].map(Box::pin)),
    );
    assert_eq!(racing.await.into_iter().map(Result::unwrap).sum::<u64>(), 50);
    assert_eq!(world.books().await, (99, 0));
    // Another plan brings its own.
    let record = OrganizationRecord::new("pro", world.clock.now());
    engine.set_organization(local, &record).await.unwrap();
    assert_eq!(engine.grant_month(local).await.unwrap(), 5_000);
    let mut stopped = OrganizationRecord::new("enterprise", world.clock.now());
    stopped.suspended = Some("abuse".to_owned());
    engine.set_organization(local, &stopped).await.unwrap();
    assert_eq!(engine.grant_month(local).await.unwrap(), 0);
}

#[tokio::test]
async fn a_served_engine_gives_the_months_by_itself() {
    let world = planned("free").await;
    let (stop, stopped) = tokio::sync::oneshot::channel::<()>();
    let engine = world.engine.clone();
    let serving = tokio::spawn(async move { engine.serve(async { drop(stopped.await) }).await });
    let mut months = Vec::new();
    for days in [0, 30, 1] {
        world.clock.advance_ms(days * 86_400_000);
        // The loop has done its round when it sleeps until a later moment.
        while world.clock.next_wake().is_none_or(|at| at <= world.clock.now()) {
            tokio::task::yield_now().await;
        }
        let balance = ledger::balance(&**world.engine.store(), &world.organization).await;
        months.push(balance.unwrap().available);
    }
    assert_eq!(months, [50, 100, 100]);
    stop.send(()).unwrap();
    serving.await.unwrap().unwrap();
}

#[tokio::test]
async fn counts_of_days_are_kept_as_long_as_reports_reach_and_then_let_go() {
    let world = planned("pro").await;
    let pipeline = world.compile(steps(1)).await;
    let (store, zone) = (&**world.engine.store(), crate::schedule::Zone::utc());
    let first = crate::quota::day_slot(world.clock.now(), &zone);
    let first = crate::store::Counter::new(world.organization.as_str(), first);
    let mut days = Vec::new();
    for _ in 0..40 {
        for _ in 0..2 {
            world.engine.start(Start::new(pipeline.clone(), Value::Null)).await.unwrap();
        }
        world.engine.forget_counts().await.unwrap();
        let counted = crate::quota::counts(&world.organization, world.clock.now(), &zone, 99);
        let within: i64 = store.counters(&counted).await.unwrap().iter().sum();
        let oldest = store.counters(std::slice::from_ref(&first)).await.unwrap()[0];
        days.push((within, oldest));
        world.clock.advance_ms(86_400_000);
    }
    let wanted = (1..=40).map(|day: i64| (2 * day.min(30), 2 * i64::from(day <= 30)));
    assert_eq!(days, wanted.collect::<Vec<_>>());
}

#[tokio::test]
async fn a_settlement_names_what_each_action_cost() {
    let world = World::new().await;
    let document = json!({"steps": [
        {"id": "d", "uses": "t/dear", "with": {"costs": 7}},
        {"id": "e", "for_each": [1, 2, 3], "steps": [{"id": "x", "uses": "t/echo", "with": {}}]},
    ]});
    world.run(document, Value::Null).await;
    let (store, all) = (&**world.engine.store(), Timestamp(i64::MAX));
    let page = ledger::list(store, &world.organization, Timestamp(0), all, None, 1).await.unwrap();
    let ledger::Posting::Settlement(settled) = &page.postings[0] else { panic!("{page:?}") };
    let of = |action: &str| settled.actions.get(action).map(|t| (t.calls, t.credits));
    assert_eq!((of("t/dear"), of("t/echo")), (Some((1, 7)), Some((3, 3))));
    assert_eq!(settled.tally.captured, 10);
}

#[tokio::test]
async fn retention_removes_the_run_and_keeps_its_cost() {
    let world = World::new().await;
    let detail = world.run(steps(2), Value::Null).await;
    let policy = crate::retention::RetentionPolicy::default();
    let (engine, organization) = (&world.engine, &world.organization);
    assert_eq!(engine.expire(organization, &policy, 100).await.unwrap(), 0);
    world.clock.advance_ms(31 * 86_400_000);
    assert_eq!(engine.expire(organization, &policy, 100).await.unwrap(), 1);
    assert!(!engine.expire_some().await.unwrap());
    let gone = engine.get(organization, detail.summary.id).await.unwrap_err();
    assert_eq!(gone.code(), "engine.not_found");
    assert_eq!(world.books().await, (998, 0));
}
