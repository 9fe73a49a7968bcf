use std::collections::BTreeSet;
use std::fmt;

use artifacts_declared::InstanceName;
use artifacts_digest::Hasher;
use artifacts_seam::{EntryFiles, Limits};

use crate::few::Few;
use crate::file_kind::FileKind;
use crate::file_look::FileLook;
use crate::look::{EntryLook, PUBLIC_FILES};
use crate::names::{self, PUBLIC, RECEIPT};
use crate::receipt::{self, Receipt, StoredFile};
use crate::store_dir::StoreDir;
use crate::{Error, Sha256};

/// Largest number of files that a backend stores in an entry, and of public files beside them.
pub const MAX_FILES: u64 = Limits::MOST.files;
/// Largest size of a backend's files in an entry together, in bytes.
pub const MAX_TOTAL: u64 = Limits::MOST.output;
/// Largest size of the public files in an entry together, in bytes: a generator writes a quarter of it, a person a sixteenth at once.
pub const MAX_PUBLIC: u64 = 256 << 20;
/// Largest size of the files together that are read although the receipt does not list them, in bytes.
pub const MAX_STRAY_FILE: u64 = 64 << 20;

/// Holds what is stored for one instance: regular files only.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// Instance that the entry belongs to, by its path.
    pub name: InstanceName,
    /// Files of the backend, by name.
    pub files: EntryFiles,
    /// Public files, by name.
    pub public: EntryFiles,
    /// Files that the valid receipt does not list, by path relative to the entry: left over, or added by hand. Without
    /// a valid receipt this is empty, and all files are in `files` and `public`.
    pub extras: EntryFiles,
    /// Other paths that the valid receipt does not list and that are not read: symbolic links, directories, special
    /// files, and what exceeds the limits.
    pub unread: BTreeSet<String>,
    /// State of `receipt.json`.
    pub receipt: ReceiptState,
    /// Bytes of `receipt.json`, if it exists.
    note: Option<Vec<u8>>,
}

/// Describes the receipt of an entry.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ReceiptState {
    /// It is well-formed. [`Entry::differences`] compares it with the entry.
    Valid(Box<Receipt>),
    /// It does not exist.
    Missing,
    /// It exists and is not a receipt, for this reason.
    Malformed(String),
}

impl ReceiptState {
    /// Returns the receipt if it is well-formed.
    pub fn valid(&self) -> Option<&Receipt> {
        match self {
            Self::Valid(receipt) => Some(receipt),
            Self::Missing | Self::Malformed(_) => None,
        }
    }

    /// Does the same, and leaves the rest.
    pub fn into_valid(self) -> Option<Box<Receipt>> {
        match self {
            Self::Valid(receipt) => Some(receipt),
            Self::Missing | Self::Malformed(_) => None,
        }
    }
}

/// Describes one point in which an entry differs from its receipt.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Difference {
    /// There is no receipt.
    NoReceipt,
    /// The receipt is malformed, for this reason.
    Malformed(String),
    /// The receipt belongs to this other instance.
    OtherInstance(InstanceName),
    /// This file has other bytes.
    Changed(String),
    /// This file has git's marks of an unresolved merge conflict.
    Unmerged(String),
    /// This file does not exist.
    Missing(String),
    /// This file exists and is not listed.
    Extra(String),
}

impl fmt::Display for Difference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoReceipt => f.write_str("it has no receipt.json"),
            Self::Malformed(why) => write!(f, "invalid receipt.json: {why}"),
            Self::OtherInstance(name) => write!(f, "receipt.json belongs to {name}"),
            Self::Changed(file) => write!(f, "`{}` was modified outside artifacts", file.escape_debug()),
            Self::Unmerged(file) => write!(f, "`{}` has an unresolved merge conflict", file.escape_debug()),
            Self::Missing(file) => write!(f, "`{}` is missing", file.escape_debug()),
            Self::Extra(file) => write!(f, "`{}` was added outside artifacts", file.escape_debug()),
        }
    }
}

/// Identifies the content of an entry: a commit names the content that it replaces.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Fingerprint(Sha256);

impl Fingerprint {
    /// Returns it as the digest that it is.
    pub fn digest(self) -> Sha256 {
        self.0
    }

