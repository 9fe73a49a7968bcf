//! The one place that reads the caller's environment.

use std::ffi::{OsStr, OsString};
use std::num::NonZeroUsize;
use std::path::PathBuf;
use std::time::SystemTime;

/// Returns whether the caller's terminal knows no escape sequences.
pub fn is_dumb_terminal() -> bool {
    std::env::var_os("TERM").is_none_or(|term| term.is_empty() || term == "dumb")
}

/// Returns whether the caller's terminal shows UTF-8, as the locale says.
pub fn is_utf8() -> bool {
    let set = |name| std::env::var_os(name).filter(|value| !value.is_empty());
    let locale = ["LC_ALL", "LC_CTYPE", "LANG"].into_iter().find_map(set).unwrap_or_default();
    let locale = locale.to_string_lossy().to_ascii_lowercase();
    (locale.contains("utf-8") || locale.contains("utf8")) && !is_dumb_terminal()
}

/// Returns whether the caller wants no color.
pub fn is_plain() -> bool {
    std::env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty())
}

/// Memory that the evaluation of a large target takes, in bytes.
const OF_ONE_EVALUATION: u64 = 1 << 30;

/// Variables that hold private keys or say where they are, by the begin of their names.
const KEYS: [&str; 3] = ["SOPS_AGE_KEY", "SOPS_AGE_SSH_PRIVATE_KEY", "ARTIFACTS_IDENTITY"];

/// What the environment says.
#[derive(Clone)]
pub struct Environment {
    variables: Vec<(OsString, OsString)>,
    /// Those that lead to private keys.
    keys: Vec<(OsString, OsString)>,
}

impl Environment {
    pub fn read() -> Self {
        Self::of(std::env::vars_os())
    }

    /// Takes these variables for the environment.
    pub fn of(variables: impl IntoIterator<Item = (OsString, OsString)>) -> Self {
        let is_key = |(name, _): &(OsString, OsString)| {
            KEYS.iter().any(|begin| name.as_encoded_bytes().starts_with(begin.as_bytes()))
        };
        let (keys, variables) = variables.into_iter().partition(is_key);
        Self { variables, keys }
    }

    pub fn get(&self, name: &str) -> Option<&OsStr> {
        let mut all = self.variables.iter().chain(&self.keys);
        all.find(|(key, value)| key == name && !value.is_empty()).map(|(_, value)| value.as_os_str())
    }

    /// Returns all that other programs see: Nix and git have settings of their own there. No variable leads to a private key.
    pub fn variables(&self) -> &[(OsString, OsString)] {
        &self.variables
    }

    pub fn search_path(&self) -> &OsStr {
        self.get("PATH").unwrap_or(OsStr::new("/usr/bin:/bin"))
    }

    /// Directories that are usually on RAM-backed file systems, best first. Whether they are is checked by who uses them.
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
        self.dir("XDG_STATE_HOME", ".local/state")
    }

    /// Where this user's programs keep what can be regenerated: `artifacts` below `$XDG_CACHE_HOME`. None for root with
    /// another user's home, as `sudo` leaves it.
    pub fn cache(&self) -> Option<PathBuf> {
        self.dir("XDG_CACHE_HOME", ".cache").filter(|_| self.home_is_mine())
    }

    /// What this user's programs look for below `$XDG_CONFIG_HOME`.
    pub fn config(&self, path: &str) -> Option<PathBuf> {
        let set = self.get("XDG_CONFIG_HOME").map(PathBuf::from).filter(|dir| dir.is_absolute());
        set.or_else(|| self.home(".config")).map(|dir| dir.join(path))
    }

    /// Something in the home directory.
    pub fn home(&self, path: &str) -> Option<PathBuf> {
        Some(PathBuf::from(self.get("HOME")?).join(path)).filter(|path| path.is_absolute())
    }

    fn dir(&self, variable: &str, below_home: &str) -> Option<PathBuf> {
        let set = self.get(variable).map(PathBuf::from).filter(|path| path.is_absolute());
        set.or_else(|| self.home(below_home)).map(|dir| dir.join("artifacts"))
    }

    fn home_is_mine(&self) -> bool {
        let me = rustix::process::geteuid().as_raw();
        let owner = self.get("HOME").and_then(|home| rustix::fs::stat(home).ok()).map(|found| found.st_uid);
        owner == Some(me)
    }

    /// Directories that generators find programs in, before the usual ones. NixOS has nothing in those: there, the package names
    /// what a generator may expect.
    pub fn generator_path(&self) -> Vec<PathBuf> {
        let dirs = self.get("ARTIFACTS_GENERATOR_PATH").map(std::env::split_paths);
        dirs.into_iter().flatten().filter(|dir| dir.is_absolute()).collect()
    }

    /// How many processors this program may use.
    pub fn processors() -> NonZeroUsize {
        std::thread::available_parallelism().unwrap_or(NonZeroUsize::MIN)
    }

    /// How many targets to evaluate at once: one a processor, as far as each has the memory that a large one takes.
    pub fn evaluations_at_once() -> NonZeroUsize {
        let memory = std::fs::read_to_string("/proc/meminfo").ok().and_then(|text| available_memory(&text));
        let room = memory.and_then(|bytes| NonZeroUsize::new(usize::try_from(bytes / OF_ONE_EVALUATION).ok()?));
        Self::processors().min(room.unwrap_or(NonZeroUsize::MIN))
    }

    /// `$LOG_LEVEL` as generators see it.
    pub fn log_level(verbose: bool) -> String {
        if verbose { "debug" } else { "info" }.to_owned()
    }

    /// The moment of the run.
    pub fn now() -> SystemTime {
        SystemTime::now()
    }

    /// This machine's Nix system.
    pub fn system() -> String {
        format!("{}-{}", std::env::consts::ARCH, std::env::consts::OS)
    }
}

/// In bytes, as the kernel's own table has it in kibibytes.
fn available_memory(table: &str) -> Option<u64> {
    let line = table.lines().find_map(|line| line.strip_prefix("MemAvailable:"))?;
    line.trim().strip_suffix(" kB")?.parse::<u64>().ok()?.checked_mul(1024)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_variable_that_leads_to_a_key_is_for_another_program() {
        let names = ["PATH", "SOPS_AGE_KEY", "SOPS_AGE_KEY_FILE", "SOPS_AGE_KEY_CMD", "ARTIFACTS_IDENTITY"];
        let environment = Environment::of(names.map(|name| (name.into(), "x".into())));
        assert_eq!(environment.variables(), [("PATH".into(), "x".into())]);
        assert!(names.iter().all(|name| environment.get(name).is_some()));
    }

    #[test]
    fn memory_is_read_off_the_kernels_table() {
        let table = "MemTotal:       24626084 kB\nMemAvailable:   23500000 kB\n";
        assert_eq!(available_memory(table), Some(23_500_000 * 1024));
        assert_eq!(available_memory("MemTotal: 1 kB\n"), None);
    }
}
