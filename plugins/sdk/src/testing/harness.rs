//! [`Harness`]: one connector, its mocks and its secrets. [`Ran`]: what one call came to.

use std::rc::Rc;

use serde_json::Value;

use super::{Mock, Sent};
use crate::backend::World;
use crate::ctx::Facts;
use crate::error::{Result, TaskError};
use crate::manifest::Idempotency;
use crate::{Connector, Ctx};

/// What the idempotency key is in tests.
const KEY: &str = "key-of-this-step";

/// One connector under test. See the [module](super) for what each run checks.
///
/// ```
/// use levqor_plugin_sdk::prelude::*;
/// use levqor_plugin_sdk::testing::{Harness, get};
/// # #[derive(Deserialize, JsonSchema)] struct In {}
/// # #[derive(Serialize, JsonSchema)] struct Out { n: u64 }
/// fn count(ctx: &Ctx, _: In) -> Result<Out> {
///     let body: Value = ctx.get("https://api.example/count").bearer("token").send()?.json()?;
///     Ok(Out { n: body["n"].as_u64().unwrap_or(0) })
/// }
/// let connector = Connector::new("counter", "1.0.0")
///     .host("api.example")
///     .credential(Credential::api_key("token"))
///     .action(Action::new("count", count).title("Counts").safe());
/// let harness = Harness::new(connector).secret("token", "s3cr3t");
/// let ran = harness.mock(get("https://api.example/count").json(json!({ "n": 3 }))).run("count", json!({}));
/// assert_eq!(ran.output(), json!({ "n": 3 }));
/// let ran = harness.mock(get("https://api.example/count").reply(429).header("retry-after", "3"))
///     .run("count", json!({}));
/// ran.expect_rate_limited(3000);
/// ```
#[derive(Debug)]
pub struct Harness {
    connector: Connector,
    world: Rc<World>,
    config: String,
}

impl Harness {
    /// A harness without mocks and secrets.
    #[must_use]
    #[track_caller]
    pub fn new(connector: Connector) -> Self {
        let manifest = connector.manifest();
        let world = World {
            hosts: manifest.hosts.clone(),
            credentials: manifest.credentials.iter().map(|c| c.name).collect(),
            wants_state: manifest.wants.state,
            wants_secrets: manifest.wants.reveal_secrets,
            ..World::default()
        };
        Self { connector, world: Rc::new(world), config: "{}".to_owned() }
    }

    /// Connects a credential. The value must be long enough to be found where it must not be.
    #[must_use]
    pub fn secret(self, credential: &str, value: &str) -> Self {
        assert!(value.len() >= 4, "a secret of under 4 characters is found everywhere");
        self.world.secrets.borrow_mut().insert(credential.to_owned(), value.to_owned());
        self
    }

    /// The operator's configuration.
    #[must_use]
    pub fn config(mut self, config: Value) -> Self {
        self.config = config.to_string();
        self
    }

    /// Sets the host's clock.
    #[must_use]
    pub fn now_unix_ms(self, now_unix_ms: u64) -> Self {
        self.world.now_unix_ms.set(now_unix_ms);
        self
    }

    /// One more expected request for the next run.
    pub fn mock(&self, mock: Mock) -> &Self {
        self.world.mocks.borrow_mut().push(mock);
        self
    }

    /// Runs one action and checks what a host would enforce. State lives on between runs, mocks
    /// don't.
    ///
    /// # Panics
    /// When the connector broke a rule of the [module](super): the test fails with all of them.
    #[track_caller]
    pub fn run(&self, action: &str, input: Value) -> Ran {
        self.world.sent.borrow_mut().clear();
        self.world.log.borrow_mut().clear();
        let ran = self.call(action, &input);
        let mut problems = self.world.problems.take();
        problems.extend(self.world.mocks.take().iter().filter_map(Mock::unused));
        problems.extend(self.leaks(&ran));
        problems.extend(self.misfits(action, &ran));
        assert!(problems.is_empty(), "{action}: {}\nresult: {:?}", problems.join("; "), ran.result);
        ran
    }

    fn call(&self, action: &str, input: &Value) -> Ran {
        let found = self.connector.find(action);
        if let Some(found) = found {
            // As the engine does: what does not fit the schema never reaches the connector.
            if let Some(why) = misfit(&found.manifest().input_schema, input) {
                return Ran::refused(format!("input of `{action}`: {why}"));
            }
        }
        let repeatable = found.is_some_and(|a| a.idempotency != Idempotency::Unsafe);
        let facts = Facts {
            run_id: "run_test".to_owned(),
            step_id: action.to_owned(),
            attempt: 1,
            idempotency_key: KEY.to_owned(),
            time_left_ms: 30_000,
            config: self.config.clone(),
            traceparent: None,
        };
        let ctx = Ctx::new(facts, Rc::clone(&self.world), repeatable);
        let text = self.connector.run(action, &input.to_string(), &ctx);
        let result = text.and_then(|text| {
            serde_json::from_str(&text).map_err(|e| {
                TaskError::permanent(format!("the output is not JSON: {e}")).code("bad_output")
            })
        });
        let log = self.world.log.borrow().iter().map(|(_, line)| line.clone()).collect();
        Ran { result, credits: ctx.credits.get(), sent: self.world.sent.borrow().clone(), log }
    }

