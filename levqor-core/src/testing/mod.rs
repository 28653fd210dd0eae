//! Ports for tests and simulations: a clock that moves when told, ids from a seed.
//!
//! Behind the feature `testing`. Not mocks: both keep every promise of their ports.

mod clock;
mod ids;

pub use clock::ManualClock;
pub use ids::{Rng, SeededIds};
