//! The directory that is `/entry`: filled, emptied, and read back without trusting what lies in it.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, Read};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::fs::FileExt as _;
use std::sync::{Mutex, PoisonError};

use artifacts_seam::{EntryFiles, FileError, Limits, check_file_name};
use rustix::fs::{AtFlags, FileType, Mode, OFlags, RenameFlags, fstat, openat, renameat_with, unlinkat};
use rustix::io::Errno;
use wasmtime_wasi::FsPerms;
use wasmtime_wasi::filesystem::{self, OpenMode};

use crate::listing::listing;

/// A folder on a RAM-backed file system that holds one entry at a time.
pub(crate) struct Preopen {
    dir: OwnedFd,
    /// The files in it; none where a component instance may have written there since.
    held: Mutex<Option<Held>>,
}

/// Files by name.
type Held = BTreeMap<String, HeldFile>;

/// One file of an entry.
struct HeldFile {
    /// Its size, in bytes.
    size: usize,
    /// Open for writing: the next entry mostly has a file of the same name, and to open it takes longer than to write.
    file: Option<File>,
}

/// So many files of an entry stay open.
const OPEN: usize = 16;

impl Preopen {
    pub(crate) fn new(dir: OwnedFd) -> Self {
        Self { dir, held: Mutex::default() }
    }

    /// What the guest gets of it.
    pub(crate) fn preopen(&self, perms: FsPerms) -> io::Result<filesystem::Dir> {
        if !matches!(perms, FsPerms::ReadOnly) {
            self.hold(None);
        }
        let dir = File::from(self.dir.try_clone()?);
        Ok(filesystem::Dir::new(dir, perms, OpenMode::READ | OpenMode::WRITE, true))
    }

    /// Holds exactly these files from now on. One that has the name of one before is written over that: to remove it and create it
    /// again takes longer.
    pub(crate) fn fill(&self, files: &EntryFiles) -> io::Result<()> {
        let held = self.hold(None);
        if held.is_none() {
            clear(self.dir.as_fd())?;
        }
        let mut held = held.unwrap_or_default();
        for (name, _) in held.extract_if(.., |name, _| !files.contains_key(name)) {
            unlinkat(&self.dir, name, AtFlags::empty())?;
        }
        let mut filled = Held::new();
        for (at, (name, bytes)) in files.iter().enumerate() {
            let file = self.put(name, bytes, held.remove(name))?;
            filled.insert(name.clone(), HeldFile { size: bytes.len(), file: (at < OPEN).then_some(file) });
        }
        self.hold(Some(filled));
        Ok(())
    }

    /// Creates a file, or writes over the one that is there.
    fn put(&self, name: &str, bytes: &[u8], over: Option<HeldFile>) -> io::Result<File> {
        let create = if over.is_none() { OFlags::CREATE | OFlags::EXCL } else { OFlags::empty() };
        let flags = create | OFlags::WRONLY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let (size, file) = over.map_or((0, None), |HeldFile { size, file }| (size, file));
        let file = match file {
            Some(file) => file,
            None => File::from(openat(&self.dir, name, flags, Mode::RUSR | Mode::WUSR)?),
        };
        file.write_all_at(bytes, 0)?;
        if size > bytes.len() {
            file.set_len(bytes.len() as u64)?;
        }
        Ok(file)
    }

    /// Notes what is in it, and returns what was noted before.
    fn hold(&self, files: Option<Held>) -> Option<Held> {
        std::mem::replace(&mut *self.held.lock().unwrap_or_else(PoisonError::into_inner), files)
    }

    /// The files as bytes, when no component instance is left. Only regular files with one link are taken, opened without following
    /// anything.
    ///
    /// # Errors
    /// Says what lies there that must not.
    pub(crate) fn collect(&self, limits: &Limits) -> Result<EntryFiles, String> {
        let mut files = EntryFiles::new();
        let mut left = limits.output;
        for name in names(self.dir.as_fd()).map_err(|error| format!("the entry cannot be listed: {error}"))? {
            let shown = || artifacts_seam::escaped(&String::from_utf8_lossy(&name), 300);
            let clean =
                std::str::from_utf8(&name).map_err(|_| format!("the name of the file `{}` is not UTF-8", shown()))?;
            if files.len() as u64 >= limits.files {
                return Err(format!("there are more files than the limit of {}", limits.files));
            }
            check_file_name(clean).map_err(|why| format!("the file `{}` cannot be in an entry: {why}", shown()))?;
            let bytes =
                self.take(clean, left).map_err(|why| format!("the file `{}` cannot be in an entry: {why}", shown()))?;
            left -= bytes.len() as u64;
            files.insert(clean.to_owned(), bytes);
        }
        self.hold(Some(held(&files)));
        Ok(files)
    }

