//! `plan`: a draft from a sentence. Never runs it, costs nothing.

use levqor_core::document::{self, Format};
use levqor_core::pipeline;
use levqor_core::planner;
use serde_json::json;

use super::check::{Problem, compile};
use super::estimate::text_of;
use crate::args::{Global, PlanArgs};
use crate::diagnostics;
use crate::exit::Exit;
use crate::failure::{Failure, Result};
use crate::files::{self, Source};
use crate::output::{Format as Shape, Output};
use crate::session::Session;

pub(crate) async fn plan(global: &Global, output: Output, args: PlanArgs) -> Result<()> {
    let session = Session::open_to_read(global, output).await?;
    let goal = match args.goal.as_str() {
        "-" => files::read_text("-".as_ref())?.text,
        goal => goal.to_owned(),
    };
    let manifests = session.engine.catalog().manifests();
    let Some(draft) = planner::offline::draft(&manifests, goal.trim()) else {
        let message = "no connector here does any of that";
        return Err(Failure::new(Exit::Refused, "plan.no_match", message)
            .help("levqor plugins list shows what there is; say it with those words"));
    };
    let text = format!("{:#}\n", draft.document);
    let source = Source { name: "<draft>".to_owned(), text };
    let estimate = match compile(&session, &source).await {
        Ok((compiled, _)) => pipeline::estimate(&compiled, &json!({})),
        Err(Problem::Issues(issues)) => {
            diagnostics::show(output, &source.name, &source.text, &issues);
            return Err(Failure::new(Exit::Invalid, "document.invalid", "the draft has errors"));
        }
        Err(Problem::Failure(failure)) => return Err(failure),
    };
    output.note(&draft.note);
    if output.format == Shape::Text {
        output.note(&format!("\n{}\n", text_of(&estimate)));
        return output.raw(&yaml(&draft.document, &source.text));
    }
    let item = json!({
        "document": draft.document, "matched": draft.matched, "note": draft.note,
        "estimate": estimate,
    });
    output.item(&item, String::new)
}

/// The draft as people write documents; JSON, which is YAML as well, where it would not read back.
fn yaml(document: &serde_json::Value, fallback: &str) -> String {
    let text = crate::yaml::write(document);
    match document::parse_value(&text, Format::Yaml) {
        Ok((read, _)) if read == *document => text,
        _ => fallback.to_owned(),
    }
}
