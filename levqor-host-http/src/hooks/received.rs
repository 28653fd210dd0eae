//! What an endpoint received lately: two short lists, so that refused requests never push out those
//! that were believed. Neither bodies nor headers are kept.

use levqor_core::ids::Organization;
use levqor_core::time::Timestamp;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::app::App;
use crate::desk::{Change, Record, Room};
use crate::http::Problem;
use crate::ids;

/// Believed requests kept for each endpoint.
pub(crate) const BELIEVED_MAX: u32 = 100;
/// Refused ones.
pub(crate) const REFUSED_MAX: u32 = 50;
/// What may stand over the limit until the next request clears it away.
const OVER: u32 = 16;

/// What came of a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Came {
    /// A run started.
    Started,
    /// An earlier delivery with the same id had started it.
    Repeated,
    /// Answered without a run: a challenge, a ping.
    Answered,
    /// The pipeline's `concurrency` skips it.
    Skipped,
    /// Believed, and the pipeline did not take it.
    Failed,
    /// Not believed.
    Refused,
}

/// One request, as it is stored.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Received {
    /// When.
    pub(crate) at: Timestamp,
    /// What came of it.
    pub(crate) came: Came,
    /// The delivery's id; empty where the request was refused.
    pub(crate) delivery: String,
    /// What happened, in the sender's word.
    pub(crate) event: String,
    /// The run.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) run: Option<String>,
    /// Why there is none: a refusal's word, or a stable code.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) code: Option<String>,
    /// The same for people.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) detail: Option<String>,
    /// Bytes of its body.
    pub(crate) bytes: u64,
    /// The request, as in the log.
    pub(crate) request_id: String,
}

impl Record for Received {
    const ROOM: Room = Room::HookReceived;
}

impl Received {
    fn list(&self) -> (&'static str, u32) {
        match self.came {
            Came::Refused => ("refused", REFUSED_MAX),
            _ => ("believed", BELIEVED_MAX),
        }
    }
}

/// Remembers a request, and forgets the oldest of its list.
pub(crate) async fn remember(
    app: &App,
    organization: &Organization,
    endpoint: &str,
    received: &Received,
) -> Result<(), Problem> {
    let (list, most) = received.list();
    let within = [endpoint, list];
    let stored = app.desk.list::<Received>(&within, None, most + OVER).await?;
    let back = u64::MAX - u64::try_from(received.at.as_millis()).unwrap_or(0);
    let key = format!("{back:016x}-{}", ids::make("rcv"));
    let mut change = Change::of_system(organization).put(&[endpoint, list, &key], received);
    for old in stored.iter().skip(most as usize - 1) {
        let parts: Vec<&str> = old.parts.iter().map(String::as_str).collect();
        change = change.forget::<Received>(&parts);
    }
    app.desk.commit(change).await
}

/// Both lists together, newest first.
pub(crate) async fn lately(app: &App, endpoint: &str) -> Result<Vec<Received>, Problem> {
    let mut all = Vec::new();
    for (list, most) in [("believed", BELIEVED_MAX), ("refused", REFUSED_MAX)] {
        let found = app.desk.list::<Received>(&[endpoint, list], None, most).await?;
        all.extend(found.into_iter().map(|f| f.record));
    }
    all.sort_by_key(|received| std::cmp::Reverse(received.at));
    Ok(all)
}

/// Forgets both lists, in the change that removes the endpoint.
pub(crate) async fn forget(
    app: &App,
    endpoint: &str,
    mut change: Change,
) -> Result<Change, Problem> {
    let most = BELIEVED_MAX + REFUSED_MAX + 2 * OVER;
    for old in app.desk.list::<Received>(&[endpoint], None, most).await? {
        let parts: Vec<&str> = old.parts.iter().map(String::as_str).collect();
        change = change.forget::<Received>(&parts);
    }
    Ok(change)
}
