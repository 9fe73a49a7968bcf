use std::collections::{BTreeMap, BTreeSet};
use std::os::fd::{AsFd, OwnedFd};

use artifacts_declared::Name;
use artifacts_ram::IrregularFile;
use artifacts_seam::Secret;
use rustix::fs::{AtFlags, Dir, FileType, Mode, fchmod, fstatvfs, statat};

use crate::error::GeneratorFailure;
use crate::job::OutputLimits;

/// Largest number of files and directories in `$out` while the generator runs.
const ENTRIES: u64 = 10_000;

/// Deepest nesting of directories in `$out`.
const LEVELS: u64 = 32;

/// Takes exactly the expected files. The generator is dead by now, so nothing changes under the hand.
pub(crate) fn collect(
    out: &OwnedFd,
    expected: &BTreeSet<Name>,
    limits: OutputLimits,
) -> Result<BTreeMap<Name, Secret>, GeneratorFailure> {
    // The generator may have locked the door.
    fchmod(out, Mode::RWXU)?;
    let found = names(out)?;
    if let Some(file) = expected.iter().find(|name| !found.contains(name.as_str())) {
        let (found, declared) = (found.into_iter().collect(), expected.iter().map(Name::to_string).collect());
        return Err(GeneratorFailure::Missing { file: file.clone(), found, expected: declared });
    }
    if let Some(name) = found.iter().find(|name| !expected.contains(name.as_str())) {
        let expected = expected.iter().map(Name::to_string).collect();
        return Err(GeneratorFailure::Extra { name: name.clone(), kind: kind(out, name), expected });
    }
    let mut left = limits.total;
    let mut files = BTreeMap::new();
    for name in expected {
        let bytes = read(out, name.as_str(), limits.file)
            .map_err(|fault| GeneratorFailure::File { file: name.clone(), fault })?;
        let size = bytes.size();
        left = left
            .checked_sub(size)
            .ok_or_else(|| GeneratorFailure::TooMuch { found: "more bytes".to_owned(), limit: limits.total })?;
        files.insert(name.clone(), bytes);
    }
    Ok(files)
}

fn read(out: &OwnedFd, name: &str, limit: u64) -> Result<Secret, IrregularFile> {
    match artifacts_ram::unlock(out, name) {
        // What is no regular file is named by the reading.
        Ok(()) | Err(IrregularFile::Io(_)) => {}
        Err(fault) => return Err(fault),
    }
    let mut bytes = artifacts_ram::read(out, name, limit)?;
    Ok(Secret::new(std::mem::take(&mut *bytes)))
}

fn names(out: &OwnedFd) -> Result<BTreeSet<String>, GeneratorFailure> {
    let mut names = BTreeSet::new();
    for entry in Dir::read_from(out)? {
        // A name that is not UTF-8 cannot be a declared one; it is shown as far as it can be.
        let name = entry?.file_name().to_string_lossy().into_owned();
        if name != "." && name != ".." {
            names.insert(name);
        }
    }
    Ok(names)
}

fn kind(out: &OwnedFd, name: &str) -> &'static str {
    match statat(out, name, AtFlags::SYMLINK_NOFOLLOW).map(|stat| FileType::from_raw_mode(stat.st_mode)) {
        Ok(FileType::RegularFile) => "the file",
        Ok(FileType::Directory) => "the directory",
        Ok(FileType::Symlink) => "the symbolic link",
        Ok(FileType::Fifo | FileType::Socket | FileType::BlockDevice | FileType::CharacterDevice) => "the special file",
        _ => "the entry",
    }
}

/// Checks how full `$out` is while the generator writes. What vanishes meanwhile is not counted.
pub(crate) fn watch(out: &OwnedFd, limits: OutputLimits) -> Result<(), GeneratorFailure> {
    let mut seen = OutputUsage::default();
    seen.dir(out, 0);
    let existing = fstatvfs(out)?;
    let block = existing.f_frsize;
    let occupied = existing.f_blocks.saturating_sub(existing.f_bfree).saturating_mul(block);
    // The rest of each file's last block is not the generator's.
    let padding = seen.entries.saturating_add(1).saturating_mul(block);
    for (found, unit, limit) in [
        (seen.bytes, "bytes", limits.total),
        // A deleted file that is still open has no name, and takes room all the same.
        (occupied.saturating_sub(padding), "bytes with deleted files", limits.total),
        (seen.entries, "entries", ENTRIES),
        (seen.levels, "directories inside each other", LEVELS),
    ] {
        if found > limit {
            return Err(GeneratorFailure::TooMuch { found: format!("{found} {unit}"), limit });
        }
    }
    Ok(())
}

#[derive(Default)]
struct OutputUsage {
    bytes: u64,
    entries: u64,
    levels: u64,
    /// Inodes of files with several hard links, each of which is counted once.
    linked: BTreeSet<u64>,
}

impl OutputUsage {
    fn dir(&mut self, dir: impl AsFd, level: u64) {
        self.levels = self.levels.max(level);
        let Ok(entries) = Dir::read_from(&dir) else { return };
        for entry in entries.flatten() {
            let name = entry.file_name();
            if name == c"." || name == c".." {
                continue;
            }
            self.entries += 1;
            if self.entries > ENTRIES || level > LEVELS {
                return;
            }
            let Ok(stat) = statat(&dir, name, AtFlags::SYMLINK_NOFOLLOW) else { continue };
            if FileType::from_raw_mode(stat.st_mode) == FileType::Directory {
                if let Some(inner) = name.to_str().ok().and_then(|name| artifacts_ram::open_dir(&dir, name).ok()) {
                    self.dir(inner, level + 1);
                }
            } else if stat.st_nlink < 2 || self.linked.insert(stat.st_ino) {
                // What it holds: a hole takes no room, and the rest of the last page is not the generator's.
                let occupied = u64::try_from(stat.st_blocks).unwrap_or(0) * 512;
                self.bytes += occupied.min(u64::try_from(stat.st_size).unwrap_or(0));
            }
        }
    }
}
