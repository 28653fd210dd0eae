//! [`diff`]: what changed between two versions of a document, step by step.
//!
//! Steps are the same when their id is the same, wherever they stand. It compares meaning, not
//! text: formatting, key order and YAML against JSON are no difference.

use std::collections::BTreeSet;

use indexmap::IndexMap;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::compile::names::children;
use crate::document::{PipelineDocument, Step, join};

/// One difference.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[non_exhaustive]
pub struct Change {
    /// What happened.
    pub kind: ChangeKind,
    /// The step it happened to; absent for the document's own keys.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub step: Option<String>,
    /// JSON Pointer into the new document; into the old one where something was removed.
    pub pointer: String,
    /// The value before.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub before: Option<Value>,
    /// The value after.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub after: Option<Value>,
}

/// Kinds of differences.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum ChangeKind {
    /// It was not there before.
    Added,
    /// It is not there any more.
    Removed,
    /// It has another value.
    Changed,
    /// A step stands in another list or another order.
    Moved,
}

/// What changed from `old` to `new`: the document's keys, then steps removed, added, changed and
/// moved.
#[must_use]
pub fn diff(old: &PipelineDocument, new: &PipelineDocument) -> Vec<Change> {
    let mut changes = Vec::new();
    keys(&own_keys(old), &own_keys(new), ("", ""), None, &mut changes);
    let (before, after) = (flatten(old), flatten(new));
    let mut whole = |kind, id: &str, flat: &Flat, removed: bool| {
        let value = Some(flat.whole.clone());
        let (before, after) = if removed { (value, None) } else { (None, value) };
        let step = Some(id.to_owned());
        changes.push(Change { kind, step, pointer: flat.pointer.clone(), before, after });
    };
    for (id, flat) in before.iter().filter(|(id, _)| !after.contains_key(*id)) {
        whole(ChangeKind::Removed, id, flat, true);
    }
    for (id, flat) in after.iter().filter(|(id, _)| !before.contains_key(*id)) {
        whole(ChangeKind::Added, id, flat, false);
    }
    let moved = moved(&before, &after);
    for (id, now) in &after {
        let Some(was) = before.get(id) else { continue };
        keys(&was.own, &now.own, (&was.pointer, &now.pointer), Some(id), &mut changes);
        if moved.contains(id.as_str()) {
            changes.push(Change {
                kind: ChangeKind::Moved,
                step: Some(id.clone()),
                pointer: now.pointer.clone(),
                before: Some(Value::from(was.pointer.as_str())),
                after: Some(Value::from(now.pointer.as_str())),
            });
        }
    }
    changes
}

/// A step by itself.
struct Flat {
    pointer: String,
    /// The list it stands in: the id of the step around it and the key.
    list: String,
    /// Its keys, without the steps inside of it.
    own: Map<String, Value>,
    whole: Value,
}

fn own_keys(document: &PipelineDocument) -> Map<String, Value> {
    let mut own = object(document.to_value());
    own.remove("steps");
    own.remove("on_failure");
    own
}

fn object(value: Value) -> Map<String, Value> {
    match value {
        Value::Object(map) => map,
        _ => Map::new(),
    }
}

fn flatten(document: &PipelineDocument) -> IndexMap<String, Flat> {
    let mut flat = IndexMap::new();
    gather(&document.steps, "/steps", "steps", &mut flat);
    if let Some(steps) = &document.on_failure {
        gather(steps, "/on_failure", "on_failure", &mut flat);
    }
    flat
}

fn gather(steps: &[Step], at: &str, list: &str, flat: &mut IndexMap<String, Flat>) {
    for (index, step) in steps.iter().enumerate() {
        let pointer = format!("{at}/{index}");
        let whole = serde_json::to_value(step).unwrap_or_default();
        let mut own = object(whole.clone());
        ["steps", "else", "try", "finally"].iter().for_each(|key| {
            own.remove(*key);
        });
        for value in own.values_mut().filter(|v| v.is_array()) {
            for part in value.as_array_mut().into_iter().flatten() {
                if let Value::Object(part) = part
                    && part.get("steps").is_some_and(Value::is_array)
                {
                    part.remove("steps");
                }
            }
        }
        for (inner, inner_at) in children(step, &pointer) {
            let key = inner_at.strip_prefix(&pointer).unwrap_or_default().to_owned();
            gather(inner, &inner_at, &format!("{}{key}", step.id), flat);
        }
        flat.insert(step.id.clone(), Flat { pointer, list: list.to_owned(), own, whole });
    }
}

