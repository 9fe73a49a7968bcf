use std::collections::BTreeSet;
use std::path::PathBuf;
use std::time::SystemTime;

use artifacts_declared::InstanceName;
use artifacts_seam::EntryFiles;

use crate::disk::Disk;
use crate::entry::check_to_write;
use crate::names::{self, PUBLIC, RECEIPT};
use crate::receipt;
use crate::store_dir::StoreDir;
use crate::work_dir::WorkDir;
use crate::{
    Durability, Error, FileKind, Fingerprint, Hooks, Receipt, Storage, Time, TrashPolicy, TrashRecord, Trashed, trash,
};

/// Configures how a storage is written.
#[derive(Clone)]
pub struct WriterOptions {
    /// Current time.
    pub now: SystemTime,
    /// How long entries stay in the trash.
    pub keep: TrashPolicy,
    /// Directory, outside of every checkout, that records what goes to the trash; `None` if nothing can be restored.
    pub trash_record: Option<PathBuf>,
    /// Command of the run, as that record names it.
    pub command: Option<String>,
    /// Whether commits survive a power cut.
    pub durability: Durability,
    /// What tests replace.
    pub hooks: Hooks,
}

impl WriterOptions {
    /// Uses the defaults, with this time.
    pub fn at(now: SystemTime) -> Self {
        Self {
            now,
            keep: TrashPolicy::default(),
            trash_record: None,
            command: None,
            durability: Durability::Full,
            hooks: Hooks::default(),
        }
    }
}

/// Represents the permission to change a storage: no other run has it while this exists.
pub struct Writer {
    storage: Storage,
    work_dir: WorkDir,
    disk: Disk,
    now: Time,
    record: Option<TrashRecord>,
    command: Option<String>,
}

/// Describes an entry to be committed.
#[derive(Debug, Clone)]
pub struct NewEntry {
    /// Files of the backend, by name.
    pub files: EntryFiles,
    /// Public files, by name.
    pub public: EntryFiles,
    /// Receipt, which names the instance. The commit fills in its `files` and `public`.
    pub receipt: Receipt,
    /// Fingerprint of the entry to be replaced; `None` if no entry may exist.
    pub replaces: Option<Fingerprint>,
}

/// Describes a committed entry.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Committed {
    /// Path of its directory relative to the root, for git.
    pub path: String,
    /// Receipt as written.
    pub receipt: Receipt,
    /// Path of the replaced entry in the trash, relative to the root.
    pub trash: Option<String>,
}

/// Holds an entry whose files are written and synced, beside the storage. What is not placed is removed by the next lock.
#[derive(Debug)]
pub struct StagedEntry {
    /// Its name in the staging directory.
    made: String,
    name: InstanceName,
    replaces: bool,
    committed: Committed,
}

/// Holds an entry that is in its place. It counts once it is settled: before that, a power cut may undo it.
#[derive(Debug)]
#[must_use]
pub struct PlacedEntry {
    /// The directory that contains it, if that is not the storage.
    above: Option<StoreDir>,
    committed: Committed,
}

/// Names an entry in the trash, as it was read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct InTrash {
    /// Its name in the trash.
    pub trashed: String,
    /// Instance that it belongs to.
    pub instance: InstanceName,
    /// Its content.
    pub fingerprint: Fingerprint,
}

/// Describes an entry that was brought back from the trash.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Restored {
    /// Path of its directory relative to the root, for git.
    pub path: String,
    /// Path in the trash of the entry that it replaced, relative to the root.
    pub trash: Option<String>,
}

impl Storage {
    /// Locks the storage: creates its directories, removes what crashed runs left, and checks that the file system can
    /// replace a directory in one step.
    ///
    /// # Errors
    /// If another run holds the lock, or the storage cannot be written.
    pub fn lock(&self, options: WriterOptions) -> Result<Writer, Error> {
        let disk = Disk { hooks: options.hooks, durability: options.durability };
        let now = Time::from(options.now);
        let work_dir = WorkDir::open(&disk, self, now, options.keep)?;
        let record = options.trash_record.map(TrashRecord::new);
        if let (Some(record), Some(at)) = (&record, work_dir.expired) {
            record.tidy(at, options.keep);
        }
        Ok(Writer { storage: self.clone(), work_dir, disk, now, record, command: options.command })
    }
}

impl Drop for Writer {
    fn drop(&mut self) {
        // Whatever keeps it there, an empty storage does no harm.
        let _ = self.work_dir.take_back(&self.disk, &self.storage);
    }
}

impl Writer {
    /// Returns the storage.
    pub fn storage(&self) -> &Storage {
        &self.storage
    }

