//! Versions: documents by their content, compiled on demand and kept.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use serde::{Deserialize, Serialize};

use crate::document::{PipelineDocument, Spans};
use crate::engine::{Engine, Error, Inner, PIPELINES_KEPT, codec};
use crate::ids::{ContentHash, Organization};
use crate::limits::NESTING_MAX;
use crate::pipeline::{self, Pipeline};
use crate::store::{Batch, Key, Table, Value};

/// One organization's version of a document.
pub(crate) type Version = (Organization, ContentHash);

/// A compiled pipeline in memory.
pub(crate) struct Kept {
    /// The catalog's when it was compiled.
    generation: u64,
    pipeline: Arc<Pipeline>,
    /// Whether its document is known to be in the store. Not before a commit said so: a start that
    /// is refused stores nothing.
    is_stored: bool,
}

/// A document as stored, with the versions of the sub-pipelines it pins.
#[derive(Debug, Serialize, Deserialize)]
struct VersionRecord {
    v: u8,
    document: String,
    subs: BTreeMap<String, ContentHash>,
}

fn version_value(pipeline: &Pipeline) -> Value {
    codec::to_value(&VersionRecord {
        v: 1,
        document: pipeline.source.to_string(),
        subs: pipeline.subs.iter().map(|(name, p)| (name.clone(), p.hash())).collect(),
    })
}

fn version_key(organization: &Organization, hash: ContentHash) -> Key {
    Key::of(Table::Version).text(organization.as_str()).raw(&hash.0)
}

impl Engine {
    /// A version's document, also where its connectors are gone.
    ///
    /// # Errors
    /// [`Error::NotFound`] where the version is not stored.
    pub async fn document(
        &self,
        organization: &Organization,
        version: ContentHash,
    ) -> Result<PipelineDocument, Error> {
        let key = version_key(organization, version);
        let found = self.inner.store.get(std::slice::from_ref(&key)).await?.pop().flatten();
        let Some(record) = found else {
            return Err(Error::NotFound { what: "version", id: version.to_string() });
        };
        let record: VersionRecord = codec::read(&record.value, "pipeline version")?;
        let value: serde_json::Value = codec::read(&record.document.into(), "document")?;
        PipelineDocument::from_value(&value).map_err(Error::Invalid)
    }
}

impl Inner {
    pub(super) fn compile<'a>(
        &'a self,
        organization: &'a Organization,
        document: &'a PipelineDocument,
        spans: Option<&'a Spans>,
        depth: usize,
    ) -> BoxFuture<'a, Result<Arc<Pipeline>, Error>> {
        async move {
            let mut subs = BTreeMap::new();
            for name in sub_names(&document.to_value()) {
                // A missing one, or a circle, is the compiler's to report at its place.
                if name == document.name || depth >= NESTING_MAX {
                    continue;
                }
                if let Some((stored, _)) = self.stored(organization, &name).await? {
                    let pipeline = self.pipeline(organization, stored.version).await?;
                    subs.insert(name, pipeline);
                }
            }
            pipeline::compile(document, spans, &self.catalog, &|name| subs.get(name).cloned())
                .map_err(Error::Invalid)
        }
        .boxed()
    }

    /// Adds the pipeline's version, and those of its sub-pipelines, to the batch unless stored.
    /// What is returned goes to [`Inner::versions_stored`] once the batch is committed.
    pub(crate) async fn remember_version(
        &self,
        organization: &Organization,
        pipeline: &Arc<Pipeline>,
        batch: &mut Batch,
    ) -> Result<Vec<Version>, Error> {
        let mut added = Vec::new();
        let mut all = vec![pipeline.clone()];
        while let Some(pipeline) = all.pop() {
            all.extend(pipeline.subs.values().cloned());
            let version = (organization.clone(), pipeline.hash());
            if self.pipelines.lock().get(&version).is_some_and(|kept| kept.is_stored) {
                continue;
            }
            let key = version_key(organization, pipeline.hash());
            let is_stored = self.store.get(std::slice::from_ref(&key)).await?[0].is_some();
            if !is_stored && !batch.set.iter().any(|(k, _)| *k == key) {
                // Content-addressed: whoever writes it writes the same.
                batch.set.push((key, version_value(&pipeline)));
                added.push(version.clone());
            }
            self.keep_pipeline(version, pipeline, is_stored);
        }
        Ok(added)
    }

    /// The commit with these versions was applied.
    pub(crate) fn versions_stored(&self, versions: &[Version]) {
        let mut kept = self.pipelines.lock();
        for version in versions {
            if let Some(kept) = kept.get_mut(version) {
                kept.is_stored = true;
            }
        }
    }

    fn keep_pipeline(&self, version: Version, pipeline: Arc<Pipeline>, is_stored: bool) {
        let mut kept = self.pipelines.lock();
        if kept.len() >= PIPELINES_KEPT {
            kept.clear();
        }
        let generation = self.catalog.generation();
        kept.insert(version, Kept { generation, pipeline, is_stored });
    }

    /// The compiled pipeline of a version; compiled again when the catalog has changed since.
    pub(crate) fn pipeline<'a>(
        &'a self,
        organization: &'a Organization,
        hash: ContentHash,
    ) -> BoxFuture<'a, Result<Arc<Pipeline>, Error>> {
        let known = (organization.clone(), hash);
        let generation = self.catalog.generation();
        if let Some(kept) = self.pipelines.lock().get(&known)
            && kept.generation == generation
        {
            return std::future::ready(Ok(kept.pipeline.clone())).boxed();
        }
        async move {
            let key = version_key(organization, hash);
            let found = self.store.get(std::slice::from_ref(&key)).await?.pop().flatten();
            let Some(record) = found else {
                return Err(codec::corrupt(format!("version {hash} is not stored")));
            };
            let version: VersionRecord = codec::read(&record.value, "pipeline version")?;
            let mut subs = BTreeMap::new();
            for (name, hash) in version.subs {
                subs.insert(name, self.pipeline(organization, hash).await?);
            }
            let value: serde_json::Value = codec::read(&version.document.into(), "document")?;
            let document = PipelineDocument::from_value(&value).map_err(Error::Invalid)?;
            let pipeline =
                pipeline::compile(&document, None, &self.catalog, &|n| subs.get(n).cloned())
                    .map_err(Error::Invalid)?;
            self.keep_pipeline(known, pipeline.clone(), true);
            Ok(pipeline)
        }
        .boxed()
    }
}

/// Names after `pipeline/` in the `uses` of a document.
fn sub_names(document: &serde_json::Value) -> BTreeSet<String> {
    let mut names = BTreeSet::new();
    let mut rest = vec![document];
    while let Some(value) = rest.pop() {
        match value {
            serde_json::Value::Array(items) => rest.extend(items),
            serde_json::Value::Object(map) => {
                let uses = map.get("uses").and_then(serde_json::Value::as_str);
                names.extend(uses.and_then(|u| u.strip_prefix("pipeline/")).map(str::to_owned));
                rest.extend(map.values());
            }
            _ => {}
        }
    }
    names
}
