//! From a goal in words to a stored draft of a pipeline.
//!
//! ```text
//!  goal ─▶ granted connectors ─▶ model (a run of its own: held, sandboxed, captured) ─┐
//!                            └─▶ matcher of words, where no model is or it failed ────┤
//!            Draft: document, price, difference ◀── the same validation as any ◀──────┘
//! ```
//! A draft is a document that somebody may read, change and run. Nothing here runs one, puts an
//! organization's data before a model, or lets a draft use what is not granted. What it costs is
//! the reply that became the draft: replies that were not valid, and goals that came to nothing,
//! cost nothing.

mod asked;
mod draft;
mod granted;
mod make;
mod model;

pub(crate) use draft::{Draft, Fallback, MadeBy, draft_document, load, recent};
pub(crate) use make::{Request, make};
pub(crate) use model::Model;
