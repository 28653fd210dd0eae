//! One request to an endpoint on its way to a run.
//!
//! ```text
//!  id ─▶ endpoint ─▶ live secrets ─▶ verify ─▶ read ─▶ trigger_once ─▶ remembered, answered
//! ```
//! The sender learns little: an endpoint that is not there, one that is switched off and one of
//! another name answer alike, and every reason not to believe a request is one refusal. The reason
//! stands in the list of what the endpoint received.

use axum::http::StatusCode;
use levqor_core::engine::Error as EngineError;
use levqor_core::error::ErrorKind;
use levqor_core::pipeline::Pipeline;
use levqor_core::time::Timestamp;
use schemars::JsonSchema;
use serde::Serialize;

use super::Scheme;
use super::endpoint::{Endpoint, PREFIX};
use super::event::{self, Delivery, Kind};
use super::received::{self, Came, Received};
use super::secrets;
use super::verify::{self, Arrived, Refusal};
use crate::app::App;
use crate::caller::secret::Plain;
use crate::http::{Head, Problem};
use crate::ids;

/// What a sender is told.
#[derive(Debug, Default, Serialize, JsonSchema)]
#[schemars(rename = "HookAnswer")]
pub(crate) struct HookAnswer {
    /// The run that the delivery started, now or when it came first.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) run: Option<String>,
    /// Whether it had come before.
    pub(crate) replayed: bool,
    /// Slack's challenge, given back.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) challenge: Option<String>,
}

/// Takes a request to the endpoint of this id.
///
/// # Errors
/// `request.not_found` for an endpoint that is not there or is switched off; `webhook.refused` for
/// a request that is not believed; else why the pipeline does not take the event.
pub(crate) async fn receive(
    app: &App,
    id: &str,
    head: &Head,
    body: &[u8],
) -> Result<HookAnswer, Problem> {
    let endpoint = endpoint_of(app, id).await?;
    let pipeline = match app.engine.named(&endpoint.organization, &endpoint.pipeline).await {
        Ok(pipeline) => Ok(pipeline),
        Err(EngineError::Store(error)) => return Err(error.into()),
        Err(error) => Err(error),
    };
    let now = app.now();
    let live = live_secrets(app, &endpoint, pipeline.as_deref().ok(), now)?;
    let url = url_of(app, &endpoint, head);
    let arrived = Arrived { headers: &head.headers, body, url: &url, now };
    let mut seen = Received {
        at: now,
        came: Came::Refused,
        delivery: String::new(),
        event: String::new(),
        run: None,
        code: None,
        detail: None,
        bytes: body.len() as u64,
        request_id: head.request_id.to_string(),
    };
    let answer = match verify::verify(&endpoint.scheme, &live, endpoint.tolerance_ms, &arrived) {
        Ok(proof) => match event::read(&endpoint.scheme, &arrived, &proof) {
            Ok(delivery) => believed(app, &endpoint, delivery, &mut seen).await,
            Err(problem) => failed(problem, &mut seen),
        },
        Err(refusal) => Err(refused(&endpoint, refusal, &mut seen)),
    };
    // What happened has happened: a list that cannot be written must not make the sender repeat it.
    let noted = received::remember(app, &endpoint.organization, &endpoint.id, &seen).await;
    if let Err(problem) = noted {
        tracing::warn!(code = problem.code(), "a delivery is not in its endpoint's list");
    }
    answer
}

async fn endpoint_of(app: &App, id: &str) -> Result<Endpoint, Problem> {
    let absent = || Problem::not_found("endpoint");
    if !ids::is(PREFIX, id) {
        return Err(absent());
    }
    let found = app.desk.get::<Endpoint>(&[id]).await?;
    found.map(|(endpoint, _)| endpoint).filter(|e| e.enabled).ok_or_else(absent)
}

/// The endpoint's own secrets that are live, and the vault's entry that the trigger names.
fn live_secrets(
    app: &App,
    endpoint: &Endpoint,
    pipeline: Option<&Pipeline>,
    now: Timestamp,
) -> Result<Vec<Plain>, Problem> {
    let mut live = Vec::new();
    for secret in endpoint.secrets.iter().filter(|secret| secret.is_live(now)) {
        live.extend(secrets::open(&app.vault, &endpoint.organization, &secret.id)?);
    }
    if let Some(name) = pipeline.and_then(|p| named_secret(p, &endpoint.trigger)) {
        live.extend(secrets::named(&app.vault, &endpoint.organization, name)?);
    }
    Ok(live)
}

