//! Entries that are known again by a look at them: of their files, only the receipt is read.

use artifacts_declared::InstanceName;
use artifacts_digest::{Hasher, Sha256};
use rustix::fs::fstatfs;

use crate::entry::Entry;
use crate::file_look::FileLook;
use crate::look::{EntryLook, PUBLIC_FILES};
use crate::names::{self, RECEIPT};
use crate::receipt::{self, Receipt};
use crate::root::Storage;

/// File systems that give a file another `ctime` with each write, by the numbers in Linux's `magic.h`: ext2 to ext4, XFS, Btrfs, F2FS,
/// bcachefs, ZFS and tmpfs. Others, such as those of a network, may tell it late.
const KNOWN: [u32; 7] = [0x0000_ef53, 0x5846_5342, 0x9123_683e, 0xf2f5_2010, 0xca45_1a4e, 0x2fc1_2fc1, 0x0102_1994];

/// Seconds after which a second change has another time: no file system counts in longer steps.
const REST: u64 = 2;

/// Tells which files rest: what changes one from now on leaves a trace.
#[derive(Debug, Clone, Copy)]
pub struct Resting {
    /// The one file system of the storage.
    device: u64,
    /// Seconds since 1970.
    now: u64,
}

/// Stands for the bytes of a receipt, and for device, inode, size, mode, owner and times of each file beside it.
///
/// It is the same as before only if no file was changed meanwhile, as far as the file system tells. It does not tell what is written through a
/// mapping that was written to before, or to the disk below it; what a crash or a damaged disk leaves; and a change under a clock that was set back
/// to the very nanosecond of an older one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct EntryStamp(pub Sha256);

/// Holds what a look at an entry shows: just the files that its receipt lists, in their sizes. Whether they have the bytes that it
/// lists, only who read them knows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Glance {
    /// The receipt, which was read.
    pub receipt: Box<Receipt>,
    /// Its size, in bytes.
    pub receipt_size: u64,
    /// What the files are like.
    pub look: EntryLook,
    /// The stamp of both.
    pub stamp: EntryStamp,
}

impl Storage {
    /// Returns when a file counts as resting, for a run that began at `now`, in seconds since 1970; `None` where the file system is not
    /// known to tell of each change.
    pub fn resting(&self, now: u64) -> Option<Resting> {
        let directory = self.root().store_dir().open(self.path()).ok()??;
        // The magic numbers have 32 bits; the field's width and sign differ between architectures.
        #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss, clippy::unnecessary_cast)]
        let kind = fstatfs(directory.fd()).ok()?.f_type as u32;
        let device = directory.device().ok()?;
        KNOWN.contains(&kind).then_some(Resting { device, now })
    }

    /// Looks at an entry; `None` if it does not exist, has a stamp that is not known, or has to be read for another reason: its receipt is
    /// not valid, or lists other files or sizes than lie there; the backend's have more than `limit` bytes; or a file does not rest.
    pub fn glance(
        &self,
        name: &InstanceName,
        limit: u64,
        resting: &Resting,
        is_known: impl FnOnce(&EntryStamp) -> bool,
    ) -> Option<Glance> {
        let path = format!("{}/{}", self.path(), names::entry_path(name).ok()?);
        let directory = self.root().store_dir().open(&path).ok()??;
        let look = EntryLook::of(&directory).ok()?;
        let note = directory.read(RECEIPT, receipt::largest(look.files().len())).ok()??;
        let stamp = EntryStamp::new(&note, &look, resting).filter(is_known)?;
        let receipt = Receipt::parse(&note).ok().filter(|receipt| receipt.instance == *name)?;
        let size = receipt.files.values().map(|file| file.size).fold(0, u64::saturating_add);
        let (receipt, receipt_size) = (Box::new(receipt), note.len() as u64);
        (size <= limit && lists(&receipt, &look)).then_some(Glance { receipt, receipt_size, look, stamp })
    }
}

/// Returns whether a receipt lists just these files, in these sizes.
fn lists(receipt: &Receipt, look: &EntryLook) -> bool {
    let is_listed = |(path, file): (&str, &FileLook)| {
        let stored = match path.strip_prefix(PUBLIC_FILES) {
            Some(name) => receipt.public.get(name),
            None => receipt.files.get(path),
        };
        path == RECEIPT || stored.is_some_and(|stored| stored.size == file.size)
    };
    let all = receipt.files.len() + receipt.public.len() + 1;
    !look.has_others && look.files().len() == all && look.files().all(is_listed)
}

impl EntryStamp {
    /// Returns the stamp of an entry whose files were like this before it was read; `None` if one did not rest.
    pub fn of(entry: &Entry, look: &EntryLook, resting: &Resting) -> Option<Self> {
        Self::new(entry.note()?, look, resting)
    }

    fn new(note: &[u8], look: &EntryLook, resting: &Resting) -> Option<Self> {
        let mut hasher = Hasher::new();
        hasher.update_part(note);
        for (path, file) in look.files().filter(|(path, _)| *path != RECEIPT) {
            if !resting.rests(file) {
                return None;
            }
            hasher.update_part(path);
            file.hash(&mut hasher);
        }
        Some(Self(hasher.finish()))
    }
}

impl Resting {
    /// Returns whether the next change of this file leaves a trace: the last one was long enough before the run.
    fn rests(&self, file: &FileLook) -> bool {
        let changed = u64::try_from(file.changed.0).unwrap_or(u64::MAX);
        file.device == self.device && changed.saturating_add(REST) < self.now
    }
}
