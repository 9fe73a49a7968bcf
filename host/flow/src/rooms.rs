use std::path::PathBuf;
use std::sync::atomic::AtomicBool;
use std::time::SystemTime;

use artifacts_generate::Sandbox;
use artifacts_nix::Nix;
use artifacts_store::{Git, Root};

use crate::{Audit, HeaderMemory, Keys, Registry};

/// Everything outside that a run works with, each in its one room's keeping.
pub struct Rooms<'a> {
    /// The checkout that holds the storages.
    pub root: &'a Root,
    /// Git, for what it is told and asked of the checkout.
    pub git: Git,
    /// The backends.
    pub registry: Registry,
    /// Nix, for generators and components that are derivations.
    pub nix: Nix,
    /// Where generators run; none when nothing is to be made.
    pub sandbox: Option<Sandbox>,
    /// Folders before the usual ones in a generator's `PATH`, with the store paths that they need.
    pub generator_path: Vec<PathBuf>,
    /// A person's private keys, for what is read back.
    pub keys: Keys,
    /// For which file each header was encrypted.
    pub headers: HeaderMemory,
    /// Who is told of every call of a backend.
    pub audit: Audit,
    /// Set when the person wants out.
    pub cancel: &'a AtomicBool,
    /// `$LOG_LEVEL` of generators.
    pub log_level: String,
    /// Now.
    pub now: SystemTime,
}

impl Rooms<'_> {
    /// Now, in seconds since 1970.
    pub(crate) fn seconds(&self) -> u64 {
        seconds(self.now)
    }
}

/// Seconds since 1970; times before that count as 1970.
pub(crate) fn seconds(time: SystemTime) -> u64 {
    time.duration_since(SystemTime::UNIX_EPOCH).map_or(0, |since| since.as_secs())
}
