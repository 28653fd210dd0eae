//! The list of settings.

/// What a setting's text in the environment means.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Text,
    /// A whole number.
    Number,
    /// Texts between commas.
    List,
    /// A text that must not be in the file, and that `…_FILE` can name a file for.
    Secret,
}

/// One setting.
#[derive(Debug)]
pub(super) struct Setting {
    /// Its key in the file; a dot is a table.
    pub(super) path: &'static str,
    /// Its variable.
    pub(super) variable: &'static str,
    pub(super) kind: Kind,
    /// Its default as the file would have it; nothing where it is absent by default.
    pub(super) default: &'static str,
    /// What it does.
    pub(super) about: &'static str,
}

const fn setting(
    path: &'static str,
    variable: &'static str,
    kind: Kind,
    default: &'static str,
    about: &'static str,
) -> Setting {
    Setting { path, variable, kind, default, about }
}

/// Every setting, in the order in which they are shown.
#[rustfmt::skip]
pub(super) const SETTINGS: &[Setting] = &[
    setting("listen", "LEVQOR_LISTEN", Kind::Text, "\"127.0.0.1:7700\"", "address and port to listen on"),
    setting("data_dir", "LEVQOR_DATA_DIR", Kind::Text, "\".levqor\"", "folder of store, vault, cache and plugins"),
    setting("store", "LEVQOR_STORE", Kind::Text, "", "sled:DIR, redb:FILE or memory:; sled in the data folder where not said"),
    setting("plugins_dir", "LEVQOR_PLUGINS_DIR", Kind::Text, "", "folder of further plugins and plugins.toml; `plugins` in the data folder where not said"),
    setting("public_url", "LEVQOR_PUBLIC_URL", Kind::Text, "", "the host's address as people type it: links in mails, names that are answered"),
    setting("hosts", "LEVQOR_HOSTS", Kind::List, "", "further names in `Host` that are answered"),
    setting("trusted_proxies", "LEVQOR_TRUSTED_PROXIES", Kind::List, "", "networks whose X-Forwarded-For and X-Forwarded-Proto are believed, such as 10.0.0.0/8"),
    setting("tls.cert", "LEVQOR_TLS_CERT", Kind::Text, "", "PEM file of the certificate chain; plain HTTP where not said"),
    setting("tls.key", "LEVQOR_TLS_KEY", Kind::Text, "", "PEM file of the certificate's private key"),
    setting("limits.address_per_second", "LEVQOR_LIMITS_ADDRESS_PER_SECOND", Kind::Number, "200", "requests a second from one address (one /64 of IPv6); 0 is no limit, as below"),
    setting("limits.address_burst", "LEVQOR_LIMITS_ADDRESS_BURST", Kind::Number, "400", "as many at once"),
    setting("limits.key_per_second", "LEVQOR_LIMITS_KEY_PER_SECOND", Kind::Number, "100", "requests a second with one key or session"),
    setting("limits.key_burst", "LEVQOR_LIMITS_KEY_BURST", Kind::Number, "200", "as many at once"),
    setting("limits.global_per_second", "LEVQOR_LIMITS_GLOBAL_PER_SECOND", Kind::Number, "2000", "requests a second in all"),
    setting("limits.global_burst", "LEVQOR_LIMITS_GLOBAL_BURST", Kind::Number, "4000", "as many at once"),
    setting("limits.failures_per_minute", "LEVQOR_LIMITS_FAILURES_PER_MINUTE", Kind::Number, "60", "credentials a minute from one address that are not accepted"),
    setting("limits.failures_burst", "LEVQOR_LIMITS_FAILURES_BURST", Kind::Number, "100", "as many at once"),
    setting("limits.in_flight", "LEVQOR_LIMITS_IN_FLIGHT", Kind::Number, "512", "requests that are worked on at the same time"),
    setting("limits.connections", "LEVQOR_LIMITS_CONNECTIONS", Kind::Number, "1024", "connections in all"),
    setting("limits.connections_per_address", "LEVQOR_LIMITS_CONNECTIONS_PER_ADDRESS", Kind::Number, "256", "connections of one address (one /64 of IPv6)"),
    setting("plans_file", "LEVQOR_PLANS_FILE", Kind::Text, "", "a JSON file of billing plans, in place of the built-in ones"),
    setting("packs_file", "LEVQOR_PACKS_FILE", Kind::Text, "", "a JSON file of credit packs, in place of the built-in ones"),
    setting("planner.connector", "LEVQOR_PLANNER_CONNECTOR", Kind::Text, "", "the action that plans, such as openai/chat; without it goals are matched to actions by their words"),
    setting("planner.model", "LEVQOR_PLANNER_MODEL", Kind::Text, "", "the model that plans; the connector's default where not said"),
    setting("planner.credential", "LEVQOR_PLANNER_CREDENTIAL", Kind::Text, "", "name in the operator's vault of the credential for planning; the connector's own where not said"),
    setting("signup", "LEVQOR_SIGNUP", Kind::Text, "\"open\"", "who may sign in by mail: `open` gives everybody an organization of their own, `invited` takes members only"),
    setting("mail.from", "LEVQOR_MAIL_FROM", Kind::Text, "\"Levqor <noreply@localhost>\"", "who mails are from; a domain that the vendor knows"),
    setting("mail.resend_url", "LEVQOR_MAIL_RESEND_URL", Kind::Text, "", "the vendor's address, https://api.resend.com where not said"),
    setting("resend_key", "LEVQOR_RESEND_KEY", Kind::Secret, "", "key of Resend; without it mails are files in the data folder's `mail`"),
    setting("webhooks.private", "LEVQOR_WEBHOOKS_PRIVATE", Kind::List, "", "networks that receivers of webhooks may be in although they are not public; plain http to their addresses"),
    setting("webhooks.retry_delay", "LEVQOR_WEBHOOKS_RETRY_DELAY", Kind::Text, "\"30s\"", "wait before a webhook is sent the second time; doubled each time, up to 4h"),
    setting("ops_listen", "LEVQOR_OPS_LISTEN", Kind::Text, "", "address and port of this machine where metrics and /ops/* are read without a key"),
    setting("backup.dir", "LEVQOR_BACKUP_DIR", Kind::Text, "", "folder of backups; `backups` in the data folder where not said"),
    setting("backup.every_hours", "LEVQOR_BACKUP_EVERY_HOURS", Kind::Number, "24", "hours between two backups; 0 takes none by itself"),
    setting("backup.hour", "LEVQOR_BACKUP_HOUR", Kind::Number, "3", "hour of the day, UTC, of a daily backup"),
    setting("backup.keep", "LEVQOR_BACKUP_KEEP", Kind::Number, "14", "how many backups are kept"),
    setting("backup.keep_days", "LEVQOR_BACKUP_KEEP_DAYS", Kind::Number, "0", "days after which a backup goes, the newest excepted; 0 is no limit"),
    setting("backup.age_recipient", "LEVQOR_BACKUP_AGE_RECIPIENT", Kind::Text, "", "whom backups are encrypted for, age1…; `age-keygen` makes one"),
    setting("log.to", "LEVQOR_LOG_TO", Kind::Text, "\"stderr\"", "stderr, or files: `logs` in the data folder"),
    setting("log.filter", "LEVQOR_LOG", Kind::Text, "\"info\"", "what is logged: info, or info,levqor_core=debug"),
    setting("log.files", "LEVQOR_LOG_FILES", Kind::Number, "14", "how many files of the log are kept"),
    setting("log.file_bytes", "LEVQOR_LOG_FILE_BYTES", Kind::Number, "67108864", "bytes after which another file of the day begins"),
    setting("otlp_url", "LEVQOR_OTLP_URL", Kind::Text, "", "collector of traces, such as http://127.0.0.1:4318; none where not said"),
    setting("sentry_dsn", "LEVQOR_SENTRY_DSN", Kind::Secret, "", "where errors are reported, https://KEY@HOST/PROJECT; `logs/errors.jsonl` where not said"),
    setting("admin_key", "LEVQOR_ADMIN_KEY", Kind::Secret, "", "the operator's key, lvq_<id>_<secret of 32 characters or more>"),
];

/// Every setting as a commented TOML file.
#[must_use]
pub fn describe() -> String {
    let mut text =
        String::from("# Settings of levqor-host-http. Each can also be set by its variable.\n");
    for setting in SETTINGS {
        let Setting { path, variable, kind, default, about } = setting;
        text.push_str(&format!("\n# {about}\n"));
        match kind {
            Kind::Secret => text.push_str(&format!("# only as {variable}, or {variable}_FILE\n")),
            _ if default.is_empty() => text.push_str(&format!("# {variable}\n# {path} =\n")),
            _ => text.push_str(&format!("# {variable}\n# {path} = {default}\n")),
        }
    }
    text
}
