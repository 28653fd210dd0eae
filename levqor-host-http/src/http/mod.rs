//! The words of HTTP that handlers use: what they are called with, what they answer.
//!
//! What it is not: routing (`route`) and the wire (`serve`).

mod answer;
mod call;
pub(crate) mod etag;
mod fixed;
mod nonce;
mod object;
mod page;
mod problem;
mod time;
mod whole;

pub use answer::{Answer, Payload};
pub(crate) use call::read_json;
pub use call::{Body, Call, Head, Json, Query, Raw};
pub(crate) use fixed::Fixed;
pub use nonce::Nonce;
pub(crate) use object::maybe_object;
pub use page::Page;
pub(crate) use page::{Cursor, PageQuery};
pub use problem::{FieldProblem, Problem, ProblemDocument};
pub use time::Time;
pub(crate) use whole::{EXACT_MAX, maybe_moment, maybe_whole, whole};
