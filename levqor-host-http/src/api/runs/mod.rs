//! Runs: starting, following, changing and listing them.

mod bulk;
mod change;
mod event;
mod events;
mod headers;
mod read;
mod signals;
mod start;
pub(super) mod view;

use std::collections::BTreeMap;

use levqor_core::engine::{Engine, KeyedRequest};
use levqor_core::ids::{ContentHash, Organization};
use serde::Serialize;

pub(super) use read::run_cursor;
pub(super) use start::{Asked, What, accept, accepted};

use crate::app::App;
use crate::caller::Scope;
use crate::desk::Change;
use crate::http::{Call, Problem};
use crate::route::Route;

pub(super) fn routes() -> Vec<Route> {
    let parts = [
        start::routes(),
        read::routes(),
        events::routes(),
        change::routes(),
        bulk::routes(),
        signals::routes(),
    ];
    parts.concat()
}

/// Labels as they are sent.
pub(super) type Labels = BTreeMap<String, String>;

/// The organization that a change is for, and the engine for this one change, which commits the
/// audit row with it.
pub(super) fn audited<'a, B, Q>(
    app: &App,
    call: &'a Call<B, Q>,
    scope: Scope,
    target: &str,
) -> Result<(&'a Organization, Engine), Problem> {
    let caller = call.caller()?;
    let organization = caller.may(scope)?;
    let change = Change::by(caller, organization, &call.head, target, app.now());
    Ok((organization, app.engine.along(change.into_batch())))
}

/// The request's idempotency key with a mark of all that it says; keys are of one route.
pub(super) fn keyed<B, Q>(
    call: &Call<B, Q>,
    said: &impl Serialize,
) -> Result<Option<KeyedRequest>, Problem> {
    let Some(key) = headers::idempotency_key(&call.head.headers)? else { return Ok(None) };
    // The path's parts are said too; where there are none they add nothing.
    let mut parts: Vec<_> = call.head.parts.iter().collect();
    parts.sort_unstable();
    let text = serde_json::to_vec(&(parts, said)).map_err(|_| Problem::internal())?;
    Ok(Some(KeyedRequest::new(call.head.route, key, ContentHash::of(&text))))
}
