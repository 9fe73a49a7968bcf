use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::OsStringExt;
use std::path::{Path, PathBuf};

use crate::{Error, Nix};

impl Nix {
    /// Makes what a derivation gives, by building or by downloading.
    ///
    /// # Errors
    /// With the build's own message when it fails.
    pub fn realise(&self, drv: &Path) -> Result<(), Error> {
        let what = format!("building {}", drv.display());
        self.nix_store(&what, &[OsStr::new("--realise"), OsStr::new("--quiet"), drv.as_os_str()]).map(drop)
    }

    /// Everything in the store that a path there needs, itself included.
    ///
    /// # Errors
    /// When the store has no such path.
    pub fn closure(&self, path: &Path) -> Result<Vec<PathBuf>, Error> {
        let what = format!("listing what {} needs", path.display());
        let answer = self.nix_store(&what, &[OsStr::new("--query"), OsStr::new("--requisites"), path.as_os_str()])?;
        let lines = answer.stdout.split(|byte| *byte == b'\n').filter(|line| !line.is_empty());
        Ok(lines.map(|line| PathBuf::from(OsString::from_vec(line.to_vec()))).collect())
    }

    /// The folder of the store; not everybody's is `/nix/store`.
    ///
    /// # Errors
    /// See [`Error`].
    pub fn store_dir(&self) -> Result<PathBuf, Error> {
        let answer = self.nix("asking Nix for its store", &["eval", "--raw", "--expr", "builtins.storeDir"])?;
        let text = String::from_utf8_lossy(&answer.stdout);
        Ok(PathBuf::from(text.trim_end_matches('\n')))
    }
}
