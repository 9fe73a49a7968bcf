//! A directory that only this user can write.

use std::fs;
use std::io::Write as _;
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};

use crate::Error;
use crate::ownership::{check_exclusive, check_ownership};

/// Represents such a directory, which is created by the first write.
#[derive(Debug, Clone)]
pub struct StateDir(PathBuf);

impl StateDir {
    pub fn new(dir: impl Into<PathBuf>) -> Self {
        Self(dir.into())
    }

    pub fn at(&self, name: &str) -> PathBuf {
        self.0.join(name)
    }

    /// Reads a file; `None` if it does not exist.
    pub fn read(&self, name: &str) -> Result<Option<Vec<u8>>, Error> {
        let path = self.at(name);
        check_ownership(&path)?;
        let read = || {
            if fs::metadata(&path)?.is_file() { fs::read(&path) } else { Err(std::io::Error::other("not a file")) }
        };
        match read() {
            Ok(found) => self.check().map(|()| Some(found)),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
            Err(source) => Err(Error::File { path, what: "read", source }),
        }
    }

    /// Replaces a file as a whole.
    pub fn write(&self, name: &str, bytes: &[u8]) -> Result<(), Error> {
        self.make()?;
        let path = self.at(name);
        let failed = |source| Error::File { path: path.clone(), what: "write", source };
        let mut file = tempfile::NamedTempFile::new_in(&self.0).map_err(failed)?;
        file.write_all(bytes).and_then(|()| file.as_file().sync_all()).map_err(failed)?;
        file.persist(&path).map_err(|error| failed(error.error))?;
        fs::File::open(&self.0).and_then(|directory| directory.sync_all()).map_err(failed)
    }

    /// Waits until no other run holds this name, and holds it as long as the file lives.
    pub fn lock(&self, name: &str) -> Result<fs::File, Error> {
        self.make()?;
        let path = self.at(name);
        let failed = |source| Error::File { path: path.clone(), what: "lock", source };
        let file =
            fs::File::options().create(true).truncate(false).write(true).mode(0o600).open(&path).map_err(failed)?;
        file.lock().map_err(failed)?;
        Ok(file)
    }

    fn make(&self) -> Result<(), Error> {
        // Before as well: nothing is made where another user leads to.
        check_ownership(&self.0)?;
        let made = fs::DirBuilder::new().recursive(true).mode(0o700).create(&self.0);
        made.map_err(|source| Error::File { path: self.0.clone(), what: "create", source })?;
        check_ownership(&self.0)?;
        self.check()
    }

    /// Checks that no other user may add a file to the directory, not even if it is sticky.
    fn check(&self) -> Result<(), Error> {
        let directory: &Path = &self.0;
        let failed = |source| Error::File { path: directory.to_owned(), what: "check", source };
        check_exclusive(directory, &fs::metadata(directory).map_err(failed)?)
    }
}
