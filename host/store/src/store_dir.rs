//! An open directory. Everything is reached from one by clean names, and no symbolic link is followed.

use std::io::{self, Read};
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::Path;

use cap_std::fs::{Dir, File};
use rustix::fs::{AtFlags, Mode, OFlags, RawDir, ResolveFlags, SeekFrom, Stat, fstat, openat2, seek, statat};
use rustix::io::Errno;

use crate::error::Error;
use crate::file_kind::FileKind;
use crate::file_look::FileLook;

const RESOLVE: ResolveFlags = ResolveFlags::BENEATH.union(ResolveFlags::NO_SYMLINKS).union(ResolveFlags::NO_MAGICLINKS);

/// Holds a directory open, with its path for messages.
#[derive(Debug)]
pub(crate) struct StoreDir {
    dir: Dir,
    path: String,
}

impl StoreDir {
    /// Opens a directory by a path that the caller chose, the only one that may lead through symbolic links.
    pub fn ambient(path: &Path) -> Result<Self, Error> {
        // Not by cap-std: what it opens cannot be synced.
        let fd = rustix::fs::open(path, OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC, Mode::empty())
            .map_err(|errno| Error::io(path.to_string_lossy(), "open the directory", errno))?;
        Ok(Self { dir: Dir::from(fd), path: String::new() })
    }

    /// Returns the directory for calls that cap-std does not have.
    pub fn fd(&self) -> BorrowedFd<'_> {
        self.dir.as_fd()
    }

    /// Returns the open directory.
    pub fn dir(&self) -> &Dir {
        &self.dir
    }

    /// Returns the path for messages, relative to the root.
    pub fn path(&self) -> &str {
        if self.path.is_empty() { "." } else { &self.path }
    }

    /// Returns the path of a file in it, for messages.
    pub fn at(&self, name: &str) -> String {
        if self.path.is_empty() { name.to_owned() } else { format!("{}/{name}", self.path) }
    }

    /// Opens a directory below it by a clean relative path; `None` if it does not exist.
    pub fn open(&self, path: &str) -> Result<Option<Self>, Error> {
        match self.open_as(path, OFlags::RDONLY | OFlags::DIRECTORY, Mode::empty()) {
            Ok(fd) => Ok(Some(Self { dir: Dir::from(fd), path: self.at(path) })),
            Err(Errno::NOENT) => Ok(None),
            Err(errno) => Err(self.blame(path, "open the directory", errno)),
        }
    }

    /// Opens a regular file in it; `None` if it does not exist. A named pipe does not block.
    pub fn open_file(&self, name: &str, flags: OFlags, mode: Mode) -> Result<Option<(File, Stat)>, Error> {
        let fd = match self.open_as(name, flags | OFlags::NONBLOCK | OFlags::NOCTTY, mode) {
            Ok(fd) => fd,
            Err(Errno::NOENT) => return Ok(None),
            Err(Errno::NXIO | Errno::ISDIR) => return Err(self.not_a_file(name)),
            Err(errno) => return Err(self.blame(name, "open the file", errno)),
        };
        let stat = fstat(&fd).map_err(|errno| Error::io(self.at(name), "look at the file", errno))?;
        match FileKind::from_stat(&stat) {
            FileKind::File => Ok(Some((File::from_std(fd.into()), stat))),
            found => Err(Error::WrongKind { path: self.at(name), expected: FileKind::File, found }),
        }
    }

    /// Reads a regular file in it, at most `limit` bytes; `None` if it does not exist.
    pub fn read(&self, name: &str, limit: u64) -> Result<Option<Vec<u8>>, Error> {
        Ok(self.look_and_read(name, limit)?.map(|(_, bytes)| bytes))
    }

    /// Does the same, and says what the file was like before that.
    pub fn look_and_read(&self, name: &str, limit: u64) -> Result<Option<(FileLook, Vec<u8>)>, Error> {
        let Some((mut file, stat)) = self.open_file(name, OFlags::RDONLY, Mode::empty())? else { return Ok(None) };
        let look = FileLook::new(&stat);
        let too_large = || Error::TooLarge { path: self.at(name), what: "the limit in bytes is", limit };
        if look.size > limit {
            return Err(too_large());
        }
        let failed = |error| Error::io(self.at(name), "read", error);
        let mut bytes = read_once(&mut file, usize::try_from(look.size).unwrap_or(0)).map_err(failed)?;
        if bytes.len() as u64 > look.size {
            file.take(limit + 1 - bytes.len() as u64).read_to_end(&mut bytes).map_err(failed)?;
        }
        if bytes.len() as u64 > limit { Err(too_large()) } else { Ok(Some((look, bytes))) }
    }

    /// Lists names and kinds of its files, unsorted.
    pub fn entries(&self) -> Result<Vec<(String, FileKind)>, Error> {
        let failed = |errno: Errno| Error::io(self.path(), "read the directory", errno);
        seek(self.fd(), SeekFrom::Start(0)).map_err(failed)?;
        let mut buffer = [MaybeUninit::uninit(); 4096];
        let mut list = RawDir::new(self.fd(), &mut buffer);
        let mut entries = Vec::new();
        while let Some(entry) = list.next() {
            let entry = entry.map_err(failed)?;
            if matches!(entry.file_name().to_bytes(), b"." | b"..") {
                continue;
            }
            let name = entry.file_name().to_str().map_err(|_| Error::Name {
                path: self.path().to_owned(),
                name: entry.file_name().to_string_lossy().into_owned(),
                why: "it is not UTF-8",
            })?;
            let kind = match FileKind::from_type(entry.file_type()) {
                Some(kind) => Some(kind),
                None => self.kind(name)?,
            };
            entries.extend(kind.map(|kind| (name.to_owned(), kind)));
        }
        Ok(entries)
    }

    /// Returns the kind of a file, without following a symbolic link.
    pub fn kind(&self, name: &str) -> Result<Option<FileKind>, Error> {
        match statat(self.fd(), name, AtFlags::SYMLINK_NOFOLLOW) {
            Ok(stat) => Ok(Some(FileKind::from_stat(&stat))),
            Err(Errno::NOENT) => Ok(None),
            Err(errno) => Err(Error::io(self.at(name), "look at it", errno)),
        }
    }

    /// Looks at a file in it, without following a symbolic link.
    pub fn stat(&self, name: &str) -> Result<Stat, Error> {
        statat(self.fd(), name, AtFlags::SYMLINK_NOFOLLOW)
            .map_err(|errno| Error::io(self.at(name), "look at it", errno))
    }

    /// Returns the number of the device that holds it.
    pub fn device(&self) -> Result<u64, Error> {
        fstat(self.fd()).map(|stat| stat.st_dev).map_err(|errno| Error::io(self.path(), "look at the directory", errno))
    }

    fn open_as(&self, path: &str, flags: OFlags, mode: Mode) -> Result<OwnedFd, Errno> {
        openat2(self.fd(), path, flags | OFlags::CLOEXEC | OFlags::NOFOLLOW, mode, RESOLVE)
    }

    fn not_a_file(&self, name: &str) -> Error {
        let found = self.kind(name).ok().flatten().unwrap_or(FileKind::Device);
        Error::WrongKind { path: self.at(name), expected: FileKind::File, found }
    }

    /// Finds the part of a path that is to blame for a failed walk.
    fn blame(&self, path: &str, action: &'static str, errno: Errno) -> Error {
        if matches!(errno, Errno::LOOP | Errno::NOTDIR) {
            let ends = path.match_indices('/').map(|(at, _)| at).chain([path.len()]);
            for part in ends.filter_map(|end| path.get(..end)) {
                match self.kind(part) {
                    Ok(Some(FileKind::Directory)) => {}
                    Ok(Some(FileKind::Link)) => return Error::Link { path: self.at(part) },
                    Ok(Some(found)) => {
                        return Error::WrongKind { path: self.at(part), expected: FileKind::Directory, found };
                    }
                    Ok(None) | Err(_) => break,
                }
            }
        }
        Error::io(self.at(path), action, errno)
    }
}

