//! A fleet in a directory of its own, driven through the program itself.
//!
//! A test reads as: some machines with artifacts, a command, what came of it.
#![allow(clippy::return_self_not_must_use, reason = "an assertion is worth its call alone")]

use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::fs;
use std::io::Write as _;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::time::{Duration, SystemTime};

use anyhow::{Context as _, Result, ensure};
use artifacts_contract::{annotate, inspect};
use serde_json::{Map, Value, json};
use sha2::{Digest as _, Sha256};
use tempfile::TempDir;

use crate::{age, script};

/// The program under test, which `cargo xtask build --quick` makes.
///
/// # Errors
/// When it is not there.
pub fn program() -> Result<PathBuf> {
    beside("artifacts")
}

/// A guest for tests, by name, which `cargo xtask guests` makes.
///
/// # Errors
/// When it is not there.
pub fn guest(name: &str) -> Result<PathBuf> {
    let dir = Path::new(env!("CARGO_MANIFEST_DIR")).join("../target/guests");
    let path = dir.join(format!("{name}.wasm")).canonicalize().context("run `cargo xtask build --quick` first")?;
    Ok(path)
}

fn beside(name: &str) -> Result<PathBuf> {
    let test = std::env::current_exe()?;
    let dir = test.ancestors().nth(2).context("a test has a directory")?;
    let path = dir.join(name);
    ensure!(path.exists(), "{} is missing: run `cargo xtask build --quick` first", path.display());
    Ok(path)
}

/// A checkout with a spec, and the keys of its machines.
pub struct Fleet {
    dir: TempDir,
    home: TempDir,
    targets: Vec<Value>,
    backends: Map<String, Value>,
}

/// What a run of the program came to.
pub struct Ran {
    /// Its exit status, or none when a signal ended it.
    pub status: Option<i32>,
    /// Standard output.
    pub stdout: String,
    /// Standard error.
    pub stderr: String,
}

impl Ran {
    /// Standard output as JSON.
    ///
    /// # Panics
    /// When it is none.
    pub fn json(&self) -> Value {
        serde_json::from_str(&self.stdout).unwrap_or_else(|e| panic!("{e}: {self}"))
    }

    /// Asserts the exit status.
    ///
    /// # Panics
    /// When it is another.
    #[track_caller]
    pub fn ends(self, status: i32) -> Self {
        assert_eq!(self.status, Some(status), "{self}");
        self
    }

    /// Asserts that a text is in what was said, with line breaks taken for blanks.
    ///
    /// # Panics
    /// When it is not.
    #[track_caller]
    pub fn says(self, text: &str) -> Self {
        assert!(self.words().contains(text), "expected `{text}` in\n{self}");
        self
    }

    /// What was said, with line breaks and columns taken for blanks.
    fn words(&self) -> String {
        let said = format!("{} {}", self.stdout, self.stderr);
        said.split_whitespace().collect::<Vec<_>>().join(" ")
    }

    /// Asserts that a text is nowhere in what was said, neither as it was nor with line breaks and columns taken for blanks.
    ///
    /// # Panics
    /// When it is.
    #[track_caller]
    pub fn never_says(self, text: &str) -> Self {
        let is_said = [&self.stdout, &self.stderr, &self.words()].iter().any(|said| said.contains(text));
        assert!(!is_said, "found `{text}` in\n{self}");
        self
    }

    /// The state of an instance, from `--json`.
    ///
    /// # Panics
    /// When it is not listed.
    pub fn state(&self, name: &str) -> String {
        let json = self.json();
        let rows = json["instances"].as_array().cloned().unwrap_or_default();
        let row = rows.iter().find(|row| row["name"] == name).unwrap_or_else(|| panic!("no {name} in {self}"));
        let reasons = row["reasons"].as_array().cloned().unwrap_or_default();
        let kinds: Vec<&str> = reasons.iter().filter_map(|r| r["kind"].as_str()).collect();
        let state = row["state"].as_str().unwrap_or_default();
        if kinds.is_empty() { state.to_owned() } else { format!("{state} ({})", kinds.join(", ")) }
    }
}

impl std::fmt::Display for Ran {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "status {:?}\nstdout: {}\nstderr: {}", self.status, self.stdout, self.stderr)
    }
}

impl From<Output> for Ran {
    fn from(output: Output) -> Self {
        Self {
            status: output.status.code(),
            stdout: String::from_utf8_lossy(&output.stdout).into_owned(),
            stderr: String::from_utf8_lossy(&output.stderr).into_owned(),
        }
    }
}

impl Fleet {
    /// An empty one. The directory's name has a blank, as directories of people do.
    ///
    /// # Errors
    /// When there is no place for it.
    pub fn new() -> Result<Self> {
        Self::new_in(&std::env::temp_dir())
    }

