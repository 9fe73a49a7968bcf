//! Following an artifact's files and telling systemd: a unit is up while its artifact is complete, and consumers hear of
//! new contents.

mod decide;
mod digest;
mod memory;
mod switch;
mod systemd;
mod watches;

use std::collections::{BTreeMap, BTreeSet};
use std::fs::File;
use std::path::{Path, PathBuf};
use std::time::Duration;

use artifacts_spec::Name;
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::Errno;

use crate::accounts::Accounts;
use crate::check::{Fault, file_fault};
use crate::manifest::{Artifact, Manifest};
use crate::trace::trace;
use decide::{Decision, Fleeting, Seen, decide, undo};
use digest::{Digest, Key};
use memory::{Memory, Store};
use systemd::{Activity, Systemctl, Unit};
use watches::Watches;

/// Changes that come within this time are looked at together.
const SETTLE: Duration = Duration::from_millis(200);

/// How soon to look again when something could not be seen or told.
const RETRY: Duration = Duration::from_secs(10);

/// What to watch, and how.
#[derive(Debug, Clone)]
pub struct Options {
    /// The manifest; it is followed, too.
    pub manifest: PathBuf,
    /// A folder in RAM of the watcher's own.
    pub state: PathBuf,
    /// A user's manager instead of the system's.
    pub user: bool,
    /// The user's runtime folder, for paths that begin with it.
    pub runtime: Option<String>,
    /// How long a loss must last before the unit is stopped.
    pub grace: Duration,
}

/// Why watching ended.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// Its memory cannot be kept.
    #[error("the watcher cannot keep its memory in {}: {why}", .folder.display())]
    Memory {
        /// The folder.
        folder: PathBuf,
        /// Why not.
        why: std::io::Error,
    },
    /// The kernel does not tell of changes.
    #[error("the kernel does not tell of changes: {0}")]
    Kernel(std::io::Error),
}

impl Error {
    /// What to do.
    pub fn help(&self) -> Option<&'static str> {
        match self {
            Self::Memory { .. } => Some("give it a folder of its own below /run with --state"),
            Self::Kernel(_) => Some("see fs.inotify.max_user_instances"),
        }
    }
}

/// Watches for ever. `ready` is called once everything was looked at for the first time, `say` with each message.
///
/// # Errors
/// See [`Error`]; anything else is told through `say` and tried again.
pub fn watch(options: &Options, ready: impl FnOnce(), mut say: impl FnMut(&str)) -> Result<(), Error> {
    let mut watcher = Watcher::new(options)?;
    let mut again = watcher.look(&mut say);
    ready();
    loop {
        if watcher.wait(again).map_err(|why| Error::Kernel(why.into()))? {
            again = watcher.look(&mut say);
        }
    }
}

struct Watcher<'a> {
    options: &'a Options,
    systemd: Systemctl,
    watches: Watches,
    mounts: File,
    store: Store,
    memory: Memory,
    manifest: Manifest,
    fleeting: Fleeting,
}

/// One look at all files.
struct Files<'a> {
    faults: BTreeMap<&'a str, String>,
    digests: BTreeMap<String, Digest>,
}

impl<'a> Watcher<'a> {
    fn new(options: &'a Options) -> Result<Self, Error> {
        let memory = |why| Error::Memory { folder: options.state.clone(), why };
        let (store, memory) = Store::open(&options.state).map_err(memory)?;
        Ok(Self {
            options,
            systemd: Systemctl { user: options.user },
            watches: Watches::new().map_err(Error::Kernel)?,
            mounts: File::open("/proc/self/mountinfo").map_err(Error::Kernel)?,
            store,
            memory,
            manifest: Manifest::default(),
            fleeting: Fleeting::default(),
        })
    }

    /// Sleeps until something that matters happened and settled, or `again`, in microseconds of the monotonic clock. Whether
    /// there is a reason to look.
    fn wait(&mut self, again: Option<u64>) -> Result<bool, Errno> {
        let left = again.map(|at| Duration::from_micros(at.saturating_sub(now())));
        let woken = self.sleep(left)?;
        if woken {
            self.fleeting.try_again();
            std::thread::sleep(SETTLE);
            self.sleep(Some(Duration::ZERO))?;
        }
        Ok(woken || again.is_some_and(|at| at <= now()))
    }

    /// Whether something that matters happened.
    fn sleep(&mut self, most: Option<Duration>) -> Result<bool, Errno> {
        // A file system that is mounted over a folder is no event in it. The kernel tells of mounts as of urgent data.
        let mut fds = [PollFd::new(&self.watches, PollFlags::IN), PollFd::new(&self.mounts, PollFlags::PRI)];
        let most = most.and_then(|most| Timespec::try_from(most).ok());
        match poll(&mut fds, most.as_ref()) {
            Ok(_) | Err(Errno::INTR) => {}
            Err(why) => return Err(why),
        }
        let mounted = !fds[1].revents().is_empty();
        let changed = self.watches.drain().map_err(|why| Errno::from_io_error(&why).unwrap_or(Errno::IO))?;
        Ok(mounted || changed)
    }