/// Reads a file that should have so many bytes, in one call where it has them: until its end is seen, those are there, or there is one
/// more.
fn read_once(file: &mut File, size: usize) -> io::Result<Vec<u8>> {
    let mut bytes = vec![0; size + 1];
    let mut have = 0;
    while have < size.max(1) {
        match file.read(&mut bytes[have..]) {
            Ok(0) => break,
            Ok(read) => have += read,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    bytes.truncate(have);
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn a_file_is_read_whole_whatever_size_it_was_said_to_have() {
        let folder = tempfile::tempdir().unwrap();
        let dir = StoreDir::ambient(folder.path()).unwrap();
        for size in [0, 1, 5, 100_000] {
            let content: Vec<u8> = (0..=255).cycle().take(size).collect();
            std::fs::write(folder.path().join("file"), &content).unwrap();
            for said in [0, size.saturating_sub(2), size, size + 2] {
                let mut file = File::from_std(std::fs::File::open(folder.path().join("file")).unwrap());
                let mut bytes = read_once(&mut file, said).unwrap();
                assert_eq!(bytes.len(), size.min(said + 1), "{size} {said}");
                file.read_to_end(&mut bytes).unwrap();
                assert_eq!(bytes, content, "{size} {said}");
            }
            let limit = size as u64;
            assert_eq!(dir.read("file", limit).unwrap(), Some(content));
            assert!(size == 0 || matches!(dir.read("file", limit - 1), Err(Error::TooLarge { .. })));
        }
        assert_eq!(dir.read("none", 1).unwrap(), None);
    }
}
