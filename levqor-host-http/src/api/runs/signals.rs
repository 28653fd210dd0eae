//! `POST /api/v1/signals`: an event for every run of the organization that waits for it.

use axum::http::{Method, StatusCode};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::app::App;
use crate::caller::Scope;
use crate::desk::Change;
use crate::http::{Answer, Call, Json, Problem};
use crate::route::{Route, Tag};

pub(super) fn routes() -> Vec<Route> {
    vec![
        Route::new(Method::POST, "/api/v1/signals", "publish_signal", Tag::Runs)
            .scope(Scope::RunsWrite)
            .about("Hand an event to the runs that wait for it and to pipelines it triggers")
            .answers::<SignalAnswer>(StatusCode::OK, "the runs that took it or were started")
            .to(publish),
    ]
}

/// An event.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct SignalRequest {
    /// Its name, as `core/wait_event` and `event` triggers have it.
    #[schemars(length(min = 1, max = 128))]
    name: String,
    /// What it carries.
    #[serde(default)]
    payload: Value,
}

/// Who took an event.
#[derive(Debug, Serialize, JsonSchema)]
struct SignalAnswer {
    /// Runs that waited for it, then runs that it started.
    runs: Vec<String>,
}

/// Longest name: a document's ids have half of that.
const NAME_BYTES_MAX: usize = 128;

async fn publish(app: App, call: Call<Json<SignalRequest>>) -> Result<Answer, Problem> {
    let caller = call.caller()?;
    let organization = caller.may(Scope::RunsWrite)?;
    let SignalRequest { name, payload } = &call.body.0;
    if name.is_empty() || name.len() > NAME_BYTES_MAX {
        let detail = format!("a name is 1 to {NAME_BYTES_MAX} bytes");
        return Err(Problem::invalid("event.bad_name", detail));
    }
    // One event is many commits, so its audit row is one of its own, before them.
    let row = Change::by(caller, organization, &call.head, name, app.now());
    app.desk.commit(row).await?;
    let took = app.engine.publish(organization, name, payload.clone()).await?;
    Answer::ok(&SignalAnswer { runs: took.iter().map(ToString::to_string).collect() })
}
