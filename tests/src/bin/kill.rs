//! `kill`: kills a working process again and again and looks at what is left. One JSON line at
//! the end.

use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use clap::{Parser, Subcommand};
use levqor_core::testing::Rng;
use levqor_tests::kill::Files;
use levqor_tests::kill::audit::{self, Counts};
use levqor_tests::kill::planted::{self, KillMutant};
use levqor_tests::kill::worker::{self, Failure};
use serde_json::json;

#[derive(Debug, Parser)]
struct Arguments {
    #[command(subcommand)]
    role: Option<Role>,
    /// How often the worker is killed.
    #[arg(long, default_value_t = 200)]
    cycles: u64,
    /// Where the loop's folders are made.
    #[arg(long)]
    dir: Option<PathBuf>,
    /// Kills at these random instants again.
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// Plants a bug: the loop must fail.
    #[arg(long)]
    mutant: Option<KillMutant>,
}

#[derive(Debug, Subcommand)]
enum Role {
    /// The process that is killed.
    Worker {
        dir: PathBuf,
        #[arg(long)]
        mutant: Option<KillMutant>,
    },
}

/// Kills after which a new store is begun: looking at a store takes longer as it grows.
const CYCLES_A_STORE: u64 = 20;
/// The worker lives this long at most once it serves.
const LIFE_MS: u64 = 160;

fn main() -> std::process::ExitCode {
    let arguments = Arguments::parse();
    let done = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .map_err(Failure::from)
        .and_then(|runtime| runtime.block_on(run(&arguments)));
    match done {
        Ok(()) => std::process::ExitCode::SUCCESS,
        Err(error) => {
            use std::io::Write;
            let _ = writeln!(std::io::stderr(), "{error}");
            std::process::ExitCode::FAILURE
        }
    }
}

#[expect(clippy::print_stdout, reason = "the summary is what it prints")]
async fn run(arguments: &Arguments) -> Result<(), Failure> {
    if let Some(Role::Worker { dir, mutant }) = &arguments.role {
        return worker::work(dir, *mutant).await;
    }
    let begun = Instant::now();
    let mut total = Counts::default();
    let (mut rng, mut cycle) = (Rng::new(arguments.seed), 0);
    let mut found = None;
    while cycle < arguments.cycles && found.is_none() {
        let cycles = CYCLES_A_STORE.min(arguments.cycles - cycle);
        match one_store(arguments, cycles, &mut rng, &mut cycle).await {
            Ok(counts) => {
                total.runs += counts.runs;
                total.acks += counts.acks;
                total.effects += counts.effects;
            }
            Err(error) => found = Some(format!("after {cycle} kills: {error}")),
        }
    }
    let summary = json!({
        "bench": "kill", "cycles": cycle, "runs": total.runs, "acks": total.acks,
        "effects": total.effects, "seconds": begun.elapsed().as_secs(),
        "mutant": arguments.mutant.map(KillMutant::name), "found": found,
    });
    println!("{summary}");
    match (found, arguments.mutant) {
        (Some(found), None) => Err(found.into()),
        (None, Some(_)) => Err("the planted bug was not found".into()),
        _ => Ok(()),
    }
}

/// Kills the worker of one new store `cycles` times, looks after each, and lets it end in peace.
async fn one_store(
    arguments: &Arguments,
    cycles: u64,
    rng: &mut Rng,
    cycle: &mut u64,
) -> Result<Counts, Failure> {
    let parent = arguments.dir.clone().unwrap_or_else(std::env::temp_dir);
    std::fs::create_dir_all(&parent)?;
    let dir = tempfile::Builder::new().prefix("levqor-kill-").tempdir_in(parent)?;
    let files = Files::of(dir.path());
    let mut counts = Counts::default();
    for _ in 0..cycles {
        let mut child = spawn(dir.path(), arguments.mutant)?;
        let life = Duration::from_millis(rng.below(LIFE_MS));
        tokio::time::sleep(life).await;
        child.kill()?;
        child.wait()?;
        files.mend()?;
        *cycle += 1;
        let store = planted::open(&files.store, None)?;
        counts = audit::audit(&files, &*store).await?;
    }
    audit::drain(&files, planted::open(&files.store, None)?).await?;
    Ok(counts)
}

/// Starts the worker and waits until it serves.
fn spawn(dir: &Path, mutant: Option<KillMutant>) -> Result<Child, Failure> {
    let mut command = Command::new(std::env::current_exe()?);
    command.arg("worker").arg(dir).stdout(Stdio::piped());
    if let Some(mutant) = mutant {
        command.args(["--mutant", mutant.name()]);
    }
    let mut child = command.spawn()?;
    let mut line = String::new();
    let out = child.stdout.take().ok_or("no output")?;
    BufReader::new(out).read_line(&mut line)?;
    if line.trim() != "ready" {
        child.kill()?;
        child.wait()?;
        return Err("the worker cannot open what it left behind".into());
    }
    Ok(child)
}
