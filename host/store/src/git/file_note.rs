//! What git notes of a file in the working tree when it reads it: whether it changed since is told without reading it again.

use artifacts_digest::Hasher;

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

    /// Adds it to a digest, under the name of its file.
    pub fn hash(&self, name: &str, hasher: &mut Hasher) {
        let Self { changed, modified, inode, owner, size } = *self;
        hasher.update_part(name);
        for number in [changed.0, changed.1, modified.0, modified.1, inode, owner.0, owner.1, size] {
            hasher.update(number.to_le_bytes());
        }
    }

    /// Returns whether a file has the noted size and time of modification.
    pub fn is_like(&self, found: &FileLook) -> bool {
        let found = Self::new(found);
        (self.size, self.modified) == (found.size, found.modified)
    }

    /// Shortens what is found as git does.
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "git keeps the lower 32 bits")]
    pub fn new(found: &FileLook) -> Self {
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

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
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
    fn each_part_of_a_note_counts() {
        let note = FileNote::read(NOTED).unwrap();
        let hashed = |note: &FileNote, name: &str| {
            let mut hasher = Hasher::new();
            note.hash(name, &mut hasher);
            hasher.finish()
        };
        let changes: [fn(&mut FileNote); 8] = [
            |note| note.changed.0 ^= 1,
            |note| note.changed.1 ^= 1,
            |note| note.modified.0 ^= 1,
            |note| note.modified.1 ^= 1,
            |note| note.inode ^= 1,
            |note| note.owner.0 ^= 1,
            |note| note.owner.1 ^= 1,
            |note| note.size ^= 1,
        ];
        for change in changes {
            let mut other = note;
            change(&mut other);
            assert_ne!(hashed(&other, "file"), hashed(&note, "file"), "{other:?}");
        }
        assert_ne!(hashed(&note, "other"), hashed(&note, "file"));
    }
}
