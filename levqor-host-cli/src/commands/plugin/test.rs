//! `plugin test`: the crate's own tests, then its component in the sandbox; or one call of one
//! action of a component.

use std::path::Path;
use std::sync::Arc;

use levqor_connectors::sandbox::{Plugin, PluginConnector};
use levqor_core::connector::{Call, Connector, Outcome};
use levqor_core::ids::Organization;
use serde_json::{Value, json};

use super::build::{load, read};
use super::cargo;
use crate::args::TestArgs;
use crate::exit::Exit;
use crate::failure::{Failure, Result};
use crate::output::Output;

pub(crate) async fn test(output: Output, args: &TestArgs) -> Result<()> {
    let component = if args.path.is_dir() {
        native(&args.path)?;
        let built = cargo::build(&args.path, false)?;
        let Some(one) = built.last() else {
            return Err(Failure::new(Exit::Refused, "plugin.build", "it builds no component"));
        };
        read(&one.path)?
    } else {
        read(&args.path)?
    };
    let plugin = load(&component).await?;
    let Some(action) = &args.action else {
        return describe(output, &plugin);
    };
    let input = args.input.read()?;
    let outcome = call(plugin, action, &input).await?;
    match outcome {
        Outcome::Done { output: answer, .. } => output.run_output(&answer),
        Outcome::Retry { error, .. } | Outcome::Failed { error } | Outcome::Ambiguous { error } => {
            Err(Failure::new(Exit::RunFailed, error.code.clone(), error.message))
        }
        _ => Err(Failure::new(Exit::RunFailed, "plugin.bad_output", "an unknown outcome")),
    }
}

/// `cargo test` of the crate.
fn native(dir: &Path) -> Result<()> {
    let status = cargo::cargo(dir).arg("test").status();
    match status {
        Ok(status) if status.success() => Ok(()),
        Ok(_) => Err(Failure::new(Exit::RunFailed, "plugin.tests", "its own tests fail")),
        Err(error) => Err(Failure::file(Path::new("cargo"), &error)),
    }
}

/// That the component loads at all: it imports what it may, and its manifest and schemas are sound.
fn describe(output: Output, plugin: &Plugin) -> Result<()> {
    let manifest = plugin.manifest();
    let item = json!({
        "name": manifest.name, "version": manifest.version,
        "actions": manifest.actions.keys().collect::<Vec<_>>(), "sha256": plugin.digest(),
    });
    output.item(&item, || {
        format!(
            "{} {}: the component loads, {} action(s); call one with --action",
            manifest.name,
            manifest.version,
            manifest.actions.len()
        )
    })
}

/// One call with nothing granted.
async fn call(plugin: Plugin, action: &str, input: &Value) -> Result<Outcome> {
    let refused = |code: &'static str, message: String| Failure::new(Exit::Refused, code, message);
    let Some(manifest) = plugin.manifest().actions.get(action) else {
        let message = format!("it has no action `{action}`");
        return Err(refused("connector.unknown_action", message));
    };
    if let Err(problem) = jsonschema_check(&manifest.input_schema, input) {
        return Err(refused("document.with", problem));
    }
    let connector: Arc<dyn Connector> =
        Arc::new(PluginConnector::sealed(plugin).map_err(|e| refused(e.code(), e.to_string()))?);
    let organization = Organization::local();
    Ok(connector.run_task(Call::new(&organization, action, input)).await)
}

fn jsonschema_check(schema: &Value, input: &Value) -> std::result::Result<(), String> {
    let validator = jsonschema::validator_for(schema).map_err(|e| e.to_string())?;
    let problems: Vec<String> =
        validator.iter_errors(input).map(|e| format!("{}: {e}", e.instance_path())).collect();
    if problems.is_empty() {
        Ok(())
    } else {
        Err(format!("the input does not fit: {}", problems.join("; ")))
    }
}
