//! The planner without a model: words of the goal against words of the catalog. Deterministic, so
//! the same goal and catalog give the same draft.
//!
//! It knows orders in a row (`read …, then post …`), built-in waiting and approval, when (`every
//! weekday at 9`), and what is quoted. It is not clever, and its draft says who made it and what
//! was left out.

mod fill;
mod goal;
mod instructions;
mod matching;
mod synonyms;
mod when;
mod words;

use serde_json::{Map, Value, json};

use self::fill::{Inputs, Made, identifier};
use self::goal::{Part, Token};
use self::matching::Index;
use super::visible::without_hidden;
use super::{Draft, goal_text};
use crate::connector::{ActionManifest, Manifest};

/// Steps of one draft: a goal with more orders is a text that was pasted.
const STEPS_MAX: usize = 20;
/// Longest name of a draft's pipeline.
const NAME_BYTES_MAX: usize = 48;

/// A draft for the goal, with actions of these connectors only. `None` when no part of the goal
/// fits any action, or the goal is empty or too long.
#[must_use]
pub fn draft(manifests: &[Manifest], goal: &str) -> Option<Draft> {
    goal_text(goal).ok()?;
    // Read as its words are, so that nothing hidden keeps an instruction from being seen.
    let goal = without_hidden(goal);
    let index = Index::new(manifests);
    let (mut tokens, instructed) = instructions::without_instructions(goal::tokens(&goal));
    let schedule = when::take(&mut tokens);
    let mut plan = Plan::default();
    let (parts, more) = goal::parts(&tokens, &index);
    parts.iter().for_each(|part| plan.add(&index, part));
    plan.left_out.extend(more.then(|| "the rest of the goal".to_owned()));
    plan.finish(schedule, instructed)
}

/// Every action of the catalog, those that fit the goal best first: for a prompt that has no room
/// for all of them.
pub(super) fn by_relevance<'a>(
    manifests: &'a [Manifest],
    goal: &str,
) -> Vec<(&'a Manifest, &'a str, &'a ActionManifest)> {
    let index = Index::new(manifests);
    let ranked = index.ranked(&words::terms(goal));
    ranked.into_iter().map(|c| (c.manifest, c.name, c.action)).collect()
}

#[derive(Default)]
struct Plan<'a> {
    steps: Vec<Value>,
    ids: Vec<String>,
    matched: Vec<String>,
    name: Vec<String>,
    left_out: Vec<String>,
    credentials: Vec<String>,
    inputs: Inputs,
    before: Option<Made<'a>>,
}

impl<'a> Plan<'a> {
    fn add(&mut self, index: &Index<'a>, part: &Part) {
        if self.steps.len() >= STEPS_MAX {
            self.left_out.push(part.text());
            return;
        }
        if let Some((uses, with)) = built_in(part) {
            let id = self.id(uses.rsplit('/').next().unwrap_or(uses));
            self.step(&id, uses, with);
            return;
        }
        let condition = part.tokens.first().is_some_and(|t| goal::is_condition(&t.low()));
        let found = if condition {
            None
        } else {
            index.best(part, self.before.as_ref().map(|made| made.connector))
        };
        let Some(candidate) = found else {
            self.left_out.push(part.text());
            return;
        };
        let id = self.id(candidate.name);
        let with = fill::with(candidate, part, &id, self.before.as_ref(), &mut self.inputs);
        self.step(&id, &candidate.uses(), with);
        let needed = candidate.manifest.credentials.iter().any(|c| c.required);
        if needed && !self.credentials.contains(&candidate.manifest.name) {
            self.credentials.push(candidate.manifest.name.clone());
        }
        self.before = Some(Made {
            id,
            connector: &candidate.manifest.name,
            output: &candidate.action.output_schema,
        });
    }

    fn id(&mut self, action: &str) -> String {
        let plain = identifier(action);
        let mut id = plain.clone();
        let mut n = 2;
        while self.ids.contains(&id) {
            id = format!("{plain}_{n}");
            n += 1;
        }
        self.ids.push(id.clone());
        id
    }

