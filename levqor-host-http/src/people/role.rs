//! [`Role`]: what a member may do, as a table from roles to scopes.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::caller::{Scope, Scopes};

/// A member's role; each may do what those after it may.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Role {
    /// Everything, the plan and the money included.
    Owner,
    /// People, keys and credentials beside the work.
    Admin,
    /// The work: runs, pipelines, webhooks.
    Member,
    /// Looks and changes nothing.
    Viewer,
}

/// What everybody in an organization may.
const VIEWER: [Scope; 6] = [
    Scope::RunsRead,
    Scope::PipelinesRead,
    Scope::CredentialsRead,
    Scope::WebhooksRead,
    Scope::PeopleRead,
    Scope::BillingRead,
];
/// What each role may beside what the next one may.
const MEMBER: [Scope; 3] = [Scope::RunsWrite, Scope::PipelinesWrite, Scope::WebhooksWrite];
const ADMIN: [Scope; 2] = [Scope::CredentialsWrite, Scope::PeopleWrite];
const OWNER: [Scope; 1] = [Scope::BillingWrite];
/// What roles in the operator's organization may beside that.
const OPERATOR_ADMIN: [Scope; 1] = [Scope::OpsRead];
const OPERATOR_OWNER: [Scope; 1] = [Scope::OpsWrite];

impl Role {
    /// Every role.
    pub const ALL: [Self; 4] = [Self::Owner, Self::Admin, Self::Member, Self::Viewer];

    /// The scopes of a session in this role; `operator` for the organization that runs the host.
    #[must_use]
    pub fn scopes(self, operator: bool) -> Scopes {
        let rank = Self::ALL.iter().position(|role| *role == self).unwrap_or(Self::ALL.len());
        let steps: [(&[Scope], &[Scope]); 4] =
            [(&OWNER, &OPERATOR_OWNER), (&ADMIN, &OPERATOR_ADMIN), (&MEMBER, &[]), (&VIEWER, &[])];
        let below = steps.into_iter().skip(rank);
        below
            .flat_map(|(own, ops)| own.iter().chain(ops.iter().filter(move |_| operator)))
            .copied()
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_of_roles() {
        let words =
            |role: Role| -> Vec<&str> { role.scopes(false).iter().map(Scope::as_str).collect() };
        let reads = ["runs", "pipelines", "credentials", "webhooks", "people", "billing"];
        let reads: Vec<String> = reads.iter().map(|area| format!("{area}:read")).collect();
        assert_eq!(words(Role::Viewer), reads);
        for (role, writes) in [
            (Role::Viewer, ""),
            (Role::Member, "runs:write pipelines:write webhooks:write"),
            (
                Role::Admin,
                "runs:write pipelines:write credentials:write webhooks:write people:write",
            ),
            (
                Role::Owner,
                "runs:write pipelines:write credentials:write webhooks:write people:write \
                 billing:write",
            ),
        ] {
            let given: Vec<&str> =
                words(role).into_iter().filter(|w| w.ends_with(":write")).collect();
            assert_eq!(given.join(" "), writes, "{role:?}");
        }
    }

    #[test]
    fn each_role_may_what_the_next_may_and_only_operators_operate() {
        for operator in [false, true] {
            for pair in Role::ALL.windows(2) {
                let (above, below) = (pair[0].scopes(operator), pair[1].scopes(operator));
                assert!(above.covers(below) && !below.covers(above), "{pair:?}");
            }
        }
        for role in Role::ALL {
            let scopes = role.scopes(false);
            assert!(!scopes.has(Scope::OpsRead) && !scopes.has(Scope::OpsWrite), "{role:?}");
        }
        assert_eq!(Role::Owner.scopes(true), Scopes::all());
        assert!(!Role::Member.scopes(true).has(Scope::OpsRead));
    }
}
