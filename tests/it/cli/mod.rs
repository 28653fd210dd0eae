//! The command line, as people and scripts meet it: the real binary in a folder of its own.

mod documents;
mod exits;
mod hello;
mod readme;
mod server;

use std::ffi::OsStr;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::sync::OnceLock;

use serde_json::Value;
use tempfile::TempDir;

/// The binary: `LEVQOR_BIN`, else the one of this build, brought up to date by cargo.
fn binary() -> &'static Path {
    static BINARY: OnceLock<PathBuf> = OnceLock::new();
    BINARY.get_or_init(|| match std::env::var_os("LEVQOR_BIN") {
        Some(path) => path.into(),
        None => built("levqor"),
    })
}

/// A program of this build, brought up to date by cargo.
pub(crate) fn built(name: &str) -> PathBuf {
    static FOLDER: OnceLock<PathBuf> = OnceLock::new();
    let folder = FOLDER.get_or_init(|| {
        // <target>/<profile>/deps/it-…
        let test = std::env::current_exe().unwrap();
        let profile = test.parent().and_then(Path::parent).unwrap();
        let mut cargo = Command::new(env!("CARGO"));
        // With `--tests` the features are those of the tests: nothing is built twice.
        cargo.args(["build", "--quiet", "--workspace", "--bins", "--examples", "--tests"]);
        if profile.ends_with("release") {
            cargo.arg("--release");
        }
        // What cargo tells this test about its own package. A build script that asks for these names
        // (ring's does) would run again, and half of the workspace be built twice.
        for (name, _) in std::env::vars_os() {
            let text = name.to_string_lossy();
            if text.starts_with("CARGO_PKG_") || text.starts_with("CARGO_MANIFEST_") {
                cargo.env_remove(&name);
            }
        }
        cargo.env("CARGO_TARGET_DIR", profile.parent().unwrap()).current_dir(root());
        assert!(cargo.status().unwrap().success(), "levqor does not build");
        profile.to_path_buf()
    });
    folder.join(format!("{name}{}", std::env::consts::EXE_SUFFIX))
}

/// The repository.
fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap().to_path_buf()
}

/// The example that the first five minutes are about.
fn hello() -> PathBuf {
    root().join("levqor-host-cli/examples/hello.yaml")
}

/// A folder with a store of its own.
struct Place {
    dir: TempDir,
}

impl Place {
    fn new() -> Self {
        Self { dir: tempfile::tempdir().unwrap() }
    }

    /// `levqor …` in this folder, not started.
    fn command<S: AsRef<OsStr>>(&self, args: impl IntoIterator<Item = S>) -> Command {
        let mut command = Command::new(binary());
        command.args(args).current_dir(self.dir.path()).stdin(Stdio::null());
        let set = ["DATA_DIR", "STORE", "PLUGINS_DIR", "VAULT_KEY", "SERVER", "KEY", "KEY_FILE"];
        for name in set.map(|name| format!("LEVQOR_{name}")) {
            command.env_remove(name);
        }
        command
    }

    /// `levqor …` to its end.
    fn run<S: AsRef<OsStr>>(&self, args: impl IntoIterator<Item = S>) -> Done {
        Done(self.command(args).output().unwrap())
    }

    /// `levqor …` with stderr being read.
    fn start<S: AsRef<OsStr>>(&self, args: impl IntoIterator<Item = S>) -> Running {
        let mut command = self.command(args);
        let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        let stderr = BufReader::new(child.stderr.take().unwrap());
        Running { child, stderr, seen: Vec::new() }
    }

    /// Writes a file into the folder.
    fn file(&self, name: &str, text: &str) -> String {
        std::fs::write(self.dir.path().join(name), text).unwrap();
        name.to_owned()
    }
}

/// A command that ended.
struct Done(Output);

impl Done {
    /// Its stdout, after checking its exit code.
    #[track_caller]
    fn exits(&self, code: i32) -> String {
        assert_eq!(self.0.status.code(), Some(code), "stderr: {}", self.stderr());
        String::from_utf8(self.0.stdout.clone()).unwrap()
    }

    #[track_caller]
    fn json(&self) -> Value {
        serde_json::from_str(&self.exits(0)).unwrap()
    }

    fn stderr(&self) -> String {
        String::from_utf8_lossy(&self.0.stderr).into_owned()
    }
}

/// A command under way.
struct Running {
    child: Child,
    stderr: BufReader<std::process::ChildStderr>,
    seen: Vec<String>,
}

impl Running {
    /// Reads stderr up to a line that has all these words.
    #[track_caller]
    fn until(&mut self, words: &[&str]) -> String {
        loop {
            let mut line = String::new();
            let read = self.stderr.read_line(&mut line).unwrap();
            assert!(read > 0, "no line with {words:?} in:\n{}", self.seen.concat());
            self.seen.push(line.clone());
            if words.iter().all(|word| line.contains(word)) {
                return line;
            }
        }
    }

    /// The words of the command that continues the run, as they were printed.
    fn resume_words(&mut self) -> Vec<String> {
        let line = self.until(&["if it is cut short: "]);
        let (_, command) = line.trim_end().split_once(": ").unwrap();
        command.split(' ').skip(1).map(str::to_owned).collect()
    }

    /// A signal by its name, as a person sends it.
    fn signal(&self, name: &str) {
        let id = self.child.id().to_string();
        assert!(Command::new("kill").args([name, &id]).status().unwrap().success());
    }

    /// Waits for its end.
    fn done(mut self) -> Done {
        let mut rest = String::new();
        std::io::Read::read_to_string(&mut self.stderr, &mut rest).unwrap();
        let mut output = self.child.wait_with_output().unwrap();
        output.stderr = [self.seen.concat(), rest].concat().into_bytes();
        Done(output)
    }
}