fn keys(
    before: &Map<String, Value>,
    after: &Map<String, Value>,
    at: (&str, &str),
    step: Option<&str>,
    changes: &mut Vec<Change>,
) {
    let names: BTreeSet<&String> = before.keys().chain(after.keys()).collect();
    for name in names {
        let (was, now) = (before.get(name), after.get(name));
        if was == now {
            continue;
        }
        let (kind, at) = match (was, now) {
            (None, _) => (ChangeKind::Added, at.1),
            (_, None) => (ChangeKind::Removed, at.0),
            _ => (ChangeKind::Changed, at.1),
        };
        changes.push(Change {
            kind,
            step: step.map(str::to_owned),
            pointer: join(at, name),
            before: was.cloned(),
            after: now.cloned(),
        });
    }
}

/// Ids that stand in another list, or in another order among those that stayed in theirs.
fn moved<'a>(
    before: &'a IndexMap<String, Flat>,
    after: &'a IndexMap<String, Flat>,
) -> BTreeSet<&'a str> {
    let mut moved = BTreeSet::new();
    let mut lists: IndexMap<&str, (Vec<&str>, Vec<&str>)> = IndexMap::new();
    for (id, was) in before {
        match after.get(id) {
            Some(now) if now.list == was.list => {
                lists.entry(&was.list).or_default().0.push(id);
            }
            Some(_) => {
                moved.insert(id.as_str());
            }
            None => {}
        }
    }
    for (id, now) in after {
        if before.get(id).is_some_and(|was| was.list == now.list) {
            lists.entry(&now.list).or_default().1.push(id);
        }
    }
    for (was, now) in lists.values() {
        let kept = common(was, now);
        moved.extend(now.iter().copied().filter(|id| !kept.contains(id)));
    }
    moved
}

/// The longest common subsequence. Lists have at most 500 steps.
fn common<'a>(a: &[&'a str], b: &[&'a str]) -> BTreeSet<&'a str> {
    let mut length = vec![vec![0_u32; b.len() + 1]; a.len() + 1];
    for i in (0..a.len()).rev() {
        for j in (0..b.len()).rev() {
            length[i][j] = if a[i] == b[j] {
                length[i + 1][j + 1] + 1
            } else {
                length[i + 1][j].max(length[i][j + 1])
            };
        }
    }
    let (mut i, mut j, mut kept) = (0, 0, BTreeSet::new());
    while i < a.len() && j < b.len() {
        if a[i] == b[j] {
            kept.insert(a[i]);
            (i, j) = (i + 1, j + 1);
        } else if length[i + 1][j] >= length[i][j + 1] {
            i += 1;
        } else {
            j += 1;
        }
    }
    kept
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::document::{Format, parse};

    fn of(before: &str, after: &str) -> Vec<String> {
        let read = |text: &str| {
            let text = format!("schema: levqor/v1\nname: d\n{text}");
            parse(&text, Format::Yaml).unwrap().document
        };
        let kind = |k: ChangeKind| format!("{k:?}").to_lowercase();
        let changes = diff(&read(before), &read(after));
        changes.iter().map(|c| format!("{} {}", kind(c.kind), c.pointer)).collect()
    }

    #[test]
    fn differences_are_those_of_meaning() {
        let base =
            "steps: [{id: a, uses: core/set}, {id: b, uses: core/set}, {id: c, uses: core/set}]";
        for (before, after, expected) in [
            (base, base, vec![]),
            (
                base,
                "steps:\n- {uses: core/set, id: a}\n- id: b\n  uses: core/set\n- {id: c, uses: core/set}",
                vec![],
            ),
            (
                base,
                "priority: 1\nsteps: [{id: a, uses: core/set}, {id: b, uses: core/set}]",
                vec!["added /priority", "removed /steps/2"],
            ),
            (
                base,
                "steps: [{id: c, uses: core/set}, {id: a, uses: core/set}, {id: b, uses: core/set}]",
                vec!["moved /steps/0"],
            ),
            (
                base,
                "steps: [{id: a, uses: core/fail}, {id: b, uses: core/set, timeout: 3s}, {id: c, uses: core/set}]",
                vec!["changed /steps/0/uses", "added /steps/1/timeout"],
            ),
            (
                base,
                "steps: [{id: a, uses: core/set}, {id: w, for_each: [1], steps: [{id: b, uses: core/set}]}, {id: c, uses: core/set}]",
                vec!["added /steps/1", "moved /steps/1/steps/0"],
            ),
            (
                "steps: [{id: s, switch: [{if: true, steps: [{id: x, uses: core/set}]}]}]",
                "steps: [{id: s, switch: [{if: false, steps: [{id: x, uses: core/stop}]}]}]",
                vec!["changed /steps/0/switch/0/steps/0/uses", "changed /steps/0/switch"],
            ),
            (
                "timeout: 90s\nsteps: [{id: a, uses: core/set}]",
                "timeout: 1m30s\nsteps: [{id: a, uses: core/set}]",
                vec![],
            ),
        ] {
            assert_eq!(of(before, after), expected, "{before}\n{after}");
        }
    }
}
