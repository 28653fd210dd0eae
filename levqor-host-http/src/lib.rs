//! The HTTP host: the engine over the network, for people who do not trust each other.
//!
//! ```text
//!  socket ─▶ serve: accept loop, deadlines, caps ─▶ edge: headers, host, limits ─▶ router
//!                                                                                    │
//!    one route table ──▶ routing, scopes, OpenAPI                                    ▼
//!    Caller (from the credential alone) ──may(scope)──▶ Organization ──▶ api ──▶ engine
//!                                                                         └──▶ desk: people,
//!                                                                              keys, endpoints
//! ```
//! It stays thin: what is about runs, credits, quotas or connectors is the engine's. What is here is
//! the network, people, and their records, which stand in the engine's own store so that one commit
//! and one backup hold both.
//!
//! | | what always holds |
//! |---|---|
//! | H1 | the organization comes from the credential and is in no path, query or body; only what the operator does to another one (`ops:write`) names it |
//! | H2 | an organization is handed out only by [`caller::Caller::may`], which names the scope |
//! | H3 | every route is in the one table, and so in the OpenAPI document |
//! | H4 | every answer carries the security headers, also those that no handler made |
//! | H5 | a write and its audit row are one commit |
//! | H6 | a secret is stored as its digest, or sealed in the vault; never in a record, log or answer |
//! | H7 | what a keyed request was answered is in the commit of its effect, its secrets left out |

pub mod app;
pub mod args;
pub mod backup;
pub mod caller;
pub mod config;
pub mod desk;
pub mod flags;
pub mod http;
pub mod mail;
pub mod observe;
pub mod ops;
pub mod people;
pub mod route;
pub mod serve;

mod api;
mod deliver;
mod guard;
mod hooks;
mod ids;
mod limits;
mod planning;
mod watch;

pub use app::App;
pub use config::Config;
pub use serve::Host;
