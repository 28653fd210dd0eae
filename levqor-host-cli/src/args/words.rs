//! Words that stand for one of a few things.

use clap::ValueEnum;

/// What `schema` prints.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum SchemaOf {
    /// Pipeline documents.
    Pipeline,
    /// The operator's plugins.toml.
    Config,
}
