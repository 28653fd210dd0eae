//! `uses`: connectors' actions and sub-pipelines.

use std::sync::Arc;

use serde_json::{Map, Value};

use super::Compiler;
use super::sight::Sight;
use crate::document::{Step, join};
use crate::limits;
use crate::pipeline::{Pipeline, StepKind};

impl<'a> Compiler<'a> {
    pub(super) fn uses(
        &mut self,
        step: &'a Step,
        at: &str,
        sight: &Sight<'a>,
        depth: usize,
    ) -> Option<StepKind> {
        let uses = step.uses.as_deref()?;
        let uses_at = join(at, "uses");
        let Some((connector, action)) = uses.split_once('/') else {
            return self.no_slash(uses, &uses_at);
        };
        let with = self.with(step, at)?;
        match connector {
            "core" => self.core(action, &with, at, sight),
            "pipeline" => self.sub(step, action, &with, at, sight, depth),
            _ => self.call(step, connector, action, &with, at, sight),
        }
    }

    /// `uses` without a slash: the action that was meant, where only one connector has it.
    fn no_slash(&mut self, uses: &str, at: &str) -> Option<StepKind> {
        let manifests = self.catalog.manifests();
        let core = super::actions::NAMES.contains(&uses).then(|| format!("`core/{uses}`"));
        let guess = core.or_else(|| {
            let owner = manifests.iter().find(|m| m.actions.contains_key(uses))?;
            Some(format!("`{}/{uses}`", owner.name))
        });
        let message = "`uses` is `connector/action`, `core/<action>` or `pipeline/<name>`";
        self.suggest("document.value", at, message, guess);
        None
    }

    /// The step's `with`, an empty object where absent.
    fn with(&mut self, step: &Step, at: &str) -> Option<Value> {
        match &step.with {
            None => Some(Value::Object(Map::new())),
            Some(with @ Value::Object(_)) => Some(with.clone()),
            Some(other) => {
                let kind = crate::document::reader::kind(other);
                let message = format!("expected an object, found {kind}");
                self.report("document.type", &join(at, "with"), message);
                None
            }
        }
    }

    fn call(
        &mut self,
        step: &'a Step,
        connector: &str,
        action: &str,
        with: &Value,
        at: &str,
        sight: &Sight<'a>,
    ) -> Option<StepKind> {
        let with_at = join(at, "with");
        let template = self.template(with, &with_at, sight);
        let credential = self.credential(step, connector, at);
        let uses_at = join(at, "uses");
        let Some(found) = self.catalog.get(connector) else {
            self.unknown_connector(connector, &uses_at);
            return None;
        };
        let manifest = found.manifest();
        let Some(known) = manifest.actions.get(action) else {
            let names = manifest.actions.keys().map(String::as_str);
            let list: Vec<String> = names.clone().take(40).map(|n| format!("`{n}`")).collect();
            let message = format!(
                "connector `{connector}` has no action `{action}`; it has {}",
                list.join(", ")
            );
            let guess = self.guess(action, names).map(|n| format!("`{connector}/{n}`"));
            self.suggest("document.unknown_action", &uses_at, message, guess);
            return None;
        };
        self.check_with(&format!("{connector}/{action}"), &known.input_schema, with, &with_at);
        let info = self.catalog.info(connector, action)?;
        Some(StepKind::Call {
            connector: connector.into(),
            action: action.into(),
            with: template?,
            credential,
            info,
        })
    }

    fn unknown_connector(&mut self, connector: &str, at: &str) {
        let manifests = self.catalog.manifests();
        let names = manifests.iter().map(|m| m.name.as_str()).chain(["core", "pipeline"]);
        let guess = self.guess(connector, names).map(|n| format!("`{n}`"));
        let message = format!("there is no connector `{connector}`");
        self.suggest("document.unknown_connector", at, message, guess);
    }

    /// The vault name of the step's credential: of its alias, else of the connector's name.
    fn credential(&mut self, step: &Step, connector: &str, at: &str) -> Option<Arc<str>> {
        let credentials = &self.document.credentials;
        let Some(alias) = step.credential.as_deref() else {
            return credentials.get(connector).map(|name| name.as_str().into());
        };
        if let Some(name) = credentials.get(alias) {
            return Some(name.as_str().into());
        }
        let guess = self.guess(alias, credentials.keys().map(String::as_str));
        let guess = guess.map(|n| format!("`{n}`"));
        let message = format!("`{alias}` is not in the document's `credentials`");
        self.suggest("document.unknown_credential", &join(at, "credential"), message, guess);
        None
    }

    fn sub(
        &mut self,
        step: &'a Step,
        name: &str,
        with: &Value,
        at: &str,
        sight: &Sight<'a>,
        depth: usize,
    ) -> Option<StepKind> {
        for (key, there) in
            [("credential", step.credential.is_some()), ("retry", step.retry.is_some())]
        {
            if there {
                let message = format!("`{key}` belongs to steps that call a connector");
                self.report("document.misplaced_key", &join(at, key), message);
            }
        }
        let template = self.template(with, &join(at, "with"), sight);
        let uses_at = join(at, "uses");
        if name == self.document.name {
            self.report("document.recursion", &uses_at, "the pipeline uses itself");
            return None;
        }
        let found = self.subs.get(name).cloned().or_else(|| (self.find_sub)(name));
        let Some(pipeline) = found else {
            let message = format!("there is no pipeline `{name}`");
            self.report("document.unknown_pipeline", &uses_at, message);
            return None;
        };
        if reaches(&pipeline, &self.document.name) {
            let message = format!("`{name}` uses this pipeline, directly or through another");
            self.report("document.recursion", &uses_at, message);
            return None;
        }
        if depth + pipeline.depth > limits::NESTING_MAX {
            let max = limits::NESTING_MAX;
            let message = format!("with `{name}` steps are nested more than {max} deep");
            self.report("document.nesting", &uses_at, message);
        }
        self.deepest = self.deepest.max(depth + pipeline.depth);
        self.check_sub_input(&pipeline, with, &join(at, "with"));
        self.subs.insert(name.to_owned(), Arc::clone(&pipeline));
        Some(StepKind::Sub { pipeline, with: template? })
    }

    fn check_sub_input(&mut self, pipeline: &Pipeline, with: &Value, at: &str) {
        if let Some(input) = &pipeline.input {
            let name = format!("pipeline/{}", pipeline.name);
            self.check_with(&name, &input.schema.clone(), with, at);
        }
    }
}

/// Whether `pipeline` is or uses a pipeline of this name.
fn reaches(pipeline: &Pipeline, name: &str) -> bool {
    &*pipeline.name == name || pipeline.subs.values().any(|sub| reaches(sub, name))
}
