use std::fmt;

use artifacts_seam::Files;
use artifacts_spec::InstanceName;
use sha2::Digest;

use crate::folder::{Folder, Kind};
use crate::names::{self, PUBLIC, RECEIPT};
use crate::receipt::{MAX_RECEIPT, Receipt, Stored};
use crate::{Error, Hex};

/// The largest file of a slice, in bytes.
pub const MAX_FILE: u64 = 64 << 20;
/// The most files of a slice, public ones among them.
pub const MAX_FILES: u64 = 1024;
/// The largest slice, in bytes.
pub const MAX_TOTAL: u64 = 256 << 20;

/// The folder of one instance as it lies: regular files only.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Slice {
    /// Whose it is.
    pub name: InstanceName,
    /// The backend's files.
    pub files: Files,
    /// The public files.
    pub public: Files,
    /// The host's note.
    pub receipt: ReceiptState,
    /// The receipt's bytes.
    note: Option<Vec<u8>>,
}

/// The receipt of a slice.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ReceiptState {
    /// Well-formed. Whether the slice is as it says is another question: [`Slice::differences`].
    Valid(Box<Receipt>),
    /// Not there.
    Missing,
    /// There, but no receipt: why.
    Malformed(String),
}

/// A point in which a slice is not as its receipt says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Difference {
    /// No receipt.
    NoReceipt,
    /// The receipt is none: why.
    Malformed(String),
    /// The receipt is another instance's.
    OtherInstance(InstanceName),
    /// A file has other bytes.
    Changed(String),
    /// A file is missing.
    Missing(String),
    /// A file is there that the receipt does not know.
    Extra(String),
}

impl fmt::Display for Difference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoReceipt => f.write_str("it has no receipt.json"),
            Self::Malformed(why) => write!(f, "receipt.json is refused: {why}"),
            Self::OtherInstance(name) => write!(f, "receipt.json is that of {name}"),
            Self::Changed(file) => write!(f, "`{}` was changed after it was stored", file.escape_debug()),
            Self::Missing(file) => write!(f, "`{}` is missing", file.escape_debug()),
            Self::Extra(file) => write!(f, "`{}` was added after it was stored", file.escape_debug()),
        }
    }
}

/// The identity of a slice's content: a commit names the one that it replaces.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Fingerprint(Hex<32>);

impl fmt::Display for Fingerprint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl Slice {
    /// Reads the folder of an instance; `None` when it is empty. `limit` is for the bytes of the backend's files.
    pub(crate) fn read(name: &InstanceName, folder: &Folder, limit: u64) -> Result<Option<Self>, Error> {
        let mut reader = Reader { files: 0, bytes: 0 };
        let mut slice = Self {
            name: name.clone(),
            files: Files::new(),
            public: Files::new(),
            receipt: ReceiptState::Missing,
            note: None,
        };
        let mut entries = folder.entries()?;
        if entries.is_empty() {
            return Ok(None);
        }
        if let Some(at) = entries.iter().position(|entry| *entry == (PUBLIC.to_owned(), Kind::Folder)) {
            entries.swap_remove(at);
            let public = folder.open(PUBLIC)?.ok_or_else(|| vanished(folder, PUBLIC))?;
            slice.public = reader.files(&public, public.entries()?, MAX_TOTAL)?;
        }
        if let Some(at) = entries.iter().position(|entry| *entry == (RECEIPT.to_owned(), Kind::File)) {
            entries.swap_remove(at);
            let note = folder.read(RECEIPT, MAX_RECEIPT)?.ok_or_else(|| vanished(folder, RECEIPT))?;
            slice.receipt = match Receipt::parse(&note) {
                Ok(receipt) => ReceiptState::Valid(Box::new(receipt)),
                Err(error) => ReceiptState::Malformed(error.to_string()),
            };
            slice.note = Some(note);
        }
        slice.files = reader.files(folder, entries, limit)?;
        Ok(Some(slice))
    }

