//! How fast stores commit: JSON lines on standard output, one a measurement.
//!
//! `cargo bench -p levqor-core --bench store -- --seconds 5 --dir /var/tmp [--only device|memory|sled|redb]`
//!
//! A run is four commits, as the engine's are: one that inserts a header, three that replace it,
//! each with a journal record and two counters. The device's own rate stands beside, since every
//! durable figure is a multiple of it.

use std::error::Error;
use std::fs::File;
use std::io::Write;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use levqor_core::store::{
    Add, Batch, Counter, Key, MemoryStore, Revision, Scope, Store, Table, Value,
};

type Done<T = ()> = Result<T, Box<dyn Error + Send + Sync>>;

struct Options {
    seconds: u64,
    dir: PathBuf,
    only: Option<String>,
}

fn main() -> Done {
    let options = options()?;
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).build()?;
    if wanted(&options, "device") {
        device(&options)?;
    }
    for organizations in [1, 64] {
        if wanted(&options, "memory") {
            let store = Arc::new(MemoryStore::new());
            runtime.block_on(measure("memory", store, organizations, 64, &options))?;
        }
        #[cfg(feature = "sled")]
        if wanted(&options, "sled") {
            let dir = tempfile::tempdir_in(&options.dir)?;
            let store = Arc::new(levqor_core::store::SledStore::open(dir.path())?);
            runtime.block_on(durable("sled", store, organizations, &options))?;
        }
        #[cfg(feature = "redb")]
        if wanted(&options, "redb") {
            let dir = tempfile::tempdir_in(&options.dir)?;
            let path = dir.path().join("store");
            let store = Arc::new(levqor_core::store::RedbStore::open(path)?);
            runtime.block_on(durable("redb", store, organizations, &options))?;
        }
    }
    Ok(())
}

/// With 64 commits in flight, and one at a time.
async fn durable<S: Store>(
    name: &str,
    store: Arc<S>,
    organizations: usize,
    options: &Options,
) -> Done {
    measure(name, store.clone(), organizations, 64, options).await?;
    if organizations == 1 {
        measure(name, store, organizations, 1, options).await?;
    }
    Ok(())
}

fn options() -> Done<Options> {
    let mut options = Options { seconds: 5, dir: std::env::temp_dir(), only: None };
    let mut args = std::env::args().skip(1);
    while let Some(arg) = args.next() {
        let mut value = || args.next().ok_or("a value is missing");
        match arg.as_str() {
            "--seconds" => options.seconds = value()?.parse()?,
            "--dir" => options.dir = value()?.into(),
            "--only" => options.only = Some(value()?),
            // Cargo's own.
            "--bench" => {}
            other => return Err(format!("unknown argument {other}").into()),
        }
    }
    Ok(options)
}

fn wanted(options: &Options, name: &str) -> bool {
    options.only.as_deref().is_none_or(|only| only == name)
}

/// How often the device syncs one appended page.
fn device(options: &Options) -> Done {
    let mut file: File = tempfile::tempfile_in(&options.dir)?;
    let (began, mut syncs) = (Instant::now(), 0_u32);
    while began.elapsed() < Duration::from_secs(2) {
        file.write_all(&[1; 4096])?;
        file.sync_data()?;
        syncs += 1;
    }
    let per_second = f64::from(syncs) / began.elapsed().as_secs_f64();
    print(&serde_json::json!({ "bench": "device", "fdatasync_per_s": per_second.round() }))
}

async fn measure<S: Store>(
    name: &str,
    store: Arc<S>,
    organizations: usize,
    in_flight: usize,
    options: &Options,
) -> Done {
    let began = Instant::now();
    let until = began + Duration::from_secs(options.seconds);
    let mut workers = Vec::new();
    for worker in 0..in_flight {
        let scope: Scope = format!("org_{:04}", worker % organizations).into();
        workers.push(tokio::spawn(work(store.clone(), scope, worker, until)));
    }
    let mut micros = Vec::new();
    for worker in workers {
        micros.extend(worker.await??);
    }
    let seconds = began.elapsed().as_secs_f64();
    micros.sort_unstable();
    let at = |part: f64| micros.get((micros.len() as f64 * part) as usize).copied().unwrap_or(0);
    print(&serde_json::json!({
        "bench": "store",
        "store": name,
        "organizations": organizations,
        "in_flight": in_flight,
        "commits_per_s": (micros.len() as f64 / seconds).round(),
        "runs_per_s": (micros.len() as f64 / 4.0 / seconds).round(),
        "commit_us_p50": at(0.5),
        "commit_us_p99": at(0.99),
    }))
}

/// Runs, one after the other, until the time is over; the commits' latencies.
async fn work<S: Store>(
    store: Arc<S>,
    scope: Scope,
    worker: usize,
    until: Instant,
) -> Done<Vec<u32>> {
    let header = Value::from(vec![b'h'; 420]);
    let event = Value::from(vec![b'e'; 260]);
    let (available, held) =
        (Counter::new(scope.clone(), "available"), Counter::new(scope.clone(), "held"));
    let mut micros = Vec::new();
    // One store may be measured twice.
    let mut seed = std::hash::BuildHasher::hash_one(&std::hash::RandomState::new(), worker);
    while Instant::now() < until {
        // Ids are random in the engine, too.
        seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        let run = format!("run_{:016x}{worker:08x}", seed);
        let live = Key::of(Table::Live).text(&scope).text(&run);
        let mut revision: Option<Revision> = None;
        for sequence in 0..4 {
            let mut batch = Batch::new(scope.clone());
            let journal = Key::of(Table::Journal).text(&run).number(sequence);
            batch.insert(journal, event.clone());
            match revision {
                None => batch.insert(live.clone(), header.clone()),
                Some(at) => batch.replace(live.clone(), at, header.clone()),
            }
            for (counter, delta) in [(&available, 1), (&held, 1)] {
                let counter = counter.clone();
                batch.add(Add { counter, delta, min: 0, max: i64::MAX });
            }
            let began = Instant::now();
            revision = Some(store.commit(batch).await?.revision);
            micros.push(u32::try_from(began.elapsed().as_micros()).unwrap_or(u32::MAX));
        }
    }
    Ok(micros)
}

fn print(line: &serde_json::Value) -> Done {
    writeln!(std::io::stdout(), "{line}")?;
    Ok(())
}
