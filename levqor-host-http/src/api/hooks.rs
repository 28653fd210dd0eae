//! `POST /hooks/{endpoint}`: where senders' webhooks arrive.

use axum::http::{Method, StatusCode, Uri};
use schemars::{Schema, SchemaGenerator};

use crate::app::App;
use crate::hooks::receive::{self, HookAnswer};
use crate::http::{Answer, Call, Problem, Query, Raw};
use crate::route::{Access, Route, Tag};

pub(super) fn routes() -> Vec<Route> {
    vec![
        Route::new(Method::POST, "/hooks/{endpoint}", "receive_webhook", Tag::Webhooks)
            .access(Access::Signed)
            .about("Take a signed webhook and start a run of its endpoint's pipeline")
            .answers::<HookAnswer>(StatusCode::OK, "it is taken; a repetition names the same run")
            .to(receive),
    ]
}

/// Whatever a vendor adds to the address it was given; Twilio signs it.
struct AnyQuery;

impl Query for AnyQuery {
    fn read(_uri: &Uri) -> Result<Self, Problem> {
        Ok(Self)
    }

    fn describe(_generator: &mut SchemaGenerator) -> Option<Schema> {
        None
    }
}

async fn receive(app: App, call: Call<Raw, AnyQuery>) -> Result<Answer, Problem> {
    let answer = receive::receive(&app, call.part("endpoint"), &call.head, &call.body.0).await?;
    Answer::ok(&answer)
}
