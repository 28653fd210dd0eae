//! Codes of documents, expressions and schedules: `document.*`, `expr.*`, `schedule.*`, `input.*`.

use super::Row;

const CHECK: &str = "Correct the marked place, then: levqor check FILE";
const PLUGINS: &str = "levqor plugins list shows what there is";
const SHOW: &str = "levqor plugins show CONNECTOR/ACTION shows what it takes";
const SCHEMA: &str = "levqor schema pipeline shows every key with its type";
const QUOTE: &str = "Put it in quotes: plain YAML words follow JSON's rules here";

pub(super) const ROWS: &[Row] = &[
    (
        "document.invalid",
        "The document has errors; nothing was started or stored",
        "levqor check FILE",
    ),
    (
        "document.too_large",
        "A document has at most 256 KiB",
        "Split it: uses: pipeline/NAME calls another one",
    ),
    (
        "document.which",
        "The request names no document, or more than one",
        "Send one of document, source, pipeline and draft",
    ),
    ("document.syntax", "The text is not YAML or JSON", CHECK),
    (
        "document.duplicate_key",
        "An object has the same key twice, so one of them would be lost",
        CHECK,
    ),
    (
        "document.alias",
        "YAML anchors and aliases are not part of the format",
        "Write the value again, or put it under vars:",
    ),
    ("document.tag", "YAML tags are not part of the format", QUOTE),
    (
        "document.multiple",
        "The text holds more than one document",
        "One pipeline a file; remove the second ---",
    ),
    ("document.depth", "Values are nested more than 64 deep", CHECK),
    ("document.number", "A number does not fit into 64 bits and would be changed", QUOTE),
    ("document.key", "The key of an object is not a text", QUOTE),
    ("document.type", "A value has the wrong type", SCHEMA),
    (
        "document.unknown_key",
        "An object has a key that it cannot have; mostly a misspelling",
        SCHEMA,
    ),
    ("document.missing_key", "An object lacks a key that it must have", SCHEMA),
    ("document.misplaced_key", "A step has a key that belongs to another kind of step", SCHEMA),
    ("document.value", "A value is out of its range or not one of those allowed", SCHEMA),
    (
        "document.duration",
        "The text is not a duration",
        "Write it like 500ms, 30s, 15m, 1h30m or 7d",
    ),
    ("document.time", "The text is not a time", "Write it like 2026-11-23T08:00:00Z"),
    (
        "document.schema_version",
        "This version of Levqor does not know that schema",
        "Write schema: levqor/v1",
    ),
    (
        "document.id",
        "An id is empty, too long, or has another character than a-z A-Z 0-9 . _ -",
        CHECK,
    ),
    (
        "document.duplicate_id",
        "Two steps, branches or triggers have the same id, so an expression could mean either",
        "Give each its own id",
    ),
    (
        "document.step_kind",
        "A step does exactly one thing: uses, for_each, while, parallel, switch or try",
        SCHEMA,
    ),
    (
        "document.too_many_steps",
        "A document has at most 500 steps",
        "Split it: uses: pipeline/NAME calls another one",
    ),
    (
        "document.nesting",
        "Steps are nested more than 16 deep, sub-pipelines included",
        "Move the inner steps into a pipeline of their own",
    ),
    ("document.empty", "A list that must not be empty is", CHECK),
    ("document.unknown_connector", "No connector has that name here", PLUGINS),
    (
        "document.unknown_action",
        "The connector has no such action",
        "levqor plugins show CONNECTOR",
    ),
    (
        "document.unknown_pipeline",
        "No pipeline of that name is stored here",
        "levqor pipelines push FILE",
    ),
    (
        "document.recursion",
        "A pipeline uses itself, directly or through another, and would never end",
        "Use while with max_iterations",
    ),
    ("document.with", "What stands under with does not fit the action's input", SHOW),
    ("document.unknown_step", "An expression or needs names a step that does not exist", CHECK),
    (
        "document.step_not_in_sight",
        "An expression names a step that need not have run before: it stands later, or in another branch",
        "Move the step up, or name it under needs",
    ),
    (
        "document.unknown_name",
        "An expression uses a name that is not known there",
        "Known are: input vars steps item index event error run now",
    ),
    ("document.needs_cycle", "Steps need each other in a circle, so none could begin", CHECK),
    (
        "document.unknown_credential",
        "A step names a credential that the document does not list",
        "Add it under credentials:, then: levqor credentials set NAME --host HOST",
    ),
    ("document.json_schema", "The value is not a JSON Schema (2020-12)", CHECK),
    (
        "document.cron",
        "The cron text is wrong, or its time never comes",
        "Five fields: minute hour day month weekday, like 0 3 * * *",
    ),
    ("document.timezone", "The time zone is not known", "Write it like Europe/Berlin"),
    (
        "document.no_expression",
        "An expression stands where only a constant can: the value is needed before any run",
        CHECK,
    ),
    ("document.trigger_filter", "The filter of a trigger is not an expression over event", CHECK),
    (
        "input.invalid",
        "The run's input does not fit the pipeline's input_schema",
        "Give what it asks for: levqor run FILE --input KEY=TEXT",
    ),
    ("expr.syntax", "The text between ${{ and }} is not an expression", CHECK),
    (
        "expr.too_long",
        "One expression has at most 8 KiB",
        "Do the work in a connector: jq/transform or your own",
    ),
    (
        "expr.too_large",
        "One expression may yield at most 1 MiB",
        "Take less: slices, or filters that select",
    ),
    (
        "expr.fuel",
        "The expression took more than its 50,000 steps of work",
        "Do the work in a connector, or on fewer items",
    ),
    ("expr.depth", "The expression is nested too deep", "Split it over several core/set steps"),
    (
        "expr.undefined",
        "The expression uses a value that is not there",
        "Give it a default: ${{ steps.a.output.x | default(0) }}",
    ),
    ("expr.unknown_filter", "There is no such filter", CHECK),
    ("expr.unknown_function", "There is no such function; expressions call none but range", CHECK),
    ("expr.unknown_tag", "There is no such {% tag %}", CHECK),
    ("expr.unknown_test", "There is no such test after is", CHECK),
    (
        "expr.dynamic_step",
        "A step is named by a computed word, so references cannot be checked",
        "Write its id: steps.lookup.output",
    ),
    ("expr.step_field", "A step has output and status, nothing else", "Write steps.ID.output"),
    ("expr.key", "The key of an object in an expression is not a text", CHECK),
    ("expr.number", "A number does not fit into 64 bits, or is not finite", CHECK),
    (
        "expr.type",
        "The expression yields another type than is needed there",
        "A condition is true or false: compare, like ${{ x > 0 }}",
    ),
    ("expr.value", "The expression yields something that is not JSON", CHECK),
    (
        "schedule.cron",
        "The cron text is wrong",
        "Five fields: minute hour day month weekday, like 0 3 * * *",
    ),
    (
        "schedule.every",
        "The interval is not a duration from one second to a year",
        "Write it like every: 15m",
    ),
    ("schedule.form", "A schedule has cron or every, not both and not neither", SCHEMA),
    ("schedule.invalid", "The schedule has a key or value that it cannot have", SCHEMA),
    ("schedule.never", "The time never comes, like February 30", "Correct the cron text"),
    ("schedule.timezone", "The time zone is not known", "Write it like Europe/Berlin"),
];
