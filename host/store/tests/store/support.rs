//! A checkout to work in.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use artifacts_declared::{InstanceName, Recipients, TargetId, TargetKind};
use artifacts_seam::EntryFiles;
use artifacts_store::{
    BackendId, Committed, Entry, Error, Few, Generation, HeaderHash, Hex, InTrash, NewEntry, Receipt, Root, Schema,
    Sha256, Storage, Time, TrashRecord, Writer, WriterOptions,
};

pub const WEB: &str = "per-machine/web1/attic";

pub fn name(text: &str) -> InstanceName {
    text.parse().unwrap()
}

pub fn now() -> SystemTime {
    UNIX_EPOCH + Duration::from_secs(1_790_000_000)
}

pub fn files(entries: &[(&str, &str)]) -> EntryFiles {
    entries.iter().map(|(name, bytes)| ((*name).to_owned(), bytes.as_bytes().to_vec())).collect()
}

pub fn receipt(instance: &str) -> Receipt {
    Receipt {
        schema: Schema,
        instance: name(instance),
        former: BTreeSet::new(),
        backend: BackendId {
            name: "agenix".parse().unwrap(),
            version: "0.1.0".to_owned(),
            sha256: Sha256::digest(b"component"),
        },
        generated: Time::from(now()),
        expires: None,
        generation: Generation::random().unwrap(),
        dependencies: BTreeMap::from([(name("shared/ca"), Hex([7; 16]))]),
        validation: None,
        targets: BTreeSet::from([TargetId { kind: TargetKind::Nixos, name: "web1".parse().unwrap() }]).into(),
        recipients: Recipients::from_iter([("env".parse().unwrap(), BTreeSet::from(["age1x".to_owned()]))]),
        files: Few::new(),
        public: Few::new(),
        headers: Few::from_iter([("env".parse().unwrap(), [HeaderHash(Sha256::digest(b"header"))].into())]),
        headers_without_file: BTreeSet::new(),
        labels: BTreeMap::new().into(),
    }
}

pub struct Checkout {
    pub dir: tempfile::TempDir,
}

impl Checkout {
    pub fn new() -> Self {
        Self { dir: tempfile::tempdir().unwrap() }
    }

    pub fn path(&self, below: &str) -> PathBuf {
        self.dir.path().join(below)
    }

    pub fn storage(&self) -> Storage {
        storage(self.dir.path()).unwrap()
    }

    pub fn writer(&self) -> Writer {
        self.storage().lock(WriterOptions::at(now())).unwrap()
    }

    pub fn read(&self, instance: &str) -> Option<Entry> {
        self.storage().read(&name(instance)).unwrap()
    }

    /// Commits over whatever is stored.
    pub fn put(&self, instance: &str, entries: &[(&str, &str)]) -> Committed {
        put(&self.writer(), instance, entries, &[]).unwrap()
    }

    pub fn trash(&self) -> Vec<PathBuf> {
        children(&self.path("secrets/.artifacts/trash"))
    }

    pub fn staged(&self) -> Vec<PathBuf> {
        children(&self.path("secrets/.artifacts/staging"))
    }
}

/// Where a checkout's runs record what goes to the trash.
pub fn record(root: &Path) -> PathBuf {
    root.join("record")
}

/// The entries of an instance that are in the trash as they were recorded, the oldest first.
pub fn in_trash(root: &Path, instance: &str) -> Vec<InTrash> {
    let (record, storage) = (TrashRecord::new(record(root)), storage(root).unwrap());
    let found = |trashed: String| {
        let known = record.read(&trashed).unwrap().unwrap();
        let entry = storage.read_trashed(&trashed, &name(instance)).unwrap()?;
        let fingerprint = entry.fingerprint();
        (known.instance == name(instance) && known.is(fingerprint)).then_some(InTrash {
            trashed,
            instance: known.instance,
            fingerprint,
        })
    };
    record.names().unwrap().into_iter().filter_map(found).collect()
}

pub fn storage(root: &Path) -> Result<Storage, Error> {
    Storage::open(&Root::open(root)?, "secrets")
}

pub fn put(
    writer: &Writer,
    instance: &str,
    entries: &[(&str, &str)],
    public: &[(&str, &str)],
) -> Result<Committed, Error> {
    let replaces = writer.storage().read(&name(instance))?.map(|entry| entry.fingerprint());
    writer.commit(NewEntry { files: files(entries), public: files(public), receipt: receipt(instance), replaces })
}

pub fn children(directory: &Path) -> Vec<PathBuf> {
    let mut list: Vec<_> = std::fs::read_dir(directory).unwrap().map(|entry| entry.unwrap().path()).collect();
    list.sort();
    list
}

/// The names of the steps that a run takes.
pub fn recorded(run: impl FnOnce(WriterOptions)) -> Vec<&'static str> {
    let steps = Arc::new(Mutex::new(Vec::new()));
    let mut options = WriterOptions::at(now());
    let log = Arc::clone(&steps);
    options.hooks.step = Arc::new(move |step| {
        log.lock().unwrap().push(step);
        Ok(())
    });
    run(options);
    let steps = steps.lock().unwrap();
    steps.clone()
}
