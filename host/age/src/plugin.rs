//! Which plugins may run, and their recipients and identities.

use std::collections::BTreeSet;
use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::{Arc, Mutex, PoisonError};

use age_core::primitives::bech32_decode;
use artifacts_seam::KeyKind;
use zeroize::Zeroizing;

use crate::programs::Programs;

/// Describes which plugins may run, and how.
#[derive(Debug, Clone, Default)]
pub struct Plugins {
    /// Names of the allowed plugins, `yubikey` for `age-plugin-yubikey`.
    pub allowed: BTreeSet<String>,
    /// Where their programs are looked for.
    pub programs: Programs,
    /// Complete environment of the plugins.
    pub environment: Vec<(OsString, OsString)>,
    /// What was run of them, by any copy of this.
    pub runs: PluginRuns,
}

/// Collects the plugins that were run, for the audit log.
#[derive(Debug, Clone, Default)]
pub struct PluginRuns(Arc<Mutex<Vec<PluginRun>>>);

impl PluginRuns {
    pub(crate) fn add(&self, run: PluginRun) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).push(run);
    }

    /// Returns the plugins that were run since the last call.
    pub fn take(&self) -> Vec<PluginRun> {
        std::mem::take(&mut *self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl Plugins {
    /// Returns the program of a plugin.
    pub fn program(&self, name: &str) -> Option<PathBuf> {
        self.programs.find(format!("age-plugin-{name}"))
    }

    /// Returns a command that runs a plugin with the environment of plugins, outside of the repository.
    pub fn command(&self, program: &Path) -> Command {
        let mut command = Command::new(program);
        command.env_clear().envs(self.environment.iter().cloned()).current_dir("/");
        command
    }
}

/// Describes a plugin that was run.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct PluginRun {
    /// Name, `yubikey` for `age-plugin-yubikey`.
    pub plugin: String,
    /// The program, without symbolic links.
    pub program: PathBuf,
}

/// Holds an identity that a plugin understands.
#[derive(Clone)]
pub(crate) struct PluginIdentity {
    /// Name of the file that has it.
    pub file: String,
    pub plugin: String,
    pub text: Zeroizing<String>,
}

impl PluginIdentity {
    /// Reads `AGE-PLUGIN-NAME-1…`.
    pub fn parse(file: &str, line: &str) -> Option<Self> {
        let prefix = prefix(line).ok()?.to_lowercase();
        let name = prefix.strip_prefix("age-plugin-")?.strip_suffix('-')?;
        is_name(name).then(|| Self {
            file: file.to_owned(),
            plugin: name.to_owned(),
            text: Zeroizing::new(line.to_owned()),
        })
    }
}

/// Holds a recipient that a plugin understands.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct PluginRecipient {
    pub plugin: String,
    pub text: String,
}

impl PluginRecipient {
    /// Reads a recipient of any kind; none where it is not a plugin's.
    pub fn of(text: &str) -> Option<Result<Self, &'static str>> {
        (KeyKind::of(text) == KeyKind::Plugin).then(|| Self::parse(text))
    }

    /// Reads `age1NAME1…`.
    pub fn parse(text: &str) -> Result<Self, &'static str> {
        let prefix = prefix(text)?;
        let name = prefix.strip_prefix("age1").filter(|name| is_name(name)).ok_or("invalid plugin name")?;
        Ok(Self { plugin: name.to_owned(), text: text.to_owned() })
    }
}

/// Returns the human-readable part of a Bech32 text of any length.
fn prefix(text: &str) -> Result<String, &'static str> {
    bech32_decode(text, |_| "invalid Bech32 encoding", |_| Ok(()), |prefix, _| Ok(prefix.as_str().to_owned()))
}

/// Returns whether this is the name of a plugin, and so a part of a file name.
fn is_name(name: &str) -> bool {
    let clean = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'+' | b'.');
    !name.is_empty() && !name.starts_with('.') && name.bytes().all(clean)
}

/// Returns the plugins of these identities, each once, in order.
pub(crate) fn names(identities: &[PluginIdentity]) -> Vec<&str> {
    let mut seen = BTreeSet::new();
    identities.iter().map(|identity| identity.plugin.as_str()).filter(|name| seen.insert(*name)).collect()
}
