//! What git would note of all files of an entry, in the least memory: of a fleet, it is kept from the survey until git's index is read.

use std::collections::BTreeMap;

use artifacts_digest::{Hasher, Sha256};
use rustix::fs::Stat;

use super::file_note::FileNote;
use crate::file_look::FileLook;
use crate::look::EntryLook;

/// Notes of entries, by path relative to the root.
pub type EntryNotes = BTreeMap<String, EntryNote>;

/// Stands for the notes of an entry's files.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct EntryNote {
    digest: Sha256,
    /// When one of them was last changed.
    changed: (i64, u32),
    /// Whether their owners may execute them: on some file systems all files are so.
    executable: bool,
}

impl EntryNote {
    /// Takes what the files are like. `None` where that tells nothing: there are none, some may be executed and some not, or one may give
    /// others attributes.
    pub fn new(look: &EntryLook) -> Option<Self> {
        let changed = look.files().map(|(_, file)| file.modified.max(file.changed)).max()?;
        let executable = look.files().all(|(_, file)| file.is_executable());
        let are_alike = executable || !look.files().any(|(_, file)| file.is_executable());
        let notes = look.files().map(|(name, file)| (name, FileNote::new(file)));
        (are_alike && !look.has_attributes).then(|| Self { digest: digest(notes), changed, executable })
    }

    /// Returns whether the files are programs to git.
    pub(super) fn is_executable(&self) -> bool {
        self.executable
    }

    /// Returns whether git noted just these files as they are, and they were at rest by then: they were last changed before the index was
    /// written, at `written`, so that a later change has another time.
    ///
    /// This is git's own rule, with all that git notes besides the device. Who gives a file other bytes of the same number, and sets the
    /// clock back for it, deceives git as well.
    pub(super) fn is_of<'n>(&self, notes: impl Iterator<Item = (&'n str, FileNote)>, written: IndexTime) -> bool {
        self.changed < written.0 && self.digest == digest(notes)
    }
}

fn digest<'n>(notes: impl Iterator<Item = (&'n str, FileNote)>) -> Sha256 {
    let mut hasher = Hasher::new();
    notes.for_each(|(name, note)| note.hash(name, &mut hasher));
    hasher.finish()
}

/// Says when an index was written.
#[derive(Debug, Clone, Copy)]
pub struct IndexTime((i64, u32));

impl IndexTime {
    /// Takes it from the file of the index, which is looked at before git reads it.
    pub fn new(index: &Stat) -> Self {
        Self(FileLook::new(index).modified)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use std::fs;
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;
    use crate::store_dir::StoreDir;

    fn note(dir: &tempfile::TempDir) -> (EntryLook, Option<EntryNote>) {
        let look = EntryLook::of(&StoreDir::ambient(dir.path()).unwrap()).unwrap();
        let note = EntryNote::new(&look);
        (look, note)
    }

    fn notes(look: &EntryLook) -> Vec<(&str, FileNote)> {
        look.files().map(|(name, file)| (name, FileNote::new(file))).collect()
    }

    #[test]
    fn it_is_of_the_very_files_before_the_index_was_written() {
        let dir = tempfile::tempdir().unwrap();
        fs::create_dir(dir.path().join("public")).unwrap();
        for name in ["one", "two", "public/key"] {
            fs::write(dir.path().join(name), name).unwrap();
        }
        let (look, note) = note(&dir);
        let (note, notes) = (note.unwrap(), notes(&look));
        let later = IndexTime((note.changed.0 + 1, 0));
        assert_eq!(notes.iter().map(|(name, _)| *name).collect::<Vec<_>>(), ["one", "public/key", "two"]);
        assert!(note.is_of(notes.iter().copied(), later));
        // A change in the same moment would have the same time.
        assert!(!note.is_of(notes.iter().copied(), IndexTime(note.changed)));
        // One less, one more, and two exchanged.
        assert!(!note.is_of(notes[1..].iter().copied(), later));
        assert!(!note.is_of(notes.iter().copied().chain([notes[0]]), later));
        let exchanged = [(notes[0].0, notes[2].1), notes[1], (notes[2].0, notes[0].1)];
        assert!(!note.is_of(exchanged.into_iter(), later));
    }

    #[test]
    fn it_tells_nothing_of_no_files_of_unlike_modes_and_of_attributes() {
        let dir = tempfile::tempdir().unwrap();
        assert_eq!(note(&dir).1, None);
        let executable = |names: &[&str], mode| {
            for name in names {
                fs::set_permissions(dir.path().join(name), fs::Permissions::from_mode(mode)).unwrap();
            }
            note(&dir).1.map(|note| note.is_executable())
        };
        fs::write(dir.path().join("one"), "1").unwrap();
        fs::write(dir.path().join("two"), "2").unwrap();
        assert_eq!(executable(&["one", "two"], 0o644), Some(false));
        assert_eq!(executable(&["one"], 0o744), None);
        assert_eq!(executable(&["two"], 0o744), Some(true));
        fs::write(dir.path().join(".gitattributes"), "* -text\n").unwrap();
        assert_eq!(note(&dir).1, None);
    }
}