    /// Secrets where none may be. A connector that asks to read them is trusted with requests.
    fn leaks(&self, ran: &Ran) -> Vec<String> {
        let mut places = vec![("the result", format!("{:?}", ran.result))];
        places.push(("the log", ran.log.join("\n")));
        if !self.world.wants_secrets {
            places.extend(ran.sent.iter().map(|sent| ("a request", sent.everything())));
        }
        let secrets = self.world.secrets.borrow();
        let found = secrets.iter().flat_map(|(name, value)| {
            places
                .iter()
                .filter(move |(_, text)| text.contains(value.as_str()))
                .map(move |(place, _)| format!("the value of credential `{name}` is in {place}"))
        });
        found.collect()
    }

    fn misfits(&self, action: &str, ran: &Ran) -> Vec<String> {
        let Some(found) = self.connector.find(action) else { return Vec::new() };
        let mut problems = Vec::new();
        if let Ok(output) = &ran.result {
            let why = misfit(&found.manifest().output_schema, output);
            problems.extend(why.map(|why| format!("the output does not fit its schema: {why}")));
        }
        let held = found.price.max.unwrap_or(found.price.base);
        if ran.credits.is_some_and(|credits| credits > held) {
            problems.push(format!("it charges {:?} credits, over the {held} held", ran.credits));
        }
        if found.idempotency == Idempotency::Keyed {
            let writes = ran.sent.iter().filter(|sent| !sent.method.is_read());
            let keyless = writes.filter(|sent| !sent.everything().contains(KEY));
            problems.extend(keyless.map(|s| format!("{} has no idempotency key", s.line())));
        }
        problems
    }
}

fn misfit(schema: &schemars::Schema, value: &Value) -> Option<String> {
    match jsonschema::validator_for(schema.as_value()) {
        Ok(validator) => {
            validator.iter_errors(value).next().map(|e| format!("{e} (at `{}`)", e.instance_path()))
        }
        Err(e) => Some(format!("not a JSON Schema: {e}")),
    }
}

/// What one call came to, and what it sent.
#[derive(Clone, Debug)]
pub struct Ran {
    /// Output or error.
    pub result: Result<Value>,
    /// What `Ctx::charge` said last.
    pub credits: Option<u64>,
    /// Requests in order.
    pub sent: Vec<Sent>,
    /// Log lines in order.
    pub log: Vec<String>,
}

impl Ran {
    fn refused(why: String) -> Self {
        let result = Err(TaskError::invalid_input(why).code("schema"));
        Self { result, credits: None, sent: Vec::new(), log: Vec::new() }
    }

    /// The output.
    ///
    /// # Panics
    /// When the call failed.
    #[must_use]
    #[track_caller]
    pub fn output(&self) -> Value {
        match &self.result {
            Ok(output) => output.clone(),
            Err(error) => fail(&format!("the call failed: {error}")),
        }
    }

    /// The error.
    ///
    /// # Panics
    /// When the call worked.
    #[must_use]
    #[track_caller]
    pub fn error(&self) -> &TaskError {
        match &self.result {
            Ok(output) => fail(&format!("the call worked: {output}")),
            Err(error) => error,
        }
    }

    /// Fails unless the error is of this kind (`auth`, `not-found`…) with this code.
    ///
    /// # Panics
    /// When it is not.
    #[track_caller]
    pub fn expect_error(&self, kind: &str, code: &str) -> &Self {
        let error = self.error();
        assert_eq!((error.kind(), error.code_str()), (kind, Some(code)), "{error}");
        self
    }

    /// Fails unless it is a rate limit of this many milliseconds.
    ///
    /// # Panics
    /// When it is not.
    #[track_caller]
    pub fn expect_rate_limited(&self, retry_after_ms: u64) -> &Self {
        let TaskError::RateLimited(limit) = self.error() else {
            fail(&format!("not a rate limit: {}", self.error()))
        };
        assert_eq!(limit.retry_after_ms, Some(retry_after_ms), "{}", limit.message);
        self
    }

    /// The only request.
    ///
    /// # Panics
    /// When there were more or none.
    #[must_use]
    #[track_caller]
    pub fn only(&self) -> &Sent {
        assert_eq!(self.sent.len(), 1, "requests: {:?}", self.sent);
        &self.sent[0]
    }
}

#[expect(clippy::panic, reason = "a harness fails a test by panicking, as assert does")]
#[track_caller]
fn fail(why: &str) -> ! {
    panic!("{why}")
}
