//! A flake in a git checkout of its own, driven through the program itself, under a real Nix.

use std::ffi::OsString;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context as _, Result};

use crate::fleet::{self, Ran};
use crate::nix::{self, Inputs};
use crate::{age, script};

/// See the module.
pub struct Checkout {
    temporary: tempfile::TempDir,
    environment: Vec<(OsString, OsString)>,
}

impl Checkout {
    /// An empty one.
    ///
    /// # Errors
    /// When there is no place for it.
    pub fn new() -> Result<Self> {
        let temporary = tempfile::tempdir()?;
        let home = temporary.path().join("home");
        for dir in ["checkout", "home", "tools", "keys", "calls"] {
            fs::create_dir(temporary.path().join(dir))?;
        }
        // The real nix, whose calls are told of.
        let real = nix::program("nix")?;
        let calls = temporary.path().join("calls");
        let script =
            format!("#!/bin/sh\nprintf %s \"$*\" > '{}'/$$\nexec '{}' \"$@\"\n", calls.display(), real.display());
        let nix = temporary.path().join("tools/nix");
        script::write(&nix, script)?;
        let mut environment = nix::environment()?;
        environment.retain(|(name, _)| name != "PATH" && name != "HOME");
        let path = nix::search_path()?;
        let path =
            std::env::join_paths([temporary.path().join("tools")].into_iter().chain(std::env::split_paths(&path)))?;
        environment.extend([("PATH".into(), path), ("HOME".into(), home.clone().into_os_string())]);
        Ok(Self { temporary, environment })
    }

    /// The checkout.
    pub fn path(&self) -> PathBuf {
        self.temporary.path().join("checkout")
    }

    /// The person's home.
    pub fn home(&self) -> PathBuf {
        self.temporary.path().join("home")
    }

    /// A directory in which programs are found before others.
    pub fn tools(&self) -> PathBuf {
        self.temporary.path().join("tools")
    }

    /// Writes a file of the checkout.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn write(&self, file: &str, content: &str) -> Result<()> {
        let path = self.path().join(file);
        fs::create_dir_all(path.parent().context("a file has a directory")?)?;
        Ok(fs::write(path, content)?)
    }

    /// Writes a flake of these outputs, which see `inputs` and `nixpkgs`, locks and commits it.
    ///
    /// # Errors
    /// When Nix cannot lock it.
    pub fn flake(&self, outputs: &str) -> Result<()> {
        Inputs::new()?.flake(&self.path(), &format!("inputs: let inherit (inputs) nixpkgs; in {{ {outputs} }}"))?;
        self.commit()
    }

    /// Copies an example, gives it fresh age keys of these names in `keys.nix`, locks and commits it.
    ///
    /// # Errors
    /// When Nix cannot lock it.
    pub fn example(&self, name: &str, keys: &[&str]) -> Result<()> {
        let from = Path::new(env!("CARGO_MANIFEST_DIR")).join("../nix/examples").join(name);
        for entry in fs::read_dir(&from)? {
            let entry = entry?;
            fs::copy(entry.path(), self.path().join(entry.file_name()))?;
        }
        let lines: Result<String> = keys.iter().map(|key| Ok(format!("{key} = \"{}\"; ", self.key(key)?))).collect();
        self.write("keys.nix", &format!("{{ {}}}\n", lines?))?;
        Inputs::new()?.lock(&self.path())?;
        self.commit()
    }

    /// Makes an age key and gives its public half.
    ///
    /// # Errors
    /// When age is missing.
    pub fn key(&self, name: &str) -> Result<String> {
        age::new_key(&self.key_file(name))
    }

    /// The public half of such a key.
    ///
    /// # Errors
    /// When there is none of that name.
    pub fn public(&self, name: &str) -> Result<String> {
        let file = fs::read_to_string(self.key_file(name))?;
        let public = file.lines().find_map(|line| line.strip_prefix("# public key: "));
        Ok(public.context("a key file names its public half")?.to_owned())
    }

    /// Where a key lies.
    pub fn key_file(&self, name: &str) -> PathBuf {
        self.temporary.path().join("keys").join(name)
    }

    /// Commits all.
    ///
    /// # Errors
    /// When git cannot.
    pub fn commit(&self) -> Result<()> {
        if !self.path().join(".git").exists() {
            nix::git(&self.path(), &["init", "-q"])?;
        }
        nix::git(&self.path(), &["add", "-A"])?;
        nix::git(&self.path(), &["commit", "-q", "--allow-empty", "-m", "x"]).map(drop)
    }

    /// A command of the program in the checkout, ready to be changed.
    ///
    /// # Errors
    /// When the program is not there.
    pub fn command(&self, arguments: &[&str]) -> Result<Command> {
        let mut command = Command::new(fleet::program()?);
        command.args(arguments).current_dir(self.path());
        command.env_clear().envs(self.environment.iter().cloned());
        Ok(command)
    }

    /// Runs a command, without a terminal.
    ///
    /// # Errors
    /// When it cannot be started.
    pub fn run(&self, arguments: &[&str]) -> Result<Ran> {
        let mut command = fleet::in_session(&self.command(arguments)?);
        Ok(command.env_clear().envs(self.environment.iter().cloned()).output()?.into())
    }

    /// What was evaluated since the last time this was asked, as `output.attribute`, sorted.
    ///
    /// # Errors
    /// When it was not written down.
    pub fn evaluated(&self) -> Result<Vec<String>> {
        let mut found = Vec::new();
        for call in fs::read_dir(self.temporary.path().join("calls"))? {
            let call = call?.path();
            found.extend(target(&fs::read_to_string(&call)?));
            fs::remove_file(call)?;
        }
        found.sort();
        Ok(found)
    }

    /// Decrypts a stored file with a key, by age itself.
    ///
    /// # Errors
    /// When age cannot.
    pub fn decrypt(&self, key: &str, file: &str) -> Result<String> {
        Ok(String::from_utf8(age::decrypt(&self.key_file(key), &self.path().join(file))?)?)
    }
}

/// The target that a call of Nix evaluates.
fn target(call: &str) -> Option<String> {
    let (_, rest) = call.rsplit_once("{ kind = \"")?;
    let (kind, rest) = rest.split_once("\"; name = \"")?;
    let (name, _) = rest.split_once("\";")?;
    Some(format!("{kind} {name}"))
}
