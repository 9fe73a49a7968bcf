//! `<storage>/.artifacts`: the lock, entries that are being written, and the trash. Git ignores all of it.

use crate::disk::{Disk, set_mode};
use crate::lock::StorageLock;
use crate::names::WORK_DIR;
use crate::store_dir::StoreDir;
use crate::{Error, FileKind, Storage, Time, TrashPolicy, attributes};

const IGNORE: &str = ".gitignore";
const IGNORE_ALL: &[u8] = b"*\n";
const PRIVATE: u32 = 0o700;

/// Holds this program's directory in a storage, and its lock.
pub(crate) struct WorkDir {
    /// The storage itself.
    pub storage: StoreDir,
    /// Directory of entries that are being written.
    pub staging: StoreDir,
    /// Directory of replaced and pruned entries.
    pub trash: StoreDir,
    /// Time up to which expired entries were removed from the trash.
    pub expired: Option<Time>,
    /// Number of the last components of the storage's path that did not exist before.
    created: usize,
    _lock: StorageLock,
}

impl WorkDir {
    /// Takes the lock, removes what crashed runs left, and tries what a commit needs.
    pub fn open(disk: &Disk, storage: &Storage, now: Time, keep: TrashPolicy) -> Result<Self, Error> {
        let (mut home, mut created) = (None, 0);
        for part in storage.path().split('/') {
            let parent = home.as_ref().unwrap_or_else(|| storage.root().store_dir());
            created += usize::from(parent.kind(part)?.is_none());
            home = Some(disk.make_lasting("make the storage", parent, part, 0o755)?);
        }
        let home = home.ok_or_else(|| Error::StorageName { storage: String::new(), why: "it is empty".to_owned() })?;
        let work_dir = disk.make_lasting("make the host's directory", &home, WORK_DIR, PRIVATE)?;
        set_mode(work_dir.fd(), PRIVATE, work_dir.path())?;
        let lock = StorageLock::take(disk, &work_dir, storage)?;
        ignore(disk, &work_dir)?;
        let staging = disk.make("make the staging directory", &work_dir, "staging", PRIVATE)?;
        let trash = disk.make_lasting("make the trash", &work_dir, "trash", PRIVATE)?;
        for (name, kind) in staging.entries()? {
            disk.remove("remove leftovers", &staging, &name, kind)?;
        }
        // What an earlier run tried its renames with goes here, too: it is no trash of ours.
        let expired = crate::trash::empty(disk, &work_dir, &trash, now, keep)?;
        probe(disk, &staging, &trash)?;
        attributes::make(disk, &home, &staging)?;
        Ok(Self { storage: home, staging, trash, expired, created, _lock: lock })
    }

    /// Removes a storage that was created for this lock, if nothing was stored under it.
    pub fn take_back(&self, disk: &Disk, storage: &Storage) -> Result<(), Error> {
        let root = storage.root().store_dir();
        let mut entries = self.storage.entries()?;
        entries.retain(|(name, kind)| name != WORK_DIR && !attributes::is_named(name, *kind));
        if self.created == 0 || !entries.is_empty() || !self.trash.entries()?.is_empty() {
            return Ok(());
        }
        attributes::remove(disk, root, storage.path())?;
        // With the lock: who waits for it finds out, and creates it again.
        disk.remove("remove the host's directory", &self.storage, WORK_DIR, FileKind::Directory)?;
        let mut path = storage.path();
        for _ in 0..self.created {
            let (above, name) = path.rsplit_once('/').unwrap_or(("", path));
            let opened = if above.is_empty() { None } else { root.open(above)? };
            if !disk.remove_empty("remove an unused storage", opened.as_ref().unwrap_or(root), name)? {
                break;
            }
            path = above;
        }
        Ok(())
    }
}

/// Lets git ignore the directory. A `.gitignore` with other bytes is replaced, not written to.
fn ignore(disk: &Disk, work_dir: &StoreDir) -> Result<(), Error> {
    if work_dir.read(IGNORE, 4096)?.is_some_and(|bytes| bytes == IGNORE_ALL) {
        return Ok(());
    }
    if let Some(kind) = work_dir.kind(IGNORE)? {
        disk.remove("remove another .gitignore", work_dir, IGNORE, kind)?;
    }
    disk.write(work_dir, IGNORE, IGNORE_ALL, 0o600)
}

/// Tries the two renames of a commit on empty directories: some file systems reject them, some do something else.
fn probe(disk: &Disk, staging: &StoreDir, trash: &StoreDir) -> Result<(), Error> {
    const ONE: &str = "probe-one";
    const OTHER: &str = "probe-other";
    let wrong = |why: &str| Error::Unsupported { path: staging.path().to_owned(), why: why.to_owned() };
    let one = disk.make("make a directory to try with", staging, ONE, PRIVATE)?;
    disk.make("make a directory to try with", &one, "mark", PRIVATE)?;
    disk.make("make a directory to try with", staging, OTHER, PRIVATE)?;
    disk.exchange("try an exchange", (staging, ONE), (staging, OTHER))?;
    let mark = |name: &str| staging.open(name)?.map(|dir| dir.kind("mark")).transpose();
    if mark(ONE)? != Some(None) || mark(OTHER)? != Some(Some(FileKind::Directory)) {
        return Err(wrong("an exchange of two directories reported success and did not take place"));
    }
    match disk.rename("try to replace", (staging, OTHER), (staging, ONE)) {
        Err(Error::Io { source, .. }) if source.kind() == std::io::ErrorKind::AlreadyExists => {}
        Err(error) => return Err(error),
        Ok(()) => return Err(wrong("a rename that must not replace anything did")),
    }
    let moved = format!("probe-{}", std::process::id());
    disk.rename("try a move", (staging, ONE), (trash, &moved))?;
    disk.remove("remove what was tried", trash, &moved, FileKind::Directory)?;
    disk.remove("remove what was tried", staging, OTHER, FileKind::Directory)
}
