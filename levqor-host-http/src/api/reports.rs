//! What browsers tell of a page's policy that stopped something.

use axum::http::{Method, StatusCode};

use crate::app::App;
use crate::http::{Answer, Call, Problem, Raw};
use crate::route::{Route, Tag};

/// A report with the sample of one violation; browsers send some at once.
const REPORT_BYTES_MAX: usize = 8 * 1024;

pub(super) fn routes() -> Vec<Route> {
    vec![
        Route::new(Method::POST, "/ops/csp-report", "csp_report", Tag::Ops)
            .about("Takes a browser's report of what a page's policy stopped; into the log")
            .body_bytes_max(REPORT_BYTES_MAX)
            .answers_media(StatusCode::NO_CONTENT, "", "it is in the log")
            .to(report),
    ]
}

async fn report(_app: App, call: Call<Raw>) -> Result<Answer, Problem> {
    let text = String::from_utf8_lossy(&call.body.0);
    // Anybody can send this: escaped, as a field, and never as the message.
    tracing::warn!(report = ?text, request_id = &*call.head.request_id, "a page was stopped");
    Ok(Answer::nothing())
}
