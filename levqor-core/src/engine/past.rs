//! What an ended run left behind, for the run that continues or replays it.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use serde_json::Value;

use super::error::Error;
use super::start::Start;
use super::{Inner, codec};
use crate::ids::{Organization, RunId};
use crate::pipeline::Pipeline;
use crate::run::{Event, Origin, Started, path_of};

impl Inner {
    pub(super) async fn past(
        &self,
        organization: &Organization,
        run: RunId,
    ) -> Result<Past<Box<Started>>, Error> {
        let keys = [codec::live_key(organization, run), codec::done_key(organization, run)];
        let Some(record) = self.store.get(&keys).await?.into_iter().flatten().next() else {
            return Err(Error::NotFound { what: "run", id: run.to_string() });
        };
        let header = codec::read_header(&record.value)?;
        let pipeline = self.pipeline(organization, header.hash).await?;
        let mut past: Past = Past { run, started: None, pipeline, outputs: BTreeMap::new() };
        for (_, record) in codec::read_journal(&*self.store, run, 0, header.seq).await? {
            past.read(record.events);
        }
        past.checked()
    }
}

/// What an ended run left behind.
pub(super) struct Past<S = Option<Box<Started>>> {
    run: RunId,
    pub(super) started: S,
    pub(super) pipeline: Arc<Pipeline>,
    outputs: BTreeMap<String, Arc<Value>>,
}

impl Past {
    fn read(&mut self, events: Vec<Event>) {
        for event in events {
            match event {
                Event::RunStarted(started) => self.started = Some(started),
                Event::AttemptSucceeded { at, output, .. }
                | Event::StepReused { at, output, .. } => {
                    self.outputs.insert(path_of(&self.pipeline, &at), output);
                }
                _ => {}
            }
        }
    }

    fn checked(self) -> Result<Past<Box<Started>>, Error> {
        let Self { run, started, pipeline, outputs } = self;
        let started = started.ok_or_else(|| codec::corrupt("a journal without its start"))?;
        Ok(Past { run, started, pipeline, outputs })
    }
}

impl Past<Box<Started>> {
    pub(super) fn start(
        &self,
        organization: &Organization,
        pipeline: Arc<Pipeline>,
        keeps_keys: bool,
        keep: &dyn Fn(&str) -> bool,
    ) -> Start {
        let reuse = self.outputs.iter().filter(|(path, _)| keep(path));
        let reuse = reuse.map(|(path, output)| (path.clone(), output.clone())).collect();
        let root = match &self.started.origin {
            Some(origin) if origin.keeps_keys => origin.root,
            _ => self.run,
        };
        let mut start = Start::new(pipeline, self.started.input.clone());
        start.organization = organization.clone();
        start.labels.clone_from(&self.started.labels);
        start.principal.clone_from(&self.started.principal);
        start.traceparent.clone_from(&self.started.traceparent);
        start.origin = Some(Box::new(Origin { run: self.run, root, keeps_keys, reuse }));
        start
    }
}

/// Ids of the pipeline's own steps that stand before `from`; none where `from` is `None`.
pub(super) fn steps_before(
    pipeline: &Pipeline,
    from: Option<&str>,
) -> Result<BTreeSet<String>, Error> {
    let Some(from) = from else { return Ok(BTreeSet::new()) };
    let first = from.split(['.', '[']).next().unwrap_or(from);
    let steps = &pipeline.root.steps;
    let Some(place) = steps.iter().position(|s| &*s.id == first) else {
        return Err(Error::NotFound { what: "step", id: from.to_owned() });
    };
    Ok(steps[..place].iter().map(|s| s.id.to_string()).collect())
}
