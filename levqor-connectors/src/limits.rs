//! Every limit of the plugin host, each a named constant with its reason.
//!
//! Over a limit is an error with a stable code, never a truncation; only texts for people (log
//! lines, stderr of a trapped guest) are cut, and say so.

/// A plugin's component file: the largest language runtimes seen are 18 MB, and compiling is work
/// that grows with the file.
pub const COMPONENT_BYTES_MAX: usize = 20 * 1024 * 1024;
/// Linear memory of one call, all memories together; also the size of a pool slot.
pub const MEMORY_BYTES_MAX: usize = 64 * 1024 * 1024;
/// Table elements of one call: real plugins have under 1,000, interpreters under 20,000.
pub const TABLE_ELEMENTS_MAX: usize = 60_000;
/// Calls running at the same time in one host; below the pool's 1,000 slots, so that calls wait
/// for their turn and never meet an exhausted pool.
pub const CALLS_MAX: usize = 900;
/// Live handles of one call: a guest's libraries hold under 20.
pub const HANDLES_MAX: usize = 1_000;
/// Random bytes a guest may ask for at once: the host makes them before the guest's memory does.
pub const RANDOM_BYTES_MAX: u64 = 64 * 1024;
/// What a guest may hand to the host in one crossing: an output at its limit, with room.
pub const CROSSING_BYTES_MAX: usize = levqor_core::limits::OUTPUT_BYTES_MAX + 64 * 1024;
/// What a guest may hand over while it describes itself: manifests are under 100 KiB.
pub const DESCRIBE_BYTES_MAX: usize = 1024 * 1024;
/// Time for `describe`: it computes nothing.
pub const DESCRIBE_MS: u64 = 2_000;
/// Length of an epoch: a guest is stopped at most this much after its deadline.
pub const TICK_MS: u64 = 10;
/// Text of a plugin that goes into an error's message.
pub const MESSAGE_BYTES_MAX: usize = 2 * 1024;
/// Tail of a guest's stderr that is kept for the error of a trap.
pub const STDERR_BYTES_MAX: usize = MESSAGE_BYTES_MAX;
/// One log line's message or field, and how many fields and lines a call may write.
pub const LOG_TEXT_BYTES_MAX: usize = 1024;
/// Fields of one log line.
pub const LOG_FIELDS_MAX: usize = 16;
/// Log lines of one call; the rest are counted, not written.
pub const LOG_LINES_MAX: u32 = 200;
/// Native stack of a guest.
pub const WASM_STACK_BYTES: usize = 512 * 1024;
/// Host stack that a guest runs on; larger than the guest's own.
pub const ASYNC_STACK_BYTES: usize = 1024 * 1024;

/// A response's body.
pub const RESPONSE_BYTES_MAX: u64 = 10 * 1024 * 1024;
/// A request's body.
pub const REQUEST_BYTES_MAX: usize = 10 * 1024 * 1024;
/// A request's URL.
pub const URL_BYTES_MAX: usize = 8 * 1024;
/// Headers of a request, and of a response handed to a guest.
pub const HEADERS_MAX: usize = 100;
/// Bytes of all header names and values of one request.
pub const HEADER_BYTES_MAX: usize = 16 * 1024;
/// Redirects that are followed when a plugin asks for it.
pub const REDIRECTS_MAX: u32 = 3;
/// Requests of one `send-all`.
pub const SEND_ALL_MAX: usize = 32;
/// Requests of one call, redirects not counted: ends a plugin that polls without pause.
pub const REQUESTS_PER_CALL_MAX: u32 = 1_000;
/// Time to connect, TLS included: past it the other side is down.
pub const CONNECT_MS_MAX: u64 = 10_000;
/// Time kept back from a request so that the guest can still answer.
pub const ANSWER_MS: u64 = 50;
/// Longest time to live of an idle pooled connection.
pub const POOL_IDLE_MS: u64 = 60_000;
/// A token endpoint's answer.
pub const TOKEN_BYTES_MAX: u64 = 64 * 1024;
/// An access token that ends within this time is refreshed before it is used.
pub const TOKEN_EARLY_MS: u64 = 60_000;

/// One value of plugin state.
pub const STATE_VALUE_BYTES_MAX: usize = 64 * 1024;
/// One key of plugin state.
pub const STATE_KEY_BYTES_MAX: usize = 200;

/// Shortest secret whose value is searched for in requests and answers: shorter ones would be
/// found everywhere.
pub const SECRET_SCAN_BYTES_MIN: usize = 8;
/// A secret's value: private keys in PEM are under 8 KiB.
pub const SECRET_BYTES_MAX: usize = 64 * 1024;

/// Trap-class failures in a row after which a plugin's breaker opens.
pub const BREAKER_FAILURES: u32 = 5;
/// Time a breaker stays open before one probe.
pub const BREAKER_COOL_DOWN_MS: u64 = 30_000;
