//! Reading runs: one in few words, one whole, a page of them, a journal.

use axum::http::{Method, StatusCode};
use levqor_core::engine::RunFilter;
use levqor_core::run::RunStatus;
use schemars::{JsonSchema, Schema, SchemaGenerator};
use serde::Deserialize;
use serde::Serialize;
use serde_json::{Map, Value};

use super::view::{RunDetailView, RunStatusView, RunView};
use super::{Labels, event};
use crate::app::App;
use crate::caller::Scope;
use crate::http::{Answer, Call, Cursor, Json, Page, PageQuery, Problem, Query, Time};
use crate::route::{Route, Tag};

/// Before the name of a label that a list is filtered by.
const LABEL_PREFIX: &str = "label.";

pub(super) fn routes() -> Vec<Route> {
    vec![
        Route::new(Method::GET, "/api/v1/status/{run}", "run_status", Tag::Runs)
            .scope(Scope::RunsRead)
            .about("Where a run is in its life, and what came out")
            .answers::<RunStatusView>(StatusCode::OK, "the run in few words")
            .to(status),
        Route::new(Method::GET, "/api/v1/runs", "list_runs", Tag::Runs)
            .scope(Scope::RunsRead)
            .about("Runs, newest first; `label.NAME=VALUE` filters by label")
            .answers::<Page<RunView>>(StatusCode::OK, "a page; a filtered one may be short")
            .to(list),
        Route::new(Method::GET, "/api/v1/runs/{run}", "get_run", Tag::Runs)
            .scope(Scope::RunsRead)
            .about("A run with its input, output and error")
            .answers::<RunDetailView>(StatusCode::OK, "the run")
            .to(get),
        Route::new(Method::GET, "/api/v1/runs/{run}/journal", "run_journal", Tag::Runs)
            .scope(Scope::RunsRead)
            .about("What happened to a run, in order")
            .answers::<Page<JournalView>>(StatusCode::OK, "a page of records")
            .to(journal),
    ]
}

async fn status(app: App, call: Call) -> Result<Answer, Problem> {
    let organization = call.caller()?.may(Scope::RunsRead)?;
    let detail = app.engine.get(organization, call.run()?).await?;
    Answer::ok(&RunStatusView::from(detail))
}

async fn get(app: App, call: Call) -> Result<Answer, Problem> {
    let organization = call.caller()?.may(Scope::RunsRead)?;
    let detail = app.engine.get(organization, call.run()?).await?;
    Answer::ok(&RunDetailView::from(detail))
}

/// Which runs.
#[derive(Clone, Debug, Default, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Filter {
    /// In this status.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) status: Option<RunStatus>,
    /// Of this pipeline.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) pipeline: Option<String>,
    /// Accepted after this moment.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) created_after: Option<Time>,
    /// Accepted before this moment.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) created_before: Option<Time>,
    /// With these labels.
    #[serde(default)]
    #[schemars(length(max = 16))]
    pub(super) labels: Labels,
}

impl Filter {
    pub(super) fn to_engine(&self) -> RunFilter {
        let mut filter = RunFilter::default();
        filter.status = self.status;
        filter.pipeline.clone_from(&self.pipeline);
        filter.created_after = self.created_after.map(|at| at.0);
        filter.created_before = self.created_before.map(|at| at.0);
        filter.labels.clone_from(&self.labels);
        filter
    }

    /// The filter in words, for cursors.
    pub(super) fn mark(&self) -> String {
        serde_json::to_string(self).unwrap_or_default()
    }
}

/// The list's parameters; labels are taken apart from the others, since their names are free.
#[derive(Clone, Debug)]
struct ListQuery {
    filter: Filter,
    page: PageQuery,
}

/// What a list's query has besides labels.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct PlainQuery {
    /// How many items, 1 to 200; 50 where not said.
    #[serde(default)]
    #[schemars(range(min = 1, max = 200))]
    limit: Option<u32>,
    /// Where the page begins: `next_cursor` of the one before.
    #[serde(default)]
    cursor: Option<String>,
    /// In this status.
    #[serde(default)]
    status: Option<RunStatus>,
    /// Of this pipeline.
    #[serde(default)]
    pipeline: Option<String>,
    /// Accepted after this moment.
    #[serde(default)]
    created_after: Option<Time>,
    /// Accepted before this moment.
    #[serde(default)]
    created_before: Option<Time>,
}

