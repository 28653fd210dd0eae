//! `sim`: runs seeds of the simulation; a seed that fails is printed and can be run again.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Instant;

use clap::Parser;
use levqor_tests::sim::{self, Mutant, Options, Report};

#[derive(Debug, Parser)]
struct Arguments {
    /// One seed only.
    #[arg(long)]
    seed: Option<u64>,
    /// How many seeds.
    #[arg(long, default_value_t = 1_000)]
    seeds: u64,
    /// The first of them.
    #[arg(long, default_value_t = 0)]
    from: u64,
    /// Threads; each works on seeds of its own.
    #[arg(long, default_value_t = 2)]
    threads: u64,
    /// Prints every step (with `--seed`).
    #[arg(long)]
    trace: bool,
    /// Plants a bug: some seed must fail.
    #[arg(long)]
    mutant: Option<Mutant>,
    /// Goes on after a failure.
    #[arg(long)]
    keep_going: bool,
}

#[expect(clippy::print_stdout, reason = "a simulation's output is what it prints")]
fn main() -> std::process::ExitCode {
    let arguments = Arguments::parse();
    sim::quiet_panics();
    let options = Options { trace: arguments.trace, mutant: arguments.mutant };
    if let Some(seed) = arguments.seed {
        let done = sim::run(seed, options);
        match &done {
            Ok(report) => println!("SEED={seed} passes: {report:?}"),
            Err(what) => println!("SEED={seed} {what}"),
        }
        return exit(done.is_err(), arguments.mutant.is_some());
    }
    let (next, failed) = (AtomicU64::new(arguments.from), AtomicBool::new(false));
    let begun = Instant::now();
    let worker = || {
        let mut sums = Report::default();
        loop {
            let seed = next.fetch_add(1, Ordering::Relaxed);
            let stop = failed.load(Ordering::Relaxed) && !arguments.keep_going;
            if seed >= arguments.from + arguments.seeds || stop {
                return sums;
            }
            match sim::run(seed, options) {
                Ok(report) => add(&mut sums, &report),
                Err(what) => {
                    failed.store(true, Ordering::Relaxed);
                    println!("SEED={seed} {what}");
                }
            }
        }
    };
    let sums = std::thread::scope(|scope| {
        let all: Vec<_> = (0..arguments.threads).map(|_| scope.spawn(worker)).collect();
        let mut sums = Report::default();
        all.into_iter().filter_map(|t| t.join().ok()).for_each(|part| add(&mut sums, &part));
        sums
    });
    let seeds = next.load(Ordering::Relaxed).min(arguments.from + arguments.seeds) - arguments.from;
    let seconds = begun.elapsed().as_secs_f64();
    println!(
        "{seeds} seeds in {seconds:.1} s, {:.2} ms each; {sums:?}",
        seconds * 1e3 / seeds as f64
    );
    exit(failed.load(Ordering::Relaxed), arguments.mutant.is_some())
}

fn add(sums: &mut Report, report: &Report) {
    sums.ticks += report.ticks;
    sums.commits += report.commits;
    sums.runs += report.runs;
    sums.crashes += report.crashes;
    sums.simulated_ms += report.simulated_ms;
}

/// A planted bug must be found; anything else must not.
fn exit(failed: bool, planted: bool) -> std::process::ExitCode {
    if failed == planted {
        std::process::ExitCode::SUCCESS
    } else {
        std::process::ExitCode::FAILURE
    }
}
