//! API keys: `lvq_<id>_<secret>`, stored under the id with the secret's digest.

use levqor_core::ids::Organization;
use levqor_core::time::Timestamp;
use serde::{Deserialize, Serialize};

use super::Scopes;
use super::secret::{Plain, SecretDigest};
use crate::desk::{Record, Room};
use crate::ids;

/// Secrets of one key that are accepted at a time: the newest, and those whose overlap lasts.
const SECRETS_MAX: usize = 8;
/// What every key begins with: scanners for leaked secrets know it by that.
const PREFIX: &str = "lvq_";
/// Fewest characters of a secret that an operator chose.
const SECRET_LEN_MIN: usize = 32;
/// Most characters of either part; longer ones are not looked up.
const PART_LEN_MAX: usize = 128;

/// A key as it is stored, under its id.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[non_exhaustive]
pub struct ApiKey {
    /// `key_…`.
    pub id: String,
    /// Whose it is.
    pub organization: Organization,
    /// For people.
    pub name: String,
    /// What it may do.
    pub scopes: Scopes,
    /// Digests of the secrets that are accepted: one, and those before it while they overlap.
    pub secrets: Vec<KeySecret>,
    /// The last four characters of the newest secret, to tell keys apart in a list.
    pub last4: String,
    /// When it was made.
    pub created: Timestamp,
    /// Who made it.
    pub created_by: String,
    /// When it stops to work.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expires: Option<Timestamp>,
}

/// One accepted secret of a key.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[non_exhaustive]
pub struct KeySecret {
    /// Its digest.
    pub digest: SecretDigest,
    /// Until when it is accepted, where it was rotated out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub until: Option<Timestamp>,
}

impl Record for ApiKey {
    const ROOM: Room = Room::Key;
}

/// A key in its organization's list.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct KeyOf {
    /// `key_…`.
    pub(crate) id: String,
}

impl Record for KeyOf {
    const ROOM: Room = Room::KeyOf;
}

impl ApiKey {
    /// A new key and its text, which is not kept.
    #[must_use]
    pub fn make(
        organization: Organization,
        name: &str,
        scopes: Scopes,
        by: &str,
        now: Timestamp,
    ) -> (Self, Plain) {
        let (id, secret) = (ids::make("key"), Plain::make());
        Self::with(id, &secret, organization, name, scopes, by, now)
    }

    /// The key that a text such as `lvq_ops_…` stands for: how an operator brings a key of their own.
    #[must_use]
    pub fn from_text(
        text: &KeyText,
        organization: Organization,
        name: &str,
        scopes: Scopes,
        now: Timestamp,
    ) -> Self {
        let secret = Plain::of(text.secret.reveal());
        Self::with(text.id.clone(), &secret, organization, name, scopes, "operator", now).0
    }

    fn with(
        id: String,
        secret: &Plain,
        organization: Organization,
        name: &str,
        scopes: Scopes,
        by: &str,
        now: Timestamp,
    ) -> (Self, Plain) {
        let text = text_of(&id, secret);
        let key = Self {
            id,
            organization,
            name: name.to_owned(),
            scopes,
            last4: last4(secret),
            secrets: vec![KeySecret { digest: secret.digest(), until: None }],
            created: now,
            created_by: by.to_owned(),
            expires: None,
        };
        (key, text)
    }

    /// A new secret for the key; the old ones are accepted until `until`, or until the earlier end
    /// that they were given before. `None` where too many would be accepted at once: an end that
    /// was promised is not cut off to make room.
    #[must_use]
    pub fn rotate(&mut self, until: Timestamp, now: Timestamp) -> Option<Plain> {
        let mut secrets = self.secrets.clone();
        for old in &mut secrets {
            old.until = Some(old.until.map_or(until, |before| before.min(until)));
        }
        secrets.retain(|old| old.until.is_some_and(|until| now < until));
        if secrets.len() >= SECRETS_MAX {
            return None;
        }
        let secret = Plain::make();
        secrets.insert(0, KeySecret { digest: secret.digest(), until: None });
        (self.secrets, self.last4) = (secrets, last4(&secret));
        Some(text_of(&self.id, &secret))
    }

    /// Whether this secret opens the key now. Every secret is compared, whatever the first says.
    #[must_use]
    pub fn opens(&self, secret: &Plain, now: Timestamp) -> bool {
        let live = |s: &KeySecret| s.until.is_none_or(|until| now < until);
        let sent = secret.digest();
        let matching = self.secrets.iter().filter(|s| s.digest.equals(&sent));
        let known = matching.filter(|s| live(s)).count() > 0;
        known && self.expires.is_none_or(|at| now < at)
    }
}

