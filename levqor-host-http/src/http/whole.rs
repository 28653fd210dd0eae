//! Whole numbers as JSON has them: `5` and `5.0` are one number, and some clients know no other way
//! to write it.
//!
//! For members of request bodies, by `#[serde(deserialize_with)]`. What it is not: a rounding. `5.5`
//! is refused, and so is what the member's type cannot hold.

use std::fmt;
use std::marker::PhantomData;

use levqor_core::time::Timestamp;
use serde::de::{Error, Unexpected, Visitor};
use serde::{Deserialize, Deserializer};

/// Up to here every whole number is what each client of JSON reads (RFC 8259 §6).
pub(crate) const EXACT_MAX: i64 = 9_007_199_254_740_991;

/// A number that must be there.
pub(crate) fn whole<'de, D: Deserializer<'de>, T: TryFrom<i128>>(d: D) -> Result<T, D::Error> {
    Ok(Whole::deserialize(d)?.0)
}

/// One that may be absent or null.
pub(crate) fn maybe_whole<'de, D: Deserializer<'de>, T: TryFrom<i128>>(
    d: D,
) -> Result<Option<T>, D::Error> {
    Ok(Option::<Whole<T>>::deserialize(d)?.map(|whole| whole.0))
}

/// A moment in milliseconds, which may be absent or null.
pub(crate) fn maybe_moment<'de, D: Deserializer<'de>>(d: D) -> Result<Option<Timestamp>, D::Error> {
    Ok(maybe_whole(d)?.map(Timestamp))
}

struct Whole<T>(T);

impl<'de, T: TryFrom<i128>> Deserialize<'de> for Whole<T> {
    fn deserialize<D: Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
        d.deserialize_any(Reads(PhantomData))
    }
}

struct Reads<T>(PhantomData<T>);

impl<T: TryFrom<i128>> Visitor<'_> for Reads<T> {
    type Value = Whole<T>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a whole number within its bounds")
    }

    fn visit_u64<E: Error>(self, number: u64) -> Result<Whole<T>, E> {
        within(number.into()).ok_or_else(|| E::invalid_value(Unexpected::Unsigned(number), &self))
    }

    fn visit_i64<E: Error>(self, number: i64) -> Result<Whole<T>, E> {
        within(number.into()).ok_or_else(|| E::invalid_value(Unexpected::Signed(number), &self))
    }

    fn visit_f64<E: Error>(self, number: f64) -> Result<Whole<T>, E> {
        let read = (number.fract() == 0.0).then(|| within(number as i128)).flatten();
        read.ok_or_else(|| E::invalid_value(Unexpected::Float(number), &self))
    }
}

fn within<T: TryFrom<i128>>(number: i128) -> Option<Whole<T>> {
    let bound = i128::from(EXACT_MAX);
    (-bound..=bound).contains(&number).then(|| T::try_from(number).ok()).flatten().map(Whole)
}

#[cfg(test)]
mod tests {
    use serde_json::from_str;

    use super::*;

    #[test]
    fn a_number_is_what_it_is_worth_and_not_how_it_is_written() {
        for (text, wanted) in [
            ("7", Some(7)),
            ("7.0", Some(7)),
            ("7e0", Some(7)),
            ("0.0", Some(0)),
            ("-0.0", Some(0)),
            ("255.0", Some(255)),
            ("7.5", None),
            ("256", None),
            ("256.0", None),
            ("-1", None),
            ("1e300", None),
            ("\"7\"", None),
            ("null", None),
            ("true", None),
        ] {
            assert_eq!(from_str::<Whole<u8>>(text).ok().map(|w| w.0), wanted, "{text}");
        }
    }

    #[test]
    fn what_may_be_absent_may_be_null() {
        #[derive(Deserialize)]
        struct Asked {
            #[serde(default, deserialize_with = "maybe_whole")]
            limit: Option<u64>,
            #[serde(default, deserialize_with = "maybe_moment")]
            at: Option<Timestamp>,
        }
        let read = |text: &str| from_str::<Asked>(text).map(|a| (a.limit, a.at));
        assert_eq!(read("{}").unwrap(), (None, None));
        assert_eq!(read(r#"{"limit":null,"at":null}"#).unwrap(), (None, None));
        assert_eq!(read(r#"{"limit":3.0,"at":-2.0}"#).unwrap(), (Some(3), Some(Timestamp(-2))));
        for (at, fits) in [("9007199254740991", true), ("9007199254740992", false), ("1e17", false)]
        {
            assert_eq!(read(&format!("{{\"limit\":{at}}}")).is_ok(), fits, "{at}");
            assert_eq!(read(&format!("{{\"at\":-{at}}}")).is_ok(), fits, "-{at}");
        }
        let wrong = read(r#"{"limit":3.5}"#).unwrap_err().to_string();
        assert!(wrong.contains("expected a whole number"), "{wrong}");
    }
}
