//! The seeded simulation: the real engine on simulated time, storage and vendors.
//!
//! One seed is one history: who runs next, what fails, what crashes, what clients do. First comes
//! chaos, then everything heals, and then every accepted run must end. After each step every
//! commit is checked by [`crate::check`].
//!
//! What it is not: it does not simulate disks (the kill loop does), and it does not know how the
//! engine works.

pub mod client;
pub mod docs;
pub mod exec;
pub mod heal;
pub mod mutant;
pub mod slot;
pub mod store;
pub mod vendor;
pub mod world;

use std::panic::{AssertUnwindSafe, catch_unwind};

pub use docs::document;
pub use mutant::{Mutant, Planted};
pub use vendor::PANIC;

/// How to run a seed.
#[derive(Clone, Copy, Debug, Default)]
pub struct Options {
    /// Print every step.
    pub trace: bool,
    /// A bug to plant.
    pub mutant: Option<Mutant>,
}

/// What a seed came to.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Report {
    /// Hash of everything that happened: the same seed has the same.
    pub hash: u64,
    /// Steps of the executor.
    pub ticks: u64,
    /// Commits that were checked.
    pub commits: u64,
    /// Runs that were accepted, and ended.
    pub runs: u64,
    /// Crashes of engines.
    pub crashes: u64,
    /// Simulated milliseconds.
    pub simulated_ms: u64,
}

/// Runs one seed.
///
/// # Errors
/// What was violated, and at which step.
pub fn run(seed: u64, options: Options) -> Result<Report, String> {
    let done = catch_unwind(AssertUnwindSafe(|| world::World::new(seed, options).run()));
    done.unwrap_or_else(|panic| {
        let text = panic.downcast_ref::<String>().map(String::as_str);
        let text = text.or_else(|| panic.downcast_ref::<&str>().copied()).unwrap_or("?");
        Err(format!("the engine panicked: {text}"))
    })
}

/// Keeps the vendor's panics, which are on purpose, off the screen.
pub fn quiet_panics() {
    let before = std::panic::take_hook();
    std::panic::set_hook(Box::new(move |info| {
        if info.payload().downcast_ref::<&str>() != Some(&PANIC) {
            before(info);
        }
    }));
}
