//! Flags: what an operator can turn off without a new release. Every guard is on by default.
//!
//! ```text
//!  default ◀── flags.toml in the data folder ◀── PATCH /ops/flags ◀── LEVQOR_FLAG_<NAME>
//! ```
//! The right-most that says something wins. What is not here cannot be turned off: security
//! headers, authentication, and the verification of webhooks that are signed.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use parking_lot::RwLock;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::config::ConfigError;
use crate::desk::{Desk, Record, Room};
use crate::http::Problem;
use crate::observe::Metrics;

/// The file in the data folder.
pub(crate) const FILE: &str = "flags.toml";
/// What the variables begin with.
const VARIABLE: &str = "LEVQOR_FLAG_";
/// Guards that people look for among the flags, and that are always on.
const ALWAYS_ON: [&str; 3] = ["authentication", "security_headers", "webhook_verification"];

/// One flag. Names are append-only.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema,
)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Flag {
    /// Rates of addresses, keys and the whole are limited.
    RateLimits,
    /// Goals in words are answered by a model, where one is set up; off: by the matcher.
    Planner,
    /// Backups are taken by the clock; one that is asked for always is.
    Backups,
    /// New people may join without an operator.
    Signups,
    /// Mail is given to the vendor; off: every one goes to its file.
    Mail,
    /// Webhooks go out to endpoints; off, they wait.
    OutgoingWebhooks,
}

impl Flag {
    /// Every flag.
    pub const ALL: [Self; 6] = [
        Self::RateLimits,
        Self::Planner,
        Self::Backups,
        Self::Signups,
        Self::Mail,
        Self::OutgoingWebhooks,
    ];

    /// Its name in the file, in paths and metrics.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::RateLimits => "rate_limits",
            Self::Planner => "planner",
            Self::Backups => "backups",
            Self::Signups => "signups",
            Self::Mail => "mail",
            Self::OutgoingWebhooks => "outgoing_webhooks",
        }
    }

    /// What is lost when it is off.
    #[must_use]
    pub fn about(self) -> &'static str {
        match self {
            Self::RateLimits => "rates of addresses, keys and the whole are limited",
            Self::Planner => "goals in words are answered by a model, where one is set up",
            Self::Backups => "backups are taken by the clock",
            Self::Signups => "new people may join without an operator",
            Self::Mail => "mail is given to the vendor; off, each goes to its file",
            Self::OutgoingWebhooks => "webhooks go out to endpoints; off, they wait",
        }
    }

    fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|flag| flag.as_str() == name)
    }
}

/// Who said what a flag is now.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Source {
    /// Nobody: every flag is on.
    Default,
    /// The file.
    File,
    /// A request to `/ops/flags`.
    Request,
    /// The environment.
    Environment,
}

/// What requests changed: one record, so that every host of a store sees the same.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(crate) struct Changed {
    pub(crate) flags: BTreeMap<Flag, bool>,
}

impl Record for Changed {
    const ROOM: Room = Room::Flags;
}

/// The flags of a host; a cheap clone.
#[derive(Clone, Debug)]
pub struct Flags {
    inner: Arc<RwLock<Layers>>,
    metrics: Arc<Metrics>,
}

#[derive(Debug, Default)]
struct Layers {
    file: BTreeMap<Flag, bool>,
    requests: BTreeMap<Flag, bool>,
    environment: BTreeMap<Flag, bool>,
}

impl Layers {
    fn state(&self, flag: Flag) -> (bool, Source) {
        [
            (&self.environment, Source::Environment),
            (&self.requests, Source::Request),
            (&self.file, Source::File),
        ]
        .into_iter()
        .find_map(|(layer, source)| Some((*layer.get(&flag)?, source)))
        .unwrap_or((true, Source::Default))
    }
}

impl Flags {
    /// Reads file and environment.
    ///
    /// # Errors
    /// `config.value` for a flag that is none, or a guard that cannot be turned off.
    pub(crate) fn load(data_dir: &Path, metrics: Arc<Metrics>) -> Result<Self, ConfigError> {
        let environment = std::env::vars()
            .filter_map(|(name, value)| Some((name.strip_prefix(VARIABLE)?.to_lowercase(), value)));
        let mut layers = Layers { environment: named(environment)?, ..Layers::default() };
        match std::fs::read_to_string(data_dir.join(FILE)) {
            Ok(text) => layers.file = read(&text)?,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {}
            Err(source) => return Err(ConfigError::File { path: data_dir.join(FILE), source }),
        }
        Ok(Self { inner: Arc::new(RwLock::new(layers)), metrics })
    }

