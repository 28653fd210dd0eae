//! Pipelines by name and version: stored, compiled, kept.
//!
//! A version is a document by its content and is written once; a name points at the version in
//! force and remembers the ones before. Runs pin versions, never names.

mod read;
mod versions;

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::error::Error;
use super::{Engine, Inner, codec};
use crate::document::{Parsed, PipelineDocument, Spans};
use crate::error::{ErrorKind, RunError};
use crate::ids::{ContentHash, Organization};
use crate::limits::PAGE_MAX;
use crate::pipeline::Pipeline;
use crate::store::{Key, Revision, Table};
use crate::time::Timestamp;
pub(crate) use versions::{Kept, Version};

/// Versions a name remembers; older documents stay while a run needs them.
const HISTORY_MAX: usize = 100;

fn name_key(organization: &Organization, name: &str) -> Key {
    Key::of(Table::Pipeline).text(organization.as_str()).text(name)
}

/// A pipeline by its name.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct StoredPipeline {
    /// Format version: 1.
    pub v: u8,
    /// The name.
    pub name: String,
    /// The version in force.
    pub version: ContentHash,
    /// When it was pushed.
    pub at: Timestamp,
    /// Versions before it, newest first.
    pub history: Vec<(ContentHash, Timestamp)>,
}

/// Which version a change of a name expects to find in force.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum VersionExpected {
    /// Whichever, or none.
    #[default]
    Any,
    /// None: the name is not there yet.
    Absent,
    /// Some version.
    Present,
    /// This one.
    At(ContentHash),
}

impl VersionExpected {
    fn check(self, stored: Option<&StoredPipeline>) -> Result<(), Error> {
        let holds = match self {
            Self::Any => true,
            Self::Absent => stored.is_none(),
            Self::Present => stored.is_some(),
            Self::At(version) => stored.is_some_and(|s| s.version == version),
        };
        if holds {
            return Ok(());
        }
        let message = "the pipeline has changed since it was read";
        Err(RunError::new(ErrorKind::Conflict, "pipeline.changed", message).into())
    }
}

/// What a push did.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Pushed {
    /// The pipeline as it stands now.
    pub pipeline: StoredPipeline,
    /// Whether the document differs from the version that was in force.
    pub changed: bool,
}

impl Engine {
    /// Validates and compiles a document; sub-pipelines are looked up among the stored ones.
    ///
    /// # Errors
    /// [`Error::Invalid`] with every problem found.
    pub async fn compile(
        &self,
        organization: &Organization,
        document: &PipelineDocument,
        spans: Option<&Spans>,
    ) -> Result<Arc<Pipeline>, Error> {
        self.inner.compile(organization, document, spans, 0).await
    }

    /// Stores a document under its name and sets its schedules. The same document again changes
    /// nothing.
    ///
    /// # Errors
    /// [`Error::Invalid`]; [`Error::Commit`] when somebody pushed the same name at the same time.
    pub async fn push(
        &self,
        organization: &Organization,
        parsed: &Parsed,
    ) -> Result<Pushed, Error> {
        self.push_over(organization, parsed, VersionExpected::Any).await
    }

    /// The same, if the version in force is the expected one.
    ///
    /// # Errors
    /// As [`Engine::push`]; [`Error::Refused`] (`pipeline.changed`) where another one is.
    pub async fn push_over(
        &self,
        organization: &Organization,
        parsed: &Parsed,
        expected: VersionExpected,
    ) -> Result<Pushed, Error> {
        let inner = &self.inner;
        let pipeline = self.compile(organization, &parsed.document, Some(&parsed.spans)).await?;
        let (now, name) = (inner.clock.now(), pipeline.name());
        let known = inner.stored(organization, name).await?;
        expected.check(known.as_ref().map(|(stored, _)| &**stored))?;
        if let Some((stored, _)) = &known
            && stored.version == pipeline.hash()
        {
            return Ok(Pushed { pipeline: (**stored).clone(), changed: false });
        }
        let mut batch = self.batch(organization);
        let versions = inner.remember_version(organization, &pipeline, &mut batch).await?;
        let mut history = Vec::new();
        if let Some((before, _)) = &known {
            history.push((before.version, before.at));
            history.extend(before.history.iter().take(HISTORY_MAX - 1).copied());
        }
        let stored = StoredPipeline {
            v: 1,
            name: name.to_owned(),
            version: pipeline.hash(),
            at: now,
            history,
        };
        let key = name_key(organization, name);
        let value = codec::to_value(&stored);
        match known {
            Some((_, revision)) => batch.replace(key, revision, value),
            None => batch.insert(key, value),
        }
        let changes = inner.schedule_changes(organization, &pipeline, now, &mut batch).await?;
        inner.store.commit(batch).await?;
        inner.versions_stored(&versions);
        inner.set_schedules(organization, changes);
        Ok(Pushed { pipeline: stored, changed: true })
    }

