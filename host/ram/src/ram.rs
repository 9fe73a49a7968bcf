use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::error::Error;
use crate::private_dir::{self, PrivateDir};
use crate::ram_dir::RamDir;

/// Represents a RAM-backed directory that contains private directories. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Ram(Arc<RamDir>);

impl Ram {
    /// Finds the first candidate that is RAM-backed by the type of its file system, writable, and in which no other
    /// user can replace the caller's directories.
    ///
    /// # Errors
    /// If no candidate is suitable; the error lists each with the reason.
    pub fn find(candidates: &[PathBuf]) -> Result<Self, Error> {
        let mut tried = Vec::new();
        for path in candidates {
            match RamDir::open(path) {
                Ok(place) => return Ok(Self(Arc::new(place))),
                Err(why) => tried.push((path.clone(), why)),
            }
        }
        Err(Error::NoPlace { tried })
    }

    /// Returns the path.
    pub fn path(&self) -> &Path {
        &self.0.path
    }

    /// Creates a private directory with an unpredictable name.
    ///
    /// # Errors
    /// If no space is left, or the program is ending ([`crate::remove_all`]).
    pub fn private_dir(&self) -> Result<PrivateDir, Error> {
        PrivateDir::new(&self.0)
    }

    /// Removes the directories that killed runs of this user left, and no others. Returns their number.
    pub fn sweep(&self) -> usize {
        private_dir::sweep(&self.0)
    }
}
