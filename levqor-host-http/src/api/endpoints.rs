//! Webhook endpoints: making, changing, rotating, removing; and what they received lately.

mod shapes;

use axum::http::{Method, StatusCode, header};
use levqor_core::document::Duration;
use levqor_core::ids::Organization;
use levqor_core::store::Revision;

use crate::app::App;
use crate::caller::Scope;
use crate::caller::secret::Plain;
use crate::desk::{Change, Desk};
use crate::hooks::endpoint::{
    ENDPOINTS_MAX, Endpoint, EndpointOf, PREFIX, SealedSecret, TOLERANCE_MS, rotate,
};
use crate::hooks::received;
use crate::hooks::{Issuer, Scheme, receive, secrets};
use crate::http::{Answer, Call, FieldProblem, Json, Page, PageQuery, Problem};
use crate::http::{Cursor, Head};
use crate::ids;
use crate::route::{Route, Tag};
use shapes::{
    EndpointChange, EndpointMade, EndpointRequest, EndpointView, ReceivedList, ReceivedView,
    RotateRequest, Verify, view,
};

/// How long the old secret stays live after a rotation where the request does not say.
const OVERLAP_MS: u64 = 86_400_000;
/// At its longest.
const OVERLAP_MS_MAX: u64 = 30 * 86_400_000;
/// The widest tolerance: wider, and a copied request is good for longer than anybody is awake.
const TOLERANCE_MS_MAX: u64 = 3_600_000;

pub(super) fn routes() -> Vec<Route> {
    let route = |method, path, id| Route::new(method, path, id, Tag::Webhooks);
    vec![
        route(Method::GET, "/api/v1/webhooks", "list_webhooks")
            .scope(Scope::WebhooksRead)
            .about("Webhook endpoints, in the order of their ids")
            .answers::<Page<EndpointView>>(StatusCode::OK, "a page")
            .to(list),
        route(Method::POST, "/api/v1/webhooks", "create_webhook")
            .scope(Scope::WebhooksWrite)
            .about("Make a webhook endpoint for a trigger of a stored pipeline")
            .answers::<EndpointMade>(
                StatusCode::CREATED,
                "it takes requests; its secret is shown once",
            )
            .to(create),
        route(Method::GET, "/api/v1/webhooks/{endpoint}", "get_webhook")
            .scope(Scope::WebhooksRead)
            .about("A webhook endpoint")
            .answers::<EndpointView>(StatusCode::OK, "it")
            .to(get),
        route(Method::PATCH, "/api/v1/webhooks/{endpoint}", "update_webhook")
            .scope(Scope::WebhooksWrite)
            .about("Change a webhook endpoint's name, target, tolerance, or switch it off")
            .header("If-Match", "change it only if it still has this ETag")
            .answers::<EndpointView>(StatusCode::OK, "as it is now")
            .to(update),
        route(Method::DELETE, "/api/v1/webhooks/{endpoint}", "delete_webhook")
            .scope(Scope::WebhooksWrite)
            .about("Remove a webhook endpoint, its secrets and its list")
            .answers_media(StatusCode::NO_CONTENT, "", "it is gone")
            .to(delete),
        route(Method::POST, "/api/v1/webhooks/{endpoint}/rotate", "rotate_webhook")
            .scope(Scope::WebhooksWrite)
            .about("Give a webhook endpoint a new secret; the old one stays live for a while")
            .answers::<EndpointMade>(StatusCode::OK, "the new secret, shown once")
            .to(rotated),
        route(Method::GET, "/api/v1/webhooks/{endpoint}/deliveries", "list_webhook_received")
            .scope(Scope::WebhooksRead)
            .about("What a webhook endpoint received lately, newest first")
            .answers::<ReceivedList>(StatusCode::OK, "at most 150")
            .to(deliveries),
    ]
}