    /// Takes a digest for what it is: the fingerprint of an entry that was read before.
    pub fn of(digest: Sha256) -> Self {
        Self(digest)
    }
}

impl fmt::Display for Fingerprint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl Entry {
    /// Reads the directory of an instance; `None` if it is empty. `limit` bounds the backend's files, in bytes.
    ///
    /// Says also what its files were like before they were read, unless there are others that do not count.
    pub(crate) fn read(
        name: &InstanceName,
        dir: &StoreDir,
        limit: u64,
    ) -> Result<Option<(Self, Option<EntryLook>)>, Error> {
        let mut stray = Reader::default();
        let mut look = EntryLook::default();
        let mut entry = Self {
            name: name.clone(),
            files: EntryFiles::new(),
            public: EntryFiles::new(),
            extras: EntryFiles::new(),
            unread: BTreeSet::new(),
            receipt: ReceiptState::Missing,
            note: None,
        };
        let mut entries = dir.entries()?;
        if entries.is_empty() {
            return Ok(None);
        }
        let public = entries.iter().position(|entry| *entry == (PUBLIC.to_owned(), FileKind::Directory));
        let public = public.map(|at| entries.swap_remove(at)).map(|_| opened(dir, PUBLIC)).transpose()?;
        let public = public.map(|public| Ok::<_, Error>((public.entries()?, public))).transpose()?;
        if let Some(at) = entries.iter().position(|entry| *entry == (RECEIPT.to_owned(), FileKind::File)) {
            entries.swap_remove(at);
            let files = entries.len() + public.as_ref().map_or(0, |(entries, _)| entries.len());
            let note = dir.look_and_read(RECEIPT, receipt::largest(files))?;
            let (looked, note) = note.ok_or_else(|| vanished(dir, RECEIPT))?;
            look.add("", RECEIPT, looked);
            entry.receipt = match Receipt::parse(&note) {
                Ok(receipt) => ReceiptState::Valid(Box::new(receipt)),
                Err(error) => ReceiptState::Malformed(error.to_string()),
            };
            entry.note = Some(note);
        }
        // A name that only the host gives: something else under it is no stray file.
        if let Some((_, found)) = entries.iter().find(|(name, kind)| name == PUBLIC && *kind != FileKind::File) {
            return Err(Error::WrongKind { path: dir.at(PUBLIC), expected: FileKind::File, found: *found });
        }
        let (files, extras) = entry.listed(entries, |receipt| &receipt.files);
        entry.files = Reader::default().files(dir, files, limit, |name, looked| look.add("", name, looked))?;
        if let Some((entries, public)) = public {
            let (files, others) = entry.listed(entries, |receipt| &receipt.public);
            let looked = |name: &str, looked| look.add(PUBLIC_FILES, name, looked);
            entry.public = Reader::default().files(&public, files, MAX_PUBLIC, looked)?;
            entry.take_extras(&mut stray, &public, others, PUBLIC_FILES, MAX_STRAY_FILE);
        }
        entry.take_extras(&mut stray, dir, extras, "", limit.min(MAX_STRAY_FILE));
        look.sort();
        let is_all = entry.extras.is_empty() && entry.unread.is_empty();
        Ok(Some((entry, is_all.then_some(look))))
    }

    /// Parts what the valid receipt lists from what it does not. Without one everything counts as listed.
    fn listed(&self, entries: Entries, list: fn(&Receipt) -> &Few<String, StoredFile>) -> (Entries, Entries) {
        let ReceiptState::Valid(receipt) = &self.receipt else { return (entries, Entries::new()) };
        entries.into_iter().partition(|(name, _)| list(receipt).contains_key(name))
    }

    /// Reads what the receipt does not list as far as it can be: none of it stands in the way of what is listed.
    fn take_extras(&mut self, reader: &mut Reader, dir: &StoreDir, entries: Entries, prefix: &str, limit: u64) {
        for (name, kind) in entries {
            let path = format!("{prefix}{name}");
            if reader.files >= MAX_FILES {
                self.unread.insert(path);
                continue;
            }
            let limit = limit.min(MAX_STRAY_FILE.saturating_sub(reader.bytes));
            match reader.files(dir, vec![(name, kind)], limit, |_, _| {}) {
                Ok(files) => self.extras.extend(files.into_values().map(|bytes| (path.clone(), bytes))),
                Err(_) => {
                    self.unread.insert(path);
                }
            }
        }
    }

