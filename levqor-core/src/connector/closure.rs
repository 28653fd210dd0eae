//! [`FnConnector`]: closures as a connector, for embedders and tests.

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;

use async_trait::async_trait;
use indexmap::IndexMap;
use serde_json::Value;

use super::{ActionManifest, Call, Connector, Manifest, Outcome};
use crate::error::{ErrorKind, RunError};

type Made = Pin<Box<dyn Future<Output = Outcome> + Send>>;
type Handler = Arc<dyn Fn(Value) -> Made + Send + Sync>;

/// A connector whose actions are closures.
///
/// ```
/// use levqor_core::connector::{ActionManifest, FnConnector, Outcome};
/// use serde_json::json;
/// let math = FnConnector::new("math").action("add_one", ActionManifest::default(), |input| async move {
///     Outcome::done(json!(input["v"].as_i64().unwrap_or(0) + 1))
/// });
/// # let _ = math;
/// ```
#[derive(Clone)]
pub struct FnConnector {
    manifest: Manifest,
    handlers: IndexMap<String, Handler>,
}

impl fmt::Debug for FnConnector {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("FnConnector").field("manifest", &self.manifest).finish_non_exhaustive()
    }
}

impl FnConnector {
    /// A connector of this name without actions, version 1.0.0.
    #[must_use]
    pub fn new(name: impl Into<String>) -> Self {
        Self { manifest: Manifest::new(name, "1.0.0"), handlers: IndexMap::new() }
    }

    /// The same with one more action. The closure gets the step's rendered input.
    #[must_use]
    pub fn action<F, Fut>(mut self, name: &str, manifest: ActionManifest, handler: F) -> Self
    where
        F: Fn(Value) -> Fut + Send + Sync + 'static,
        Fut: Future<Output = Outcome> + Send + 'static,
    {
        self.manifest = self.manifest.action(name, manifest);
        self.handlers.insert(name.to_owned(), Arc::new(move |input| Box::pin(handler(input))));
        self
    }
}

#[async_trait]
impl Connector for FnConnector {
    fn manifest(&self) -> &Manifest {
        &self.manifest
    }

    async fn run_task(&self, call: Call<'_>) -> Outcome {
        match self.handlers.get(call.action) {
            Some(handler) => handler(call.input.clone()).await,
            None => Outcome::Failed {
                error: RunError::new(
                    ErrorKind::NotFound,
                    "connector.unknown_action",
                    format!("connector `{}` has no action `{}`", self.manifest.name, call.action),
                ),
            },
        }
    }
}
