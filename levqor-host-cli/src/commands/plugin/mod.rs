//! `plugin`: what authors of connectors do.

mod build;
mod cargo;
mod inspect;
mod new;
mod test;

use crate::args::{Global, PluginVerb};
use crate::failure::Result;
use crate::output::Output;

pub(crate) async fn plugin(global: &Global, output: Output, verb: PluginVerb) -> Result<()> {
    match verb {
        PluginVerb::New(args) => new::new(output, &args),
        PluginVerb::Build(args) => build::build(output, &args).await,
        PluginVerb::Inspect(args) => inspect::inspect(global, output, &args.file).await,
        PluginVerb::Test(args) => test::test(output, &args).await,
    }
}
