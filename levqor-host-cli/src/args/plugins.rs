//! `plugins` and `plugin`.

use std::path::PathBuf;

use clap::{Args, Subcommand};

use super::InputArgs;

/// `plugins`.
#[derive(Debug, Subcommand)]
pub(crate) enum PluginsVerb {
    /// Connectors, their actions and prices
    List,
    /// One connector: its actions with their inputs
    Show {
        /// The connector, or connector/action
        name: String,
    },
}

/// `plugin`.
#[derive(Debug, Subcommand)]
pub(crate) enum PluginVerb {
    /// Start a connector: a crate that builds and tests at once
    New(NewArgs),
    /// Build connectors as WebAssembly components
    Build(BuildArgs),
    /// What a component is and asks for, without trusting it
    Inspect(InspectArgs),
    /// Test a connector natively, then try its component in the sandbox
    Test(TestArgs),
}

/// `plugin new`.
#[derive(Debug, Args)]
#[command(after_help = "Example:\n  levqor plugin new weather --host api.weather.example")]
pub(crate) struct NewArgs {
    /// The connector's name: what stands before the slash in `uses`
    pub(crate) name: String,
    /// Folder to make it in
    #[arg(long, value_name = "DIR", default_value = ".")]
    pub(crate) dir: PathBuf,
    /// Host it wishes to reach
    #[arg(long, value_name = "HOST", default_value = "api.example.com")]
    pub(crate) host: String,
    /// Path of the plugin SDK, where the crate is not in Levqor's own plugins folder
    #[arg(long, value_name = "DIR")]
    pub(crate) sdk: Option<PathBuf>,
}

/// `plugin build`.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  levqor plugin build plugins/weather          one crate; prints component, size and digest
  levqor plugin build --all plugins            every built-in one, with the lock (cargo plugins)
  levqor plugin build --all plugins --check    fails where a committed component differs")]
pub(crate) struct BuildArgs {
    /// Folder of the crate
    #[arg(value_name = "DIR", required_unless_present = "all")]
    pub(crate) dir: Option<PathBuf>,
    /// Build every connector of this workspace into the built-in ones, and their lock
    #[arg(long, value_name = "DIR", conflicts_with = "dir")]
    pub(crate) all: Option<PathBuf>,
    /// Build and compare with what is there, change nothing
    #[arg(long, requires = "all")]
    pub(crate) check: bool,
    /// Folder for the component [default: beside the crate; the built-in ones with --all]
    #[arg(long, value_name = "DIR")]
    pub(crate) out: Option<PathBuf>,
}

/// `plugin inspect`.
#[derive(Debug, Args)]
pub(crate) struct InspectArgs {
    /// The component
    #[arg(value_name = "FILE.wasm")]
    pub(crate) file: PathBuf,
}

/// `plugin test`.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  levqor plugin test plugins/weather                        cargo test, then the component
  levqor plugin test weather.wasm --action now -i city=Oslo call one action in the sandbox

The sandbox grants nothing here: an action that sends a request is refused.")]
pub(crate) struct TestArgs {
    /// Folder of the crate, or a component
    #[arg(value_name = "DIR|FILE.wasm")]
    pub(crate) path: PathBuf,
    /// Call this action of the component
    #[arg(long, value_name = "ACTION")]
    pub(crate) action: Option<String>,
    #[command(flatten)]
    pub(crate) input: InputArgs,
}