    /// Checks whether a commit could replace the entry that was read (or none), as far as that is known without
    /// trying. To be called before a question is asked.
    ///
    /// # Errors
    /// If the entry has changed, leads through a symbolic link, or is on another file system.
    pub fn check(&self, name: &InstanceName, replaces: Option<&Fingerprint>) -> Result<(), Error> {
        let instance = || name.clone();
        let found = self.storage.read(name)?.map(|entry| entry.fingerprint());
        match (found, replaces) {
            (Some(_), None) => return Err(Error::Appeared { instance: instance() }),
            (None, Some(_)) => return Err(Error::Vanished { instance: instance() }),
            (Some(found), Some(expected)) if found != *expected => return Err(Error::Changed { instance: instance() }),
            _ => {}
        }
        self.replaceable(name)
    }

    /// Checks whether the file system lets a commit put an entry in its place, without reading or moving what is
    /// stored.
    ///
    /// # Errors
    /// If the entry leads through a symbolic link, is on another file system, or cannot be moved.
    pub fn replaceable(&self, name: &InstanceName) -> Result<(), Error> {
        let device = self.work_dir.staging.device()?;
        let path = names::entry_path(name)?;
        let ends = path.match_indices('/').map(|(at, _)| at).chain([path.len()]);
        for part in ends.filter_map(|end| path.get(..end)) {
            let Some(dir) = self.work_dir.storage.open(part)? else { break };
            if dir.device()? != device {
                let why = "it is another file system than that of the storage".to_owned();
                return Err(Error::Unsupported { path: dir.path().to_owned(), why });
            }
        }
        match self.above(&path)? {
            // The host's own directory is never empty: the lock is in it.
            Some((parent, artifact)) if self.work_dir.storage.open(&path)?.is_some() => {
                self.disk.movable((&parent, artifact), (&self.work_dir.storage, names::WORK_DIR))
            }
            _ => Ok(()),
        }
    }

    /// Puts an entry in its place as a whole: after a crash at any point either the old entry or the new one is
    /// stored.
    ///
    /// # Errors
    /// If the stored entry is not the one to be replaced, or the operating system reports an error. The old entry is
    /// still stored then, unless the last sync fails: in that case the new entry is stored and may not survive a power
    /// cut.
    pub fn commit(&self, new: NewEntry) -> Result<Committed, Error> {
        self.settle_one(self.place(self.stage(new)?)?, &mut BTreeSet::new())
    }

    /// Writes an entry aside and syncs its files: the first part of [`Self::commit`]. Several may be staged at once, each of another
    /// instance.
    ///
    /// # Errors
    /// If the stored entry is not the one to be replaced, or the operating system reports an error.
    pub fn stage(&self, new: NewEntry) -> Result<StagedEntry, Error> {
        let NewEntry { files, public, mut receipt, replaces } = new;
        let name = receipt.instance.clone();
        let path = format!("{}/{}", self.storage.path(), names::entry_path(&name)?);
        check_to_write(&path, &files, &public)?;
        receipt.describe(&files, &public);
        let note = receipt.render();
        let limit = receipt::largest(files.len() + public.len());
        match Receipt::parse(&note) {
            Ok(_) if note.len() as u64 > limit => {
                let why = format!("it has {} bytes; expected at most {limit}", note.len());
                return Err(Error::Receipt { instance: name, why });
            }
            Ok(read) if read == receipt => {}
            Ok(_) => return Err(Error::Receipt { instance: name, why: "it reads differently".to_owned() }),
            Err(error) => return Err(Error::Receipt { instance: name, why: error.to_string() }),
        }
        self.check(&name, replaces.as_ref())?;
        let made = trash::name(self.now, &name)?;
        if let Some(replaced) = replaces {
            self.record(&made, &name, replaced)?;
        }
        self.write(&made, &files, &public, &note).inspect_err(|_| self.remove_staged(&made))?;
        let trash = replaces.map(|_| self.work_dir.trash.at(&made));
        Ok(StagedEntry { made, name, replaces: replaces.is_some(), committed: Committed { path, receipt, trash } })
    }

    /// Puts a staged entry in its place: the second part of [`Self::commit`]. [`Self::settle`] is the last.
    ///
    /// # Errors
    /// If the operating system reports an error. The old entry is still stored then.
    pub fn place(&self, staged: StagedEntry) -> Result<PlacedEntry, Error> {
        let StagedEntry { made, name, replaces, committed } = staged;
        let above = self.exchange(&made, &name, replaces).inspect_err(|_| self.remove_staged(&made))?;
        Ok(PlacedEntry { above, committed })
    }

    /// Makes placed entries survive a power cut, each by its writer: the last part of [`Self::commit`]. Each directory that changed is
    /// synced once.
    ///
    /// Returns an error for each entry whose directories cannot be synced: it is stored, and may not survive a power cut.
    pub fn settle<W: AsRef<Self>>(placed: Vec<(W, PlacedEntry)>) -> Vec<Result<Committed, Error>> {
        let mut synced = BTreeSet::new();
        placed.into_iter().map(|(writer, placed)| writer.as_ref().settle_one(placed, &mut synced)).collect()
    }

