//! `core/*`: the actions that the engine does itself.

use serde_json::{Map, Value};

use super::Compiler;
use super::schema;
use super::sight::Sight;
use crate::document::{Condition, Duration, join};
use crate::error::ErrorKind;
use crate::expr::Template;
use crate::limits;
use crate::pipeline::{OnExpire, StepKind};

/// Names of the `core` actions.
pub(crate) const NAMES: [&str; 7] =
    ["set", "template", "sleep", "wait_event", "approval", "fail", "stop"];

/// The `with` of one core action being read.
struct With<'v> {
    map: &'v Map<String, Value>,
    at: String,
}

impl With<'_> {
    fn place(&self, key: &str) -> String {
        join(&self.at, key)
    }
}

impl<'a> Compiler<'a> {
    pub(super) fn core(
        &mut self,
        action: &str,
        with: &Value,
        step_at: &str,
        sight: &Sight<'a>,
    ) -> Option<StepKind> {
        let Value::Object(map) = with else { return None };
        let with_at = join(step_at, "with");
        let fields = With { map, at: with_at.clone() };
        let keys: &[&str] = match action {
            "set" => {
                return self.template(with, &with_at, sight).map(|with| StepKind::Set { with });
            }
            "template" => &["text"],
            "sleep" => &["for", "until"],
            "wait_event" => &["event", "match", "timeout"],
            "approval" => {
                &["title", "message", "details", "assignees", "form_schema", "expires", "on_expire"]
            }
            "fail" => &["message", "code", "kind"],
            "stop" => &["output"],
            _ => {
                let list: Vec<String> = NAMES.iter().map(|n| format!("`{n}`")).collect();
                let message = format!("there is no `core/{action}`; there are {}", list.join(", "));
                let guess = self.guess(action, NAMES).map(|n| format!("`core/{n}`"));
                self.suggest("document.unknown_action", &join(step_at, "uses"), message, guess);
                return None;
            }
        };
        self.check_keys(&fields, keys, action);
        match action {
            "template" => self.core_template(&fields, sight),
            "sleep" => self.core_sleep(&fields, sight),
            "wait_event" => self.core_wait_event(&fields, sight),
            "approval" => self.core_approval(&fields, sight),
            "fail" => self.core_fail(with, &fields, sight),
            _ => self.core_stop(&fields, sight),
        }
    }

    fn check_keys(&mut self, fields: &With<'_>, known: &[&str], action: &str) {
        for key in fields.map.keys().filter(|k| !known.contains(&k.as_str())) {
            let guess = self.guess(key, known.iter().copied()).map(|n| format!("`{n}`"));
            let shown: String = key.chars().take(64).collect();
            let message = format!("`core/{action}` has no `{shown}`");
            self.suggest("document.unknown_key", &fields.place(key), message, guess);
        }
    }

    fn missing(&mut self, fields: &With<'_>, key: &str, action: &str) {
        self.report("document.missing_key", &fields.at, format!("`core/{action}` needs `{key}`"));
    }

    fn core_template(&mut self, fields: &With<'_>, sight: &Sight<'a>) -> Option<StepKind> {
        let at = fields.place("text");
        let text = match fields.map.get("text") {
            None => {
                self.missing(fields, "text", "template");
                return None;
            }
            Some(Value::String(text)) => text,
            Some(other) => {
                let kind = crate::document::reader::kind(other);
                self.report("document.type", &at, format!("expected a text, found {kind}"));
                return None;
            }
        };
        let text = self.page(text, &at, sight)?;
        let with = Template::object(vec![("text".to_owned(), text)]);
        Some(StepKind::Set { with })
    }

    fn core_sleep(&mut self, fields: &With<'_>, sight: &Sight<'a>) -> Option<StepKind> {
        let (length, until) = (fields.map.get("for"), fields.map.get("until"));
        if length.is_some() == until.is_some() {
            let message = "`core/sleep` has exactly one of `for` and `until`";
            self.report("document.value", &fields.at, message);
        }
        let mut duration = None;
        if let Some(length) = length {
            let at = fields.place("for");
            duration = self.template(length, &at, sight);
            if let Some(constant) = duration.as_ref().and_then(|d| d.constant().cloned()) {
                self.constant_duration(&constant, &at);
            }
        }
        let mut moment = None;
        if let Some(until) = until {
            let at = fields.place("until");
            moment = self.template(until, &at, sight);
            if let Some(constant) = moment.as_ref().and_then(|m| m.constant().cloned()) {
                let is_time = |text: &str| text.parse::<jiff::Timestamp>().is_ok();
                if !constant.as_str().is_some_and(is_time) {
                    let message = "a time is written as in \"2026-12-31T23:59:00Z\" (RFC 3339)";
                    self.report("document.time", &at, message);
                }
            }
        }
        (duration.is_some() || moment.is_some())
            .then_some(StepKind::Sleep { duration, until: moment })
    }

    /// A duration that must be known now.
    fn constant_duration(&mut self, value: &Value, at: &str) -> Option<u64> {
        let parsed = value.as_str().and_then(|text| text.parse::<Duration>().ok());
        let Some(duration) = parsed else {
            let guess = value.as_u64().map(|n| format!("\"{n}s\""));
            let message = "a duration is written as in \"30s\", \"15m\", \"1h30m\" or \"7d\"";
            self.suggest("document.duration", at, message, guess);
            return None;
        };
        if duration.as_ms() > limits::WAIT_MS_MAX {
            let max = Duration::from_ms(limits::WAIT_MS_MAX);
            self.report("document.value", at, format!("the time is at most {max}"));
        }
        Some(duration.as_ms())
    }

