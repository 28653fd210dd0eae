//! Codes of credits, plans and planning: `ledger.*`, `quota.*`, `plan.*`.

use super::Row;

const GRANT: &str = "levqor credits grant N --reference WHY";
const AUDIT: &str = "levqor credits audit";
const WORDS: &str = "Say it in one sentence with the connectors' words: levqor plugins list";

pub(super) const ROWS: &[Row] = &[
    (
        "credits.insufficient",
        "The step costs more credits than are available; it was not called",
        GRANT,
    ),
    ("ledger.amount", "An amount of credits is 0 or too large", "Give a whole number above 0"),
    (
        "ledger.audit",
        "Stored balances are not the sum of what was posted and held",
        "Keep a copy (levqor store export FILE) and report it",
    ),
    ("ledger.cursor", "The cursor is not one that a page gave out", "levqor credits list"),
    ("ledger.format", "A record of the ledger cannot be read", AUDIT),
    (
        "ledger.mismatch",
        "The same reference was posted before, with another amount",
        "Use another --reference",
    ),
    ("ledger.not_postable", "Holds and charges are posted by the engine only", GRANT),
    ("ledger.over_hold", "More was to be charged than was held", AUDIT),
    ("ledger.overflow", "The balance would be larger than the largest that is kept", "Give less"),
    ("ledger.packs", "The table of credit packs is wrong", "Correct the operator's file"),
    (
        "quota.concurrent_runs",
        "The plan allows no further run at the same time",
        "Wait for one to end, or change the plan",
    ),
    (
        "quota.connector",
        "The plan does not have that connector",
        "Use another one, or change the plan",
    ),
    (
        "quota.payload_bytes",
        "The input is larger than the plan allows",
        "Send less, or change the plan",
    ),
    ("quota.plans", "The table of plans is wrong", "Correct the operator's file"),
    (
        "quota.runs_per_day",
        "The plan's runs of today are used up",
        "Wait until midnight in the organization's zone, or change the plan",
    ),
    (
        "quota.steps_per_run",
        "The run executed more steps than the plan allows",
        "Split the pipeline, or change the plan",
    ),
    (
        "quota.suspended",
        "An operator stopped the organization",
        "Ask the operator; the message says why",
    ),
    (
        "plan.gave_up",
        "The model's replies were no valid pipeline, several times; nothing was stored",
        WORDS,
    ),
    (
        "plan.goal_empty",
        "The goal is empty, so there is nothing to plan",
        "levqor plan \"when …, then …\"",
    ),
    ("plan.goal_too_long", "The goal is too long for one pipeline", WORDS),
    ("plan.no_document", "The reply holds no document", WORDS),
    ("plan.no_match", "No action here does any of what the goal says", WORDS),
    ("plan.reply_too_long", "The reply is too long", WORDS),
    ("plan.too_deep", "The reply is nested too deep", WORDS),
];