    /// In what the slice is not as its receipt says; empty only when there is a receipt and every byte agrees with it.
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
        compare(&self.public, &receipt.public, "public/", &mut differences);
        differences
    }

    /// Names this very content.
    pub fn fingerprint(&self) -> Fingerprint {
        let mut hash = sha2::Sha256::new();
        let mut add = |bytes: &[u8]| {
            hash.update((bytes.len() as u64).to_le_bytes());
            hash.update(bytes);
        };
        add(&[u8::from(self.note.is_some())]);
        add(self.note.as_deref().unwrap_or_default());
        for files in [&self.files, &self.public] {
            add(&(files.len() as u64).to_le_bytes());
            for (name, bytes) in files {
                add(name.as_bytes());
                add(bytes);
            }
        }
        Fingerprint(Hex(hash.finalize().into()))
    }
}

fn compare(
    files: &Files,
    stored: &std::collections::BTreeMap<String, Stored>,
    prefix: &str,
    differences: &mut Vec<Difference>,
) {
    for (name, expected) in stored {
        match files.get(name) {
            None => differences.push(Difference::Missing(format!("{prefix}{name}"))),
            Some(bytes) if bytes.len() as u64 != expected.size || Stored::of(bytes) != *expected => {
                differences.push(Difference::Changed(format!("{prefix}{name}")));
            }
            Some(_) => {}
        }
    }
    for name in files.keys().filter(|name| !stored.contains_key(*name)) {
        differences.push(Difference::Extra(format!("{prefix}{name}")));
    }
}

fn vanished(folder: &Folder, name: &str) -> Error {
    Error::io(folder.at(name), "read", rustix::io::Errno::NOENT)
}

/// Counts what is read of one slice.
struct Reader {
    files: u64,
    bytes: u64,
}

impl Reader {
    fn files(&mut self, folder: &Folder, entries: Vec<(String, Kind)>, limit: u64) -> Result<Files, Error> {
        let mut files = Files::new();
        let before = self.bytes;
        for (name, kind) in entries {
            if kind != Kind::File {
                return Err(Error::Kind { path: folder.at(&name), expected: Kind::File, found: kind });
            }
            if let Some(why) = names::fault(&name) {
                return Err(Error::Name { path: folder.path().to_owned(), name, why });
            }
            let bytes = folder.read(&name, MAX_FILE.min(limit))?.ok_or_else(|| vanished(folder, &name))?;
            self.count(folder.path(), bytes.len() as u64)?;
            if self.bytes - before > limit {
                return Err(Error::TooLarge { path: folder.path().to_owned(), what: "the limit in bytes is", limit });
            }
            files.insert(name, bytes);
        }
        Ok(files)
    }

    fn count(&mut self, path: &str, bytes: u64) -> Result<(), Error> {
        self.files += 1;
        self.bytes += bytes;
        if self.files > MAX_FILES {
            return Err(Error::TooLarge { path: path.to_owned(), what: "the limit of files is", limit: MAX_FILES });
        }
        if self.bytes > MAX_TOTAL {
            return Err(Error::TooLarge { path: path.to_owned(), what: "the limit in bytes is", limit: MAX_TOTAL });
        }
        Ok(())
    }
}

/// Refuses what [`Slice::read`] would refuse, or what should not be in a repository at all.
pub(crate) fn check_to_write(path: &str, files: &Files, public: &Files) -> Result<(), Error> {
    let mut reader = Reader { files: 0, bytes: 0 };
    for (files, path, reserved) in
        [(files, path.to_owned(), &[PUBLIC, RECEIPT][..]), (public, format!("{path}/{PUBLIC}"), &[][..])]
    {
        for (name, bytes) in files {
            let taken = reserved.contains(&name.as_str()).then_some("the host keeps this name for itself");
            if let Some(why) = names::fault_to_write(name).or(taken) {
                return Err(Error::Name { path, name: name.clone(), why });
            }
            let size = bytes.len() as u64;
            if size > MAX_FILE {
                return Err(Error::TooLarge {
                    path: format!("{path}/{name}"),
                    what: "the limit in bytes is",
                    limit: MAX_FILE,
                });
            }
            reader.count(&path, size)?;
        }
    }
    Ok(())
}
