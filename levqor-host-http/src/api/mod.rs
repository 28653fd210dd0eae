//! Handlers, one file for each area; their routes are the table.

mod audit;
mod keys;
mod members;
mod meta;
mod organizations;
mod runs;
mod sessions;
mod users;

use crate::route::Route;

/// Every area's routes, in the order of the API's description.
pub(crate) fn routes() -> Vec<Route> {
    [
        meta::routes(),
        runs::routes(),
        keys::routes(),
        organizations::routes(),
        users::routes(),
        members::routes(),
        sessions::routes(),
        audit::routes(),
    ]
    .concat()
}
