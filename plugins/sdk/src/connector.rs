//! [`Connector`] and [`Action`]: a connector as a list of typed functions.
//!
//! Built anew for each call, so nothing here is computed before it is needed: names are static, a
//! plain function takes no memory, and the schemas are made only when `describe` asks for them.

use std::fmt;

use schemars::{JsonSchema, Schema};
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::Ctx;
use crate::credential::Credential;
use crate::error::{Result, TaskError};
use crate::manifest::{
    ABI, ActionManifest, CredentialManifest, Idempotency, Manifest, Price, Wants,
};
use crate::schema::{input_schema, output_schema, parse};

/// A connector: its name, what it may touch, and its actions.
#[derive(Debug)]
pub struct Connector {
    name: &'static str,
    version: &'static str,
    description: &'static str,
    hosts: Vec<&'static str>,
    credentials: Vec<CredentialManifest>,
    wants: Wants,
    actions: Vec<Action>,
}

impl Connector {
    /// A connector without actions. `name` is what documents write before the slash (`slack` in
    /// `slack/post_message`): lowercase letters, digits, `-` and `_`. `version` is usually
    /// `env!("CARGO_PKG_VERSION")`.
    #[must_use]
    pub fn new(name: &'static str, version: &'static str) -> Self {
        Self {
            name,
            version,
            description: "",
            hosts: Vec::new(),
            credentials: Vec::new(),
            wants: Wants::default(),
            actions: Vec::new(),
        }
    }

    /// One line for people and for the planner.
    #[must_use]
    pub fn description(mut self, description: &'static str) -> Self {
        self.description = description;
        self
    }

    /// A host it wishes to reach: `api.stripe.com`, `*.slack.com`, or `*` (any the operator
    /// grants). A request to another one is refused by the host.
    #[must_use]
    pub fn host(mut self, host: &'static str) -> Self {
        self.hosts.push(host);
        self
    }

    /// A credential its requests can name. The connector never sees the value.
    #[must_use]
    pub fn credential(mut self, credential: Credential) -> Self {
        self.credentials.push(credential.0);
        self
    }

    /// Asks for [`Ctx::state`]: small durable memory of its own.
    #[must_use]
    pub fn wants_state(mut self) -> Self {
        self.wants.state = true;
        self
    }

    /// Asks for [`Ctx::reveal`]: to read a secret itself. Few operators grant it.
    #[must_use]
    pub fn wants_secrets(mut self) -> Self {
        self.wants.reveal_secrets = true;
        self
    }

    /// One more action.
    #[must_use]
    pub fn action(mut self, action: Action) -> Self {
        self.actions.push(action);
        self
    }

    /// The manifest the host reads: schemas come from the actions' types.
    #[must_use]
    pub fn manifest(&self) -> Manifest {
        Manifest {
            abi: ABI,
            name: self.name,
            version: self.version,
            description: self.description,
            actions: self.actions.iter().map(|a| (a.name, a.manifest())).collect(),
            hosts: self.hosts.clone(),
            credentials: self.credentials.clone(),
            wants: self.wants,
        }
    }

    /// Runs one action on JSON text and gives JSON text. What the host's call ends in; tests use
    /// [`crate::testing::Harness`] instead.
    ///
    /// # Errors
    /// [`TaskError::InvalidInput`] for an unknown action or an input that does not fit its type,
    /// else what the action says.
    pub fn run(&self, action: &str, input: &str, ctx: &Ctx) -> Result<String> {
        let Some(found) = self.find(action) else {
            return Err(
                TaskError::invalid_input(format!("no action `{action}`")).code("unknown_action")
            );
        };
        (found.run)(ctx, input)
    }

    pub(crate) fn find(&self, action: &str) -> Option<&Action> {
        self.actions.iter().find(|a| a.name == action)
    }
}

type Run = Box<dyn Fn(&Ctx, &str) -> Result<String>>;

/// One action: a function from a typed input to a typed output, and what the engine must know.
pub struct Action {
    name: &'static str,
    title: &'static str,
    pub(crate) idempotency: Idempotency,
    pub(crate) price: Price,
    timeout_ms: Option<u64>,
    input_schema: fn() -> Schema,
    output_schema: fn() -> Schema,
    run: Run,
}

impl fmt::Debug for Action {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Action").field("name", &self.name).finish_non_exhaustive()
    }
}

impl Action {
    /// An action named `name` (`post_message` in `slack/post_message`), by default
    /// [`Idempotency::Unsafe`] and one credit.
    #[must_use]
    pub fn new<I, O>(name: &'static str, run: impl Fn(&Ctx, I) -> Result<O> + 'static) -> Self
    where
        I: DeserializeOwned + JsonSchema,
        O: Serialize + JsonSchema,
    {
        Self::raw(name, input_schema::<I>, output_schema::<O>, move |ctx, input| {
            let output = run(ctx, parse(input)?)?;
            serde_json::to_string(&output)
                .map_err(|e| TaskError::permanent(format!("output of `{name}`: {e}")))
        })
    }

    /// An action that handles JSON text itself, with schemas of its own.
    #[must_use]
    pub fn raw(
        name: &'static str,
        input_schema: fn() -> Schema,
        output_schema: fn() -> Schema,
        run: impl Fn(&Ctx, &str) -> Result<String> + 'static,
    ) -> Self {
        Self {
            name,
            title: "",
            idempotency: Idempotency::Unsafe,
            price: Price { base: 1, max: None },
            timeout_ms: None,
            input_schema,
            output_schema,
            run: Box::new(run),
        }
    }

    /// One line for people and for the planner.
    #[must_use]
    pub fn title(mut self, title: &'static str) -> Self {
        self.title = title;
        self
    }

    /// Repeating it changes nothing: reads, and writes that set the same thing again.
    #[must_use]
    pub fn safe(mut self) -> Self {
        self.idempotency = Idempotency::Safe;
        self
    }

    /// The vendor refuses to do it twice for one key: send [`Ctx::idempotency_key`] with it.
    #[must_use]
    pub fn keyed(mut self) -> Self {
        self.idempotency = Idempotency::Keyed;
        self
    }

    /// Credits for one success.
    #[must_use]
    pub fn price(mut self, credits: u64) -> Self {
        self.price = Price { base: credits, max: None };
        self
    }

    /// Credits for one success that depend on the call: `base` unless [`Ctx::charge`] says
    /// otherwise, never more than `max`, which is held before the call.
    #[must_use]
    pub fn price_up_to(mut self, base: u64, max: u64) -> Self {
        self.price = Price { base, max: Some(max) };
        self
    }

    /// Time one call may take, in milliseconds.
    #[must_use]
    pub fn timeout_ms(mut self, timeout_ms: u64) -> Self {
        self.timeout_ms = Some(timeout_ms);
        self
    }

    pub(crate) fn manifest(&self) -> ActionManifest {
        ActionManifest {
            title: self.title,
            input_schema: (self.input_schema)(),
            output_schema: (self.output_schema)(),
            idempotency: self.idempotency,
            price: self.price,
            timeout_ms: self.timeout_ms,
        }
    }
}
