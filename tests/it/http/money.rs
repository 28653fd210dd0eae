//! Credits, quotas and plans through the door: what is refused, what is charged, and when a day,
//! a month and a trial end.

use std::sync::Arc;
use std::time::Duration;

use futures_util::StreamExt as _;
use futures_util::stream::iter;
use levqor_core::connector::{ActionManifest, FnConnector, Outcome, Price};
use levqor_core::engine::RunSummary;
use levqor_core::ids::Organization;
use levqor_core::run::RunStatus;
use levqor_core::testing::ManualClock;
use levqor_core::time::Timestamp;
use levqor_host_http::{Config, Host};
use serde_json::{Value, json};
use tokio::sync::watch;

use super::{Answered, Client, World, hello};
use crate::support::within;

/// No run here takes longer.
const PATIENCE: Duration = Duration::from_secs(120);
/// 26 November 2026, 22:00 UTC.
const EVENING: Timestamp = Timestamp(1_795_730_400_000);
const HOUR_MS: u64 = 3_600_000;

/// Puts `shop/look` (free), `shop/buy` (1 credit) and `shop/dear` (5 credits) into the host's catalog; calls wait until
/// the sender says `true`.
fn shop(host: &Host) -> watch::Sender<bool> {
    let (open, opened) = watch::channel(true);
    let action =
        |base| ActionManifest { price: Price { base, max: None }, ..ActionManifest::default() };
    let handler = move |input: Value| {
        let mut opened = opened.clone();
        async move {
            let _ = opened.wait_for(|open| *open).await;
            Outcome::done(input)
        }
    };
    let shop = FnConnector::new("shop")
        .action("look", action(0), handler.clone())
        .action("buy", action(1), handler.clone())
        .action("dear", action(5), handler);
    host.app().engine.catalog().add(Arc::new(shop)).unwrap();
    open
}

/// A run of so many one-credit steps.
fn buys(steps: usize) -> Value {
    let step = |n: usize| json!({ "id": format!("s{n}"), "uses": "shop/buy", "with": {} });
    let steps: Vec<Value> = (0..steps).map(step).collect();
    json!({ "document": { "schema": "levqor/v1", "name": "buys", "steps": steps } })
}

fn of(name: &str) -> Organization {
    Organization::new(name).unwrap()
}

