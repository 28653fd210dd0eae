//! From what somebody wrote to a pipeline, with everything that is wrong with it at once: its shape
//! and, as far as that leaves a document, what its parts mean together.

use std::sync::Arc;

use serde_json::Value;

use crate::document::{self, Format, Issue, Parsed, PipelineDocument, Spans, in_order};
use crate::engine::{Engine, Error};
use crate::ids::Organization;
use crate::limits;
use crate::pipeline::Pipeline;

impl Engine {
    /// Reads a document in YAML or JSON, validates and compiles it.
    ///
    /// # Errors
    /// [`Error::Invalid`] with every problem found, each with its line.
    pub async fn compile_text(
        &self,
        organization: &Organization,
        text: &str,
    ) -> Result<Arc<Pipeline>, Error> {
        Ok(self.read(organization, text, Format::Auto).await?.0)
    }

    /// The same, with the document and where its values stand in the text.
    ///
    /// # Errors
    /// As [`Engine::compile_text`].
    pub async fn read(
        &self,
        organization: &Organization,
        text: &str,
        format: Format,
    ) -> Result<(Arc<Pipeline>, Parsed), Error> {
        let (parsed, issues) = document::parse_on(text, format).map_err(Error::Invalid)?;
        let Parsed { document, spans } = &parsed;
        let pipeline = self.compile_on(organization, document, Some(spans), issues).await?;
        Ok((pipeline, parsed))
    }

    /// The same for a document that is JSON already; its problems have no line.
    ///
    /// # Errors
    /// As [`Engine::compile_text`].
    pub async fn compile_value(
        &self,
        organization: &Organization,
        value: &Value,
    ) -> Result<Arc<Pipeline>, Error> {
        let read = PipelineDocument::read_on(value, None);
        let (document, issues) = read.map_err(Error::Invalid)?;
        self.compile_on(organization, &document, None, issues).await
    }

    async fn compile_on(
        &self,
        organization: &Organization,
        document: &PipelineDocument,
        spans: Option<&Spans>,
        issues: Vec<Issue>,
    ) -> Result<Arc<Pipeline>, Error> {
        let compiled = self.compile(organization, document, spans).await;
        if issues.is_empty() {
            return compiled;
        }
        let more = match compiled {
            Err(Error::Invalid(more)) => more,
            _ => Vec::new(),
        };
        Err(Error::Invalid(together(issues, more)))
    }
}

/// What is wrong with the shape, and of the rest what does not come from that: nothing about an
/// object that has a misspelled key, or about what is in it.
fn together(shape: Vec<Issue>, meaning: Vec<Issue>) -> Vec<Issue> {
    let parents: Vec<String> = shape.iter().map(|issue| parent(&issue.pointer)).collect();
    let follows = |pointer: &str| {
        parents.iter().any(|parent| match pointer.strip_prefix(parent.as_str()) {
            Some(rest) => rest.is_empty() || (rest.starts_with('/') && !parent.is_empty()),
            None => false,
        })
    };
    let mut all = shape.clone();
    all.extend(meaning.into_iter().filter(|issue| !follows(&issue.pointer)));
    all.truncate(limits::ISSUES_MAX);
    in_order(all)
}

fn parent(pointer: &str) -> String {
    pointer.rsplit_once('/').map_or("", |(parent, _)| parent).to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::connector::Catalog;
    use crate::store::MemoryStore;

    #[tokio::test]
    async fn a_misspelled_key_hides_nothing_elsewhere_and_what_follows_from_it_is_not_said() {
        let engine = Engine::builder(MemoryStore::new(), Catalog::new()).build().await.unwrap();
        let codes = async |text: &str| {
            let read = engine.compile_text(&Organization::local(), text).await;
            let Err(Error::Invalid(issues)) = read else { panic!("{read:?}") };
            issues.iter().map(|i| format!("{} {}", i.pointer, i.code)).collect::<Vec<_>>()
        };
        let steps = "{id: a, uses: core/st}, {id: b, use: core/set}, {id: a, uses: core/stop}";
        let text = format!("schema: levqor/v1\nname: x\nstpes: 1\nsteps: [{steps}]");
        assert_eq!(
            codes(&text).await,
            [
                "/stpes document.unknown_key",
                "/steps/0/uses document.unknown_action",
                "/steps/1/use document.unknown_key",
                "/steps/2/id document.duplicate_id",
            ]
        );
        let value = serde_json::json!({
            "schema": "levqor/v1", "name": "x", "timeout": 5,
            "steps": [{ "id": "a", "uses": "core/st" }],
        });
        let read = engine.compile_value(&Organization::local(), &value).await;
        let Err(Error::Invalid(issues)) = read else { panic!("{read:?}") };
        let found: Vec<_> = issues.iter().map(|i| &*i.code).collect();
        assert_eq!(found, ["document.duration", "document.unknown_action"]);
    }
}
