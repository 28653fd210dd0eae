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
    setting("store", "LEVQOR_STORE", Kind::Text, "", "sled:DIR, redb:DIR or memory:; sled in the data folder where not said"),
    setting("plugins_dir", "LEVQOR_PLUGINS_DIR", Kind::Text, "", "folder of further plugins and plugins.toml; `plugins` in the data folder where not said"),
    setting("public_url", "LEVQOR_PUBLIC_URL", Kind::Text, "", "the host's address as people type it: links in mails, names that are answered"),
    setting("hosts", "LEVQOR_HOSTS", Kind::List, "", "further names in `Host` that are answered"),
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
