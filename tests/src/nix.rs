//! A real Nix for tests and the demo, without the network: nixpkgs' real `lib`, and small stand-ins for what else a user's
//! flake takes in.

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::{env, fs, iter};

use anyhow::{Context, Result, bail, ensure};
use sha2::{Digest, Sha256};

/// The repository.
const TOP: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/..");
/// The stand-ins, by input; each is a directory of the fixtures.
const STUBS: [&str; 5] = ["nixpkgs", "home-manager", "agenix", "sops-nix", "rust-overlay"];

/// NixOS' options for units, as far as they are looked at.
pub const UNITS: &str = r#"
  ({ lib, ... }: {
    options.systemd = lib.genAttrs [ "services" "sockets" "targets" "timers" "paths" "slices" ] (_: lib.mkOption {
      type = lib.types.attrsOf (lib.types.attrsOf lib.types.raw); default = { };
    }) // { sysusers.enable = lib.mkOption { default = false; }; package = lib.mkOption { default = "/systemd"; }; };
    config.artifacts = { targetPackage = "/p"; package = "/p"; };
  })
"#;

/// Directories for the inputs of a user's flake: `nixpkgs`, `home-manager`, `agenix`, `sops-nix`, `rust-overlay`, and `artifacts`, which is
/// this project.
#[derive(Debug, Clone)]
pub struct Inputs {
    dir: PathBuf,
}

impl Inputs {
    /// Puts them below cargo's target directory, once for each content.
    ///
    /// # Errors
    /// When nixpkgs' `lib` cannot be had.
    pub fn new() -> Result<Self> {
        let lib = nixpkgs_lib()?;
        let sources = sources(&lib);
        let dir = scratch()?.join(format!("inputs-{}", digest(&sources)?));
        if !dir.exists() {
            let staging = tempfile::tempdir_in(scratch()?)?;
            for (from, to) in &sources {
                copy(from, &staging.path().join(to))?;
            }
            // Another process may have been faster, with the same content.
            if fs::rename(staging.path(), &dir).is_ok() {
                let _ = staging.keep();
            }
            ensure!(dir.exists(), "{} cannot be made", dir.display());
        }
        Ok(Self { dir })
    }

    /// The directory of one input.
    pub fn path(&self, input: &str) -> PathBuf {
        self.dir.join(input)
    }

    /// Writes a flake with all inputs, and its lock file. `outputs` is a function of the inputs as one set.
    ///
    /// # Errors
    /// When Nix cannot lock it.
    pub fn flake(&self, dir: &Path, outputs: &str) -> Result<()> {
        self.flake_with(dir, "", outputs)
    }

    /// Like [`Inputs::flake`], with more inputs, as they are written in Nix.
    ///
    /// # Errors
    /// When Nix cannot lock it.
    pub fn flake_with(&self, dir: &Path, inputs: &str, outputs: &str) -> Result<()> {
        let own = self.dir.display();
        let text = format!(
            r#"{{
  inputs.nixpkgs.url = "path:{own}/nixpkgs";
  inputs.home-manager.url = "path:{own}/home-manager";
  inputs.home-manager.inputs.nixpkgs.follows = "nixpkgs";
  inputs.agenix.url = "path:{own}/agenix";
  inputs.sops-nix.url = "path:{own}/sops-nix";
  inputs.artifacts.url = "path:{own}/artifacts";
  inputs.artifacts.inputs.nixpkgs.follows = "nixpkgs";
  inputs.artifacts.inputs.rust-overlay.follows = "rust-overlay";
  inputs.rust-overlay.url = "path:{own}/rust-overlay";
  inputs.rust-overlay.inputs.nixpkgs.follows = "nixpkgs";
{inputs}
  outputs = {outputs};
}}
"#
        );
        fs::create_dir_all(dir)?;
        fs::write(dir.join("flake.nix"), text)?;
        nix(dir, &["flake", "lock"]).map(drop)
    }

    /// Locks a user's flake as it is, with the real inputs' addresses, at these directories: Nix then needs no network for it,
    /// and no further argument.
    ///
    /// # Errors
    /// When Nix cannot lock it.
    pub fn lock(&self, dir: &Path) -> Result<()> {
        let mut arguments = vec!["flake".to_owned(), "lock".to_owned()];
        for input in ["nixpkgs", "home-manager", "agenix", "sops-nix", "artifacts", "artifacts/rust-overlay"] {
            let path = self.path(input.rsplit('/').next().unwrap_or(input));
            arguments.extend(["--override-input".to_owned(), input.to_owned(), format!("path:{}", path.display())]);
        }
        nix(dir, &arguments).map(drop)
    }

    /// Copies the demo's flake and locks it. `keys` are the public keys of `web1`, `web2`, `alice` and `admin`, in this order.
    ///
    /// # Errors
    /// When Nix cannot lock it.
    pub fn demo(&self, dir: &Path, keys: [&str; 4]) -> Result<()> {
        copy(&Path::new(TOP).join("nix/demo"), dir)?;
        let [web1, web2, alice, admin] = keys;
        let keys = format!(
            "{{\n  web1 = \"{web1}\";\n  web2 = \"{web2}\";\n  alice = \"{alice}\";\n  admin = \"{admin}\";\n}}\n"
        );
        fs::write(dir.join("keys.nix"), keys)?;
        self.lock(dir)
    }
}

