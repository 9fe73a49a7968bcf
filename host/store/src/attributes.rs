//! `<storage>/.gitattributes`: no checkout changes a stored byte, and no merge mixes two versions of a file.

use crate::disk::Disk;
use crate::error::Error;
use crate::file_kind::FileKind;
use crate::store_dir::StoreDir;

/// Name of the file.
pub(crate) const NAME: &str = ".gitattributes";
/// Content of the file. It sets no filter: a filter is a program that someone chose, and its output in the working
/// tree is what was stored.
const CONTENT: &[u8] =
    b"# Receipts have the SHA-256 of every stored file.\n* -text -ident -working-tree-encoding -merge\n";

/// Returns the path of the file, relative to the root.
pub(crate) fn path(storage: &str) -> String {
    format!("{storage}/{NAME}")
}

/// Returns whether a name in a storage, of this kind, is that of the file.
pub(crate) fn is_named(name: &str, kind: FileKind) -> bool {
    name == NAME && kind == FileKind::File
}

/// Returns whether the file of a storage, by its path below the root, has exactly the bytes that this program writes.
pub(crate) fn is_own(root: &StoreDir, storage: &str) -> bool {
    let read = |dir: StoreDir| dir.read(NAME, 4096).ok().flatten();
    root.open(storage).ok().flatten().and_then(read).is_some_and(|found| found == CONTENT)
}

/// Removes the file of a storage, by its path below the root, where it is as this program writes it.
pub(crate) fn remove(disk: &Disk, root: &StoreDir, storage: &str) -> Result<(), Error> {
    match root.open(storage)? {
        Some(dir) if is_own(root, storage) => disk.remove("remove .gitattributes", &dir, NAME, FileKind::File),
        _ => Ok(()),
    }
}

/// Creates the file if there is none. An existing one is left as it is.
pub(crate) fn make(disk: &Disk, storage: &StoreDir, staging: &StoreDir) -> Result<(), Error> {
    if storage.kind(NAME)?.is_some() {
        return Ok(());
    }
    let made = disk.write(staging, NAME, CONTENT, 0o644);
    let placed = made.and_then(|()| disk.rename("put .gitattributes in place", (staging, NAME), (storage, NAME)));
    if placed.is_err() {
        // Where it was not made, there is nothing; and whatever failed may well fail here.
        let _ = disk.remove("remove what was not put in place", staging, NAME, FileKind::File);
    }
    match placed {
        Err(Error::Io { source, .. }) if source.kind() == std::io::ErrorKind::AlreadyExists => Ok(()),
        done => done,
    }
}
