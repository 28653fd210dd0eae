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
/// Server-sent event streams of one credential at a time: a console with some runs open.
pub(crate) const STREAMS_PER_CREDENTIAL_MAX: usize = 32;
/// Event streams in all: half of the connections are left for requests that end.
pub(crate) const STREAMS_MAX: usize = 512;
/// A comment on an event stream that is silent: under the idle time of common proxies.
pub(crate) const STREAM_KEEP_ALIVE: Duration = Duration::from_secs(15);
/// How often a stream looks at a run that another host of the same store may drive.
pub(crate) const STREAM_POLL: Duration = Duration::from_secs(1);
/// Records that a stream reads at once.
pub(crate) const STREAM_PAGE: u32 = 50;
/// Runs that one bulk request touches: some seconds of work at the slowest.
pub(crate) const BULK_MAX: u32 = 500;
/// Runs of a bulk request that are changed at the same time: enough to share commits.
pub(crate) const BULK_PARALLEL: usize = 16;
/// Coming times that are shown of a schedule.
pub(crate) const SCHEDULE_TIMES: usize = 5;
/// Items of a page where the caller names no number, and at its most.
pub(crate) const PAGE_DEFAULT: u32 = 50;
pub(crate) const PAGE_MAX: u32 = 200;
/// Pages for an embedded store's cache: a server's share of a small machine.
pub(crate) const CACHE_BYTES: u64 = 128 * 1024 * 1024;
