//! Schemas of what comes in and of what goes out.
//!
//! One type can have two: a member with a default may be left out of a request and is always in an
//! answer, one that is skipped where it is empty the other way round. Types whose two schemas differ
//! stand in the document twice, the incoming one as `NameInput`.

use std::collections::{BTreeMap, BTreeSet};

use schemars::SchemaGenerator;
use schemars::generate::{Contract, SchemaSettings};
use serde_json::{Map, Value};

use crate::http::EXACT_MAX;

/// Where references to named schemas lead.
const OUT: &str = "/components/schemas";
/// Where those of incoming ones lead until they are settled.
const IN: &str = "/components/incoming";

/// The two generators.
pub(super) struct Schemas {
    /// Of queries and bodies.
    pub(super) incoming: SchemaGenerator,
    /// Of answers.
    pub(super) outgoing: SchemaGenerator,
}

impl Schemas {
    pub(super) fn new() -> Self {
        let generator = |contract: Contract, path: &str| {
            let mut settings = SchemaSettings::draft2020_12();
            settings.contract = contract;
            settings.meta_schema = None;
            settings.definitions_path = path.to_owned().into();
            settings.into_generator()
        };
        Self {
            incoming: generator(Contract::Deserialize, IN),
            outgoing: generator(Contract::Serialize, OUT),
        }
    }

    /// Every named schema; references in `paths` lead to them from then on.
    pub(super) fn settle(mut self, paths: &mut Value) -> Map<String, Value> {
        let incoming = self.incoming.take_definitions(true);
        let outgoing = self.outgoing.take_definitions(true);
        let names = names(&incoming, &outgoing);
        let mut all = outgoing;
        for (name, mut schema) in incoming {
            lead(&mut schema, &names);
            all.insert(names[&name].clone(), schema);
        }
        lead(paths, &names);
        all
    }
}

/// What each incoming schema is called: another name where one of the same name goes out and says
/// something else, itself or through one that it refers to.
fn names(incoming: &Map<String, Value>, outgoing: &Map<String, Value>) -> BTreeMap<String, String> {
    let same = |a: &Value, b: &Value| {
        let (a, b) = (a.to_string().replace(IN, OUT), b.to_string());
        a == b
    };
    let mut other: BTreeSet<&str> = incoming
        .iter()
        .filter(|(name, schema)| outgoing.get(*name).is_some_and(|o| !same(schema, o)))
        .map(|(name, _)| name.as_str())
        .collect();
    loop {
        let before = other.len();
        for (name, schema) in incoming.iter().filter(|(name, _)| outgoing.contains_key(*name)) {
            let text = schema.to_string();
            if other.iter().any(|other| text.contains(&format!("\"#{IN}/{other}\""))) {
                other.insert(name);
            }
        }
        if other.len() == before {
            break;
        }
    }
    let named = |name: &String| match other.contains(name.as_str()) {
        true => format!("{name}Input"),
        false => name.clone(),
    };
    incoming.keys().map(|name| (name.clone(), named(name))).collect()
}

/// Gives whole numbers the bounds within which every client of JSON has them exactly (RFC 8259 §6),
/// where nothing narrower bounds them.
pub(super) fn bound(value: &mut Value) {
    match value {
        Value::Object(members) => {
            let format = members.get("format").and_then(Value::as_str);
            let low = match format {
                Some("uint64") => Some(0),
                Some("int64") => Some(-EXACT_MAX),
                _ => None,
            };
            if let Some(low) = low {
                members.entry("minimum").or_insert_with(|| low.into());
                members.entry("maximum").or_insert_with(|| EXACT_MAX.into());
            }
            members.values_mut().for_each(bound);
        }
        Value::Array(items) => items.iter_mut().for_each(bound),
        _ => {}
    }
}

/// Makes references to incoming schemas lead to where these stand now.
fn lead(value: &mut Value, names: &BTreeMap<String, String>) {
    match value {
        Value::String(text) => {
            let name = text.strip_prefix('#').and_then(|t| t.strip_prefix(IN)?.strip_prefix('/'));
            if let Some(name) = name.and_then(|name| names.get(name)) {
                *text = format!("#{OUT}/{name}");
            }
        }
        Value::Array(items) => items.iter_mut().for_each(|item| lead(item, names)),
        Value::Object(members) => members.values_mut().for_each(|member| lead(member, names)),
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use schemars::JsonSchema;
    use serde::{Deserialize, Serialize};
    use serde_json::json;

    use super::*;

    #[derive(Serialize, Deserialize, JsonSchema)]
    struct Same {
        a: u8,
    }

    #[derive(Serialize, Deserialize, JsonSchema)]
    struct Differs {
        #[serde(default)]
        a: u8,
    }

    #[derive(Serialize, Deserialize, JsonSchema)]
    struct Around {
        same: Same,
        differs: Differs,
    }

    #[test]
    fn a_type_with_two_shapes_stands_there_twice() {
        let mut schemas = Schemas::new();
        let incoming = schemas.incoming.subschema_for::<Around>();
        let outgoing = schemas.outgoing.subschema_for::<Around>();
        let mut paths = json!({ "in": incoming, "out": outgoing });
        let all = schemas.settle(&mut paths);
        let names: Vec<&String> = all.keys().collect();
        assert_eq!(names, ["Around", "AroundInput", "Differs", "DiffersInput", "Same"]);
        assert_eq!(paths["in"]["$ref"], "#/components/schemas/AroundInput");
        assert_eq!(paths["out"]["$ref"], "#/components/schemas/Around");
        assert_eq!(all["Differs"]["required"], json!(["a"]));
        assert!(all["DiffersInput"]["required"].is_null());
        let inner = &all["AroundInput"]["properties"];
        assert_eq!(inner["differs"]["$ref"], "#/components/schemas/DiffersInput");
        assert_eq!(inner["same"]["$ref"], "#/components/schemas/Same");
    }
}
