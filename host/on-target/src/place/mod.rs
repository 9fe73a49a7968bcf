//! Putting files into their places that are made on the target.
//!
//! Their bytes are in RAM, one directory an artifact, which appears there whole, in one rename. Where a file was declared to
//! be, a link leads to it. Anyone who is stopped half-way leaves an artifact as it was, or whole; the next run repairs the rest.

mod clean;
mod error;
mod read;
mod record;
mod walk;

use std::collections::{BTreeMap, BTreeSet};
use std::ffi::OsStr;
use std::fs::File;
use std::io::{self, Read, Write};
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use artifacts_declared::Name;
use rustix::fs::{
    AtFlags, Dir, FileType, FlockOperation, Gid, Mode, OFlags, RenameFlags, Uid, fchmod, fchown, flock, fstat, mkdirat,
    openat, readlinkat, renameat, renameat_with, statat, symlinkat, unlinkat,
};
use rustix::io::Errno;
use zeroize::Zeroizing;

pub use error::PlaceError;
pub use read::read;

use crate::ram::in_ram;
use crate::regular;
use walk::ours;
pub(crate) use walk::walk;

/// The directory of the artifacts that are there, and that of those which are being made.
const NOW: &str = "now";
const NEW: &str = "new";
/// The directory of notes where links to them are.
const LINKS: &str = "links";
/// The directory of the names of artifacts that are made of something that was regenerated since.
const OUTDATED: &str = "outdated";
/// A link before it takes its place. The lock keeps it single.
const NEW_LINK: &str = ".artifacts-new";

const DIR: OFlags = OFlags::RDONLY.union(OFlags::DIRECTORY).union(OFlags::NOFOLLOW).union(OFlags::CLOEXEC);

/// Who may read a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FilePermissions {
    /// Its mode: the lower 12 bits.
    pub mode: u32,
    /// Its owner.
    pub user: u32,
    /// Its group.
    pub group: u32,
}

