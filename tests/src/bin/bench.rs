//! `bench w1|w2|call|sleepers|backup`: what a run, a call, a sleeper and a backup cost here, one
//! JSON line a figure.

use clap::{Parser, ValueEnum};
use levqor_tests::bench::load::{self, Failure};
use levqor_tests::bench::output::pss_mib;
use levqor_tests::bench::stores::Bench;
use levqor_tests::bench::{Figure, disk, stores};

#[derive(Clone, Copy, Debug, ValueEnum)]
enum What {
    /// Runs of three steps, 64 in flight.
    W1,
    /// Runs of three steps, one at a time.
    W2,
    /// Calls of a plugin.
    Call,
    /// Runs that sleep, and W1 beside them.
    Sleepers,
    /// A backup with its proof, and restoring it.
    Backup,
}

#[derive(Debug, Parser)]
struct Arguments {
    what: What,
    /// `sled:DIR`, `redb:DIR` or `memory:`.
    #[arg(long, default_value = "sled:")]
    store: String,
    /// How many runs, calls or sleepers.
    #[arg(long)]
    runs: Option<usize>,
    /// Size of the store that is backed up.
    #[arg(long, default_value_t = 1_024)]
    mib: usize,
    /// Runs in flight in W1.
    #[arg(long, default_value_t = 64)]
    in_flight: usize,
}

fn main() -> Result<(), Failure> {
    let arguments = Arguments::parse();
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    runtime.block_on(run(&arguments))
}

async fn run(arguments: &Arguments) -> Result<(), Failure> {
    if let What::Call = arguments.what {
        return call(arguments).await;
    }
    let bench = stores::open(&arguments.store)?;
    if let What::Backup = arguments.what {
        let done = backup(&bench, arguments.mib).await;
        bench.remove();
        return done;
    }
    if let Some(dir) = &bench.dir {
        let mut times = disk::fdatasyncs(dir)?;
        let whole: std::time::Duration = times.iter().sum();
        let per_second = (times.len() as f64 / whole.as_secs_f64()).round();
        let figure = Figure::new("disk", &bench.kind).with("fdatasync_s", per_second);
        figure.percentiles("ms", &mut times).print();
    }
    match arguments.what {
        What::W1 => w1(&bench, arguments.runs.unwrap_or(2_000), arguments.in_flight).await?,
        What::W2 => w2(&bench, arguments.runs.unwrap_or(500)).await?,
        What::Sleepers => sleepers(&bench, arguments.runs.unwrap_or(100_000)).await?,
        What::Call | What::Backup => {}
    }
    bench.remove();
    Ok(())
}

async fn w1(bench: &Bench, runs: usize, in_flight: usize) -> Result<(), Failure> {
    let serving = load::serve(bench.store.clone()).await?;
    print_w1("w1", bench, &serving, runs, in_flight).await?;
    serving.stop().await;
    Ok(())
}

async fn print_w1(
    name: &str,
    bench: &Bench,
    serving: &load::Serving,
    runs: usize,
    in_flight: usize,
) -> Result<(), Failure> {
    load::closed_loop(&serving.engine, runs / 10 + 1, in_flight).await?;
    let (whole, mut times) = load::closed_loop(&serving.engine, runs, in_flight).await?;
    let runs_s = (runs as f64 / whole.as_secs_f64()).round();
    Figure::new(name, &bench.kind)
        .with("runs", runs)
        .with("in_flight", in_flight)
        .with("runs_s", runs_s)
        .with("steps_s", runs_s * 3.0)
        .percentiles("ms", &mut times)
        .with("pss_mib", pss_mib())
        .print();
    Ok(())
}

async fn w2(bench: &Bench, runs: usize) -> Result<(), Failure> {
    let serving = load::serve(bench.store.clone()).await?;
    load::closed_loop(&serving.engine, runs / 10 + 1, 1).await?;
    let (_, mut times) = load::closed_loop(&serving.engine, runs, 1).await?;
    Figure::new("w2", &bench.kind).with("runs", runs).percentiles("ms", &mut times).print();
    serving.stop().await;
    Ok(())
}

