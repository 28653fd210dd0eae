//! Settings of webhooks going out.

use ipnet::IpNet;
use levqor_core::document::Duration;
use serde::Deserialize;

use super::ConfigError;

/// How webhooks go out.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub struct Webhooks {
    /// Networks that receivers may be in although they are not public.
    #[serde(default)]
    pub private: Vec<String>,
    /// Wait before the second attempt; each further one doubles it, up to four hours.
    #[serde(default = "retry_delay")]
    pub retry_delay: String,
}

fn retry_delay() -> String {
    "30s".to_owned()
}

impl Default for Webhooks {
    fn default() -> Self {
        Self { private: Vec::new(), retry_delay: retry_delay() }
    }
}

impl Webhooks {
    /// The networks.
    ///
    /// # Errors
    /// `config.value` for one that is none.
    pub fn networks(&self) -> Result<Vec<IpNet>, ConfigError> {
        let read = |text: &String| {
            let wrong = format!("webhooks.private: `{text}` is no network such as 10.0.0.0/8");
            text.parse().map_err(|_| ConfigError::Value(wrong))
        };
        self.private.iter().map(read).collect()
    }

    /// The wait before the second attempt, in milliseconds.
    ///
    /// # Errors
    /// `config.value` where it is no duration of 1 ms to 1 h.
    pub fn retry_delay_ms(&self) -> Result<u64, ConfigError> {
        match self.retry_delay.parse::<Duration>().map(Duration::as_ms) {
            Ok(ms @ 1..=3_600_000) => Ok(ms),
            _ => {
                let wrong = "webhooks.retry_delay is 1ms to 1h, such as 30s";
                Err(ConfigError::Value(wrong.to_owned()))
            }
        }
    }
}
