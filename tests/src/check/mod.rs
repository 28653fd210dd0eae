//! The checks: what must hold of a store after every commit, whatever the engine did.
//!
//! [`Model`] takes commits in their order and knows nothing of how the engine decides. A violation
//! is a text: it names the run and what is wrong.

mod model;
mod run;

pub use model::Model;
pub use run::RunModel;
