//! What the ledger costs: W1 with steps of a credit each beside W1 with free ones.
//!
//! A free step holds and captures nothing and its run leaves no settlement; all else is the same.

use super::Figure;
use super::load::{self, Failure};
use super::stores::Bench;

/// Rounds of each kind. They take turns, so that a machine that slows down does so for both.
const ROUNDS: usize = 7;

/// Prints the median of both kinds of rounds.
///
/// # Errors
/// When a run does not end well.
pub async fn run(bench: &Bench, runs: usize, in_flight: usize) -> Result<(), Failure> {
    let serving = load::serve(bench.store.clone()).await?;
    let priced = load::compile(&serving.engine, load::three_steps("inc")).await?;
    let free = load::compile(&serving.engine, load::three_steps("inc_free")).await?;
    load::closed_loop(&serving.engine, &priced, runs / 10 + 1, in_flight).await?;
    let mut rounds = [Vec::new(), Vec::new()];
    for round in 0..ROUNDS * 2 {
        // On, off, off, on: neither always comes first.
        let is_free = round.div_ceil(2) % 2 == 1;
        let pipeline = if is_free { &free } else { &priced };
        let (whole, _) = load::closed_loop(&serving.engine, pipeline, runs, in_flight).await?;
        rounds[usize::from(is_free)].push(runs as f64 / whole.as_secs_f64());
    }
    let [on, off] = rounds.map(|mut rounds| {
        rounds.sort_by(f64::total_cmp);
        rounds[ROUNDS / 2].round()
    });
    Figure::new("ledger", &bench.kind)
        .with("runs", runs)
        .with("in_flight", in_flight)
        .with("rounds", ROUNDS)
        .with("runs_s", on)
        .with("free_runs_s", off)
        .with("of_free", (on / off * 1_000.0).round() / 1_000.0)
        .print();
    serving.stop().await;
    Ok(())
}
