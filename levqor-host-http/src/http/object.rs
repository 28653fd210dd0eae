//! Members that are objects and nothing else. serde also takes an array for a struct, one element a
//! member, which no description says.

use std::fmt;
use std::marker::PhantomData;

use serde::de::value::MapAccessDeserializer;
use serde::de::{MapAccess, Visitor};
use serde::{Deserialize, Deserializer};

/// An object that may be absent or null, by `#[serde(deserialize_with)]`.
pub(crate) fn maybe_object<'de, D: Deserializer<'de>, T: Deserialize<'de>>(
    d: D,
) -> Result<Option<T>, D::Error> {
    Ok(Option::<Object<T>>::deserialize(d)?.map(|object| object.0))
}

/// What only an object is read as.
pub(super) struct Object<T>(pub(super) T);

impl<'de, T: Deserialize<'de>> Deserialize<'de> for Object<T> {
    fn deserialize<D: Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
        d.deserialize_any(Reads(PhantomData))
    }
}

struct Reads<T>(PhantomData<T>);

impl<'de, T: Deserialize<'de>> Visitor<'de> for Reads<T> {
    type Value = Object<T>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Object<T>, A::Error> {
        T::deserialize(MapAccessDeserializer::new(map)).map(Object)
    }
}

#[cfg(test)]
mod tests {
    use serde_json::from_str;

    use super::*;

    #[derive(Deserialize)]
    struct Inner {
        #[serde(default)]
        a: u8,
    }

    #[derive(Deserialize)]
    struct Outer {
        #[serde(default, deserialize_with = "maybe_object")]
        inner: Option<Inner>,
    }

    #[test]
    fn an_array_is_no_object() {
        let read = |text: &str| from_str::<Object<Outer>>(text).map(|o| o.0.inner.map(|i| i.a));
        assert_eq!(read(r#"{"inner":{"a":1}}"#).unwrap(), Some(1));
        assert_eq!(read(r#"{"inner":{}}"#).unwrap(), Some(0));
        assert_eq!(read(r#"{"inner":null}"#).unwrap(), None);
        assert_eq!(read("{}").unwrap(), None);
        for wrong in [r#"{"inner":[1]}"#, r#"{"inner":[]}"#, r#"[{"a":1}]"#, "[]", "1", "null"] {
            let error = read(wrong).unwrap_err().to_string();
            assert!(error.contains("expected an object"), "{wrong}: {error}");
        }
    }
}
