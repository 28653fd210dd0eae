//! What is seen of a working host: metrics, the log, traces, errors.
//!
//! ```text
//!  engine ─Observer─▶ ┐
//!  store decorator ─▶ ├─ Metrics ─▶ /metrics          (closed label sets, no organization)
//!  requests ────────▶ ┘      └─▶ log line each         (route and status, never a query or a body)
//! ```
//! What it is not: it decides nothing, and nothing that is needed later is kept here alone.

mod engine;
pub mod errors;
mod expose;
pub(crate) mod log;
mod metrics;
pub(crate) mod otlp;
mod redact;
pub(crate) mod request;
pub(crate) mod sentry;
mod store;
mod trace;

pub(crate) use engine::{Exchanged, Heard};
pub use errors::Errors;
pub use expose::Exposition;
pub use metrics::Metrics;
pub(crate) use store::Watched;
