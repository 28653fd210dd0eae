//! [`Draft`]: what came of a goal, kept for a week.

use levqor_core::document::Issue;
use levqor_core::ids::Organization;
use levqor_core::pipeline::Change as Difference;
use levqor_core::pipeline::Estimate;
use levqor_core::store::Batch;
use levqor_core::time::Timestamp;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::app::App;
use crate::desk::{Change, Found, Record, Room, key_of};
use crate::http::Problem;
use crate::ids;

/// How long a draft is kept: over a weekend and a holiday.
const KEPT_MS: u64 = 7 * 86_400_000;
/// Drafts of one organization that are kept; the oldest goes first.
pub(super) const DRAFTS_MAX: u32 = 100;

/// Who made a draft.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub(crate) enum MadeBy {
    /// The configured model.
    Model,
    /// The matcher of words, which needs none.
    Matcher,
}

/// Why the model did not make it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub(crate) struct Fallback {
    /// Stable code: `plan.no_model` where none is configured, `plan.gave_up` where no reply was
    /// valid, `credits.insufficient`, `plan.timeout`, or the connector's own.
    pub(crate) code: String,
    /// For people.
    pub(crate) message: String,
}

impl Fallback {
    pub(super) fn new(code: &str, message: impl Into<String>) -> Self {
        Self { code: code.to_owned(), message: message.into() }
    }
}

/// A draft as it is stored.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Draft {
    pub(crate) id: String,
    pub(crate) goal: String,
    pub(crate) document: Map<String, Value>,
    pub(crate) note: String,
    pub(crate) matched: Vec<String>,
    pub(crate) made_by: MadeBy,
    pub(crate) fallback: Option<Fallback>,
    pub(crate) issues: Vec<Issue>,
    pub(crate) estimate: Estimate,
    /// The pipeline it was compared with, and what differs.
    pub(crate) pipeline: Option<String>,
    pub(crate) diff: Option<Vec<Difference>>,
    /// The run that asked the model, and what it cost.
    pub(crate) run: Option<String>,
    pub(crate) credits: u64,
    pub(crate) created: Timestamp,
    pub(crate) expires: Timestamp,
}

impl Record for Draft {
    const ROOM: Room = Room::Draft;
}

/// A draft in its organization's list.
#[derive(Debug, Serialize, Deserialize)]
struct DraftOf {
    expires: Timestamp,
}

impl Record for DraftOf {
    const ROOM: Room = Room::DraftOf;
}

impl Draft {
    pub(super) fn new_id() -> String {
        ids::make("drf")
    }

    pub(super) fn expiry(now: Timestamp) -> Timestamp {
        now.plus_ms(KEPT_MS)
    }

    /// Newest first: keys sort upwards, so time stands as its complement.
    fn place(&self) -> String {
        format!("{:016x}", u64::MAX - u64::try_from(self.created.as_millis()).unwrap_or(0))
    }
}

/// Stores a draft, and lets those go that are over or too many.
pub(super) async fn store(
    app: &App,
    organization: &Organization,
    change: Change,
    draft: &Draft,
) -> Result<(), Problem> {
    let of = organization.as_str();
    let kept = app.desk.list::<DraftOf>(&[of], None, 2 * DRAFTS_MAX).await?;
    let mut gone = Batch::new(of);
    for (at, found) in kept.iter().enumerate() {
        let over = found.record.expires <= app.now() || at + 1 >= DRAFTS_MAX as usize;
        if let ([_, place, id], true) = (found.parts.as_slice(), over) {
            gone.delete.push(key_of::<DraftOf>(&[of, place, id]));
            gone.delete.push(key_of::<Draft>(&[of, id]));
        }
    }
    let listed = DraftOf { expires: draft.expires };
    let change = change
        .insert(&[of, &draft.id], draft)
        .insert(&[of, &draft.place(), &draft.id], &listed)
        .along(gone);
    app.desk.commit(change).await
}

/// A draft of this organization.
pub(crate) async fn load(
    app: &App,
    organization: &Organization,
    id: &str,
) -> Result<Draft, Problem> {
    let absent = || Problem::not_found("draft");
    if !ids::is("drf", id) {
        return Err(absent());
    }
    let found = app.desk.get::<Draft>(&[organization.as_str(), id]).await?;
    found.map(|(draft, _)| draft).filter(|draft| app.now() < draft.expires).ok_or_else(absent)
}

/// The document of a draft of this organization, to be compiled and run as one that was sent.
pub(crate) async fn draft_document(
    app: &App,
    organization: &Organization,
    id: &str,
) -> Result<Map<String, Value>, Problem> {
    Ok(load(app, organization, id).await?.document)
}

/// The organization's drafts, newest first, after the one with this place and id.
pub(crate) async fn recent(app: &App, organization: &Organization) -> Result<Vec<Draft>, Problem> {
    let of = organization.as_str();
    let listed: Vec<Found<DraftOf>> = app.desk.list(&[of], None, DRAFTS_MAX).await?;
    let mut drafts = Vec::new();
    for found in listed.into_iter().filter(|f| app.now() < f.record.expires) {
        let id = found.parts.last().map(String::as_str).unwrap_or_default();
        if let Some((draft, _)) = app.desk.get::<Draft>(&[of, id]).await? {
            drafts.push(draft);
        }
    }
    Ok(drafts)
}