/// The directory in RAM with the bytes, and the farm of links.
pub struct DeployDir {
    path: PathBuf,
    links: PathBuf,
    bytes: OwnedFd,
    step: Box<dyn Fn(&'static str) -> io::Result<()>>,
}

/// Is told of each thing before it is done to the file system.
type Step<'a> = &'a dyn Fn(&'static str) -> io::Result<()>;

impl DeployDir {
    /// Opens the directory for the bytes and that of the links, and makes what is missing. Both must belong to the caller alone.
    ///
    /// # Errors
    /// When one of them is another user's, or a link, or the first one is not in RAM.
    pub fn open(bytes: &Path, links: &Path) -> Result<Self, PlaceError> {
        Self::open_with_steps(bytes, links, |_| Ok(()))
    }

    /// Calls `step` before each thing that is done to the file system; an error ends it there. For tests of crash safety.
    ///
    /// # Errors
    /// As [`DeployDir::open`].
    pub fn open_with_steps(
        bytes: &Path,
        links: &Path,
        step: impl Fn(&'static str) -> io::Result<()> + 'static,
    ) -> Result<Self, PlaceError> {
        own(links, &step)?;
        let dir = own(bytes, &step)?;
        if !in_ram(&dir).map_err(|why| at(bytes, why))? {
            return Err(PlaceError::OnDisk { path: bytes.to_owned() });
        }
        for (name, mode) in [(NOW, 0o711), (NEW, 0o711), (LINKS, 0o700), (OUTDATED, 0o700)] {
            let made = make(&dir, name, mode, &step).and_then(|made| settle_mode(&made, mode, &step));
            made.map_err(|why| at(&bytes.join(name), why))?;
        }
        Ok(Self { path: bytes.to_owned(), links: links.to_owned(), bytes: dir, step: Box::new(step) })
    }

    /// Keeps others who use this farm waiting until the value is dropped.
    ///
    /// # Errors
    /// When the system refuses it.
    pub fn lock(&self) -> Result<Lock, PlaceError> {
        let lock = openat(&self.bytes, ".", DIR, Mode::empty()).map_err(|why| at(&self.path, why))?;
        loop {
            match flock(&lock, FlockOperation::LockExclusive) {
                Ok(()) => return Ok(Lock(lock)),
                Err(Errno::INTR) => {}
                Err(why) => return Err(at(&self.path, why)),
            }
        }
    }

    /// The names of an artifact's files; `None` when the artifact is not there.
    ///
    /// # Errors
    /// When what is there is no directory of regular files.
    pub fn files(&self, artifact: &Name) -> Result<Option<BTreeSet<String>>, PlaceError> {
        let Some(dir) = self.artifact_dir(artifact)? else { return Ok(None) };
        let path = self.artifact_path(artifact);
        let mut names = BTreeSet::new();
        for entry in entries(&dir).map_err(|why| at(&path, why))? {
            self.open_file(&dir, artifact, OsStr::from_bytes(&entry))?;
            names.insert(String::from_utf8_lossy(&entry).into_owned());
        }
        Ok(Some(names))
    }

    /// The bytes of a file.
    ///
    /// # Errors
    /// When it is not there.
    pub fn read(&self, artifact: &Name, file: &Name) -> Result<Zeroizing<Vec<u8>>, PlaceError> {
        let path = self.artifact_path(artifact).join(file.as_str());
        let dir = self.artifact_dir(artifact)?.ok_or_else(|| at(&path, Errno::NOENT))?;
        let mut bytes = Zeroizing::new(Vec::new());
        let mut open = File::from(self.open_file(&dir, artifact, OsStr::new(file.as_str()))?);
        open.read_to_end(&mut bytes).map_err(|why| at(&path, why))?;
        Ok(bytes)
    }

    /// Puts an artifact there whole, in the place of what was there.
    ///
    /// # Errors
    /// When the system refuses something; the artifact is then as it was.
    pub fn put(
        &self,
        _: &Lock,
        artifact: &Name,
        files: &BTreeMap<Name, (&[u8], FilePermissions)>,
    ) -> Result<(), PlaceError> {
        let path = self.path.join(NEW).join(artifact.as_str());
        self.try_put(artifact, files).map_err(|why| at(&path, why))?;
        self.forget_outdated(artifact.as_str())
    }

    /// Notes that what an artifact is made of is about to be regenerated. It holds until the artifact is put there again, however
    /// often that fails.
    ///
    /// # Errors
    /// When the system refuses it.
    pub fn outdate(&self, _: &Lock, artifact: &Name) -> Result<(), PlaceError> {
        let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let noted = self.outdated().and_then(|notes| openat(notes, artifact.as_str(), flags, Mode::RUSR | Mode::WUSR));
        noted.map(drop).map_err(|why| at(&self.path.join(OUTDATED).join(artifact.as_str()), why))
    }

    /// Whether an artifact is made of something that was regenerated since.
    ///
    /// # Errors
    /// When it cannot be seen.
    pub fn is_outdated(&self, artifact: &Name) -> Result<bool, PlaceError> {
        let noted =
            self.outdated().and_then(|notes| rustix::fs::statat(notes, artifact.as_str(), AtFlags::SYMLINK_NOFOLLOW));
        match noted {
            Ok(_) => Ok(true),
            Err(Errno::NOENT) => Ok(false),
            Err(why) => Err(at(&self.path.join(OUTDATED).join(artifact.as_str()), why)),
        }
    }

    fn forget_outdated(&self, artifact: &str) -> Result<(), PlaceError> {
        match self.outdated().and_then(|notes| unlinkat(notes, artifact, AtFlags::empty())) {
            Ok(()) | Err(Errno::NOENT) => Ok(()),
            Err(why) => Err(at(&self.path.join(OUTDATED).join(artifact), why)),
        }
    }

    fn outdated(&self) -> Result<OwnedFd, Errno> {
        openat(&self.bytes, OUTDATED, DIR, Mode::empty())
    }

    fn try_put(&self, artifact: &Name, files: &BTreeMap<Name, (&[u8], FilePermissions)>) -> io::Result<()> {
        let new = openat(&self.bytes, NEW, DIR, Mode::empty())?;
        let now = openat(&self.bytes, NOW, DIR, Mode::empty())?;
        self.remove(&new, artifact.as_str())?;
        let dir = make(&new, artifact.as_str(), 0o700, &self.step)?;
        for (name, (bytes, access)) in files {
            self.write(&dir, name, bytes, *access)?;
        }
        (self.step)("open the directory to others")?;
        fchmod(&dir, Mode::from_raw_mode(0o711))?;
        (self.step)("put the directory in place")?;
        match renameat_with(&new, artifact.as_str(), &now, artifact.as_str(), RenameFlags::NOREPLACE) {
            Err(Errno::EXIST) => {
                renameat_with(&new, artifact.as_str(), &now, artifact.as_str(), RenameFlags::EXCHANGE)?;
                self.remove(&new, artifact.as_str())
            }
            done => Ok(done?),
        }
    }

    fn write(&self, dir: &OwnedFd, name: &Name, bytes: &[u8], access: FilePermissions) -> io::Result<()> {
        (self.step)("make a file")?;
        let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let file = openat(dir, name.as_str(), flags, Mode::RUSR | Mode::WUSR)?;
        let mut file = File::from(file);
        (self.step)("write a file")?;
        file.write_all(bytes)?;
        (self.step)("give a file away")?;
        give(&file, access)
    }

    /// Removes a directory of files that is no longer, or not yet, in place.
    fn remove(&self, from: &OwnedFd, artifact: &str) -> io::Result<()> {
        let dir = match openat(from, artifact, DIR, Mode::empty()) {
            Ok(dir) => dir,
            Err(Errno::NOENT) => return Ok(()),
            Err(why) => return Err(why.into()),
        };
        for entry in entries(&dir)? {
            (self.step)("remove an old file")?;
            unlinkat(&dir, OsStr::from_bytes(&entry), AtFlags::empty())?;
        }
        (self.step)("remove the old directory")?;
        Ok(unlinkat(from, artifact, AtFlags::REMOVEDIR)?)
    }

    /// Gives a file that is there its mode, owner and group. Whether anything differed.
    ///
    /// # Errors
    /// When it is not there, or the system refuses it.
    pub fn settle(&self, _: &Lock, artifact: &Name, file: &Name, access: FilePermissions) -> Result<bool, PlaceError> {
        let path = self.artifact_path(artifact).join(file.as_str());
        let dir = self.artifact_dir(artifact)?.ok_or_else(|| at(&path, Errno::NOENT))?;
        let open = File::from(self.open_file(&dir, artifact, OsStr::new(file.as_str()))?);
        let stat = fstat(&open).map_err(|why| at(&path, why))?;
        let found = FilePermissions { mode: stat.st_mode & 0o7777, user: stat.st_uid, group: stat.st_gid };
        if found == access {
            return Ok(false);
        }
        (self.step)("give a file away").and_then(|()| give(&open, access)).map_err(|why| at(&path, why))?;
        Ok(true)
    }

    /// Makes a link at `path` that leads to a file. Whether anything changed. Other links are replaced, nothing else is.
    ///
    /// # Errors
    /// When something else is there, or someone could lead us elsewhere.
    pub fn link(&self, _: &Lock, artifact: &Name, file: &Name, path: &Path) -> Result<bool, PlaceError> {
        let to = self.artifact_path(artifact).join(file.as_str());
        let (Some(parent), Some(name)) = (path.parent(), path.file_name()) else {
            return Err(at(path, Errno::INVAL));
        };
        let dir = walk(parent, true)?;
        self.record_link(artifact.as_str(), path)?;
        match readlinkat(&dir, name, Vec::new()) {
            Ok(found) if found.to_bytes() == to.as_os_str().as_bytes() => return Ok(false),
            Ok(_) | Err(Errno::NOENT) => {}
            Err(Errno::INVAL) => return Err(occupied(&dir, name, path)),
            Err(why) => return Err(at(path, why)),
        }
        self.replace_link(&dir, name, &to).map_err(|why| at(path, why))?;
        Ok(true)
    }

    fn replace_link(&self, dir: &OwnedFd, name: &OsStr, to: &Path) -> io::Result<()> {
        match unlinkat(dir, NEW_LINK, AtFlags::empty()) {
            Ok(()) | Err(Errno::NOENT) => {}
            Err(why) => return Err(why.into()),
        }
        (self.step)("make a link")?;
        symlinkat(to, dir, NEW_LINK)?;
        (self.step)("put a link in place")?;
        Ok(renameat(dir, NEW_LINK, dir, name)?)
    }

    /// Where an artifact's files are.
    fn artifact_path(&self, artifact: &Name) -> PathBuf {
        self.path.join(NOW).join(artifact.as_str())
    }

    fn artifact_dir(&self, artifact: &Name) -> Result<Option<OwnedFd>, PlaceError> {
        let path = self.artifact_path(artifact);
        let now = openat(&self.bytes, NOW, DIR, Mode::empty()).map_err(|why| at(&path, why))?;
        match openat(&now, artifact.as_str(), DIR, Mode::empty()) {
            Ok(dir) => Ok(Some(dir)),
            Err(Errno::NOENT) => Ok(None),
            Err(Errno::NOTDIR | Errno::LOOP) => Err(PlaceError::Planted { path, expected: "a directory of files" }),
            Err(why) => Err(at(&path, why)),
        }
    }

    /// A regular file with one name, never waited for.
    fn open_file(&self, dir: &OwnedFd, artifact: &Name, name: &OsStr) -> Result<OwnedFd, PlaceError> {
        let path = self.artifact_path(artifact).join(name);
        match regular::open(dir, name).map_err(|why| at(&path, why))? {
            Some((file, stat)) if stat.st_nlink == 1 => Ok(file),
            _ => Err(PlaceError::Planted { path, expected: "a regular file with one name" }),
        }
    }
}

/// Holds others off while it lives.
#[derive(Debug)]
pub struct Lock(#[expect(dead_code, reason = "the descriptor holds the lock")] OwnedFd);

fn at(path: &Path, why: impl Into<io::Error>) -> PlaceError {
    PlaceError::Path { path: path.to_owned(), why: why.into() }
}

/// Opens a directory that must be the caller's own, and makes it when it is not there.
fn own(path: &Path, step: Step<'_>) -> Result<OwnedFd, PlaceError> {
    let (Some(parent), Some(name)) = (path.parent(), path.file_name()) else { return Err(at(path, Errno::INVAL)) };
    let above = walk(parent, true)?;
    let foreign = |found: String| PlaceError::Foreign { path: path.to_owned(), found };
    let dir = make(&above, name, 0o755, step).map_err(|why| match Errno::from_io_error(&why) {
        Some(Errno::NOTDIR | Errno::LOOP) => foreign("something else".to_owned()),
        _ => at(path, why),
    })?;
    let stat = fstat(&dir).map_err(|why| at(path, why))?;
    let mode = stat.st_mode & 0o7777;
    if !ours(&stat) || mode & 0o022 != 0 {
        return Err(foreign(format!("mode {mode:04o} and owner {}", stat.st_uid)));
    }
    // Anyone who made it may have been stopped before they opened it to others.
    if mode & !0o755 == 0 {
        settle_mode(&dir, 0o755, step).map_err(|why| at(path, why))?;
    }
    Ok(dir)
}

/// Makes a directory, unless it is there, and opens it without following a link.
fn make(within: impl AsFd, name: impl rustix::path::Arg + Copy, mode: u32, step: Step<'_>) -> io::Result<OwnedFd> {
    if statat(&within, name, AtFlags::SYMLINK_NOFOLLOW).err() == Some(Errno::NOENT) {
        step("make a directory")?;
        match mkdirat(&within, name, Mode::from_raw_mode(mode)) {
            Ok(()) => {
                let dir = openat(&within, name, DIR, Mode::empty())?;
                // Whatever the caller's mask says.
                settle_mode(&dir, mode, step)?;
                return Ok(dir);
            }
            Err(Errno::EXIST) => {}
            Err(why) => return Err(why.into()),
        }
    }
    Ok(openat(&within, name, DIR, Mode::empty())?)
}

/// Gives a directory of our own its mode: anyone who made it may have been stopped before they did.
fn settle_mode(dir: &OwnedFd, mode: u32, step: Step<'_>) -> io::Result<()> {
    let stat = fstat(dir)?;
    if stat.st_mode & 0o7777 != mode && ours(&stat) {
        step("give a directory its mode")?;
        fchmod(dir, Mode::from_raw_mode(mode))?;
    }
    Ok(())
}

fn give(file: &File, access: FilePermissions) -> io::Result<()> {
    fchown(file, Some(Uid::from_raw(access.user)), Some(Gid::from_raw(access.group)))?;
    // Last, since giving a file away takes some of its mode.
    Ok(fchmod(file, Mode::from_raw_mode(access.mode))?)
}

fn entries(dir: &OwnedFd) -> io::Result<Vec<Vec<u8>>> {
    let mut names = Vec::new();
    for entry in Dir::read_from(dir)? {
        let name = entry?.file_name().to_bytes().to_vec();
        if name != b"." && name != b".." {
            names.push(name);
        }
    }
    Ok(names)
}

fn occupied(dir: &OwnedFd, name: &OsStr, path: &Path) -> PlaceError {
    let kind = rustix::fs::statat(dir, name, AtFlags::SYMLINK_NOFOLLOW).map(|s| FileType::from_raw_mode(s.st_mode));
    let found = match kind {
        Ok(FileType::RegularFile) => "a file",
        Ok(FileType::Directory) => "a directory",
        _ => "something else",
    };
    PlaceError::Occupied { path: path.to_owned(), found }
}
