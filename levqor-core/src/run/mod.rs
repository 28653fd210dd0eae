//! A run: its status, its journal's events and the tree that folds out of them.
//!
//! ```text
//!  Event ──apply──▶ RunState ──machine──▶ Event …        the journal is the truth,
//!  Event ──stored──▶ Journal                             the state is its fold
//! ```
//! Nothing here decides (that is [`crate::machine`]) or does IO (that is [`crate::engine`]).
//! Applying an event evaluates nothing: whatever an expression yielded stands in the event, so a
//! replayed state equals the live one.

mod apply;
mod event;
mod header;
mod path;
mod scope;
mod state;

pub use event::{At, Event, JournalRecord, Origin, Started, WaitFor};
pub use header::{Header, Labels, Lease, RunStatus};
pub use path::path_of;
pub(crate) use path::{inner_block, step_at};
pub(crate) use scope::{Bind, Level, descend, enter};
pub use state::{Corrupt, RunState};
pub(crate) use state::{Frame, FrameStatus, Inside, InsideKind, Node, walk};
