//! What crosses crates: the simulation, the kill loop, the benches, and what they share.
//!
//! Nothing here is part of the product. The binaries (`sim`, `kill`, `bench`) print what they find;
//! `it/main.rs` runs short versions of them as tests.

pub mod bench;
pub mod check;
pub mod eval;
pub mod kill;
pub mod sim;
pub mod stored;
