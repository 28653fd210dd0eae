//! Handlers, one file for each area; their routes are the table.

mod connectors;
mod credentials;
mod dead_letters;
mod intake;
mod meta;
mod pipelines;
mod runs;
mod schedules;

use crate::route::Route;

/// Every area's routes, in the order of the API's description.
pub(crate) fn routes() -> Vec<Route> {
    [
        meta::routes(),
        runs::routes(),
        intake::routes(),
        pipelines::routes(),
        schedules::routes(),
        connectors::routes(),
        credentials::routes(),
        dead_letters::routes(),
    ]
    .concat()
}