    /// Looks at everything and acts. When to look again at the latest, in microseconds of the monotonic clock.
    fn look(&mut self, say: &mut impl FnMut(&str)) -> Option<u64> {
        let retry = now() + micros(RETRY);
        self.watches.begin();
        self.read_manifest(say);
        let manifest = self.manifest.clone();
        let files = look_at_files(&manifest, &mut self.watches, &self.memory.key);
        let blind = self.watches.end();
        if let Some((folder, why)) = &blind {
            say(&format!("{} cannot be watched: {why}; looking again every {RETRY:?}", folder.display()));
        }
        let again = match self.act(&manifest, files, say) {
            Ok(again) => again,
            Err(why) => {
                say(&format!("{why}; trying again in {RETRY:?}"));
                Some(retry)
            }
        };
        if blind.is_some() { Some(again.map_or(retry, |at| at.min(retry))) } else { again }
    }

    /// Keeps the last good manifest when there is no better.
    fn read_manifest(&mut self, say: &mut impl FnMut(&str)) {
        let path = &self.options.manifest;
        trace(path, |folder, name| self.watches.want(folder, name));
        match Manifest::read(path, self.options.runtime.as_deref()) {
            Ok(manifest) => self.manifest = manifest,
            Err(why) => say(&format!("{why}; keeping the last one")),
        }
    }

    fn act(
        &mut self,
        manifest: &Manifest,
        files: Files<'_>,
        say: &mut impl FnMut(&str),
    ) -> Result<Option<u64>, std::io::Error> {
        let at = now();
        let seen = Seen {
            units: self.units(manifest, &files)?,
            faults: files.faults,
            digests: files.digests,
            switching: switch::under_way(Path::new(switch::LOCK))?,
            manifest,
            now: at,
        };
        let mut memory = self.memory.clone();
        let Decision { orders, messages, mut again } =
            decide(&seen, &mut memory, &mut self.fleeting, micros(self.options.grace));
        for message in messages {
            say(&message);
        }
        // Each by itself: one that is refused, as that of a masked unit is, must not keep others.
        for (verb, unit) in orders.iter().flat_map(|(verb, units)| units.iter().map(|unit| (*verb, unit))) {
            if let Err(why) = self.systemd.tell(verb, unit) {
                say(&format!("{why}; trying again in {RETRY:?}"));
                undo(verb, unit, &seen, &mut memory, &mut self.fleeting);
                let retry = at + micros(RETRY);
                again = Some(again.map_or(retry, |at| at.min(retry)));
            }
        }
        self.store.save(&memory)?;
        self.memory = memory;
        Ok(again)
    }

    /// All units that the decision may ask for: those of the manifest, those that a change is pending for, and, where an artifact
    /// came too late, those that want its consumers.
    fn units(&self, manifest: &Manifest, files: &Files<'_>) -> std::io::Result<BTreeMap<String, Unit>> {
        let mut names: BTreeSet<&str> = self.memory.changed.keys().map(String::as_str).collect();
        for artifact in manifest.artifacts.values() {
            names.insert(&artifact.unit);
            names.extend(artifact.bind_units.iter().chain(&artifact.installers).map(String::as_str));
            for file in artifact.files.values() {
                names.extend(file.restart_units.iter().chain(&file.reload_units).map(String::as_str));
            }
        }
        let mut units = self.systemd.show(&names)?;
        let late = |(name, artifact): &(&Name, &Artifact)| {
            !files.faults.contains_key(name.as_str()) && units[&artifact.unit].active == Activity::Failed
        };
        let consumers = manifest.artifacts.iter().filter(late).flat_map(|(_, artifact)| &artifact.bind_units);
        let wanting: BTreeSet<String> = consumers.flat_map(|unit| units[unit].wanted_by.clone()).collect();
        let more = self.systemd.show(&wanting.iter().map(String::as_str).collect())?;
        units.extend(more);
        Ok(units)
    }
}

fn look_at_files<'a>(manifest: &'a Manifest, watches: &mut Watches, key: &Key) -> Files<'a> {
    let mut accounts = Accounts::default();
    let mut files = Files { faults: BTreeMap::new(), digests: BTreeMap::new() };
    for (name, artifact) in &manifest.artifacts {
        for (file_name, file) in &artifact.files {
            let end = trace(Path::new(&file.path), |folder, name| watches.want(folder, name));
            if let Some(cause) = file_fault(file, end, &mut accounts) {
                let fault = Fault { file: file_name.clone(), path: file.path.clone(), cause };
                files.faults.entry(name.as_str()).or_insert_with(|| fault.to_string());
            }
        }
        if !files.faults.contains_key(name.as_str()) {
            files.digests.extend(digests(name, artifact, key));
        }
    }
    files
}

/// Only of files that somebody wants to hear of: others are never read.
fn digests(name: &Name, artifact: &Artifact, key: &Key) -> impl Iterator<Item = (String, Digest)> {
    artifact
        .files
        .iter()
        .filter(|(_, file)| !(file.restart_units.is_empty() && file.reload_units.is_empty()))
        .filter_map(move |(file_name, file)| Some((format!("{name}/{file_name}"), key.of(Path::new(&file.path)).ok()?)))
}

fn now() -> u64 {
    let time = rustix::time::clock_gettime(rustix::time::ClockId::Monotonic);
    u64::try_from(time.tv_sec).unwrap_or_default() * 1_000_000 + u64::try_from(time.tv_nsec).unwrap_or_default() / 1000
}

fn micros(duration: Duration) -> u64 {
    u64::try_from(duration.as_micros()).unwrap_or(u64::MAX / 2)
}
