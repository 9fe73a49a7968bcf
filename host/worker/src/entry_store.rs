//! The entry of a call: one object with two doors, the resource of the contract and the directory `/entry`.

use std::io;
use std::sync::{Mutex, MutexGuard, PoisonError};

use artifacts_seam::{EntryFiles, FileError, Limits, check_file_name};
use wasmtime_wasi::FsPerms;
use wasmtime_wasi::filesystem;

use crate::preopen::Preopen;

/// Holds one entry at a time.
pub(crate) enum EntryStore {
    /// In a directory, for a component that imports a file system.
    Directory(Preopen),
    /// In memory, for any other: its worker needs no system call that takes a path.
    Memory(Mutex<EntryFiles>),
}

impl EntryStore {
    /// In this directory, or where there is none in memory.
    pub(crate) fn new(directory: Option<Preopen>) -> Self {
        directory.map_or_else(|| Self::Memory(Mutex::default()), Self::Directory)
    }

    /// What the guest gets of it as a directory.
    pub(crate) fn preopen(&self, perms: FsPerms) -> io::Result<Option<filesystem::Dir>> {
        match self {
            Self::Directory(directory) => directory.preopen(perms).map(Some),
            Self::Memory(_) => Ok(None),
        }
    }

    /// Holds exactly these files from now on.
    pub(crate) fn fill(&self, files: &EntryFiles) -> io::Result<()> {
        match self {
            Self::Directory(directory) => directory.fill(files),
            Self::Memory(held) => {
                *locked(held) = files.clone();
                Ok(())
            }
        }
    }

    /// Holds nothing from now on.
    pub(crate) fn clear(&self) -> io::Result<()> {
        match self {
            Self::Directory(directory) => directory.fill(&EntryFiles::new()),
            Self::Memory(held) => {
                locked(held).clear();
                Ok(())
            }
        }
    }

    /// The files as bytes.
    ///
    /// # Errors
    /// Says what is there that must not be.
    pub(crate) fn collect(&self, limits: &Limits) -> Result<EntryFiles, String> {
        match self {
            Self::Directory(directory) => directory.collect(limits),
            // Nothing else can have come in.
            Self::Memory(held) => Ok(std::mem::take(&mut *locked(held))),
        }
    }

    /// The names, sorted.
    pub(crate) fn names(&self) -> Result<Vec<String>, FileError> {
        match self {
            Self::Directory(directory) => directory.names(),
            Self::Memory(held) => Ok(locked(held).keys().cloned().collect()),
        }
    }

    /// The size of a file, in bytes.
    pub(crate) fn size(&self, name: &str) -> Result<u64, FileError> {
        clean(name)?;
        match self {
            Self::Directory(directory) => directory.size(name),
            Self::Memory(held) => locked(held).get(name).map(|bytes| bytes.len() as u64).ok_or(FileError::NoEntry),
        }
    }

    /// At most `length` bytes of a file, from `offset` on.
    pub(crate) fn read(&self, name: &str, offset: u64, length: u64) -> Result<Vec<u8>, FileError> {
        clean(name)?;
        match self {
            Self::Directory(directory) => directory.read(name, offset, length),
            Self::Memory(held) => {
                let held = locked(held);
                let bytes = held.get(name).ok_or(FileError::NoEntry)?;
                let begin = usize::try_from(offset).unwrap_or(usize::MAX).min(bytes.len());
                let end = begin.saturating_add(usize::try_from(length).unwrap_or(usize::MAX)).min(bytes.len());
                Ok(bytes.get(begin..end).unwrap_or_default().to_vec())
            }
        }
    }

    /// Creates a file, or replaces it.
    pub(crate) fn write(&self, name: &str, bytes: Vec<u8>, limits: &Limits) -> Result<(), FileError> {
        clean(name)?;
        match self {
            Self::Directory(directory) => directory.write(name, &bytes),
            Self::Memory(held) => {
                let mut held = locked(held);
                let others = held.iter().filter(|(other, _)| *other != name);
                let (files, size) =
                    others.fold((0, 0), |(files, size), (_, bytes)| (files + 1, size + bytes.len() as u64));
                if files >= limits.files || size + bytes.len() as u64 > limits.output {
                    return Err(FileError::InsufficientSpace);
                }
                held.insert(name.to_owned(), bytes);
                Ok(())
            }
        }
    }

