//! The simulation, in short: it finds nothing, finds what was planted, and replays itself.

use clap::ValueEnum;
use levqor_tests::sim::{self, Mutant, Options};

/// Seeds of a short run; `cargo sim` takes more.
const SEEDS: u64 = 300;
/// Seeds within which each planted bug must be found.
const SEEDS_TO_FIND: u64 = 300;

#[test]
fn no_seed_violates_anything() {
    sim::quiet_panics();
    for seed in 0..SEEDS {
        if let Err(what) = sim::run(seed, Options::default()) {
            panic!("SEED={seed} {what}");
        }
    }
}

#[test]
fn a_seed_is_one_history() {
    sim::quiet_panics();
    for seed in 0..30 {
        let (once, again) =
            (sim::run(seed, Options::default()), sim::run(seed, Options::default()));
        assert_eq!(once, again, "SEED={seed}");
    }
}

#[test]
fn every_planted_bug_is_found() {
    sim::quiet_panics();
    for mutant in Mutant::value_variants() {
        let options = Options { mutant: Some(*mutant), ..Options::default() };
        let found = (0..SEEDS_TO_FIND).any(|seed| sim::run(seed, options).is_err());
        assert!(found, "{mutant:?} was not found within {SEEDS_TO_FIND} seeds");
    }
}
