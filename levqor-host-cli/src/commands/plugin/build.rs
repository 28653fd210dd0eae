//! `plugin build`: crates become components; with `--all`, the built-in ones and their lock.

use std::path::{Path, PathBuf};

use levqor_connectors::builtin::{Lock, Locked, source_hash};
use levqor_connectors::sandbox::{HostOptions, LoadError, Plugin, PluginHost};
use levqor_core::connector::Manifest;
use levqor_core::ids::ContentHash;
use serde_json::json;

use super::cargo::{self, Built};
use crate::args::BuildArgs;
use crate::exit::Exit;
use crate::failure::{Failure, Result};
use crate::output::{Output, say};

/// Where the built-in components are, beside the guests' workspace.
const BUILTIN: &str = "../levqor-connectors/builtin";
const LOCK_FILE: &str = "plugins.lock";

pub(crate) async fn build(output: Output, args: &BuildArgs) -> Result<()> {
    match (&args.all, &args.dir) {
        (Some(all), _) => build_all(output, all, args).await,
        (None, Some(dir)) => build_one(output, dir, args.out.as_deref()).await,
        (None, None) => Err(Failure::usage("say which folder")),
    }
}

async fn build_one(output: Output, dir: &Path, out: Option<&Path>) -> Result<()> {
    let built = cargo::build(dir, false)?;
    let Some(one) = built.last() else {
        let message = format!("{} is no connector: it builds no component", dir.display());
        return Err(Failure::new(Exit::Refused, "plugin.build", message)
            .help("Cargo.toml needs [lib] crate-type = [\"cdylib\", \"rlib\"]"));
    };
    let component = read(&one.path)?;
    let plugin = load(&component).await?;
    let out = out.unwrap_or(dir).join(format!("{}.wasm", plugin.manifest().name));
    write(&out, &component)?;
    tell(output, &plugin, &out, component.len())?;
    output.note(&format!("look at it: levqor plugin inspect {}", out.display()));
    Ok(())
}

fn tell(output: Output, plugin: &Plugin, path: &Path, bytes: usize) -> Result<()> {
    let manifest = plugin.manifest();
    let item = json!({
        "name": manifest.name, "version": manifest.version, "path": path, "bytes": bytes,
        "sha256": plugin.digest(),
    });
    output.item(&item, || {
        let (name, version) = (&manifest.name, &manifest.version);
        format!(
            "{name} {version}  {}  {} KiB  sha256 {}",
            path.display(),
            bytes / 1024,
            plugin.digest()
        )
    })
}

/// One built-in component as it is written.
struct Component {
    locked: Locked,
    package: String,
    bytes: Vec<u8>,
    manifest: String,
    plugin: Plugin,
}

async fn build_all(output: Output, all: &Path, args: &BuildArgs) -> Result<()> {
    let out = args.out.clone().unwrap_or_else(|| all.join(BUILTIN));
    let rustc = cargo::rustc_version(all)?;
    let mut made = Vec::new();
    for one in cargo::build(all, true)? {
        made.push(component(all, &one, &rustc).await?);
    }
    let lock = Lock::new(made.iter().map(|c| c.locked.clone()).collect());
    let lock = lock.to_toml().map_err(|e| Failure::new(Exit::Refused, "plugin.builtin", e))?;
    let mut files: Vec<(PathBuf, &[u8])> = vec![(out.join(LOCK_FILE), lock.as_bytes())];
    let mut renewed = Vec::new();
    for Component { locked, package, bytes, manifest, plugin } in &made {
        files.push((out.join(format!("{}.wasm", locked.name)), bytes));
        let path = out.join(format!("{}.manifest.json", locked.name));
        if !says(&path, plugin) {
            renewed.push(package.as_str());
            files.push((path, manifest.as_bytes()));
        }
    }
    if args.check {
        return compare(output, &files);
    }
    files.iter().try_for_each(|(path, bytes)| write(path, bytes))?;
    if args.out.is_none() && !renewed.is_empty() {
        cargo::bless(all, &renewed)?;
    }
    for one in &made {
        let path = out.join(format!("{}.wasm", one.locked.name));
        tell(output, &one.plugin, &path, one.bytes.len())?;
    }
    Ok(())
}

async fn component(all: &Path, built: &Built, rustc: &str) -> Result<Component> {
    let bytes = read(&built.path)?;
    let plugin = load(&bytes).await?;
    let manifest = serde_json::to_string_pretty(plugin.manifest())
        .map_err(|e| Failure::new(Exit::Refused, "plugin.manifest", e.to_string()))?;
    let sources = source_hash(all, &built.package)
        .map_err(|e| Failure::file(&all.join(&built.package), &e))?;
    let locked = Locked {
        name: plugin.manifest().name.clone(),
        version: plugin.manifest().version.clone(),
        sha256: ContentHash::of(&bytes),
        sources,
        rustc: rustc.to_owned(),
    };
    let package = built.package.clone();
    Ok(Component { locked, package, bytes, manifest: manifest + "\n", plugin })
}

/// Whether the manifest beside a component says what the component says, in whatever order.
fn says(path: &Path, plugin: &Plugin) -> bool {
    let text = std::fs::read_to_string(path).unwrap_or_default();
    serde_json::from_str::<Manifest>(&text).is_ok_and(|manifest| manifest == *plugin.manifest())
}

/// Names every file that is not what was just built.
fn compare(output: Output, files: &[(PathBuf, &[u8])]) -> Result<()> {
    let mut different = 0;
    for (path, bytes) in files {
        if std::fs::read(path).is_ok_and(|there| there == *bytes) {
            continue;
        }
        different += 1;
        say(&format!("{} is not what its source builds", path.display()));
    }
    if different == 0 {
        return output.item(&json!({ "same": files.len() }), || {
            format!("{} files are what their sources build", files.len())
        });
    }
    let message = format!("{different} of {} files differ", files.len());
    Err(Failure::new(Exit::Refused, "plugin.differs", message).help("cargo plugins"))
}

/// Loads a component as the engine would, with nothing granted.
pub(crate) async fn load(component: &[u8]) -> Result<Plugin> {
    let host = PluginHost::new(HostOptions::default())
        .map_err(|e| Failure::new(Exit::Refused, e.code(), e.to_string()))?;
    Plugin::load(&host, component)
        .await
        .map_err(|e: LoadError| Failure::new(Exit::Refused, e.code(), e.to_string()))
}

pub(crate) fn read(path: &Path) -> Result<Vec<u8>> {
    std::fs::read(path).map_err(|e| Failure::file(path, &e))
}

fn write(path: &Path, bytes: &[u8]) -> Result<()> {
    std::fs::write(path, bytes).map_err(|e| Failure::file(path, &e))
}
