//! What each kind of step does.

use super::*;

/// A document's steps and output, its input, and what comes out.
async fn gives(document: Value, input: Value, expected: Value) {
    let world = World::new().await;
    let detail = world.run(document.clone(), input).await;
    assert_eq!(detail.summary.status, RunStatus::Succeeded, "{document}\n{:?}", detail.error);
    assert_eq!(*detail.output.unwrap(), expected, "{document}");
    assert_eq!(world.books().await.1, 0);
}

#[tokio::test]
async fn steps_in_order_see_those_before() {
    let steps = json!([
        {"id": "a", "uses": "t/inc", "with": {"v": "${{ input.v }}"}},
        {"id": "b", "if": "steps.a.output.v > 5", "uses": "t/inc", "with": {"v": 0}},
        {"id": "c", "uses": "core/set", "with": {"sum": "${{ steps.a.output.v + 10 }}", "b": "${{ steps.b.status }}"}},
    ]);
    gives(json!({"steps": steps}), json!({"v": 1}), json!({"sum": 12, "b": "skipped"})).await;
}

#[tokio::test]
async fn for_each_collects_in_order() {
    let each = |on_error: &str| {
        json!({"steps": [{
            "id": "each", "for_each": "${{ input.items }}", "as": "n", "max_parallel": 3,
            "on_item_error": on_error,
            "steps": [
                {"id": "bad", "if": "n == 3", "uses": "t/fail", "with": {"kind": "not_found"}},
                {"id": "up", "uses": "t/inc", "with": {"v": "${{ n }}"}},
            ],
        }], "output": "${{ steps.each.output }}"})
    };
    let out = json!([{"v": 1}, {"v": 2}, {"v": 3}, null, {"v": 5}]);
    gives(each("continue"), json!({"items": [0, 1, 2, 3, 4]}), out).await;
    gives(each("continue"), json!({"items": []}), json!([])).await;

    let world = World::new().await;
    let detail = world.run(each("fail"), json!({"items": [0, 1, 2, 3, 4]})).await;
    assert_eq!(detail.summary.status, RunStatus::Failed);
    let error = detail.error.unwrap();
    assert_eq!((error.kind, error.step.as_deref()), (ErrorKind::NotFound, Some("bad")));
}

#[tokio::test]
async fn while_goes_round_until_false_and_is_bounded() {
    let looping = |limit: u64, most: u64| {
        json!({"steps": [{
            "id": "loop", "while": format!("index < {limit}"), "max_iterations": most,
            "steps": [{"id": "n", "uses": "t/inc", "with": {"v": "${{ index }}"}}],
        }], "output": "${{ steps.loop.output }}"})
    };
    let world = World::new().await;
    let detail = world.run(looping(9, 3), Value::Null).await;
    assert_eq!(detail.error.unwrap().code, "step.too_many_iterations");
    assert_eq!(world.called("inc"), 3);
    let detail = world.run(looping(3, 10), Value::Null).await;
    assert_eq!(*detail.output.unwrap(), json!({"v": 3}), "rounds 0, 1 and 2");
}

#[tokio::test]
async fn parallel_all_and_any() {
    let fan = |join: &str| {
        json!({"steps": [{"id": "fan", "join": join, "parallel": [
            {"id": "a", "steps": [{"id": "x", "uses": "t/inc", "with": {"v": 1}}]},
            {"id": "b", "steps": [{"id": "nap", "uses": "core/sleep", "with": {"for": "1h"}},
                                  {"id": "y", "uses": "t/inc", "with": {"v": 2}}]},
        ]}], "output": "${{ steps.fan.output }}"})
    };
    gives(fan("all"), Value::Null, json!({"a": {"v": 2}, "b": {"v": 3}})).await;
    gives(fan("any"), Value::Null, json!({"a": {"v": 2}, "b": null})).await;
}

