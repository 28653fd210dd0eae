//! Handlers, one file for each area; their routes are the table.

mod audit;
mod keys;
mod members;
mod meta;
mod organizations;
mod reports;
mod runs;
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
        audit::routes(),
    ]
    .concat()
}
