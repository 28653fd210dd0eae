//! Retries, timeouts, sleeps, waits and schedules.

use super::*;

#[tokio::test]
async fn a_retryable_error_is_tried_again_with_backoff() {
    let world = World::new().await;
    let begun = world.clock.now();
    let document = json!({"steps": [{"id": "a", "uses": "t/fail",
        "with": {"kind": "unavailable", "times": 2},
        "retry": {"max_attempts": 3, "delay": "2s", "backoff": "exponential", "jitter": 0}}]});
    let detail = world.run(document, Value::Null).await;
    assert_eq!(*detail.output.unwrap(), json!({"after": 3}));
    assert_eq!(world.clock.now().since_ms(begun), 6_000, "2 s and 4 s");
    let attempts: Vec<u32> = world
        .events(detail.summary.id)
        .await
        .iter()
        .filter_map(|e| {
            if let Event::AttemptOpened { attempt, .. } = e { Some(*attempt) } else { None }
        })
        .collect();
    assert_eq!(attempts, [1, 2, 3]);
    assert_eq!(world.books().await, (999, 0), "three holds, one charge");
}

#[tokio::test]
async fn retries_end_in_a_dead_letter_and_permanent_errors_do_not() {
    for (kind, tries, status) in [
        ("unavailable", 3, RunStatus::Dead),
        ("invalid_input", 1, RunStatus::Failed),
        ("plugin_trap", 1, RunStatus::Dead),
    ] {
        let world = World::new().await;
        let document = json!({"steps": [{"id": "a", "uses": "t/fail", "with": {"kind": kind}}]});
        let detail = world.run(document, Value::Null).await;
        assert_eq!((detail.summary.status, world.called("fail")), (status, tries), "{kind}");
        let letters = world.engine.dead_letters(&world.organization, None, 10).await.unwrap();
        assert_eq!(letters.data.len(), usize::from(status == RunStatus::Dead));
        assert_eq!(world.books().await, (1_000, 0));
    }
}

#[tokio::test]
async fn an_unknown_outcome_of_an_unsafe_action_goes_to_a_person() {
    let ambiguous = |uses: &str| {
        json!({"steps": [{"id": "a", "uses": uses,
            "with": {"kind": "unavailable", "as": "ambiguous", "times": 1}}]})
    };
    let world = World::new().await;
    let detail = world.run(ambiguous("t/unsafe"), Value::Null).await;
    assert_eq!(detail.summary.status, RunStatus::Dead);
    assert_eq!(detail.error.unwrap().kind, ErrorKind::Ambiguous);
    assert_eq!(world.called("unsafe"), 1);
    let detail = world.run(ambiguous("t/fail"), Value::Null).await;
    assert_eq!(detail.summary.status, RunStatus::Succeeded, "a safe one is repeated");
    let mut document = ambiguous("t/fail");
    document["steps"][0]["with"]["kind"] = json!("ambiguous");
    document["steps"][0]["with"]["n"] = json!(2);
    let detail = world.run(document, Value::Null).await;
    assert_eq!(detail.summary.status, RunStatus::Succeeded, "whatever kind its connector names");
}

#[tokio::test]
async fn retry_after_is_kept_and_does_not_use_up_attempts() {
    let world = World::new().await;
    let begun = world.clock.now();
    let document = json!({"steps": [{"id": "a", "uses": "t/fail",
        "with": {"kind": "rate_limited", "as": "retry", "after_ms": 30_000, "times": 5},
        "retry": {"max_attempts": 2, "delay": "1s", "jitter": 0}}]});
    let detail = world.run(document, Value::Null).await;
    assert_eq!(detail.summary.status, RunStatus::Succeeded);
    assert_eq!(world.clock.now().since_ms(begun), 150_000);
}

#[tokio::test]
async fn a_run_times_out_while_it_sleeps() {
    let world = World::new().await;
    let document = json!({"timeout": "10m", "steps": [
        {"id": "nap", "uses": "core/sleep", "with": {"for": "1h"}}]});
    let detail = world.run(document, Value::Null).await;
    assert_eq!(detail.error.as_ref().map(|e| &*e.code), Some("run.timeout"), "{detail:?}");
}

#[tokio::test]
async fn events_and_approvals_wake_a_run() {
    let world = World::new().await;
    let document = json!({"steps": [
        {"id": "paid", "uses": "core/wait_event",
         "with": {"event": "paid", "match": "event.order == input.order", "timeout": "7d"}},
        {"id": "ok", "uses": "core/approval",
         "with": {"message": "send?", "form_schema": {"type": "object", "required": ["why"]}}},
    ], "output": {"sum": "${{ steps.paid.output.sum }}", "ok": "${{ steps.ok.output.approved }}"}});
    let run = world.start(document, json!({"order": 7})).await;
    world.engine.run_until_idle().await.unwrap();
    let (engine, organization) = (&world.engine, &world.organization);
    let took = engine.publish(organization, "paid", json!({"order": 8})).await.unwrap();
    assert!(took.is_empty());
    let took = engine.publish(organization, "paid", json!({"order": 7, "sum": 12})).await.unwrap();
    assert_eq!(took, [run]);
    engine.run_until_idle().await.unwrap();
    let mut decision =
        Decision { step: "ok".into(), approved: true, form: json!({}), by: "ada".into() };
    let refused = engine.decide(organization, run, &decision).await.unwrap_err();
    assert_eq!(refused.code(), "run.form_invalid");
    decision.form = json!({"why": "asked"});
    engine.decide(organization, run, &decision).await.unwrap();
    assert_eq!(*world.finish(run).await.output.unwrap(), json!({"sum": 12, "ok": true}));
    let again = engine.decide(organization, run, &decision).await.unwrap_err();
    assert_eq!(again.code(), "run.ended");
}

