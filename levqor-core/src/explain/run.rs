//! Codes of runs and steps: `run.*`, `step.*`, `connector.*`, `engine.*`.

use super::Row;

const SHOW: &str = "levqor runs show RUN";
const RESUME: &str = "levqor runs resume RUN";
const SPLIT: &str = "Split the work, or keep the data elsewhere and pass its address";

pub(super) const ROWS: &[Row] = &[
    (
        "engine.not_found",
        "There is no such run, pipeline or schedule in this store",
        "levqor runs list, levqor pipelines list; is it the right --data-dir?",
    ),
    (
        "engine.stopped",
        "The engine stopped before the run ended; the run is where it was",
        "levqor run --resume RUN",
    ),
    (
        "run.input_invalid",
        "The input does not fit the pipeline's input_schema",
        "Give what it asks for: levqor run FILE --input KEY=TEXT",
    ),
    ("run.input_too_deep", "A run's input is nested at most 64 deep", SPLIT),
    ("run.input_too_large", "A run's input has at most 1 MiB", SPLIT),
    ("run.bad_priority", "A priority is 1 (first) to 5 (last)", "levqor run FILE --priority 3"),
    (
        "run.bad_label",
        "A run has at most 16 labels, with names like ids and values of at most 128 bytes",
        "Put longer texts into the input",
    ),
    ("run.busy", "The run changes faster than the request", "Try again"),
    ("run.cancelled", "Somebody cancelled the run; nothing is charged after that", RESUME),
    (
        "run.concurrency_skipped",
        "As many runs with this concurrency key go on as are allowed, and on_limit is skip",
        "Wait for the other one, or use on_limit: queue",
    ),
    (
        "run.corrupt",
        "The run's journal does not fit its pipeline: a damaged store, or a bug",
        "levqor store verify",
    ),
    (
        "run.credits_exceeded",
        "The run used up its limits.credits and stopped before the next step",
        "levqor runs resume RUN --max-credits N",
    ),
    ("run.ended", "The run has ended and cannot change any more", SHOW),
    ("run.form_too_deep", "What was filled in is nested more than 64 deep", SPLIT),
    ("run.form_too_large", "What was filled in is larger than a run's input may be", SPLIT),
    (
        "run.form_invalid",
        "What was filled in does not fit the approval's form_schema",
        "levqor runs decide RUN STEP --approve --input KEY=TEXT",
    ),
    (
        "run.key_reused",
        "The idempotency key was used with another document or input",
        "Use another --key, or the same request",
    ),
    (
        "idempotency.reused",
        "The idempotency key was used for another request",
        "Use another key, or send the same request again",
    ),
    (
        "idempotency.bad_key",
        "An idempotency key is 1 to 255 visible ASCII characters",
        "Use a random one, such as a UUID",
    ),
    (
        "pipeline.changed",
        "Somebody stored another version of the pipeline since it was read",
        "Read it again and make the change on that",
    ),
    ("run.not_ended", "The run has not ended", SHOW),
    ("run.not_paused", "The run is not paused", SHOW),
    ("run.not_waiting", "No step of the run waits for that", SHOW),
    ("run.paused", "Somebody paused the run", RESUME),
    ("run.paused_already", "The run is paused already", RESUME),
    ("run.queue_full", "As many runs wait as are allowed", "Let some finish: levqor work"),
    (
        "run.steps_exceeded",
        "The run executed more steps than limits.steps allows",
        "Raise limits.steps, or look for a loop that does not end",
    ),
    (
        "run.succeeded",
        "The run succeeded: there is nothing to resume",
        "levqor runs replay RUN runs it again",
    ),
    (
        "run.timeout",
        "The run took longer than its timeout, waits included",
        "Raise timeout, then: levqor runs replay RUN --file FILE",
    ),
    ("run.unknown_step", "The pipeline has no such step at its top level", SHOW),
    (
        "run.waiting",
        "A step waits for a person or for an event, and nothing else is left to do",
        "levqor runs decide RUN STEP --approve, or levqor runs publish EVENT",
    ),
    (
        "step.bad_time",
        "for or until of core/sleep is not a time, or too far away",
        "Write for: 10m, or until: 2026-11-23T08:00:00Z",
    ),
    ("step.cancelled", "The step was abandoned with its branch", SHOW),
    ("step.fail", "core/fail failed the step on purpose", "Its message says why"),
    ("step.failed", "The step failed and was not tried again", SHOW),
    (
        "step.interrupted",
        "The process ended while an action was under way that must not be repeated: whether it happened is not known",
        "Look at the vendor's side, then: levqor dlq retry RUN or levqor dlq discard RUN",
    ),
    (
        "step.not_a_list",
        "for_each got something that is not a list",
        "Look at what the expression yields: levqor runs show RUN --journal",
    ),
    ("step.output_too_deep", "A step's output is nested at most 64 deep", SPLIT),
    ("step.output_too_large", "A step's output has at most 16 MiB", SPLIT),
    (
        "step.rejected",
        "A person rejected the approval",
        "Handle it: approved is false in the step's output",
    ),
    (
        "step.timeout",
        "The step took longer than its timeout",
        "Raise the step's timeout, or add retries",
    ),
    (
        "step.too_many_items",
        "for_each got more than max_items",
        "Raise max_items (100,000 at most), or select first",
    ),
    (
        "step.too_many_iterations",
        "while went round more often than max_iterations",
        "Raise max_iterations (10,000 at most), or look at its condition",
    ),
    (
        "step.wait_timeout",
        "The event did not come, or nobody decided, in time",
        "Raise the timeout, or catch it with try",
    ),
    (
        "connector.panicked",
        "A connector inside this program failed in a way it should not",
        "Report it with: levqor runs show RUN --journal",
    ),
    (
        "connector.unknown",
        "The connector that the run needs is not here any more",
        "levqor plugins list",
    ),
    (
        "connector.unknown_action",
        "The connector has no such action",
        "levqor plugins show CONNECTOR",
    ),
];
