//! Webhooks going out: who wants to know what, and durable deliveries.
//!
//! ```text
//!  a run's commit ── outbox record, in the same commit
//!        └▶ pump ─▶ a Delivery for each subscription, and a run of our own pipeline for each
//!                        └▶ connector `webhook/deliver`: sign, send through egress, note the attempt
//!                                 └ retried by the engine, with backoff, for about a day
//! ```
//! Nothing is lost by a crash: the outbox record is written with the run's status and removed when
//! every delivery has its run; that run is started under a key, so that doing it again starts no
//! second one. A receiver may see a message twice, and knows it by `webhook-id`.
//!
//! The runs are in organizations of our own, one beside each customer's: they are fair to each other,
//! no plan counts them, they cost nothing, and they are told to nobody.

pub(crate) mod connector;
pub(crate) mod delivery;
pub(crate) mod outbox;
pub(crate) mod pump;
pub(crate) mod subscription;
pub(crate) mod target;

use levqor_core::ids::{ContentHash, Organization};

/// What ids of our own organizations begin with. No customer may get one.
pub(crate) const OWN: &str = "levqor.";
/// Longest id of an organization that fits behind it.
const FITS: usize = 64 - OWN.len();

/// The organization that a customer's deliveries run in.
pub(crate) fn beside(organization: &Organization) -> Organization {
    let id = organization.as_str();
    let id = if id.len() <= FITS {
        format!("{OWN}{id}")
    } else {
        let hash = ContentHash::of(id.as_bytes()).to_string();
        format!("{OWN}{}", hash.get(..FITS.min(hash.len())).unwrap_or_default())
    };
    // Letters, digits and a dot: always an id.
    Organization::new(&id).unwrap_or_else(|_| Organization::local())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_organization_has_one_of_ours_beside_it() {
        let (long, longer) = ("x".repeat(63), "x".repeat(64));
        let ids = ["main", "org_1", &long, &longer];
        let all: Vec<String> = ids
            .iter()
            .map(|id| beside(&Organization::new(id).unwrap()).as_str().to_owned())
            .collect();
        assert!(all.iter().all(|id| id.starts_with(OWN) && id.len() <= 64));
        let different: std::collections::BTreeSet<&String> = all.iter().collect();
        assert_eq!(different.len(), ids.len());
        assert_eq!(all[0], "levqor.main");
    }
}
