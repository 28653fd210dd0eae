//! [`Endpoint`]: where a sender's requests arrive, and which trigger they set off.

use levqor_core::ids::Organization;
use levqor_core::time::Timestamp;
use serde::{Deserialize, Serialize};

use super::Scheme;
use crate::desk::{Record, Room};
use crate::ids;

/// What every endpoint's id begins with.
pub(crate) const PREFIX: &str = "whk";
/// Endpoints of one organization: each costs a place in the vault's file.
pub(crate) const ENDPOINTS_MAX: u32 = 200;
/// Secrets of one endpoint that are live at once: the newest, and those a rotation overlaps.
pub(crate) const SECRETS_MAX: usize = 5;
/// How far the signed time may be from now where the endpoint does not say: five minutes, as Stripe,
/// Slack and Standard Webhooks have it.
pub(crate) const TOLERANCE_MS: u64 = 300_000;

/// An endpoint as it is stored, under its id.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Endpoint {
    /// `whk_…`; part of the address, and not guessable.
    pub(crate) id: String,
    pub(crate) organization: Organization,
    /// For people.
    pub(crate) name: String,
    pub(crate) scheme: Scheme,
    pub(crate) tolerance_ms: u64,
    /// The pipeline's name, and its trigger's id.
    pub(crate) pipeline: String,
    pub(crate) trigger: String,
    /// One that is switched off answers like one that is not there.
    pub(crate) enabled: bool,
    /// Newest first. None where only the vault's entry that the trigger names is used.
    pub(crate) secrets: Vec<SealedSecret>,
    pub(crate) created: Timestamp,
    pub(crate) created_by: String,
}

/// A secret that stands sealed in the vault.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct SealedSecret {
    /// `whs_…`: its name in the vault, after the reserved first part.
    pub(crate) id: String,
    pub(crate) created: Timestamp,
    /// Until when it is accepted, where it was rotated out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) until: Option<Timestamp>,
}

impl SealedSecret {
    pub(crate) fn new(now: Timestamp) -> Self {
        Self { id: ids::make("whs"), created: now, until: None }
    }

    pub(crate) fn is_live(&self, now: Timestamp) -> bool {
        self.until.is_none_or(|until| now < until)
    }
}

impl Record for Endpoint {
    const ROOM: Room = Room::Hook;
}

/// An endpoint in its organization's list.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct EndpointOf {
    pub(crate) id: String,
}

impl Record for EndpointOf {
    const ROOM: Room = Room::HookOf;
}

/// A new secret in front; those before it are live until `until`. Returns what has to go.
pub(crate) fn rotate(
    secrets: &mut Vec<SealedSecret>,
    new: SealedSecret,
    until: Timestamp,
    now: Timestamp,
) -> Vec<SealedSecret> {
    for secret in secrets.iter_mut() {
        secret.until = Some(secret.until.map_or(until, |already| already.min(until)));
    }
    secrets.insert(0, new);
    let (mut live, mut gone): (Vec<_>, Vec<_>) =
        secrets.drain(..).partition(|secret| secret.is_live(now));
    gone.extend(live.split_off(live.len().min(SECRETS_MAX)));
    *secrets = live;
    gone
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_rotation_keeps_the_old_for_a_while_and_never_longer_than_before() {
        let at = |ms| Timestamp(ms);
        let mut secrets = vec![SealedSecret::new(at(0))];
        let first = secrets[0].id.clone();
        assert!(rotate(&mut secrets, SealedSecret::new(at(10)), at(100), at(10)).is_empty());
        assert_eq!((secrets.len(), secrets[1].until), (2, Some(at(100))));
        assert!(rotate(&mut secrets, SealedSecret::new(at(20)), at(500), at(20)).is_empty());
        assert_eq!(secrets[2].until, Some(at(100)), "not longer than it was told");
        assert_eq!((secrets[0].until, secrets[1].until), (None, Some(at(500))));
        let gone = rotate(&mut secrets, SealedSecret::new(at(100)), at(600), at(100));
        assert_eq!(gone[0].id, first);
        for n in 0..9 {
            rotate(&mut secrets, SealedSecret::new(at(200 + n)), at(9_000), at(200 + n));
            assert!(secrets.len() <= SECRETS_MAX);
        }
        let gone = rotate(&mut secrets, SealedSecret::new(at(300)), at(300), at(300));
        assert_eq!((secrets.len(), gone.len()), (1, SECRETS_MAX), "at once");
    }
}