#[tokio::test]
async fn a_schedule_fires_once_a_due_time_also_across_a_restart() {
    let store = MemoryStore::new();
    let world = World::on(store.clone()).await;
    let document = json!({"name": "tick", "triggers": [
        {"id": "each", "uses": "schedule", "with": {"every": "10m", "catch_up": "last"}}],
        "steps": [{"id": "a", "uses": "t/echo", "with": {"at": "${{ input.scheduled_at }}"}}]});
    world.engine.push(&world.organization, &world.parse(document)).await.unwrap();
    for fired in 1..=3 {
        let next = world.engine.run_until_idle().await.unwrap().unwrap();
        world.clock.set(next);
        world.engine.run_until_idle().await.unwrap();
        assert_eq!(world.called("echo"), fired);
    }
    let at = world.clock.now();
    let later = World::on(store).await;
    later.clock.set(at.plus_ms(3_600_000));
    later.engine.run_until_idle().await.unwrap();
    assert_eq!(later.called("echo"), 1, "the last of six missed times");
    let record = &later.engine.schedules(&later.organization).await.unwrap()[0];
    assert_eq!((record.fired, record.skipped), (4, 5));
}

#[tokio::test]
async fn an_event_starts_one_run_for_each_dedupe_key() {
    let world = World::new().await;
    let document = json!({"name": "on-paid", "triggers": [{"id": "paid", "uses": "event",
        "with": {"event": "paid", "match": "event.sum > 1"}, "dedupe_key": "${{ event.id }}", "input": {"sum": "${{ event.sum }}"}}],
        "steps": [{"id": "a", "uses": "t/echo", "with": {"sum": "${{ input.sum }}"}}]});
    world.engine.push(&world.organization, &world.parse(document)).await.unwrap();
    let publish = |id: &str, sum: u32| {
        let payload = json!({"id": id, "sum": sum});
        world.engine.publish(&world.organization, "paid", payload)
    };
    let first = publish("e1", 5).await.unwrap();
    assert_eq!(first, publish("e1", 6).await.unwrap(), "the same event again");
    publish("e2", 7).await.unwrap();
    world.engine.expire_some().await.unwrap();
    assert!(publish("e3", 1).await.unwrap().is_empty(), "it does not match");
    world.engine.publish(&world.organization, "other", Value::Null).await.unwrap();
    world.engine.run_until_idle().await.unwrap();
    assert_eq!(world.called("echo"), 2);
    assert_eq!(world.called(r#"echo {"sum":5}"#), 1);
    world.clock.advance_ms(8 * 86_400_000);
    world.engine.expire_some().await.unwrap();
    assert_ne!(first, publish("e1", 5).await.unwrap(), "keys are kept for a week");
}

#[tokio::test]
async fn an_event_with_an_id_of_its_own_starts_one_run_also_across_a_restart() {
    let store = MemoryStore::new();
    let world = World::on(store.clone()).await;
    let hook = |name: &str, key: Value| {
        let mut trigger = json!({"id": "hook", "uses": "webhook", "with": {"verify": "none"}});
        if !key.is_null() {
            trigger["dedupe_key"] = key;
        }
        let other = json!({"id": "other", "uses": "webhook", "with": {"verify": "none"}});
        json!({"name": name, "triggers": [trigger, other],
            "steps": [{"id": "a", "uses": "t/echo", "with": {"n": "${{ input.n }}"}}]})
    };
    for (name, key) in [
        ("plain", Value::Null),
        ("keyed", json!("${{ event.key }}")),
        ("odd", json!("${{ event.id }}")),
    ] {
        world.engine.push(&world.organization, &world.parse(hook(name, key))).await.unwrap();
    }
    async fn send(world: &World, to: (&str, &str), event: Value, id: &str) -> (RunId, bool) {
        let (pipeline, trigger) = to;
        let run = world.engine.trigger_once(&world.organization, pipeline, trigger, event, id);
        let run = run.await.unwrap();
        (run.id(), run.replayed())
    }
    let (plain, event) = (("plain", "hook"), json!({"n": 1}));
    let (first, replayed) = send(&world, plain, event.clone(), "d1").await;
    assert!(!replayed);
    assert_eq!(send(&world, plain, json!({"n": 2}), "d1").await, (first, true), "the id decides");
    assert_ne!(send(&world, plain, event.clone(), "d2").await.0, first);
    assert_ne!(send(&world, ("plain", "other"), event.clone(), "d1").await.0, first);

    // The document's own key comes before the id; where it gives nothing, the id is used.
    let keyed = ("keyed", "hook");
    let (one, _) = send(&world, keyed, json!({"n": 1, "key": "k"}), "d1").await;
    assert_eq!(send(&world, keyed, json!({"n": 1, "key": "k"}), "d2").await, (one, true));
    let (bare, _) = send(&world, keyed, json!({"n": 1, "key": ""}), "d3").await;
    assert_eq!(send(&world, keyed, json!({"n": 1, "key": null}), "d3").await, (bare, true));
    assert_ne!(one, bare);

    // A key that looks like an id is not that id.
    let odd = ("odd", "hook");
    let (by_key, _) = send(&world, odd, json!({"n": 1, "id": "id:d9"}), "x").await;
    assert_ne!(send(&world, odd, json!({"n": 1, "id": null}), "d9").await.0, by_key);

    world.engine.run_until_idle().await.unwrap();
    let later = World::on(store).await;
    assert_eq!(send(&later, plain, event, "d1").await, (first, true), "after a restart");
    later.engine.run_until_idle().await.unwrap();
    assert_eq!(later.called("echo"), 0);
}