#[tokio::test]
async fn switch_takes_the_first_that_holds() {
    let route = json!({"steps": [{"id": "r", "switch": [
        {"if": "input.n > 10", "steps": [{"id": "big", "uses": "core/set", "with": {"is": "big"}}]},
        {"if": "input.n > 5", "steps": [{"id": "mid", "uses": "core/set", "with": {"is": "mid"}}]},
    ], "else": [{"id": "low", "uses": "core/set", "with": {"is": "low"}}]}],
    "output": "${{ steps.r.output.is }}"});
    for (n, is) in [(11, "big"), (10, "mid"), (6, "mid"), (5, "low")] {
        gives(route.clone(), json!({"n": n}), json!(is)).await;
    }
}

#[tokio::test]
async fn try_catches_and_finally_always_runs() {
    let guarded = |kind: &str, when: &str| {
        json!({"steps": [{"id": "g",
            "try": [{"id": "f", "uses": "t/fail", "with": {"kind": kind}, "retry": {"max_attempts": 1}}],
            "catch": [{"when": when, "steps": [
                {"id": "c", "uses": "core/set", "with": {"caught": "${{ error.kind }}"}}]}],
            "finally": [{"id": "z", "uses": "t/echo", "with": {"end": true}}],
        }], "output": "${{ steps.g.output }}"})
    };
    let world = World::new().await;
    let detail = world.run(guarded("not_found", "error.kind == 'not_found'"), Value::Null).await;
    assert_eq!(*detail.output.unwrap(), json!({"caught": "not_found"}));
    assert_eq!(world.called("echo"), 1);
    let detail = world.run(guarded("conflict", "error.kind == 'not_found'"), Value::Null).await;
    assert_eq!(detail.error.unwrap().kind, ErrorKind::Conflict);
    assert_eq!(world.called("echo"), 2, "finally runs although nothing caught it");
}

#[tokio::test]
async fn needs_make_a_list_a_graph() {
    let graph = json!({"steps": [
        {"id": "end", "needs": ["l", "r"], "uses": "core/set",
         "with": {"sum": "${{ steps.l.output.v + steps.r.output.v }}"}},
        {"id": "l", "needs": ["top"], "uses": "t/inc", "with": {"v": "${{ steps.top.output.v }}"}},
        {"id": "r", "needs": ["top"], "uses": "t/inc", "with": {"v": 10}},
        {"id": "top", "needs": [], "uses": "t/inc", "with": {"v": 0}},
    ], "output": "${{ steps.end.output.sum }}"});
    gives(graph, Value::Null, json!(13)).await;
}

#[tokio::test]
async fn a_sub_pipeline_has_its_own_input_and_is_pinned() {
    let world = World::new().await;
    let child = |by: u32| {
        json!({"name": "child", "vars": {"by": by},
               "steps": [{"id": "x", "uses": "core/set", "with": {"v": "${{ input.v + vars.by }}"}}],
               "output": {"made": "${{ steps.x.output.v }}"}})
    };
    world.engine.push(&world.organization, &world.parse(child(5))).await.unwrap();
    let parent = json!({"steps": [
        {"id": "nap", "uses": "core/sleep", "with": {"for": "1m"}},
        {"id": "s", "uses": "pipeline/child", "with": {"v": 1}}],
        "output": "${{ steps.s.output.made }}"});
    let run = world.start(parent, Value::Null).await;
    world.engine.run_until_idle().await.unwrap();
    world.engine.push(&world.organization, &world.parse(child(100))).await.unwrap();
    assert_eq!(*world.finish(run).await.output.unwrap(), json!(6));
}