fn last4(secret: &Plain) -> String {
    let text = secret.reveal();
    text.get(text.len().saturating_sub(4)..).unwrap_or_default().to_owned()
}

fn text_of(id: &str, secret: &Plain) -> Plain {
    let body = id.strip_prefix("key_").unwrap_or(id);
    Plain::of(&format!("{PREFIX}{body}_{}", secret.reveal()))
}

/// A key as it was sent, taken apart.
#[derive(Debug)]
pub struct KeyText {
    /// `key_…`.
    pub id: String,
    /// What it is known by.
    pub secret: Plain,
}

impl KeyText {
    /// Takes a key's text apart; `None` where it is not one.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let (id, secret) = text.trim().strip_prefix(PREFIX)?.split_once('_')?;
        let id_good = !id.is_empty() && id.bytes().all(|b| b.is_ascii_alphanumeric());
        let good = |b: u8| b.is_ascii_alphanumeric() || b == b'-' || b == b'_';
        let secret_good = secret.len() >= SECRET_LEN_MIN && secret.bytes().all(good);
        let short = id.len() <= PART_LEN_MAX && secret.len() <= PART_LEN_MAX;
        (id_good && secret_good && short)
            .then(|| Self { id: format!("key_{id}"), secret: Plain::of(secret) })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn made() -> (ApiKey, KeyText) {
        let all = Scopes::all();
        let (key, text) = ApiKey::make(Organization::local(), "k", all, "me", Timestamp(1_000));
        let text = KeyText::parse(text.reveal()).unwrap();
        assert_eq!(text.id, key.id);
        (key, text)
    }

    #[test]
    fn a_key_opens_with_its_own_secret_alone() {
        let ((key, text), (_, other)) = (made(), made());
        assert!(key.opens(&text.secret, Timestamp(1_000)));
        assert!(!key.opens(&other.secret, Timestamp(1_000)));
    }

    #[test]
    fn a_rotated_key_opens_with_both_until_the_overlap_ends() {
        let (mut key, old) = made();
        let new = key.rotate(Timestamp(5_000), Timestamp(1_000)).unwrap();
        let new = KeyText::parse(new.reveal()).unwrap();
        for (at, old_opens) in [(4_999, true), (5_000, false)] {
            assert_eq!(key.opens(&old.secret, Timestamp(at)), old_opens, "{at}");
            assert!(key.opens(&new.secret, Timestamp(at)), "{at}");
        }
        // A second rotation neither shortens what was promised nor lengthens it.
        assert!(key.rotate(Timestamp(9_000), Timestamp(2_000)).is_some());
        for (at, old_opens, new_opens) in
            [(4_999, true, true), (5_000, false, true), (9_000, false, false)]
        {
            assert_eq!(key.opens(&old.secret, Timestamp(at)), old_opens, "{at}");
            assert_eq!(key.opens(&new.secret, Timestamp(at)), new_opens, "{at}");
        }
        // One without overlap ends all of them.
        assert!(key.rotate(Timestamp(3_000), Timestamp(3_000)).is_some());
        assert!(
            !key.opens(&old.secret, Timestamp(3_000)) && !key.opens(&new.secret, Timestamp(3_000))
        );
        assert_eq!(key.secrets.len(), 1);
    }

    #[test]
    fn secrets_do_not_pile_up() {
        let (mut key, _) = made();
        let rotated = (0..20).filter(|_| key.rotate(Timestamp(5_000), Timestamp(1_000)).is_some());
        assert_eq!((rotated.count(), key.secrets.len()), (SECRETS_MAX - 1, SECRETS_MAX));
        assert!(key.rotate(Timestamp(6_000), Timestamp(5_000)).is_some(), "the overlaps are over");
    }

    #[test]
    fn an_expired_key_opens_with_nothing() {
        let (mut key, text) = made();
        key.expires = Some(Timestamp(2_000));
        assert!(key.opens(&text.secret, Timestamp(1_999)));
        assert!(!key.opens(&text.secret, Timestamp(2_000)));
    }

    #[test]
    fn only_whole_keys_are_taken_apart() {
        let secret = "s".repeat(32);
        assert!(KeyText::parse(&format!("lvq_ops_{secret}")).is_some());
        for wrong in ["", "lvq_", "lvq_a_b", "lvx_ops_s", &format!("lvq__{secret}")] {
            assert!(KeyText::parse(wrong).is_none(), "{wrong}");
        }
        assert!(KeyText::parse(&format!("lvq_o-s_{secret}")).is_none());
        assert!(KeyText::parse(&format!("lvq_ops_{}", "s".repeat(500))).is_none());
    }
}
