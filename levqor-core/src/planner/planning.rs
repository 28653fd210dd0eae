//! [`Planning`]: the bounded loop of asking, checking and repairing, as a state machine. The
//! caller carries messages to a model and replies back; this decides.

use serde_json::Value;

use super::{Draft, Message, PlanError, REPLIES_MAX, check, parse, prompt, repair_prompt, visible};
use crate::connector::Manifest;

/// What to do next.
#[derive(Clone, Debug, PartialEq)]
pub enum Step {
    /// Ask the model with these messages, and hand its reply to [`Planning::next`].
    Ask(Vec<Message>),
    /// The reply was a valid pipeline. It is a draft: nothing runs by itself.
    Done(Draft),
    /// No reply was; these are the last one's issues. Nothing was stored or started.
    GiveUp(Vec<String>),
}

/// One goal on its way to a draft.
pub struct Planning<V> {
    manifests: Vec<Manifest>,
    messages: Vec<Message>,
    previous: Option<String>,
    replies: u32,
    validate: V,
}

impl<V> std::fmt::Debug for Planning<V> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Planning").field("replies", &self.replies).finish_non_exhaustive()
    }
}

impl<V: Fn(&Value) -> Result<(), Vec<String>>> Planning<V> {
    /// A goal to be planned with these connectors. `validate` is the document's own validation;
    /// [`check`] comes before it, so a draft is never weaker than a stored pipeline.
    ///
    /// # Errors
    /// [`PlanError`] when the goal is empty or too long.
    pub fn new(manifests: &[Manifest], goal: &str, validate: V) -> Result<Self, PlanError> {
        let messages = prompt(manifests, goal)?;
        Ok(Self { manifests: manifests.to_vec(), messages, previous: None, replies: 0, validate })
    }

    /// The messages to begin with.
    #[must_use]
    pub fn first(&self) -> Vec<Message> {
        self.messages.clone()
    }

    /// Takes the model's reply. At most [`REPLIES_MAX`] are asked for; a reply that repeats the
    /// one before ends it, as does any after the end.
    pub fn next(&mut self, reply: &str) -> Step {
        self.replies = self.replies.saturating_add(1);
        let issues = match self.judge(reply) {
            Ok(draft) => {
                self.replies = REPLIES_MAX;
                return Step::Done(draft);
            }
            Err(issues) => issues,
        };
        let repeated = self.previous.as_deref() == Some(reply);
        if self.replies >= REPLIES_MAX || repeated {
            self.replies = REPLIES_MAX;
            return Step::GiveUp(issues);
        }
        self.previous = Some(reply.to_owned());
        // Only the last reply and its issues are repeated: a conversation must not grow.
        let mut messages = self.messages.clone();
        messages.extend(repair_prompt(&issues, reply));
        Step::Ask(messages)
    }

    fn judge(&self, reply: &str) -> Result<Draft, Vec<String>> {
        if self.replies > REPLIES_MAX {
            return Err(vec!["no more replies are taken for this goal".to_owned()]);
        }
        let document = parse(reply).map_err(|e| vec![e.to_string()])?;
        check(&document, &self.manifests)?;
        (self.validate)(&document)?;
        let note = note_of(reply).unwrap_or_else(|| "Made by a model.".to_owned());
        Ok(Draft { matched: actions_of(&document), document, note })
    }
}

/// The reply's own note, where the whole reply is the object that was asked for.
fn note_of(reply: &str) -> Option<String> {
    let value: Value = serde_json::from_str(reply.trim()).ok()?;
    let note = visible(value.get("note")?.as_str()?.trim()).into_owned();
    (!note.is_empty()).then(|| format!("Made by a model: {note}"))
}

/// The `uses` of the document's steps in order, each once; triggers aside.
fn actions_of(document: &Value) -> Vec<String> {
    let mut found: Vec<String> = Vec::new();
    let mut open = vec![document];
    while let Some(value) = open.pop() {
        match value {
            Value::Array(items) => open.extend(items.iter().rev()),
            Value::Object(members) => {
                if let Some(Value::String(uses)) = members.get("uses")
                    && !found.contains(uses)
                {
                    found.push(uses.clone());
                }
                let steps = |name: &str| !matches!(name, "with" | "triggers" | "vars" | "output");
                open.extend(members.iter().rev().filter(|(n, _)| steps(n)).map(|(_, v)| v));
            }
            _ => {}
        }
    }
    found
}
