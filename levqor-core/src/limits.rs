//! Every limit of the engine, each a named constant with its reason.
//!
//! Over a limit is a clear error with a stable code, never a truncation. Hosts may set tighter
//! bounds; none of them may be wider than these.

/// A document's source in bytes: a 500-step pipeline in generous YAML is about 100 KiB.
pub const DOCUMENT_BYTES_MAX: usize = 256 * 1024;
/// Issues reported of one document: nobody reads more, and each costs a look through the text.
pub const ISSUES_MAX: usize = 200;
/// Nesting of JSON and YAML values: real documents stay under 20, bombs start at 10,000.
pub const JSON_DEPTH_MAX: usize = 64;
/// Steps in one document, nested ones included: past that a canvas and a person are lost.
pub const STEPS_MAX: usize = 500;
/// Composite steps inside each other, sub-pipelines included: bounds the run tree's recursion.
pub const NESTING_MAX: usize = 16;
/// One expression's source: longer ones are programs and belong in a connector.
pub const EXPRESSION_BYTES_MAX: usize = 8 * 1024;
/// minijinja fuel for one evaluation: about 10 ms in the worst case measured.
pub const EXPRESSION_FUEL: u64 = 50_000;
/// Bytes one expression or template may yield.
pub const EXPRESSION_OUTPUT_BYTES_MAX: usize = 1024 * 1024;
/// Values over this are stored in chunks, so that a store's pages stay small.
pub const INLINE_BYTES_MAX: usize = 64 * 1024;
/// A step's output: larger data belongs in an object store, with its address in the output.
pub const OUTPUT_BYTES_MAX: usize = 16 * 1024 * 1024;
/// A run's input as JSON text: the body limit of the HTTP host.
pub const INPUT_BYTES_MAX: usize = 1024 * 1024;
/// `max_items` of a `for_each` that does not say.
pub const FOR_EACH_ITEMS_DEFAULT: u32 = 1_000;
/// `max_items` of any `for_each`.
pub const FOR_EACH_ITEMS_MAX: u32 = 100_000;
/// `max_parallel` of any `for_each`: one run must not take the machine.
pub const FOR_EACH_PARALLEL_MAX: u32 = 64;
/// `max_iterations` of a `while` that does not say.
pub const WHILE_ITERATIONS_DEFAULT: u32 = 100;
/// `max_iterations` of any `while`.
pub const WHILE_ITERATIONS_MAX: u32 = 10_000;
/// Step executions of one run, loops included: ends runaway documents.
pub const RUN_STEPS_MAX: u64 = 100_000;
/// Attempts of one step, the first included.
pub const ATTEMPTS_MAX: u32 = 100;
/// Time of one connector call where neither step nor manifest says.
pub const CALL_MS_DEFAULT: u64 = 30_000;
/// Time of one connector call, at most.
pub const CALL_MS_MAX: u64 = 15 * 60_000;
/// Longest pause a document can ask for (sleep, retry, event, approval): ten years.
pub const WAIT_MS_MAX: u64 = 10 * 366 * 24 * 3_600_000;
/// Longest `Retry-After` that is honoured; beyond it the step fails.
pub const RETRY_AFTER_MS_MAX: u64 = 3_600_000;
/// Ids of steps, pipelines and branches.
pub const ID_BYTES_MAX: usize = 64;
/// Idempotency keys, as Stripe's.
pub const IDEMPOTENCY_KEY_BYTES_MAX: usize = 255;
/// Labels of one run: they stand in its header, which every commit writes again.
pub const LABELS_MAX: usize = 16;
/// A label's value: an id of another system, not a text.
pub const LABEL_BYTES_MAX: usize = 128;
/// Headers that one page of a filtered list reads at most: about 10 ms on a cold store. A page may
/// be short, or empty, and still have a next one.
pub const LIST_SCAN_MAX: u32 = 5_000;
/// Journal bytes that one page reads before it stops; a single larger record is read all the same.
pub const JOURNAL_PAGE_BYTES_MAX: usize = 4 * 1024 * 1024;
/// Events one commit may carry; more pure progress than that takes several commits.
pub const EVENTS_PER_COMMIT_MAX: usize = 256;
/// Queued runs of one organization where the host does not say.
pub const QUEUE_DEPTH_DEFAULT: u32 = 1_000_000;
/// Pages of lists.
pub const PAGE_MAX: u32 = 200;