/// Names the `bin` directory of another Nix than that of `PATH`.
const OTHER: &str = "ARTIFACTS_TEST_NIX";

/// Where programs are looked for: in the directory that `ARTIFACTS_TEST_NIX` names, then in `PATH`.
///
/// # Errors
/// When there is no Nix in that directory.
pub fn search_path() -> Result<OsString> {
    let path = env::var_os("PATH").unwrap_or_default();
    let Some(other) = env::var_os(OTHER).map(PathBuf::from) else { return Ok(path) };
    ensure!(other.join("nix").exists(), "{OTHER} is {}, where no `nix` is", other.display());
    Ok(env::join_paths(iter::once(other).chain(env::split_paths(&path)))?)
}

/// The `nix`, `nix-store` and so on that the tests run.
///
/// # Errors
/// When it is not there.
pub fn program(name: &str) -> Result<PathBuf> {
    let path = search_path()?;
    let found = env::split_paths(&path).map(|dir| dir.join(name)).find(|file| file.exists());
    found.with_context(|| format!("{name} is not in {}", path.display()))
}

/// The environment that Nix is run in: nothing from the network, no sandbox of its own, flakes on.
///
/// Who may not write to `/nix/store`, and has no daemon that does, gets a store below cargo's target directory. So does another
/// Nix than that of `PATH`, since the store's database is the latter's.
///
/// # Errors
/// When there is no directory to work in.
pub fn environment() -> Result<Vec<(OsString, OsString)>> {
    let scratch = scratch()?;
    let home = scratch.join("home");
    fs::create_dir_all(&home)?;
    let config = "experimental-features = nix-command flakes\nsubstituters =\nsandbox = false\nbuild-users-group =\n\
                  flake-registry =\nwarn-dirty = false\nbuilders =\neval-cache = false\n";
    let mut environment: Vec<(OsString, OsString)> =
        vec![("NIX_CONFIG".into(), config.into()), ("HOME".into(), home.into())];
    environment.push(("PATH".into(), search_path()?));
    if let Some(own) = own_store(&scratch) {
        for (name, dir) in [("NIX_STORE_DIR", "store"), ("NIX_STATE_DIR", "state"), ("NIX_LOG_DIR", "log")] {
            environment.push((name.into(), own.join(dir).into()));
        }
        make_store(&own, &environment)?;
    }
    Ok(environment)
}

/// Makes a store before tests use it side by side: of several processes of Nix that make one at the same moment some fail.
fn make_store(own: &Path, environment: &[(OsString, OsString)]) -> Result<()> {
    fs::create_dir_all(own)?;
    let lock = fs::File::create(own.join("lock"))?;
    lock.lock()?;
    let made = own.join("made");
    if made.exists() {
        return Ok(());
    }
    let mut command = Command::new(program("nix-store")?);
    command.arg("--init").env_clear().envs(environment.iter().cloned());
    output(command)?;
    Ok(fs::write(made, "")?)
}

fn own_store(scratch: &Path) -> Option<PathBuf> {
    if let Some(other) = env::var_os(OTHER) {
        let digest = Sha256::digest(other.as_encoded_bytes());
        return Some(scratch.join(format!("nix-{:02x}{:02x}{:02x}{:02x}", digest[0], digest[1], digest[2], digest[3])));
    }
    let daemon = Path::new("/nix/var/nix/daemon-socket/socket").exists();
    (!rustix::process::geteuid().is_root() && !daemon).then(|| scratch.join("nix"))
}

/// Runs `nix` in a directory and gives its stdout.
///
/// # Errors
/// With what it says when it fails.
pub fn nix(dir: &Path, arguments: &[impl AsRef<std::ffi::OsStr>]) -> Result<String> {
    let mut command = Command::new("nix");
    command.args(arguments).current_dir(dir).env_clear().envs(environment()?);
    output(command)
}

/// Runs `git` in a directory, as nobody in particular and without the machine's configuration.
///
/// # Errors
/// With what it says when it fails.
pub fn git(dir: &Path, arguments: &[&str]) -> Result<String> {
    let mut command = Command::new("git");
    command.args(["-c", "user.name=test", "-c", "user.email=test@example.org", "-c", "init.defaultBranch=main"]);
    command.args(arguments).current_dir(dir).env("GIT_CONFIG_GLOBAL", "/dev/null").env("GIT_CONFIG_NOSYSTEM", "1");
    output(command)
}

