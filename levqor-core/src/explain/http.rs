//! Codes of the HTTP host: `auth.*`, `config.*`, `host.*`, `idempotency.*`, `request.*`.

use super::Row;

const HEADER: &str = "Send `Authorization: Bearer lvq_…`, or the same text as `X-API-Key`";
const SHAPE: &str = "Compare it with the API's description: /docs/api";
const SETTINGS: &str = "levqor-host-http settings prints every setting";

pub(super) const ROWS: &[Row] = &[
    ("auth.ambiguous", "Two headers carry two different keys", "Send one of them"),
    (
        "auth.scope_missing",
        "The credential is good and may not do this",
        "Use a key with the scope that is named, or make one",
    ),
    (
        "auth.unauthorized",
        "There is no credential, or it is wrong, expired or revoked: which one is not told",
        HEADER,
    ),
    ("config.file", "A file that the settings name cannot be read", SETTINGS),
    ("config.syntax", "The settings file is not TOML", "Look at the line that is named"),
    ("config.value", "A setting has a value that it cannot have, or is none", SETTINGS),
    (
        "host.internal",
        "An error inside the host; what was asked may not have been done",
        "Look for the request id in the host's log, and report it",
    ),
    (
        "host.io",
        "A folder cannot be made, or the address cannot be listened on",
        "Is the port free, and is the folder yours?",
    ),
    ("host.runtime", "The system gave no threads", "Look at the limits of this user: ulimit -u"),
    ("request.body", "The body ended before it was whole", "Send it again"),
    ("request.body_slow", "The body came too slowly", "Send it again over a better line"),
    ("request.body_too_large", "The body is over the limit of this route", "Send less at once"),
    ("request.body_unexpected", "This request takes no body and one was sent", "Send none"),
    (
        "request.cursor",
        "The cursor was made by another list, or for other filters",
        "Begin again without it",
    ),
    ("request.invalid", "The body is JSON and does not have the shape that is asked for", SHAPE),
    (
        "request.json",
        "The body is not one JSON value, has a key twice, or is nested too deep",
        "Mend it at the place that is named",
    ),
    (
        "request.media_type",
        "The body's media type is not the one that is read here",
        "Send JSON with `Content-Type: application/json`",
    ),
    ("request.method", "The path is there and does not take this method", SHAPE),
    (
        "request.not_found",
        "There is no such thing in the credential's organization",
        "Is the id whole, and is the key of the right organization?",
    ),
    ("request.query", "A parameter is unknown, stands twice or has a wrong value", SHAPE),
    (
        "request.timeout",
        "The answer took too long; what was asked may still be done",
        "Look whether it was done, or send it again with the same Idempotency-Key",
    ),
    (
        "run.what",
        "A run is asked for with a document and a stored pipeline, or with neither",
        "Give either `document` or `pipeline`",
    ),
];
