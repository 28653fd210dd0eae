//! Progress of one run on stderr: a line for each thing that happened, a bar on a terminal.

use std::collections::BTreeMap;
use std::sync::Arc;

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use levqor_core::RunError;
use levqor_core::pipeline::Pipeline;
use levqor_core::run::{Event, WaitFor, path_of};
use levqor_core::time::Timestamp;
use serde_json::Value;

use crate::output::{self, Output, dim, green, red, say, yellow};

/// How often the bar's wheel turns, in milliseconds.
const TICK_MS: u64 = 120;
/// Room for the names of steps, so that short lists line up.
const NAME_WIDTH: usize = 14;

/// Progress of one run.
pub(crate) struct Progress {
    pipeline: Arc<Pipeline>,
    /// What each step calls, by its id.
    uses: BTreeMap<String, String>,
    quiet: bool,
    bar: Option<ProgressBar>,
    /// When each step that is under way began, and its attempts.
    open: BTreeMap<String, (Timestamp, u32)>,
    waits: BTreeMap<String, (WaitFor, Option<Timestamp>)>,
    retrying: bool,
    paused: Option<RunError>,
    /// It happened before this process: told shortly, as kept.
    past: bool,
}

impl Progress {
    pub(crate) fn new(pipeline: Arc<Pipeline>, output: Output) -> Self {
        let mut uses = BTreeMap::new();
        if let Ok(document) = serde_json::from_str(pipeline.source()) {
            calls(&document, &mut uses);
        }
        let bar = (!output.quiet && output::stderr_is_terminal()).then(|| bar(uses.len()));
        Self {
            pipeline,
            uses,
            quiet: output.quiet,
            bar,
            open: BTreeMap::new(),
            waits: BTreeMap::new(),
            retrying: false,
            paused: None,
            past: false,
        }
    }

    /// Whether what comes next happened before this process.
    pub(crate) fn set_past(&mut self, past: bool) {
        self.past = past;
    }

    /// Takes in one event of the journal and shows it where it says something.
    pub(crate) fn see(&mut self, now: Timestamp, event: &Event) {
        match event {
            Event::AttemptOpened { at, attempt, .. } => {
                let path = self.path(at);
                self.retrying = false;
                self.open.entry(path.clone()).or_insert((now, *attempt)).1 = *attempt;
                self.message(&path);
            }
            Event::AttemptSucceeded { at, attempt, charged, .. } => {
                let path = self.path(at);
                let mut notes = vec![self.uses_of(&path)];
                if *attempt > 1 {
                    notes.push(format!("{attempt} attempts"));
                }
                notes.push(self.lasted(&path, now));
                notes.push(credits(*charged));
                self.done(&path, &notes);
            }
            Event::AttemptFailed { at, attempt, error, retry_at: Some(next), .. } => {
                let path = self.path(at);
                let pause = span(next.since_ms(now));
                let text = format!(
                    "attempt {attempt}: {} ({}); again in {pause}",
                    error.message, error.code
                );
                self.retrying = true;
                self.line(&yellow("retry"), &path, &text);
            }
            Event::AttemptFailed { at, error, .. } => {
                let path = self.path(at);
                self.retrying = false;
                self.line(&red("fail "), &path, &format!("{} ({})", error.message, error.code));
                self.advance(&path);
            }
            Event::AttemptInterrupted { at, attempt, .. } => {
                let path = self.path(at);
                self.line(&yellow("again"), &path, &format!("attempt {attempt} was interrupted"));
            }
            Event::StepWaiting { at, waits_for, due, .. } => {
                let path = self.path(at);
                let text = match (waits_for, due) {
                    (WaitFor::Sleep, Some(due)) => {
                        format!("sleeps {}, until {due}", span(due.since_ms(now)))
                    }
                    _ => format!("waits for {}", waited(waits_for)),
                };
                self.open.entry(path.clone()).or_insert((now, 1));
                self.line(&dim("wait "), &path, &text);
                self.message(&path);
                self.waits.insert(path, (waits_for.clone(), *due));
            }
            Event::StepSucceeded { at, .. } => {
                let path = self.path(at);
                let mut notes = vec![self.uses_of(&path)];
                if self.open.contains_key(&path) {
                    notes.push(self.lasted(&path, now));
                }
                self.done(&path, &notes);
            }
            Event::StepReused { at, .. } => {
                let path = self.path(at);
                self.done(&path, &["taken over, not charged again".to_owned()]);
            }
            Event::StepSkipped { at, .. } => {
                let path = self.path(at);
                self.line(&dim("skip "), &path, "its `if` is false");
                self.advance(&path);
            }
            Event::StepFailed { at, error, .. } | Event::ItemFailed { at, error, .. } => {
                let path = self.path(at);
                self.line(&red("fail "), &path, &format!("{} ({})", error.message, error.code));
                self.advance(&path);
            }
            Event::StepCancelled { at, .. } => {
                let path = self.path(at);
                self.line(&dim("stop "), &path, "abandoned");
                self.advance(&path);
            }
            Event::RunPaused { error } => self.paused = Some(error.clone()),
            Event::RunUnpaused { .. } => self.paused = None,
            _ => {}
        }
    }

    /// Why the run is paused, where it is.
    pub(crate) fn paused(&self) -> Option<RunError> {
        self.paused.clone()
    }

