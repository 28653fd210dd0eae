//! [`Model`]: the connector `planner`, whose one action asks the configured model, checks, lets it
//! repair, and is one step of an ordinary run: held before, captured with a valid draft, released
//! otherwise.
//!
//! The model's own connector is called as the operator, with the operator's credential; what comes
//! back is untrusted text.

use std::sync::Arc;

use async_trait::async_trait;
use levqor_connectors::registry::Registry;
use levqor_core::connector::{
    ActionManifest, Call, Catalog, Connector, Idempotency, Manifest, Outcome, Price,
};
use levqor_core::error::{ErrorKind, RunError};
use levqor_core::ids::Organization;
use levqor_core::planner::{self, Message, Planning, Step};
use serde_json::{Value, json};

use super::asked::{Asked, Goal};
use super::granted;
use crate::config::{ConfigError, PlannerConfig};
use crate::people::organization::OPERATOR;
use crate::serve::HostError;

/// The connector's name.
pub(super) const PLANNER: &str = "planner";
/// Tokens of one reply: a document of a hundred steps, and what some models think before it.
const REPLY_TOKENS_MAX: u32 = 8_192;
/// For all replies to one goal: under the time that the host takes for an answer.
pub(super) const PLAN_MS: u64 = 25_000;

/// The model that plans; a cheap clone.
#[derive(Clone, Debug)]
pub(crate) struct Model {
    pub(super) asked: Asked,
    /// What one plan holds at the most, in credits.
    pub(super) hold: u64,
}

impl Model {
    /// Puts the connector into the catalog, where a model is configured. One that is configured and
    /// not there is a mistake to be told at the start, not at the first goal.
    pub(crate) fn register(
        config: &PlannerConfig,
        catalog: &Catalog,
        registry: &Registry,
    ) -> Result<Option<Self>, HostError> {
        if config.connector.is_empty() {
            return Ok(None);
        }
        let (connector, action) = config.connector.split_once('/').unwrap_or_default();
        let Some(info) = catalog.info(connector, action) else {
            let wrong = format!("planner.connector: there is no action `{}`", config.connector);
            return Err(ConfigError::Value(wrong).into());
        };
        let (asked, price) = (Asked::default(), info.price);
        let plan = ActionManifest {
            title: "Plan a pipeline; called by `POST /api/v1/plan` alone".to_owned(),
            input_schema: json!({
                "type": "object",
                "required": ["ask"],
                "properties": { "ask": { "type": "string" } },
                "additionalProperties": false,
            }),
            price: Price { base: price.base, max: Some(price.hold()) },
            // Asking again changes nothing.
            idempotency: Idempotency::Safe,
            timeout_ms: Some(PLAN_MS),
            ..ActionManifest::default()
        };
        let mut manifest = Manifest::new(PLANNER, env!("CARGO_PKG_VERSION")).action("plan", plan);
        manifest.description = "The host's planner".to_owned();
        catalog.add(Arc::new(PlannerConnector {
            manifest,
            asked: asked.clone(),
            catalog: catalog.clone(),
            registry: registry.clone(),
            operator: Organization::new(OPERATOR).unwrap_or_else(|_| Organization::local()),
            config: config.clone(),
        }))?;
        Ok(Some(Self { asked, hold: price.hold() }))
    }
}

#[derive(Debug)]
struct PlannerConnector {
    manifest: Manifest,
    asked: Asked,
    catalog: Catalog,
    registry: Registry,
    operator: Organization,
    config: PlannerConfig,
}

#[async_trait]
impl Connector for PlannerConnector {
    fn manifest(&self) -> &Manifest {
        &self.manifest
    }

    async fn run_task(&self, call: Call<'_>) -> Outcome {
        let id = call.input["ask"].as_str().unwrap_or_default();
        match self.asked.take(id, call.organization) {
            Some(goal) => self.plan(&call, &goal).await.unwrap_or_else(|error| {
                // Another try finds no goal any more.
                Outcome::Failed { error: RunError { retryable: false, ..error } }
            }),
            None => failed(ErrorKind::NotFound, "plan.not_asked", "there is no such question"),
        }
    }
}

fn failed(kind: ErrorKind, code: &str, message: &str) -> Outcome {
    Outcome::Failed { error: RunError::new(kind, code, message) }
}

/// What a model said, and what that cost.
struct Reply {
    text: String,
    credits: u64,
}

impl PlannerConnector {
    async fn plan(&self, call: &Call<'_>, goal: &Goal) -> Result<Outcome, RunError> {
        let refused =
            |e: planner::PlanError| RunError::new(ErrorKind::InvalidInput, e.code(), e.to_string());
        let judge = |document: &Value| granted::judge(document, &self.catalog, &self.registry);
        let mut planning = Planning::new(&goal.connectors, &goal.text, judge).map_err(refused)?;
        let mut messages = planning.first();
        for number in 1.. {
            let reply = self.ask(call, number, &messages).await?;
            match planning.next(&reply.text) {
                Step::Ask(next) => messages = next,
                Step::Done(draft) => {
                    let output = json!({
                        "document": draft.document,
                        "note": draft.note,
                        "matched": draft.matched,
                        "replies": number,
                    });
                    // Replies before this one were of no use to whoever pays.
                    return Ok(Outcome::Done { output, credits: Some(reply.credits) });
                }
                Step::GiveUp(issues) => {
                    let gave_up = planner::PlanError::GaveUp(issues);
                    return Err(refused(gave_up));
                }
            }
        }
        Err(RunError::new(ErrorKind::Internal, "plan.gave_up", "no reply was a valid pipeline"))
    }

    async fn ask(
        &self,
        call: &Call<'_>,
        number: u32,
        messages: &[Message],
    ) -> Result<Reply, RunError> {
        let (name, action) = self.config.connector.split_once('/').unwrap_or_default();
        let gone = || {
            let message = format!("`{}` is not there", self.config.connector);
            RunError::new(ErrorKind::NotFound, "plan.no_model", message)
        };
        let connector = self.catalog.get(name).ok_or_else(gone)?;
        let info = self.catalog.info(name, action).ok_or_else(gone)?;
        let mut input = json!({
            "messages": messages,
            "schema": planner::reply_schema(),
            "max_tokens": REPLY_TOKENS_MAX,
        });
        if !self.config.model.is_empty() {
            input["model"] = json!(self.config.model);
        }
        let key = format!("{}-{number}", call.idempotency_key);
        let mut asking = Call::new(&self.operator, action, &input);
        asking.run = call.run;
        asking.step = call.step;
        asking.idempotency_key = &key;
        asking.time_left_ms = call.time_left_ms;
        asking.traceparent = call.traceparent;
        asking.credential = Some(self.config.credential.as_str()).filter(|c| !c.is_empty());
        match connector.run_task(asking).await {
            Outcome::Done { output, credits } => {
                let text = output["text"].as_str().map(str::to_owned);
                let text = text.unwrap_or_else(|| output.to_string());
                Ok(Reply { text, credits: credits.unwrap_or(info.price.base) })
            }
            // A reply that is cut or no JSON is one that can be repaired.
            Outcome::Failed { error } if is_reply(&error) => {
                Ok(Reply { text: format!("({})", error.message), credits: 0 })
            }
            Outcome::Failed { error }
            | Outcome::Retry { error, .. }
            | Outcome::Ambiguous { error } => Err(error),
            _ => Err(RunError::new(ErrorKind::Internal, "plan.no_reply", "there was no reply")),
        }
    }
}

fn is_reply(error: &RunError) -> bool {
    [".not_json", ".incomplete", ".refused"].iter().any(|end| error.code.ends_with(end))
}
