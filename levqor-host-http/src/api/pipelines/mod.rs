//! Stored pipelines: a document under its name, its versions, what changed between them.
//!
//! The entity tag is the version in force, the hash of the document, so that `If-Match` is about
//! what was read and not about when.

mod body;
mod tags;

use axum::http::{Method, StatusCode};
use levqor_core::engine::{Error as EngineError, StoredPipeline};
use levqor_core::ids::{ContentHash, Organization};
use levqor_core::pipeline::{Change, diff};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::runs::audited;
use crate::app::App;
use crate::caller::Scope;
use crate::http::{Answer, Call, Cursor, FieldProblem, Json, Page, PageQuery, Problem, Time};
use crate::route::{Route, Tag};
use body::DocumentBody;

const PATH: &str = "/api/v1/pipelines/{pipeline}";
const MARK: &str = "pipelines";
const IF_MATCH: (&str, &str) = ("If-Match", "the version that was read, as its ETag was");

pub(super) fn routes() -> Vec<Route> {
    let read =
        |path, id| Route::new(Method::GET, path, id, Tag::Pipelines).scope(Scope::PipelinesRead);
    let write = |method, id| {
        Route::new(method, PATH, id, Tag::Pipelines)
            .scope(Scope::PipelinesWrite)
            .header(IF_MATCH.0, IF_MATCH.1)
            .refuses(StatusCode::PRECONDITION_FAILED, "it has changed since it was read")
            .refuses(StatusCode::PRECONDITION_REQUIRED, "say which version was read")
    };
    vec![
        read("/api/v1/pipelines", "list_pipelines")
            .about("Stored pipelines, by name")
            .answers::<Page<PipelineView>>(StatusCode::OK, "a page of pipelines")
            .to(list),
        read(PATH, "get_pipeline")
            .about("A pipeline's document in force")
            .header("If-None-Match", "the version that is known already")
            .answers::<DocumentView>(StatusCode::OK, "the pipeline")
            .answers_media(StatusCode::NOT_MODIFIED, "", "it is the version that is known")
            .to(get),
        write(Method::PUT, "put_pipeline")
            .about("Store a document under its name, in JSON or YAML, and set its schedules")
            .header("If-None-Match", "`*`: only if the name is not there yet")
            .answers::<DocumentView>(StatusCode::OK, "it is in force")
            .answers::<DocumentView>(StatusCode::CREATED, "the name is new")
            .to(put),
        write(Method::DELETE, "delete_pipeline")
            .about("Remove a name and its schedules; its runs and versions stay")
            .answers_media(StatusCode::NO_CONTENT, "", "it is gone")
            .to(delete),
        read("/api/v1/pipelines/{pipeline}/versions", "list_versions")
            .about("Versions that a pipeline has had, newest first, the last hundred")
            .answers::<Page<VersionView>>(StatusCode::OK, "its versions")
            .to(versions),
        read("/api/v1/pipelines/{pipeline}/versions/{version}", "get_version")
            .about("A version's document")
            .answers::<DocumentView>(StatusCode::OK, "the version")
            .to(version),
        read("/api/v1/pipelines/{pipeline}/diff", "diff_versions")
            .about("What changed between two versions, step by step")
            .answers::<DiffView>(StatusCode::OK, "the differences")
            .to(compare),
    ]
}

/// A stored pipeline.
#[derive(Debug, Serialize, JsonSchema)]
struct PipelineView {
    /// Its name.
    name: String,
    /// The version in force: the hash of its document.
    version: String,
    /// When that was stored.
    updated: Time,
    /// Versions before it that are remembered.
    versions_before: usize,
}

/// A pipeline with a document.
#[derive(Debug, Serialize, JsonSchema)]
struct DocumentView {
    /// Its name.
    name: String,
    /// The document's version.
    version: String,
    /// When it was stored.
    updated: Time,
    /// The document, `levqor/v1`.
    document: Value,
}

/// A version of a pipeline.
#[derive(Debug, Serialize, JsonSchema)]
struct VersionView {
    /// The hash of its document.
    version: String,
    /// When it was stored.
    at: Time,
    /// Whether it is in force.
    in_force: bool,
}

/// What changed from one version to another.
#[derive(Debug, Serialize, JsonSchema)]
struct DiffView {
    /// The earlier one.
    from: String,
    /// The later one.
    to: String,
    /// The document's keys, then steps removed, added, changed and moved.
    changes: Vec<Change>,
}

impl From<StoredPipeline> for PipelineView {
    fn from(stored: StoredPipeline) -> Self {
        Self {
            version: stored.version.to_string(),
            updated: stored.at.into(),
            versions_before: stored.history.len(),
            name: stored.name,
        }
    }
}

async fn list(app: App, call: Call<(), Json<PageQuery>>) -> Result<Answer, Problem> {
    let organization = call.caller()?.may(Scope::PipelinesRead)?;
    let limit = call.query.0.limit()?;
    let after = Cursor::read(call.query.0.cursor.as_deref(), MARK)?;
    let mut found = app.engine.pipelines_after(organization, after.as_deref(), limit + 1).await?;
    let more = found.len() > limit as usize;
    found.truncate(limit as usize);
    let next = found.last().filter(|_| more).map(|last| Cursor::after(&last.name, MARK));
    Answer::ok(&Page::new(found.into_iter().map(PipelineView::from).collect(), next))
}

