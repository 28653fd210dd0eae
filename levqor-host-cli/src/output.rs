//! The one place that prints. stdout is data only, stderr is for people.
//!
//! `text` is for people and may change between versions; `json` is one document, `jsonl` one
//! object per line, and both are an interface.

use std::io::{self, ErrorKind, IsTerminal, Write};

use clap::ValueEnum;
use comfy_table::{ContentArrangement, Table, presets};
use serde::Serialize;
use serde_json::{Value, json};

use crate::exit::Exit;
use crate::failure::{Failure, Result};

/// How data is printed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub(crate) enum Format {
    /// For people.
    #[default]
    Text,
    /// One JSON document.
    Json,
    /// One JSON object per line.
    Jsonl,
}

/// Where a command's words go.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Output {
    pub(crate) format: Format,
    pub(crate) quiet: bool,
}

impl Output {
    /// One thing.
    pub(crate) fn item<T: Serialize>(self, item: &T, text: impl FnOnce() -> String) -> Result<()> {
        match self.format {
            Format::Text => self.raw(&text()),
            Format::Json => self.raw(&pretty(item)?),
            Format::Jsonl => self.raw(&compact(item)?),
        }
    }

    /// A page of things; `row` is one line of the table whose head is `head`.
    pub(crate) fn list<T: Serialize>(
        self,
        items: &[T],
        next: Option<String>,
        head: &[&str],
        row: impl Fn(&T) -> Vec<String>,
    ) -> Result<()> {
        match self.format {
            Format::Text => {
                if items.is_empty() {
                    self.note("nothing there");
                    return Ok(());
                }
                self.raw(&table(head, items.iter().map(row)))?;
                if let Some(next) = next {
                    self.note(&format!("more: --before {next}"));
                }
                Ok(())
            }
            Format::Json => self.raw(&pretty(&json!({ "data": value(items)?, "next": next }))?),
            Format::Jsonl => items.iter().try_for_each(|item| self.raw(&compact(item)?)),
        }
    }

    /// A run's output: a text as it is, anything else as JSON.
    pub(crate) fn run_output(self, output: &Value) -> Result<()> {
        match (self.format, output) {
            (Format::Text, Value::String(text)) => self.raw(text),
            (Format::Text, Value::Null) => Ok(()),
            (Format::Text | Format::Json, other) => self.raw(&pretty(other)?),
            (Format::Jsonl, other) => self.raw(&compact(other)?),
        }
    }

    /// A line (or several) of data.
    pub(crate) fn raw(self, text: &str) -> Result<()> {
        let mut out = anstream::stdout().lock();
        let written = out.write_all(text.as_bytes()).and_then(|()| {
            if !text.ends_with('\n') {
                out.write_all(b"\n")?;
            }
            out.flush()
        });
        written.or_else(after_write)
    }

    /// Bytes of data as they are.
    pub(crate) fn bytes(self, bytes: &[u8]) -> Result<()> {
        let mut out = io::stdout().lock();
        out.write_all(bytes).and_then(|()| out.flush()).or_else(after_write)
    }

    /// A remark for people; not with `--quiet`.
    pub(crate) fn note(self, text: &str) {
        if !self.quiet {
            say(text);
        }
    }

    /// Why the command failed.
    pub(crate) fn failure(self, failure: &Failure) {
        if failure.silent {
            return;
        }
        let Failure { code, message, help, exit, .. } = failure;
        if self.format == Format::Text {
            say(&format!("{} {message} ({code})", red("error:")));
            if let Some(help) = help {
                say(&format!("{} {help}", green("help:")));
            } else if levqor_core::explain::find(code).is_some() {
                say(&format!("{} levqor explain {code}", green("help:")));
            }
            return;
        }
        let error = json!({ "code": code, "message": message, "help": help, "exit": exit.code() });
        say(&json!({ "error": error }).to_string());
    }
}

/// A line on stderr, for people.
pub(crate) fn say(text: &str) {
    // Nobody can be told that stderr is gone.
    let _ = writeln!(anstream::stderr().lock(), "{text}");
}

/// Whether a person sees stderr.
pub(crate) fn stderr_is_terminal() -> bool {
    io::stderr().is_terminal()
}

/// Whether stderr takes colours: `NO_COLOR`, `CLICOLOR_FORCE` and the terminal decide.
pub(crate) fn stderr_has_colour() -> bool {
    let choice = anstream::AutoStream::choice(&io::stderr());
    !matches!(choice, anstream::ColorChoice::Never)
}

pub(crate) fn red(text: &str) -> String {
    styled("1;31", text)
}

pub(crate) fn green(text: &str) -> String {
    styled("1;32", text)
}

pub(crate) fn yellow(text: &str) -> String {
    styled("33", text)
}

pub(crate) fn dim(text: &str) -> String {
    styled("2", text)
}

/// Colours are always written; the stream takes them out where they are not wanted.
fn styled(style: &str, text: &str) -> String {
    format!("\u{1b}[{style}m{text}\u{1b}[0m")
}

/// A table without lines, columns two spaces apart.
pub(crate) fn table(head: &[&str], rows: impl Iterator<Item = Vec<String>>) -> String {
    let mut table = Table::new();
    table.load_style(presets::NOTHING).set_content_arrangement(ContentArrangement::Disabled);
    table.set_header(head.iter().map(|h| h.to_uppercase()));
    for row in rows {
        table.add_row(row);
    }
    for column in table.column_iter_mut() {
        column.set_padding((0, 2));
    }
    let lines: Vec<String> = table.lines().map(|line| line.trim_end().to_owned()).collect();
    lines.join("\n")
}

fn value<T: Serialize + ?Sized>(item: &T) -> Result<Value> {
    serde_json::to_value(item).map_err(not_json)
}

fn pretty<T: Serialize>(item: &T) -> Result<String> {
    serde_json::to_string_pretty(item).map_err(not_json)
}

fn compact<T: Serialize>(item: &T) -> Result<String> {
    serde_json::to_string(item).map_err(not_json)
}

#[expect(clippy::needless_pass_by_value, reason = "what map_err calls")]
fn not_json(error: serde_json::Error) -> Failure {
    Failure::new(Exit::Refused, "cli.output", format!("the data cannot be shown as JSON: {error}"))
}

/// `levqor runs list | head` is not an error.
fn after_write(error: io::Error) -> Result<()> {
    if error.kind() == ErrorKind::BrokenPipe {
        return Err(Failure::silent(Exit::Ok));
    }
    Err(Failure::new(Exit::Refused, "cli.output", format!("stdout: {error}")))
}

/// The text without its colours, for writers that know no better.
pub(crate) fn plain(text: &str) -> String {
    anstream::adapter::strip_str(text).to_string()
}
