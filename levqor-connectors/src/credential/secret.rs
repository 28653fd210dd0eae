//! [`Secret`]: a text that is only read on purpose and is wiped when dropped.

use zeroize::Zeroizing;

/// A secret's value. Without `Debug`, `Display`, `Serialize` and `Clone`, so that it cannot get
/// into a log, an error or a store by accident; wiped from memory when dropped.
///
/// ```compile_fail
/// let secret = levqor_connectors::credential::Secret::new("xoxb-1");
/// println!("{secret:?}");
/// ```
#[expect(missing_debug_implementations, reason = "that is the point")]
pub struct Secret(Zeroizing<String>);

impl Secret {
    /// Wraps a value.
    #[must_use]
    pub fn new(value: impl Into<String>) -> Self {
        Self(Zeroizing::new(value.into()))
    }

    /// The value, for the one place that uses it.
    #[must_use]
    pub fn expose(&self) -> &str {
        &self.0
    }
}
