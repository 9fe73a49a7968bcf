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

    /// Where this user's programs keep what outlives a run: `artifacts` below `$XDG_STATE_HOME`.
    pub fn state(&self) -> Option<PathBuf> {
        self.folder("XDG_STATE_HOME", ".local/state")
    }

    /// Where this user's programs keep what can be made again: `artifacts` below `$XDG_CACHE_HOME`. None for root with
    /// somebody else's home, as `sudo` leaves it.
    pub fn cache(&self) -> Option<PathBuf> {
        self.folder("XDG_CACHE_HOME", ".cache").filter(|_| self.home_is_mine())
    }

    /// What this user's programs look for below `$XDG_CONFIG_HOME`.
    pub fn config(&self, path: &str) -> Option<PathBuf> {
        let set = self.get("XDG_CONFIG_HOME").map(PathBuf::from).filter(|folder| folder.is_absolute());
        set.or_else(|| self.home(".config")).map(|folder| folder.join(path))
    }

    /// Something in the home folder.
    pub fn home(&self, path: &str) -> Option<PathBuf> {
        Some(PathBuf::from(self.get("HOME")?).join(path)).filter(|path| path.is_absolute())
    }

    fn folder(&self, variable: &str, below_home: &str) -> Option<PathBuf> {
        let set = self.get(variable).map(PathBuf::from).filter(|path| path.is_absolute());
        set.or_else(|| self.home(below_home)).map(|folder| folder.join("artifacts"))
    }

    fn home_is_mine(&self) -> bool {
        let me = rustix::process::geteuid().as_raw();
        let owner = self.get("HOME").and_then(|home| rustix::fs::stat(home).ok()).map(|found| found.st_uid);
        owner == Some(me)
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
