//! Holds, captures, budgets and plans, through whole runs.

use super::*;
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
            "parallel": [{"id": "x", "steps": calls()}, {"id": "y", "steps": calls()}]}),
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

#[tokio::test]
async fn a_free_plan_starts_one_run_a_day() {
    let calls = Arc::new(Mutex::new(Vec::new()));
    let clock = ManualClock::new(Timestamp(1_700_000_000_000));
    let engine =
        Engine::builder(MemoryStore::new(), Catalog::new().with(connector(&calls)).unwrap())
            .clock(clock.clone())
            .plans(Plans::default())
            .build()
            .await
            .unwrap();
    let world = World { engine, clock, calls, organization: Organization::local() };
    world.grant("g", 100).await;
    let record = OrganizationRecord::new("free", world.clock.now());
    world.engine.set_organization(&world.organization, &record).await.unwrap();
    let pipeline = world.compile(steps(1)).await;
    world.engine.start(Start::new(pipeline.clone(), Value::Null)).await.unwrap();
    let second = world.engine.start(Start::new(pipeline.clone(), Value::Null)).await.unwrap_err();
    assert_eq!(second.code(), "quota.runs_per_day");
    world.clock.advance_ms(86_400_000);
    world.engine.start(Start::new(pipeline, Value::Null)).await.unwrap();
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
