//! Exit codes: documented constants, append-only, one meaning each.

/// How the process ends. The numbers are part of the interface: scripts branch on them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Exit {
    /// Done; a run succeeded.
    Ok,
    /// The run did not succeed: it failed, was cancelled, is dead, or waits for a person.
    RunFailed,
    /// The command line is wrong. Clap's own code as well.
    Usage,
    /// A document has errors; nothing was started.
    Invalid,
    /// Understood and refused, or not found.
    Refused,
    /// The store or the host is locked, damaged or cannot be reached.
    Unreachable,
    /// Ctrl-C. Runs stay where they are and can be continued.
    Interrupted,
}

impl Exit {
    /// The number.
    pub(crate) const fn code(self) -> u8 {
        match self {
            Self::Ok => 0,
            Self::RunFailed => 1,
            Self::Usage => 2,
            Self::Invalid => 3,
            Self::Refused => 4,
            Self::Unreachable => 5,
            Self::Interrupted => 130,
        }
    }

    /// What it means, for `--help`.
    #[cfg(test)]
    pub(crate) const ALL: [Self; 7] = [
        Self::Ok,
        Self::RunFailed,
        Self::Usage,
        Self::Invalid,
        Self::Refused,
        Self::Unreachable,
        Self::Interrupted,
    ];
}

/// The table that `--help` shows.
pub(crate) const TABLE: &str = "\
Exit codes:
    0  ok; the run succeeded
    1  the run did not succeed, or waits for a person
    2  the command line is wrong
    3  a document has errors
    4  refused or not found
    5  the store or the host is locked, damaged or unreachable
  130  interrupted; the run can be continued";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_help_names_every_code_once() {
        for exit in Exit::ALL {
            let wanted = format!("{:>5}  ", exit.code());
            assert_eq!(TABLE.matches(&wanted).count(), 1, "{exit:?}");
        }
    }
}
