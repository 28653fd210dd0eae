//! The pump: from the outbox to runs that deliver.
//!
//! It wakes when a commit of this process put something there, when a person wants a delivery once
//! more, and every half minute in any case. What it does can be done again: deliveries have ids made
//! of what they tell, runs start under keys, and the outbox record goes last.

use std::sync::Arc;
use std::time::Duration;

use levqor_core::engine::Start;
use levqor_core::ids::Organization;
use levqor_core::pipeline::Pipeline;
use serde_json::json;
use tokio::sync::broadcast::error::RecvError;
use tokio_util::sync::CancellationToken;

use super::delivery::{self, Delivery, State};
use super::outbox::Posted;
use super::{beside, connector, subscription};
use crate::app::App;
use crate::desk::{Change, Found};
use crate::http::Problem;

/// Records of the outbox dealt with in one pass.
const PASS: u32 = 200;
/// At least so often it looks, whatever it was told.
const LOOK: Duration = Duration::from_secs(30);

/// Pumps until it is told to stop.
pub(crate) async fn run(app: App, stop: CancellationToken) {
    let mut feed = app.engine.feed();
    // What a process left behind that was stopped or killed.
    drain(&app).await;
    loop {
        let wakes = tokio::select! {
            () = stop.cancelled() => return,
            () = app.post.ready.notified() => true,
            () = tokio::time::sleep(LOOK) => true,
            heard = feed.recv() => match heard {
                Ok((run, _)) => app.post.committed(run),
                Err(RecvError::Lagged(_)) => true,
                Err(RecvError::Closed) => return,
            },
        };
        if wakes {
            drain(&app).await;
        }
    }
}

async fn drain(app: &App) {
    loop {
        match pass(app).await {
            Ok(true) => {}
            Ok(false) => return,
            Err(problem) => {
                tracing::warn!(code = problem.code(), "the outbox waits");
                return;
            }
        }
    }
}

/// Deals with some records; whether there may be more.
async fn pass(app: &App) -> Result<bool, Problem> {
    let found = app.desk.list::<Posted>(&[], None, PASS).await?;
    if found.is_empty() {
        return Ok(false);
    }
    let pipeline = pipeline(app).await?;
    let mut left = 0;
    for posted in &found {
        if let Err(problem) = tell(app, &pipeline, posted).await {
            // The next look finds it again; the others need not wait for it.
            tracing::warn!(code = problem.code(), "something is still to be told");
            left += 1;
        }
    }
    Ok(found.len() == PASS as usize && left < found.len())
}

async fn pipeline(app: &App) -> Result<Arc<Pipeline>, Problem> {
    let text = connector::document(app.post.retry_delay_ms);
    Ok(app.engine.compile_text(&Organization::local(), &text).await?)
}

async fn tell(app: &App, pipeline: &Arc<Pipeline>, posted: &Found<Posted>) -> Result<(), Problem> {
    let named = posted.parts.first().map(String::as_str).unwrap_or_default();
    let organization = Organization::new(named).map_err(|_| Problem::internal())?;
    match &posted.record {
        Posted::Status { topic, run, pipeline: name, seq, created, at } => {
            for (subscription, _) in subscription::all(&app.desk, &organization).await? {
                if !subscription.wants(*topic) {
                    continue;
                }
                let delivery = Delivery {
                    id: Delivery::id_of(&subscription.id, *run, *seq),
                    organization: organization.clone(),
                    subscription: subscription.id,
                    topic: *topic,
                    run: *run,
                    body: delivery::body(*topic, *run, name, *created, *at),
                    state: State::Pending,
                    attempts: Vec::new(),
                    turn: 0,
                    created: *at,
                };
                delivery::keep(&app.desk, &delivery).await?;
                start(app, pipeline, &organization, &delivery.id, 0).await?;
            }
            delivery::prune(&app.desk, &organization, app.now()).await?;
        }
        Posted::Again { delivery, turn } => {
            start(app, pipeline, &organization, delivery, *turn).await?;
        }
    }
    let parts: Vec<&str> = posted.parts.iter().map(String::as_str).collect();
    let told = Change::of_system(&organization).remove::<Posted>(&parts, posted.revision);
    app.desk.commit(told).await
}

/// One run for each turn of a delivery, however often it is asked for.
async fn start(
    app: &App,
    pipeline: &Arc<Pipeline>,
    organization: &Organization,
    delivery: &str,
    turn: u32,
) -> Result<(), Problem> {
    let input = json!({ "organization": organization.as_str(), "delivery": delivery });
    let mut start = Start::new(pipeline.clone(), input)
        .organization(beside(organization))
        .idempotency_key(format!("deliver:{delivery}:{turn}"));
    start.principal = Some("system:webhooks".to_owned());
    app.engine.start(start).await?;
    Ok(())
}
