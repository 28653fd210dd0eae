//! Subscriptions to webhooks going out.

use std::collections::BTreeSet;

use axum::http::{Method, StatusCode};
use levqor_core::document::Duration;
use levqor_core::ids::Organization;
use levqor_core::store::Revision;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::app::App;
use crate::caller::Scope;
use crate::deliver::subscription::{
    self, PREFIX, SUBSCRIPTIONS_MAX, Subscription, SubscriptionOf, Topic,
};
use crate::deliver::target;
use crate::desk::Change;
use crate::hooks::endpoint::{SealedSecret, rotate};
use crate::hooks::{Scheme, secrets};
use crate::http::{Answer, Call, FieldProblem, Json, Problem};
use crate::ids;
use crate::route::{Route, Tag};

/// How long the old secret signs beside the new one where the request does not say.
const OVERLAP_MS: u64 = 86_400_000;
/// At its longest.
const OVERLAP_MS_MAX: u64 = 30 * 86_400_000;

pub(super) fn routes() -> Vec<Route> {
    let route = |method, path, id| Route::new(method, path, id, Tag::Webhooks);
    vec![
        route(Method::GET, "/api/v1/webhooks/outbound", "list_subscriptions")
            .scope(Scope::WebhooksRead)
            .about("Who is told of what")
            .answers::<SubscriptionList>(StatusCode::OK, "every subscription, at most 20")
            .to(list),
        route(Method::POST, "/api/v1/webhooks/outbound", "create_subscription")
            .scope(Scope::WebhooksWrite)
            .about("Tell a receiver of runs, with signed webhooks")
            .answers::<SubscriptionMade>(StatusCode::CREATED, "its secret is shown once")
            .to(create),
        route(Method::GET, "/api/v1/webhooks/outbound/{subscription}", "get_subscription")
            .scope(Scope::WebhooksRead)
            .about("A subscription")
            .answers::<SubscriptionView>(StatusCode::OK, "it")
            .to(get),
        route(Method::DELETE, "/api/v1/webhooks/outbound/{subscription}", "delete_subscription")
            .scope(Scope::WebhooksWrite)
            .about("Tell a receiver nothing more; deliveries under way are given up")
            .answers_media(StatusCode::NO_CONTENT, "", "it is gone")
            .to(delete),
        route(
            Method::POST,
            "/api/v1/webhooks/outbound/{subscription}/rotate",
            "rotate_subscription",
        )
        .scope(Scope::WebhooksWrite)
        .about("Sign with a new secret, and for a while with the old one beside it")
        .answers::<SubscriptionMade>(StatusCode::OK, "the new secret, shown once")
        .to(rotated),
    ]
}

/// As many as there are kinds.
const EVENTS_MAX: usize = 5;

/// A new subscription.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct SubscriptionRequest {
    /// The receiver: public HTTPS, and what the operator allows besides.
    #[schemars(length(min = 1, max = 2048))]
    url: String,
    /// What it is told.
    #[schemars(length(min = 1, max = 5))]
    events: Vec<Topic>,
}

/// A rotation.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct SubscriptionRotate {
    /// How long the old secret signs too: `24h` where not said, at most `30d`.
    #[serde(default)]
    overlap: Option<Duration>,
}

/// A subscription as it is shown.
#[derive(Debug, Serialize, JsonSchema)]
#[schemars(rename = "Subscription")]
struct SubscriptionView {
    /// `sub_…`.
    id: String,
    /// The receiver.
    url: String,
    /// What it is told.
    events: Vec<Topic>,
    /// Whether it is told anything: not after it answered 410.
    enabled: bool,
    /// When it was made, RFC 3339.
    created_at: String,
    /// Who made it.
    created_by: String,
}

/// A subscription with its new secret.
#[derive(Debug, Serialize, JsonSchema)]
struct SubscriptionMade {
    /// The subscription.
    subscription: SubscriptionView,
    /// `whsec_…`, shown this once.
    secret: String,
}

/// An organization's subscriptions.
#[derive(Debug, Serialize, JsonSchema)]
struct SubscriptionList {
    /// In the order of their ids.
    data: Vec<SubscriptionView>,
}

async fn list(app: App, call: Call) -> Result<Answer, Problem> {
    let organization = call.caller()?.may(Scope::WebhooksRead)?;
    let all = subscription::all(&app.desk, organization).await?;
    Answer::ok(&SubscriptionList { data: all.iter().map(|(s, _)| view(s)).collect() })
}