async fn list(app: App, call: Call<(), Json<PageQuery>>) -> Result<Answer, Problem> {
    let organization = call.caller()?.may(Scope::WebhooksRead)?;
    let limit = call.query.0.limit()?;
    let after = Cursor::read(call.query.0.cursor.as_deref(), "webhooks")?;
    let within = [organization.as_str()];
    let mut found = app.desk.list::<EndpointOf>(&within, after.as_deref(), limit + 1).await?;
    let more = found.len() > limit as usize;
    found.truncate(limit as usize);
    let next = found.last().filter(|_| more).map(|f| Cursor::after(&f.record.id, "webhooks"));
    let mut data = Vec::with_capacity(found.len());
    for item in found {
        if let Some((endpoint, _)) = app.desk.get::<Endpoint>(&[&item.record.id]).await? {
            data.push(view(&app, &endpoint));
        }
    }
    Answer::ok(&Page::new(data, next))
}

async fn create(app: App, call: Call<Json<EndpointRequest>>) -> Result<Answer, Problem> {
    let caller = call.caller()?;
    let organization = caller.may(Scope::WebhooksWrite)?;
    let request = &call.body.0;
    let scheme = scheme_of(request)?;
    check_name(&request.name)?;
    receive::check_host(&app, &scheme)?;
    let named =
        check_target(&app, organization, &request.pipeline, &request.trigger, &scheme).await?;
    let others = app.desk.list::<EndpointOf>(&[organization.as_str()], None, ENDPOINTS_MAX).await?;
    if others.len() >= ENDPOINTS_MAX as usize {
        let detail = format!("an organization has at most {ENDPOINTS_MAX} endpoints");
        return Err(Problem::conflict("webhook.too_many", detail));
    }
    let now = app.now();
    let mut endpoint = Endpoint {
        id: ids::make(PREFIX),
        organization: organization.clone(),
        name: request.name.clone(),
        tolerance_ms: tolerance(request.tolerance)?,
        scheme,
        pipeline: request.pipeline.clone(),
        trigger: request.trigger.clone(),
        enabled: true,
        secrets: Vec::new(),
        created: now,
        created_by: caller.principal(),
    };
    let mut shown = None;
    if request.secret.is_some() || !named {
        let (secret, is_made) = new_secret(&endpoint.scheme, request.secret.as_deref())?;
        let sealed = SealedSecret::new(now);
        // First the value, then the record that names it: what is named is there.
        secrets::seal(&app.vault, organization, &sealed.id, &secret)?;
        endpoint.secrets.push(sealed);
        shown = is_made.then_some(secret);
    }
    let change = Change::by(caller, organization, &call.head, &endpoint.id, now)
        .insert(&[&endpoint.id], &endpoint)
        .insert(&[organization.as_str(), &endpoint.id], &EndpointOf { id: endpoint.id.clone() });
    if let Err(problem) = app.desk.commit(change).await {
        secrets::forget(&app.vault, organization, &endpoint.secrets);
        return Err(problem);
    }
    let made = EndpointMade {
        endpoint: view(&app, &endpoint),
        secret: shown.map(|secret| secret.reveal().to_owned()),
    };
    Answer::created(&format!("/api/v1/webhooks/{}", endpoint.id), &made)
}

async fn get(app: App, call: Call) -> Result<Answer, Problem> {
    let organization = call.caller()?.may(Scope::WebhooksRead)?;
    let (endpoint, revision) = owned(&app.desk, organization, call.part("endpoint")).await?;
    Ok(Answer::ok(&view(&app, &endpoint))?.etag(&revision.0.to_string()))
}

async fn update(app: App, call: Call<Json<EndpointChange>>) -> Result<Answer, Problem> {
    let caller = call.caller()?;
    let organization = caller.may(Scope::WebhooksWrite)?;
    let (mut endpoint, revision) = owned(&app.desk, organization, call.part("endpoint")).await?;
    if_match(&call.head, revision)?;
    let change = &call.body.0;
    if let Some(name) = &change.name {
        check_name(name)?;
        endpoint.name.clone_from(name);
    }
    if let Some(enabled) = change.enabled {
        endpoint.enabled = enabled;
    }
    if change.tolerance.is_some() {
        endpoint.tolerance_ms = tolerance(change.tolerance)?;
    }
    if change.pipeline.is_some() || change.trigger.is_some() {
        endpoint.pipeline = change.pipeline.clone().unwrap_or(endpoint.pipeline);
        endpoint.trigger = change.trigger.clone().unwrap_or(endpoint.trigger);
        let (pipeline, trigger) = (&endpoint.pipeline, &endpoint.trigger);
        check_target(&app, organization, pipeline, trigger, &endpoint.scheme).await?;
    }
    let change = Change::by(caller, organization, &call.head, &endpoint.id, app.now()).replace(
        &[&endpoint.id],
        revision,
        &endpoint,
    );
    app.desk.commit(change).await?;
    Answer::ok(&view(&app, &endpoint))
}

