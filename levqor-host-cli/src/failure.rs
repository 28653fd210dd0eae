//! [`Failure`]: why a command ended, with an exit code, a stable code and what to do next.

use std::borrow::Cow;

use levqor_core::engine::Error;
use levqor_core::ledger::LedgerError;
use levqor_core::store::{CommitError, StoreError};

use crate::exit::Exit;

/// What commands return.
pub(crate) type Result<T> = std::result::Result<T, Failure>;

/// Why a command ended before it was done.
#[derive(Debug)]
pub(crate) struct Failure {
    pub(crate) exit: Exit,
    /// Stable; `levqor explain` knows it.
    pub(crate) code: Cow<'static, str>,
    /// A lowercase fragment.
    pub(crate) message: String,
    /// The next thing to type.
    pub(crate) help: Option<String>,
    /// Everything was printed already.
    pub(crate) silent: bool,
}

impl Failure {
    pub(crate) fn new(
        exit: Exit,
        code: impl Into<Cow<'static, str>>,
        message: impl Into<String>,
    ) -> Self {
        Self { exit, code: code.into(), message: message.into(), help: None, silent: false }
    }

    /// The command line is understood by clap and makes no sense here.
    pub(crate) fn usage(message: impl Into<String>) -> Self {
        Self::new(Exit::Usage, "cli.usage", message)
    }

    /// A file cannot be read or written.
    pub(crate) fn file(path: &std::path::Path, error: &std::io::Error) -> Self {
        let message = format!("{}: {}", path.display(), plain_io(error));
        Self::new(Exit::Refused, "cli.file", message)
    }

    /// Ends the process with this code; what was to say is said.
    pub(crate) fn silent(exit: Exit) -> Self {
        Self { silent: true, ..Self::new(exit, "cli.silent", "") }
    }

    pub(crate) fn help(mut self, help: impl Into<String>) -> Self {
        self.help = Some(help.into());
        self
    }
}

/// What the operating system says, without Rust's `(os error 2)`.
pub(crate) fn plain_io(error: &std::io::Error) -> String {
    let text = error.to_string();
    let end = text.find(" (os error").unwrap_or(text.len());
    let mut text = text[..end].to_owned();
    if let Some(first) = text.get_mut(..1) {
        first.make_ascii_lowercase();
    }
    text
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        let exit = match &error {
            Error::Store(_) | Error::Corrupt(_) | Error::Stopped => Exit::Unreachable,
            Error::Commit(CommitError::Poisoned(_) | CommitError::Unknown) => Exit::Unreachable,
            Error::Invalid(_) => Exit::Invalid,
            _ => Exit::Refused,
        };
        let help = match &error {
            Error::Store(StoreError::Locked(_)) => Some(
                "another levqor works on this store: wait for it, stop it, or use another \
                 --data-dir",
            ),
            _ => None,
        };
        // A run's error ends with its code where it stands alone; here the code comes behind.
        let message = match &error {
            Error::Refused(refused) | Error::Quota { error: refused, .. } => {
                refused.message.clone()
            }
            other => other.to_string(),
        };
        let failure = Self::new(exit, error.code().to_owned(), message);
        match help {
            Some(help) => failure.help(help),
            None => failure,
        }
    }
}

impl From<StoreError> for Failure {
    fn from(error: StoreError) -> Self {
        Error::Store(error).into()
    }
}

impl From<CommitError> for Failure {
    fn from(error: CommitError) -> Self {
        Error::Commit(error).into()
    }
}

impl From<LedgerError> for Failure {
    fn from(error: LedgerError) -> Self {
        Self::new(Exit::Refused, error.code(), error.to_string())
    }
}

#[cfg(test)]
mod tests {
    use levqor_core::error::{ErrorKind, RunError};

    use super::*;

    #[test]
    fn a_code_is_said_once() {
        let refused = RunError::new(ErrorKind::Conflict, "run.ended", "the run has ended");
        let failure = Failure::from(Error::Refused(refused));
        assert_eq!((failure.message.as_str(), &*failure.code), ("the run has ended", "run.ended"));
        assert_eq!(failure.exit, Exit::Refused);
    }
}