/// nixpkgs' `lib`: the one that `NIXPKGS_LIB` names, or that of a published package which has it among its tests.
fn nixpkgs_lib() -> Result<PathBuf> {
    if let Some(path) = env::var_os("NIXPKGS_LIB") {
        let path = PathBuf::from(path);
        ensure!(path.join("modules.nix").exists(), "NIXPKGS_LIB is {}, which is no nixpkgs lib", path.display());
        return Ok(path);
    }
    Ok(package("lib-source", "nixdoc")?.join("src/tests/fixtures"))
}

/// A checkout of nixpkgs as it was in October 2022, with `lib` and some of NixOS' modules, from a published package that has
/// it among its tests.
///
/// # Errors
/// When cargo cannot fetch it.
pub fn nixpkgs_of_2022() -> Result<PathBuf> {
    Ok(package("modules-source", "nixel")?.join("tests/inputs/nixpkgs"))
}

/// The directory of a package that a fixture's manifest names; it is fetched where it is not there yet.
fn package(fixture: &str, name: &str) -> Result<PathBuf> {
    let manifest = Path::new(TOP).join("tests/fixtures/nix").join(fixture).join("Cargo.toml");
    let metadata = cargo(&["metadata", "--locked", "--offline", "--format-version", "1"], &manifest).or_else(|_| {
        cargo(&["fetch", "--locked"], &manifest)?;
        cargo(&["metadata", "--locked", "--offline", "--format-version", "1"], &manifest)
    })?;
    let metadata: serde_json::Value = serde_json::from_str(&metadata)?;
    let packages = metadata["packages"].as_array().context("cargo lists no packages")?;
    let package = packages.iter().find(|package| package["name"] == name);
    let manifest = package.and_then(|package| package["manifest_path"].as_str());
    let manifest = manifest.with_context(|| format!("cargo does not list {name}"))?;
    Ok(Path::new(manifest).parent().context("a manifest is in a directory")?.to_owned())
}

fn cargo(arguments: &[&str], manifest: &Path) -> Result<String> {
    let mut command = Command::new(env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    command.args(arguments).arg("--manifest-path").arg(manifest);
    output(command)
}

fn output(mut command: Command) -> Result<String> {
    let output = command.output().with_context(|| format!("{command:?} cannot be run"))?;
    if !output.status.success() {
        bail!("{command:?}: {}\n{}", output.status, String::from_utf8_lossy(&output.stderr));
    }
    Ok(String::from_utf8(output.stdout)?)
}

/// A directory of ours below cargo's target directory.
fn scratch() -> Result<PathBuf> {
    let program = env::current_exe()?;
    let target = program.ancestors().find(|dir| dir.join("CACHEDIR.TAG").exists());
    let dir = target.map_or_else(env::temp_dir, Path::to_owned).join("nix-for-tests");
    fs::create_dir_all(&dir)?;
    Ok(dir.canonicalize()?)
}

/// What is copied where.
fn sources(lib: &Path) -> Vec<(PathBuf, PathBuf)> {
    let top = Path::new(TOP);
    let mut sources: Vec<(PathBuf, PathBuf)> =
        STUBS.iter().map(|stub| (top.join("tests/fixtures/nix").join(stub), PathBuf::from(stub))).collect();
    sources.push((lib.to_owned(), "nixpkgs/lib".into()));
    sources.push((top.join("nix"), "artifacts/nix".into()));
    for file in ["flake.nix", "Cargo.toml", "plugins/bundled.json"] {
        sources.push((top.join(file), Path::new("artifacts").join(file)));
    }
    sources
}

fn digest(sources: &[(PathBuf, PathBuf)]) -> Result<String> {
    let mut hash = Sha256::new();
    for (from, to) in sources {
        for file in files(from)? {
            let content = fs::read(&file)?;
            hash.update(to.join(file.strip_prefix(from).unwrap_or(&file)).as_os_str().as_encoded_bytes());
            hash.update(content.len().to_le_bytes());
            hash.update(content);
        }
    }
    let start: [u8; 8] = hash.finalize()[..8].try_into()?;
    Ok(format!("{:016x}", u64::from_be_bytes(start)))
}

/// Every file below a directory, or the file itself, in a fixed order.
fn files(path: &Path) -> Result<Vec<PathBuf>> {
    if !path.is_dir() {
        return Ok(vec![path.to_owned()]);
    }
    let mut entries = fs::read_dir(path)?.map(|entry| Ok(entry?.path())).collect::<Result<Vec<_>>>()?;
    entries.sort();
    let mut found = Vec::new();
    for entry in entries {
        found.extend(files(&entry)?);
    }
    Ok(found)
}

fn copy(from: &Path, to: &Path) -> Result<()> {
    for file in files(from)? {
        let below = file.strip_prefix(from)?;
        let copy = if below.as_os_str().is_empty() { to.to_owned() } else { to.join(below) };
        fs::create_dir_all(copy.parent().context("a copy needs a directory")?)?;
        fs::write(&copy, fs::read(&file)?).with_context(|| format!("{} cannot be written", copy.display()))?;
    }
    Ok(())
}
