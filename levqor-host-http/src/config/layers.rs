//! The layers, one over the other, then read as one table.

use std::path::Path;

use toml::{Table, Value};

use super::settings::{Kind, SETTINGS, Setting};
use super::{Config, ConfigError, Flags};
use crate::caller::key::KeyText;
use crate::caller::secret::Plain;

/// The environment, for tests another one.
type Environment<'a> = &'a dyn Fn(&str) -> Option<String>;

pub(super) fn load(
    file: Option<&Path>,
    environment: Environment<'_>,
    flags: &Flags,
) -> Result<Config, ConfigError> {
    let mut table = defaults()?;
    if let Some(path) = file {
        let read = std::fs::read_to_string(path);
        let text = read.map_err(|source| ConfigError::File { path: path.to_owned(), source })?;
        let given: Table = text.parse().map_err(|e| ConfigError::Syntax(Box::new(e)))?;
        overlay(&mut table, given);
    }
    for setting in SETTINGS.iter().filter(|s| s.kind != Kind::Secret) {
        if let Some(text) = environment(setting.variable) {
            put(&mut table, setting.path, value_of(setting, &text)?)?;
        }
    }
    let typed = [
        ("listen", &flags.listen),
        ("data_dir", &flags.data_dir),
        ("store", &flags.store),
        ("public_url", &flags.public_url),
    ];
    for (path, value) in typed {
        if let Some(text) = value {
            put(&mut table, path, Value::String(text.clone()))?;
        }
    }
    let mut config: Config = table
        .try_into()
        .map_err(|e: toml::de::Error| ConfigError::Value(e.message().to_owned()))?;
    config.store_spec()?;
    config.webhooks.networks()?;
    config.webhooks.retry_delay_ms()?;
    config.sentry_dsn = secret("LEVQOR_SENTRY_DSN", environment)?;
    config.admin_key = secret("LEVQOR_ADMIN_KEY", environment)?;
    if config.admin_key.as_ref().is_some_and(|key| KeyText::parse(key.reveal()).is_none()) {
        let wanted = "LEVQOR_ADMIN_KEY is lvq_<id>_<secret of 32 characters or more>";
        return Err(ConfigError::Value(wanted.to_owned()));
    }
    config.resend_key = secret("LEVQOR_RESEND_KEY", environment)?;
    if !["", "open", "invited"].contains(&config.signup.as_str()) {
        return Err(ConfigError::Value("signup is `open` or `invited`".to_owned()));
    }
    Ok(config)
}

fn defaults() -> Result<Table, ConfigError> {
    let mut table = Table::new();
    for setting in SETTINGS.iter().filter(|s| !s.default.is_empty()) {
        let line: Table = format!("it = {}", setting.default)
            .parse()
            .map_err(|e| ConfigError::Syntax(Box::new(e)))?;
        if let Some(value) = line.get("it") {
            put(&mut table, setting.path, value.clone())?;
        }
    }
    Ok(table)
}

/// `over` wins; tables are merged.
fn overlay(under: &mut Table, over: Table) {
    for (key, value) in over {
        match (under.get_mut(&key), value) {
            (Some(Value::Table(old)), Value::Table(new)) => overlay(old, new),
            (_, value) => drop(under.insert(key, value)),
        }
    }
}

fn put(table: &mut Table, path: &str, value: Value) -> Result<(), ConfigError> {
    let Some((first, rest)) = path.split_once('.') else {
        table.insert(path.to_owned(), value);
        return Ok(());
    };
    let inner = table.entry(first).or_insert_with(|| Value::Table(Table::new()));
    match inner {
        Value::Table(inner) => put(inner, rest, value),
        _ => Err(ConfigError::Value(format!("`{first}` is a table"))),
    }
}

fn value_of(setting: &Setting, text: &str) -> Result<Value, ConfigError> {
    let refused = |what: &str| ConfigError::Value(format!("{} is {what}", setting.variable));
    match setting.kind {
        Kind::Text | Kind::Secret => Ok(Value::String(text.to_owned())),
        Kind::Number => text.parse().map(Value::Integer).map_err(|_| refused("a whole number")),
        Kind::List => {
            let items = text.split(',').map(str::trim).filter(|item| !item.is_empty());
            Ok(Value::Array(items.map(|item| Value::String(item.to_owned())).collect()))
        }
    }
}

/// A secret from its variable, or from the file that its `_FILE` variable names.
fn secret(variable: &str, environment: Environment<'_>) -> Result<Option<Plain>, ConfigError> {
    if let Some(text) = environment(variable) {
        return Ok(Some(Plain::of(text.trim())));
    }
    let Some(path) = environment(&format!("{variable}_FILE")) else { return Ok(None) };
    let read = std::fs::read_to_string(&path);
    let text = read.map_err(|source| ConfigError::File { path: path.into(), source })?;
    Ok(Some(Plain::of(text.trim())))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn loaded(file: Option<&Path>, set: &[(&str, &str)], flags: &Flags) -> Result<Config, String> {
        let environment =
            |name: &str| set.iter().find(|(n, _)| *n == name).map(|(_, value)| (*value).to_owned());
        load(file, &environment, flags).map_err(|e| e.to_string())
    }

    #[test]
    fn flags_win_over_the_environment_and_that_over_the_file() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("levqor.toml");
        std::fs::write(&file, "listen = '127.0.0.1:1'\nhosts = ['a']\npublic_url = 'f'").unwrap();
        let set = [("LEVQOR_LISTEN", "127.0.0.1:2"), ("LEVQOR_HOSTS", "b, c")];
        let flags = Flags { listen: Some("127.0.0.1:3".to_owned()), ..Flags::default() };
        let config = loaded(Some(&file), &set, &flags).unwrap();
        assert_eq!(config.listen.port(), 3);
        assert_eq!(config.hosts, ["b", "c"]);
        assert_eq!(config.public_url, "f");
        assert_eq!(loaded(Some(&file), &set, &Flags::default()).unwrap().listen.port(), 2);
        assert_eq!(loaded(None, &[], &Flags::default()).unwrap().listen.port(), 7700);
    }

    #[test]
    fn what_is_no_setting_is_refused_by_name() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("levqor.toml");
        std::fs::write(&file, "lissten = '127.0.0.1:1'").unwrap();
        let refused = loaded(Some(&file), &[], &Flags::default()).unwrap_err();
        assert!(refused.contains("lissten"), "{refused}");
        std::fs::write(&file, "admin_key = 'x'").unwrap();
        assert!(loaded(Some(&file), &[], &Flags::default()).is_err(), "a secret in the file");
        let wrong = loaded(None, &[("LEVQOR_STORE", "mysql:x")], &Flags::default()).unwrap_err();
        assert!(wrong.contains("sled:DIR"), "{wrong}");
    }

    #[test]
    fn a_secret_comes_from_its_variable_or_its_file() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("key");
        let text = format!("lvq_ops_{}", "s".repeat(32));
        std::fs::write(&file, format!("{text}\n")).unwrap();
        for set in
            [("LEVQOR_ADMIN_KEY", text.as_str()), ("LEVQOR_ADMIN_KEY_FILE", file.to_str().unwrap())]
        {
            let config = loaded(None, &[set], &Flags::default()).unwrap();
            assert_eq!(config.admin_key.unwrap().reveal(), text);
        }
        let short = loaded(None, &[("LEVQOR_ADMIN_KEY", "lvq_ops_short")], &Flags::default());
        assert!(!short.unwrap_err().contains("short"));
    }
}
