//! Every bound of the host, each with its reason. The engine's own are in `levqor_core::limits`.

use std::time::Duration;

/// A request's line and headers together: room for a long cursor and a trace, not for a payload.
pub(crate) const HEAD_BYTES_MAX: usize = 16 * 1024;
/// Header fields of a request: browsers send about 20.
pub(crate) const HEADERS_MAX: usize = 100;
/// A request's body: a document at its limit, an input at a plan's, and what surrounds them.
pub(crate) const BODY_BYTES_MAX: usize = 1024 * 1024;
/// Nesting of a JSON body, as of everything that the engine reads.
pub(crate) const JSON_DEPTH_MAX: usize = levqor_core::limits::JSON_DEPTH_MAX;
/// From the first byte of a connection, or the end of an answer, to the end of the next head. An
/// honest client sends it in one packet.
pub(crate) const HEAD_TIME: Duration = Duration::from_secs(5);
/// For the whole body: 1 MiB over a slow line.
pub(crate) const BODY_TIME: Duration = Duration::from_secs(15);
/// For work that does not wait on purpose.
pub(crate) const ANSWER_TIME: Duration = Duration::from_secs(30);
/// Connections in all: each costs up to a body and a buffer.
pub(crate) const CONNECTIONS_MAX: usize = 1_024;
/// Connections of one address (one /64 of IPv6): a browser opens six, a busy client some dozens.
pub(crate) const CONNECTIONS_PER_ADDRESS_MAX: usize = 256;
/// How long a stopping host waits for answers under way.
pub(crate) const DRAIN_TIME: Duration = Duration::from_secs(10);
/// `Prefer: wait=N` at its most, in seconds: under the idle time of common proxies.
pub(crate) const WAIT_SECONDS_MAX: u64 = 25;
/// Items of a page where the caller names no number, and at its most.
pub(crate) const PAGE_DEFAULT: u32 = 50;
pub(crate) const PAGE_MAX: u32 = 200;
/// Pages for an embedded store's cache: a server's share of a small machine.
pub(crate) const CACHE_BYTES: u64 = 128 * 1024 * 1024;
