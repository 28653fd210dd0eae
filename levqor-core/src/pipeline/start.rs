//! Triggers at run time: whether an event starts a run, with which input, and once per what.
//!
//! Pure. Who receives events and starts runs is the engine and its hosts.

use std::sync::Arc;

use serde_json::Value;

use super::Pipeline;
use crate::expr::{ExprError, Scope, StepView};
use crate::ids::ContentHash;
use crate::limits;
use crate::time::Timestamp;

/// A trigger as hosts see it.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub struct TriggerView<'a> {
    /// Its id in the document.
    pub id: &'a str,
    /// `webhook`, `schedule` or `event`.
    pub uses: &'a str,
    /// Its settings, checked.
    pub with: &'a Value,
}

/// The run that an event starts.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct TriggerStart {
    /// The run's input; not yet checked against the pipeline's `input_schema`.
    pub input: Value,
    /// Two events with the same key start one run.
    pub dedupe_key: Option<String>,
}

/// What a trigger's expressions see.
struct Event<'a> {
    event: &'a Arc<Value>,
    vars: &'a Arc<Value>,
    now: Timestamp,
}

impl Scope for Event<'_> {
    fn root(&self, name: &str) -> Option<Arc<Value>> {
        match name {
            "event" => Some(Arc::clone(self.event)),
            "vars" => Some(Arc::clone(self.vars)),
            "now" => Some(Arc::new(Value::from(self.now.to_string()))),
            _ => None,
        }
    }

    fn step(&self, _: &str) -> Option<StepView> {
        None
    }
}

impl Pipeline {
    /// Its triggers, in document order.
    pub fn triggers(&self) -> impl Iterator<Item = TriggerView<'_>> {
        self.triggers.iter().map(|t| TriggerView { id: &t.id, uses: &t.uses, with: &t.with })
    }

    /// The run that `event` starts by the trigger `id`; `None` where there is no such trigger or
    /// its `match` is false.
    ///
    /// # Errors
    /// [`ExprError`] when an expression of the trigger cannot be evaluated over the event.
    pub fn on_event(
        &self,
        id: &str,
        event: &Arc<Value>,
        now: Timestamp,
    ) -> Result<Option<TriggerStart>, ExprError> {
        let Some(trigger) = self.triggers.iter().find(|t| &*t.id == id) else { return Ok(None) };
        let scope = Event { event, vars: &self.vars, now };
        if let Some(matches) = &trigger.matches
            && !matches.eval_bool(&scope)?
        {
            return Ok(None);
        }
        let input = match &trigger.input {
            Some(input) => input.render(&scope)?,
            None => Value::clone(event),
        };
        let key = trigger.dedupe_key.as_ref().map(|key| key.render(&scope)).transpose()?;
        Ok(Some(TriggerStart { input, dedupe_key: key.and_then(|key| text_key(&key)) }))
    }
}

/// A key as text: nothing for null and empty, a hash for what is too long to be a key.
pub(crate) fn text_key(value: &Value) -> Option<String> {
    let text = match value {
        Value::Null => return None,
        Value::String(text) => text.clone(),
        other => other.to_string(),
    };
    match text.len() {
        0 => None,
        1..=limits::IDEMPOTENCY_KEY_BYTES_MAX => Some(text),
        _ => Some(ContentHash::of(text.as_bytes()).to_string()),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::connector::Catalog;
    use crate::document::{Format, parse};

    #[test]
    fn events_start_runs_once_per_key() {
        let text = "
schema: levqor/v1
name: t
vars: {least: 3}
triggers:
  - {id: hook, uses: webhook, with: {verify: none}, dedupe_key: '${{ event.id }}'}
  - {id: paid, uses: event, with: {event: paid, match: event.sum > vars.least}, input: {sum: '${{ event.sum }}'}}
steps: [{id: a, uses: core/set}]
";
        let parsed = parse(text, Format::Yaml).unwrap();
        let pipeline =
            super::super::compile(&parsed.document, None, &Catalog::new(), &|_| None).unwrap();
        let of = |id: &str, event: Value| {
            pipeline.on_event(id, &Arc::new(event), Timestamp(0)).map_err(|e| e.code)
        };
        let start = |input: Value, key: Option<&str>| {
            Ok(Some(TriggerStart { input, dedupe_key: key.map(str::to_owned) }))
        };
        assert_eq!(of("hook", json!({"id": 7})), start(json!({"id": 7}), Some("7")));
        assert_eq!(of("hook", json!({"id": null})), start(json!({"id": null}), None));
        assert_eq!(of("hook", json!({})), Err("expr.undefined"));
        assert_eq!(of("paid", json!({"sum": 4})), start(json!({"sum": 4}), None));
        assert_eq!(of("paid", json!({"sum": 3})), Ok(None));
        assert_eq!(of("nobody", json!({})), Ok(None));
        let long = of("hook", json!({"id": "x".repeat(300)})).unwrap().unwrap();
        assert_eq!(long.dedupe_key.map(|k| k.len()), Some(64));
        let seen: Vec<_> = pipeline.triggers().map(|t| (t.id, t.uses)).collect();
        assert_eq!(seen, [("hook", "webhook"), ("paid", "event")]);
    }
}