    fn step(&mut self, id: &str, uses: &str, with: Map<String, Value>) {
        let mut step = json!({ "id": id, "uses": uses });
        if !with.is_empty() {
            step["with"] = Value::Object(with);
        }
        self.steps.push(step);
        self.name.push(identifier(id).replace('_', "-"));
        if !self.matched.iter().any(|m| m == uses) {
            self.matched.push(uses.to_owned());
        }
    }

    fn finish(self, schedule: Option<Value>, instructed: bool) -> Option<Draft> {
        // Waiting and asking alone is no plan.
        self.before.as_ref()?;
        let asked: Vec<String> = self.inputs.properties.keys().cloned().collect();
        let note = self.note(&asked, schedule.is_some(), instructed);
        let mut document = json!({
            "schema": "levqor/v1",
            "name": name_of(&self.name),
            "steps": self.steps,
        });
        if !asked.is_empty() {
            document["input_schema"] = json!({
                "type": "object",
                "required": asked,
                "properties": self.inputs.properties,
            });
        }
        if !self.credentials.is_empty() {
            // By convention a connector's credential is named as the connector is.
            let named = self.credentials.iter().map(|name| (name.clone(), json!(name)));
            document["credentials"] = Value::Object(named.collect());
        }
        if let Some(with) = schedule {
            document["triggers"] = json!([{ "id": "schedule", "uses": "schedule", "with": with }]);
        }
        Some(Draft { document, matched: self.matched, note })
    }

    fn note(&self, asked: &[String], scheduled: bool, instructed: bool) -> String {
        let mut note = "Made by the deterministic planner, which matches words to actions; no \
                        model was asked. Read it before you run it."
            .to_owned();
        let mut say = |text: String| {
            note.push(' ');
            note.push_str(&text);
        };
        if !self.left_out.is_empty() {
            say(format!("Left out, as no action fits: {}.", quote(&self.left_out)));
        }
        if instructed {
            say("Text that gives instructions to the planner was left out.".to_owned());
        }
        if !asked.is_empty() {
            let how = if scheduled { "Give the schedule these inputs" } else { "Inputs to give" };
            say(format!("{how}: {}.", asked.join(", ")));
        }
        if !self.credentials.is_empty() {
            say(format!(
                "Credentials it looks for in the vault: {}; change the names where yours differ.",
                self.credentials.join(", ")
            ));
        }
        note
    }
}

fn quote(parts: &[String]) -> String {
    parts.iter().map(|part| format!("`{part}`")).collect::<Vec<_>>().join(", ")
}

/// A pipeline's name out of its steps'.
fn name_of(steps: &[String]) -> String {
    let mut name = String::new();
    for step in steps {
        let longer = if name.is_empty() { step.clone() } else { format!("{name}-then-{step}") };
        if longer.len() > NAME_BYTES_MAX {
            break;
        }
        name = longer;
    }
    let name = name.trim_matches('-').to_owned();
    if name.is_empty() { "plan".to_owned() } else { name }
}

/// A part that the engine does by itself: waiting, and asking a person.
fn built_in(part: &Part) -> Option<(&'static str, Map<String, Value>)> {
    let lows: Vec<String> = part.tokens.iter().map(Token::low).collect();
    let order = part.order()?;
    if lows.iter().any(|w| w == "approval" || w == "confirmation") || order == "approve" {
        let asks = ["wait", "ask", "request", "get", "require", "await", "approve", "after"];
        return asks.contains(&order.as_str()).then(|| ("core/approval", Map::new()));
    }
    if !matches!(order.as_str(), "wait" | "sleep" | "pause") {
        return None;
    }
    let units = [("second", "s"), ("minute", "m"), ("hour", "h"), ("day", "d")];
    lows.windows(2).find_map(|pair| {
        let number = match pair[0].as_str() {
            "a" | "an" | "one" => 1,
            digits => digits.parse::<u32>().ok().filter(|n| *n > 0)?,
        };
        let unit = pair[1].trim_end_matches('s');
        let (_, letter) = units.iter().find(|(name, _)| *name == unit)?;
        let with = Map::from_iter([("for".to_owned(), json!(format!("{number}{letter}")))]);
        Some(("core/sleep", with))
    })
}
