//! The directories that matter, watched with inotify.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::ffi::{OsStr, OsString};
use std::io;
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use rustix::fs::inotify::{self, CreateFlags, ReadFlags, WatchFlags};
use rustix::io::Errno;

/// What can make a file complete or incomplete, or change its content. Reading it is not among it, so that consumers at
/// work wake no one.
const INTEREST: WatchFlags = WatchFlags::CREATE
    .union(WatchFlags::DELETE)
    .union(WatchFlags::MOVED_FROM)
    .union(WatchFlags::MOVED_TO)
    .union(WatchFlags::ATTRIB)
    .union(WatchFlags::CLOSE_WRITE)
    .union(WatchFlags::DELETE_SELF)
    .union(WatchFlags::MOVE_SELF)
    .union(WatchFlags::ONLYDIR);

/// A set of names in directories, and the kernel's watches on those directories.
#[derive(Debug)]
pub(crate) struct Watches {
    queue: OwnedFd,
    watched: HashMap<i32, BTreeSet<OsString>>,
    round: HashMap<i32, BTreeSet<OsString>>,
    directories: BTreeMap<PathBuf, i32>,
    blind: Option<(PathBuf, Errno)>,
}

impl Watches {
    pub(crate) fn new() -> io::Result<Self> {
        let queue = inotify::init(CreateFlags::CLOEXEC | CreateFlags::NONBLOCK)?;
        Ok(Self { queue, watched: HashMap::new(), round: HashMap::new(), directories: BTreeMap::new(), blind: None })
    }

    /// Begins to say again what matters.
    pub(crate) fn begin(&mut self) {
        self.round.clear();
        self.directories.clear();
        self.blind = None;
    }

    /// This name in this directory matters. From here on a change of it is seen.
    pub(crate) fn want(&mut self, directory: &Path, name: &OsStr) {
        let watch = match self.directories.get(directory) {
            Some(&watch) => watch,
            None => match inotify::add_watch(&self.queue, directory, INTEREST) {
                Ok(watch) => {
                    self.directories.insert(directory.to_owned(), watch);
                    watch
                }
                // It went away: its own directory is watched, too, and tells when it is back.
                Err(Errno::NOENT | Errno::NOTDIR) => return,
                Err(why) => return self.want_alone(directory, name, why),
            },
        };
        self.round.entry(watch).or_default().insert(name.to_owned());
    }

    /// A directory that may be entered and not listed cannot be watched. What is in it tells itself when it changes or goes; only
    /// what is not there cannot tell when it comes.
    fn want_alone(&mut self, directory: &Path, name: &OsStr, why: Errno) {
        let interest = INTEREST.difference(WatchFlags::ONLYDIR).union(WatchFlags::DONT_FOLLOW);
        match inotify::add_watch(&self.queue, directory.join(name), interest) {
            Ok(watch) => {
                self.round.entry(watch).or_default();
            }
            Err(_) => self.blind = Some((directory.to_owned(), why)),
        }
    }

    /// Lets go of what was not named since [`Self::begin`]. Returns a directory that could not be watched, and why.
    pub(crate) fn end(&mut self) -> Option<(PathBuf, Errno)> {
        for watch in self.watched.keys().filter(|watch| !self.round.contains_key(watch)) {
            // It fails when the kernel was faster, which is as well.
            let _ = inotify::remove_watch(&self.queue, *watch);
        }
        self.watched = std::mem::take(&mut self.round);
        self.blind.take()
    }

    /// Takes all that happened so far; whether any of it matters.
    pub(crate) fn drain(&mut self) -> io::Result<bool> {
        let mut buffer = [MaybeUninit::uninit(); 4096];
        let mut events = inotify::Reader::new(&self.queue, &mut buffer);
        let mut matters = false;
        loop {
            match events.next() {
                Ok(event) => {
                    let name = event.file_name().map(|name| OsStr::from_bytes(name.to_bytes()));
                    matters |= event.events().contains(ReadFlags::QUEUE_OVERFLOW)
                        || self.watched.get(&event.wd()).is_some_and(|names| name.is_none_or(|n| names.contains(n)));
                }
                Err(Errno::AGAIN) => return Ok(matters),
                Err(Errno::INTR) => {}
                Err(why) => return Err(why.into()),
            }
        }
    }
}

impl AsFd for Watches {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.queue.as_fd()
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::trace::trace;
    use std::os::unix::fs::symlink;

    fn look(watches: &mut Watches, path: &Path) {
        watches.begin();
        trace(path, |directory, name| watches.want(directory, name));
        assert!(watches.end().is_none());
    }

    #[test]
    fn a_swap_of_the_link_and_a_change_behind_it_are_seen_and_neighbours_are_not() {
        let dir = tempfile::tempdir().unwrap();
        let base = dir.path().canonicalize().unwrap();
        for generation in ["1", "2"] {
            std::fs::create_dir(base.join(generation)).unwrap();
            std::fs::write(base.join(generation).join("f"), generation).unwrap();
        }
        symlink("1", base.join("now")).unwrap();
        let path = base.join("now/f");
        let mut watches = Watches::new().unwrap();
        look(&mut watches, &path);
        assert!(!watches.drain().unwrap());

        std::fs::write(base.join("1/neighbour"), "x").unwrap();
        std::fs::write(base.join("2/f"), "not the one in use").unwrap();
        std::fs::read(&path).unwrap();
        assert!(!watches.drain().unwrap());

        symlink("2", base.join("new")).unwrap();
        std::fs::rename(base.join("new"), base.join("now")).unwrap();
        assert!(watches.drain().unwrap());
        look(&mut watches, &path);
        watches.drain().unwrap();
        std::fs::write(base.join("1/f"), "no longer in use").unwrap();
        assert!(!watches.drain().unwrap());
        std::fs::write(base.join("2/f"), "changed").unwrap();
        assert!(watches.drain().unwrap());
    }

    #[test]
    fn what_appears_where_nothing_was_is_seen() {
        let dir = tempfile::tempdir().unwrap();
        let base = dir.path().canonicalize().unwrap();
        let path = base.join("a/b/f");
        let mut watches = Watches::new().unwrap();
        for part in ["a", "a/b"] {
            look(&mut watches, &path);
            watches.drain().unwrap();
            std::fs::create_dir(base.join(part)).unwrap();
            assert!(watches.drain().unwrap(), "{part}");
        }
        look(&mut watches, &path);
        watches.drain().unwrap();
        std::fs::write(&path, "").unwrap();
        assert!(watches.drain().unwrap());
        look(&mut watches, &path);
        watches.drain().unwrap();
        std::fs::remove_dir_all(base.join("a")).unwrap();
        assert!(watches.drain().unwrap());
    }
}