    fn take(&self, name: &str, left: u64) -> Result<Vec<u8>, String> {
        // Without O_NONBLOCK a FIFO would hold us; O_NOFOLLOW refuses a link.
        let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
        let file = openat(&self.dir, name, flags, Mode::empty()).map_err(|error| match error {
            Errno::LOOP => "it is a symbolic link".to_owned(),
            error => format!("it cannot be opened ({error})"),
        })?;
        let stat = fstat(&file).map_err(|error| error.to_string())?;
        match FileType::from_raw_mode(stat.st_mode) {
            FileType::RegularFile => {}
            FileType::Directory => return Err("it is a folder".to_owned()),
            _ => return Err("it is no regular file".to_owned()),
        }
        if stat.st_nlink != 1 {
            return Err(format!("it has {} links", stat.st_nlink));
        }
        // One more than it has, to see its end.
        let size = u64::try_from(stat.st_size).unwrap_or_default().min(left).saturating_add(1);
        let mut bytes = Vec::with_capacity(usize::try_from(size).unwrap_or_default());
        File::from(file).take(left + 1).read_to_end(&mut bytes).map_err(|error| error.to_string())?;
        if bytes.len() as u64 > left {
            return Err("the entry is larger than its limit".to_owned());
        }
        Ok(bytes)
    }
}

/// Single files, by names that are clean. Nothing is followed, and nothing but a regular file is opened.
impl Preopen {
    pub(crate) fn names(&self) -> Result<Vec<String>, FileError> {
        let mut clean = Vec::new();
        for name in names(self.dir.as_fd()).map_err(|_| FileError::Io)? {
            clean.push(String::from_utf8(name).map_err(|_| FileError::IllegalByteSequence)?);
        }
        clean.sort();
        Ok(clean)
    }

    pub(crate) fn size(&self, name: &str) -> Result<u64, FileError> {
        self.open(name, OFlags::RDONLY).map(|(_, size)| size)
    }

    pub(crate) fn read(&self, name: &str, offset: u64, length: u64) -> Result<Vec<u8>, FileError> {
        let (file, size) = self.open(name, OFlags::RDONLY)?;
        let length =
            usize::try_from(size.saturating_sub(offset).min(length)).map_err(|_| FileError::InsufficientMemory)?;
        let mut bytes = vec![0; length];
        file.read_exact_at(&mut bytes, offset.min(size)).map_err(|_| FileError::Io)?;
        Ok(bytes)
    }

    pub(crate) fn write(&self, name: &str, bytes: &[u8]) -> Result<(), FileError> {
        self.hold(None);
        let (file, _) = self.open(name, OFlags::WRONLY | OFlags::CREATE)?;
        file.set_len(0).and_then(|()| file.write_all_at(bytes, 0)).map_err(|error| match error.kind() {
            io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => FileError::InsufficientSpace,
            _ => FileError::Io,
        })
    }

    pub(crate) fn remove(&self, name: &str) -> Result<(), FileError> {
        self.hold(None);
        unlinkat(&self.dir, name, AtFlags::empty()).map_err(file_error)
    }

    /// The file and its size.
    fn open(&self, name: &str, how: OFlags) -> Result<(File, u64), FileError> {
        let flags = how | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
        let file = openat(&self.dir, name, flags, Mode::RUSR | Mode::WUSR).map_err(file_error)?;
        let stat = fstat(&file).map_err(file_error)?;
        match FileType::from_raw_mode(stat.st_mode) {
            FileType::RegularFile => Ok((file.into(), u64::try_from(stat.st_size).unwrap_or_default())),
            _ => Err(FileError::NotPermitted),
        }
    }
}

fn file_error(error: Errno) -> FileError {
    match error {
        Errno::NOENT => FileError::NoEntry,
        Errno::NOSPC | Errno::DQUOT => FileError::InsufficientSpace,
        Errno::LOOP => FileError::Loop,
        Errno::ISDIR => FileError::IsDirectory,
        _ => FileError::Io,
    }
}

fn held(files: &EntryFiles) -> Held {
    files.iter().map(|(name, bytes)| (name.clone(), HeldFile { size: bytes.len(), file: None })).collect()
}

fn names(dir: BorrowedFd<'_>) -> io::Result<Vec<Vec<u8>>> {
    Ok(listing(dir)?.into_iter().map(|(name, _)| name).collect())
}

/// Removes everything, however deep it is nested: a directory inside of another one is moved to the top first.
fn clear(top: BorrowedFd<'_>) -> io::Result<()> {
    let mut moved = 0;
    loop {
        let names = names(top)?;
        if names.is_empty() {
            return Ok(());
        }
        for name in names {
            match unlinkat(top, name.as_slice(), AtFlags::empty()) {
                Err(Errno::ISDIR | Errno::PERM) => flatten(top, &name, &mut moved)?,
                result => result?,
            }
        }
    }
}

/// Removes a directory and its files; those inside of it are at the top then.
fn flatten(top: BorrowedFd<'_>, name: &[u8], moved: &mut u64) -> io::Result<()> {
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let dir = openat(top, name, flags, Mode::empty())?;
    for inner in names(dir.as_fd())? {
        match unlinkat(&dir, inner.as_slice(), AtFlags::empty()) {
            Err(Errno::ISDIR | Errno::PERM) => move_to(top, dir.as_fd(), &inner, moved)?,
            result => result?,
        }
    }
    Ok(unlinkat(top, name, AtFlags::REMOVEDIR)?)
}

