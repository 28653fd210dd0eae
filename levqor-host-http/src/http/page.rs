//! Pages: `?limit=` and an opaque `?cursor=`, `{ data, next_cursor }` back.
//!
//! A cursor holds the last item's key and a mark of the filters it belongs to, so that one taken to
//! another list is refused rather than misread.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::Problem;
use crate::caller::secret::SecretDigest;
use crate::limits::{PAGE_DEFAULT, PAGE_MAX};

/// Characters of the filters' mark.
const MARK_LEN: usize = 12;
/// The longest cursor that is read: a key at its limit in base 64, with room.
const CURSOR_LEN_MAX: usize = 2_048;

/// A page of a list.
#[derive(Clone, Debug, Serialize, JsonSchema)]
#[non_exhaustive]
pub struct Page<T> {
    /// The items.
    pub data: Vec<T>,
    /// Hand it back as `?cursor=` for the next page; `null` at the end.
    pub next_cursor: Option<String>,
}

impl<T> Page<T> {
    pub(crate) fn new(data: Vec<T>, next: Option<Cursor>) -> Self {
        Self { data, next_cursor: next.map(|cursor| cursor.0) }
    }
}

/// The two parameters of every list.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct PageQuery {
    /// How many items, 1 to 200; 50 where not said.
    #[serde(default)]
    #[schemars(range(min = 1, max = 200))]
    pub(crate) limit: Option<u32>,
    /// Where the page begins: `next_cursor` of the one before.
    #[serde(default)]
    pub(crate) cursor: Option<String>,
}

impl PageQuery {
    /// How many items.
    pub(crate) fn limit(&self) -> Result<u32, Problem> {
        limit(self.limit)
    }
}

/// A page's size within its bounds.
pub(crate) fn limit(asked: Option<u32>) -> Result<u32, Problem> {
    match asked.unwrap_or(PAGE_DEFAULT) {
        limit @ 1..=PAGE_MAX => Ok(limit),
        _ => Err(Problem::bad_request("request.query", format!("`limit` is 1 to {PAGE_MAX}"))),
    }
}

/// Where a page begins.
#[derive(Clone, Debug)]
pub(crate) struct Cursor(String);

impl Cursor {
    /// The cursor after the item with this key, in the list of these filters.
    pub(crate) fn after(key: &str, filters: &str) -> Self {
        Self(URL_SAFE_NO_PAD.encode(format!("{}{key}", mark(filters))))
    }

    /// The cursor's text, for answers that are no [`Page`].
    pub(crate) fn into_text(self) -> String {
        self.0
    }

    /// The key in a cursor that [`Cursor::after`] made for the same filters.
    pub(crate) fn read(text: Option<&str>, filters: &str) -> Result<Option<String>, Problem> {
        let Some(text) = text.filter(|text| !text.is_empty()) else { return Ok(None) };
        let refused =
            || Problem::bad_request("request.cursor", "the cursor is not one of this list's");
        if text.len() > CURSOR_LEN_MAX {
            return Err(refused());
        }
        let bytes = URL_SAFE_NO_PAD.decode(text).map_err(|_| refused())?;
        let whole = String::from_utf8(bytes).map_err(|_| refused())?;
        let key = whole.strip_prefix(&mark(filters)).ok_or_else(refused)?;
        Ok(Some(key.to_owned()))
    }
}

fn mark(filters: &str) -> String {
    SecretDigest::of(filters).as_str()[..MARK_LEN].to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cursor_reads_back_in_its_own_list_only() {
        let Cursor(text) = Cursor::after("run_1", "status=failed");
        assert_eq!(Cursor::read(Some(&text), "status=failed").unwrap().as_deref(), Some("run_1"));
        assert!(Cursor::read(Some(&text), "status=dead").is_err());
        assert!(Cursor::read(Some("%%%"), "").is_err());
        assert!(Cursor::read(Some(&"a".repeat(5_000)), "").is_err());
        assert!(Cursor::read(None, "").unwrap().is_none());
        assert!(
            Cursor::read(Some(""), "").unwrap().is_none(),
            "a form's empty field is the beginning"
        );
    }

    #[test]
    fn a_limit_is_within_its_bounds() {
        assert_eq!(limit(None).unwrap(), PAGE_DEFAULT);
        assert_eq!(limit(Some(200)).unwrap(), 200);
        for wrong in [0, 201, u32::MAX] {
            assert!(limit(Some(wrong)).is_err(), "{wrong}");
        }
    }
}
