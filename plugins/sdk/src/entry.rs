use crate::Failure;
use crate::folder::Folder;

/// Represents the directory of one instance: regular files, without subdirectories.
#[derive(Debug)]
pub struct Entry(Folder);

impl Entry {
    /// Opens the entry of the current call.
    pub(crate) fn here() -> Self {
        Self(Folder::here())
    }

    /// Opens an entry in any directory: for tests of a backend on the machine that builds it.
    #[cfg(not(target_arch = "wasm32"))]
    pub fn open_at(folder: impl Into<std::path::PathBuf>) -> Self {
        Self(Folder::at(folder.into()))
    }

    /// Returns the names of the stored files, sorted.
    ///
    /// # Errors
    /// If the directory cannot be read.
    pub fn names(&self) -> Result<Vec<String>, Failure> {
        let mut names =
            self.0.names().map_err(|why| Failure::internal(format!("the entry cannot be listed: {why}")))?;
        names.sort();
        Ok(names)
    }

    /// Reads a stored file; `None` if it does not exist.
    ///
    /// # Errors
    /// If it exists and cannot be read, or the name is not a clean file name.
    pub fn read(&self, name: &str) -> Result<Option<Vec<u8>>, Failure> {
        self.read_at_most(name, u64::MAX)
    }

    /// Returns whether a stored file begins with these bytes, without reading the rest; `None` if it does not exist.
    ///
    /// # Errors
    /// As [`Entry::read`].
    pub fn begins_with(&self, name: &str, bytes: &[u8]) -> Result<Option<bool>, Failure> {
        Ok(self.read_at_most(name, bytes.len() as u64)?.map(|first| first == bytes))
    }

    /// Creates or replaces a stored file.
    ///
    /// # Errors
    /// If it cannot be written (the entry is writable only while serializing), or the name is not a clean file name.
    pub fn write(&self, name: &str, bytes: &[u8]) -> Result<(), Failure> {
        self.0.write(clean(name)?, bytes).map_err(|why| fault("written", name, &why))
    }

    /// Removes a stored file; it is no error when it is not there.
    ///
    /// # Errors
    /// When it is there and cannot be removed, or the name is no clean file name.
    pub fn remove(&self, name: &str) -> Result<(), Failure> {
        self.0.remove(clean(name)?).map_err(|why| fault("removed", name, &why))
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

    fn read_at_most(&self, name: &str, most: u64) -> Result<Option<Vec<u8>>, Failure> {
        self.0.read(clean(name)?, most).map_err(|why| fault("read", name, &why))
    }
}

/// The name, if it is that of a file in the entry.
fn clean(name: &str) -> Result<&str, Failure> {
    if matches!(name, "" | "." | "..") || name.contains(['/', '\\', '\0']) {
        return Err(Failure::internal(format!("`{name}` is no file name")));
    }
    Ok(name)
}

fn fault(verb: &str, name: &str, why: &str) -> Failure {
    Failure::internal(format!("`{name}` cannot be {verb}: {why}"))
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
