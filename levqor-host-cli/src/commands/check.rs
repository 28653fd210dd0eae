//! `check`: documents against the catalog, all problems of all files at once.

use std::sync::Arc;

use levqor_core::document::{self, Format};
use levqor_core::engine::Error;
use levqor_core::pipeline::Pipeline;
use serde_json::json;

use crate::args::{CheckArgs, Global};
use crate::diagnostics::{self, Count};
use crate::exit::Exit;
use crate::failure::{Failure, Result};
use crate::files::{self, Source};
use crate::output::Output;
use crate::session::Session;

pub(crate) async fn check(global: &Global, output: Output, args: CheckArgs) -> Result<()> {
    let session = Session::open_to_read(global, output).await?;
    let mut wrong = false;
    for file in &args.files {
        let source = files::read_text(file.as_ref())?;
        let (name, issues) = match compile(&session, &source).await {
            Ok((pipeline, _)) => (Some(pipeline.name().to_owned()), Vec::new()),
            Err(Problem::Issues(issues)) => (None, issues),
            Err(Problem::Failure(failure)) => return Err(failure),
        };
        let count = Count::of(&issues);
        wrong |= count.errors > 0;
        diagnostics::show_text(output, &source.name, &source.text, &issues);
        let found: Vec<_> = issues.iter().map(|i| diagnostics::to_json(&source.name, i)).collect();
        let item = json!({
            "file": source.name, "valid": count.errors == 0, "name": name, "issues": found,
        });
        output.item(&item, || match name {
            Some(name) => format!("{}: ok, pipeline {name}", source.name),
            None => format!("{}: {}", source.name, count.text()),
        })?;
    }
    if wrong { Err(Failure::silent(Exit::Invalid)) } else { Ok(()) }
}

/// Why a document is not a pipeline.
pub(crate) enum Problem {
    Issues(Vec<document::Issue>),
    Failure(Failure),
}

/// Parses and compiles a document against the session's catalog and stored pipelines.
pub(crate) async fn compile(
    session: &Session,
    source: &Source,
) -> std::result::Result<(Arc<Pipeline>, document::Parsed), Problem> {
    match session.engine.read(&session.organization, &source.text, Format::Auto).await {
        Ok(read) => Ok(read),
        Err(Error::Invalid(issues)) => Err(Problem::Issues(issues)),
        Err(error) => Err(Problem::Failure(error.into())),
    }
}

/// The same for verbs that need a pipeline: issues are shown and end the command.
pub(crate) async fn compile_or_show(
    session: &Session,
    source: &Source,
) -> Result<(Arc<Pipeline>, document::Parsed)> {
    match compile(session, source).await {
        Ok(compiled) => Ok(compiled),
        Err(Problem::Issues(issues)) => {
            diagnostics::show(session.output, &source.name, &source.text, &issues);
            let message = format!("{} has {}", source.name, Count::of(&issues).text());
            Err(Failure::new(Exit::Invalid, "document.invalid", message))
        }
        Err(Problem::Failure(failure)) => Err(failure),
    }
}

/// A pipeline from a file, from stdin, or stored under a name.
pub(crate) async fn file_or_name(session: &Session, word: &str) -> Result<Arc<Pipeline>> {
    let looks_like_file = word == "-"
        || word.contains(['/', '\\'])
        || [".yaml", ".yml", ".json"].iter().any(|end| word.ends_with(end))
        || std::path::Path::new(word).is_file();
    if looks_like_file {
        let source = files::read_text(word.as_ref())?;
        return Ok(compile_or_show(session, &source).await?.0);
    }
    session.engine.named(&session.organization, word).await.map_err(|error| match error {
        Error::NotFound { .. } => {
            let message = format!("there is no file and no stored pipeline `{word}`");
            Failure::new(Exit::Refused, "engine.not_found", message).help("levqor pipelines list")
        }
        other => other.into(),
    })
}
