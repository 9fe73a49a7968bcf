//! The one place that reads the caller's environment.

use std::ffi::{OsStr, OsString};
use std::path::PathBuf;

/// What the environment says.
pub struct Environment {
    variables: Vec<(OsString, OsString)>,
}

impl Environment {
    pub fn read() -> Self {
        Self { variables: std::env::vars_os().collect() }
    }

    pub fn get(&self, name: &str) -> Option<&OsStr> {
        self.variables.iter().find(|(key, value)| key == name && !value.is_empty()).map(|(_, value)| value.as_os_str())
    }

    /// All of it, for Nix and git, which have settings of their own there.
    pub fn variables(&self) -> &[(OsString, OsString)] {
        &self.variables
    }

    pub fn search_path(&self) -> &OsStr {
        self.get("PATH").unwrap_or(OsStr::new("/usr/bin:/bin"))
    }

    /// Folders that are usually on RAM-backed file systems, best first. Whether they are is checked by who uses them.
    pub fn ram_candidates(&self) -> Vec<PathBuf> {
        let uid = rustix::process::getuid().as_raw();
        let mine = self.get("XDG_RUNTIME_DIR").map(PathBuf::from);
        mine.into_iter()
            .filter(|path| path.is_absolute())
            .chain([PathBuf::from(format!("/run/user/{uid}")), PathBuf::from("/dev/shm")])
            .collect()
    }

    /// `$LOG_LEVEL` as generators see it.
    pub fn log_level(verbose: bool) -> String {
        if verbose { "debug" } else { "info" }.to_owned()
    }

    /// This machine's Nix system.
    pub fn system() -> String {
        format!("{}-{}", std::env::consts::ARCH, std::env::consts::OS)
    }
}
