//! Server-sent events, read as they come, and a run's progress from them.

use reqwest::Response;
use serde_json::Value;

use super::{Server, cell};
use crate::failure::{Failure, Result};
use crate::follow::interrupted;
use crate::output::{Output, dim, green, red, yellow};

/// Most bytes of one event that is not whole yet: a record with a step's output, with room.
const EVENT_BYTES_MAX: usize = 4 * 1024 * 1024;
/// How often a stream that was cut is taken up again without a single event in between.
const TRIES: u32 = 5;

/// One event.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Event {
    pub(super) id: Option<String>,
    pub(super) name: String,
    pub(super) data: String,
}

/// Takes events out of bytes that come in pieces.
#[derive(Debug, Default)]
pub(super) struct Reader {
    rest: Vec<u8>,
    event: Event,
}

impl Reader {
    /// The events that these bytes complete; `None` where one of them has no end.
    pub(super) fn push(&mut self, bytes: &[u8]) -> Option<Vec<Event>> {
        self.rest.extend_from_slice(bytes);
        let mut done = Vec::new();
        while let Some(end) = self.rest.iter().position(|b| *b == b'\n') {
            let line: Vec<u8> = self.rest.drain(..=end).collect();
            let line = String::from_utf8_lossy(&line);
            done.extend(self.line(line.trim_end_matches(['\n', '\r'])));
        }
        (self.rest.len() + self.event.data.len() <= EVENT_BYTES_MAX).then_some(done)
    }

    fn line(&mut self, line: &str) -> Option<Event> {
        if line.is_empty() {
            let event = std::mem::take(&mut self.event);
            return (!event.data.is_empty()).then_some(event);
        }
        let (field, value) = line.split_once(':').unwrap_or((line, ""));
        let value = value.strip_prefix(' ').unwrap_or(value);
        match field {
            "id" => self.event.id = Some(value.to_owned()),
            "event" => value.clone_into(&mut self.event.name),
            "data" => {
                if !self.event.data.is_empty() {
                    self.event.data.push('\n');
                }
                self.event.data.push_str(value);
            }
            // A comment keeps the line alive; other fields are not ours.
            _ => {}
        }
        None
    }
}

/// How a followed run stands when following ends.
#[derive(Debug)]
pub(super) enum Followed {
    /// It ended, or stands still until somebody does something: look at the run.
    Still,
    /// Ctrl-C.
    Interrupted,
}

impl Server {
    /// Follows a run and shows its progress, until it ends or stands still.
    pub(super) async fn follow(&self, run: &str, mut last: Option<String>) -> Result<Followed> {
        let mut steps = Steps { output: self.output };
        let mut interrupted = std::pin::pin!(interrupted());
        let mut tries = 0;
        loop {
            let path = ["api", "v1", "runs", run, "events"];
            let ask = self.client.get(&path).header("last-event-id", last.clone()).open();
            let response = tokio::select! {
                response = ask => response?,
                () = &mut interrupted => return Ok(Followed::Interrupted),
            };
            if response.status() == reqwest::StatusCode::NO_CONTENT {
                return Ok(Followed::Still);
            }
            if !response.status().is_success() {
                // The same question again, for the refusal in words.
                self.client.get(&path[..4]).send().await?;
                return Ok(Followed::Still);
            }
            tries += 1;
            let stream = Stream { response, last: &mut last, steps: &mut steps };
            let ended = tokio::select! {
                ended = stream.read() => ended?,
                () = &mut interrupted => return Ok(Followed::Interrupted),
            };
            match ended {
                Ended::Still => return Ok(Followed::Still),
                Ended::Cut { seen: true } => tries = 0,
                Ended::Cut { .. } if tries < TRIES => {}
                Ended::Cut { .. } => {
                    let message = format!("the events of {run} break off again and again");
                    let exit = crate::exit::Exit::Unreachable;
                    return Err(Failure::new(exit, "server.unreachable", message));
                }
            }
        }
    }
}

enum Ended {
    Still,
    Cut { seen: bool },
}

struct Stream<'a> {
    response: Response,
    last: &'a mut Option<String>,
    steps: &'a mut Steps,
}

impl Stream<'_> {
    async fn read(mut self) -> Result<Ended> {
        let (mut reader, mut seen) = (Reader::default(), false);
        loop {
            let Ok(Some(piece)) = self.response.chunk().await else {
                return Ok(Ended::Cut { seen });
            };
            let Some(events) = reader.push(&piece) else { return Ok(Ended::Cut { seen: false }) };
            for event in events {
                seen = true;
                let data: Value = serde_json::from_str(&event.data).unwrap_or_default();
                let still = self.steps.see(&event.name, &data["event"]);
                if event.id.is_some() {
                    *self.last = event.id;
                }
                if still {
                    return Ok(Ended::Still);
                }
            }
        }
    }
}

/// One line for each step.
struct Steps {
    output: Output,
}

impl Steps {
    /// Shows an event; whether the run stands still from here on.
    fn see(&mut self, name: &str, event: &Value) -> bool {
        let step = match cell(event, "path") {
            path if path.is_empty() => cell(event, "step"),
            path => path,
        };
        match name {
            "step.succeeded" => self.say(&green("done "), &step, ""),
            "step.skipped" => self.say(&dim("skip "), &step, ""),
            "step.reused" => self.say(&dim("kept "), &step, "done before, not run again"),
            "attempt.failed" if !event["retry_at"].is_null() => {
                let what = format!("attempt {}: {}", cell(event, "attempt"), why(event));
                self.say(&yellow("retry"), &step, &what);
            }
            "attempt.failed" | "step.failed" | "item.failed" => {
                self.say(&red("fail "), &step, &why(event));
            }
            "step.waiting" => {
                let what = cell(event, "waits_for");
                let until = cell(event, "due");
                let until = if until.is_empty() { until } else { format!(", until {until}") };
                self.say("wait ", &step, &format!("{what}{until}"));
                // A person or an event may never come: whoever follows need not wait for it.
                return cell(event, "due").is_empty();
            }
            "run.paused" | "run.finished" => return true,
            _ => {}
        }
        false
    }

    fn say(&self, word: &str, step: &str, what: &str) {
        self.output.note(format!("{word} {step:14} {what}").trim_end());
    }
}

fn why(event: &Value) -> String {
    let error = &event["error"];
    format!("{} ({})", cell(error, "message"), cell(error, "code"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn events_are_whole_however_they_are_cut() {
        let text = "retry: 1000\n\n:\n\nid: 7\nevent: step.succeeded\ndata: {\"a\":\ndata: 1}\n\n\
                    event: run.finished\r\ndata: x\r\n\r\n";
        for size in 1..text.len() {
            let mut reader = Reader::default();
            let pieces = text.as_bytes().chunks(size);
            let all: Vec<Event> = pieces.flat_map(|piece| reader.push(piece).unwrap()).collect();
            assert_eq!(all.len(), 2, "{size}");
            assert_eq!(all[0].id.as_deref(), Some("7"));
            assert_eq!(
                (all[0].name.as_str(), all[0].data.as_str()),
                ("step.succeeded", "{\"a\":\n1}")
            );
            assert_eq!((all[1].name.as_str(), all[1].data.as_str()), ("run.finished", "x"));
        }
    }

    #[test]
    fn an_event_without_an_end_is_not_kept() {
        let mut reader = Reader::default();
        assert!(reader.push(&vec![b'x'; EVENT_BYTES_MAX + 1]).is_none());
    }
}
