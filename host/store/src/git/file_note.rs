//! What git notes of a file in the working tree when it reads it: whether it changed since is told without reading it again.

use rustix::fs::Stat;

use crate::file_look::FileLook;

/// Flag of a file that the index knows by name alone.
const INTENT_TO_ADD: u32 = 1 << 29;

/// Seconds and nanoseconds, as far as git notes them.
type Instant = (u32, u32);

/// Holds what git noted of a file whose content it has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FileNote {
    changed: Instant,
    modified: Instant,
    inode: u32,
    owner: (u32, u32),
    size: u32,
}

impl FileNote {
    /// Reads the lines that describe a file (`git ls-files --debug`). None where git did not note the file: it knows the name alone, or an empty size tells that it has to read it.
    pub fn read(text: &str) -> Option<Self> {
        let mut words = text.split([' ', '\t', '\n']).filter(|word| !word.is_empty());
        let mut value = |name: &str| {
            let is_next = words.next()? == name;
            words.next().filter(|_| is_next)
        };
        let time = |value: &str| {
            let (seconds, nanoseconds) = value.split_once(':')?;
            Some((seconds.parse().ok()?, nanoseconds.parse().ok()?))
        };
        let (changed, modified) = (time(value("ctime:")?)?, time(value("mtime:")?)?);
        let _device = value("dev:")?;
        let inode = value("ino:")?.parse().ok()?;
        let owner = (value("uid:")?.parse().ok()?, value("gid:")?.parse().ok()?);
        let size = value("size:")?.parse().ok().filter(|size| *size > 0)?;
        let flags = u32::from_str_radix(value("flags:")?, 16).ok()?;
        (flags & INTENT_TO_ADD == 0).then_some(Self { changed, modified, inode, owner, size })
    }

    /// Returns whether the file was not touched since it was noted, and its content was at rest by then: it was last changed before the
    /// index was written, at `written`, so that a later change has another time.
    ///
    /// This is git's own rule, with all that git notes besides the device. Who gives a file other bytes of the same number, and sets the
    /// clock back for it, deceives git as well.
    pub fn is_of(&self, found: &FileLook, written: IndexTime) -> bool {
        *self == Self::new(found) && found.modified.max(found.changed) < written.0
    }

    /// Returns whether a file has the noted size and time of modification.
    pub fn is_like(&self, found: &FileLook) -> bool {
        let found = Self::new(found);
        (self.size, self.modified) == (found.size, found.modified)
    }

    /// Shortens what is found as git does.
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "git keeps the lower 32 bits")]
    fn new(found: &FileLook) -> Self {
        let shortened = |(seconds, nanoseconds): (i64, u32)| (seconds as u32, nanoseconds);
        Self {
            changed: shortened(found.changed),
            modified: shortened(found.modified),
            inode: found.inode as u32,
            owner: found.owner,
            size: found.size as u32,
        }
    }
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

    use super::*;

    const NOTED: &str =
        "  ctime: 5:6\n  mtime: 3:4\n  dev: 64768\tino: 42\n  uid: 1000\tgid: 100\n  size: 7\tflags: 0\n";

    #[test]
    fn what_git_noted_is_read() {
        let note = FileNote { changed: (5, 6), modified: (3, 4), inode: 42, owner: (1000, 100), size: 7 };
        assert_eq!(FileNote::read(NOTED), Some(note));
    }

    #[test]
    fn what_git_has_to_read_itself_is_not_noted() {
        for (one, other) in [("flags: 0", "flags: 20000000"), ("size: 7", "size: 0"), ("ino: 42", "inode: 42")] {
            assert_eq!(FileNote::read(&NOTED.replace(one, other)), None, "{other}");
        }
        assert_eq!(FileNote::read(""), None);
    }

    #[test]
    fn each_part_of_a_note_counts_and_so_does_when_the_index_was_written() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("file");
        fs::write(&path, "content").unwrap();
        let stat = rustix::fs::stat(&path).unwrap();
        let found = FileLook::new(&stat);
        let note = FileNote::new(&found);
        let later = IndexTime((found.changed.0 + 1, 0));
        assert!(note.is_of(&found, later));
        // A change in the same moment would have the same time.
        assert!(!note.is_of(&found, IndexTime::new(&stat)));
        let changes: [fn(&mut FileNote); 6] = [
            |note| note.changed.1 ^= 1,
            |note| note.modified.1 ^= 1,
            |note| note.inode ^= 1,
            |note| note.owner.0 ^= 1,
            |note| note.owner.1 ^= 1,
            |note| note.size ^= 1,
        ];
        for change in changes {
            let mut other = note;
            change(&mut other);
            assert!(!other.is_of(&found, later), "{other:?}");
        }
    }
}