    /// Removes a file.
    pub(crate) fn remove(&self, name: &str) -> Result<(), FileError> {
        clean(name)?;
        match self {
            Self::Directory(directory) => directory.remove(name),
            Self::Memory(held) => locked(held).remove(name).map(drop).ok_or(FileError::NoEntry),
        }
    }
}

fn clean(name: &str) -> Result<(), FileError> {
    check_file_name(name).map_err(|_| FileError::Invalid)
}

fn locked(held: &Mutex<EntryFiles>) -> MutexGuard<'_, EntryFiles> {
    held.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn stores() -> [(EntryStore, Option<tempfile::TempDir>); 2] {
        let directory = tempfile::tempdir().unwrap();
        let opened = std::fs::File::open(directory.path()).unwrap();
        [(EntryStore::new(None), None), (EntryStore::new(Some(Preopen::new(opened.into()))), Some(directory))]
    }

    #[test]
    fn both_kinds_do_the_same() {
        let limits = Limits { output: 10, ..Limits::default() };
        for (store, _directory) in stores() {
            store.fill(&EntryFiles::from([("a".to_owned(), b"0123456789".to_vec())])).unwrap();
            assert_eq!(store.names(), Ok(vec!["a".to_owned()]));
            assert_eq!(store.size("a"), Ok(10));
            for (offset, length, expected) in
                [(0, 3, "012"), (8, 5, "89"), (10, 1, ""), (11, 1, ""), (u64::MAX, 1, ""), (0, u64::MAX, "0123456789")]
            {
                assert_eq!(store.read("a", offset, length), Ok(expected.as_bytes().to_vec()), "{offset} {length}");
            }
            store.write("a", b"new".to_vec(), &limits).unwrap();
            store.write("b", b"2".to_vec(), &limits).unwrap();
            assert_eq!(store.names(), Ok(vec!["a".to_owned(), "b".to_owned()]));
            store.remove("a").unwrap();
            for result in [store.remove("a").err(), store.size("a").err(), store.read("a", 0, 1).err()] {
                assert_eq!(result, Some(FileError::NoEntry));
            }
            for name in ["", ".", "..", "a/b", "/etc/passwd", "../a", "receipt.json", "public", "x\u{200b}", "\n"] {
                assert_eq!(store.write(name, Vec::new(), &limits), Err(FileError::Invalid), "{name:?}");
                assert_eq!(store.read(name, 0, 1), Err(FileError::Invalid), "{name:?}");
                assert_eq!(store.size(name), Err(FileError::Invalid), "{name:?}");
                assert_eq!(store.remove(name), Err(FileError::Invalid), "{name:?}");
            }
            assert_eq!(store.collect(&limits), Ok(EntryFiles::from([("b".to_owned(), b"2".to_vec())])));
            store.clear().unwrap();
            assert_eq!(store.names(), Ok(Vec::new()));
        }
    }

    #[test]
    fn memory_is_as_full_as_an_entry_may_be() {
        let limits = Limits { output: 10, files: 2, ..Limits::default() };
        let store = EntryStore::new(None);
        assert_eq!(store.write("a", vec![0; 11], &limits), Err(FileError::InsufficientSpace));
        store.write("a", vec![0; 10], &limits).unwrap();
        store.write("a", vec![1; 10], &limits).unwrap();
        assert_eq!(store.write("b", vec![0; 1], &limits), Err(FileError::InsufficientSpace));
        store.write("b", Vec::new(), &limits).unwrap();
        assert_eq!(store.write("c", Vec::new(), &limits), Err(FileError::InsufficientSpace));
    }

    #[test]
    fn a_link_and_a_directory_are_not_read_through() {
        let [_, (store, directory)] = stores();
        let path = directory.as_ref().unwrap().path();
        std::os::unix::fs::symlink("/etc/passwd", path.join("link")).unwrap();
        std::fs::create_dir(path.join("folder")).unwrap();
        for name in ["link", "folder"] {
            assert!(store.read(name, 0, 1).is_err(), "{name}");
            assert!(store.size(name).is_err(), "{name}");
            assert!(store.write(name, b"x".to_vec(), &Limits::default()).is_err(), "{name}");
        }
    }
}
