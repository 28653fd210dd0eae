//! `credits` and `credentials`.

use std::path::PathBuf;

use clap::{Args, Subcommand, ValueEnum};

/// `credits`.
#[derive(Debug, Subcommand)]
pub(crate) enum CreditsVerb {
    /// What can be spent and what is held
    Balance,
    /// Give credits
    #[command(after_help = "Example:\n  levqor credits grant 500 --reference \"March\"")]
    Grant {
        /// How many
        credits: u64,
        /// What for; the same reference again gives nothing
        #[arg(long, value_name = "TEXT")]
        reference: String,
    },
    /// The ledger, newest first
    List {
        /// At most so many
        #[arg(long, default_value_t = 20, value_parser = clap::value_parser!(u32).range(1..=200))]
        limit: u32,
        /// Where the page before ended
        #[arg(long, value_name = "CURSOR")]
        before: Option<String>,
    },
    /// Compare the stored balance with the sum of everything posted and held
    Audit,
}

/// `credentials`.
#[derive(Debug, Subcommand)]
pub(crate) enum CredentialsVerb {
    /// Store a secret; its value comes from stdin, a file or a prompt, never from the command line
    Set(SetArgs),
    /// Names, kinds and hosts; never values
    List,
    /// Forget a secret
    Remove {
        /// Its name
        name: String,
    },
}

/// `credentials set`.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  levqor credentials set slack-main --host slack.com          asks, without echo
  pass show slack | levqor credentials set slack-main --host slack.com
  levqor credentials set crm --host api.hubapi.com --file /run/secrets/crm
  echo 'user:password' | levqor credentials set db --kind basic --host db.example.com

A document names it under `credentials:`; the host puts the value into requests to the listed
hosts, and nowhere else. Plugins never see it.")]
pub(crate) struct SetArgs {
    /// The name documents use
    pub(crate) name: String,
    /// Host it may be sent to: slack.com, *.example.com; as often as needed
    #[arg(long = "host", value_name = "HOST", required = true)]
    pub(crate) hosts: Vec<String>,
    /// What kind of secret
    #[arg(long, value_enum, default_value_t = KindArg::ApiKey)]
    pub(crate) kind: KindArg,
    /// Read the value from this file
    #[arg(long, value_name = "FILE")]
    pub(crate) file: Option<PathBuf>,
}

/// What kind of secret.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum KindArg {
    /// One secret text: a token or an API key
    ApiKey,
    /// user:password
    Basic,
}
