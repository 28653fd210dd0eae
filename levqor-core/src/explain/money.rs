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
    (
        "credits.reference",
        "The reference of a grant is empty, too long or has other characters",
        "Use 1 to 100 letters, digits and . _ : / -",
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
    (
        "plan.no_model",
        "The operator has configured no model, or its connector is not there",
        "Set planner.connector, or take the draft of the matcher of words",
    ),
    ("plan.no_reply", "The model's connector gave no answer", "Try again, or look at the run"),
    (
        "plan.not_asked",
        "The planner's action is called by the planner alone, once for each goal",
        "Send the goal to POST /api/v1/plan",
    ),
    (
        "plan.timeout",
        "The model took longer than the time that one answer has",
        "Try again, or configure a faster model",
    ),
    ("plan.paused", "The planning run was paused, and was given up", "Try again"),
    (
        "plan.host_not_granted",
        "The draft sends a request to a host that its connector may not reach",
        "Ask the operator to grant the host in plugins.toml, or change the address",
    ),
    ("plan.unknown", "There is no billing plan of this id", "Look at GET /api/v1/plans"),
    (
        "plan.not_free",
        "This billing plan comes with a payment or from the operator",
        "Begin the trial, or ask the operator",
    ),
    ("plan.trial_used", "The trial was begun before; it is given once", "Choose a billing plan"),
    (
        "plan.has_other",
        "A trial is for organizations that have no other billing plan",
        "Stay on the plan, or ask the operator",
    ),
    ("plan.reply_too_long", "The reply is too long", WORDS),
    ("plan.too_deep", "The reply is nested too deep", WORDS),
];
