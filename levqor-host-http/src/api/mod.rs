//! Handlers, one file for each area; their routes are the table.

mod billing;
mod credits;
mod meta;
mod planning;
mod runs;

use crate::route::Route;

/// Every area's routes, in the order of the API's description.
pub(crate) fn routes() -> Vec<Route> {
    [meta::routes(), runs::routes(), planning::routes(), billing::routes(), credits::routes()]
        .concat()
}
