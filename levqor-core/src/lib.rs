//! The Levqor engine: pipelines that run durably, metered in credits, calling the world only through
//! connectors it was given.
//!
//! This crate is the whole engine and nothing else: no HTTP, no WASM, no global state, no clock but
//! the one it is handed. Sandboxed plugins live in `levqor-connectors`; hosts embed both.
//!
//! # A first durable run
//!
//! ```
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! use levqor_core::{ActionManifest, Catalog, Engine, FnConnector, MemoryStore, Organization};
//! use levqor_core::{Outcome, Start};
//! use serde_json::json;
//!
//! let greeter = FnConnector::new("greeter").action("greet", ActionManifest::free(), |input| async move {
//!     Outcome::done(json!(format!("hello, {}", input["name"].as_str().unwrap_or("you"))))
//! });
//! let engine = Engine::builder(MemoryStore::new(), Catalog::new().with(greeter)?).build().await?;
//! let document = "{ schema: levqor/v1, name: hi, steps: [ { id: a, uses: greeter/greet, with: { name: '${{ input.who }}' } } ] }";
//! let pipeline = engine.compile_text(&Organization::local(), document).await?;
//! let run = engine.start(Start::new(pipeline, json!({ "who": "Ada" }))).await?;
//! engine.run_until_idle().await?; // a service calls `engine.serve(shutdown)` instead
//! assert_eq!(*run.wait().await?.output.unwrap_or_default(), json!("hello, Ada"));
//! # Ok(())
//! # }
//! ```
//!
//! With `store::sled::SledStore::open("data")?` in place of [`MemoryStore`] the run survives `kill
//! -9` at any instant after `start` returned.
//!
//! # The one way data flows
//!
//! ```text
//! PipelineDocument ──compile(&Catalog)──▶ Pipeline ──start(input, idempotency key)──▶ Run
//!    (anyone wrote it)    or Vec<Issue>   (private fields)                             │
//!                                                                                      ▼
//!   machine::next(&RunState, moment) ──▶ Event: attempt opened | waiting | finished   (pure)
//!        Connector::run_task(call) ──▶ Outcome                                       (effect 1)
//!   settle(&RunState, outcome) ──▶ Event ──apply──▶ RunState ──▶ Batch                (pure)
//!        Store::commit(batch) ──▶ durable, or Conflict ⇒ load and decide again       (effect 2)
//! ```
//!
//! Two effects; everything else is a pure function. A journal record *is* the event: history, live
//! view and replay read the same append-only journal, and a run's state is the fold of it.
//!
//! # Invariants
//!
//! | | what always holds | shown by |
//! |---|---|---|
//! | I1 | this crate does no IO by itself: with `--no-default-features` no store, HTTP or WASM crate is in its tree | `tests/it/tidy.rs` |
//! | I2 | engine, machine, run, ledger, quota and pipeline name no concrete store | `tests/it/tidy.rs` |
//! | I3 | only [`store::Store::commit`] writes; its `Ok` is the only promise of durability | `store::conformance`, the kill loop |
//! | I4 | time and ids come from [`time::Clock`] and [`ids::IdSource`] | `tests/it/tidy.rs` |
//! | I5 | a run is pinned to one version of its pipeline | `engine::tests::flow` |
//! | I6 | attempts of a step are numbered 1..n and at most one is open | the simulation |
//! | I7 | a final status never changes | the simulation |
//! | I8 | an organization's stored balance equals the sum of its entries and is never negative | [`Engine::audit`], the simulation, the kill loop |
//! | I9 | every hold is captured or released exactly once, a success charged exactly once | the simulation, the kill loop |
//! | I10 | no record is written by every run | `ledger` stores no system account |
//! | I11 | a secret is in no context, event, record or error | `tests/it/vendors` |
//!
//! Connector calls are at-least-once with one stable idempotency key per step; what may not be
//! repeated and may have happened goes to a person as a dead letter.
//!
//! # Features
//!
//! `sled` (default) and `redb`: embedded stores. `testing`: a manual clock, seeded ids, a faulty
//! store and the conformance suite that third-party stores can run.

pub mod connector;
pub mod document;
pub mod engine;
pub mod error;
pub mod explain;
pub mod expr;
pub mod ids;
pub mod ledger;
pub mod limits;
pub mod machine;
mod nearest;
pub mod pipeline;
pub mod planner;
pub mod quota;
pub mod retention;
pub mod run;
pub mod schedule;
pub mod store;
#[cfg(any(test, feature = "testing"))]
pub mod testing;
pub mod time;
mod value;

pub use connector::{ActionManifest, Call, Catalog, Connector, FnConnector, Idempotency, Outcome};
pub use engine::{Engine, Error, RunHandle, Start};
pub use error::{ErrorKind, RunError};
pub use ids::{Organization, RunId};
pub use pipeline::Pipeline;
pub use store::memory::MemoryStore;
