//! The list of settings.

/// What a setting's text in the environment means.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Text,
    /// A whole number.
    #[expect(dead_code, reason = "the first number comes with the first bound that can be set")]
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
    setting("webhooks.private", "LEVQOR_WEBHOOKS_PRIVATE", Kind::List, "", "networks that receivers of webhooks may be in although they are not public; plain http to their addresses"),
    setting("webhooks.retry_delay", "LEVQOR_WEBHOOKS_RETRY_DELAY", Kind::Text, "\"30s\"", "wait before a webhook is sent the second time; doubled each time, up to 4h"),
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
