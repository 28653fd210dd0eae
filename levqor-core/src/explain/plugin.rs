//! Codes of plugins and what they reach: `plugin.*`, `egress.*`, `grant.*`, `vault.*`.

use super::Row;

const INSPECT: &str = "levqor plugin inspect FILE.wasm";
const SHOW: &str = "levqor plugins show NAME says what it lacks";
const AGAIN: &str = "Try again; the step's retry does so by itself";
const AUTHOR: &str = "Tell its author; levqor plugin test DIR shows it";
const DLQ: &str = "Look at the vendor's side, then: levqor dlq retry RUN or levqor dlq discard RUN";

pub(super) const ROWS: &[Row] = &[
    ("plugin.bad_output", "The plugin's answer is not what its manifest promises", AUTHOR),
    ("plugin.blocked", "The plugin asks for more than it is granted, so it is not called", SHOW),
    ("plugin.build", "cargo could not build the plugin", "Read its messages above"),
    ("plugin.builtin", "The committed connectors do not fit their lock", "cargo plugins"),
    ("plugin.busy", "All places for plugin calls are taken; it was not called", AGAIN),
    ("plugin.catalog", "A plugin's manifest cannot be used", INSPECT),
    (
        "plugin.changed",
        "The component is not the one that was granted",
        "Look at it (levqor plugin inspect FILE.wasm), then grant its sha256",
    ),
    (
        "plugin.circuit_open",
        "The plugin failed several times in a row and rests for a while",
        AGAIN,
    ),
    (
        "plugin.contract",
        "The component is not one for Levqor's contract, or imports what no plugin is given",
        INSPECT,
    ),
    ("plugin.describe", "The plugin failed while telling what it is", AUTHOR),
    ("plugin.differs", "A committed component is not what its source builds", "cargo plugins"),
    (
        "plugin.folder",
        "The plugins' folder cannot be read",
        "Look at --plugins-dir and its permissions",
    ),
    ("plugin.host", "The sandbox cannot be set up on this machine", "levqor doctor"),
    ("plugin.manifest", "What the plugin says of itself is not a manifest", AUTHOR),
    (
        "plugin.memory",
        "The plugin asked for more memory than it is granted (64 MiB at most)",
        "Give it less to do at once",
    ),
    (
        "plugin.no_target",
        "Guests are built for wasm32-wasip2, which is not installed",
        "rustup target add wasm32-wasip2",
    ),
    (
        "plugin.not_a_component",
        "The file is not a WebAssembly component",
        "levqor plugin build DIR makes one",
    ),
    (
        "plugin.output_too_large",
        "The plugin handed over more than the host takes",
        "Ask for less: pages, fewer fields",
    ),
    ("plugin.refused", "The plugin refused the call", "Its message says why"),
    ("plugin.secret_in_output", "The answer held a secret and was dropped", AUTHOR),
    ("plugin.stack", "The plugin recursed too deep", AUTHOR),
    ("plugin.start", "The plugin could not be started; it was not called", AGAIN),
    ("plugin.state_denied", "The plugin has no state here", SHOW),
    ("plugin.tests", "The plugin's own tests fail", "Read their messages above"),
    (
        "plugin.timeout",
        "The plugin was stopped at its deadline",
        "Raise the step's timeout (15m at most)",
    ),
    (
        "plugin.too_large",
        "A component has at most 16 MiB",
        "Build it in release: levqor plugin build DIR",
    ),
    ("plugin.trap", "The plugin crashed; nothing else was harmed", AUTHOR),
    ("plugin.unknown", "There is no plugin of that name", "levqor plugins list"),
    ("plugin.unavailable", "The plugin cannot be loaded", INSPECT),
    ("egress.connect", "The other side did not take the connection", AGAIN),
    (
        "egress.denied",
        "The host, the port or the address is not one that the plugin may reach",
        "Grant it in plugins.toml; levqor schema config shows the keys",
    ),
    ("egress.dns", "The host's name cannot be resolved", "Is the name right, is there a network?"),
    ("egress.invalid_request", "The plugin's request is not one that can be sent", AUTHOR),
    ("egress.protocol", "The answer is not HTTP", "Is it the right address?"),
    (
        "egress.response_too_large",
        "The answer is larger than 10 MiB",
        "Ask for less: pages, fewer fields",
    ),
    (
        "egress.sent_without_answer",
        "The request went out and no answer came: whether it happened is not known",
        DLQ,
    ),
    ("egress.setup", "Outbound connections cannot be set up", "levqor doctor"),
    ("egress.timeout", "The other side did not answer in time", AGAIN),
    (
        "egress.tls",
        "The other side's certificate is not one to trust",
        "Is it the right address, is this machine's time right?",
    ),
    (
        "egress.unknown_credential",
        "The credential is not in the vault, or may not go to that host",
        "levqor credentials list, then: levqor credentials set NAME --host HOST",
    ),
    ("grant.parse", "plugins.toml is wrong", "levqor schema config shows its keys"),
    ("grant.read", "plugins.toml cannot be read", "Look at its permissions"),
    (
        "vault.corrupt",
        "The vault is not what was written, or somebody changed it",
        "Restore vault.json from a backup",
    ),
    ("vault.format", "The vault was written by a newer version", "Use that version"),
    (
        "vault.invalid",
        "The credential's name or value cannot be used",
        "levqor credentials set NAME --host HOST",
    ),
    (
        "vault.key",
        "The vault's key is another one, or others may read its file",
        "Look at vault.key (chmod 600) or LEVQOR_VAULT_KEY",
    ),
    ("vault.not_found", "There is no credential of that name", "levqor credentials list"),
    (
        "vault.unavailable",
        "The vault cannot be read or written",
        "Look at the permissions of the data folder",
    ),
];
