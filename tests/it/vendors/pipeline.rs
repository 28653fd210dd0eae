//! Six steps that somebody might really run, judged by the vendors' own descriptions.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Instant;

use levqor_core::run::RunStatus;
use levqor_core::store::Store;
use serde_json::{Value, json};

use super::canary;
use super::mock::Mock;
use super::shop::{ORDERS, Shop, cents};
use super::{World, loopback};
use crate::support::figure;

/// Secrets with every character that some encoding changes.
const SHOP: &str = "shop-CANARY+1c/7\"a\\9%2F?=&~d04e";
const OPENAI: &str = "sk-CANARY+9f/2\"b\\e1%7d?=&~77aa";
const SLACK: &str = "xoxb-CANARY+44/0\"c\\2b%5c?=&~e9f1";
/// Requests for single orders at the same time.
const PARALLEL: usize = 8;

fn document() -> Value {
    json!({
        "name": "daily-orders",
        "input_schema": {"type": "object", "required": ["shop", "channel"]},
        "retry": {"max_attempts": 3, "delay": "200ms"},
        "steps": [
            {"id": "orders", "uses": "http/get",
             "with": {"url": "${{ input.shop }}/orders.json", "auth": "bearer"}},
            {"id": "each", "for_each": "${{ steps.orders.output.json.orders }}", "as": "order",
             "max_items": 500, "max_parallel": PARALLEL,
             "steps": [
                {"id": "one", "uses": "http/get", "with": {
                    "url": "${{ input.shop }}/orders/${{ order.id }}", "auth": "bearer"}},
                {"id": "price", "uses": "core/set", "with": {
                    "cents": "${{ steps.one.output.json.cents }}"}}]},
            {"id": "summary", "uses": "openai/chat", "with": {
                "system": "You write one sentence.",
                "prompt": "${{ steps.each.output | length }} orders came to \
                           ${{ steps.each.output | map(attribute='cents') | sum }} cents.",
                "max_tokens": 100, "temperature": 0.2}},
            {"id": "decide", "switch": [
                {"if": "steps.each.output | length > 100", "steps": [
                    {"id": "tell", "uses": "slack/post_message", "with": {
                        "channel": "${{ input.channel }}",
                        "text": "Many orders: ${{ steps.summary.output.text }}"}}]}],
             "else": [{"id": "quiet", "uses": "core/set", "with": {"ts": null}}]},
            {"id": "alarm", "if": "steps.each.output | length < 10", "uses": "slack/post_message",
             "with": {"channel": "${{ input.channel }}", "text": "Where are the orders?"}},
            {"id": "report", "uses": "core/set", "with": {
                "orders": "${{ steps.each.output | length }}",
                "cents": "${{ steps.each.output | map(attribute='cents') | sum }}",
                "message": "${{ steps.decide.output.ts }}",
                "alarm": "${{ steps.alarm.status }}"}},
        ],
        "output": "${{ steps.report.output }}",
    })
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn six_steps_are_what_the_vendors_expect_and_no_secret_stays() {
    let Some(openai) = Mock::start("openai").await else { return };
    let Some(slack) = Mock::start("slack").await else { return };
    let shop = Shop::open(SHOP).await;
    let grants = [
        loopback("http", "auth", None),
        loopback("openai", "api_key", Some(&openai.url)),
        loopback("slack", "bot_token", Some(&slack.url)),
    ];
    let world = World::new(&grants.concat()).await;
    for (name, secret) in [("http", SHOP), ("openai", OPENAI), ("slack", SLACK)] {
        world.secret(name, secret);
    }
    let input = json!({"shop": shop.url, "channel": "C024BE91L"});
    let begun = Instant::now();
    let detail = world.served.run(document(), input).await;
    let took = begun.elapsed();
    assert_eq!(detail.summary.status, RunStatus::Succeeded, "{:?}", detail.error);
    let output = detail.output.clone().unwrap();
    let total: usize = (0..ORDERS).map(cents).sum();
    assert_eq!((&output["orders"], &output["cents"]), (&json!(ORDERS), &json!(total)));
    assert_eq!(output["alarm"], "skipped");
    assert!(output["message"].is_string(), "{output}");

    // What went out.
    let said = openai.judged_well(OPENAI).await;
    assert_eq!(said.len(), 1);
    let body: Value = serde_json::from_str(said[0]["body"].as_str().unwrap()).unwrap();
    let prompt = body["messages"][1]["content"].as_str().unwrap();
    assert_eq!(prompt, format!("{ORDERS} orders came to {total} cents."));
    let told = slack.judged_well(SLACK).await;
    assert_eq!(told.len(), 1, "the alarm is skipped");
    let (orders, most, refused) = (
        shop.seen.orders.load(Ordering::Relaxed),
        shop.seen.most.load(Ordering::Relaxed),
        shop.seen.refused.load(Ordering::Relaxed),
    );
    assert_eq!((orders, refused), (ORDERS, 0));
    assert!((2..=PARALLEL).contains(&most), "{most} at the same time");

    // What stayed.
    let journal = world
        .served
        .engine
        .journal(&world.served.organization, detail.summary.id, 0)
        .await
        .unwrap();
    let store: Arc<dyn Store> = Arc::new(world.store.clone());
    let records = crate::bad_input::Content::of(&store).await.unwrap();
    let mut written = vec![
        ("the journal".to_owned(), serde_json::to_vec(&journal).unwrap()),
        ("the journal, debugged".to_owned(), format!("{journal:?}").into_bytes()),
        ("the output".to_owned(), serde_json::to_vec(&detail).unwrap()),
        ("the store's records".to_owned(), records.bytes()),
    ];
    let available = world.served.books().await;
    world.served.stop().await.unwrap();
    world.store.close();
    let on_disk = canary::files(world.dir.path());
    let bytes: usize = on_disk.iter().map(|(_, text)| text.len()).sum();
    written.extend(on_disk);
    canary::nowhere(&[SHOP, OPENAI, SLACK], &written);
    figure(&format!(
        "six steps, {} requests, all judged ok, in {took:?}; at most {most} at a time; {} journal \
         records, {} texts ({bytes} bytes on disk) without a secret; {} credits",
        1 + orders + said.len() + told.len(),
        journal.len(),
        written.len(),
        100_000 - available,
    ));
}

/// The search can fail: a secret that a document carries openly is found in each place.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_planted_secret_is_found() {
    let planted = "planted-CANARY+8b/3\"d\\7%2f?=&~0c";
    let world = World::new("").await;
    let document = json!({"steps": [
        {"id": "a", "uses": "text/upper", "with": {"text": "${{ input }}"}},
        {"id": "b", "uses": "core/set", "with": {"x": "${{ input }}"}}]});
    let detail = world.served.run(document, json!(planted)).await;
    let journal = world
        .served
        .engine
        .journal(&world.served.organization, detail.summary.id, 0)
        .await
        .unwrap();
    let journal = serde_json::to_vec(&journal).unwrap();
    assert!(canary::find(&journal, planted).is_some());
    assert!(canary::find(&serde_json::to_vec(&detail).unwrap(), planted).is_some());
    world.served.stop().await.unwrap();
    world.store.close();
    let on_disk = canary::files(&world.dir.path().join("store"));
    assert!(on_disk.iter().any(|(_, text)| canary::find(text, planted).is_some()));
    tracing::debug!("a careless line with {planted}");
    assert!(canary::find(crate::capture::logged().as_bytes(), planted).is_some());
}