async fn delete(app: App, call: Call) -> Result<Answer, Problem> {
    let caller = call.caller()?;
    let organization = caller.may(Scope::WebhooksWrite)?;
    let (endpoint, revision) = owned(&app.desk, organization, call.part("endpoint")).await?;
    let change = Change::by(caller, organization, &call.head, &endpoint.id, app.now())
        .remove::<Endpoint>(&[&endpoint.id], revision)
        .forget::<EndpointOf>(&[organization.as_str(), &endpoint.id]);
    let change = received::forget(&app, &endpoint.id, change).await?;
    app.desk.commit(change).await?;
    secrets::forget(&app.vault, organization, &endpoint.secrets);
    Ok(Answer::nothing())
}

async fn rotated(app: App, call: Call<Json<RotateRequest>>) -> Result<Answer, Problem> {
    let caller = call.caller()?;
    let organization = caller.may(Scope::WebhooksWrite)?;
    let (mut endpoint, revision) = owned(&app.desk, organization, call.part("endpoint")).await?;
    let overlap_ms = call.body.0.overlap.map_or(OVERLAP_MS, Duration::as_ms);
    if overlap_ms > OVERLAP_MS_MAX {
        return Err(Problem::invalid("webhook.overlap", "an overlap is at most 30d"));
    }
    let (secret, is_made) = new_secret(&endpoint.scheme, call.body.0.secret.as_deref())?;
    let now = app.now();
    let sealed = SealedSecret::new(now);
    secrets::seal(&app.vault, organization, &sealed.id, &secret)?;
    let new = sealed.clone();
    let gone = rotate(&mut endpoint.secrets, sealed, now.plus_ms(overlap_ms), now);
    let change = Change::by(caller, organization, &call.head, &endpoint.id, now).replace(
        &[&endpoint.id],
        revision,
        &endpoint,
    );
    if let Err(problem) = app.desk.commit(change).await {
        secrets::forget(&app.vault, organization, &[new]);
        return Err(problem);
    }
    secrets::forget(&app.vault, organization, &gone);
    let secret = is_made.then(|| secret.reveal().to_owned());
    Answer::ok(&EndpointMade { endpoint: view(&app, &endpoint), secret })
}

async fn deliveries(app: App, call: Call) -> Result<Answer, Problem> {
    let organization = call.caller()?.may(Scope::WebhooksRead)?;
    let (endpoint, _) = owned(&app.desk, organization, call.part("endpoint")).await?;
    let all = received::lately(&app, &endpoint.id).await?;
    let data = all.into_iter().map(ReceivedView::from).collect();
    Answer::ok(&ReceivedList { data })
}

/// The organization's endpoint of this id; one of another organization is none.
async fn owned(
    desk: &Desk,
    organization: &Organization,
    id: &str,
) -> Result<(Endpoint, Revision), Problem> {
    let found = desk.get::<Endpoint>(&[id]).await?;
    found
        .filter(|(e, _)| e.organization == *organization)
        .ok_or_else(|| Problem::not_found("webhook"))
}

/// `If-Match` where it is sent.
fn if_match(head: &Head, revision: Revision) -> Result<(), Problem> {
    let Some(wanted) = head.headers.get(header::IF_MATCH) else { return Ok(()) };
    let is = format!("\"{}\"", revision.0);
    if wanted.as_bytes() == b"*" || wanted.as_bytes() == is.as_bytes() {
        return Ok(());
    }
    let detail = "somebody changed it since; read it again";
    Err(Problem::new(StatusCode::PRECONDITION_FAILED, "request.precondition", detail))
}

