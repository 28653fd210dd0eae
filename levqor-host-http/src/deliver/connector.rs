//! `webhook/deliver`: signs one delivery and sends it, as an action of the engine's.
//!
//! It takes a delivery's id and nothing else: what is sent, where, and signed with what, are the
//! host's records. A run that is not in one of our own organizations cannot use it.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use levqor_connectors::egress::{Egress, Method, Request, Response};
use levqor_connectors::vault::FileVault;
use levqor_core::connector::{ActionManifest, Call, Connector, Idempotency, Manifest, Outcome};
use levqor_core::error::{ErrorKind, RunError};
use levqor_core::ids::Organization;
use levqor_core::time::{Clock, Timestamp};
use serde_json::json;

use super::delivery::{self, Attempt, Delivery, State};
use super::outbox::Post;
use super::subscription::{self, Subscription};
use super::{beside, target};
use crate::caller::secret::Plain;
use crate::desk::{Change, Desk};
use crate::flags::{Flag, Flags};
use crate::hooks::secrets;
use crate::hooks::verify::sign_standard;
use crate::http::Problem;

/// Attempts of one turn. With the waits below the last one is about a day after the first.
pub(crate) const ATTEMPTS_MAX: u32 = 15;
/// The longest wait between two attempts.
const DELAY_MS_MAX: u64 = 4 * 3_600_000;
/// A receiver that thinks longer is asked again later.
const SEND_TIME: Duration = Duration::from_secs(15);
/// Time of the action: the sending, and the records around it.
const CALL_MS: u64 = 25_000;
/// Between two looks at whether webhooks are on again.
const OFF_MS: u64 = 30_000;
/// What a receiver answers that wants nothing more.
const GONE: u16 = 410;

/// The connector.
#[derive(Debug)]
pub(crate) struct Deliverer {
    manifest: Manifest,
    desk: Desk,
    vault: Arc<FileVault>,
    egress: Egress,
    clock: Arc<dyn Clock>,
    post: Arc<Post>,
    flags: Flags,
}

/// What came of sending.
enum Sent {
    Taken(u16),
    Gone,
    /// Worth another try, after this many milliseconds where the receiver says so.
    Not {
        status: Option<u16>,
        code: String,
        after_ms: Option<u64>,
    },
}

/// The pipeline that every delivery is a run of.
pub(crate) fn document(delay_ms: u64) -> String {
    json!({
        "schema": "levqor/v1",
        "name": "webhook-delivery",
        "priority": 4,
        "steps": [{
            "id": "deliver",
            "uses": "webhook/deliver",
            "with": { "organization": "${{ input.organization }}", "delivery": "${{ input.delivery }}" },
            "retry": {
                "max_attempts": ATTEMPTS_MAX,
                "backoff": "exponential",
                "delay": format!("{delay_ms}ms"),
                "max_delay": format!("{DELAY_MS_MAX}ms"),
                "jitter": 0.2,
            },
        }],
    })
    .to_string()
}

impl Deliverer {
    pub(crate) fn new(
        desk: Desk,
        vault: Arc<FileVault>,
        egress: Egress,
        clock: Arc<dyn Clock>,
        post: Arc<Post>,
        flags: Flags,
    ) -> Self {
        let action = ActionManifest {
            title: "Send a signed webhook; for the host alone".to_owned(),
            input_schema: json!({
                "type": "object",
                "required": ["organization", "delivery"],
                "properties": {
                    "organization": { "type": "string" },
                    "delivery": { "type": "string" },
                },
                "additionalProperties": false,
            }),
            timeout_ms: Some(CALL_MS),
            ..ActionManifest::free().idempotency(Idempotency::Safe)
        };
        let manifest = Manifest::new("webhook", "1.0.0").action("deliver", action);
        Self { manifest, desk, vault, egress, clock, post, flags }
    }

    async fn deliver(&self, organization: &Organization, id: &str, last: bool) -> Outcome {
        if !self.flags.is_on(Flag::OutgoingWebhooks) {
            // A wait that is told takes no attempt: what is due goes out when it is on again.
            return retry(Some(OFF_MS), "webhook.off", "webhooks are turned off");
        }
        let found = match delivery::find(&self.desk, organization, id).await {
            Ok(found) => found,
            Err(problem) => return retry(None, problem.code(), "the delivery cannot be read"),
        };
        let Some((delivery, _)) = found else { return over("absent") };
        let subscription = match self.desk.get::<Subscription>(&[&delivery.subscription]).await {
            Ok(found) => found.map(|(s, _)| s).filter(|s| s.gone.is_none()),
            Err(problem) => return retry(None, problem.code(), "the subscription cannot be read"),
        };
        let at = self.clock.now();
        let Some(subscription) = subscription else {
            self.note(&delivery, at, None, Some("webhook.unsubscribed"), State::Failed).await;
            return over("unsubscribed");
        };
        match self.send(&delivery, &subscription, at).await {
            Sent::Taken(status) => {
                self.note(&delivery, at, Some(status), None, State::Delivered).await;
                over("delivered")
            }
            Sent::Gone => {
                self.note(&delivery, at, Some(GONE), Some("webhook.gone"), State::Failed).await;
                self.unsubscribe(&subscription, at).await;
                over("gone")
            }
            Sent::Not { status, code, after_ms } => {
                let state = if last { State::Failed } else { State::Pending };
                self.note(&delivery, at, status, Some(&code), state).await;
                // Given up is an outcome, not a dead letter: the list of deliveries has it.
                if last { over("failed") } else { retry(after_ms, &code, "it was not taken") }
            }
        }
    }

