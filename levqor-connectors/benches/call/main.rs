//! What one plugin call costs: a fresh instance, 1 KiB of JSON, no IO.
//!
//! `cargo bench -p levqor-connectors --bench call` prints the time of single calls, calls per second
//! of 64 callers on two threads, and the same component under bare wasmtime (same pool, no limits,
//! no broker, no JSON on the host's side) for the ratio: the median of rounds that take turns.

use std::error::Error;
use std::sync::Arc;
use std::time::{Duration, Instant};

use levqor_connectors::registry::Registry;
use levqor_core::connector::{Call, Connector, Outcome};
use levqor_core::ids::Organization;
use serde_json::{Value, json};

mod bare;

const SINGLE: usize = 10_000;
const CALLERS: usize = 64;
const PER_CALLER: usize = 1_000;
const ROUNDS: usize = 5;

fn main() -> Result<(), Box<dyn Error>> {
    let runtime =
        tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build()?;
    runtime.block_on(async {
        let registry = Registry::builder().test_doubles().build().await?;
        let catalog = levqor_core::connector::Catalog::new();
        registry.register(&catalog)?;
        let echo = catalog.get("echo").ok_or("no echo")?;
        let input = Arc::new(one_kib());
        let ours = || one(Arc::clone(&echo), Arc::clone(&input));
        let bare = Arc::new(bare::Bare::new()?);
        let text: Arc<str> = input.to_string().into();
        let theirs = || {
            let (bare, text) = (Arc::clone(&bare), Arc::clone(&text));
            async move { bare.call(&text).await }
        };
        let mut ratios = Vec::new();
        for _ in 0..ROUNDS {
            let rate = measure("levqor", ours).await;
            ratios.push(rate / measure("bare wasmtime", theirs).await);
        }
        ratios.sort_by(f64::total_cmp);
        report(&format!("ratio of calls/s: {:.0} %", 100.0 * ratios[ROUNDS / 2]));
        Ok(())
    })
}

/// 964 bytes of JSON with a few of everything.
fn one_kib() -> Value {
    let items: Vec<Value> = (0..12)
        .map(|i| json!({"id": i, "name": format!("item number {i}"), "price": 9.5, "tags": ["a", "b"]}))
        .collect();
    json!({"order": "ord_123", "items": items, "paid": true, "note": "x".repeat(120)})
}

async fn one(echo: Arc<dyn Connector>, input: Arc<Value>) -> bool {
    let organization = Organization::local();
    let outcome = echo.run_task(Call::new(&organization, "say", &input)).await;
    matches!(outcome, Outcome::Done { .. })
}

/// Times single calls and many at once; the calls per second of the latter.
async fn measure<F>(what: &str, call: impl Fn() -> F) -> f64
where
    F: Future<Output = bool> + Send + 'static,
{
    for _ in 0..1_000 {
        assert!(call().await, "{what} failed");
    }
    let mut times = Vec::with_capacity(SINGLE);
    for _ in 0..SINGLE {
        let started = Instant::now();
        assert!(call().await, "{what} failed");
        times.push(started.elapsed());
    }
    times.sort_unstable();
    let at = |share: f64| micros(times[(share * (SINGLE - 1) as f64) as usize]);
    let started = Instant::now();
    let mut callers = Vec::new();
    for _ in 0..CALLERS {
        let calls: Vec<F> = (0..PER_CALLER).map(|_| call()).collect();
        callers.push(tokio::spawn(async move {
            let mut done = true;
            for call in calls {
                done &= call.await;
            }
            done
        }));
    }
    for caller in callers {
        assert!(caller.await.unwrap_or(false), "{what} failed");
    }
    let rate = (CALLERS * PER_CALLER) as f64 / started.elapsed().as_secs_f64();
    report(&format!(
        "{what}: p50 {:.1} us, p99 {:.1} us; {CALLERS} callers: {rate:.0} calls/s",
        at(0.5),
        at(0.99)
    ));
    rate
}

fn micros(time: Duration) -> f64 {
    time.as_secs_f64() * 1e6
}

#[expect(clippy::print_stdout, reason = "the result of a bench")]
fn report(line: &str) {
    println!("{line}");
}
