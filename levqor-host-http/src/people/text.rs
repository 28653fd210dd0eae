//! Texts that people choose: names and languages, checked where they are read.

use std::borrow::Cow;
use std::fmt;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Deserializer, Serialize};

/// Longest name, in characters: longer ones are texts.
const NAME_LEN_MAX: usize = 100;
/// Longest language tag: what registries hold.
const LOCALE_LEN_MAX: usize = 35;

/// A name for people: 1 to 100 characters, none of them a control character.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(transparent)]
pub struct Name(String);

impl Name {
    /// Reads a name; `None` where it is none.
    #[must_use]
    pub fn new(text: &str) -> Option<Self> {
        let good = !text.chars().any(char::is_control);
        ((1..=NAME_LEN_MAX).contains(&text.chars().count()) && good).then(|| Self(text.to_owned()))
    }

    /// What stands where no name is known.
    #[must_use]
    pub fn unknown() -> Self {
        Self("unnamed".to_owned())
    }

    /// Its text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// A language as browsers name it: `en`, `de-AT`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(transparent)]
pub struct Locale(String);

impl Locale {
    /// Reads a language tag; `None` where it is none.
    #[must_use]
    pub fn new(text: &str) -> Option<Self> {
        let mut parts = text.split('-');
        let first = parts.next().unwrap_or_default();
        let first_good =
            (2..=3).contains(&first.len()) && first.bytes().all(|b| b.is_ascii_alphabetic());
        let part_good =
            |p: &str| (1..=8).contains(&p.len()) && p.bytes().all(|b| b.is_ascii_alphanumeric());
        (text.len() <= LOCALE_LEN_MAX && first_good && parts.all(part_good))
            .then(|| Self(text.to_owned()))
    }

    /// Its text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl<'de> Deserialize<'de> for Name {
    fn deserialize<D: Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
        let text = String::deserialize(d)?;
        let wanted = "a name is 1 to 100 characters without control characters";
        Self::new(&text).ok_or_else(|| serde::de::Error::custom(wanted))
    }
}

impl<'de> Deserialize<'de> for Locale {
    fn deserialize<D: Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
        let text = String::deserialize(d)?;
        let wanted = "a language is written as `en` or `de-AT`";
        Self::new(&text).ok_or_else(|| serde::de::Error::custom(wanted))
    }
}

impl JsonSchema for Name {
    fn schema_name() -> Cow<'static, str> {
        "Name".into()
    }

    fn json_schema(_generator: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "type": "string",
            "minLength": 1,
            "maxLength": NAME_LEN_MAX,
            "pattern": "^[^\\u0000-\\u001f\\u007f-\\u009f]+$",
        })
    }
}

impl JsonSchema for Locale {
    fn schema_name() -> Cow<'static, str> {
        "Locale".into()
    }

    fn json_schema(_generator: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "type": "string",
            "maxLength": LOCALE_LEN_MAX,
            "pattern": "^[A-Za-z]{2,3}(-[A-Za-z0-9]{1,8})*$",
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_and_languages() {
        for good in ["a", "Ada Lovelace", "アダ", &"x".repeat(100)] {
            assert!(Name::new(good).is_some(), "{good}");
        }
        for wrong in ["", "a\nb", "a\u{0}", "\u{1b}[31m", "\u{9b}", &"x".repeat(101)] {
            assert!(Name::new(wrong).is_none(), "{wrong:?}");
        }
        for good in ["en", "de-AT", "zh-Hant-TW", "gsw"] {
            assert!(Locale::new(good).is_some(), "{good}");
        }
        for wrong in ["", "e", "english", "de-", "de_AT", "de-AT-", "d3", "en-toolonger1"] {
            assert!(Locale::new(wrong).is_none(), "{wrong:?}");
        }
    }
}
