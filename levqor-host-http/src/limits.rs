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
/// From the first byte of a head to its end, and for the first head from the connection's begin. An
/// honest client sends it in one packet.
pub(crate) const HEAD_TIME: Duration = Duration::from_secs(5);
/// Between an answer and the next request of a connection that is kept.
pub(crate) const IDLE_TIME: Duration = Duration::from_secs(60);
/// For the whole body: 1 MiB over a slow line.
pub(crate) const BODY_TIME: Duration = Duration::from_secs(15);
/// A body may begin late by so much, and must then keep up this rate: a modem's.
pub(crate) const BODY_GRACE: Duration = Duration::from_secs(3);
/// See [`BODY_GRACE`].
pub(crate) const BODY_BYTES_PER_SECOND: u64 = 1_024;
/// Bodies that are arriving may hold so much together: 32 of the largest.
pub(crate) const BODIES_BYTES_MAX: usize = 32 * 1024 * 1024;
/// For a peer that takes nothing of its answer.
pub(crate) const WRITE_STALL: Duration = Duration::from_secs(15);
/// After an answer before the request was read: so long its rest is thrown away, since a closed
/// socket with unread bytes takes the answer with it.
pub(crate) const LINGER_TIME: Duration = Duration::from_secs(1);
/// For a TLS handshake: two round trips.
pub(crate) const HANDSHAKE_TIME: Duration = Duration::from_secs(5);
/// The target of a request: a path and a query with a long cursor.
pub(crate) const TARGET_BYTES_MAX: usize = 8 * 1024;
/// What is after a chunk's size, and each line after the last chunk: nobody sends any.
pub(crate) const CHUNK_LINE_BYTES_MAX: usize = 1_024;
/// What the kernel holds of answers that one peer does not take; grown by itself it would be 4 MiB.
/// Enough for 2 MiB a second over 100 ms.
pub(crate) const SEND_BUFFER_BYTES: u32 = 256 * 1024;
/// Connections that wait to be accepted.
pub(crate) const BACKLOG: u32 = 1_024;
/// hyper's buffers of one connection.
pub(crate) const BUFFER_BYTES_MAX: usize = 64 * 1024;
/// Requests at once on one HTTP/2 connection.
pub(crate) const STREAMS_MAX: u32 = 128;
/// Streams that a peer opened and reset before they were taken up; more ends the connection.
pub(crate) const RESET_STREAMS_MAX: usize = 32;
/// Streams that we had to reset; more ends the connection.
pub(crate) const ERROR_STREAMS_MAX: usize = 128;
/// How often an HTTP/2 connection is asked whether it lives, and how long it may take.
pub(crate) const PING_EVERY: Duration = Duration::from_secs(20);
/// See [`PING_EVERY`].
pub(crate) const PING_TIME: Duration = Duration::from_secs(10);
/// How often an HTTP/2 connection is looked at for stalled and absent streams.
pub(crate) const WATCH_EVERY: Duration = Duration::from_secs(5);
/// After an accept that failed: when file descriptors ran out, until some are free.
pub(crate) const ACCEPT_PAUSE: Duration = Duration::from_millis(50);
/// Addresses whose rate is remembered: 24 bytes each, several times that with the map.
pub(crate) const ADDRESSES_MAX: usize = 64 * 1024;
/// Credentials whose rate is remembered.
pub(crate) const KEYS_MAX: usize = 16 * 1024;
/// For work that does not wait on purpose.
pub(crate) const ANSWER_TIME: Duration = Duration::from_secs(30);
/// How long a stopping host waits for answers under way.
pub(crate) const DRAIN_TIME: Duration = Duration::from_secs(10);
/// `Prefer: wait=N` at its most, in seconds: under the idle time of common proxies.
pub(crate) const WAIT_SECONDS_MAX: u64 = 25;
/// Server-sent event streams of one credential at a time: a console with some runs open.
pub(crate) const EVENT_STREAMS_PER_CREDENTIAL_MAX: usize = 32;
/// Event streams in all: half of the connections are left for requests that end.
pub(crate) const EVENT_STREAMS_MAX: usize = 512;
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
