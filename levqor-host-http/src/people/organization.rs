//! [`OrganizationEntry`]: an organization's name, beside what the engine keeps of it.

use levqor_core::ids::Organization;
use levqor_core::time::Timestamp;
use serde::{Deserialize, Serialize};

use super::text::Name;
use crate::desk::{Record, Room};

/// The operator's organization.
pub(crate) const OPERATOR: &str = "main";

/// An organization as the host lists it. Plan, zone and suspension are in the engine's record.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[non_exhaustive]
pub struct OrganizationEntry {
    /// `org_…`, or `main`.
    pub id: Organization,
    /// For people.
    pub name: Name,
    /// When it was made.
    pub created: Timestamp,
    /// Who made it.
    pub created_by: String,
}

impl Record for OrganizationEntry {
    const ROOM: Room = Room::Organization;
}

impl OrganizationEntry {
    /// A new one.
    #[must_use]
    pub fn new(id: Organization, name: Name, by: &str, now: Timestamp) -> Self {
        Self { id, name, created: now, created_by: by.to_owned() }
    }

    /// The operator's own, made at the first start.
    #[must_use]
    pub fn operators(now: Timestamp) -> Self {
        let id = Organization::new(OPERATOR).unwrap_or_else(|_| Organization::local());
        let name = Name::new(OPERATOR).unwrap_or_else(Name::unknown);
        Self::new(id, name, "system", now)
    }
}

/// Whether this is the operator's organization, whose owners run the host.
#[must_use]
pub fn is_operator(organization: &Organization) -> bool {
    organization.as_str() == OPERATOR
}
