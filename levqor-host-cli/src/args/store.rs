//! `store`.

use clap::Subcommand;

/// `store`.
#[derive(Debug, Subcommand)]
pub(crate) enum StoreVerb {
    /// Write everything to a backup; - for stdout
    #[command(
        after_help = "Examples:\n  levqor store export backup.levqor\n  levqor store export - | ssh nas 'cat > backup.levqor'"
    )]
    Export {
        /// The backup's file
        #[arg(value_name = "FILE|-")]
        file: String,
    },
    /// Read a backup into an empty store; - for stdin
    #[command(
        after_help = "Example, from one kind of store to another:\n  levqor store export - | levqor --store redb:data store import -"
    )]
    Import {
        /// The backup's file
        #[arg(value_name = "FILE|-")]
        file: String,
    },
    /// Read a backup and check every sum in it, or the store itself
    Verify {
        /// The backup's file, - for stdin; the store where absent
        #[arg(value_name = "FILE|-")]
        file: Option<String>,
    },
}
