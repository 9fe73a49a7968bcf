//! Any directory, by the standard library: for tests of a backend on the machine that builds it.

use std::fs::{self, File};
use std::io::{self, Read as _};
use std::path::PathBuf;

/// A directory by its path.
#[derive(Debug)]
pub struct Folder(PathBuf);

impl Folder {
    /// Takes where a component has its entry.
    pub fn here() -> Self {
        Self::at("/entry".into())
    }

    pub fn at(path: PathBuf) -> Self {
        Self(path)
    }

    pub fn names(&self) -> Result<Vec<String>, String> {
        let name = |entry: io::Result<fs::DirEntry>| Ok(entry?.file_name().to_string_lossy().into_owned());
        fs::read_dir(&self.0).and_then(|entries| entries.map(name).collect()).map_err(|error| shown(&error))
    }

    /// Returns at most so many bytes from the beginning of a file.
    pub fn read(&self, name: &str, most: u64) -> Result<Option<Vec<u8>>, String> {
        let read = |file: File| {
            let mut bytes = Vec::new();
            file.take(most).read_to_end(&mut bytes)?;
            Ok(bytes)
        };
        found(File::open(self.0.join(name)).and_then(read))
    }

    pub fn write(&self, name: &str, bytes: &[u8]) -> Result<(), String> {
        fs::write(self.0.join(name), bytes).map_err(|error| shown(&error))
    }

    pub fn remove(&self, name: &str) -> Result<(), String> {
        found(fs::remove_file(self.0.join(name))).map(drop)
    }
}

/// `None` if there is no such file.
fn found<T>(result: io::Result<T>) -> Result<Option<T>, String> {
    match result {
        Ok(value) => Ok(Some(value)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(shown(&error)),
    }
}

fn shown(error: &io::Error) -> String {
    error.to_string()
}