    /// Returns how many bytes were read, the receipt among them.
    pub fn size(&self) -> u64 {
        let files = self.files.values().chain(self.public.values()).chain(self.extras.values());
        files.map(|bytes| bytes.len() as u64).sum::<u64>() + self.receipt_size()
    }

    /// Returns the bytes of `receipt.json`, if it exists.
    pub(crate) fn note(&self) -> Option<&[u8]> {
        self.note.as_deref()
    }

    /// Returns the size of `receipt.json`, in bytes; 0 if it does not exist.
    pub fn receipt_size(&self) -> u64 {
        self.note.as_ref().map_or(0, |note| note.len() as u64)
    }

    /// Returns whether every listed file has the listed bytes. Files that are not listed do not matter.
    pub fn is_intact(&self) -> bool {
        self.differences().iter().all(|difference| matches!(difference, Difference::Extra(_)))
    }

    /// Compares the entry with its receipt. The result is empty only if there is a receipt and every byte agrees with
    /// it.
    pub fn differences(&self) -> Vec<Difference> {
        let receipt = match &self.receipt {
            ReceiptState::Valid(receipt) => receipt,
            ReceiptState::Missing => return vec![Difference::NoReceipt],
            ReceiptState::Malformed(why) => return vec![Difference::Malformed(why.clone())],
        };
        let mut differences = Vec::new();
        if receipt.instance != self.name {
            differences.push(Difference::OtherInstance(receipt.instance.clone()));
        }
        compare(&self.files, &receipt.files, "", &mut differences);
        compare(&self.public, &receipt.public, PUBLIC_FILES, &mut differences);
        let extras = self.extras.keys().chain(&self.unread).cloned().collect::<BTreeSet<String>>();
        differences.extend(extras.into_iter().map(Difference::Extra));
        differences
    }

    /// Computes the fingerprint of this content: SHA-256 over the receipt, the files and the names of what was not
    /// read.
    pub fn fingerprint(&self) -> Fingerprint {
        let mut hasher = Hasher::new();
        let mut add = |bytes: &[u8]| hasher.update_part(bytes);
        add(&[u8::from(self.note.is_some())]);
        add(self.note.as_deref().unwrap_or_default());
        for files in [&self.files, &self.public, &self.extras] {
            add(&(files.len() as u64).to_le_bytes());
            for (name, bytes) in files {
                add(name.as_bytes());
                add(bytes);
            }
        }
        self.unread.iter().for_each(|name| add(name.as_bytes()));
        Fingerprint(hasher.finish())
    }
}

fn compare(files: &EntryFiles, stored: &Few<String, StoredFile>, prefix: &str, differences: &mut Vec<Difference>) {
    for (name, expected) in stored {
        match files.get(name) {
            None => differences.push(Difference::Missing(format!("{prefix}{name}"))),
            Some(bytes) if bytes.len() as u64 != expected.size || StoredFile::new(bytes) != *expected => {
                let path = format!("{prefix}{name}");
                let is_unmerged = receipt::has_conflict_marks(bytes);
                differences.push(if is_unmerged { Difference::Unmerged(path) } else { Difference::Changed(path) });
            }
            Some(_) => {}
        }
    }
}

fn opened(dir: &StoreDir, name: &str) -> Result<StoreDir, Error> {
    dir.open(name)?.ok_or_else(|| vanished(dir, name))
}

fn vanished(dir: &StoreDir, name: &str) -> Error {
    Error::io(dir.at(name), "read", rustix::io::Errno::NOENT)
}

/// Names and kinds of the files in a directory.
type Entries = Vec<(String, FileKind)>;

/// Counts what is read of one directory.
#[derive(Default)]
struct Reader {
    files: u64,
    bytes: u64,
}

