use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::OsStringExt;
use std::path::{Path, PathBuf};

use crate::{Error, Nix};

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
        if let Some(known) = self.store.get() {
            return Ok(known);
        }
        let answer = self.nix("asking Nix for its store", &["eval", "--raw", "--expr", "builtins.storeDir"])?;
        let text = String::from_utf8_lossy(&answer.stdout);
        Ok(self.store.get_or_init(|| PathBuf::from(text.trim_end_matches('\n'))))
    }

    /// Returns whether a path, as it is written, is below the store. Nix is not asked if it cannot be; if Nix cannot
    /// be asked, the store is assumed at `/nix/store`.
    pub fn is_in_store(&self, path: &Path) -> bool {
        let looks_so = path.ancestors().any(|dir| dir.file_name().is_some_and(|name| name == "store"));
        looks_so && path.starts_with(self.store_dir().unwrap_or(Path::new("/nix/store")))
    }
}

/// Rejects a relative path: `nix-store` would take one that begins with a dash for an option.
fn absolute(path: &Path) -> Result<&Path, Error> {
    if path.is_absolute() { Ok(path) } else { Err(Error::Relative { path: path.to_owned() }) }
}
