//! Handlers, one file for each area; their routes are the table.

mod audit;
mod billing;
mod connectors;
mod credentials;
mod credits;
mod dead_letters;
mod deliveries;
mod docs;
mod endpoints;
mod hooks;
mod intake;
mod keys;
mod members;
mod meta;
mod ops;
mod organizations;
mod outbound;
mod pipelines;
mod planning;
mod reports;
mod runs;
mod schedules;
mod sessions;
mod users;

use crate::route::Route;

/// Every area's routes, in the order of the API's description.
pub(crate) fn routes() -> Vec<Route> {
    [
        meta::routes(),
        runs::routes(),
        reports::routes(),
        keys::routes(),
        organizations::routes(),
        users::routes(),
        members::routes(),
        sessions::routes(),
        audit::routes(),
        intake::routes(),
        pipelines::routes(),
        schedules::routes(),
        connectors::routes(),
        credentials::routes(),
        dead_letters::routes(),
        planning::routes(),
        billing::routes(),
        credits::routes(),
        docs::routes(),
        endpoints::routes(),
        hooks::routes(),
        outbound::routes(),
        deliveries::routes(),
        ops::routes(),
    ]
    .concat()
}