    /// A text that holds no expression.
    fn constant_text<'v>(&mut self, value: &'v Value, at: &str, why: &str) -> Option<&'v str> {
        let before = self.issues.len();
        self.refuse_expressions(value, at, why);
        if self.issues.len() > before {
            return None;
        }
        if value.as_str().is_none_or(str::is_empty) {
            let kind = crate::document::reader::kind(value);
            self.report("document.type", at, format!("expected a text, found {kind}"));
            return None;
        }
        value.as_str()
    }

    fn core_wait_event(&mut self, fields: &With<'_>, sight: &Sight<'a>) -> Option<StepKind> {
        let Some(event) = fields.map.get("event") else {
            self.missing(fields, "event", "wait_event");
            return None;
        };
        let name = self.constant_text(event, &fields.place("event"), "`event` is a constant");
        let timeout_ms = fields.map.get("timeout").and_then(|timeout| {
            let at = fields.place("timeout");
            self.constant_duration(timeout, &at)
        });
        let inner = sight.with_name("event");
        let matches = match fields.map.get("match") {
            None => None,
            Some(value) => Some(self.condition_value(value, &fields.place("match"), &inner)?),
        };
        Some(StepKind::WaitEvent { event: name?.into(), matches, timeout_ms })
    }

    /// A condition inside of `with`.
    pub(super) fn condition_value(
        &mut self,
        value: &Value,
        at: &str,
        sight: &Sight<'a>,
    ) -> Option<crate::expr::Expr> {
        let condition = match value {
            Value::Bool(constant) => Condition::Constant(*constant),
            Value::String(text) => Condition::Expression(text.clone()),
            other => {
                let kind = crate::document::reader::kind(other);
                let message = format!("expected an expression, true or false, found {kind}");
                self.report("document.type", at, message);
                return None;
            }
        };
        self.condition(&condition, at, sight)
    }

    fn core_approval(&mut self, fields: &With<'_>, sight: &Sight<'a>) -> Option<StepKind> {
        let form_schema = fields.map.get("form_schema").cloned().unwrap_or(Value::Bool(true));
        let form_at = fields.place("form_schema");
        self.refuse_expressions(&form_schema, &form_at, "`form_schema` is a constant");
        if let Err(message) = schema::validator(&form_schema) {
            self.report("document.json_schema", &form_at, message);
        }
        let expires_ms = fields.map.get("expires").and_then(|expires| {
            let at = fields.place("expires");
            self.constant_duration(expires, &at)
        });
        let words = [
            ("reject", OnExpire::Reject),
            ("fail", OnExpire::Fail),
            ("approve", OnExpire::Approve),
        ];
        let on_expire = match fields.map.get("on_expire") {
            None => OnExpire::default(),
            Some(value) => self.word(value, &fields.place("on_expire"), &words)?,
        };
        let shown: Map<String, Value> = fields
            .map
            .iter()
            .filter(|(key, _)| !["form_schema", "expires", "on_expire"].contains(&key.as_str()))
            .map(|(key, value)| (key.clone(), value.clone()))
            .collect();
        let with = self.template(&Value::Object(shown), &fields.at, sight)?;
        Some(StepKind::Approval { with, form_schema, expires_ms, on_expire })
    }

    /// One of a few words.
    pub(super) fn word<T: Copy>(
        &mut self,
        value: &Value,
        at: &str,
        words: &[(&str, T)],
    ) -> Option<T> {
        let found = words.iter().find(|(word, _)| value == word).map(|(_, value)| *value);
        if found.is_none() {
            let list: Vec<String> = words.iter().map(|(word, _)| format!("`{word}`")).collect();
            let guess = value.as_str().and_then(|v| self.guess(v, words.iter().map(|w| w.0)));
            let guess = guess.map(|n| format!("`{n}`"));
            let message = format!("expected one of {}", list.join(", "));
            self.suggest("document.value", at, message, guess);
        }
        found
    }

    fn core_fail(
        &mut self,
        with: &Value,
        fields: &With<'_>,
        sight: &Sight<'a>,
    ) -> Option<StepKind> {
        if !fields.map.contains_key("message") {
            self.missing(fields, "message", "fail");
        }
        if let Some(kind) = fields.map.get("kind").filter(|k| !is_expression(k)) {
            let words: Vec<(&str, ())> = ErrorKind::ALL.iter().map(|k| (k.as_str(), ())).collect();
            self.word(kind, &fields.place("kind"), &words);
        }
        self.template(with, &fields.at, sight).map(|with| StepKind::Fail { with })
    }

    fn core_stop(&mut self, fields: &With<'_>, sight: &Sight<'a>) -> Option<StepKind> {
        let with = match fields.map.get("output") {
            None => None,
            Some(output) => Some(self.template(output, &fields.place("output"), sight)?),
        };
        Some(StepKind::Stop { with })
    }
}

fn is_expression(value: &Value) -> bool {
    value.as_str().is_some_and(|text| text.contains("${{"))
}