    /// A step and what it waits for, where only a person or an event can move the run.
    pub(crate) fn stands_still(
        &self,
        now: Timestamp,
        patience_ms: u64,
    ) -> Option<(String, String)> {
        let moves = |path: &String| !self.waits.contains_key(path);
        if self.retrying || self.open.keys().any(moves) {
            return None;
        }
        let soon = |due: &Option<Timestamp>| due.is_some_and(|d| d.since_ms(now) <= patience_ms);
        if self.waits.values().any(|(what, due)| *what == WaitFor::Sleep || soon(due)) {
            return None;
        }
        self.waits.iter().next().map(|(step, (what, _))| (step.clone(), waited(what)))
    }

    fn path(&self, at: &[u32]) -> String {
        path_of(&self.pipeline, at)
    }

    fn uses_of(&self, path: &str) -> String {
        let id = path.rsplit('.').next().unwrap_or(path);
        self.uses.get(id).cloned().unwrap_or_default()
    }

    fn lasted(&self, path: &str, now: Timestamp) -> String {
        self.open.get(path).map_or_else(String::new, |(began, _)| span(now.since_ms(*began)))
    }

    fn done(&mut self, path: &str, notes: &[String]) {
        let notes: Vec<&str> = notes.iter().map(String::as_str).filter(|n| !n.is_empty()).collect();
        if self.past {
            self.write(&dim("kept "), path, "done before, not run again");
        } else {
            self.line(&green("done "), path, &notes.join("  "));
        }
        self.advance(path);
    }

    fn advance(&mut self, path: &str) {
        self.open.remove(path);
        self.waits.remove(path);
        if let Some(bar) = &self.bar {
            bar.inc(1);
            if bar.length().is_some_and(|all| bar.position() > all) {
                bar.set_length(bar.position());
            }
        }
        let next = self.open.keys().next().cloned().unwrap_or_default();
        self.message(&next);
    }

    fn message(&self, path: &str) {
        if let Some(bar) = &self.bar {
            bar.set_message(path.to_owned());
        }
    }

    fn line(&self, word: &str, path: &str, text: &str) {
        if !self.past {
            self.write(word, path, text);
        }
    }

    fn write(&self, word: &str, path: &str, text: &str) {
        if self.quiet {
            return;
        }
        let line = format!("{word} {path:NAME_WIDTH$} {text}");
        match &self.bar {
            // The bar writes by itself, past the stream that takes colours out.
            Some(bar) if !output::stderr_has_colour() => bar.println(output::plain(&line)),
            Some(bar) => bar.println(line),
            None => say(line.trim_end()),
        }
    }
}

impl Drop for Progress {
    /// However it ended, no half-drawn bar stays.
    fn drop(&mut self) {
        if let Some(bar) = &self.bar {
            bar.finish_and_clear();
        }
    }
}

fn bar(steps: usize) -> ProgressBar {
    let target = ProgressDrawTarget::stderr();
    let bar = ProgressBar::with_draw_target(Some(steps as u64), target);
    let template = "{spinner} [{bar:24}] {pos}/{len} {msg}";
    if let Ok(style) = ProgressStyle::with_template(template) {
        bar.set_style(style.progress_chars("=> "));
    }
    bar.enable_steady_tick(std::time::Duration::from_millis(TICK_MS));
    bar
}

/// Collects what steps call, wherever they stand.
fn calls(value: &Value, found: &mut BTreeMap<String, String>) {
    match value {
        Value::Array(items) => items.iter().for_each(|item| calls(item, found)),
        Value::Object(map) => {
            if let (Some(Value::String(id)), Some(Value::String(uses))) =
                (map.get("id"), map.get("uses"))
                && (uses.contains('/'))
            {
                found.insert(id.clone(), uses.clone());
            }
            map.values().for_each(|item| calls(item, found));
        }
        _ => {}
    }
}

/// What a step waits for, in words.
pub(crate) fn waited(what: &WaitFor) -> String {
    match what {
        WaitFor::Sleep => "its time".to_owned(),
        WaitFor::Event(name) => format!("event {name}"),
        WaitFor::Approval(_) => "a person's approval".to_owned(),
    }
}

/// `1 credit`, `2 credits`; nothing for none.
pub(crate) fn credits(credits: u64) -> String {
    match credits {
        0 => String::new(),
        1 => "1 credit".to_owned(),
        n => format!("{n} credits"),
    }
}

/// A time span, short: `12 ms`, `3.0 s`, `4m 10s`, `2h 5m`, `3d 4h`.
pub(crate) fn span(ms: u64) -> String {
    let s = ms / 1_000;
    match s {
        0 => format!("{ms} ms"),
        1..60 => format!("{}.{} s", s, ms % 1_000 / 100),
        60..3_600 => format!("{}m {}s", s / 60, s % 60),
        3_600..86_400 => format!("{}h {}m", s / 3_600, s % 3_600 / 60),
        _ => format!("{}d {}h", s / 86_400, s % 86_400 / 3_600),
    }
}

#[cfg(test)]
mod tests {
    use super::span;

    #[test]
    fn spans_are_short() {
        let table = [
            (0, "0 ms"),
            (999, "999 ms"),
            (3_049, "3.0 s"),
            (61_000, "1m 1s"),
            (3_660_000, "1h 1m"),
            (90_000_000, "1d 1h"),
        ];
        for (ms, text) in table {
            assert_eq!(span(ms), text);
        }
    }
}
