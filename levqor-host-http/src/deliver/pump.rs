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
use crate::flags::Flag;
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
    if !app.flags.is_on(Flag::OutgoingWebhooks) {
        return;
    }
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

#[cfg(test)]
mod tests {
    use levqor_core::run::RunStatus;

    use super::*;
    use crate::config::Config;
    use crate::deliver::delivery::DeliveryAt;
    use crate::deliver::subscription::{Subscription, SubscriptionOf, Topic};

    const STEPS: &str = r#"[{"id": "a", "uses": "core/set", "with": {"v": 1}}]"#;

    /// An app whose engine and pump stand still until they are driven.
    async fn app(folder: &std::path::Path) -> App {
        let mut config = Config::in_folder(folder);
        config.store = "memory:".to_owned();
        let store = config.store_spec().unwrap().open().unwrap();
        let errors = crate::observe::Errors::in_folder(&config.data_dir.join("logs"));
        let clock = levqor_core::time::SystemClock;
        let app = crate::serve::open(config, store, clock, errors).await.unwrap().0;
        let main = Organization::new("main").unwrap();
        let subscription = Subscription {
            id: "sub_a".to_owned(),
            organization: main.clone(),
            url: "https://a.example/".to_owned(),
            topics: vec![Topic::Succeeded],
            secrets: Vec::new(),
            created: app.now(),
            created_by: "me".to_owned(),
            gone: None,
        };
        let of = SubscriptionOf { id: subscription.id.clone() };
        let change = Change::of_system(&main)
            .insert(&["sub_a"], &subscription)
            .insert(&["main", "sub_a"], &of);
        app.desk.commit(change).await.unwrap();
        app.post.add(&subscription);
        let document = format!(r#"{{"schema": "levqor/v1", "name": "p", "steps": {STEPS}}}"#);
        let pipeline = app.engine.compile_text(&main, &document).await.unwrap();
        let start = Start::new(pipeline, serde_json::Value::Null).organization(main);
        app.engine.start(start).await.unwrap();
        app
    }

    async fn counts(app: &App) -> (usize, usize, usize) {
        let posted = app.desk.list::<Posted>(&[], None, 10).await.unwrap().len();
        let kept = app.desk.list::<DeliveryAt>(&["main"], None, 10).await.unwrap().len();
        let own = Organization::new("levqor.main").unwrap();
        let runs = app.engine.list(&own, None, None, 10).await.unwrap().data;
        assert!(runs.iter().all(|run| run.status == RunStatus::Queued));
        (posted, kept, runs.len())
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn what_a_crash_leaves_in_the_outbox_is_told_once() {
        let folder = tempfile::tempdir().unwrap();
        let app = app(folder.path()).await;
        assert_eq!(counts(&app).await, (0, 0, 0), "nothing has ended");
        app.engine.run_until_idle().await.unwrap();
        // The run has ended and nobody has looked: that is what a crash finds.
        assert_eq!(counts(&app).await, (1, 0, 0));
        let left = app.desk.list::<Posted>(&[], None, 10).await.unwrap().remove(0);
        drain(&app).await;
        assert_eq!(counts(&app).await, (0, 1, 1));
        // A crash before the record was removed: all of it happens again, and changes nothing.
        let parts: Vec<&str> = left.parts.iter().map(String::as_str).collect();
        let main = Organization::new("main").unwrap();
        let again = Change::of_system(&main).put(&parts, &left.record);
        app.desk.commit(again).await.unwrap();
        drain(&app).await;
        assert_eq!(counts(&app).await, (0, 1, 1));
    }
}
