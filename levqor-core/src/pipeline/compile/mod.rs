//! From a [`PipelineDocument`] to a [`Pipeline`]: what its parts mean together.
//!
//! Ids, references, actions, schemas, bounds: everything that can be known before a run is checked
//! here and reported at once. Pure; it does not read documents (that is [`crate::document`]) and
//! does not decide anything at run time.

mod actions;
mod block;
mod calls;
mod composites;
pub(crate) mod names;
mod needs;
mod schema;
mod settings;
mod sight;
#[cfg(test)]
mod tests;
mod triggers;

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use serde_json::Value;

use super::{InputSchema, Pipeline};
use crate::connector::Catalog;
use crate::document::{Issue, PipelineDocument, Spans, in_order};
use crate::ids::ContentHash;
use crate::limits;
use crate::nearest::nearest;
use names::Places;
use sight::Sight;

/// Checks a document against a catalog and compiles it.
///
/// `subs` finds the pipelines that `uses: pipeline/<name>` names; they are pinned. Without `spans`
/// issues have no place in a text.
///
/// # Errors
/// Every [`Issue`] found, in the order of the text.
pub fn compile(
    document: &PipelineDocument,
    spans: Option<&Spans>,
    catalog: &Catalog,
    subs: &dyn Fn(&str) -> Option<Arc<Pipeline>>,
) -> Result<Arc<Pipeline>, Vec<Issue>> {
    let mut compiler = Compiler {
        document,
        spans,
        catalog,
        find_sub: subs,
        issues: Vec::new(),
        places: Places::default(),
        subs: BTreeMap::new(),
        schemas: HashMap::new(),
        deepest: 0,
        retry_checked: false,
    };
    let pipeline = compiler.document();
    match pipeline {
        Some(pipeline) if compiler.issues.is_empty() => Ok(Arc::new(pipeline)),
        _ => Err(in_order(compiler.issues)),
    }
}

/// Issues that get a guess of what was meant.
const GUESSES_MAX: usize = 50;

/// One compilation under way.
struct Compiler<'a> {
    document: &'a PipelineDocument,
    spans: Option<&'a Spans>,
    catalog: &'a Catalog,
    find_sub: &'a dyn Fn(&str) -> Option<Arc<Pipeline>>,
    issues: Vec<Issue>,
    places: Places<'a>,
    /// Sub-pipelines found, by name.
    subs: BTreeMap<String, Arc<Pipeline>>,
    /// Compiled input schemas by `connector/action`.
    schemas: HashMap<String, Option<Arc<jsonschema::Validator>>>,
    /// Deepest nesting seen, sub-pipelines included.
    deepest: usize,
    /// The document's own `retry` was checked for an earlier step.
    retry_checked: bool,
}

impl<'a> Compiler<'a> {
    fn report(&mut self, code: &'static str, at: &str, message: impl Into<String>) {
        self.suggest(code, at, message, None::<String>);
    }

    fn suggest(
        &mut self,
        code: &'static str,
        at: &str,
        message: impl Into<String>,
        suggestion: Option<impl Into<String>>,
    ) {
        if !self.is_full() {
            self.issues.push(Issue::new(code, at, message, self.spans).suggest(suggestion));
        }
    }

    /// Enough issues were found: more are not made.
    fn is_full(&self) -> bool {
        self.issues.len() >= limits::ISSUES_MAX
    }

    /// The known name that was meant. Guesses are for the first few issues: each compares all.
    fn guess<'n>(&self, name: &str, known: impl IntoIterator<Item = &'n str>) -> Option<&'n str> {
        if self.issues.len() >= GUESSES_MAX { None } else { nearest(name, known) }
    }

    fn document(&mut self) -> Option<Pipeline> {
        let document = self.document;
        self.check_id(&document.name, "/name");
        if document.steps.is_empty() {
            self.report("document.empty", "/steps", "a pipeline has at least one step");
        }
        let count = self.collect_places();
        if count > limits::STEPS_MAX {
            let message =
                format!("a document has at most {} steps, not {count}", limits::STEPS_MAX);
            self.report("document.too_many_steps", "/steps", message);
            return None;
        }
        let top = Sight::top();
        let root = self.block(&document.steps, "/steps", &top, 1);
        let whole = top.with_steps(document.steps.iter().map(|s| s.id.as_str()));
        let on_failure = document
            .on_failure
            .as_ref()
            .map(|steps| self.block(steps, "/on_failure", &whole.with_name("error"), 1));
        let output =
            document.output.as_ref().and_then(|output| self.template(output, "/output", &whole));
        let input = self.input_schema();
        let limits = self.limits();
        let concurrency = self.concurrency();
        let triggers = self.triggers();
        self.check_credentials();
        let vars = self.vars();
        Some(Pipeline {
            name: document.name.as_str().into(),
            hash: self.hash(),
            source: document.to_canonical_json().into(),
            input,
            vars,
            root,
            on_failure,
            output,
            priority: self.priority(),
            timeout_ms: self.wait(document.timeout, "/timeout"),
            limits,
            concurrency,
            triggers,
            subs: std::mem::take(&mut self.subs),
            depth: self.deepest,
        })
    }

    /// The document's own hash and, where it has sub-pipelines, theirs.
    fn hash(&self) -> ContentHash {
        if self.subs.is_empty() {
            return self.document.content_hash();
        }
        let mut text = self.document.content_hash().to_string();
        for (name, pipeline) in &self.subs {
            text.push_str(&format!("\n{name} {}", pipeline.hash));
        }
        ContentHash::of(text.as_bytes())
    }

    fn input_schema(&mut self) -> Option<InputSchema> {
        let schema = self.document.input_schema.as_ref()?;
        match schema::validator(schema) {
            Ok(validator) => Some(InputSchema { schema: schema.clone(), validator }),
            Err(message) => {
                self.report("document.json_schema", "/input_schema", message);
                None
            }
        }
    }

    fn vars(&mut self) -> Arc<Value> {
        let vars: serde_json::Map<String, Value> =
            self.document.vars.iter().map(|(k, v)| (k.clone(), v.clone())).collect();
        let vars = Value::Object(vars);
        self.refuse_expressions(&vars, "/vars", "`vars` holds constants");
        Arc::new(vars)
    }
}
