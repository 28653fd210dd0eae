//! Deliveries of webhooks going out: how each stands, every attempt, once more.

use axum::http::{Method, StatusCode};
use schemars::JsonSchema;
use serde::Serialize;

use crate::app::App;
use crate::caller::Scope;
use crate::deliver::delivery::{self, Delivery, DeliveryAt, State};
use crate::deliver::outbox::Posted;
use crate::deliver::subscription::{Subscription, Topic};
use crate::desk::Change;
use crate::http::{Answer, Call, Cursor, Json, Page, PageQuery, Problem};
use crate::route::{Route, Tag};

pub(super) fn routes() -> Vec<Route> {
    let route = |method, path, id| Route::new(method, path, id, Tag::Webhooks);
    vec![
        route(Method::GET, "/api/v1/webhooks/deliveries", "list_deliveries")
            .scope(Scope::WebhooksRead)
            .about("Webhooks that went out or will, newest first")
            .answers::<Page<DeliveryView>>(StatusCode::OK, "a page")
            .to(list),
        route(Method::GET, "/api/v1/webhooks/deliveries/{delivery}", "get_delivery")
            .scope(Scope::WebhooksRead)
            .about("One delivery with its attempts")
            .answers::<DeliveryView>(StatusCode::OK, "it")
            .to(get),
        route(Method::POST, "/api/v1/webhooks/deliveries/{delivery}/redeliver", "redeliver")
            .scope(Scope::WebhooksWrite)
            .about("Send a delivery once more, under the same id")
            .answers::<DeliveryView>(StatusCode::ACCEPTED, "it will be sent")
            .to(redeliver),
    ]
}

/// A delivery as it is shown.
#[derive(Debug, Serialize, JsonSchema)]
#[schemars(rename = "Delivery")]
struct DeliveryView {
    /// `msg_…`, which the receiver sees as `webhook-id`.
    id: String,
    /// Whom it is for.
    subscription: String,
    /// What it tells.
    event: Topic,
    /// Of which run.
    run: String,
    /// How it stands.
    status: State,
    /// Every attempt, oldest first.
    attempts: Vec<AttemptView>,
    /// When it happened, RFC 3339.
    created_at: String,
}

/// One attempt.
#[derive(Debug, Serialize, JsonSchema)]
#[schemars(rename = "DeliveryAttempt")]
struct AttemptView {
    /// When, RFC 3339.
    at: String,
    /// The receiver's status, where it answered.
    #[serde(skip_serializing_if = "Option::is_none")]
    response_status: Option<u16>,
    /// What went wrong.
    #[serde(skip_serializing_if = "Option::is_none")]
    code: Option<String>,
    /// How long it took.
    took_ms: u64,
}

async fn list(app: App, call: Call<(), Json<PageQuery>>) -> Result<Answer, Problem> {
    let organization = call.caller()?.may(Scope::WebhooksRead)?;
    let limit = call.query.0.limit()?;
    let after = Cursor::read(call.query.0.cursor.as_deref(), "deliveries")?;
    let within = [organization.as_str()];
    let mut found = app.desk.list::<DeliveryAt>(&within, after.as_deref(), limit + 1).await?;
    let more = found.len() > limit as usize;
    found.truncate(limit as usize);
    let last = found.last().and_then(|item| item.parts.last()).filter(|_| more);
    let next = last.map(|place| Cursor::after(place, "deliveries"));
    let mut data = Vec::with_capacity(found.len());
    for item in &found {
        let delivery = delivery::find(&app.desk, organization, &item.record.id).await?;
        data.extend(delivery.map(|(delivery, _)| view(&delivery)));
    }
    Answer::ok(&Page::new(data, next))
}

async fn get(app: App, call: Call) -> Result<Answer, Problem> {
    let organization = call.caller()?.may(Scope::WebhooksRead)?;
    let found = delivery::find(&app.desk, organization, call.part("delivery")).await?;
    let (delivery, _) = found.ok_or_else(|| Problem::not_found("delivery"))?;
    Answer::ok(&view(&delivery))
}

async fn redeliver(app: App, call: Call) -> Result<Answer, Problem> {
    let caller = call.caller()?;
    let organization = caller.may(Scope::WebhooksWrite)?;
    let found = delivery::find(&app.desk, organization, call.part("delivery")).await?;
    let (mut delivery, read) = found.ok_or_else(|| Problem::not_found("delivery"))?;
    if delivery.state == State::Pending {
        return Err(Problem::conflict("webhook.pending", "it is on its way already"));
    }
    let to = app.desk.get::<Subscription>(&[&delivery.subscription]).await?;
    if to.is_none_or(|(subscription, _)| subscription.gone.is_some()) {
        return Err(Problem::conflict("webhook.unsubscribed", "its receiver wants nothing more"));
    }
    delivery.state = State::Pending;
    delivery.turn += 1;
    let posted = Posted::Again { delivery: delivery.id.clone(), turn: delivery.turn };
    let name = format!("{}-{:08x}", delivery.id, delivery.turn);
    let change = Change::by(caller, organization, &call.head, &delivery.id, app.now())
        .replace(&delivery.parts(), read, &delivery)
        .put(&[organization.as_str(), &name], &posted);
    app.desk.commit(change).await?;
    app.post.ready.notify_one();
    Answer::json(StatusCode::ACCEPTED, &view(&delivery))
}

fn view(delivery: &Delivery) -> DeliveryView {
    let attempts = delivery.attempts.iter().map(|attempt| AttemptView {
        at: attempt.at.to_string(),
        response_status: attempt.status,
        code: attempt.code.clone(),
        took_ms: attempt.took_ms,
    });
    DeliveryView {
        id: delivery.id.clone(),
        subscription: delivery.subscription.clone(),
        event: delivery.topic,
        run: delivery.run.to_string(),
        status: delivery.state,
        attempts: attempts.collect(),
        created_at: delivery.created.to_string(),
    }
}