/// Looks until it is so; what it looks at is in the host's memory.
async fn until<T, F: Future<Output = Option<T>>>(what: &str, look: impl Fn() -> F) -> T {
    let looking = async {
        loop {
            if let Some(found) = look().await {
                return found;
            }
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    within(PATIENCE, what, looking).await
}

/// The organization's runs, all of them.
async fn runs(host: &Host, of: &Organization) -> Vec<RunSummary> {
    let (mut all, mut before) = (Vec::new(), None);
    loop {
        let page = host.app().engine.list(of, None, before, 200).await.unwrap();
        all.extend(page.data);
        before = page.next;
        if before.is_none() {
            return all;
        }
    }
}

/// The run that was accepted, once nothing more happens to it by itself.
async fn settled(host: &Host, of: &Organization, accepted: &Answered) -> RunSummary {
    let id = accepted.is(202)["id"].as_str().unwrap().parse().unwrap();
    let (engine, of) = (&host.app().engine, of);
    until("the run settles", || async move {
        let summary = engine.summary(of, id).await.unwrap();
        (summary.status.is_final() || summary.status == RunStatus::Paused).then_some(summary)
    })
    .await
}

async fn available(client: &Client) -> i64 {
    let balance = client.get("/api/v1/credits").await.is(200);
    assert_eq!(balance["held"], 0);
    balance["available"].as_i64().unwrap()
}

async fn grant(world: &World, organization: &str, credits: u64, reference: &str) -> Value {
    let body = json!({ "organization": organization, "credits": credits, "reference": reference });
    world.admin.post("/api/v1/credits/grant", &body).await.is(200)
}

async fn in_order(host: &Host, of: &Organization) {
    let report = host.app().engine.audit(of).await.unwrap();
    assert!(report.is_ok(), "{report:#?}");
}

/// Posts the same at once so many times, and says how many were accepted; the others are refused by
/// the quota alone.
async fn race(client: &Client, body: &Value, times: usize) -> usize {
    let posts = iter(0..times).map(|_| client.post("/api/v1/run", body));
    let answers: Vec<Answered> = posts.buffer_unordered(times).collect().await;
    let (accepted, refused): (Vec<_>, Vec<_>) =
        answers.into_iter().partition(|a| a.status.as_u16() == 202);
    for answer in &refused {
        assert_eq!(answer.refused(429), "quota.runs_per_day");
    }
    accepted.len()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_free_organization_has_one_run_a_day_whoever_races() {
    let clock = ManualClock::new(EVENING);
    let world = World::by(&clock, |_| {}).await;
    let acme = world.organization("acme", "free").await;
    let body = json!({ "document": hello(), "input": { "who": "Ada" } });
    assert_eq!(race(&acme, &body, 200).await, 1);
    let refused = acme.post("/api/v1/run", &body).await;
    assert_eq!(refused.refused(429), "quota.runs_per_day");
    assert_eq!(refused.header("retry-after"), "7200");
    // Somebody else's day is their own.
    let other = world.organization("other", "free").await;
    other.post("/api/v1/run", &body).await.is(202);
    // Rounded up: who comes back at the time that was told is not early.
    clock.set(Timestamp(EVENING.0 + 7_200_000 - 1));
    let refused = acme.post("/api/v1/run", &body).await;
    assert_eq!(
        (refused.refused(429).as_str(), refused.header("retry-after")),
        ("quota.runs_per_day", "1")
    );
    clock.advance_ms(1);
    assert_eq!(race(&acme, &body, 200).await, 1);
    let summary = acme.get("/api/usage/summary").await.is(200);
    assert_eq!(
        summary,
        json!({ "runs_today": 1, "runs_7d": 2, "runs_30d": 2, "plan": "free",
                "renewal_at": "2026-12-01T00:00:00.000Z" })
    );
    // The clock going back opens no second door: the day it shows was used.
    clock.set(EVENING);
    assert_eq!(acme.post("/api/v1/run", &body).await.refused(429), "quota.runs_per_day");
    let limits = acme.get("/billing/limits").await.is(200);
    assert_eq!(
        limits["limits"][0],
        json!({ "name": "runs_per_day", "max": 1, "used": 1, "resets_at": "2026-11-27T00:00:00.000Z" })
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_thousand_runs_on_a_hundred_credits_capture_a_hundred() {
    let folder = tempfile::tempdir().unwrap();
    let plans = folder.path().join("plans.json");
    let text =
        r#"{"default": "free", "plans": {"free": {"title": "Free"}, "wide": {"title": "Wide"}}}"#;
    std::fs::write(&plans, text).unwrap();
    let file = plans.to_string_lossy().into_owned();
    let world = World::by(&ManualClock::new(EVENING), |config| config.plans_file = file).await;
    let (acme, organization) = (world.organization("acme", "wide").await, of("acme"));
    assert_eq!(grant(&world, "acme", 100, "start").await["available"], 100);
    let open = shop(&world.host);
    open.send_replace(false);
    // The first step's price is held with the start: whoever has none is refused at the door.
    let post_all = async |body: &Value| {
        let posts = iter(0..1_000).map(|_| acme.post("/api/v1/run", body));
        let answers: Vec<Answered> = posts.buffer_unordered(100).collect().await;
        let (accepted, refused): (Vec<_>, Vec<_>) =
            answers.into_iter().partition(|a| a.status.as_u16() == 202);
        refused.iter().for_each(|a| assert_eq!(a.refused(402), "credits.insufficient"));
        accepted.len()
    };
    assert_eq!(post_all(&buys(1)).await, 100);
    let balance = acme.get("/api/v1/credits").await.is(200);
    assert_eq!(balance, json!({ "available": 0, "held": 100 }));
    open.send_replace(true);
    until("nothing is held", || async {
        let balance = acme.get("/api/v1/credits").await.is(200);
        (balance == json!({ "available": 0, "held": 0 })).then_some(())
    })
    .await;
    // All are under way, in a step that is free, before they ask for credits at the same time.
    grant(&world, "acme", 100, "second").await;
    open.send_replace(false);
    let mut body = buys(1);
    let steps = body["document"]["steps"].as_array_mut().unwrap();
    steps.insert(0, json!({ "id": "look", "uses": "shop/look", "with": {} }));
    assert_eq!(post_all(&body).await, 1_000);
    assert_eq!(acme.get("/api/v1/credits").await.is(200)["available"], 100);
    open.send_replace(true);
    let (host, of_acme) = (&world.host, &organization);
    let count = |status: RunStatus| async move {
        runs(host, of_acme).await.iter().filter(|run| run.status == status).count()
    };
    until("nothing moves any more", || async {
        let still = count(RunStatus::Succeeded).await + count(RunStatus::Paused).await;
        (still == 1_100).then_some(())
    })
    .await;
    assert_eq!(count(RunStatus::Succeeded).await, 200);
    assert_eq!(available(&acme).await, 0);
    in_order(&world.host, &organization).await;
    let usage = acme.get("/billing/usage?days=1").await.is(200);
    assert_eq!((usage["credits"].as_u64(), usage["calls"].as_u64()), (Some(200), Some(200)));
    assert_eq!(
        usage["actions"],
        json!([{ "connector": "shop", "action": "buy", "calls": 200, "credits": 200 }])
    );
    assert_eq!((usage["runs"].as_u64(), usage["complete"].as_bool()), (Some(1_100), Some(true)));
    // Nothing is lost: with credits the others go on.
    grant(&world, "acme", 900, "more").await;
    for run in runs(&world.host, &organization).await {
        if run.status == RunStatus::Paused {
            world.host.app().engine.resume(&organization, run.id, None).await.unwrap();
        }
    }
    until("all succeed", || async { (count(RunStatus::Succeeded).await == 1_100).then_some(()) })
        .await;
    assert_eq!(available(&acme).await, 0);
    in_order(&world.host, &organization).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_budget_pauses_the_run_and_more_lets_it_go_on() {
    let world = World::new().await;
    let (acme, organization) = (world.organization("acme", "payg").await, of("acme"));
    grant(&world, "acme", 100, "start").await;
    shop(&world.host);
    let engine = &world.host.app().engine;
    for (own, asked) in [(Some(3), None), (None, Some(3)), (Some(3), Some(4)), (Some(4), Some(3))] {
        let mut body = buys(5);
        if let Some(credits) = own {
            body["document"]["limits"] = json!({ "credits": credits });
        }
        if let Some(credits) = asked {
            body["max_credits"] = json!(credits);
        }
        let before = available(&acme).await;
        let accepted = acme.post("/api/v1/run", &body).await;
        let paused = settled(&world.host, &organization, &accepted).await;
        assert_eq!((paused.status, paused.credits), (RunStatus::Paused, 3), "{own:?} {asked:?}");
        let detail = engine.get(&organization, paused.id).await.unwrap();
        assert_eq!(detail.error.unwrap().code, "run.credits_exceeded");
        assert_eq!(available(&acme).await, before - 3);
        engine.resume(&organization, paused.id, Some(5)).await.unwrap();
        let done = settled(&world.host, &organization, &accepted).await;
        assert_eq!((done.status, done.credits), (RunStatus::Succeeded, 5), "{own:?} {asked:?}");
        assert_eq!(available(&acme).await, before - 5);
    }
    in_order(&world.host, &organization).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_the_operator_gives_is_given_once_and_listed() {
    let world = World::new().await;
    let acme = world.organization("acme", "payg").await;
    let first = grant(&world, "acme", 10, "welcome").await;
    assert_eq!((first["given"].as_bool(), first["available"].as_i64()), (Some(true), Some(10)));
    let again = grant(&world, "acme", 10, "welcome").await;
    assert_eq!((again["given"].as_bool(), again["available"].as_i64()), (Some(false), Some(10)));
    assert_eq!(first["entry"], again["entry"]);
    let path = "/api/v1/credits/grant";
    let body = |name: &str, credits: Value, reference: &str| json!({ "organization": name, "credits": credits, "reference": reference });
    for (body, status, code) in [
        (body("acme", json!(11), "welcome"), 422, "ledger.mismatch"),
        (body("nobody", json!(1), "x"), 404, "request.not_found"),
        (body("../acme", json!(1), "x"), 404, "request.not_found"),
        (body("acme", json!(0), "x"), 422, "ledger.amount"),
        (body("acme", json!(-1), "x"), 422, "request.invalid"),
        (body("acme", json!(1.5), "x"), 422, "request.invalid"),
        (body("acme", json!(1_u64 << 53), "x"), 422, "request.invalid"),
        (body("acme", json!(u64::MAX), "x"), 422, "request.invalid"),
        (body("acme", json!((1_u64 << 53) - 1), "x"), 409, "store.bound"),
        (body("acme", json!(1), "a b"), 422, "credits.reference"),
    ] {
        assert_eq!(world.admin.post(path, &body).await.refused(status), code, "{body}");
    }
    let own = body("acme", json!(1), "mine");
    assert_eq!(acme.post(path, &own).await.refused(403), "auth.scope_missing");
    let racing = iter(0..50).map(|_| grant(&world, "acme", 5, "race"));
    let given: Vec<Value> = racing.buffer_unordered(50).collect().await;
    assert_eq!(given.iter().filter(|g| g["given"] == true).count(), 1);
    assert_eq!(available(&acme).await, 15);
    // A run in between, then the list in pages, newest first.
    shop(&world.host);
    let mut dear = buys(1);
    dear["document"]["steps"][0]["uses"] = json!("shop/dear");
    let accepted = acme.post("/api/v1/run", &dear).await;
    settled(&world.host, &of("acme"), &accepted).await;
    let mut seen: Vec<Value> = Vec::new();
    let mut path = "/api/v1/credits/entries?limit=1".to_owned();
    loop {
        let page = acme.get(&path).await.is(200);
        seen.extend(page["data"].as_array().unwrap().iter().cloned());
        let Some(cursor) = page["next_cursor"].as_str() else { break };
        path = format!("/api/v1/credits/entries?limit=1&cursor={cursor}");
        assert!(seen.len() < 10, "the list does not end");
    }
    let sums: Vec<i64> = seen.iter().map(|e| e["credits"].as_i64().unwrap()).collect();
    assert_eq!(sums, [-5, 5, 10]);
    assert_eq!(seen[0]["cause"], "run");
    assert_eq!(seen[0]["actions"], json!({ "shop/dear": { "calls": 1, "credits": 5 } }));
    assert_eq!(seen[2]["reference"], "operator/welcome");
    // Nothing of it is another organization's.
    let other = world.organization("acm", "payg").await;
    let theirs = other.get("/api/v1/credits/entries").await.is(200);
    assert_eq!(theirs, json!({ "data": [], "next_cursor": null }));
    assert_eq!(other.get("/billing/usage").await.is(200)["credits"], 0);
    let taken = other.get(&path).await.is(200);
    assert_eq!(taken["data"], json!([]), "a cursor of another organization leads nowhere");
    assert_eq!(other.get("/billing/usage?days=31").await.refused(400), "request.query");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_trial_is_begun_once_and_ends_by_itself() {
    let clock = ManualClock::new(EVENING);
    let world = World::by(&clock, |_| {}).await;
    let acme = world.organization("acme", "free").await;
    let choose = |plan: &str| {
        let (client, body) = (acme.clone(), json!({ "plan": plan }));
        async move {
            client.send(axum::http::Method::PUT, "/api/v1/organization/plan", Some(&body)).await
        }
    };
    let assign = |plan: &str| {
        let body = json!({ "organization": "acme", "plan": plan });
        async { world.admin.post("/api/v1/plans/assign", &{ body }).await }
    };
    assert_eq!(choose("pro").await.refused(403), "plan.not_free");
    assert_eq!(choose("gold").await.refused(422), "plan.unknown");
    let trial = choose("trial").await.is(200);
    assert_eq!(trial["ends_at"], "2026-12-10T22:00:00.000Z");
    assert_eq!(choose("trial").await.is(200), trial, "the same again changes nothing");
    assert_eq!(available(&acme).await, 550);
    let summary = acme.get("/api/usage/summary").await.is(200);
    assert_eq!((&summary["plan"], &summary["renewal_at"]), (&json!("trial"), &trial["ends_at"]));
    // Its days are over: it is on what follows, and the trial does not begin again.
    clock.advance_ms(14 * 24 * HOUR_MS);
    assert_eq!(acme.get("/billing/limits").await.is(200)["plan"], "free");
    assert_eq!(choose("trial").await.is(200)["plan"], "free");
    assert_eq!(assign("free").await.is(200)["plan"], "free");
    assert_eq!(choose("trial").await.refused(409), "plan.trial_used");
    // The operator sets any plan, of organizations that are there.
    assert_eq!(assign("pro").await.is(200)["plan"], "pro");
    assert_eq!(choose("trial").await.refused(409), "plan.trial_used");
    let nobody = json!({ "organization": "nobody", "plan": "pro" });
    let refused = world.admin.post("/api/v1/plans/assign", &nobody).await;
    assert_eq!(refused.refused(404), "request.not_found");
    let own = json!({ "organization": "acme", "plan": "enterprise" });
    let refused = acme.post("/api/v1/plans/assign", &own).await;
    assert_eq!(refused.refused(403), "auth.scope_missing");
    in_order(&world.host, &of("acme")).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_month_brings_its_credits_once_though_nobody_asks() {
    let clock = ManualClock::new(EVENING);
    let world = World::by(&clock, |_| {}).await;
    let pro = world.organization("acme", "pro").await;
    let (now, engine) = (clock.clone(), &world.host.app().engine);
    let after = |hours: u64, credits: i64| {
        clock.advance_ms(hours * HOUR_MS);
        let pro = &pro;
        async move {
            let what = format!("{credits} credits");
            until(&what, || async { (available(pro).await == credits).then_some(()) }).await;
        }
    };
    // The first round of the engine's own timer after the organization was made.
    after(1, 5_000).await;
    after(24 * 3, 5_000).await;
    after(24, 5_000).await;
    // 1 December, 23:00.
    after(24, 10_000).await;
    assert_eq!(now.now_day(), "2026-12-01");
    assert_eq!(engine.grant_months().await.unwrap(), 0);
    let entries = pro.get("/api/v1/credits/entries").await.is(200);
    let references: Vec<&str> = entries["data"]
        .as_array()
        .unwrap()
        .iter()
        .map(|e| e["reference"].as_str().unwrap())
        .collect();
    assert_eq!(references, ["plan/pro/2026-12", "plan/pro/2026-11"]);
    in_order(&world.host, &of("acme")).await;
}

trait Day {
    fn now_day(&self) -> String;
}

impl Day for ManualClock {
    fn now_day(&self) -> String {
        use levqor_core::time::Clock as _;
        self.now().to_string()[..10].to_owned()
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn plans_and_packs_are_the_operators_own_files() {
    let folder = tempfile::tempdir().unwrap();
    let file = |name: &str, text: &str| {
        let path = folder.path().join(name);
        std::fs::write(&path, text).unwrap();
        path.to_string_lossy().into_owned()
    };
    let packs =
        r#"{"packs":[{"id":"one","title":"One","credits":7,"price_cents":9,"currency":"eur"}]}"#;
    let packs = file("packs.json", packs);
    let world = World::with(|config| {
        (config.store, config.packs_file) = ("memory:".to_owned(), packs.clone());
    })
    .await;
    let shown = world.admin.get("/api/v1/credits/packs").await.is(200);
    assert_eq!(
        (shown["data"].as_array().unwrap().len(), &shown["data"][0]["credits"]),
        (1, &json!(7))
    );
    let plans = world.admin.get("/api/v1/plans").await.is(200);
    assert_eq!(
        (&plans["default"], &plans["data"][0]["plan"]["runs_per_day"]),
        (&json!("free"), &json!(1))
    );
    let wrong = file("wrong.json", r#"{"default":"gone","plans":{}}"#);
    let absent = folder.path().join("absent").to_string_lossy().into_owned();
    for (plans, packs, code) in [
        (wrong.as_str(), "", "config.value"),
        ("", wrong.as_str(), "config.value"),
        (absent.as_str(), "", "config.file"),
    ] {
        let mut config = Config::in_folder(folder.path());
        (config.store, config.plans_file, config.packs_file) =
            ("memory:".to_owned(), plans.to_owned(), packs.to_owned());
        assert_eq!(Host::start(config).await.unwrap_err().code(), code, "{plans} {packs}");
    }
}
