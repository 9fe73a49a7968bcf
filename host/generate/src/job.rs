use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::time::Duration;

use artifacts_declared::{InstanceName, Name};
use artifacts_seam::Secret;

/// One run of a generator.
#[derive(Debug, Clone)]
pub struct Job {
    /// What it makes. Gives `$artifact`, `$artifact_context` and `$machine` or `$username`; the generator of a shared one
    /// learns only that it is shared.
    pub instance: InstanceName,
    /// An executable file, or a folder with exactly one `bin/*`; links are followed.
    pub program: PathBuf,
    /// The store paths that it may see. Without them it must get along with the system's programs.
    pub closure: Vec<PathBuf>,
    /// Folders that come before `/usr/bin` and `/bin` in `$PATH`; what they need belongs in the closure.
    pub path: Vec<PathBuf>,
    /// The files that must come out: these and no other.
    pub expected: BTreeSet<Name>,
    /// `$prompts/<name>`.
    pub prompts: BTreeMap<Name, Secret>,
    /// `$in/<artifact>/<file>`.
    pub inputs: BTreeMap<Name, BTreeMap<Name, Secret>>,
    /// `$LOG_LEVEL`.
    pub log_level: String,
    /// What it reads from `/dev/random` and `/dev/urandom`, each opening from the beginning, instead of the kernel's.
    pub random: Option<Secret>,
    /// Whether it may use the network.
    pub network: bool,
    /// How long it may take; `None` is for ever.
    pub timeout: Option<Duration>,
    /// How much it may write.
    pub limits: OutputLimits,
}

impl Job {
    /// A job with neither closure, prompts, inputs nor expected files, without network and timeout.
    pub fn new(instance: InstanceName, program: PathBuf) -> Self {
        Self {
            instance,
            program,
            closure: Vec::new(),
            path: Vec::new(),
            expected: BTreeSet::new(),
            prompts: BTreeMap::new(),
            inputs: BTreeMap::new(),
            log_level: "info".to_owned(),
            random: None,
            network: false,
            timeout: None,
            limits: OutputLimits::default(),
        }
    }
}

/// How much a generator may write, in bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct OutputLimits {
    /// A file of `$out`.
    pub file: u64,
    /// All of `$out`.
    pub total: u64,
    /// `/tmp`, and `/dev/shm` as much again.
    pub scratch: u64,
}

impl Default for OutputLimits {
    fn default() -> Self {
        Self { file: 16 << 20, total: 64 << 20, scratch: 256 << 20 }
    }
}