    async fn send(&self, delivery: &Delivery, to: &Subscription, at: Timestamp) -> Sent {
        let not = |code: &str| Sent::Not { status: None, code: code.to_owned(), after_ms: None };
        let live = to.secrets.iter().filter(|secret| secret.is_live(at));
        let mut keys = Vec::new();
        for secret in live {
            match secrets::open(&self.vault, &to.organization, &secret.id) {
                Ok(found) => keys.extend(found),
                Err(problem) => return not(problem.code()),
            }
        }
        if keys.is_empty() {
            return not("webhook.secret");
        }
        let policy = match target::policy(&self.post.private, &to.url) {
            Ok(policy) => policy,
            Err(error) => return not(error.code()),
        };
        let request = request(delivery, to, &keys, at);
        match self.egress.send(&policy, &request, SEND_TIME).await {
            Ok(response) => answered(&response),
            Err(error) => not(error.code()),
        }
    }

    /// Notes an attempt. It was made whether or not that can be written.
    async fn note(
        &self,
        of: &Delivery,
        at: Timestamp,
        status: Option<u16>,
        code: Option<&str>,
        state: State,
    ) {
        let took_ms = self.clock.now().since_ms(at);
        let attempt = Attempt { at, status, code: code.map(str::to_owned), took_ms };
        let noted = delivery::note(&self.desk, &of.organization, &of.id, &attempt, state).await;
        if let Err(problem) = noted {
            tracing::warn!(delivery = of.id, code = problem.code(), "an attempt is not noted");
        }
    }

    async fn unsubscribe(&self, subscription: &Subscription, at: Timestamp) {
        let unsubscribed = async {
            let Some((mut now, read)) = self.desk.get::<Subscription>(&[&subscription.id]).await?
            else {
                return Ok(());
            };
            now.gone = Some(at);
            let change = Change::of_system(&now.organization).replace(&[&now.id], read, &now);
            self.desk.commit(change).await?;
            let left = subscription::all(&self.desk, &now.organization).await?;
            let left: Vec<Subscription> = left.into_iter().map(|(s, _)| s).collect();
            self.post.set(&now.organization, &left);
            Ok::<(), Problem>(())
        };
        if let Err(problem) = unsubscribed.await {
            tracing::warn!(code = problem.code(), "a receiver that is gone is still subscribed");
        }
    }
}

#[async_trait]
impl Connector for Deliverer {
    fn manifest(&self) -> &Manifest {
        &self.manifest
    }

    async fn run_task(&self, call: Call<'_>) -> Outcome {
        let named = call.input["organization"].as_str().unwrap_or_default();
        let organization = Organization::new(named).ok();
        let own = organization.filter(|organization| beside(organization) == *call.organization);
        let Some(organization) = own else {
            let message = "only the host itself sends webhooks with this";
            let error = RunError::new(ErrorKind::PolicyDenied, "webhook.not_yours", message);
            return Outcome::Failed { error };
        };
        let id = call.input["delivery"].as_str().unwrap_or_default();
        self.deliver(&organization, id, call.attempt >= ATTEMPTS_MAX).await
    }
}

fn request(delivery: &Delivery, to: &Subscription, keys: &[Plain], at: Timestamp) -> Request {
    let seconds = (at.as_millis() / 1_000).to_string();
    let signature = sign_standard(keys, &delivery.id, &seconds, delivery.body.as_bytes());
    let mut request = Request::new(Method::Post, to.url.clone());
    request.headers = [
        ("content-type", "application/json"),
        ("user-agent", concat!("levqor/", env!("CARGO_PKG_VERSION"))),
        ("webhook-id", &delivery.id),
        ("webhook-timestamp", &seconds),
        ("webhook-signature", &signature),
    ]
    .map(|(name, value)| (name.to_owned(), value.as_bytes().to_vec()))
    .into();
    request.body = Some(delivery.body.clone().into_bytes());
    request
}

fn answered(response: &Response) -> Sent {
    match response.status {
        200..=299 => Sent::Taken(response.status),
        GONE => Sent::Gone,
        status => Sent::Not {
            status: Some(status),
            code: "webhook.not_taken".to_owned(),
            after_ms: response.retry_after_ms.map(|ms| ms.min(DELAY_MS_MAX)),
        },
    }
}

/// The run is over, whatever became of the delivery: that stands in its record.
fn over(how: &str) -> Outcome {
    Outcome::done(json!({ "delivery": how }))
}

fn retry(after_ms: Option<u64>, code: &str, message: &str) -> Outcome {
    Outcome::Retry { after_ms, error: RunError::new(ErrorKind::Unavailable, code, message) }
}