fn scheme_of(request: &EndpointRequest) -> Result<Scheme, Problem> {
    let scheme = match (request.verify, &request.hmac) {
        (Verify::Hmac, Some(options)) => {
            options.check().map_err(|error| {
                let at = format!("#/hmac/{}", error.option);
                let field = FieldProblem::new(&at, "webhook.hmac", error.to_string());
                Problem::invalid("webhook.hmac", error.to_string()).errors(vec![field])
            })?;
            Scheme::Hmac(options.clone())
        }
        (Verify::Hmac, None) => {
            return Err(Problem::invalid("webhook.hmac", "`hmac` says how: which header at least"));
        }
        (_, Some(_)) => {
            return Err(Problem::invalid("webhook.hmac", "`hmac` is for `verify: hmac` alone"));
        }
        (Verify::Stripe, None) => Scheme::Stripe,
        (Verify::Slack, None) => Scheme::Slack,
        (Verify::Telegram, None) => Scheme::Telegram,
        (Verify::Github, None) => Scheme::Github,
        (Verify::Standard, None) => Scheme::Standard,
        (Verify::Twilio, None) => Scheme::Twilio,
    };
    Ok(scheme)
}

/// The secret that somebody brought, or a new one with `true`.
fn new_secret(scheme: &Scheme, brought: Option<&str>) -> Result<(Plain, bool), Problem> {
    match (brought, scheme.issuer()) {
        (Some(text), _) => {
            secrets::check(scheme, text)?;
            Ok((Plain::of(text), false))
        }
        (None, Issuer::Host) => Ok((secrets::make(scheme), true)),
        (None, Issuer::Vendor) => {
            let detail =
                format!("{} shows the secret that it signs with: send it", scheme.as_str());
            Err(Problem::invalid("webhook.secret", detail))
        }
    }
}

/// Whether the trigger is there and asks for this scheme; gives back whether it names a secret that
/// the vault has.
async fn check_target(
    app: &App,
    organization: &Organization,
    name: &str,
    trigger: &str,
    scheme: &Scheme,
) -> Result<bool, Problem> {
    let invalid = |at: &str, detail: String| {
        let field = FieldProblem::new(at, "webhook.target", detail.clone());
        Problem::invalid("webhook.target", detail).errors(vec![field])
    };
    let pipeline = match app.engine.named(organization, name).await {
        Err(levqor_core::engine::Error::NotFound { .. }) => {
            return Err(invalid("#/pipeline", "there is no such pipeline".to_owned()));
        }
        other => other?,
    };
    let found = pipeline.triggers().find(|t| t.id == trigger && t.uses == "webhook");
    let Some(found) = found else {
        return Err(invalid("#/trigger", "the pipeline has no such webhook trigger".to_owned()));
    };
    let asked = found.with.get("verify").and_then(|v| v.as_str()).unwrap_or_default();
    // `none` leaves it to whoever takes the request in: here everything is signed.
    if asked != "none" && asked != scheme.as_str() {
        return Err(invalid("#/verify", format!("the trigger asks for `{asked}`")));
    }
    match receive::named_secret(&pipeline, trigger) {
        Some(secret) => Ok(secrets::named(&app.vault, organization, secret)?.is_some()),
        None => Ok(false),
    }
}

fn check_name(name: &str) -> Result<(), Problem> {
    let length = name.chars().count();
    if (1..=64).contains(&length) && !name.chars().any(char::is_control) {
        return Ok(());
    }
    Err(Problem::invalid("webhook.name", "a name is 1 to 64 characters"))
}

fn tolerance(asked: Option<Duration>) -> Result<u64, Problem> {
    match asked.map_or(TOLERANCE_MS, Duration::as_ms) {
        ms @ 1_000..=TOLERANCE_MS_MAX => Ok(ms),
        _ => Err(Problem::invalid("webhook.tolerance", "a tolerance is 1s to 1h")),
    }
}