impl Query for ListQuery {
    fn read(uri: &axum::http::Uri) -> Result<Self, Problem> {
        let refused = |detail: String| Problem::bad_request("request.query", detail);
        let pairs = url::form_urlencoded::parse(uri.query().unwrap_or_default().as_bytes());
        let (mut labels, mut plain) =
            (Labels::new(), url::form_urlencoded::Serializer::new(String::new()));
        for (name, value) in pairs {
            match name.strip_prefix(LABEL_PREFIX) {
                Some(label) => {
                    if labels.insert(label.to_owned(), value.into_owned()).is_some() {
                        return Err(refused(format!("`{name}` is there twice")));
                    }
                }
                None => {
                    plain.append_pair(&name, &value);
                }
            }
        }
        let uri = format!("/?{}", plain.finish())
            .parse()
            .map_err(|_| refused("unreadable".to_owned()))?;
        let Json(plain) = <Json<PlainQuery> as Query>::read(&uri)?;
        let PlainQuery { limit, cursor, status, pipeline, created_after, created_before } = plain;
        let filter = Filter { status, pipeline, created_after, created_before, labels };
        Ok(Self { filter, page: PageQuery { limit, cursor } })
    }

    fn describe(generator: &mut SchemaGenerator) -> Option<Schema> {
        Some(PlainQuery::json_schema(generator))
    }
}

async fn list(app: App, call: Call<(), ListQuery>) -> Result<Answer, Problem> {
    let organization = call.caller()?.may(Scope::RunsRead)?;
    let ListQuery { filter, page } = &call.query;
    let (limit, mark) = (page.limit()?, filter.mark());
    let before = run_cursor(page.cursor.as_deref(), &mark)?;
    let found = app.engine.find(organization, &filter.to_engine(), before, limit).await?;
    let next = found.next.map(|run| Cursor::after(&run.to_string(), &mark));
    Answer::ok(&Page::new(found.data.into_iter().map(RunView::from).collect(), next))
}

/// The run that a cursor of a list of runs stands at.
pub(in crate::api) fn run_cursor(
    text: Option<&str>,
    mark: &str,
) -> Result<Option<levqor_core::ids::RunId>, Problem> {
    let Some(key) = Cursor::read(text, mark)? else { return Ok(None) };
    let refused =
        |_| Problem::bad_request("request.cursor", "the cursor is not one of this list's");
    key.parse().map(Some).map_err(refused)
}

/// One commit of a run's journal.
#[derive(Debug, Serialize, JsonSchema)]
struct JournalView {
    /// Its number, from 0.
    seq: u64,
    /// When it was decided.
    at: Time,
    /// What happened, in order; each has its name in `event` and, below a step, its `path`.
    events: Vec<Map<String, Value>>,
}

async fn journal(app: App, call: Call<(), Json<PageQuery>>) -> Result<Answer, Problem> {
    let organization = call.caller()?.may(Scope::RunsRead)?;
    let run = call.run()?;
    let (limit, mark) = (call.query.0.limit()?, run.to_string());
    let after = Cursor::read(call.query.0.cursor.as_deref(), &mark)?;
    let refused =
        |_| Problem::bad_request("request.cursor", "the cursor is not one of this list's");
    let from = after.map(|text| text.parse::<u64>().map_err(refused)).transpose()?;
    let from = from.map_or(0, |seq| seq.saturating_add(1));
    let page = app.engine.journal_page(organization, run, from, limit).await?;
    let pipeline = app.engine.version(organization, page.version).await.ok();
    let last = page.records.last().map(|(seq, _)| *seq);
    let next = last.filter(|_| !page.is_whole).map(|seq| Cursor::after(&seq.to_string(), &mark));
    let view = |(seq, record): (u64, levqor_core::run::JournalRecord)| JournalView {
        seq,
        at: record.at.into(),
        events: record.events.iter().map(|e| event::view(e, pipeline.as_deref())).collect(),
    };
    Answer::ok(&Page::new(page.records.into_iter().map(view).collect(), next))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn labels_are_read_beside_the_other_parameters() {
        let read = |query: &str| ListQuery::read(&format!("/x?{query}").parse().unwrap());
        let query = read("label.env=prod%20eu&status=failed&limit=3&label.team=a").unwrap();
        assert_eq!(query.filter.labels.len(), 2);
        assert_eq!(query.filter.labels["env"], "prod eu");
        assert_eq!((query.filter.status, query.page.limit), (Some(RunStatus::Failed), Some(3)));
        for wrong in
            ["label.a=1&label.a=2", "stats=failed", "status=gone", "created_after=x", "limit=a"]
        {
            assert_eq!(read(wrong).unwrap_err().code(), "request.query", "{wrong}");
        }
    }
}