/// Moves a directory to the top, under the next number that nothing there has.
fn move_to(top: BorrowedFd<'_>, dir: BorrowedFd<'_>, name: &[u8], moved: &mut u64) -> io::Result<()> {
    loop {
        *moved += 1;
        match renameat_with(dir, name, top, moved.to_string(), RenameFlags::NOREPLACE) {
            Err(Errno::EXIST) => {}
            result => return Ok(result?),
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn directories_are_removed_however_deep_they_are_nested() {
        let folder = tempfile::TempDir::new_in("/dev/shm").unwrap();
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
        let open = |dir: BorrowedFd<'_>, name: &str| openat(dir, name, flags, Mode::empty()).unwrap();
        let top = rustix::fs::open(folder.path(), flags, Mode::empty()).unwrap();
        // Numbers that are taken, and a file and a second directory on each level.
        for name in ["1", "2", "4"] {
            std::fs::create_dir(folder.path().join(name)).unwrap();
        }
        let mut dir = top.try_clone().unwrap();
        for depth in 0..3000 {
            for name in ["deeper", "beside"] {
                rustix::fs::mkdirat(&dir, name, Mode::RWXU).unwrap();
            }
            openat(&dir, format!("file{depth}"), OFlags::CREATE | OFlags::WRONLY, Mode::RWXU).unwrap();
            dir = open(dir.as_fd(), "deeper");
        }
        Preopen::new(top).fill(&EntryFiles::new()).unwrap();
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0);
    }

    #[test]
    fn what_a_component_instance_may_have_written_does_not_stay() {
        let folder = tempfile::TempDir::new_in("/dev/shm").unwrap();
        let preopen = Preopen::new(File::open(folder.path()).unwrap().into());
        let entry = |name: &str| EntryFiles::from([(name.to_owned(), b"x".to_vec())]);
        let left = || names(preopen.dir.as_fd()).unwrap();
        preopen.fill(&entry("a")).unwrap();
        preopen.preopen(FsPerms::ReadOnly).unwrap();
        preopen.fill(&entry("b")).unwrap();
        assert_eq!(left(), [b"b"]);
        let writes: [&dyn Fn(); 3] = [
            &|| drop(preopen.preopen(FsPerms::ReadWrite).unwrap()),
            &|| preopen.write("other", b"x").unwrap(),
            &|| preopen.remove("b").unwrap(),
        ];
        for write in writes {
            write();
            std::fs::write(folder.path().join("stray"), "x").unwrap();
            preopen.fill(&entry("b")).unwrap();
            assert_eq!(left(), [b"b"]);
        }
        preopen.preopen(FsPerms::ReadWrite).unwrap();
        std::fs::write(folder.path().join("stray"), "x").unwrap();
        preopen.fill(&EntryFiles::new()).unwrap();
        assert!(left().is_empty());
    }

    /// The files in a folder.
    fn lying(folder: &std::path::Path) -> EntryFiles {
        let file = |file: io::Result<std::fs::DirEntry>| {
            let path = file.unwrap().path();
            (path.file_name().unwrap().to_str().unwrap().to_owned(), std::fs::read(&path).unwrap())
        };
        std::fs::read_dir(folder).unwrap().map(file).collect()
    }

    #[test]
    fn more_files_than_stay_open_take_the_place_of_the_ones_before_as_well() {
        let folder = tempfile::TempDir::new_in("/dev/shm").unwrap();
        let preopen = Preopen::new(File::open(folder.path()).unwrap().into());
        let held = || {
            let all = std::fs::read_dir("/proc/self/fd").unwrap().filter_map(Result::ok);
            let files = all.filter_map(|descriptor| std::fs::read_link(descriptor.path()).ok());
            files.filter(|file| file.parent() == Some(folder.path())).count()
        };
        for (files, size) in [(40, 100), (40, 10), (20, 50), (1, 5), (40, 7), (0, 0)] {
            let content = |number: usize| vec![u8::try_from(number + size).unwrap(); size + number % 3];
            let entry: EntryFiles = (0..files).map(|number| (format!("{number:02}"), content(number))).collect();
            preopen.fill(&entry).unwrap();
            assert_eq!((lying(folder.path()) == entry, held()), (true, files.min(OPEN)), "{files} of {size}");
        }
    }

    proptest::proptest! {
        #[test]
        fn each_entry_takes_the_place_of_the_one_before(
            entries in proptest::collection::vec(
                proptest::collection::btree_map("[a-c]", proptest::collection::vec(proptest::arbitrary::any::<u8>(), 0..9), 0..4),
                1..8,
            ),
            collected in proptest::arbitrary::any::<u8>(),
        ) {
            let folder = tempfile::TempDir::new_in("/dev/shm").unwrap();
            let preopen = Preopen::new(File::open(folder.path()).unwrap().into());
            for (at, entry) in entries.into_iter().enumerate() {
                preopen.fill(&entry).unwrap();
                proptest::prop_assert_eq!(&lying(folder.path()), &entry);
                // What is collected is not held open any more.
                if collected >> at & 1 == 1 {
                    proptest::prop_assert_eq!(preopen.collect(&Limits::default()).unwrap(), entry);
                }
            }
        }
    }
}
