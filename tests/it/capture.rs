//! Everything that is logged in this process, as one text that can be searched.
//!
//! One subscriber for all tests of the binary: what is searched for must be unique to the test.

use std::fmt::Write;
use std::sync::Once;
use std::sync::atomic::{AtomicU64, Ordering};

use parking_lot::Mutex;
use tracing::field::{Field, Visit};
use tracing::span::{Attributes, Id, Record};
use tracing::{Event, Metadata, Subscriber};

static LOGGED: Mutex<String> = Mutex::new(String::new());
static INSTALL: Once = Once::new();
static SPANS: AtomicU64 = AtomicU64::new(1);

/// Collects from now on.
pub(crate) fn install() {
    INSTALL.call_once(|| {
        tracing::subscriber::set_global_default(Collector).unwrap();
        log::set_logger(&Collector).unwrap();
        log::set_max_level(log::LevelFilter::Debug);
    });
    // The check can fail: what is logged is found.
    tracing::trace!(marker = "collector-marker", "collecting");
    assert!(LOGGED.lock().contains("collector-marker"));
}

/// Everything logged so far.
pub(crate) fn logged() -> String {
    LOGGED.lock().clone()
}

struct Collector;

impl Subscriber for Collector {
    fn enabled(&self, _: &Metadata<'_>) -> bool {
        true
    }

    fn new_span(&self, span: &Attributes<'_>) -> Id {
        let mut line = format!("span {} ", span.metadata().name());
        span.record(&mut Line(&mut line));
        push(&line);
        Id::from_u64(SPANS.fetch_add(1, Ordering::Relaxed))
    }

    fn record(&self, _: &Id, values: &Record<'_>) {
        let mut line = String::from("record ");
        values.record(&mut Line(&mut line));
        push(&line);
    }

    fn event(&self, event: &Event<'_>) {
        let metadata = event.metadata();
        let mut line = format!("{} {} ", metadata.level(), metadata.target());
        event.record(&mut Line(&mut line));
        push(&line);
    }

    fn record_follows_from(&self, _: &Id, _: &Id) {}
    fn enter(&self, _: &Id) {}
    fn exit(&self, _: &Id) {}
}

impl log::Log for Collector {
    fn enabled(&self, _: &log::Metadata<'_>) -> bool {
        true
    }

    fn log(&self, record: &log::Record<'_>) {
        // The compiler tells of every instruction.
        let target = record.target();
        if ["cranelift", "regalloc", "wasmtime"].iter().any(|t| target.starts_with(t)) {
            return;
        }
        push(&format!("{} {} {}", record.level(), record.target(), record.args()));
    }

    fn flush(&self) {}
}

fn push(line: &str) {
    let mut logged = LOGGED.lock();
    logged.push_str(line);
    logged.push('\n');
}

struct Line<'a>(&'a mut String);

impl Visit for Line<'_> {
    fn record_debug(&mut self, field: &Field, value: &dyn std::fmt::Debug) {
        let _ = write!(self.0, "{field}={value:?} ");
    }

    fn record_str(&mut self, field: &Field, value: &str) {
        let _ = write!(self.0, "{field}={value} ");
    }
}
