//! What is printed: one JSON object a line, absent figures left out.

use std::time::Duration;

use serde_json::{Map, Value, json};

/// One line of figures.
#[derive(Clone, Debug)]
pub struct Figure(Map<String, Value>);

impl Figure {
    /// A line about `what`, on this store.
    #[must_use]
    pub fn new(what: &str, store: &str) -> Self {
        let mut map = Map::new();
        map.insert("bench".to_owned(), json!(what));
        map.insert("store".to_owned(), json!(store));
        Self(map)
    }

    /// The same with one more member.
    #[must_use]
    pub fn with(mut self, name: &str, value: impl Into<Value>) -> Self {
        self.0.insert(name.to_owned(), value.into());
        self
    }

    /// The same with p50 and p99 of these times, in `unit` (`ms` or `us`).
    #[must_use]
    pub fn percentiles(self, unit: &str, times: &mut [Duration]) -> Self {
        times.sort_unstable();
        let scale = if unit == "us" { 1e6 } else { 1e3 };
        let at = |share: f64| {
            let place = ((times.len() as f64 - 1.0) * share).round().max(0.0) as usize;
            let seconds = times.get(place).map_or(0.0, Duration::as_secs_f64);
            (seconds * scale * 1_000.0).round() / 1_000.0
        };
        self.with(&format!("p50_{unit}"), at(0.5)).with(&format!("p99_{unit}"), at(0.99))
    }

    /// Prints the line.
    #[expect(clippy::print_stdout, reason = "a bench's output is what it prints")]
    pub fn print(self) {
        println!("{}", Value::Object(self.0));
    }
}

/// Processor time of this process so far, user's and system's, from the kernel's hundredths.
#[must_use]
pub fn processor_time() -> Duration {
    let text = std::fs::read_to_string("/proc/self/stat").unwrap_or_default();
    // The name before it may hold anything, and ends with the last bracket.
    let fields = text.rsplit_once(')').map_or("", |(_, rest)| rest).split_whitespace();
    let ticks: u64 = fields.skip(11).take(2).filter_map(|n| n.parse::<u64>().ok()).sum();
    Duration::from_millis(ticks * 10)
}

/// This process's proportional memory in MiB.
#[must_use]
pub fn pss_mib() -> f64 {
    pss_mib_at("self")
}

/// Another process's.
#[must_use]
pub fn pss_mib_of(pid: u32) -> f64 {
    pss_mib_at(&pid.to_string())
}

fn pss_mib_at(process: &str) -> f64 {
    let text = std::fs::read_to_string(format!("/proc/{process}/smaps_rollup")).unwrap_or_default();
    let line = text.lines().find_map(|l| l.strip_prefix("Pss:"));
    let kib: f64 =
        line.and_then(|l| l.split_whitespace().next()).and_then(|n| n.parse().ok()).unwrap_or(0.0);
    (kib / 1024.0 * 10.0).round() / 10.0
}
