//! Egress: every outbound request of every plugin, through one policy.
//!
//! ```text
//!  Request ─▶ Policy::check ─▶ Target ─▶ (credential filled in) ─▶ exchange ─▶ Response | HttpError
//!    of a plugin   pure                                              │
//!                                         Checked resolver: connects only to addresses it checked
//! ```
//! What it is not: it knows no plugin and no vault. Who may send what is decided by the caller's
//! [`Policy`]; secrets are filled in by `credential` between the check and the wire.

mod address;
mod client;
mod exchange;
mod message;
mod observe;
mod outgoing;
mod pattern;
pub(crate) mod policy;
mod resolver;
mod retry_after;
#[cfg(test)]
pub(crate) mod tests;

pub use address::is_public;
pub use client::{Egress, EgressError, EgressOptions};
pub use message::{Auth, HttpError, Method, Placed, Request, Response};
pub use observe::ExchangeObserver;
pub(crate) use outgoing::{Outgoing, header_name};
pub use pattern::{HostPattern, InvalidHostPattern};
pub use policy::{Policy, Target};
pub use resolver::{ResolveError, Resolver, SystemResolver};
