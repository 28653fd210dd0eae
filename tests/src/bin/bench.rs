//! `bench w1|w2|w3|call|sleepers|ledger|start|backup`: what a run, a request, a call, a sleeper, the
//! ledger, a start of the host and a backup cost here, one JSON line a figure.

use clap::{Parser, ValueEnum};
use levqor_tests::bench::load::{self, Failure};
use levqor_tests::bench::output::pss_mib;
use levqor_tests::bench::stores::Bench;
use levqor_tests::bench::{Figure, disk, ledger, start, stores};

// As the hosts have it.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

#[derive(Clone, Copy, Debug, ValueEnum)]
enum What {
    /// Runs of three steps, 64 in flight.
    W1,
    /// Runs of three steps, one at a time.
    W2,
    /// Durable intake over HTTP by 64 kept connections, beside servers of the same stack: one that
    /// answers a constant, one that does no more than parse the body and put it into a file, and the
    /// host itself at a route that reads the body and answers nothing.
    W3,
    /// Calls of a plugin.
    Call,
    /// Runs that sleep, and W1 beside them.
    Sleepers,
    /// W1 with steps that cost credits beside W1 with steps that are free, in turns.
    Ledger,
    /// Starts of the HTTP host on an empty store, to its first answer.
    Start,
    /// A backup with its proof, and restoring it.
    Backup,
}

#[derive(Debug, Parser)]
struct Arguments {
    what: What,
    /// `sled:DIR`, `redb:FILE` or `memory:`.
    #[arg(long, default_value = "sled:")]
    store: String,
    /// How many runs, requests, calls or sleepers.
    #[arg(long)]
    runs: Option<usize>,
    /// Size of the store that is backed up.
    #[arg(long, default_value_t = 1_024)]
    mib: usize,
    /// Runs in flight in W1, connections in W3.
    #[arg(long, default_value_t = 64)]
    in_flight: usize,
    /// In W3: runs that are accepted for a later time, so that none is driven meanwhile.
    #[arg(long)]
    later: bool,
    /// Memory for sled's pages in MiB; what the store takes by itself where absent.
    #[arg(long)]
    cache_mib: Option<u64>,
}

fn main() -> Result<(), Failure> {
    let arguments = Arguments::parse();
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    runtime.block_on(run(&arguments))
}

async fn run(arguments: &Arguments) -> Result<(), Failure> {
    match arguments.what {
        What::Call => return call(arguments).await,
        What::Start => return starts(arguments),
        What::W3 => return w3(arguments).await,
        _ => {}
    }
    let bench = stores::open(&arguments.store, arguments.cache_mib)?;
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
        What::Ledger => {
            ledger::run(&bench, arguments.runs.unwrap_or(2_000), arguments.in_flight).await?;
        }
        What::W3 | What::Call | What::Start | What::Backup => {}
    }
    bench.remove();
    Ok(())
}

/// Each start in a folder of its own: what is measured is a first start.
fn starts(arguments: &Arguments) -> Result<(), Failure> {
    let binary = start::binary()?;
    let (mut listening, mut answered) = (Vec::new(), Vec::new());
    for _ in 0..arguments.runs.unwrap_or(20) {
        let folder = tempfile::tempdir()?;
        let store = match arguments.store.as_str() {
            "sled:" | "redb:" => {
                format!("{}{}", arguments.store, folder.path().join("s").display())
            }
            other => other.to_owned(),
        };
        let started = start::once(&binary, folder.path(), &store)?;
        listening.push(started.listening);
        answered.push(started.answered);
    }
    let runs = answered.len();
    let figure = |what, times: &mut [std::time::Duration]| {
        Figure::new(what, &arguments.store).with("runs", runs).percentiles("ms", times).print();
    };
    figure("start_listening", &mut listening);
    figure("start_answered", &mut answered);
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
    let pipeline = load::compile(&serving.engine, load::three_steps("inc")).await?;
    load::closed_loop(&serving.engine, &pipeline, runs / 10 + 1, in_flight).await?;
    let (whole, mut times) = load::closed_loop(&serving.engine, &pipeline, runs, in_flight).await?;
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
    let pipeline = load::compile(&serving.engine, load::three_steps("inc")).await?;
    load::closed_loop(&serving.engine, &pipeline, runs / 10 + 1, 1).await?;
    let (_, mut times) = load::closed_loop(&serving.engine, &pipeline, runs, 1).await?;
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
async fn w3(_: &Arguments) -> Result<(), Failure> {
    Err("this build has no HTTP host: build it with the feature `plugins`".into())
}

/// Bodies of 1 KiB to a stored pipeline of three steps, whose runs are driven meanwhile.
#[cfg(feature = "plugins")]
async fn w3(arguments: &Arguments) -> Result<(), Failure> {
    use levqor_tests::bench::output::processor_time;
    use levqor_tests::bench::{bare, http};

    let folder = tempfile::tempdir()?;
    let store = match arguments.store.as_str() {
        "sled:" => String::new(),
        "redb:" => format!("redb:{}", folder.path().join("redb").display()),
        named => named.to_owned(),
    };
    let intake = http::intake(folder.path(), &store).await?;
    let (address, connections) = (intake.host.address(), arguments.in_flight);
    let requests = arguments.runs.unwrap_or(20_000);
    let request = intake.request("/api/v1/intake", arguments.later);
    http::closed_loop(address, &request, requests / 10, connections, 202).await?;
    let before = processor_time();
    let mut loaded = http::closed_loop(address, &request, requests, connections, 202).await?;
    let cpu_us = (processor_time() - before).as_secs_f64() * 1e6 / requests as f64;
    let begun = std::time::Instant::now();
    if !arguments.later {
        intake.ended(&loaded.last).await?;
    }
    let drained = begun.elapsed();
    let per_second = |whole: std::time::Duration| (requests as f64 / whole.as_secs_f64()).round();
    let mut beside = Vec::new();
    for (address, request, status) in [
        (bare::constant().await?, &request, 202),
        (bare::durable(folder.path()).await?, &request, 202),
        (address, &intake.request(http::CONSTANT_PATH, false), 204),
    ] {
        http::closed_loop(address, request, requests / 10, connections, status).await?;
        let other = http::closed_loop(address, request, requests, connections, status).await?;
        beside.push(per_second(other.whole));
    }
    let [constant_req_s, durable_req_s, host_constant_req_s] = beside[..] else {
        return Err("three servers were measured".into());
    };
    let req_s = per_second(loaded.whole);
    let share = |of: f64| (req_s / of * 1_000.0).round() / 1_000.0;
    Figure::new("w3", arguments.store.trim_end_matches(':'))
        .with("requests", requests)
        .with("connections", connections)
        .with("runs_driven", !arguments.later)
        .with("req_s", req_s)
        .percentiles("ms", &mut loaded.times)
        // Of all threads, the load's own among them.
        .with("cpu_us", cpu_us.round())
        .with("constant_req_s", constant_req_s)
        .with("of_constant", share(constant_req_s))
        .with("durable_req_s", durable_req_s)
        .with("of_durable", share(durable_req_s))
        .with("host_constant_req_s", host_constant_req_s)
        .with("of_host_constant", share(host_constant_req_s))
        .with("last_run_ended_ms", (drained.as_secs_f64() * 1e3).round())
        .with("pss_mib", pss_mib())
        .print();
    intake.host.stop().await?;
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

#[cfg(feature = "plugins")]
async fn call(arguments: &Arguments) -> Result<(), Failure> {
    levqor_tests::bench::calls::run(arguments.runs.unwrap_or(20_000)).await
}
