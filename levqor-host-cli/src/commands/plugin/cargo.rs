//! Calling cargo for a guest: the target, the flags that make its bytes the same everywhere, and
//! where it puts the component.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use serde_json::Value;

use crate::exit::Exit;
use crate::failure::{Failure, Result};

/// What guests are built for.
pub(crate) const TARGET: &str = "wasm32-wasip2";

/// A crate's component, built.
#[derive(Debug)]
pub(crate) struct Built {
    /// The crate's name.
    pub(crate) package: String,
    /// The component.
    pub(crate) path: PathBuf,
}

/// Builds the crates of `dir` (or of its workspace) as components, in release.
pub(crate) fn build(dir: &Path, workspace: bool) -> Result<Vec<Built>> {
    need_target(dir)?;
    let root = dir.canonicalize().map_err(|e| Failure::file(dir, &e))?;
    let mut command = cargo(&root);
    command.args(["build", "--release", "--target", TARGET]);
    command.args(["--message-format", "json-render-diagnostics"]);
    if workspace {
        command.arg("--workspace");
    }
    // Paths of this machine would be in panic messages: the same source must give the same bytes.
    command.env("CARGO_ENCODED_RUSTFLAGS", remap());
    let done = command.stderr(Stdio::inherit()).stdout(Stdio::piped()).output();
    let done = done.map_err(|e| Failure::file(Path::new("cargo"), &e))?;
    if !done.status.success() {
        return Err(Failure::new(Exit::Refused, "plugin.build", "the build failed"));
    }
    let messages = String::from_utf8_lossy(&done.stdout);
    Ok(messages.lines().filter_map(built).collect())
}

/// A component that one of cargo's messages tells of.
fn built(line: &str) -> Option<Built> {
    let message: Value = serde_json::from_str(line).ok()?;
    let kinds = message.pointer("/target/crate_types")?.as_array()?;
    if message["reason"] != "compiler-artifact" || !kinds.iter().any(|k| k == "cdylib") {
        return None;
    }
    let files = message["filenames"].as_array()?;
    let path = files.iter().filter_map(Value::as_str).find(|f| f.ends_with(".wasm"))?;
    let manifest = Path::new(message["manifest_path"].as_str()?);
    let folder = manifest.parent()?.file_name()?.to_string_lossy();
    Some(Built { package: folder.into_owned(), path: path.into() })
}

/// The flag under which sources of dependencies have the same names on every machine; those of the
/// crate itself and of the standard library have already.
fn remap() -> String {
    let fixed = std::env::var_os("CARGO_HOME").map(PathBuf::from);
    let home = || std::env::var_os("HOME").map(|home| PathBuf::from(home).join(".cargo"));
    let registry = fixed.or_else(home).unwrap_or_default().join("registry/src");
    format!("--remap-path-prefix={}=/cargo", registry.display())
}

/// cargo in a folder, without the settings that an outer cargo (`cargo plugins`) passed on.
pub(crate) fn cargo(dir: &Path) -> Command {
    let program = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let mut command = Command::new(program);
    command.current_dir(dir);
    let inherited = ["RUSTFLAGS", "CARGO_ENCODED_RUSTFLAGS", "CARGO_BUILD_TARGET"];
    inherited.iter().for_each(|name| {
        command.env_remove(name);
    });
    command
}

/// Lets the crates' own tests write their manifests, in the order of their source.
pub(crate) fn bless(dir: &Path, packages: &[&str]) -> Result<()> {
    let mut command = cargo(dir);
    command.arg("test").env("LEVQOR_BLESS", "1").stdout(Stdio::null());
    packages.iter().for_each(|package| {
        command.args(["-p", *package]);
    });
    match command.status() {
        Ok(status) if status.success() => Ok(()),
        Ok(_) => Err(Failure::new(Exit::RunFailed, "plugin.tests", "a connector's tests fail")),
        Err(error) => Err(Failure::file(Path::new("cargo"), &error)),
    }
}

/// Says what to type where the target is not there.
fn need_target(dir: &Path) -> Result<()> {
    let missing = |what: &str| {
        let message = format!("{what}: guests are built for {TARGET}");
        Failure::new(Exit::Refused, "plugin.no_target", message)
            .help(format!("rustup target add {TARGET}"))
    };
    let asked = Command::new("rustc")
        .args(["--print", "target-libdir", "--target", TARGET])
        .current_dir(dir)
        .output();
    match asked {
        Ok(done) if done.status.success() => {
            let libraries = PathBuf::from(String::from_utf8_lossy(&done.stdout).trim());
            if libraries.is_dir() { Ok(()) } else { Err(missing("the target is not installed")) }
        }
        Ok(_) => Err(missing("rustc does not know the target")),
        Err(_) => Err(missing("there is no rustc")),
    }
}

/// `rustc --version`, for the lock.
pub(crate) fn rustc_version(dir: &Path) -> Result<String> {
    let done = Command::new("rustc").arg("--version").current_dir(dir).output();
    let done = done.map_err(|e| Failure::file(Path::new("rustc"), &e))?;
    Ok(String::from_utf8_lossy(&done.stdout).trim().to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_component_is_found_among_cargos_messages() {
        let line = r#"{"reason":"compiler-artifact","manifest_path":"/w/text/Cargo.toml",
            "target":{"crate_types":["cdylib","rlib"]},
            "filenames":["/t/libtext.rlib","/t/text.wasm"]}"#;
        let found = built(&line.replace('\n', "")).unwrap();
        assert_eq!(
            (found.package.as_str(), found.path.as_path()),
            ("text", "/t/text.wasm".as_ref())
        );
        for other in ["", "{}", r#"{"reason":"build-finished","success":true}"#] {
            assert!(built(other).is_none());
        }
    }
}
