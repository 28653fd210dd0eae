//! `plugin new`: a crate that builds, tests and runs at once.

use std::path::{Path, PathBuf};

use levqor_core::ids::check_id;
use serde_json::json;

use crate::args::NewArgs;
use crate::exit::Exit;
use crate::failure::{Failure, Result};
use crate::output::Output;

const MANIFEST: &str = include_str!("template/Cargo.toml.in");
const SOURCE: &str = include_str!("template/lib.rs.in");
const TEST: &str = include_str!("template/native.rs.in");

pub(crate) fn new(output: Output, args: &NewArgs) -> Result<()> {
    let name = &args.name;
    let sound = check_id(name).is_ok()
        && name.starts_with(|c: char| c.is_ascii_lowercase())
        && name.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-');
    if !sound || ["core", "pipeline", "sdk"].contains(&name.as_str()) {
        return Err(Failure::usage(format!(
            "`{name}` cannot be a connector's name: write a-z, 0-9 and -, beginning with a letter"
        )));
    }
    let root = args.dir.join(name);
    if root.exists() {
        let message = format!("{} is there already", root.display());
        return Err(Failure::new(Exit::Refused, "cli.exists", message));
    }
    let inside = is_plugins_workspace(&args.dir);
    let manifest = MANIFEST.replace("{{head}}", &head(args, inside)?);
    for (path, text) in
        [("Cargo.toml", manifest.as_str()), ("src/lib.rs", SOURCE), ("tests/native.rs", TEST)]
    {
        let text = text
            .replace("{{name}}", name)
            .replace("{{crate}}", &name.replace('-', "_"))
            .replace("{{host}}", &args.host);
        write(&root.join(path), &text)?;
    }
    output.item(&json!({ "name": name, "path": root }), || root.display().to_string())?;
    let shown = root.display();
    if inside {
        let list = args.dir.join("Cargo.toml");
        output.note(&format!("add \"{name}\" to `members` in {}, then:", list.display()));
    }
    output.note(&format!("  levqor plugin test {shown}\n  levqor plugin build {shown}"));
    Ok(())
}

/// The part of the manifest that depends on where the crate is.
fn head(args: &NewArgs, inside: bool) -> Result<String> {
    if inside {
        return Ok("\
version.workspace = true
edition.workspace = true
rust-version.workspace = true
license.workspace = true
publish.workspace = true

[dependencies]
levqor-plugin-sdk.workspace = true"
            .to_owned());
    }
    let sdk = match &args.sdk {
        Some(sdk) => {
            let sdk = sdk.canonicalize().map_err(|e| Failure::file(sdk, &e))?;
            format!("levqor-plugin-sdk = {{ path = {:?} }}", sdk.display().to_string())
        }
        None => format!("levqor-plugin-sdk = \"{}\"", env!("CARGO_PKG_VERSION")),
    };
    Ok(format!(
        "version = \"0.1.0\"\nedition = \"2024\"\npublish = false\n\n\
         # A workspace of its own: it is built for another target than what is around it.\n\
         [workspace]\n\n\
         [profile.release]\nopt-level = \"s\"\nlto = true\ncodegen-units = 1\nstrip = true\n\
         panic = \"abort\"\n\n[dependencies]\n{sdk}"
    ))
}

/// Whether this folder is the guests' workspace, with the SDK in it.
fn is_plugins_workspace(dir: &Path) -> bool {
    dir.join("sdk/Cargo.toml").is_file() && dir.join("Cargo.toml").is_file()
}

fn write(path: &PathBuf, text: &str) -> Result<()> {
    let made = path.parent().map_or(Ok(()), std::fs::create_dir_all);
    made.and_then(|()| std::fs::write(path, text)).map_err(|e| Failure::file(path, &e))
}
