//! Putting files into their places that are made on the target.
//!
//! Their bytes lie in RAM, one folder an artifact, which appears there whole, in one rename. Where a file was declared to
//! be, a link leads to it. Whoever is stopped half-way leaves an artifact as it was, or whole; the next run mends the rest.

mod clean;
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
use artifacts_text::Explain;
use rustix::fs::{
    AtFlags, Dir, FileType, FlockOperation, Gid, Mode, OFlags, RenameFlags, Uid, fchmod, fchown, flock, fstat, mkdirat,
    openat, readlinkat, renameat, renameat_with, statat, symlinkat, unlinkat,
};
use rustix::io::Errno;
use zeroize::Zeroizing;

pub use read::read;

use crate::ram::in_ram;
use crate::regular;
use walk::ours;
pub(crate) use walk::walk;

/// The folder of the artifacts that are there, and that of those which are being made.
const NOW: &str = "now";
const NEW: &str = "new";
/// The folder of notes where links to them are.
const LINKS: &str = "links";
/// The folder of the names of artifacts that are made of something that was made anew since.
const OUTDATED: &str = "outdated";
/// A link before it takes its place. The lock keeps it single.
const NEW_LINK: &str = ".artifacts-new";

const FOLDER: OFlags = OFlags::RDONLY.union(OFlags::DIRECTORY).union(OFlags::NOFOLLOW).union(OFlags::CLOEXEC);

/// Why files could not be put into their places.
#[derive(Debug, thiserror::Error)]
pub enum PlaceError {
    /// The system refused something.
    #[error("{}: {why}", .path.display())]
    Path {
        /// What it was about.
        path: PathBuf,
        /// The system's word.
        why: io::Error,
    },
    /// Somebody else could lead us elsewhere.
    #[error("{}: `{}` on the way there is a link that somebody else made or could replace", .path.display(), .name.escape_debug())]
    Astray {
        /// Where it should go.
        path: PathBuf,
        /// The link.
        name: String,
    },
    /// A folder that must be ours alone is not.
    #[error("{} is refused: expected a folder that belongs to this user and that nobody else can write to, found {found}", .path.display())]
    Foreign {
        /// The folder.
        path: PathBuf,
        /// What it is.
        found: String,
    },
    /// Bytes of secrets would outlive the boot.
    #[error("{} is refused: expected a folder in RAM (tmpfs or ramfs)", .path.display())]
    OnDisk {
        /// The folder.
        path: PathBuf,
    },
    /// What is there is not what is read.
    #[error("{} is not read: expected a regular file with one name and at most {largest} bytes, found {found}", .path.display())]
    Unfit {
        /// The place.
        path: PathBuf,
        /// The most that is read, in bytes.
        largest: u64,
        /// What is there.
        found: String,
    },
    /// Something is among the bytes that was not put there by us.
    #[error("{} is refused: expected {expected}, found something else", .path.display())]
    Planted {
        /// The place.
        path: PathBuf,
        /// What should be there.
        expected: &'static str,
    },
    /// Something is there that is not ours.
    #[error("{} is not replaced: expected nothing or a link, found {found}", .path.display())]
    Occupied {
        /// The place.
        path: PathBuf,
        /// What is there.
        found: &'static str,
    },
}

impl Explain for PlaceError {
    fn kind(&self) -> &'static str {
        "deploy"
    }

    fn hint(&self) -> Option<String> {
        let hint = match self {
            Self::Path { .. } => None,
            Self::Unfit { .. } => Some("find out who put it there, then let it be placed anew"),
            Self::Astray { .. } => Some("put the file into a folder that belongs to root"),
            Self::Foreign { .. } | Self::Planted { .. } => Some("find out who made it, then remove it"),
            Self::OnDisk { .. } => Some("mount a tmpfs there"),
            Self::Occupied { .. } => Some("look at it, then move it away; or give the file another path"),
        };
        hint.map(str::to_owned)
    }
}

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