    /// Flags that only the text of a file speaks of.
    #[cfg(test)]
    pub(crate) fn of_file(text: &str) -> Self {
        let file = read(text).unwrap_or_default();
        let inner = Arc::new(RwLock::new(Layers { file, ..Layers::default() }));
        Self { inner, metrics: Metrics::new().into() }
    }

    /// Whether a flag is on now.
    #[must_use]
    pub fn is_on(&self, flag: Flag) -> bool {
        self.state(flag).0
    }

    /// Whether it is on, and who said so.
    #[must_use]
    pub fn state(&self, flag: Flag) -> (bool, Source) {
        self.inner.read().state(flag)
    }

    /// Takes over what requests to any host of this store changed.
    pub(crate) async fn refresh(&self, desk: &Desk) -> Result<(), Problem> {
        let stored = desk.get::<Changed>(&["all"]).await?.map(|(changed, _)| changed);
        self.requested(stored.unwrap_or_default());
        Ok(())
    }

    /// Takes over what a request changed.
    pub(crate) fn requested(&self, changed: Changed) {
        let before: Vec<bool> = Flag::ALL.map(|flag| self.is_on(flag)).into();
        self.inner.write().requests = changed.flags;
        for (flag, was) in Flag::ALL.into_iter().zip(before) {
            let (on, source) = self.state(flag);
            self.metrics.flag(flag.as_str(), on);
            if on != was {
                tracing::warn!(flag = flag.as_str(), on, ?source, "a flag changed");
            }
        }
    }

    /// Says aloud, once at the start, what is off.
    pub(crate) fn announce(&self) {
        for flag in Flag::ALL {
            let (on, source) = self.state(flag);
            self.metrics.flag(flag.as_str(), on);
            if !on {
                tracing::warn!(flag = flag.as_str(), ?source, "off: {}", flag.about());
            }
        }
    }
}

/// The flags of a file.
pub(crate) fn read(text: &str) -> Result<BTreeMap<Flag, bool>, ConfigError> {
    let table: toml::Table = text.parse().map_err(|e| ConfigError::Syntax(Box::new(e)))?;
    named(table.into_iter().map(|(name, value)| (name, value.to_string())))
}

fn named(
    pairs: impl Iterator<Item = (String, String)>,
) -> Result<BTreeMap<Flag, bool>, ConfigError> {
    let mut flags = BTreeMap::new();
    for (name, value) in pairs {
        let on = match value.trim().to_lowercase().as_str() {
            "true" | "on" | "1" => true,
            "false" | "off" | "0" => false,
            _ => {
                let text = format!("the flag `{name}` is `true` or `false`");
                return Err(ConfigError::Value(text));
            }
        };
        match Flag::named(&name) {
            Some(flag) => drop(flags.insert(flag, on)),
            None if ALWAYS_ON.contains(&&*name) && on => {}
            None if ALWAYS_ON.contains(&&*name) => {
                return Err(ConfigError::Value(format!("`{name}` cannot be turned off")));
            }
            None => return Err(ConfigError::Value(format!("there is no flag `{name}`"))),
        }
    }
    Ok(flags)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_file_names_flags_and_no_guard_that_must_stay() {
        let flags = read("planner = false\nbackups = true\nsecurity_headers = true").unwrap();
        assert_eq!(flags, BTreeMap::from([(Flag::Planner, false), (Flag::Backups, true)]));
        for (text, wanted) in [
            ("plannr = false", "there is no flag `plannr`"),
            ("planner = 3", "`true` or `false`"),
            ("webhook_verification = false", "cannot be turned off"),
            ("authentication = false", "cannot be turned off"),
            ("planner", "not TOML"),
        ] {
            let refused = read(text).unwrap_err().to_string();
            assert!(refused.contains(wanted), "{text}: {refused}");
        }
    }

    #[test]
    fn the_environment_wins_over_a_request_and_that_over_the_file() {
        let mut layers = Layers::default();
        assert_eq!(layers.state(Flag::Signups), (true, Source::Default));
        layers.file.insert(Flag::Signups, false);
        assert_eq!(layers.state(Flag::Signups), (false, Source::File));
        layers.requests.insert(Flag::Signups, true);
        assert_eq!(layers.state(Flag::Signups), (true, Source::Request));
        layers.environment.insert(Flag::Signups, false);
        assert_eq!(layers.state(Flag::Signups), (false, Source::Environment));
    }

    #[test]
    fn names_are_what_serde_writes() {
        for flag in Flag::ALL {
            assert_eq!(serde_json::to_value(flag).unwrap(), flag.as_str());
            assert_eq!(Flag::named(flag.as_str()), Some(flag));
        }
    }
}