    /// Syncs the directories in which an entry and what it replaced were placed, but for those that are synced.
    fn settle_one(&self, placed: PlacedEntry, synced: &mut BTreeSet<PathBuf>) -> Result<Committed, Error> {
        let PlacedEntry { above, committed } = placed;
        let trash = committed.trash.is_some().then_some(&self.work_dir.trash);
        for directory in trash.into_iter().chain([above.as_ref().unwrap_or(&self.work_dir.storage)]) {
            let path = self.storage.root().path().join(directory.path());
            if !synced.contains(&path) {
                self.disk.sync(directory)?;
                synced.insert(path);
            }
        }
        Ok(committed)
    }

    /// Removes what was staged and is not placed. The next lock would remove it, too; and whatever failed may well fail here.
    fn remove_staged(&self, made: &str) {
        let step = "remove what was not committed";
        let _ = self.disk.remove(step, &self.work_dir.staging, made, FileKind::Directory);
    }

    /// Moves an entry to the trash and removes the directories that it leaves empty. Returns its path in the trash;
    /// `None` if the entry does not exist.
    ///
    /// # Errors
    /// If a symbolic link is on the way, or the operating system reports an error.
    pub fn remove(&self, name: &InstanceName) -> Result<Option<String>, Error> {
        let path = names::entry_path(name)?;
        if self.work_dir.storage.open(&path)?.is_none() {
            return Ok(None);
        }
        let Some((parent, artifact)) = self.above(&path)? else { return Ok(None) };
        let trashed = trash::name(self.now, name)?;
        // What cannot be read is moved all the same; it is none that could be restored.
        if let Ok(Some(entry)) = self.storage.read(name) {
            self.record(&trashed, name, entry.fingerprint())?;
        }
        self.disk.rename("move the entry to the trash", (&parent, artifact), (&self.work_dir.trash, &trashed))?;
        self.disk.sync(&self.work_dir.trash)?;
        self.disk.sync(&parent)?;
        self.tidy(path.rsplit_once('/').map_or("", |(above, _)| above))?;
        Ok(Some(self.work_dir.trash.at(&trashed)))
    }

    /// Moves an entry from the trash back to its place as it is, and what is stored there to the trash in its stead: after a crash at
    /// any point one of them is stored, and the other is in the trash.
    ///
    /// # Errors
    /// If either is not what was expected, or the operating system reports an error; then nothing was changed, unless the last sync
    /// fails.
    pub fn restore(&self, wanted: &InTrash, replaces: Option<Fingerprint>) -> Result<Restored, Error> {
        let InTrash { trashed, instance, fingerprint } = wanted;
        let found = self.storage.read_trashed(trashed, instance)?.map(|entry| entry.fingerprint());
        if found != Some(*fingerprint) {
            return Err(Error::TrashChanged { instance: instance.clone() });
        }
        self.check(instance, replaces.as_ref())?;
        let path = format!("{}/{}", self.storage.path(), names::entry_path(instance)?);
        let trash = &self.work_dir.trash;
        let Some(stored) = replaces else {
            let above = self.put((trash, trashed), instance, false)?;
            self.forget(trashed);
            self.sync_with_trash(above.as_ref())?;
            return Ok(Restored { path, trash: None });
        };
        // What is replaced stays in the trash as long as if it went there now, and so under a name with this time.
        let made = trash::name(self.now, instance)?;
        let record = Trashed::new(instance, &self.absolute(), stored);
        self.record_as(&made, Trashed { exchanged: Some(fingerprint.to_string()), ..record })?;
        self.disk.rename("give it a new time in the trash", (trash, trashed), (trash, &made))?;
        self.forget(trashed);
        let above = self.put((trash, &made), instance, true)?;
        self.sync_with_trash(above.as_ref())?;
        Ok(Restored { path, trash: Some(trash.at(&made)) })
    }

    /// Removes an entry from the trash for good: the one that was read, and no other. One that is gone already is no error.
    ///
    /// # Errors
    /// If it is not what was expected, or the operating system reports an error. What is left of it then is in the staging directory, which
    /// the next lock empties.
    pub fn discard(&self, wanted: &InTrash) -> Result<(), Error> {
        let InTrash { trashed, instance, fingerprint } = wanted;
        let WorkDir { staging, trash, .. } = &self.work_dir;
        match self.storage.read_trashed(trashed, instance)?.map(|entry| entry.fingerprint()) {
            Some(found) if found != *fingerprint => {
                return Err(Error::TrashChanged { instance: instance.clone() });
            }
            Some(_) => {
                // Out of the trash as a whole first: no end leaves a part of it that looks as if it could be restored.
                self.disk.rename("take it out of the trash", (trash, trashed), (staging, trashed))?;
                self.disk.sync(trash)?;
                self.disk.remove("remove it for good", staging, trashed, FileKind::Directory)?;
            }
            None => {}
        }
        self.forget(trashed);
        Ok(())
    }

