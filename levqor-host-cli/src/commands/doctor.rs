//! `doctor`: whether everything needed is there, and what to type where it is not.

use std::path::Path;
use std::process::Command;

use serde_json::json;

use crate::args::{Global, StoreSpec};
use crate::catalog;
use crate::exit::Exit;
use crate::failure::{Failure, Result};
use crate::output::{self, Format, Output, green, red, yellow};
use crate::session::Session;

/// One thing that was looked at.
struct Finding {
    what: &'static str,
    state: State,
    detail: String,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum State {
    Good,
    /// Not needed for running pipelines.
    Optional,
    Bad,
}

pub(crate) async fn doctor(global: &Global, output: Output) -> Result<()> {
    let mut found = vec![store(global), vault(global), target()];
    found.extend(session(global, output).await);
    for finding in &found {
        let (word, text) = match finding.state {
            State::Good => ("ok", green("ok   ")),
            State::Optional => ("missing", yellow("note ")),
            State::Bad => ("bad", red("bad  ")),
        };
        let item = json!({ "check": finding.what, "state": word, "detail": finding.detail });
        output.item(&item, || format!("{text} {:10} {}", finding.what, finding.detail))?;
    }
    let bad = found.iter().filter(|f| f.state == State::Bad).count();
    if bad == 0 {
        if output.format == Format::Text {
            output.note("all that is needed is there");
        }
        return Ok(());
    }
    Err(Failure::new(Exit::Unreachable, "cli.doctor", format!("{bad} problem(s) found")))
}

fn finding(what: &'static str, state: State, detail: impl Into<String>) -> Finding {
    Finding { what, state, detail: detail.into() }
}

fn store(global: &Global) -> Finding {
    let spec = global.store_spec();
    match &spec {
        StoreSpec::Memory => finding("store", State::Good, "memory: gone with each process"),
        StoreSpec::Sled(path) | StoreSpec::Redb(path) if !path.exists() => {
            finding("store", State::Good, format!("{spec} will be made by the first run"))
        }
        _ => finding("store", State::Good, spec.to_string()),
    }
}

fn vault(global: &Global) -> Finding {
    let dir = catalog::vault_dir(global);
    if !dir.exists() {
        return finding("vault", State::Good, "empty");
    }
    match catalog::open_vault(global) {
        Ok(_) => finding("vault", State::Good, dir.display().to_string()),
        Err(failure) => finding("vault", State::Bad, failure.message),
    }
}

/// Only authors of plugins need it.
fn target() -> Finding {
    let asked = Command::new("rustc")
        .args(["--print", "target-libdir", "--target", "wasm32-wasip2"])
        .output();
    let there = asked.is_ok_and(|done| {
        done.status.success() && Path::new(String::from_utf8_lossy(&done.stdout).trim()).is_dir()
    });
    if there {
        return finding("wasm", State::Good, "wasm32-wasip2 is installed: plugins can be built");
    }
    let detail = "to write plugins: rustup target add wasm32-wasip2";
    finding("wasm", State::Optional, detail)
}

async fn session(global: &Global, output: Output) -> Vec<Finding> {
    let quiet = Output { quiet: true, ..output };
    let session = match Session::open_to_read(global, quiet).await {
        Ok(session) => session,
        Err(failure) => {
            let detail = format!("{} ({})", failure.message, failure.code);
            return vec![finding("engine", State::Bad, detail)];
        }
    };
    let mut found = Vec::new();
    let plugins = session.registry.plugins();
    let blocked: Vec<_> = plugins.iter().filter(|p| p.blocked.is_some()).collect();
    let counted = format!("{} connectors, {} blocked", plugins.len(), blocked.len());
    found.push(finding("plugins", State::Good, counted));
    for plugin in blocked {
        let detail = format!("{0} is blocked: levqor plugins show {0}", plugin.name);
        found.push(finding("plugin", State::Optional, detail));
    }
    for refusal in session.registry.refusals() {
        found.push(finding("plugin", State::Bad, format!("{}: {}", refusal.what, refusal.why)));
    }
    // Compiles and calls nothing: whether the sandbox can be had on this machine.
    match session.registry.host() {
        Ok(host) if host.is_pooling() => found.push(finding("sandbox", State::Good, "pooled")),
        Ok(_) => found.push(finding("sandbox", State::Optional, "on demand: calls are slower")),
        Err(error) => found.push(finding("sandbox", State::Bad, error.to_string())),
    }
    let terminal = if output::stderr_is_terminal() { "a terminal" } else { "no terminal" };
    let colour = if output::stderr_has_colour() { "colours" } else { "no colours" };
    found.push(finding("stderr", State::Good, format!("{terminal}, {colour}")));
    found
}
