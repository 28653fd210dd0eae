//! [`Duration`]: `"30s"`, `"15m"`, `"1h30m"`, `"7d"` in documents, milliseconds in the engine.

use std::fmt;
use std::str::FromStr;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::de::Error as _;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// A length of time as documents write it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Duration {
    ms: u64,
}

/// The text is not a duration.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a duration is written as in \"30s\", \"15m\", \"1h30m\" or \"7d\"")]
pub struct InvalidDuration;

const UNITS: [(&str, u64); 5] =
    [("d", 86_400_000), ("h", 3_600_000), ("m", 60_000), ("s", 1_000), ("ms", 1)];

impl Duration {
    /// A duration of so many milliseconds.
    #[must_use]
    pub const fn from_ms(ms: u64) -> Self {
        Self { ms }
    }

    /// Its length in milliseconds.
    #[must_use]
    pub const fn as_ms(self) -> u64 {
        self.ms
    }
}

impl FromStr for Duration {
    type Err = InvalidDuration;

    /// Whole numbers with a unit each, largest unit first: `d h m s ms`.
    fn from_str(text: &str) -> Result<Self, InvalidDuration> {
        let (mut rest, mut ms, mut last) = (text, 0_u64, None);
        while !rest.is_empty() || last.is_none() {
            let digits = rest.len() - rest.trim_start_matches(|c: char| c.is_ascii_digit()).len();
            let count: u64 = rest[..digits].parse().map_err(|_| InvalidDuration)?;
            rest = &rest[digits..];
            let letters = rest.find(|c: char| !c.is_ascii_lowercase()).unwrap_or(rest.len());
            let unit = UNITS.iter().position(|(name, _)| *name == &rest[..letters]);
            let unit = unit.filter(|u| last.is_none_or(|l| *u > l)).ok_or(InvalidDuration)?;
            let part = count.checked_mul(UNITS[unit].1).ok_or(InvalidDuration)?;
            ms = ms.checked_add(part).ok_or(InvalidDuration)?;
            rest = &rest[letters..];
            last = Some(unit);
        }
        Ok(Self { ms })
    }
}

impl fmt::Display for Duration {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.ms == 0 {
            return f.write_str("0s");
        }
        let mut left = self.ms;
        for (name, ms) in UNITS {
            if left >= ms {
                write!(f, "{}{name}", left / ms)?;
                left %= ms;
            }
        }
        Ok(())
    }
}

impl Serialize for Duration {
    fn serialize<S: Serializer>(&self, s: S) -> Result<S::Ok, S::Error> {
        s.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Duration {
    fn deserialize<D: Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
        let text = std::borrow::Cow::<str>::deserialize(d)?;
        text.parse().map_err(D::Error::custom)
    }
}

impl JsonSchema for Duration {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "Duration".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "type": "string",
            "description": "A length of time: `30s`, `15m`, `1h30m`, `7d`.",
            "minLength": 2,
            "pattern": "^([0-9]{1,5}d)?([0-9]{1,7}h)?([0-9]{1,9}m)?([0-9]{1,11}s)?([0-9]{1,14}ms)?$",
            "examples": ["30s", "1h30m", "7d"]
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_and_writes() {
        for (text, ms, shown) in [
            ("30s", 30_000, "30s"),
            ("15m", 900_000, "15m"),
            ("1h30m", 5_400_000, "1h30m"),
            ("90m", 5_400_000, "1h30m"),
            ("7d", 604_800_000, "7d"),
            ("250ms", 250, "250ms"),
            ("1m250ms", 60_250, "1m250ms"),
            ("0s", 0, "0s"),
        ] {
            let read: Duration = text.parse().unwrap();
            assert_eq!((read.as_ms(), read.to_string().as_str()), (ms, shown), "{text}");
        }
        for bad in ["", "30", "s", "1.5h", "-1s", "1s1m", "1m1m", "1w", "1 s", " 1s", "1S", "∞s"]
        {
            assert_eq!(bad.parse::<Duration>(), Err(InvalidDuration), "{bad}");
        }
        assert!("99999999999999999999d".parse::<Duration>().is_err());
        assert!("999999999999999999d".parse::<Duration>().is_err());
    }
}
