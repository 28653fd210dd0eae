//! Handlers, one file for each area; their routes are the table.

mod docs;
mod meta;
mod runs;

use crate::route::Route;

/// Every area's routes, in the order of the API's description.
pub(crate) fn routes() -> Vec<Route> {
    [meta::routes(), docs::routes(), runs::routes()].concat()
}
