//! Triggers: webhooks, schedules and events, with their settings.

use serde_json::{Map, Value};

use super::Compiler;
use super::sight::Sight;
use crate::document::{self, Duration, TriggerKind, join};
use crate::expr::Expr;
use crate::pipeline::Trigger;
use crate::schedule::Schedule;

/// Who can have signed a webhook, and how.
pub(crate) const VERIFY: [&str; 8] =
    ["stripe", "slack", "telegram", "github", "standard", "hmac", "twilio", "none"];

/// Settings of a webhook. The last five are for `hmac` (and `url` for `twilio`).
const WEBHOOK_KEYS: [&str; 8] =
    ["verify", "secret", "tolerance", "header", "algorithm", "encoding", "prefix", "url"];

impl<'a> Compiler<'a> {
    pub(super) fn triggers(&mut self) -> Vec<Trigger> {
        let document = self.document;
        let mut triggers = Vec::with_capacity(document.triggers.len());
        for (i, trigger) in document.triggers.iter().enumerate() {
            let at = format!("/triggers/{i}");
            let id_at = join(&at, "id");
            self.check_id(&trigger.id, &id_at);
            if document.triggers[..i].iter().any(|other| other.id == trigger.id) {
                let message = format!("another trigger has the id `{}` already", trigger.id);
                self.report("document.duplicate_id", &id_at, message);
            }
            triggers.extend(self.trigger(trigger, &at));
        }
        triggers
    }

    fn trigger(&mut self, trigger: &'a document::Trigger, at: &str) -> Option<Trigger> {
        let sight = Sight::only(&["event", "vars"]);
        let dedupe_key = match &trigger.dedupe_key {
            Some(key) => Some(self.text(key, &join(at, "dedupe_key"), &sight)?),
            None => None,
        };
        let input = match &trigger.input {
            Some(input) => Some(self.template(input, &join(at, "input"), &sight)?),
            None => None,
        };
        let with_at = join(at, "with");
        let with = trigger.with.clone().unwrap_or_else(|| Value::Object(Map::new()));
        let Value::Object(map) = &with else {
            let kind = document::reader::kind(&with);
            self.report("document.type", &with_at, format!("expected an object, found {kind}"));
            return None;
        };
        let mut matches = None;
        match trigger.uses {
            TriggerKind::Webhook => self.webhook(map, &with_at),
            TriggerKind::Schedule => self.schedule(&with, &with_at),
            TriggerKind::Event => matches = self.event(map, &with_at, &sight),
        }
        Some(Trigger {
            id: trigger.id.as_str().into(),
            uses: trigger.uses.as_str().into(),
            with,
            matches,
            dedupe_key,
            input,
        })
    }

    fn known_keys(&mut self, map: &Map<String, Value>, at: &str, known: &[&str], what: &str) {
        for key in map.keys().filter(|k| !known.contains(&k.as_str())) {
            let guess = self.guess(key, known.iter().copied()).map(|n| format!("`{n}`"));
            let shown: String = key.chars().take(64).collect();
            let message = format!("a {what} has no `{shown}`");
            self.suggest("document.unknown_key", &join(at, key), message, guess);
        }
    }

    fn webhook(&mut self, map: &Map<String, Value>, at: &str) {
        self.known_keys(map, at, &WEBHOOK_KEYS, "webhook");
        for (key, value) in map {
            let at = join(at, key);
            self.refuse_expressions(value, &at, "a webhook's settings are constants");
            if !value.is_string() {
                let kind = document::reader::kind(value);
                self.report("document.type", &at, format!("expected a text, found {kind}"));
            }
        }
        let words = VERIFY.map(|name| (name, name));
        let verify = match map.get("verify") {
            None => {
                let message = "a webhook says who signs it: `verify` (or `verify: none`)";
                self.report("document.missing_key", at, message);
                None
            }
            Some(value) => self.word(value, &join(at, "verify"), &words),
        };
        if verify.is_some_and(|v| v != "none") && !map.contains_key("secret") {
            let message = "`secret` names the vault entry that signatures are checked with";
            self.report("document.missing_key", at, message);
        }
        if let Some(secret) = map.get("secret").and_then(Value::as_str) {
            self.check_id(secret, &join(at, "secret"));
        }
        let tolerance = map.get("tolerance").and_then(Value::as_str);
        if tolerance.is_some_and(|t| t.parse::<Duration>().is_err()) {
            let message = "a duration is written as in \"30s\" or \"5m\"";
            self.report("document.duration", &join(at, "tolerance"), message);
        }
        let choices: [(&str, &[(&str, ())]); 2] = [
            ("algorithm", &[("sha256", ()), ("sha1", ()), ("sha512", ())]),
            ("encoding", &[("hex", ()), ("base64", ())]),
        ];
        for (key, words) in choices {
            if let Some(value) = map.get(key) {
                self.word(value, &join(at, key), words);
            }
        }
    }

    fn schedule(&mut self, with: &Value, at: &str) {
        let Err(error) = Schedule::parse(with) else { return };
        let code = match error.code {
            "schedule.timezone" => "document.timezone",
            "schedule.every" => "document.duration",
            "schedule.cron" | "schedule.never" => "document.cron",
            _ => "document.value",
        };
        let at = if error.member.is_empty() { at.to_owned() } else { join(at, error.member) };
        self.report(code, &at, error.message);
    }

    fn event(&mut self, map: &Map<String, Value>, at: &str, sight: &Sight<'a>) -> Option<Expr> {
        self.known_keys(map, at, &["event", "match"], "event trigger");
        match map.get("event") {
            Some(Value::String(name)) => self.check_id(name, &join(at, "event")),
            Some(other) => {
                let kind = document::reader::kind(other);
                let message = format!("expected a text, found {kind}");
                self.report("document.type", &join(at, "event"), message);
            }
            None => self.report("document.missing_key", at, "`event` names the event"),
        }
        self.condition_value(map.get("match")?, &join(at, "match"), sight)
    }
}
