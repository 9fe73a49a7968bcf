use std::fs::File;
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use crate::Failure;

/// Represents the directory of one instance: regular files, without subdirectories.
#[derive(Debug)]
pub struct Entry(PathBuf);

impl Entry {
    /// Opens the entry of the current call.
    pub(crate) fn here() -> Self {
        Self::open_at("/entry")
    }

    /// Opens an entry in any directory: for tests of a backend on the machine that builds it.
    pub fn open_at(folder: impl Into<PathBuf>) -> Self {
        Self(folder.into())
    }

    /// Returns the names of the stored files, sorted.
    ///
    /// # Errors
    /// If the directory cannot be read.
    pub fn names(&self) -> Result<Vec<String>, Failure> {
        let list = || -> io::Result<Vec<String>> {
            let mut names = Vec::new();
            for entry in std::fs::read_dir(&self.0)? {
                names.push(entry?.file_name().to_string_lossy().into_owned());
            }
            names.sort();
            Ok(names)
        };
        list().map_err(|error| Failure::internal(format!("the entry cannot be listed: {error}")))
    }

    /// Reads a stored file; `None` if it does not exist.
    ///
    /// # Errors
    /// If it exists and cannot be read, or the name is not a clean file name.
    pub fn read(&self, name: &str) -> Result<Option<Vec<u8>>, Failure> {
        match std::fs::read(self.path(name)?) {
            Ok(bytes) => Ok(Some(bytes)),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(fault("read", name, &error)),
        }
    }

    /// Returns whether a stored file begins with these bytes, without reading the rest; `None` if it does not exist.
    ///
    /// # Errors
    /// As [`Entry::read`].
    pub fn begins_with(&self, name: &str, bytes: &[u8]) -> Result<Option<bool>, Failure> {
        let begins = |mut file: File| {
            let mut first = vec![0; bytes.len()];
            match file.read_exact(&mut first) {
                Ok(()) => Ok(first == bytes),
                Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => Ok(false),
                Err(error) => Err(error),
            }
        };
        match File::open(self.path(name)?).and_then(begins) {
            Ok(begins) => Ok(Some(begins)),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(fault("read", name, &error)),
        }
    }

    /// Creates or replaces a stored file.
    ///
    /// # Errors
    /// If it cannot be written (the entry is writable only while serializing), or the name is not a clean file name.
    pub fn write(&self, name: &str, bytes: &[u8]) -> Result<(), Failure> {
        std::fs::write(self.path(name)?, bytes).map_err(|error| fault("written", name, &error))
    }

    /// Removes a stored file; it is no error when it is not there.
    ///
    /// # Errors
    /// When it is there and cannot be removed, or the name is no clean file name.
    pub fn remove(&self, name: &str) -> Result<(), Failure> {
        match std::fs::remove_file(self.path(name)?) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => Err(fault("removed", name, &error)),
            _ => Ok(()),
        }
    }

    /// Removes every stored file that is not named.
    ///
    /// # Errors
    /// As [`Entry::names`] and [`Entry::remove`].
    pub fn keep_only<'a>(&self, names: impl IntoIterator<Item = &'a str>) -> Result<(), Failure> {
        let keep: std::collections::BTreeSet<&str> = names.into_iter().collect();
        for name in self.names()? {
            if !keep.contains(name.as_str()) {
                self.remove(&name)?;
            }
        }
        Ok(())
    }

    fn path(&self, name: &str) -> Result<PathBuf, Failure> {
        let clean = Path::new(name).file_name().is_some_and(|last| last == name) && !name.contains(['\\', '\0']);
        if clean { Ok(self.0.join(name)) } else { Err(Failure::internal(format!("`{name}` is no file name"))) }
    }
}

fn fault(verb: &str, name: &str, error: &io::Error) -> Failure {
    Failure::internal(format!("`{name}` cannot be {verb}: {error}"))
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn a_file_is_written_read_listed_and_removed() {
        let folder = tempfile::tempdir().unwrap();
        let entry = Entry::open_at(folder.path());
        assert_eq!(entry.names().unwrap(), Vec::<String>::new());
        assert_eq!(entry.read("a").unwrap(), None);
        entry.write("b", b"2").unwrap();
        entry.write("a", b"1").unwrap();
        assert_eq!(entry.names().unwrap(), ["a", "b"]);
        assert_eq!(entry.read("a").unwrap().as_deref(), Some(b"1".as_slice()));
        for (begin, expected) in [("", true), ("1", true), ("2", false), ("12", false)] {
            assert_eq!(entry.begins_with("a", begin.as_bytes()).unwrap(), Some(expected), "{begin:?}");
        }
        assert_eq!(entry.begins_with("c", b"").unwrap(), None);
        entry.keep_only(["b", "c"]).unwrap();
        assert_eq!(entry.names().unwrap(), ["b"]);
        entry.remove("b").unwrap();
        entry.remove("b").unwrap();
        assert_eq!(entry.names().unwrap(), Vec::<String>::new());
    }

    #[test]
    fn only_a_clean_name_reaches_the_file_system() {
        let folder = tempfile::tempdir().unwrap();
        let entry = Entry::open_at(folder.path());
        for name in ["", ".", "..", "/etc/passwd", "../a", "a/b", "a/", "a/.", "a\\b", "a\0"] {
            assert!(entry.write(name, b"x").is_err(), "{name:?}");
            assert!(entry.read(name).is_err(), "{name:?}");
            assert!(entry.begins_with(name, b"").is_err(), "{name:?}");
            assert!(entry.remove(name).is_err(), "{name:?}");
        }
    }
}