async fn create(app: App, call: Call<Json<SubscriptionRequest>>) -> Result<Answer, Problem> {
    let caller = call.caller()?;
    let organization = caller.may(Scope::WebhooksWrite)?;
    let request = &call.body.0;
    if request.events.is_empty() || request.events.len() > EVENTS_MAX {
        return Err(Problem::invalid("webhook.events", "name each event once, and at least one"));
    }
    if let Err(error) = target::policy(&app.post.private, &request.url) {
        let field = FieldProblem::new("#/url", "webhook.url", error.to_string());
        return Err(Problem::invalid("webhook.url", error.to_string()).errors(vec![field]));
    }
    if subscription::all(&app.desk, organization).await?.len() >= SUBSCRIPTIONS_MAX as usize {
        let detail = format!("an organization has at most {SUBSCRIPTIONS_MAX} subscriptions");
        return Err(Problem::conflict("webhook.too_many", detail));
    }
    let (now, secret) = (app.now(), secrets::make(&Scheme::Standard));
    let sealed = SealedSecret::new(now);
    secrets::seal(&app.vault, organization, &sealed.id, &secret)?;
    let made = Subscription {
        id: ids::make(PREFIX),
        organization: organization.clone(),
        url: request.url.clone(),
        topics: request.events.iter().copied().collect::<BTreeSet<_>>().into_iter().collect(),
        secrets: vec![sealed],
        created: now,
        created_by: caller.principal(),
        gone: None,
    };
    let change = Change::by(caller, organization, &call.head, &made.id, now)
        .insert(&[&made.id], &made)
        .insert(&[organization.as_str(), &made.id], &SubscriptionOf { id: made.id.clone() });
    if let Err(problem) = app.desk.commit(change).await {
        secrets::forget(&app.vault, organization, &made.secrets);
        return Err(problem);
    }
    app.post.add(&made);
    let location = format!("/api/v1/webhooks/outbound/{}", made.id);
    let secret = secret.reveal().to_owned();
    Answer::created(&location, &SubscriptionMade { subscription: view(&made), secret })
}

async fn get(app: App, call: Call) -> Result<Answer, Problem> {
    let organization = call.caller()?.may(Scope::WebhooksRead)?;
    let (found, _) = owned(&app, organization, call.part("subscription")).await?;
    Answer::ok(&view(&found))
}

async fn delete(app: App, call: Call) -> Result<Answer, Problem> {
    let caller = call.caller()?;
    let organization = caller.may(Scope::WebhooksWrite)?;
    let (found, revision) = owned(&app, organization, call.part("subscription")).await?;
    let change = Change::by(caller, organization, &call.head, &found.id, app.now())
        .remove::<Subscription>(&[&found.id], revision)
        .forget::<SubscriptionOf>(&[organization.as_str(), &found.id]);
    app.desk.commit(change).await?;
    secrets::forget(&app.vault, organization, &found.secrets);
    let left = subscription::all(&app.desk, organization).await?;
    let left: Vec<Subscription> = left.into_iter().map(|(s, _)| s).collect();
    app.post.set(organization, &left);
    Ok(Answer::nothing())
}

async fn rotated(app: App, call: Call<Json<SubscriptionRotate>>) -> Result<Answer, Problem> {
    let caller = call.caller()?;
    let organization = caller.may(Scope::WebhooksWrite)?;
    let (mut found, revision) = owned(&app, organization, call.part("subscription")).await?;
    let overlap_ms = call.body.0.overlap.map_or(OVERLAP_MS, Duration::as_ms);
    if overlap_ms > OVERLAP_MS_MAX {
        return Err(Problem::invalid("webhook.overlap", "an overlap is at most 30d"));
    }
    let (now, secret) = (app.now(), secrets::make(&Scheme::Standard));
    let sealed = SealedSecret::new(now);
    secrets::seal(&app.vault, organization, &sealed.id, &secret)?;
    let new = sealed.clone();
    let gone = rotate(&mut found.secrets, sealed, now.plus_ms(overlap_ms), now);
    let change = Change::by(caller, organization, &call.head, &found.id, now).replace(
        &[&found.id],
        revision,
        &found,
    );
    if let Err(problem) = app.desk.commit(change).await {
        secrets::forget(&app.vault, organization, &[new]);
        return Err(problem);
    }
    secrets::forget(&app.vault, organization, &gone);
    let secret = secret.reveal().to_owned();
    Answer::ok(&SubscriptionMade { subscription: view(&found), secret })
}

/// The organization's subscription of this id; one of another organization is none.
async fn owned(
    app: &App,
    organization: &Organization,
    id: &str,
) -> Result<(Subscription, Revision), Problem> {
    let found = app.desk.get::<Subscription>(&[id]).await?;
    let own = found.filter(|(s, _)| s.organization == *organization);
    own.ok_or_else(|| Problem::not_found("subscription"))
}

fn view(subscription: &Subscription) -> SubscriptionView {
    SubscriptionView {
        id: subscription.id.clone(),
        url: subscription.url.clone(),
        events: subscription.topics.clone(),
        enabled: subscription.gone.is_none(),
        created_at: subscription.created.to_string(),
        created_by: subscription.created_by.clone(),
    }
}
