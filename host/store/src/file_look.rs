use artifacts_digest::Hasher;
use rustix::fs::Stat;

/// Describes a regular file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct FileLook {
    pub device: u64,
    pub inode: u64,
    /// Size, in bytes.
    pub size: u64,
    pub mode: u32,
    /// User and group.
    pub owner: (u32, u32),
    /// When its bytes were written, in seconds since 1970 and nanoseconds.
    pub modified: (i64, u32),
    /// When anything about it was changed: the kernel's clock, which no one can set for one file.
    pub changed: (i64, u32),
}

impl FileLook {
    pub fn new(found: &Stat) -> Self {
        Self {
            device: found.st_dev,
            inode: found.st_ino,
            size: u64::try_from(found.st_size).unwrap_or(0),
            mode: found.st_mode,
            owner: (found.st_uid, found.st_gid),
            modified: (found.st_mtime, nanoseconds(found.st_mtime_nsec)),
            changed: (found.st_ctime, nanoseconds(found.st_ctime_nsec)),
        }
    }

    /// Returns whether its owner may execute it.
    pub fn is_executable(&self) -> bool {
        self.mode & 0o100 != 0
    }

    /// Hashes all of it.
    pub fn hash(&self, hasher: &mut Hasher) {
        let Self { device, inode, size, mode, owner, modified, changed } = *self;
        for number in [device, inode, size] {
            hasher.update(number.to_le_bytes());
        }
        for (seconds, nanoseconds) in [modified, changed] {
            hasher.update(seconds.to_le_bytes());
            hasher.update(nanoseconds.to_le_bytes());
        }
        for number in [mode, owner.0, owner.1] {
            hasher.update(number.to_le_bytes());
        }
    }
}

fn nanoseconds(value: impl TryInto<u32>) -> u32 {
    value.try_into().unwrap_or(u32::MAX)
}
