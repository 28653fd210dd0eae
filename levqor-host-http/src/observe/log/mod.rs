//! The log: one JSON object a line, to stderr or into files that turn over by day and by size.
//!
//! ```text
//!  event ─▶ Line (fields bounded, control characters escaped) ─▶ stderr | logs/levqor.<day>.jsonl
//!     └ level ERROR ─▶ errors.jsonl, redacted, or Sentry
//! ```
//! Texts that callers chose stand in fields, never in the message, and cannot end a line or a
//! quotation. Only the program installs this; a library that did would take the choice from others.

mod files;
mod line;

use std::io::Write as _;
use std::sync::Arc;

use parking_lot::Mutex;
use tracing::span::{Attributes, Id, Record};
use tracing::{Event, Level, Subscriber};
use tracing_subscriber::EnvFilter;
use tracing_subscriber::layer::{Context, Layer, SubscriberExt as _};
use tracing_subscriber::registry::LookupSpan;
use tracing_subscriber::util::SubscriberInitExt as _;

use self::files::Files;
use self::line::Fields;
pub(super) use self::line::{Line, harmless};
use super::errors::Errors;
use crate::config::{Config, ConfigError};

/// Installs the log for this process, as the settings say. Errors are handed to `errors` as well.
///
/// # Errors
/// `config.value` for a filter or a place that is none, or a log that is installed already.
pub(crate) fn install(config: &Config, errors: Errors) -> Result<(), ConfigError> {
    let value = |e: &dyn std::fmt::Display| ConfigError::Value(format!("log: {e}"));
    let filter = EnvFilter::try_new(&config.log.filter).map_err(|e| value(&e))?;
    let out = match config.log.to.as_str() {
        "stderr" => Out::Stderr,
        "files" => {
            let folder = config.data_dir.join("logs");
            let files = Files::open(&folder, config.log.file_bytes, config.log.files);
            Out::Files(Mutex::new(files.map_err(|e| value(&e))?))
        }
        _ => return Err(value(&"`log.to` is `stderr` or `files`")),
    };
    let layer = JsonLines { out: Arc::new(out), errors };
    tracing_subscriber::registry().with(filter).with(layer).try_init().map_err(|e| value(&e))
}

#[derive(Debug)]
enum Out {
    Stderr,
    Files(Mutex<Files>),
}

/// Writes each event as a line.
#[derive(Clone, Debug)]
pub(super) struct JsonLines {
    out: Arc<Out>,
    errors: Errors,
}

impl JsonLines {
    fn write(&self, line: &str) {
        // A log that cannot be written must not end what it is about.
        match &*self.out {
            Out::Stderr => drop(std::io::stderr().lock().write_all(line.as_bytes())),
            Out::Files(files) => drop(files.lock().write(line.as_bytes())),
        }
    }
}

impl<S: Subscriber + for<'a> LookupSpan<'a>> Layer<S> for JsonLines {
    fn on_new_span(&self, attributes: &Attributes<'_>, id: &Id, context: Context<'_, S>) {
        let mut fields = Fields::default();
        attributes.record(&mut fields);
        if let Some(span) = context.span(id) {
            span.extensions_mut().insert(fields);
        }
    }

    fn on_record(&self, id: &Id, values: &Record<'_>, context: Context<'_, S>) {
        if let Some(span) = context.span(id)
            && let Some(fields) = span.extensions_mut().get_mut::<Fields>()
        {
            values.record(fields);
        }
    }

    fn on_event(&self, event: &Event<'_>, context: Context<'_, S>) {
        let mut fields = Fields::default();
        for span in context.event_scope(event).into_iter().flatten() {
            if let Some(of_span) = span.extensions().get::<Fields>() {
                fields.under(of_span);
            }
        }
        event.record(&mut fields);
        let metadata = event.metadata();
        let line = Line::new(metadata, fields);
        if *metadata.level() == Level::ERROR {
            self.errors.logged(&line);
        }
        self.write(&line.text());
    }
}

#[cfg(test)]
mod tests;
