//! What an observer hears: each thing once, after it is so.

use super::*;
use crate::engine::{Load, Observed, Observer};

/// Writes down what it hears, in words.
#[derive(Debug, Default)]
struct Listener(Mutex<Vec<String>>);

impl Observer for Listener {
    fn observe(&self, what: &Observed<'_>) {
        let line = match what {
            Observed::RunAccepted { .. } => "accepted".to_owned(),
            Observed::RunEnded(end) => {
                let took_ms = end.ended.since_ms(end.created);
                format!(
                    "{} {} after {took_ms} for {}",
                    end.pipeline,
                    end.status.as_str(),
                    end.credits
                )
            }
            Observed::Called(call) => {
                let kind = call.error_kind().map_or("worked", |kind| kind.as_str());
                let (connector, action) = (call.connector, call.action);
                format!("{connector}/{action} {} #{} {kind}", call.step, call.attempt)
            }
            Observed::DeadLetterGone { .. } => "letter gone".to_owned(),
        };
        self.0.lock().push(line);
    }
}

impl Listener {
    fn heard(&self) -> Vec<String> {
        std::mem::take(&mut self.0.lock())
    }
}

async fn observed() -> (World, Arc<Listener>) {
    let mut world = World::new().await;
    let listener = Arc::new(Listener::default());
    let catalog = Catalog::new().with(connector(&world.calls)).unwrap();
    world.engine = Engine::builder_on(world.engine.store().clone(), catalog)
        .clock(world.clock.clone())
        .ids(SeededIds::new(8))
        .slots(1)
        .observer(listener.clone())
        .build()
        .await
        .unwrap();
    (world, listener)
}

#[tokio::test]
async fn a_run_is_heard_from_its_start_to_its_end_with_every_call_between() {
    let (world, listener) = observed().await;
    let document = json!({ "steps": [
        { "id": "a", "uses": "t/dear", "with": { "costs": 12 } },
        { "id": "b", "uses": "t/fail", "with": { "kind": "unavailable", "times": 1, "as": "retry" },
          "retry": { "max_attempts": 2, "delay": "2s", "jitter": 0 } },
    ] });
    let pipeline = world.compile(document).await;
    let run = world.engine.start(Start::new(pipeline, Value::Null)).await.unwrap();
    assert_eq!(listener.heard(), ["accepted"]);
    world.engine.run_until_idle().await.unwrap();
    world.clock.advance_ms(2_000);
    world.engine.run_until_idle().await.unwrap();
    let ended = world.engine.get(&world.organization, run.id()).await.unwrap();
    assert_eq!(ended.summary.status, RunStatus::Succeeded);
    let heard = [
        "t/dear a #1 worked",
        "t/fail b #1 unavailable",
        "t/fail b #2 worked",
        "test succeeded after 2000 for 13",
    ];
    assert_eq!(listener.heard(), heard);
}

#[tokio::test]
async fn a_dead_letter_goes_once_however_it_goes() {
    let (world, listener) = observed().await;
    let failing = json!({ "steps": [{ "id": "a", "uses": "t/unsafe", "with": {
        "kind": "ambiguous", "times": 1, "as": "ambiguous" } }] });
    let mut dead = Vec::new();
    for input in 0..2 {
        let pipeline = world.compile(failing.clone()).await;
        let run = world.engine.start(Start::new(pipeline, json!(input))).await.unwrap();
        world.engine.run_until_idle().await.unwrap();
        world.calls.lock().clear();
        world.clock.advance_ms(1);
        dead.push(run.id());
    }
    let every = world.engine.every_dead_letter(None, 10).await.unwrap();
    let runs: Vec<RunId> = every.iter().map(|found| found.run).collect();
    assert_eq!(runs, [dead[1], dead[0]], "newest first");
    let after = (&world.organization, dead[1]);
    assert_eq!(world.engine.every_dead_letter(Some(after), 10).await.unwrap().len(), 1);
    let ended = listener.heard().into_iter().filter(|line| line.contains("dead")).count();
    assert_eq!(ended, 2);
    let gone = |heard: Vec<String>| heard.iter().filter(|line| *line == "letter gone").count();
    world.engine.discard(&world.organization, dead[0]).await.unwrap();
    assert!(world.engine.discard(&world.organization, dead[0]).await.is_err());
    assert_eq!(gone(listener.heard()), 1);
    for _ in 0..2 {
        world.engine.resume(&world.organization, dead[1], None).await.unwrap();
    }
    assert_eq!(gone(listener.heard()), 1, "resumed twice, gone once");
}

#[tokio::test]
async fn a_cancelled_run_ends_once() {
    let (world, listener) = observed().await;
    let pipeline = world.compile(json!({ "steps": [
        { "id": "a", "uses": "core/sleep", "with": { "for": "1h" } },
    ] }));
    let run = world.engine.start(Start::new(pipeline.await, Value::Null)).await.unwrap();
    world.engine.run_until_idle().await.unwrap();
    world.engine.cancel(&world.organization, run.id()).await.unwrap();
    world.engine.run_until_idle().await.unwrap();
    assert_eq!(listener.heard(), ["accepted", "test cancelled after 0 for 0"]);
}

#[tokio::test]
async fn the_load_says_what_waits_and_since_when() {
    let (world, _) = observed().await;
    assert_eq!(world.engine.load(), Load::default());
    let sleeps = json!({ "steps": [{ "id": "a", "uses": "core/sleep", "with": { "for": "1h" } }] });
    let pipeline = world.compile(sleeps).await;
    for _ in 0..3 {
        world.engine.start(Start::new(pipeline.clone(), Value::Null)).await.unwrap();
        world.clock.advance_ms(1_000);
    }
    let load = world.engine.load();
    assert_eq!((load.ready, load.parked, load.running), (3, 0, 0));
    assert_eq!(load.oldest_ready.map(|at| world.clock.now().since_ms(at)), Some(3_000));
    world.engine.tick().await.unwrap();
    let load = world.engine.load();
    assert_eq!((load.ready, load.parked, load.running), (2, 1, 0));
    assert_eq!(load.oldest_ready.map(|at| world.clock.now().since_ms(at)), Some(2_000));
}
