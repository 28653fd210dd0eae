//! Handlers, one file for each area; their routes are the table.

mod deliveries;
mod endpoints;
mod hooks;
mod meta;
mod outbound;
mod runs;

use crate::route::Route;

/// Every area's routes, in the order of the API's description.
pub(crate) fn routes() -> Vec<Route> {
    [
        meta::routes(),
        runs::routes(),
        endpoints::routes(),
        hooks::routes(),
        outbound::routes(),
        deliveries::routes(),
    ]
    .concat()
}
