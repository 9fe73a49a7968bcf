//! Opening regular files, and nothing else that someone put in their place: to open a device may do something, and to open
//! a pipe tells anyone who is at its other end.

use std::ffi::OsStr;
use std::os::fd::{AsFd, AsRawFd, OwnedFd};

use rustix::fs::{CWD, FileType, Mode, OFlags, Stat, fstat, openat};
use rustix::io::Errno;

/// Opens a regular file for reading, without waiting; `None` when it is something else, such as a link.
pub(crate) fn open(directory: impl AsFd, name: &OsStr) -> Result<Option<(OwnedFd, Stat)>, Errno> {
    let place = openat(directory, name, OFlags::PATH | OFlags::NOFOLLOW | OFlags::CLOEXEC, Mode::empty())?;
    let stat = fstat(&place)?;
    if !FileType::from_raw_mode(stat.st_mode).is_file() {
        return Ok(None);
    }
    // By what was looked at, whatever has its name by now.
    let flags = OFlags::RDONLY | OFlags::NONBLOCK | OFlags::NOCTTY | OFlags::CLOEXEC;
    let file = openat(CWD, format!("/proc/self/fd/{}", place.as_raw_fd()), flags, Mode::empty())?;
    let opened = fstat(&file)?;
    if (opened.st_dev, opened.st_ino) == (stat.st_dev, stat.st_ino) {
        Ok(Some((file, opened)))
    } else {
        Err(Errno::STALE)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use rustix::fs::inotify;
    use std::io::Read;
    use std::os::unix::fs::symlink;
    use std::os::unix::net::UnixListener;

    fn look(directory: &std::path::Path, name: &str) -> Result<Option<String>, Errno> {
        let open = open(std::fs::File::open(directory).unwrap(), OsStr::new(name))?;
        Ok(open.map(|(file, _)| {
            let mut text = String::new();
            std::fs::File::from(file).read_to_string(&mut text).unwrap();
            text
        }))
    }

    #[test]
    fn only_a_regular_file_is_ever_opened() {
        let dir = tempfile::tempdir().unwrap();
        let at = |name: &str| dir.path().join(name);
        std::fs::write(at("file"), "text").unwrap();
        std::fs::create_dir(at("folder")).unwrap();
        symlink("file", at("link")).unwrap();
        let _socket = UnixListener::bind(at("socket")).unwrap();
        for (name, kind, device) in [
            ("pipe", FileType::Fifo, 0),
            ("null", FileType::CharacterDevice, rustix::fs::makedev(1, 3)),
            ("memory", FileType::BlockDevice, rustix::fs::makedev(1, 0)),
        ] {
            // These tests run as root.
            rustix::fs::mknodat(CWD, at(name), kind, Mode::RUSR | Mode::WUSR, device).unwrap();
        }
        let events = inotify::init(inotify::CreateFlags::NONBLOCK).unwrap();
        let others = ["folder", "link", "socket", "pipe", "null", "memory"];
        for name in others.iter().chain(&["file"]) {
            inotify::add_watch(&events, at(name), inotify::WatchFlags::OPEN | inotify::WatchFlags::DONT_FOLLOW)
                .unwrap();
        }
        let mut buffer = [std::mem::MaybeUninit::uninit(); 4096];
        for name in others {
            assert_eq!(look(dir.path(), name), Ok(None), "{name}");
            let opened = inotify::Reader::new(&events, &mut buffer).next().map(|_| ());
            assert_eq!(opened, Err(Errno::AGAIN), "{name} was opened");
        }
        assert_eq!(look(dir.path(), "file"), Ok(Some("text".to_owned())));
        assert!(
            inotify::Reader::new(&events, &mut buffer).next().is_ok(),
            "that an opening is seen is what this rests on"
        );
        assert_eq!(look(dir.path(), "nothing"), Err(Errno::NOENT));
    }
}