#[tokio::test]
async fn stop_and_fail_end_a_run_early() {
    let stop = json!({"steps": [
        {"id": "s", "if": "input.stop", "uses": "core/stop", "with": {"output": {"early": true}}},
        {"id": "f", "uses": "core/fail", "with": {"message": "no ${{ input.who }}", "code": "test.no"}},
    ]});
    let world = World::new().await;
    let detail = world.run(stop.clone(), json!({"stop": true, "who": "x"})).await;
    assert_eq!(detail.summary.status, RunStatus::Succeeded);
    let detail = world.run(stop, json!({"stop": false, "who": "Ada"})).await;
    assert_eq!(detail.summary.status, RunStatus::Failed);
    let error = detail.error.unwrap();
    assert_eq!((error.code.as_str(), error.message.as_str()), ("test.no", "no Ada"));
}

#[tokio::test]
async fn on_failure_sees_the_error_and_the_run_stays_failed() {
    let world = World::new().await;
    let detail = world
        .run(
            json!({
                "steps": [{"id": "a", "uses": "t/fail", "with": {"kind": "not_found"}}],
                "on_failure": [{"id": "alert", "uses": "t/echo",
                                "with": {"what": "${{ error.code }} at ${{ error.step }}"}}],
            }),
            Value::Null,
        )
        .await;
    assert_eq!(detail.summary.status, RunStatus::Failed);
    assert_eq!(detail.error.unwrap().kind, ErrorKind::NotFound);
    assert_eq!(world.called(r#"echo {"what":"test.fail at a"}"#), 1);
}

#[tokio::test]
async fn the_journal_folds_to_the_same_state() {
    let world = World::new().await;
    let document = json!({"steps": [
        {"id": "e", "for_each": "${{ input.n }}", "max_parallel": 2, "steps": [
            {"id": "x", "uses": "t/fail", "with": {"kind": "unavailable", "times": 1, "n": "${{ item }}"}},
            {"id": "nap", "uses": "core/sleep", "with": {"for": "1m"}}]},
        {"id": "ok", "uses": "core/approval", "with": {"message": "go?"}}]});
    let run = world.start(document, json!({"n": [1, 2, 3]})).await;
    world.finish(run).await;
    let live = cell::load(&world.engine.inner, &world.organization, run).await.unwrap().unwrap();
    assert_eq!(live.header.status, RunStatus::Waiting);
    assert_eq!(live.state.tally(), live.header.tally);
    assert_eq!(live.state.next_due(), live.header.due);
    assert_eq!(live.header.seq, world.get(run).await.summary.seq);
}

/// What is stored can be read again: at the limit of nesting it comes back, past it it is refused.
#[tokio::test]
async fn values_are_nested_as_deep_as_they_can_be_read_back() {
    let nested = |levels| (1..levels).fold(json!([]), |inner, _| json!([inner]));
    let most = crate::limits::JSON_DEPTH_MAX;
    let document = json!({"steps": [
        {"id": "e", "for_each": "${{ [1] }}", "steps": [
            {"id": "x", "uses": "t/echo", "with": {"v": "${{ input }}"}}]}]});
    let world = World::new().await;
    let detail = world.run(document.clone(), nested(most - 1)).await;
    assert_eq!(*detail.output.unwrap(), json!([{"v": nested(most - 1)}]), "a level of the loop");
    let detail = world.run(document.clone(), nested(most)).await;
    assert_eq!(detail.error.unwrap().code, "expr.depth");
    let pipeline = world.compile(document).await;
    let refused = world.engine.start(Start::new(pipeline, nested(most + 1))).await.unwrap_err();
    assert_eq!(refused.code(), "run.input_too_deep");
    let payload = world.engine.publish(&world.organization, "e", nested(most + 1)).await;
    assert_eq!(payload.unwrap_err().code(), "event.payload_too_deep");

    let deep = crate::connector::FnConnector::new("deep").action(
        "out",
        action(Idempotency::Safe),
        move |_| async move { Outcome::done(nested(most + 1)) },
    );
    world.engine.catalog().add(Arc::new(deep)).unwrap();
    let detail = world.run(json!({"steps": [{"id": "d", "uses": "deep/out"}]}), json!({})).await;
    assert_eq!(detail.error.unwrap().code, "step.output_too_deep");
    assert_eq!(world.books().await.1, 0);
}
