//! Drafts, validation and prices through the door.

use levqor_core::ids::Organization;
use levqor_core::testing::ManualClock;
use levqor_core::time::Timestamp;
use levqor_host_http::{Config, Host};
use serde_json::{Value, json};

use super::{World, hello};

/// 26 November 2026, 22:00 UTC.
const EVENING: Timestamp = Timestamp(1_795_730_400_000);

#[tokio::test(flavor = "multi_thread")]
async fn every_problem_is_told_with_its_place() {
    let world = World::new().await;
    let source = "schema: levqor/v1\nname: x\nsteps:\n  - id: a\n    uses: slack/post_mesage\n    with: { text: hi }\n  - id: a\n    uses: core/sleep\n    with: { for: soon }\n";
    let judged = world.admin.post("/api/v1/validate", &json!({ "source": source })).await.is(200);
    assert_eq!(judged["valid"], false);
    let issues = judged["issues"].as_array().unwrap();
    let of = |code: &str| {
        issues.iter().find(|i| i["code"] == code).unwrap_or_else(|| panic!("{code}: {judged}"))
    };
    let unknown = of("document.unknown_action");
    assert_eq!((&unknown["line"], &unknown["pointer"]), (&json!(5), &json!("/steps/0/uses")));
    assert!(unknown["suggestion"].as_str().unwrap().contains("post_message"), "{unknown}");
    assert!(unknown["column"].as_u64().unwrap() > 1);
    assert_eq!(of("document.duplicate_id")["line"], 7);
    // An object has no lines.
    let mut document = hello();
    document["steps"][0]["uses"] = json!("core/templat");
    let judged = world.admin.post("/api/v1/validate", &json!({ "document": document })).await;
    let judged = judged.is(200);
    assert_eq!((&judged["valid"], &judged["issues"][0]["line"]), (&json!(false), &Value::Null));
    let good = world.admin.post("/api/v1/validate", &json!({ "document": hello() })).await.is(200);
    assert_eq!((&good["valid"], &good["name"]), (&json!(true), &json!("hello")));
    for (body, status, code) in [
        (json!({}), 422, "document.which"),
        (json!({ "document": hello(), "source": "x" }), 422, "document.which"),
        (json!({ "documents": hello() }), 422, "request.invalid"),
    ] {
        let refused = world.admin.post("/api/v1/validate", &body).await;
        assert_eq!(refused.refused(status), code, "{body}");
    }
    for text in ["", "a: [", "- 1", "\u{0}", "a: &a 1\nb: *a"] {
        let judged = world.admin.post("/api/v1/validate", &json!({ "source": text })).await;
        assert_eq!(judged.is(200)["valid"], false, "{text:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_price_has_its_reasons_before_the_run() {
    let world = World::new().await;
    let document = json!({
        "schema": "levqor/v1", "name": "p",
        "steps": [
            { "id": "each", "for_each": "${{ input.people }}", "max_items": 50, "steps": [
                { "id": "say", "uses": "slack/post_message", "with": { "channel": "#a", "text": "x" } },
            ] },
            { "id": "ask", "if": "input.ask", "uses": "openai/chat", "with": { "prompt": "x" } },
        ],
    });
    let price = async |input: Value| {
        let body = json!({ "document": document, "input": input });
        let price = world.admin.post("/api/v1/estimate", &body).await.is(200);
        [&price["min"], &price["expected"], &price["max"]].map(|n| n.as_u64().unwrap())
    };
    assert_eq!(price(json!({ "people": [1, 2, 3], "ask": false })).await, [3, 3, 3]);
    assert_eq!(price(json!({ "people": [], "ask": true })).await, [0, 1, 100]);
    assert_eq!(price(json!(null)).await, [0, 11, 150]);
    let engine = &world.host.app().engine;
    let parsed = levqor_core::document::parse(&document.to_string(), Default::default()).unwrap();
    engine.push(&Organization::new("main").unwrap(), &parsed).await.unwrap();
    let named = json!({ "pipeline": "p", "input": { "people": [1], "ask": false } });
    let price = world.admin.post("/api/v1/estimate", &named).await.is(200);
    assert_eq!(price["steps"][0]["reason"], "1 items × 1 credit a call");
    let invalid = json!({ "document": { "schema": "levqor/v1", "name": "p", "steps": [] } });
    let refused = world.admin.post("/api/v1/estimate", &invalid).await;
    assert_eq!(refused.refused(422), "document.invalid");
    // Another organization has no such pipeline.
    let acme = world.organization("acme", "free").await;
    let refused = acme.post("/api/v1/estimate", &json!({ "pipeline": "p" })).await;
    assert_eq!(refused.refused(404), "request.not_found");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_draft_is_kept_for_its_organization_for_a_week() {
    let clock = ManualClock::new(EVENING);
    let world = World::by(&clock, |_| {}).await;
    let acme = world.organization("acme", "free").await;
    let goal = json!({ "goal": "Post \"hello\" to #general in Slack" });
    let made = acme.post("/api/v1/plan", &goal).await;
    let draft = made.is(201);
    let place = made.header("location").to_owned();
    assert_eq!(draft["made_by"], "matcher");
    assert_eq!(draft["document"]["steps"][0]["with"]["channel"], "#general");
    assert_eq!(draft["expires"], "2026-12-03T22:00:00.000Z");
    assert_eq!(draft["diff"], Value::Null);
    assert_eq!(acme.get(&place).await.is(200), draft);
    // It did not run, and it is one run's worth when somebody runs it.
    assert_eq!(acme.get("/api/usage/summary").await.is(200)["runs_today"], 0);
    let run = json!({ "draft": draft["id"] });
    acme.post("/api/v1/run", &run).await.is(202);
    let both = json!({ "draft": draft["id"], "document": draft["document"] });
    assert_eq!(acme.post("/api/v1/run", &both).await.refused(422), "run.what");
    // Nobody else has it, and what is no id has it neither: the same answer.
    let other = world.organization("other", "free").await;
    let (foreign, absent) = (other.get(&place).await, other.get("/api/v1/plan/drf_x").await);
    assert_eq!(foreign.refused(404), "request.not_found");
    let plain = |a: &super::Answered| (a.is(404)["detail"].clone(), a.is(404)["code"].clone());
    assert_eq!(plain(&foreign), plain(&absent));
    assert_eq!(other.get("/api/v1/plan").await.is(200)["data"], json!([]));
    for path in ["/api/v1/estimate", "/api/v1/run"] {
        let refused = other.post(path, &json!({ "draft": draft["id"] })).await;
        assert_eq!(refused.refused(404), "request.not_found");
    }
    clock.advance_ms(7 * 86_400_000 - 1);
    acme.get(&place).await.is(200);
    clock.advance_ms(1);
    assert_eq!(acme.get(&place).await.refused(404), "request.not_found");
    assert_eq!(acme.get("/api/v1/plan").await.is(200)["data"], json!([]));
}

#[tokio::test(flavor = "multi_thread")]
async fn drafts_are_bounded_and_the_oldest_goes_first() {
    let clock = ManualClock::new(EVENING);
    let world = World::by(&clock, |_| {}).await;
    let goal = |n: usize| json!({ "goal": format!("Post \"number {n}\" to #general in Slack") });
    let mut places = Vec::new();
    for n in 0..103 {
        clock.advance_ms(1);
        let made = world.admin.post("/api/v1/plan", &goal(n)).await;
        made.is(201);
        places.push(made.header("location").to_owned());
    }
    let kept = world.admin.get("/api/v1/plan").await.is(200);
    assert_eq!(kept["data"].as_array().unwrap().len(), 100);
    assert_eq!(kept["data"][0]["goal"], goal(102)["goal"]);
    for (n, place) in places.iter().enumerate() {
        let status = world.admin.get(place).await.status.as_u16();
        assert_eq!(status, if n < 3 { 404 } else { 200 }, "{n}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_draft_shows_what_differs_from_a_pipeline() {
    let world = World::new().await;
    let engine = &world.host.app().engine;
    let parsed = levqor_core::document::parse(&hello().to_string(), Default::default()).unwrap();
    engine.push(&Organization::new("main").unwrap(), &parsed).await.unwrap();
    let goal = json!({ "goal": "Post \"hello\" to #general in Slack", "pipeline": "hello" });
    let draft = world.admin.post("/api/v1/plan", &goal).await.is(201);
    let steps: Vec<(String, String)> = draft["diff"]
        .as_array()
        .unwrap()
        .iter()
        .filter_map(|c| Some((c["kind"].as_str()?.to_owned(), c["step"].as_str()?.to_owned())))
        .collect();
    let expected = [("removed", "a"), ("added", "post_message")];
    assert_eq!(steps, expected.map(|(kind, step)| (kind.to_owned(), step.to_owned())));
    let acme = world.organization("acme", "free").await;
    assert_eq!(acme.post("/api/v1/plan", &goal).await.refused(404), "request.not_found");
}

#[tokio::test(flavor = "multi_thread")]
async fn goals_that_are_none_are_refused() {
    let world = World::new().await;
    for (goal, status, code) in [
        (json!(""), 422, "plan.goal_empty"),
        (json!(" \n "), 422, "plan.goal_empty"),
        (json!("x".repeat(8 * 1024 + 1)), 422, "plan.goal_too_long"),
        (json!("make me happy"), 422, "plan.no_match"),
        (json!(7), 422, "request.invalid"),
    ] {
        let refused = world.admin.post("/api/v1/plan", &json!({ "goal": goal })).await;
        assert_eq!(refused.refused(status), code, "{goal}");
    }
    // The planner's own action gives nobody a model, and is in nobody's draft.
    let document = json!({
        "schema": "levqor/v1", "name": "p",
        "steps": [{ "id": "a", "uses": "planner/plan", "with": { "ask": "ask_00000000000000000000000000" } }],
    });
    let refused = world.admin.post("/api/v1/run", &json!({ "document": document })).await;
    assert_eq!(refused.refused(422), "document.invalid", "without a model it is not there at all");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_model_that_is_not_there_is_told_at_the_start() {
    for connector in ["openai", "openai/chatter", "nobody/chat", "/"] {
        let folder = tempfile::tempdir().unwrap();
        let mut config = Config::in_folder(folder.path());
        "memory:".clone_into(&mut config.store);
        connector.clone_into(&mut config.planner.connector);
        assert_eq!(Host::start(config).await.unwrap_err().code(), "config.value", "{connector}");
    }
}
