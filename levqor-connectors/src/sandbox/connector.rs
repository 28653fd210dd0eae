//! [`PluginConnector`]: a loaded plugin as the engine's [`Connector`].

use std::sync::Arc;
use std::time::{Duration, Instant};

use async_trait::async_trait;
use indexmap::IndexMap;
use jsonschema::Validator;
use levqor_core::connector::{Call, Connector, Manifest, Outcome};
use levqor_core::error::{ErrorKind, RunError};

use super::bindings::types::TaskContext;
use super::broker::{Broker, Nothing, Scope};
use super::outcome;
use super::plugin::{CallLimits, LoadError, Plugin};
use super::state::Granted;
use crate::limits;

/// A loaded plugin as a connector, with the broker that answers its imports.
pub struct PluginConnector {
    plugin: Plugin,
    name: Arc<str>,
    broker: Arc<dyn Broker>,
    limits: CallLimits,
    config: String,
    outputs: IndexMap<String, Validator>,
}

impl std::fmt::Debug for PluginConnector {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("PluginConnector").field("plugin", &self.plugin).finish_non_exhaustive()
    }
}

impl PluginConnector {
    /// The plugin with nothing granted: no network, credential, state or secret. Pure computing
    /// works.
    ///
    /// # Errors
    /// When an output schema of its manifest cannot be used.
    pub fn sealed(plugin: Plugin) -> Result<Self, LoadError> {
        let limits = CallLimits {
            memory_bytes: limits::MEMORY_BYTES_MAX,
            time_ms: levqor_core::limits::CALL_MS_MAX,
        };
        Self::new(plugin, Arc::new(Nothing), limits, "{}".to_owned())
    }

    pub(crate) fn new(
        plugin: Plugin,
        broker: Arc<dyn Broker>,
        limits: CallLimits,
        config: String,
    ) -> Result<Self, LoadError> {
        let mut outputs = IndexMap::new();
        for (name, action) in &plugin.manifest().actions {
            let validator = jsonschema::validator_for(&action.output_schema)
                .map_err(|e| LoadError::Manifest(format!("action `{name}`: output schema: {e}")))?;
            outputs.insert(name.clone(), validator);
        }
        let name = plugin.manifest().name.as_str().into();
        Ok(Self { plugin, name, broker, limits, config, outputs })
    }

    /// The plugin behind it.
    #[must_use]
    pub fn plugin(&self) -> &Plugin {
        &self.plugin
    }

    fn context(&self, call: &Call<'_>, time_left_ms: u64) -> TaskContext {
        TaskContext {
            run_id: call.run.to_string(),
            step_id: call.step.to_owned(),
            attempt: call.attempt,
            idempotency_key: call.idempotency_key.to_owned(),
            time_left_ms,
            config: self.config.clone(),
            traceparent: call.traceparent.map(str::to_owned),
        }
    }
}

#[async_trait]
impl Connector for PluginConnector {
    fn manifest(&self) -> &Manifest {
        self.plugin.manifest()
    }

    async fn run_task(&self, call: Call<'_>) -> Outcome {
        let Some(schema) = self.outputs.get(call.action) else {
            let message = format!("connector `{}` has no action `{}`", self.name, call.action);
            let error = RunError::new(ErrorKind::NotFound, "connector.unknown_action", message);
            return Outcome::Failed { error };
        };
        let time_ms = call.time_left_ms.min(self.limits.time_ms);
        let deadline = Instant::now() + Duration::from_millis(time_ms);
        let scope = Arc::new(Scope::new(
            call.organization.clone(),
            call.run,
            call.step,
            call.credential,
            deadline,
        ));
        let granted = Granted {
            connector: Arc::clone(&self.name),
            broker: Arc::clone(&self.broker),
            scope: Arc::clone(&scope),
        };
        let limits = CallLimits { time_ms, ..self.limits };
        let input = call.input.to_string();
        let context = self.context(&call, time_ms);
        let answer = self.plugin.call(limits, granted, call.action, &input, &context).await;
        outcome::of(&self.name, Some(schema), &scope, answer)
    }
}