async fn get(app: App, call: Call) -> Result<Answer, Problem> {
    let organization = call.caller()?.may(Scope::PipelinesRead)?;
    let stored = app.engine.stored_pipeline(organization, call.part("pipeline")).await?;
    let version = stored.version.to_string();
    if tags::none_match(&call.head.headers, &version) {
        return Ok(Answer::of(StatusCode::NOT_MODIFIED, crate::http::Payload::Empty).etag(&version));
    }
    let view = document_of(&app, organization, &stored, stored.version).await?;
    Ok(Answer::ok(&view)?.etag(&version))
}

async fn put(app: App, call: Call<DocumentBody>) -> Result<Answer, Problem> {
    let name = call.part("pipeline");
    let (organization, engine) = audited(&app, &call, Scope::PipelinesWrite, name)?;
    let parsed = call.body.read(&app.engine, organization).await?;
    if parsed.document.name != name {
        let detail =
            format!("the document's name is `{}`, the path's `{name}`", parsed.document.name);
        let field = FieldProblem::new("#/name", "pipeline.name_differs", detail.clone());
        return Err(Problem::invalid("pipeline.name_differs", detail).errors(vec![field]));
    }
    let known = stored(&app, organization, name).await?;
    let expected = tags::expected(&call.head.headers, known.is_some())?;
    let pushed = engine.push_over(organization, &parsed, expected).await.map_err(tags::refused)?;
    let stored = pushed.pipeline;
    let view = document_of(&app, organization, &stored, stored.version).await?;
    let answer = match known {
        Some(_) => Answer::ok(&view)?,
        None => Answer::created(&format!("/api/v1/pipelines/{name}"), &view)?,
    };
    Ok(answer.etag(&view.version))
}

async fn delete(app: App, call: Call) -> Result<Answer, Problem> {
    let name = call.part("pipeline");
    let (organization, engine) = audited(&app, &call, Scope::PipelinesWrite, name)?;
    app.engine.stored_pipeline(organization, name).await?;
    let expected = tags::expected(&call.head.headers, true)?;
    engine.remove_pipeline_at(organization, name, expected).await.map_err(tags::refused)?;
    Ok(Answer::nothing())
}

async fn stored(
    app: &App,
    organization: &Organization,
    name: &str,
) -> Result<Option<StoredPipeline>, Problem> {
    match app.engine.stored_pipeline(organization, name).await {
        Ok(stored) => Ok(Some(stored)),
        Err(EngineError::NotFound { .. }) => Ok(None),
        Err(error) => Err(error.into()),
    }
}

async fn versions(app: App, call: Call) -> Result<Answer, Problem> {
    let organization = call.caller()?.may(Scope::PipelinesRead)?;
    let stored = app.engine.stored_pipeline(organization, call.part("pipeline")).await?;
    let view = |(version, at): (ContentHash, _), in_force| VersionView {
        version: version.to_string(),
        at: Time(at),
        in_force,
    };
    let mut all = vec![view((stored.version, stored.at), true)];
    all.extend(stored.history.iter().map(|before| view(*before, false)));
    Answer::ok(&Page::new(all, None))
}

async fn version(app: App, call: Call) -> Result<Answer, Problem> {
    let organization = call.caller()?.may(Scope::PipelinesRead)?;
    let stored = app.engine.stored_pipeline(organization, call.part("pipeline")).await?;
    let version = known_version(&stored, call.part("version"))?;
    let view = document_of(&app, organization, &stored, version).await?;
    Ok(Answer::ok(&view)?.etag(&view.version))
}

/// Which versions are compared.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct DiffQuery {
    /// The earlier version; the one before `to` where absent.
    #[serde(default)]
    #[schemars(length(equal = 64))]
    from: Option<String>,
    /// The later version; the one in force where absent.
    #[serde(default)]
    #[schemars(length(equal = 64))]
    to: Option<String>,
}

async fn compare(app: App, call: Call<(), Json<DiffQuery>>) -> Result<Answer, Problem> {
    let organization = call.caller()?.may(Scope::PipelinesRead)?;
    let stored = app.engine.stored_pipeline(organization, call.part("pipeline")).await?;
    let DiffQuery { from, to } = &call.query.0;
    let to = match to {
        Some(text) => known_version(&stored, text)?,
        None => stored.version,
    };
    let from = match from {
        Some(text) => known_version(&stored, text)?,
        None => before(&stored, to).unwrap_or(to),
    };
    let old = app.engine.document(organization, from).await?;
    let new = app.engine.document(organization, to).await?;
    let changes = diff(&old, &new);
    Answer::ok(&DiffView { from: from.to_string(), to: to.to_string(), changes })
}

/// The version that was in force before this one.
fn before(stored: &StoredPipeline, version: ContentHash) -> Option<ContentHash> {
    let mut all = std::iter::once(stored.version).chain(stored.history.iter().map(|(v, _)| *v));
    all.find(|found| *found == version)?;
    all.next()
}

/// A version that this name has had. Another one of the organization's is not this pipeline's.
fn known_version(stored: &StoredPipeline, text: &str) -> Result<ContentHash, Problem> {
    let absent = || Problem::not_found("version");
    let version = text.parse().map_err(|_| absent())?;
    let was = stored.history.iter().any(|(before, _)| *before == version);
    match was || version == stored.version {
        true => Ok(version),
        false => Err(absent()),
    }
}

async fn document_of(
    app: &App,
    organization: &Organization,
    stored: &StoredPipeline,
    version: ContentHash,
) -> Result<DocumentView, Problem> {
    let before = stored.history.iter().find(|(found, _)| *found == version);
    let at = if version == stored.version { Some(stored.at) } else { before.map(|(_, at)| *at) };
    let document = app.engine.document(organization, version).await?;
    Ok(DocumentView {
        name: stored.name.clone(),
        version: version.to_string(),
        updated: at.unwrap_or(stored.at).into(),
        document: document.to_value(),
    })
}
