//! What is kept between runs in a folder that only this user can write: compiled code, and what components answered.
//!
//! Code in it is native code that will run. So the folder has to be a real folder of this user with no rights for others, an
//! entry a regular file of the same kind, and each entry begins with a digest over its key and its content: one that was spoiled
//! or moved to another key counts as none.

use std::fs::{self, File};
use std::io::{self, Read, Write};
use std::os::fd::{AsFd, OwnedFd};
use std::path::Path;

use artifacts_digest::Hasher;
use rustix::fs::{AtFlags, FileType, Mode, OFlags, Stat, fstat, openat, renameat, unlinkat};

use artifacts_seam::frame::LARGEST_CODE;

const DIGEST: usize = 32;

pub(crate) struct KeptFiles {
    folder: OwnedFd,
}

impl KeptFiles {
    /// The files in this folder, which is made if need be; `None` when it cannot be trusted.
    pub(crate) fn open(path: &Path) -> Option<Self> {
        if !path.exists() {
            make(path).ok()?;
        }
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let folder = rustix::fs::open(path, flags, Mode::empty()).ok()?;
        own(&fstat(&folder).ok()?, FileType::Directory).then_some(Self { folder })
    }

    /// What was kept under this key, if it is there as it was.
    pub(crate) fn get(&self, key: &str) -> Option<Vec<u8>> {
        let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
        let file = openat(&self.folder, key, flags, Mode::empty()).ok()?;
        let stat = fstat(&file).ok()?;
        if !own(&stat, FileType::RegularFile) || stat.st_nlink != 1 {
            return None;
        }
        let mut entry = Vec::new();
        File::from(file).take((LARGEST_CODE + DIGEST) as u64).read_to_end(&mut entry).ok()?;
        let code = entry.split_off(DIGEST.min(entry.len()));
        (entry == digest(key, &code)).then_some(code)
    }

    /// Keeps something. That it cannot be kept is no matter.
    pub(crate) fn put(&self, key: &str, code: &[u8]) {
        let new = format!("{key}.{}", std::process::id());
        if self.write(&new, key, code).and_then(|()| Ok(renameat(&self.folder, &new, &self.folder, key)?)).is_err() {
            let _ = unlinkat(&self.folder, &new, AtFlags::empty());
        }
    }

    fn write(&self, name: &str, key: &str, code: &[u8]) -> io::Result<()> {
        let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let mut file = File::from(openat(self.folder.as_fd(), name, flags, Mode::RUSR | Mode::WUSR)?);
        file.write_all(&digest(key, code))?;
        file.write_all(code)
    }
}

fn make(path: &Path) -> io::Result<()> {
    use std::os::unix::fs::DirBuilderExt;
    // Whose home it is: root makes no folder in somebody else's.
    let home = path.ancestors().find(|folder| folder.exists()).unwrap_or(Path::new("/"));
    let owner = std::os::unix::fs::MetadataExt::uid(&fs::metadata(home)?);
    if owner != rustix::process::geteuid().as_raw() {
        return Err(io::Error::other("the folder above is somebody else's"));
    }
    fs::DirBuilder::new().recursive(true).mode(0o700).create(path)
}

fn own(stat: &Stat, kind: FileType) -> bool {
    FileType::from_raw_mode(stat.st_mode) == kind
        && stat.st_uid == rustix::process::geteuid().as_raw()
        && Mode::from_raw_mode(stat.st_mode) & (Mode::RWXG | Mode::RWXO) == Mode::empty()
}

fn digest(key: &str, code: &[u8]) -> [u8; DIGEST] {
    let mut hasher = Hasher::new();
    hasher.update(key);
    hasher.update([0]);
    hasher.update(code);
    hasher.finish().0
}