async fn sleepers(bench: &Bench, runs: usize) -> Result<(), Failure> {
    let serving = load::serve(bench.store.clone()).await?;
    print_w1("w1_before_sleepers", bench, &serving, 2_000, 64).await?;
    let begun = std::time::Instant::now();
    load::sleepers(&serving.engine, runs).await?;
    let runs_s = (runs as f64 / begun.elapsed().as_secs_f64()).round();
    Figure::new("sleepers", &bench.kind)
        .with("runs", runs)
        .with("runs_s", runs_s)
        .with("pss_mib", pss_mib())
        .print();
    print_w1("w1_beside_sleepers", bench, &serving, 2_000, 64).await?;
    serving.stop().await;
    Ok(())
}

#[cfg(not(feature = "plugins"))]
async fn backup(_: &Bench, _: usize) -> Result<(), Failure> {
    Err("this build has no host: build it with the feature `plugins`".into())
}

/// In a folder beside the one that was opened, which stays empty.
#[cfg(feature = "plugins")]
async fn backup(bench: &Bench, mib: usize) -> Result<(), Failure> {
    let dir = bench.dir.as_deref().ok_or("a backup needs a store on disk")?;
    levqor_tests::bench::backups::run(&dir.join("backup"), mib).await
}

#[cfg(not(feature = "plugins"))]
async fn call(_: &Arguments) -> Result<(), Failure> {
    Err("this build has no plugin host: build it with the feature `plugins`".into())
}

/// Calls of `echo/say` with about 1 KiB of JSON, a fresh instance each: one at a time, then by 64
/// tasks.
#[cfg(feature = "plugins")]
async fn call(arguments: &Arguments) -> Result<(), Failure> {
    use std::sync::Arc;
    use std::time::Instant;

    use levqor_connectors::registry::Registry;
    use levqor_core::{Call, Connector, Organization, Outcome};

    async fn one(echo: Arc<dyn Connector>, input: Arc<serde_json::Value>) -> Result<(), Failure> {
        match echo.run_task(Call::new(&Organization::local(), "say", &input)).await {
            Outcome::Done { .. } => Ok(()),
            other => Err(format!("the call failed: {other:?}").into()),
        }
    }

    let registry = Registry::builder().test_doubles().build().await?;
    let catalog = levqor_core::Catalog::new();
    registry.register(&catalog)?;
    let echo = catalog.get("echo").ok_or("no echo")?;
    let items: Vec<_> = (0..12)
        .map(|n| serde_json::json!({"id": n, "name": format!("item number {n}"), "price": 9.5}))
        .collect();
    let note = "x".repeat(400);
    let input = Arc::new(serde_json::json!({"order": "ord_123", "items": items, "note": note}));
    let runs = arguments.runs.unwrap_or(20_000);
    for _ in 0..1_000 {
        one(echo.clone(), input.clone()).await?;
    }
    let mut times = Vec::with_capacity(runs);
    for _ in 0..runs {
        let begun = Instant::now();
        one(echo.clone(), input.clone()).await?;
        times.push(begun.elapsed());
    }
    let begun = Instant::now();
    let mut callers = tokio::task::JoinSet::new();
    for _ in 0..64 {
        let (echo, input) = (echo.clone(), input.clone());
        callers.spawn(async move {
            for _ in 0..runs / 64 {
                one(echo.clone(), input.clone()).await?;
            }
            Ok::<(), Failure>(())
        });
    }
    while let Some(ended) = callers.join_next().await {
        ended??;
    }
    let calls_s = ((runs / 64 * 64) as f64 / begun.elapsed().as_secs_f64()).round();
    Figure::new("call", "none")
        .with("runs", runs)
        .percentiles("us", &mut times)
        .with("calls_s", calls_s)
        .print();
    Ok(())
}