    /// The same, with its checkout in this directory.
    ///
    /// # Errors
    /// When there is no place for it.
    pub fn new_in(directory: &Path) -> Result<Self> {
        let dir = tempfile::Builder::new().prefix("a fleet ").tempdir_in(directory)?;
        Ok(Self { dir, home: tempfile::tempdir()?, targets: Vec::new(), backends: Map::new() })
    }

    /// Waits until all stored files rest: what was changed within the last two seconds is always read. What is known of them counts for
    /// the day, so that one that ends soon is waited for, too.
    ///
    /// # Errors
    /// When they cannot be looked at.
    pub fn rest(&self) -> Result<()> {
        let all = self.stored()?;
        let changed = all.keys().map(|file| Ok(fs::symlink_metadata(self.path().join("secrets").join(file))?.ctime()));
        let changed = changed.collect::<std::io::Result<Vec<_>>>()?.into_iter().max().unwrap_or(0).unsigned_abs();
        let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH)?;
        std::thread::sleep(Duration::from_secs(changed + 3).saturating_sub(since));
        early_in_the_day();
        Ok(())
    }

    /// The record of what backends did.
    pub fn audit_log(&self) -> PathBuf {
        self.home.path().join("state/artifacts/audit.jsonl")
    }

    /// The head of that.
    pub fn audit_head(&self) -> PathBuf {
        self.home.path().join("state/artifacts/audit.jsonl.head")
    }

    /// The directory that remembers what was accepted.
    pub fn accepted(&self) -> PathBuf {
        self.home.path().join("state/artifacts/accepted")
    }

    /// The directory that stores the recipients that were accepted.
    pub fn accepted_recipients(&self) -> PathBuf {
        self.home.path().join("state/artifacts/recipients")
    }

    /// The checkout.
    pub fn path(&self) -> &Path {
        self.dir.path()
    }

    /// The person's home.
    pub fn home(&self) -> &Path {
        self.home.path()
    }

    /// Adds a machine with a fresh age key and these artifacts.
    ///
    /// # Errors
    /// When age is missing.
    pub fn machine(self, name: &str, artifacts: &Value) -> Result<Self> {
        self.target("nixos", name, artifacts)
    }

    /// Adds a target of any kind.
    ///
    /// # Errors
    /// When age is missing.
    pub fn target(mut self, kind: &str, name: &str, artifacts: &Value) -> Result<Self> {
        let public = self.new_key(name)?;
        self.targets.push(json!({
            "kind": kind, "name": name, "config": {"agenix": {"publicHostKey": public}}, "artifacts": artifacts,
        }));
        Ok(self)
    }

    /// Makes an age key outside the checkout and returns its public half.
    ///
    /// # Errors
    /// When age is missing.
    pub fn new_key(&self, name: &str) -> Result<String> {
        age::new_key(&self.key_file(name))
    }

    /// The private half of a key, as a file.
    pub fn key_file(&self, name: &str) -> PathBuf {
        let dir = self.path().join(".keys");
        let _ = fs::create_dir_all(&dir);
        dir.join(name)
    }

    /// Sets a target's configuration of a backend.
    ///
    /// # Panics
    /// When there is no such target.
    pub fn configure(&mut self, target: &str, backend: &str, config: Value) {
        self.of(target)["config"][backend] = config;
    }

    /// A target's declarations, to be changed.
    ///
    /// # Panics
    /// When there is no such target.
    pub fn of(&mut self, target: &str) -> &mut Value {
        self.targets.iter_mut().find(|t| t["name"] == target).unwrap_or_else(|| panic!("no target {target}"))
    }

    /// Registers a backend, with the SHA-256 of its component where the entry has none. A component that names itself otherwise gets
    /// that name.
    pub fn backend(&mut self, name: &str, mut entry: Value) {
        let named = entry["component"].as_str().and_then(|path| self.named(name, Path::new(path)));
        if let (Some(named), None) = (named, entry.get("sha256")) {
            entry["component"] = json!(named);
        }
        let bytes = entry["component"].as_str().and_then(|path| fs::read(path).ok());
        if let (Some(bytes), None) = (bytes, entry.get("sha256")) {
            entry["sha256"] = json!(format!("{:x}", Sha256::digest(bytes)));
        }
        self.backends.insert(name.to_owned(), entry);
    }

    /// A component under another name, in a file of its own; none where it has that name, or is no component.
    pub fn named(&self, name: &str, component: &Path) -> Option<PathBuf> {
        let bytes = fs::read(component).ok()?;
        let mut manifest = inspect(&bytes).manifest.filter(|manifest| manifest.name != name)?;
        name.clone_into(&mut manifest.name);
        let folder = self.path().join(".components");
        fs::create_dir_all(&folder).ok()?;
        let file = folder.join(format!("{name}.wasm"));
        fs::write(&file, annotate(&bytes, &manifest).ok()?).ok()?;
        Some(file)
    }

    /// Writes an executable script into the checkout and returns it as a generator.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn generator(&self, name: &str, script: &str) -> Result<Value> {
        let path = self.path().join(name);
        script::write(&path, script)?;
        Ok(json!({"path": path}))
    }

    /// The spec as it stands.
    pub fn spec(&self) -> Value {
        json!({"schema": 1, "backends": self.backends, "targets": self.targets})
    }

    /// A command of the program over this fleet, ready to be changed.
    ///
    /// # Errors
    /// When the program is not there.
    pub fn command<S: AsRef<OsStr>>(&self, arguments: impl IntoIterator<Item = S>) -> Result<Command> {
        let spec = self.path().join("spec.json");
        fs::write(&spec, self.spec().to_string())?;
        let mut command = Command::new(program()?);
        command.arg("--spec").arg(spec).args(arguments).stdin(Stdio::null());
        // A home of its own, but code that is compiled once for all tests.
        let cache = Path::new(env!("CARGO_MANIFEST_DIR")).join("../target/test-cache");
        command.env("HOME", self.home.path()).env("XDG_STATE_HOME", self.home.path().join("state"));
        // A terminal is one that everybody has, whoever runs the tests.
        command.env("XDG_CACHE_HOME", cache).env("TERM", "xterm");
        Ok(command)
    }

    /// Runs a command, without a terminal.
    ///
    /// # Errors
    /// When it cannot be started.
    pub fn run<S: AsRef<OsStr>>(&self, arguments: impl IntoIterator<Item = S>) -> Result<Ran> {
        Ok(self.output(arguments)?.into())
    }

    /// The same with a standard input, which need not be read.
    ///
    /// # Errors
    /// When it cannot be started.
    pub fn given(&self, arguments: &[&str], input: impl AsRef<[u8]>) -> Result<Ran> {
        let mut command = self.command(arguments)?;
        let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn()?;
        let _ = child.stdin.take().context("standard input")?.write_all(input.as_ref());
        Ok(child.wait_with_output()?.into())
    }

    /// The same, with what was said as bytes.
    ///
    /// # Errors
    /// When it cannot be started.
    pub fn output<S: AsRef<OsStr>>(&self, arguments: impl IntoIterator<Item = S>) -> Result<Output> {
        Ok(in_session(&self.command(arguments)?).output()?)
    }

    /// Decrypts a stored file with a machine's key, by age itself.
    ///
    /// # Errors
    /// When age cannot.
    pub fn decrypt(&self, key: &str, file: &str) -> Result<Vec<u8>> {
        age::decrypt(&self.key_file(key), &self.path().join(file))
    }

    /// Every stored file below the storage by path, without the lock, the trash and git's attributes.
    ///
    /// # Errors
    /// When one cannot be read.
    pub fn stored(&self) -> Result<BTreeMap<String, Vec<u8>>> {
        stored(self.path())
    }
}

