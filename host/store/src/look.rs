//! What the file system says of an entry's files, without their bytes.

use crate::attributes;
use crate::error::Error;
use crate::file_kind::FileKind;
use crate::file_look::FileLook;
use crate::names::PUBLIC;
use crate::store_dir::StoreDir;

/// What the paths of public files in an entry begin with.
pub(crate) const PUBLIC_FILES: &str = "public/";

/// Holds what lies in an entry, of whichever program.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct EntryLook {
    /// Regular files by path relative to the entry, sorted.
    files: Vec<(Box<str>, FileLook)>,
    /// Whether something in it may give files attributes.
    pub(crate) has_attributes: bool,
    /// Whether something in it is neither a regular file nor the directory of the public files.
    pub(crate) has_others: bool,
}

impl EntryLook {
    /// Looks at the files in the directory of an entry and opens none.
    pub(crate) fn of(directory: &StoreDir) -> Result<Self, Error> {
        let mut look = Self::default();
        look.add_all(directory, "")?;
        look.sort();
        Ok(look)
    }

    fn add_all(&mut self, directory: &StoreDir, prefix: &str) -> Result<(), Error> {
        for (name, kind) in directory.entries()? {
            self.has_attributes |= name == attributes::NAME;
            if kind == FileKind::File {
                let found = directory.stat(&name)?;
                self.add(prefix, &name, FileLook::new(&found));
            } else if kind == FileKind::Directory && prefix.is_empty() && name == PUBLIC {
                let Some(public) = directory.open(&name)? else { continue };
                self.add_all(&public, PUBLIC_FILES)?;
            } else {
                self.has_others = true;
            }
        }
        Ok(())
    }

    /// Adds a file in the entry's directory or, with the prefix [`PUBLIC_FILES`], in that of its public files. Whoever adds several sorts
    /// them then.
    pub(crate) fn add(&mut self, prefix: &str, name: &str, look: FileLook) {
        self.has_attributes |= name == attributes::NAME;
        self.files.push((format!("{prefix}{name}").into(), look));
    }

    /// Sorts the files.
    pub(crate) fn sort(&mut self) {
        self.files.sort_by(|(one, _), (other, _)| one.cmp(other));
        self.files.shrink_to_fit();
    }

    /// Returns the files by path relative to the entry, sorted.
    pub(crate) fn files(&self) -> impl ExactSizeIterator<Item = (&str, &FileLook)> {
        self.files.iter().map(|(path, look)| (&**path, look))
    }

    /// Returns whether there is a file at this path.
    pub(crate) fn has(&self, path: &str) -> bool {
        self.files.binary_search_by(|(other, _)| (**other).cmp(path)).is_ok()
    }
}