    fn forget(&self, trashed: &str) {
        self.record.iter().for_each(|record| record.forget(trashed));
    }

    /// Records an entry before it goes to the trash: an entry there without a record may come from a push.
    fn record(&self, trashed: &str, name: &InstanceName, fingerprint: Fingerprint) -> Result<(), Error> {
        self.record_as(trashed, Trashed::new(name, &self.absolute(), fingerprint))
    }

    fn record_as(&self, trashed: &str, entry: Trashed) -> Result<(), Error> {
        let Some(record) = &self.record else { return Ok(()) };
        record.add(&self.disk, trashed, &Trashed { command: self.command.clone(), ..entry })
    }

    fn absolute(&self) -> PathBuf {
        self.storage.root().path().join(self.storage.path())
    }

    /// Opens the directory that contains an entry. Returns it with the entry's name.
    fn above<'a>(&self, path: &'a str) -> Result<Option<(StoreDir, &'a str)>, Error> {
        let (above, artifact) = path.rsplit_once('/').unwrap_or((".", path));
        Ok(self.work_dir.storage.open(above)?.map(|parent| (parent, artifact)))
    }

    /// Writes the files of an entry to the staging directory.
    fn write(&self, made: &str, files: &EntryFiles, public: &EntryFiles, note: &[u8]) -> Result<(), Error> {
        let disk = &self.disk;
        let dir = disk.make("make the entry", &self.work_dir.staging, made, 0o755)?;
        if !public.is_empty() {
            let dir = disk.make("make the public directory", &dir, PUBLIC, 0o755)?;
            for (name, bytes) in public {
                disk.write(&dir, name, bytes, 0o644)?;
            }
            disk.sync(&dir)?;
        }
        for (name, bytes) in files {
            disk.write(&dir, name, bytes, 0o644)?;
        }
        disk.write(&dir, RECEIPT, note, 0o644)?;
        disk.sync(&dir)
    }

    /// Puts the staged entry in its place, and what it replaces in the trash. Returns the directory that contains it, if that is not the
    /// storage.
    fn exchange(&self, made: &str, name: &InstanceName, replaces: bool) -> Result<Option<StoreDir>, Error> {
        let WorkDir { staging, trash, .. } = &self.work_dir;
        if !replaces {
            return self.put((staging, made), name, false);
        }
        // In the trash first: then the exchange brings the old entry to where it belongs, whatever happens next.
        self.disk.rename("move to the trash's side", (staging, made), (trash, made))?;
        self.put((trash, made), name, true).inspect_err(|_| {
            let _ = self.disk.rename("move back", (trash, made), (staging, made));
        })
    }

    /// Puts a directory in the place of an entry: the one rename that counts. Returns the directory that contains it, if that is not the
    /// storage.
    fn put(&self, from: (&StoreDir, &str), name: &InstanceName, replaces: bool) -> Result<Option<StoreDir>, Error> {
        let storage = &self.work_dir.storage;
        let mut components = name.components();
        let artifact = components.pop().unwrap_or_default();
        let mut above: Option<StoreDir> = None;
        for part in components {
            above = Some(self.disk.make_lasting(
                "make the directory above",
                above.as_ref().unwrap_or(storage),
                part,
                0o755,
            )?);
        }
        let parent = above.as_ref().unwrap_or(storage);
        if replaces {
            self.disk.exchange("exchange the entries", from, (parent, artifact))?;
        } else {
            self.disk.remove_empty("remove an empty directory", parent, artifact)?;
            self.disk.rename("put the entry in place", from, (parent, artifact))?;
        }
        Ok(above)
    }

    fn sync_with_trash(&self, above: Option<&StoreDir>) -> Result<(), Error> {
        self.disk.sync(&self.work_dir.trash)?;
        self.disk.sync(above.unwrap_or(&self.work_dir.storage))
    }

    /// Removes empty directories from here up to the storage.
    fn tidy(&self, mut path: &str) -> Result<(), Error> {
        while !path.is_empty() {
            let (above, name) = path.rsplit_once('/').unwrap_or(("", path));
            let opened = if above.is_empty() { None } else { self.work_dir.storage.open(above)? };
            let parent = opened.as_ref().unwrap_or(&self.work_dir.storage);
            if !self.disk.remove_empty("remove an empty directory", parent, name)? {
                break;
            }
            self.disk.sync(parent)?;
            path = above;
        }
        Ok(())
    }
}