/// The folder in RAM with the bytes, and the farm of links.
pub struct DeployDir {
    path: PathBuf,
    links: PathBuf,
    bytes: OwnedFd,
    step: Box<dyn Fn(&'static str) -> io::Result<()>>,
}

/// Is told of each thing before it is done to the file system.
type Step<'a> = &'a dyn Fn(&'static str) -> io::Result<()>;

impl DeployDir {
    /// Opens the folder for the bytes and that of the links, and makes what is missing. Both must belong to the caller alone.
    ///
    /// # Errors
    /// When one of them is somebody else's, or a link, or the first one is not in RAM.
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
        let folder = own(bytes, &step)?;
        if !in_ram(&folder).map_err(|why| at(bytes, why))? {
            return Err(PlaceError::OnDisk { path: bytes.to_owned() });
        }
        for (name, mode) in [(NOW, 0o711), (NEW, 0o711), (LINKS, 0o700), (OUTDATED, 0o700)] {
            let made = make(&folder, name, mode, &step).and_then(|made| settle_mode(&made, mode, &step));
            made.map_err(|why| at(&bytes.join(name), why))?;
        }
        Ok(Self { path: bytes.to_owned(), links: links.to_owned(), bytes: folder, step: Box::new(step) })
    }

    /// Keeps others who use this farm waiting until the value is dropped.
    ///
    /// # Errors
    /// When the system refuses it.
    pub fn lock(&self) -> Result<Lock, PlaceError> {
        let lock = openat(&self.bytes, ".", FOLDER, Mode::empty()).map_err(|why| at(&self.path, why))?;
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
    /// When what is there is no folder of regular files.
    pub fn files(&self, artifact: &Name) -> Result<Option<BTreeSet<String>>, PlaceError> {
        let Some(folder) = self.artifact_dir(artifact)? else { return Ok(None) };
        let path = self.slice_path(artifact);
        let mut names = BTreeSet::new();
        for entry in entries(&folder).map_err(|why| at(&path, why))? {
            self.open_file(&folder, artifact, OsStr::from_bytes(&entry))?;
            names.insert(String::from_utf8_lossy(&entry).into_owned());
        }
        Ok(Some(names))
    }

    /// The bytes of a file.
    ///
    /// # Errors
    /// When it is not there.
    pub fn read(&self, artifact: &Name, file: &Name) -> Result<Zeroizing<Vec<u8>>, PlaceError> {
        let path = self.slice_path(artifact).join(file.as_str());
        let folder = self.artifact_dir(artifact)?.ok_or_else(|| at(&path, Errno::NOENT))?;
        let mut bytes = Zeroizing::new(Vec::new());
        let mut open = File::from(self.open_file(&folder, artifact, OsStr::new(file.as_str()))?);
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

    /// Notes that what an artifact is made of is about to be made anew. It holds until the artifact is put there again, however
    /// often that fails.
    ///
    /// # Errors
    /// When the system refuses it.
    pub fn outdate(&self, _: &Lock, artifact: &Name) -> Result<(), PlaceError> {
        let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let noted = self.outdated().and_then(|notes| openat(notes, artifact.as_str(), flags, Mode::RUSR | Mode::WUSR));
        noted.map(drop).map_err(|why| at(&self.path.join(OUTDATED).join(artifact.as_str()), why))
    }

    /// Whether an artifact is made of something that was made anew since.
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
        openat(&self.bytes, OUTDATED, FOLDER, Mode::empty())
    }

    fn try_put(&self, artifact: &Name, files: &BTreeMap<Name, (&[u8], FilePermissions)>) -> io::Result<()> {
        let new = openat(&self.bytes, NEW, FOLDER, Mode::empty())?;
        let now = openat(&self.bytes, NOW, FOLDER, Mode::empty())?;
        self.remove(&new, artifact.as_str())?;
        let folder = make(&new, artifact.as_str(), 0o700, &self.step)?;
        for (name, (bytes, access)) in files {
            self.write(&folder, name, bytes, *access)?;
        }
        (self.step)("open the folder to others")?;
        fchmod(&folder, Mode::from_raw_mode(0o711))?;
        (self.step)("put the folder in place")?;
        match renameat_with(&new, artifact.as_str(), &now, artifact.as_str(), RenameFlags::NOREPLACE) {
            Err(Errno::EXIST) => {
                renameat_with(&new, artifact.as_str(), &now, artifact.as_str(), RenameFlags::EXCHANGE)?;
                self.remove(&new, artifact.as_str())
            }
            done => Ok(done?),
        }
    }

    fn write(&self, folder: &OwnedFd, name: &Name, bytes: &[u8], access: FilePermissions) -> io::Result<()> {
        (self.step)("make a file")?;
        let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let file = openat(folder, name.as_str(), flags, Mode::RUSR | Mode::WUSR)?;
        let mut file = File::from(file);
        (self.step)("write a file")?;
        file.write_all(bytes)?;
        (self.step)("give a file away")?;
        give(&file, access)
    }

    /// Removes a folder of files that is no longer, or not yet, in place.
    fn remove(&self, from: &OwnedFd, artifact: &str) -> io::Result<()> {
        let folder = match openat(from, artifact, FOLDER, Mode::empty()) {
            Ok(folder) => folder,
            Err(Errno::NOENT) => return Ok(()),
            Err(why) => return Err(why.into()),
        };
        for entry in entries(&folder)? {
            (self.step)("remove an old file")?;
            unlinkat(&folder, OsStr::from_bytes(&entry), AtFlags::empty())?;
        }
        (self.step)("remove the old folder")?;
        Ok(unlinkat(from, artifact, AtFlags::REMOVEDIR)?)
    }

    /// Gives a file that is there its mode, owner and group. Whether anything differed.
    ///
    /// # Errors
    /// When it is not there, or the system refuses it.
    pub fn settle(&self, _: &Lock, artifact: &Name, file: &Name, access: FilePermissions) -> Result<bool, PlaceError> {
        let path = self.slice_path(artifact).join(file.as_str());
        let folder = self.artifact_dir(artifact)?.ok_or_else(|| at(&path, Errno::NOENT))?;
        let open = File::from(self.open_file(&folder, artifact, OsStr::new(file.as_str()))?);
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
    /// When something else is there, or somebody could lead us elsewhere.
    pub fn link(&self, _: &Lock, artifact: &Name, file: &Name, path: &Path) -> Result<bool, PlaceError> {
        let to = self.slice_path(artifact).join(file.as_str());
        let (Some(parent), Some(name)) = (path.parent(), path.file_name()) else {
            return Err(at(path, Errno::INVAL));
        };
        let folder = walk(parent, true)?;
        self.record_link(artifact.as_str(), path)?;
        match readlinkat(&folder, name, Vec::new()) {
            Ok(found) if found.to_bytes() == to.as_os_str().as_bytes() => return Ok(false),
            Ok(_) | Err(Errno::NOENT) => {}
            Err(Errno::INVAL) => return Err(occupied(&folder, name, path)),
            Err(why) => return Err(at(path, why)),
        }
        self.replace_link(&folder, name, &to).map_err(|why| at(path, why))?;
        Ok(true)
    }

    fn replace_link(&self, folder: &OwnedFd, name: &OsStr, to: &Path) -> io::Result<()> {
        match unlinkat(folder, NEW_LINK, AtFlags::empty()) {
            Ok(()) | Err(Errno::NOENT) => {}
            Err(why) => return Err(why.into()),
        }
        (self.step)("make a link")?;
        symlinkat(to, folder, NEW_LINK)?;
        (self.step)("put a link in place")?;
        Ok(renameat(folder, NEW_LINK, folder, name)?)
    }

    /// Where an artifact's files are.
    fn slice_path(&self, artifact: &Name) -> PathBuf {
        self.path.join(NOW).join(artifact.as_str())
    }

    fn artifact_dir(&self, artifact: &Name) -> Result<Option<OwnedFd>, PlaceError> {
        let path = self.slice_path(artifact);
        let now = openat(&self.bytes, NOW, FOLDER, Mode::empty()).map_err(|why| at(&path, why))?;
        match openat(&now, artifact.as_str(), FOLDER, Mode::empty()) {
            Ok(folder) => Ok(Some(folder)),
            Err(Errno::NOENT) => Ok(None),
            Err(Errno::NOTDIR | Errno::LOOP) => Err(PlaceError::Planted { path, expected: "a folder of files" }),
            Err(why) => Err(at(&path, why)),
        }
    }

    /// A regular file with one name, never waited for.
    fn open_file(&self, folder: &OwnedFd, artifact: &Name, name: &OsStr) -> Result<OwnedFd, PlaceError> {
        let path = self.slice_path(artifact).join(name);
        match regular::open(folder, name).map_err(|why| at(&path, why))? {
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

/// Opens a folder that must be the caller's own, and makes it when it is not there.
fn own(path: &Path, step: Step<'_>) -> Result<OwnedFd, PlaceError> {
    let (Some(parent), Some(name)) = (path.parent(), path.file_name()) else { return Err(at(path, Errno::INVAL)) };
    let above = walk(parent, true)?;
    let foreign = |found: String| PlaceError::Foreign { path: path.to_owned(), found };
    let folder = make(&above, name, 0o755, step).map_err(|why| match Errno::from_io_error(&why) {
        Some(Errno::NOTDIR | Errno::LOOP) => foreign("something else".to_owned()),
        _ => at(path, why),
    })?;
    let stat = fstat(&folder).map_err(|why| at(path, why))?;
    let mode = stat.st_mode & 0o7777;
    if !ours(&stat) || mode & 0o022 != 0 {
        return Err(foreign(format!("mode {mode:04o} and owner {}", stat.st_uid)));
    }
    // Whoever made it may have been stopped before they opened it to others.
    if mode & !0o755 == 0 {
        settle_mode(&folder, 0o755, step).map_err(|why| at(path, why))?;
    }
    Ok(folder)
}

/// Makes a folder, unless it is there, and opens it without following a link.
fn make(within: impl AsFd, name: impl rustix::path::Arg + Copy, mode: u32, step: Step<'_>) -> io::Result<OwnedFd> {
    if statat(&within, name, AtFlags::SYMLINK_NOFOLLOW).err() == Some(Errno::NOENT) {
        step("make a folder")?;
        match mkdirat(&within, name, Mode::from_raw_mode(mode)) {
            Ok(()) => {
                let folder = openat(&within, name, FOLDER, Mode::empty())?;
                // Whatever the caller's mask says.
                settle_mode(&folder, mode, step)?;
                return Ok(folder);
            }
            Err(Errno::EXIST) => {}
            Err(why) => return Err(why.into()),
        }
    }
    Ok(openat(&within, name, FOLDER, Mode::empty())?)
}

/// Gives a folder of our own its mode: whoever made it may have been stopped before they did.
fn settle_mode(folder: &OwnedFd, mode: u32, step: Step<'_>) -> io::Result<()> {
    let stat = fstat(folder)?;
    if stat.st_mode & 0o7777 != mode && ours(&stat) {
        step("give a folder its mode")?;
        fchmod(folder, Mode::from_raw_mode(mode))?;
    }
    Ok(())
}

fn give(file: &File, access: FilePermissions) -> io::Result<()> {
    fchown(file, Some(Uid::from_raw(access.user)), Some(Gid::from_raw(access.group)))?;
    // Last, since giving a file away takes some of its mode.
    Ok(fchmod(file, Mode::from_raw_mode(access.mode))?)
}

fn entries(folder: &OwnedFd) -> io::Result<Vec<Vec<u8>>> {
    let mut names = Vec::new();
    for entry in Dir::read_from(folder)? {
        let name = entry?.file_name().to_bytes().to_vec();
        if name != b"." && name != b".." {
            names.push(name);
        }
    }
    Ok(names)
}

fn occupied(folder: &OwnedFd, name: &OsStr, path: &Path) -> PlaceError {
    let kind = rustix::fs::statat(folder, name, AtFlags::SYMLINK_NOFOLLOW).map(|s| FileType::from_raw_mode(s.st_mode));
    let found = match kind {
        Ok(FileType::RegularFile) => "a file",
        Ok(FileType::Directory) => "a folder",
        _ => "something else",
    };
    PlaceError::Occupied { path: path.to_owned(), found }
}