/// The vault's entry that a pipeline's trigger names as `secret`.
pub(crate) fn named_secret<'a>(pipeline: &'a Pipeline, trigger: &str) -> Option<&'a str> {
    let trigger = pipeline.triggers().find(|t| t.id == trigger)?;
    trigger.with.get("secret")?.as_str().filter(|name| !secrets::is_reserved(name))
}

/// The address as the sender knows it: the host's public one, never what `Host` says.
fn url_of(app: &App, endpoint: &Endpoint, head: &Head) -> String {
    let base = app.config.public_url.trim_end_matches('/');
    let query = head.uri.query().map(|query| format!("?{query}")).unwrap_or_default();
    format!("{base}/hooks/{}{query}", endpoint.id)
}

fn refused(endpoint: &Endpoint, refusal: Refusal, seen: &mut Received) -> Problem {
    seen.code = Some(refusal.as_str().to_owned());
    seen.detail = Some(refusal.to_string());
    tracing::warn!(endpoint = endpoint.id, why = refusal.as_str(), "a webhook is not believed");
    let detail = "the request is not signed as this endpoint asks for";
    Problem::new(StatusCode::UNAUTHORIZED, "webhook.refused", detail)
}

fn failed(problem: Problem, seen: &mut Received) -> Result<HookAnswer, Problem> {
    seen.came = Came::Failed;
    seen.code = Some(problem.code().to_owned());
    seen.detail = Some(problem.detail().to_owned());
    Err(problem)
}

async fn believed(
    app: &App,
    endpoint: &Endpoint,
    delivery: Delivery,
    seen: &mut Received,
) -> Result<HookAnswer, Problem> {
    seen.delivery.clone_from(&delivery.id);
    seen.event.clone_from(&delivery.what);
    seen.came = Came::Answered;
    match delivery.kind {
        Kind::Ping => return Ok(HookAnswer::default()),
        Kind::Challenge(text) => {
            return Ok(HookAnswer { challenge: Some(text), ..HookAnswer::default() });
        }
        Kind::Event => {}
    }
    // Two endpoints of one trigger have two senders: neither may use up the other's ids.
    let id = format!("{}/{}", endpoint.id, delivery.id);
    let started = app
        .engine
        .trigger_once(
            &endpoint.organization,
            &endpoint.pipeline,
            &endpoint.trigger,
            delivery.event,
            &id,
        )
        .await;
    match started {
        Ok(run) => {
            seen.came = if run.replayed() { Came::Repeated } else { Came::Started };
            seen.run = Some(run.id().to_string());
            Ok(HookAnswer { run: seen.run.clone(), replayed: run.replayed(), challenge: None })
        }
        Err(EngineError::Refused(error)) if error.code == "run.concurrency_skipped" => {
            // The document says so: nothing to repeat.
            seen.came = Came::Skipped;
            seen.code = Some(error.code.clone());
            Ok(HookAnswer::default())
        }
        Err(error) => failed(untaken(error), seen),
    }
}

/// Why the event did not become a run. What lies at the pipeline is 422 whatever it is, so that a
/// sender does not take it for something of its own.
fn untaken(error: EngineError) -> Problem {
    match error {
        EngineError::NotFound { what, .. } => Problem::invalid(
            "webhook.target",
            format!("the endpoint's {what} is not there any more"),
        ),
        EngineError::Refused(error) if error.kind == ErrorKind::InvalidInput => {
            Problem::invalid(&error.code, error.message)
        }
        other => other.into(),
    }
}

/// Whether an endpoint of this scheme can work on this host as it is set up.
pub(crate) fn check_host(app: &App, scheme: &Scheme) -> Result<(), Problem> {
    if *scheme == Scheme::Twilio && app.config.public_url.is_empty() {
        let detail = "Twilio signs the address it sends to: set the host's `public_url`";
        return Err(Problem::invalid("webhook.public_url", detail));
    }
    Ok(())
}
