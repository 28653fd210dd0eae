//! [`ExchangeObserver`]: what other sides answered to plugins, for metrics.

use std::fmt;

/// Hears of each answer. Called on the way of a call: it must return at once and must not panic.
pub trait ExchangeObserver: fmt::Debug + Send + Sync + 'static {
    /// The other side answered a request of this connector with this status. A redirect that was
    /// followed is an answer of its own; what got no answer is none.
    fn answered(&self, connector: &str, status: u16);
}
