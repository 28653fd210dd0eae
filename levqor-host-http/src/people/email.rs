//! [`Email`]: an e-mail address in the one form in which it is stored, compared and written to.
//!
//! The whole address is in lower case: the part before `@` could differ by case and never does, and
//! two users for one mailbox would be worse. Only addresses in ASCII, as mail servers without
//! extensions take them: no quotes, no comments, no address literals. What it is not: a proof that
//! somebody reads there; a sign-in link is that.

use std::borrow::Cow;
use std::fmt;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Deserializer, Serialize};

/// Longest address that SMTP carries.
const LEN_MAX: usize = 254;
/// Longest part before `@`.
const LOCAL_LEN_MAX: usize = 64;
/// Longest part between two dots of a domain.
const LABEL_LEN_MAX: usize = 63;

/// An address, normalised.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize)]
#[serde(transparent)]
pub struct Email(String);

impl Email {
    /// Reads an address and brings it into its one form; `None` where it is none.
    #[must_use]
    pub fn new(text: &str) -> Option<Self> {
        let text = text.trim_matches(' ').to_ascii_lowercase();
        let (local, domain) = text.split_once('@')?;
        let good = text.len() <= LEN_MAX && is_local(local) && is_domain(domain);
        good.then_some(Self(text))
    }

    /// Its text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

fn is_local(text: &str) -> bool {
    let atom = |b: u8| b.is_ascii_alphanumeric() || b"!#$%&'*+-/=?^_`{|}~".contains(&b);
    text.len() <= LOCAL_LEN_MAX
        && text.split('.').all(|part| !part.is_empty() && part.bytes().all(atom))
}

fn is_domain(text: &str) -> bool {
    let label = |part: &str| {
        (1..=LABEL_LEN_MAX).contains(&part.len())
            && !part.starts_with('-')
            && !part.ends_with('-')
            && part.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-')
    };
    let last = text.rsplit('.').next().unwrap_or_default();
    // A number at the end is an address literal, not a domain of mail.
    let is_name = last.bytes().any(|b| b.is_ascii_alphabetic());
    text.contains('.') && is_name && text.split('.').all(label)
}

impl fmt::Display for Email {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl<'de> Deserialize<'de> for Email {
    fn deserialize<D: Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
        let text = String::deserialize(d)?;
        Self::new(&text).ok_or_else(|| serde::de::Error::custom("it is not an e-mail address"))
    }
}

impl JsonSchema for Email {
    fn schema_name() -> Cow<'static, str> {
        "Email".into()
    }

    fn json_schema(_generator: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "type": "string",
            "format": "email",
            "minLength": 5,
            "maxLength": LEN_MAX,
            "pattern": "^[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]+(\\.[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]+)*@\
                        ([A-Za-z0-9]([A-Za-z0-9-]*[A-Za-z0-9])?\\.)+[A-Za-z]([A-Za-z0-9-]*[A-Za-z0-9])?$",
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_have_one_form() {
        for (text, wanted) in [
            ("ada@example.com", "ada@example.com"),
            (" Ada.Lovelace+x@EXAMPLE.Com ", "ada.lovelace+x@example.com"),
            ("o'brien@a-b.co.uk", "o'brien@a-b.co.uk"),
            ("a@xn--bcher-kva.example", "a@xn--bcher-kva.example"),
        ] {
            assert_eq!(Email::new(text).unwrap().as_str(), wanted);
        }
    }

    #[test]
    fn what_is_no_address_is_refused() {
        let long = format!("{}@example.com", "a".repeat(65));
        let longer = format!("a@{}.com", "b.".repeat(130));
        for wrong in [
            "",
            "@",
            "a@",
            "@b.c",
            "a@b",
            "a b@c.d",
            "a@b..c",
            ".a@b.c",
            "a.@b.c",
            "a..b@c.d",
            "a@-b.c",
            "a@b-.c",
            "a@127.0.0.1",
            "a@[127.0.0.1]",
            "\"a\"@b.c",
            "a@b.c\r\nBcc: x@y.z",
            "a@b.c, d@e.f",
            "ä@b.c",
            "a@ä.c",
            "a\u{0}@b.c",
            "a@b@c.d",
            "<a@b.c>",
            "a@b.c>",
            &long,
            &longer,
        ] {
            assert!(Email::new(wrong).is_none(), "{wrong:?}");
        }
    }

    proptest::proptest! {
        #[test]
        fn the_form_is_stable_and_cannot_break_a_line(text in "[ -~\\r\\n]{0,20}@[ -~\\r\\n]{0,20}") {
            if let Some(email) = Email::new(&text) {
                assert_eq!(Email::new(email.as_str()).unwrap(), email);
                assert!(email.as_str().bytes().all(|b| b.is_ascii_graphic()));
            }
        }
    }
}
