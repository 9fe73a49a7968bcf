use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::time::Duration;

use artifacts_declared::{Artifact, InstanceName, Name};
use artifacts_seam::Secret;

use crate::store_path::StorePath;

/// Describes one run of a generator.
#[derive(Debug, Clone)]
pub struct Job {
    /// Instance to generate. It gives `$artifact`, `$artifact_context` and `$machine` or `$username`; the generator of
    /// a shared artifact learns only that it is shared.
    pub instance: InstanceName,
    /// Executable file, or directory with exactly one `bin/*`; symbolic links are followed.
    pub program: PathBuf,
    /// Store paths that it may see. Without them it has the system's programs only.
    pub closure: Vec<StorePath>,
    /// Directories that come before `/usr/bin` and `/bin` in `$PATH`; what they need belongs in the closure.
    pub path: Vec<PathBuf>,
    /// Names of the files that it has to write, no more and no less.
    pub expected: BTreeSet<Name>,
    /// Values of `$prompts/<name>`.
    pub prompts: BTreeMap<Name, Secret>,
    /// Values of `$in/<artifact>/<file>`.
    pub inputs: BTreeMap<Name, BTreeMap<Name, Secret>>,
    /// Value of `$LOG_LEVEL`.
    pub log_level: String,
    /// Bytes that `/dev/random` and `/dev/urandom` give, from the beginning at each opening, in place of the kernel's.
    pub random: Option<Secret>,
    /// Whether it may use the network.
    pub network: bool,
    /// Time limit; `None` for no limit.
    pub timeout: Option<Duration>,
    /// Limits of what it may write.
    pub limits: OutputLimits,
}

impl Job {
    /// Creates the job of an artifact: its program, files, network and time limit. The caller adds prompts, inputs and
    /// closure. None if the artifact has no generator.
    pub fn new(instance: InstanceName, artifact: &Artifact) -> Option<Self> {
        Some(Self {
            instance,
            program: artifact.generator.as_ref()?.path.clone(),
            closure: Vec::new(),
            path: Vec::new(),
            expected: artifact.files.keys().cloned().collect(),
            prompts: BTreeMap::new(),
            inputs: BTreeMap::new(),
            log_level: "info".to_owned(),
            random: None,
            network: artifact.network,
            timeout: artifact.timeout.map(Duration::from),
            limits: OutputLimits::default(),
        })
    }
}

/// Limits what a generator may write, in bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct OutputLimits {
    /// Size of a file in `$out`.
    pub file: u64,
    /// Size of `$out` in total.
    pub total: u64,
    /// Size of `/tmp`, and of `/dev/shm`.
    pub scratch: u64,
}

impl Default for OutputLimits {
    fn default() -> Self {
        Self { file: 16 << 20, total: 64 << 20, scratch: 256 << 20 }
    }
}
