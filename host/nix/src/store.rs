use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::OsStringExt;
use std::path::{Path, PathBuf};
use std::thread;

use crate::metadata::FlakeMetadata;
use crate::real_store::{StoreDirs, real_store};
use crate::{Error, Nix, program};

impl Nix {
    /// Makes what a derivation gives, by building or by downloading.
    ///
    /// # Errors
    /// With the build's own message when it fails, and for a path that is not absolute.
    pub fn realise(&self, drv: &Path) -> Result<(), Error> {
        let drv = absolute(drv)?;
        let what = format!("building {}", drv.display());
        self.nix_store(&what, &[OsStr::new("--realise"), OsStr::new("--quiet"), drv.as_os_str()]).map(drop)
    }

    /// Returns all store paths that a path in the store needs, itself included.
    ///
    /// # Errors
    /// If the store has no such path, or the path is not absolute.
    pub fn closure(&self, path: &Path) -> Result<Vec<PathBuf>, Error> {
        let path = absolute(path)?;
        let what = format!("listing the closure of {}", path.display());
        let answer = self.nix_store(&what, &[OsStr::new("--query"), OsStr::new("--requisites"), path.as_os_str()])?;
        let lines = answer.stdout.split(|byte| *byte == b'\n').filter(|line| !line.is_empty());
        Ok(lines.map(|line| PathBuf::from(OsString::from_vec(line.to_vec()))).collect())
    }

    /// Returns the directory of the store, which is not `/nix/store` everywhere. Nix is asked once.
    ///
    /// # Errors
    /// See [`Error`].
    pub fn store_dir(&self) -> Result<&Path, Error> {
        Ok(&self.store()?.path)
    }

    /// Returns the store. Nix is asked once.
    ///
    /// # Errors
    /// See [`Error`].
    pub fn store(&self) -> Result<&StoreDirs, Error> {
        if let Some(known) = self.store.get() {
            return Ok(known);
        }
        let mut arguments = self.setting_arguments();
        arguments.splice(..0, ["eval", "--raw", "--expr", "builtins.storeDir"].map(OsString::from));
        let answer = thread::scope(|scope| {
            // Both take as long as Nix takes to start.
            scope.spawn(|| self.settings());
            self.nix("asking Nix for its store", &arguments)
        })?;
        let text = String::from_utf8_lossy(&answer.stdout);
        let path = PathBuf::from(text.trim_end_matches('\n'));
        Ok(self.store.get_or_init(|| StoreDirs { real: self.real_store(&path), path }))
    }

    /// Returns the store that a path, as it is written, is below. Nix is not asked if it cannot be in any; if Nix cannot
    /// be asked, the store is assumed at `/nix/store`.
    pub fn store_of(&self, path: &Path) -> Option<StoreDirs> {
        let looks_so = path.ancestors().any(|dir| dir.file_name().is_some_and(|name| name == "store"));
        let store = || self.store().cloned().unwrap_or_else(|_| StoreDirs::plain("/nix/store".into()));
        looks_so.then(store).filter(|store| path.starts_with(&store.path))
    }

    /// Returns the store that the copy of a flake is in.
    pub(crate) fn store_of_flake(&self, flake: &FlakeMetadata) -> StoreDirs {
        let path = flake.store();
        StoreDirs { path: path.to_owned(), real: self.real_store(path) }
    }

    /// Returns where the paths of the store `path` really are.
    fn real_store(&self, path: &Path) -> PathBuf {
        let setting = self.settings().and_then(|text| text.lines().find_map(|line| line.strip_prefix("store = ")));
        let variable = |name| program::variable(&self.environment, name).map(PathBuf::from);
        let data = variable("XDG_DATA_HOME").or_else(|| variable("HOME").map(|home| home.join(".local/share")));
        let real = real_store(setting.unwrap_or("auto"), path, data.as_deref());
        // A relative one begins where Nix runs.
        self.options.directory.as_deref().unwrap_or(Path::new("")).join(real)
    }

    /// Returns all settings as Nix reports them, `NAME = VALUE` each in a line; nothing if it does not. Nix is asked once.
    pub fn settings(&self) -> Option<&str> {
        let ask = |words: &[&str]| {
            let mut arguments = self.setting_arguments();
            arguments.splice(..0, words.iter().map(OsString::from));
            self.nix("asking Nix for its settings", &arguments)
        };
        // Versions differ in how they are asked.
        let text = || {
            let answer = ask(&["show-config"]).or_else(|_| ask(&["config", "show"])).ok()?;
            Some(String::from_utf8_lossy(&answer.stdout).into_owned())
        };
        self.settings.get_or_init(text).as_deref()
    }
}

/// Rejects a relative path: `nix-store` would take one that begins with a dash for an option.
fn absolute(path: &Path) -> Result<&Path, Error> {
    if path.is_absolute() { Ok(path) } else { Err(Error::Relative { path: path.to_owned() }) }
}
