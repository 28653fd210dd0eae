//! Flags: what can be turned off while the host runs, and who said so.

use std::collections::BTreeMap;

use axum::http::{Method, StatusCode};
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

use crate::app::App;
use crate::caller::Scope;
use crate::desk::Change;
use crate::flags::{Changed, Flag, Source};
use crate::http::{Answer, Call, Json, Problem};
use crate::route::{Route, Tag};

pub(super) fn routes() -> Vec<Route> {
    vec![
        Route::new(Method::GET, "/ops/flags", "list_flags", Tag::Ops)
            .scope(Scope::OpsRead)
            .about("Every flag, and who said what it is")
            .answers::<FlagList>(StatusCode::OK, "as of now")
            .to(flags),
        Route::new(Method::PATCH, "/ops/flags", "change_flags", Tag::Ops)
            .scope(Scope::OpsWrite)
            .about("Turn flags on or off, for every host of this store")
            .answers::<FlagList>(StatusCode::OK, "as they are now")
            .to(change_flags),
    ]
}

/// Every flag.
#[derive(Debug, Serialize, JsonSchema)]
struct FlagList {
    /// The flags.
    data: Vec<FlagState>,
}

/// One flag.
#[derive(Debug, Serialize, JsonSchema)]
struct FlagState {
    /// Its name.
    name: Flag,
    /// Whether it is on.
    on: bool,
    /// Who said so.
    source: Source,
    /// What it is for.
    about: &'static str,
}

fn flag_list(app: &App) -> Result<Answer, Problem> {
    let state = |name: Flag| {
        let (on, source) = app.flags.state(name);
        FlagState { name, on, source, about: name.about() }
    };
    Answer::ok(&FlagList { data: Flag::ALL.map(state).into() })
}

async fn flags(app: App, call: Call) -> Result<Answer, Problem> {
    call.caller()?.may(Scope::OpsRead)?;
    flag_list(&app)
}

/// Flags to change.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct FlagChange {
    /// Each flag's new state.
    #[schemars(schema_with = "each_flag")]
    flags: BTreeMap<Flag, bool>,
}

/// An object that may have each flag, and nothing else.
fn each_flag(_: &mut SchemaGenerator) -> Schema {
    let flags = Flag::ALL.map(|flag| {
        let about = json!({ "type": "boolean", "description": flag.about() });
        (flag.as_str().to_owned(), about)
    });
    json_schema!({
        "type": "object",
        "minProperties": 1,
        "additionalProperties": false,
        "properties": flags.into_iter().collect::<Map<String, Value>>(),
    })
}

async fn change_flags(app: App, call: Call<Json<FlagChange>>) -> Result<Answer, Problem> {
    let caller = call.caller()?;
    let organization = caller.may(Scope::OpsWrite)?;
    let asked = &call.body.0.flags;
    if asked.is_empty() {
        return Err(Problem::invalid(
            "flags.none",
            "name a flag, as {\"flags\": {\"planner\": true}}",
        ));
    }
    if let Some(flag) = asked.keys().find(|flag| app.flags.state(**flag).1 == Source::Environment) {
        let detail = format!("`{}` is set by the environment, which wins", flag.as_str());
        return Err(Problem::conflict("flags.overridden", detail));
    }
    let read = app.desk.get::<Changed>(&["all"]).await?;
    let mut changed = read.as_ref().map(|(changed, _)| changed.clone()).unwrap_or_default();
    changed.flags.extend(asked);
    let words = asked.iter().map(|(flag, on)| format!("{}={on}", flag.as_str()));
    let target = words.collect::<Vec<_>>().join(",");
    let change = Change::by(caller, organization, &call.head, &target, app.now());
    let change = match read {
        Some((_, revision)) => change.replace(&["all"], revision, &changed),
        None => change.insert(&["all"], &changed),
    };
    app.desk.commit(change).await?;
    app.flags.requested(changed);
    // What waited for a flag need not wait for the next look.
    app.post.ready.notify_one();
    flag_list(&app)
}
