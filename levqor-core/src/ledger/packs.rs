//! Credit packs: what can be bought, as data that an operator may replace.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::CREDITS_MAX;
use crate::ids::check_id;

/// One pack.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Pack {
    /// Its id, stable: payments refer to it.
    pub id: String,
    /// What people call it.
    pub title: String,
    /// Credits it brings.
    pub credits: u64,
    /// Its price in the currency's smallest unit.
    pub price_cents: u64,
    /// ISO 4217 code in small letters: `usd`.
    pub currency: String,
}

/// Every pack on offer, in the order shown.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Packs {
    /// The packs.
    pub packs: Vec<Pack>,
}

/// Why a list of packs cannot be used.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("credit packs: {0}")]
pub struct PacksError(pub String);

impl PacksError {
    /// Stable code, for `levqor explain`.
    #[must_use]
    pub fn code(&self) -> &'static str {
        "ledger.packs"
    }
}

impl Default for Packs {
    /// Three packs, cheaper by the credit the larger they are.
    fn default() -> Self {
        let pack = |id: &str, title: &str, credits, price_cents| Pack {
            id: id.to_owned(),
            title: title.to_owned(),
            credits,
            price_cents,
            currency: "usd".to_owned(),
        };
        Self {
            packs: vec![
                pack("starter", "Starter", 1_000, 900),
                pack("growth", "Growth", 5_000, 3_900),
                pack("scale", "Scale", 25_000, 14_900),
            ],
        }
    }
}

impl Packs {
    /// Reads and checks `{"packs": [...]}`. Hosts read other notations into the same type and call
    /// [`Packs::check`].
    ///
    /// # Errors
    /// [`PacksError`] when it is not such a document or a pack is wrong.
    pub fn from_json(text: &str) -> Result<Self, PacksError> {
        let packs: Self = serde_json::from_str(text).map_err(|e| PacksError(e.to_string()))?;
        packs.check()?;
        Ok(packs)
    }

    /// Checks ids, amounts, prices and currencies.
    ///
    /// # Errors
    /// The first [`PacksError`] found.
    pub fn check(&self) -> Result<(), PacksError> {
        let mut seen = std::collections::BTreeSet::new();
        for pack in &self.packs {
            let fail = |what: &str| Err(PacksError(format!("`{}`: {what}", pack.id)));
            if check_id(&pack.id).is_err() {
                return fail("the id is not an id");
            }
            if !seen.insert(pack.id.as_str()) {
                return fail("the id is there twice");
            }
            if pack.credits == 0 || pack.credits > CREDITS_MAX {
                return fail("credits are 1 or more");
            }
            if pack.price_cents == 0 {
                return fail("a pack has a price; use a grant for free credits");
            }
            let currency = pack.currency.as_bytes();
            if currency.len() != 3 || !currency.iter().all(u8::is_ascii_lowercase) {
                return fail("the currency is three small letters");
            }
        }
        Ok(())
    }

    /// The pack of this id.
    #[must_use]
    pub fn get(&self, id: &str) -> Option<&Pack> {
        self.packs.iter().find(|p| p.id == id)
    }
}
