//! Triggers: from something that happened to a run's start.
//!
//! What happened is `event` to the trigger's `input` and `dedupe_key`. The same dedupe key starts
//! one run only; the key is kept by the commit that starts it.

use std::sync::Arc;

use serde_json::Value;

use super::Engine;
use super::error::Error;
use super::start::{RunHandle, Start};
use crate::error::{ErrorKind, RunError};
use crate::expr::{Scope, StepView, Template};
use crate::ids::{ContentHash, Organization};
use crate::pipeline::{Pipeline, Trigger};

impl Engine {
    /// Starts a run of a stored pipeline because its trigger `trigger` was set off by `event`.
    ///
    /// # Errors
    /// [`Error::NotFound`] for the pipeline or the trigger; else as [`Engine::start`].
    pub async fn trigger(
        &self,
        organization: &Organization,
        pipeline: &str,
        trigger: &str,
        event: Value,
    ) -> Result<RunHandle, Error> {
        let pipeline = self.named(organization, pipeline).await?;
        self.start(start(organization, &pipeline, trigger, event, None)?).await
    }

    /// The same for an event that carries an id of its own, as a webhook's delivery does: where the
    /// trigger's `dedupe_key` gives none, the same id starts one run only. Remembered as long as an
    /// idempotency key.
    ///
    /// # Errors
    /// As [`Engine::trigger`].
    pub async fn trigger_once(
        &self,
        organization: &Organization,
        pipeline: &str,
        trigger: &str,
        event: Value,
        id: &str,
    ) -> Result<RunHandle, Error> {
        let pipeline = self.named(organization, pipeline).await?;
        self.start(start(organization, &pipeline, trigger, event, Some(id))?).await
    }

    /// Starts a run of each stored pipeline that has an `event` trigger for this name.
    pub(crate) async fn trigger_all(
        &self,
        organization: &Organization,
        name: &str,
        event: &Value,
    ) -> Result<Vec<RunHandle>, Error> {
        let mut started = Vec::new();
        for stored in self.pipelines(organization).await? {
            let pipeline = self.version(organization, stored.version).await?;
            let wanted = |t: &&Trigger| matches(t, &pipeline, name, event);
            for trigger in pipeline.triggers.iter().filter(wanted) {
                let start = start(organization, &pipeline, &trigger.id, event.clone(), None)?;
                match self.start(start).await {
                    Ok(run) => started.push(run),
                    // One pipeline's quota or input is not another's trouble.
                    Err(Error::Refused(error)) => {
                        tracing::warn!(pipeline = %stored.name, %error, "an event started no run");
                    }
                    Err(error) => return Err(error),
                }
            }
        }
        Ok(started)
    }
}

/// Whether an event trigger is for this event. A `match` that cannot be evaluated does not match.
fn matches(trigger: &Trigger, pipeline: &Pipeline, name: &str, event: &Value) -> bool {
    if &*trigger.uses != "event" || trigger.with.get("event").and_then(Value::as_str) != Some(name)
    {
        return false;
    }
    let Some(condition) = &trigger.matches else { return true };
    let scope = EventScope { event: Arc::new(event.clone()), vars: pipeline.vars.clone() };
    condition.eval_bool(&scope).unwrap_or(false)
}

/// The start that a trigger's event asks for. The input is the trigger's `input`, else the event.
/// What tells a repeated event is the trigger's `dedupe_key`, else the event's own `id`.
pub(crate) fn start(
    organization: &Organization,
    pipeline: &Arc<Pipeline>,
    trigger: &str,
    event: Value,
    id: Option<&str>,
) -> Result<Start, Error> {
    let Some(found) = pipeline.triggers.iter().find(|t| &*t.id == trigger) else {
        return Err(Error::NotFound { what: "trigger", id: trigger.to_owned() });
    };
    let scope = EventScope { event: Arc::new(event), vars: pipeline.vars.clone() };
    let render = |template: &Template, place: &str| {
        template.render(&scope).map_err(|e| {
            let message = format!("in `{place}` of trigger `{trigger}`: {}", e.message);
            RunError::new(ErrorKind::InvalidInput, e.code, message)
        })
    };
    let input = match &found.input {
        Some(template) => render(template, "input")?,
        None => (*scope.event).clone(),
    };
    let mut start = Start::new(pipeline.clone(), input).organization(organization.clone());
    start.principal = Some(format!("{}:{trigger}", found.uses));
    let key = match &found.dedupe_key {
        Some(template) => render(template, "dedupe_key")?,
        None => Value::Null,
    };
    // Nothing is no key: events without one would all be the same.
    let text = match (key.is_null() || key == "", id) {
        (false, _) => Some(format!("{}/{trigger}/{key}", pipeline.name())),
        // No JSON value begins so: an event's own id never meets a `dedupe_key`.
        (true, Some(id)) => Some(format!("{}/{trigger}/id:{id}", pipeline.name())),
        (true, None) => None,
    };
    if let Some(text) = text {
        // Hashed: a key may hold anything, an idempotency key is visible ASCII.
        start.idempotency_key = Some(format!("trigger:{}", ContentHash::of(text.as_bytes())));
        start.dedupes = true;
    }
    Ok(start)
}

/// What a trigger's templates see.
struct EventScope {
    event: Arc<Value>,
    vars: Arc<Value>,
}

impl Scope for EventScope {
    fn root(&self, name: &str) -> Option<Arc<Value>> {
        match name {
            "event" => Some(self.event.clone()),
            "vars" => Some(self.vars.clone()),
            _ => None,
        }
    }

    fn step(&self, _id: &str) -> Option<StepView> {
        None
    }
}
