//! Pipelines by name and version: stored, compiled, kept.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::error::Error;
use super::{Inner, PIPELINES_KEPT, codec};
use crate::ids::{ContentHash, Organization};
use crate::pipeline::Pipeline;
use crate::store::{Key, Table, Value};

pub(crate) fn version_key(organization: &Organization, hash: ContentHash) -> Key {
    Key::of(Table::Version).text(organization.as_str()).raw(&hash.0)
}

/// A document as stored, with the versions of the sub-pipelines it pins.
#[derive(Debug, Serialize, Deserialize)]
struct VersionRecord {
    v: u8,
    document: String,
    subs: BTreeMap<String, ContentHash>,
}

pub(crate) fn version_value(pipeline: &Pipeline) -> Value {
    codec::to_value(&VersionRecord {
        v: 1,
        document: pipeline.source.to_string(),
        subs: pipeline.subs.iter().map(|(name, p)| (name.clone(), p.hash())).collect(),
    })
}

impl Inner {
    pub(crate) fn keep_pipeline(&self, key: (Organization, ContentHash), pipeline: Arc<Pipeline>) {
        let mut kept = self.pipelines.lock();
        if kept.len() >= PIPELINES_KEPT {
            kept.clear();
        }
        kept.insert(key, (self.catalog.generation(), pipeline));
    }

    /// The compiled pipeline of a version.
    pub(crate) async fn pipeline(
        &self,
        organization: &Organization,
        hash: ContentHash,
    ) -> Result<Arc<Pipeline>, Error> {
        let known = (organization.clone(), hash);
        if let Some((_, kept)) = self.pipelines.lock().get(&known) {
            return Ok(kept.clone());
        }
        Err(codec::corrupt("a version that is not stored"))
    }
}
