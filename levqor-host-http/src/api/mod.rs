//! Handlers, one file for each area; their routes are the table.

mod meta;
mod ops;
mod runs;

use crate::route::Route;

/// Every area's routes, in the order of the API's description.
pub(crate) fn routes() -> Vec<Route> {
    [meta::routes(), runs::routes(), ops::routes()].concat()
}
