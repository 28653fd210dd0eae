//! `dlq`: runs that ended with something a person should look at.

use serde::Serialize;
use serde_json::json;

use super::run::resume;
use super::runs::{look, text_of};
use crate::args::{DlqVerb, Global};
use crate::exit::Exit;
use crate::failure::{Failure, Result};
use crate::output::Output;
use crate::session::Session;

/// A dead letter with its run's id.
#[derive(Serialize)]
struct Row {
    id: levqor_core::ids::RunId,
    #[serde(flatten)]
    letter: levqor_core::engine::DeadLetter,
}

pub(crate) async fn dlq(global: &Global, output: Output, verb: DlqVerb) -> Result<()> {
    let session = Session::open_present(global, output).await?;
    let (engine, organization) = (&session.engine, &session.organization);
    match verb {
        DlqVerb::List { limit, before } => {
            let page = engine.dead_letters(organization, before, limit).await?;
            let rows: Vec<Row> =
                page.data.into_iter().map(|(id, letter)| Row { id, letter }).collect();
            let head = ["run", "pipeline", "since", "error"];
            output.list(&rows, page.next.map(|n| n.to_string()), &head, |row| {
                let error = row.letter.error.as_ref().map(ToString::to_string);
                vec![
                    row.id.to_string(),
                    row.letter.pipeline.clone(),
                    row.letter.at.to_string(),
                    error.unwrap_or_default(),
                ]
            })
        }
        DlqVerb::Show { run } => {
            let shown = look(&session, run).await?;
            output.item(&shown, || text_of(&shown))?;
            output.note(&format!(
                "\ntry again:  {}",
                session.command(&["dlq", "retry", &run.to_string()])
            ));
            output.note(&format!(
                "or drop it: {}",
                session.command(&["dlq", "discard", &run.to_string()])
            ));
            Ok(())
        }
        DlqVerb::Retry { run, max_credits } => {
            let status = engine.summary(organization, run).await?.status;
            if !status.is_final() {
                let message = format!("{run} is {}: it is no dead letter", status.as_str());
                return Err(Failure::new(Exit::Refused, "run.not_ended", message));
            }
            resume(&session, run, max_credits).await
        }
        DlqVerb::Discard { run } => {
            engine.discard(organization, run).await?;
            let item = json!({ "id": run, "discarded": true });
            output.item(&item, || format!("{run} discarded"))
        }
    }
}