impl Reader {
    /// Reads files, and shows what each was like before.
    fn files(
        &mut self,
        dir: &StoreDir,
        entries: Entries,
        limit: u64,
        mut show: impl FnMut(&str, FileLook),
    ) -> Result<EntryFiles, Error> {
        let mut files = EntryFiles::new();
        let before = self.bytes;
        for (name, kind) in entries {
            if kind != FileKind::File {
                return Err(Error::WrongKind { path: dir.at(&name), expected: FileKind::File, found: kind });
            }
            if let Some(why) = names::fault(&name) {
                return Err(Error::Name { path: dir.path().to_owned(), name, why });
            }
            let (look, bytes) = dir.look_and_read(&name, limit)?.ok_or_else(|| vanished(dir, &name))?;
            show(&name, look);
            self.count(dir.path(), bytes.len() as u64, MAX_TOTAL)?;
            if self.bytes - before > limit {
                return Err(Error::TooLarge { path: dir.path().to_owned(), what: "the limit in bytes is", limit });
            }
            files.insert(name, bytes);
        }
        Ok(files)
    }

    fn count(&mut self, path: &str, bytes: u64, limit: u64) -> Result<(), Error> {
        self.files += 1;
        self.bytes += bytes;
        if self.files > MAX_FILES {
            return Err(Error::TooLarge { path: path.to_owned(), what: "the limit of files is", limit: MAX_FILES });
        }
        if self.bytes > limit {
            return Err(Error::TooLarge { path: path.to_owned(), what: "the limit in bytes is", limit });
        }
        Ok(())
    }
}

/// Refuses what [`Entry::read`] would refuse, or what should not be in a repository at all.
pub(crate) fn check_to_write(path: &str, files: &EntryFiles, public: &EntryFiles) -> Result<(), Error> {
    for (files, path, reserved, limit) in [
        (files, path.to_owned(), &[PUBLIC, RECEIPT][..], MAX_TOTAL),
        (public, format!("{path}/{PUBLIC}"), &[][..], MAX_PUBLIC),
    ] {
        let mut reader = Reader::default();
        for (name, bytes) in files {
            let taken = reserved.contains(&name.as_str()).then_some("the host keeps this name for itself");
            if let Some(why) = names::fault_to_write(name).or(taken) {
                return Err(Error::Name { path, name: name.clone(), why });
            }
            reader.count(&path, bytes.len() as u64, limit)?;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use artifacts_seam::check_entry;
    use proptest::prelude::*;

    use super::*;

    fn many(count: u64) -> EntryFiles {
        (0..count).map(|number| (number.to_string(), Vec::new())).collect()
    }

    fn of_size(bytes: u64) -> EntryFiles {
        EntryFiles::from([("x".to_owned(), vec![0; usize::try_from(bytes).unwrap()])])
    }

    fn is_written(files: &EntryFiles) -> bool {
        check_to_write("secrets/x", files, &EntryFiles::new()).is_ok()
    }

    #[test]
    fn what_a_session_accepts_at_the_bounds_can_be_stored_and_no_more() {
        for (files, fits) in [
            (many(Limits::MOST.files), true),
            (many(Limits::MOST.files + 1), false),
            (of_size(Limits::MOST.output), true),
            (of_size(Limits::MOST.output + 1), false),
        ] {
            assert_eq!((is_written(&files), check_entry(&files, &Limits::MOST).is_ok()), (fits, fits));
        }
        // Public files have a budget of their own: they take nothing from the backend's.
        let public = many(Limits::MOST.files);
        assert!(check_to_write("secrets/x", &many(Limits::MOST.files), &public).is_ok());
        assert!(check_to_write("secrets/x", &EntryFiles::new(), &many(Limits::MOST.files + 1)).is_err());
    }

    proptest! {
        #[test]
        fn what_a_session_accepts_can_be_stored(
            names in proptest::collection::vec(
                prop_oneof![".{0,12}", "[a-zA-Z.]{1,6}", "\\PC{0,255}", "\\.git(ignore|modules)?", "[^\\x00/]{100,255}"],
                0..6,
            )
        ) {
            let files: EntryFiles = names.into_iter().map(|name| (name, vec![b'x'; 10])).collect();
            if check_entry(&files, &Limits::MOST).is_ok() {
                prop_assert!(is_written(&files), "{files:?}");
            }
        }
    }
}