    /// The pipeline in force under a name, compiled.
    ///
    /// # Errors
    /// [`Error::NotFound`]; [`Error::Invalid`] when the connectors it needs are gone.
    pub async fn named(
        &self,
        organization: &Organization,
        name: &str,
    ) -> Result<Arc<Pipeline>, Error> {
        let Some((stored, _)) = self.inner.stored(organization, name).await? else {
            return Err(Error::NotFound { what: "pipeline", id: name.to_owned() });
        };
        self.inner.pipeline(organization, stored.version).await
    }

    /// A version's compiled pipeline.
    ///
    /// # Errors
    /// [`Error::Corrupt`] where the version is not stored.
    pub async fn version(
        &self,
        organization: &Organization,
        version: ContentHash,
    ) -> Result<Arc<Pipeline>, Error> {
        self.inner.pipeline(organization, version).await
    }

    /// The stored pipelines of an organization, by name.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub async fn pipelines(
        &self,
        organization: &Organization,
    ) -> Result<Vec<StoredPipeline>, Error> {
        let mut range = Key::of(Table::Pipeline).text(organization.as_str()).prefix();
        let mut all = Vec::new();
        loop {
            let page = self.inner.store.scan(&range, PAGE_MAX).await?;
            let Some((last, _)) = page.last() else { return Ok(all) };
            range = range.after(&last.clone());
            for (_, record) in &page {
                all.push(codec::read(&record.value, "pipeline")?);
            }
        }
    }

    /// Up to `limit` stored pipelines after the name `after`, by name.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub async fn pipelines_after(
        &self,
        organization: &Organization,
        after: Option<&str>,
        limit: u32,
    ) -> Result<Vec<StoredPipeline>, Error> {
        let all = Key::of(Table::Pipeline).text(organization.as_str());
        let mut range = all.clone().prefix();
        if let Some(after) = after {
            range = range.after(&all.text(after));
        }
        let found = self.inner.store.scan(&range, limit.min(PAGE_MAX + 1)).await?;
        found.iter().map(|(_, record)| codec::read(&record.value, "pipeline")).collect()
    }

    /// The pipeline of this name as it is stored.
    ///
    /// # Errors
    /// [`Error::NotFound`].
    pub async fn stored_pipeline(
        &self,
        organization: &Organization,
        name: &str,
    ) -> Result<StoredPipeline, Error> {
        match self.inner.stored(organization, name).await? {
            Some((stored, _)) => Ok(Arc::unwrap_or_clone(stored)),
            None => Err(Error::NotFound { what: "pipeline", id: name.to_owned() }),
        }
    }

    /// Removes a name and its schedules; runs under way and versions stay.
    ///
    /// # Errors
    /// [`Error::NotFound`].
    pub async fn remove_pipeline(
        &self,
        organization: &Organization,
        name: &str,
    ) -> Result<(), Error> {
        self.remove_pipeline_at(organization, name, VersionExpected::Any).await
    }

    /// The same, if the version in force is the expected one.
    ///
    /// # Errors
    /// [`Error::NotFound`]; [`Error::Refused`] (`pipeline.changed`) where another one is.
    pub async fn remove_pipeline_at(
        &self,
        organization: &Organization,
        name: &str,
        expected: VersionExpected,
    ) -> Result<(), Error> {
        let inner = &self.inner;
        let Some((stored, revision)) = inner.stored(organization, name).await? else {
            return Err(Error::NotFound { what: "pipeline", id: name.to_owned() });
        };
        expected.check(Some(&stored))?;
        let mut batch = self.batch(organization);
        batch.remove(name_key(organization, name), revision);
        let changes = inner.schedules_removed(organization, name, &mut batch).await?;
        inner.store.commit(batch).await?;
        inner.set_schedules(organization, changes);
        Ok(())
    }
}

impl Inner {
    async fn stored(
        &self,
        organization: &Organization,
        name: &str,
    ) -> Result<Option<(Arc<StoredPipeline>, Revision)>, Error> {
        let key = name_key(organization, name);
        let Some(record) = self.store.get(std::slice::from_ref(&key)).await?.pop().flatten() else {
            return Ok(None);
        };
        let stored = self.names.get(key, &record, |value| codec::read(value, "pipeline"))?;
        Ok(Some((stored, record.revision)))
    }
}