/// Waits for the next day, in UTC, where this one ends within a minute and a half.
pub fn early_in_the_day() {
    const DAY: u64 = 24 * 60 * 60;
    let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    let left = Duration::from_secs(DAY - since.as_secs() % DAY);
    if left < Duration::from_secs(90) {
        std::thread::sleep(left);
    }
}

/// Without a controlling terminal, whatever the tests run in.
pub fn in_session(command: &Command) -> Command {
    let mut session = Command::new("setsid");
    session.arg("--wait").stdin(Stdio::null());
    through(session, command)
}

/// A command that another program runs: the last of its arguments.
pub fn through(mut outer: Command, command: &Command) -> Command {
    outer.arg(command.get_program()).args(command.get_args());
    for (name, value) in command.get_envs() {
        match value {
            Some(value) => outer.env(name, value),
            None => outer.env_remove(name),
        };
    }
    if let Some(dir) = command.get_current_dir() {
        outer.current_dir(dir);
    }
    outer
}

/// Every stored file below the storage of a checkout, by path in it, without the lock, the trash and git's attributes.
///
/// # Errors
/// When one cannot be read.
pub fn stored(checkout: &Path) -> Result<BTreeMap<String, Vec<u8>>> {
    let mut found = BTreeMap::new();
    let top = checkout.join("secrets");
    collect(&top, &top, &mut found)?;
    Ok(found)
}

fn collect(top: &Path, dir: &Path, found: &mut BTreeMap<String, Vec<u8>>) -> Result<()> {
    let Ok(entries) = fs::read_dir(dir) else { return Ok(()) };
    for entry in entries {
        let path = entry?.path();
        if [".artifacts", ".gitattributes"].iter().any(|own| path == top.join(own)) {
            continue;
        }
        if path.is_dir() && !path.is_symlink() {
            collect(top, &path, found)?;
        } else {
            let name = path.strip_prefix(top)?.display().to_string();
            found.insert(name, fs::read(&path).unwrap_or_default());
        }
    }
    Ok(())
}
