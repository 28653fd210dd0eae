//! From the engine's and the plugins' events to figures.

use std::sync::Arc;
use std::time::Duration;

use levqor_connectors::egress::ExchangeObserver;
use levqor_core::connector::{Catalog, Outcome};
use levqor_core::engine::{Called, Observed, Observer};

use super::Metrics;
use super::otlp::Spans;

/// Hears the engine.
#[derive(Debug)]
pub(crate) struct Heard {
    metrics: Arc<Metrics>,
    catalog: Catalog,
    spans: Spans,
}

impl Heard {
    /// What it hears goes to `metrics`; prices come from `catalog`.
    pub(crate) fn new(metrics: Arc<Metrics>, catalog: Catalog, spans: Spans) -> Self {
        Self { metrics, catalog, spans }
    }

    fn called(&self, call: &Called<'_>) {
        self.spans.call(call);
        let took = Duration::from_millis(call.took_ms);
        self.metrics.called(call.connector, call.action, took, call.error_kind());
        // What calls a model says which, and what it used.
        let Outcome::Done { output, credits } = call.outcome else { return };
        let Some(model) = output.get("model").and_then(|model| model.as_str()) else { return };
        if output.get("usage").is_none_or(|usage| !usage.is_object()) {
            return;
        }
        let listed = || self.catalog.info(call.connector, call.action).map(|info| info.price.base);
        self.metrics.model_cost(model, credits.or_else(listed).unwrap_or(0));
    }
}

impl Observer for Heard {
    fn observe(&self, what: &Observed<'_>) {
        match what {
            Observed::RunEnded(end) => {
                let took = Duration::from_millis(end.ended.since_ms(end.created));
                self.metrics.run_ended(end.status, took);
                self.spans.run(end);
            }
            Observed::Called(call) => self.called(call),
            Observed::DeadLetterGone { .. } => self.metrics.letter_gone(),
            _ => {}
        }
    }
}

/// Hears what other sides answer to plugins.
#[derive(Debug)]
pub(crate) struct Exchanged(pub(crate) Arc<Metrics>);

impl ExchangeObserver for Exchanged {
    fn answered(&self, connector: &str, status: u16) {
        if status >= 500 {
            self.0.vendor_failed(connector);
        }
    }
}
