//! Backups: which there are, and taking one now.

use axum::http::{Method, StatusCode};
use schemars::JsonSchema;
use serde::Serialize;

use crate::app::App;
use crate::backup::{Backup, FailedBackup};
use crate::caller::Scope;
use crate::desk::Change;
use crate::http::{Answer, Call, Problem};
use crate::route::{Route, Tag};

pub(super) fn routes() -> Vec<Route> {
    vec![
        Route::new(Method::GET, "/ops/backup", "list_backups", Tag::Ops)
            .scope(Scope::OpsRead)
            .about("Verified backups, newest first, and what went wrong")
            .answers::<BackupList>(StatusCode::OK, "as of now")
            .to(backups),
        Route::new(Method::POST, "/ops/backup", "take_backup", Tag::Ops)
            .scope(Scope::OpsWrite)
            .about("Take a backup now; what became of it is in the list")
            .answers::<BackupBegun>(StatusCode::ACCEPTED, "it is being taken")
            .to(take_backup),
    ]
}

/// Backups.
#[derive(Debug, Serialize, JsonSchema)]
struct BackupList {
    /// Verified ones, newest first.
    data: Vec<Backup>,
    /// What went wrong since the start, newest first.
    failures: Vec<FailedBackup>,
    /// Whether one is being taken.
    running: bool,
}

async fn backups(app: App, call: Call) -> Result<Answer, Problem> {
    call.caller()?.may(Scope::OpsRead)?;
    let (data, failures) = (app.backups.list(), app.backups.failures());
    Answer::ok(&BackupList { data, failures, running: app.backups.is_running() })
}

/// A backup that is being taken.
#[derive(Debug, Serialize, JsonSchema)]
struct BackupBegun {
    /// Always `running`.
    status: &'static str,
}

async fn take_backup(app: App, call: Call) -> Result<Answer, Problem> {
    let caller = call.caller()?;
    let organization = caller.may(Scope::OpsWrite)?;
    let begun = app.backups.begin();
    let taking = begun.map_err(|busy| Problem::conflict(busy.code(), busy.to_string()))?;
    let change = Change::by(caller, organization, &call.head, "backup", app.now());
    app.desk.commit(change).await?;
    let (store, clock) = (app.engine.store().clone(), app.engine.clock().clone());
    // What became of it stands in the list, is counted and logged.
    tokio::spawn(async move { drop(taking.take(store, clock).await) });
    Answer::json(StatusCode::ACCEPTED, &BackupBegun { status: "running" })
}
