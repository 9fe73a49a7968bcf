//! Following an artifact's files and telling systemd: a unit is up while its artifact is complete, and consumers hear of
//! new contents.

mod decide;
mod digest;
mod memory;
pub(crate) mod switch;
pub(crate) mod systemd;
mod troubles;
mod watches;

use std::collections::{BTreeMap, BTreeSet};
use std::fs::File;
use std::path::{Path, PathBuf};
use std::rc::Rc;
use std::time::Duration;

use artifacts_declared::Name;
use artifacts_digest::Sha256;
use artifacts_text::Explain;
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::Errno;

use crate::accounts::Accounts;
use crate::check::{FileMismatch, file_fault};
use crate::manifest::{self, TargetManifest};
use crate::trace::{PathEnd, trace};
use decide::{Snapshot, TransientState, consumers_in_trouble, decide, done};
use digest::DigestKey;
use memory::{DigestStore, Store};
use systemd::{Activity, Manager, Systemctl, Unit};
use troubles::ErrorLog;
use watches::Watches;

/// Changes that come within this time are looked at together.
const SETTLE: Duration = Duration::from_millis(200);

/// What to watch, and how.
#[derive(Debug, Clone)]
pub struct WatchOptions {
    /// The manifest; it is followed, too.
    pub manifest: PathBuf,
    /// A directory in RAM of the watcher's own.
    pub state: PathBuf,
    /// A user's manager instead of the system's.
    pub user: bool,
    /// The user's runtime directory, for paths that begin with it.
    pub runtime: Option<String>,
    /// How long a loss must last before the unit is stopped.
    pub grace: Duration,
}

/// Why watching ended.
#[derive(Debug, thiserror::Error)]
pub enum WatchError {
    /// Its memory cannot be kept.
    #[error("cannot keep digests in {}: {why}", .dir.display())]
    Memory {
        /// The directory.
        dir: PathBuf,
        /// Why not.
        why: std::io::Error,
    },
    /// The kernel does not tell of changes.
    #[error("cannot use inotify: {0}")]
    Kernel(std::io::Error),
}

impl Explain for WatchError {
    fn kind(&self) -> &'static str {
        "watch"
    }

    fn hint(&self) -> Option<String> {
        let hint = match self {
            Self::Memory { .. } => Some("pass a separate directory below /run with `--state`"),
            Self::Kernel(_) => Some("see fs.inotify.max_user_instances"),
        };
        hint.map(str::to_owned)
    }
}

/// Watches for ever. `ready` is called once everything was looked at for the first time, `say` with each message.
///
/// # Errors
/// See [`WatchError`]; anything else is reported through `say` and tried again.
pub fn watch(options: &WatchOptions, ready: impl FnOnce(), mut say: impl FnMut(&str)) -> Result<(), WatchError> {
    let mut watcher = Watcher::new(options, Systemctl { user: options.user })?;
    let mut again = watcher.look(&mut say);
    ready();
    loop {
        if watcher.wait(again).map_err(|why| WatchError::Kernel(why.into()))? {
            again = watcher.look(&mut say);
        }
    }
}

struct Watcher<'a, M> {
    options: &'a WatchOptions,
    manager: M,
    watches: Watches,
    mounts: File,
    store: Store,
    memory: DigestStore,
    manifest: Rc<TargetManifest>,
    version: Option<Sha256>,
    fleeting: TransientState,
    troubles: ErrorLog,
}

/// What may wake the watcher.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum WatchEvent {
    /// Something was mounted or unmounted, wherever.
    Mount,
    /// A file changed, or a directory on the way to it.
    Change,
}

/// One look at all files.
struct FileSnapshot<'a> {
    faults: BTreeMap<&'a str, String>,
    digests: BTreeMap<String, Sha256>,
}

impl<'a, M: Manager> Watcher<'a, M> {
    fn new(options: &'a WatchOptions, manager: M) -> Result<Self, WatchError> {
        let memory = |why| WatchError::Memory { dir: options.state.clone(), why };
        let (store, memory) = Store::open(&options.state).map_err(memory)?;
        Ok(Self {
            options,
            manager,
            watches: Watches::new().map_err(WatchError::Kernel)?,
            mounts: File::open("/proc/self/mountinfo").map_err(WatchError::Kernel)?,
            store,
            memory,
            manifest: Rc::default(),
            version: None,
            fleeting: TransientState::default(),
            troubles: ErrorLog::default(),
        })
    }

    /// Sleeps until something that matters happened and settled, or `again`, in microseconds of the monotonic clock. Whether
    /// there is a reason to look.
    fn wait(&mut self, again: Option<u64>) -> Result<bool, Errno> {
        let left = again.map(|at| Duration::from_micros(at.saturating_sub(now())));
        let mut woken = self.sleep(left)?;
        if woken.is_some() {
            std::thread::sleep(SETTLE);
            woken = woken.max(self.sleep(Some(Duration::ZERO))?);
        }
        // Mounts come and go with every container, mostly elsewhere: one that matters makes an artifact complete or incomplete.
        if woken == Some(WatchEvent::Change) {
            self.fleeting.try_again();
        }
        Ok(woken.is_some() || again.is_some_and(|at| at <= now()))
    }

    /// What happened of what may matter.
    fn sleep(&mut self, most: Option<Duration>) -> Result<Option<WatchEvent>, Errno> {
        // A file system that is mounted over a directory is no event in it. The kernel tells of mounts as of urgent data.
        let mut fds = [PollFd::new(&self.watches, PollFlags::IN), PollFd::new(&self.mounts, PollFlags::PRI)];
        let most = most.and_then(|most| Timespec::try_from(most).ok());
        match poll(&mut fds, most.as_ref()) {
            Ok(_) | Err(Errno::INTR) => {}
            Err(why) => return Err(why),
        }
        let mounted = !fds[1].revents().is_empty();
        let changed = self.watches.drain().map_err(|why| Errno::from_io_error(&why).unwrap_or(Errno::IO))?;
        Ok(if changed { Some(WatchEvent::Change) } else { mounted.then_some(WatchEvent::Mount) })
    }

    /// Looks at everything and acts. When to look again at the latest, in microseconds of the monotonic clock.
    fn look(&mut self, say: &mut impl FnMut(&str)) -> Option<u64> {
        self.watches.begin();
        self.read_manifest(say);
        let manifest = Rc::clone(&self.manifest);
        let files = look_at_files(&manifest, &mut self.watches, &self.memory.key);
        if let Some((dir, why)) = self.watches.end() {
            self.troubles.meet(format!("cannot watch {}: {why}; polling instead", dir.display()), say);
        }
        let again = match self.act(&manifest, files, say) {
            Ok(again) => again,
            Err(why) => {
                self.troubles.meet(format!("{why}; retrying"), say);
                None
            }
        };
        let retry = self.troubles.retry().map(|delay| now() + micros(delay));
        again.into_iter().chain(retry).min()
    }

    /// Keeps the last good manifest when there is no better.
    fn read_manifest(&mut self, say: &mut impl FnMut(&str)) {
        let path = &self.options.manifest;
        trace(path, |dir, name| self.watches.want(dir, name));
        if let Err(why) = self.try_read_manifest() {
            self.troubles.meet(format!("{why}; keeping the last one"), say);
        }
    }

    fn try_read_manifest(&mut self) -> Result<(), manifest::TargetManifestError> {
        let path = &self.options.manifest;
        let text = TargetManifest::text(path)?;
        let version = self.memory.key.digest_all(text.as_bytes()).ok();
        if version.is_none() || version != self.version {
            self.manifest = Rc::new(TargetManifest::from_text(&text, path, self.options.runtime.as_deref())?);
            self.version = version;
        }
        Ok(())
    }

    fn act(
        &mut self,
        manifest: &TargetManifest,
        files: FileSnapshot<'_>,
        say: &mut impl FnMut(&str),
    ) -> Result<Option<u64>, std::io::Error> {
        let now = now();
        let units = self.units(manifest, &files)?;
        let unknown = units.iter().filter(|(_, unit)| unit.active == Activity::Unknown).map(|(name, _)| name.as_str());
        let unknown: Vec<&str> = unknown.collect();
        if !unknown.is_empty() {
            self.troubles.meet(format!("systemd did not report {}; retrying", unknown.join(", ")), say);
        }
        let switching = switch::under_way(Path::new(switch::LOCK))?;
        let version = self.version;
        let seen = Snapshot { version, units, faults: files.faults, digests: files.digests, switching, manifest, now };
        let mut memory = self.memory.clone();
        let decision = decide(&seen, &mut memory, &mut self.fleeting, micros(self.options.grace));
        // First: anyone who is stopped before an order, or after it, then decides upon it again and knows what came of it.
        self.store.save(&memory)?;
        self.memory = memory;
        decision.messages.iter().for_each(|message| say(message));
        // Each by itself: one that is refused, as that of a masked unit is, must not keep others.
        for (order @ (verb, unit), message) in decision.in_order() {
            if !self.troubles.was_refused(order) {
                say(message);
            }
            match self.manager.command(*verb, unit) {
                Ok(()) => done(*verb, unit, &mut self.memory, &mut self.fleeting),
                Err(why) => {
                    self.troubles.refuse(order.clone());
                    self.troubles.meet(format!("{why}; retrying"), say);
                }
            }
        }
        self.store.save(&self.memory)?;
        Ok(decision.again)
    }

    /// All units that the decision may ask for: those of the manifest, those that something is pending for, what stops with an
    /// artifact that is in trouble, and what wants those that may have to be started.
    fn units(&self, manifest: &TargetManifest, files: &FileSnapshot<'_>) -> std::io::Result<BTreeMap<String, Unit>> {
        let mut names: BTreeSet<&str> =
            self.memory.changed.keys().chain(self.memory.waiting.keys()).map(String::as_str).collect();
        for artifact in manifest.artifacts.values() {
            names.insert(&artifact.unit);
            names.extend(artifact.bind_units.iter().chain(&artifact.installers).map(String::as_str));
            for file in artifact.files.values() {
                names.extend(file.restart_units.iter().chain(&file.reload_units).map(String::as_str));
            }
        }
        let mut units = self.manager.show(&names)?;
        let consumers = loop {
            let consumers = consumers_in_trouble(manifest, &files.faults, &units);
            if !self.show_more(&mut units, &consumers.values().flatten().cloned().collect())? {
                break consumers;
            }
        };
        let follows = |name: &str| consumers.values().any(|consumers| consumers.contains(name));
        let artifact = |name: &str| manifest.artifacts.values().any(|artifact| artifact.unit == name);
        let to_start = units.iter().filter(|(name, unit)| match unit.active {
            Activity::Failed => true,
            Activity::Down => follows(name) || artifact(name),
            Activity::Up | Activity::Moving | Activity::Stopping => follows(name),
            Activity::Unknown => false,
        });
        let wanting = to_start.flat_map(|(_, unit)| unit.wanted_by.clone()).collect();
        self.show_more(&mut units, &wanting)?;
        Ok(units)
    }

    /// Adds units; whether one of them was not there.
    fn show_more(&self, units: &mut BTreeMap<String, Unit>, names: &BTreeSet<String>) -> std::io::Result<bool> {
        let new = names.iter().filter(|name| !units.contains_key(*name)).map(String::as_str).collect();
        let new = self.manager.show(&new)?;
        let any = !new.is_empty();
        units.extend(new);
        Ok(any)
    }
}

fn look_at_files<'a>(manifest: &'a TargetManifest, watches: &mut Watches, key: &DigestKey) -> FileSnapshot<'a> {
    let mut accounts = Accounts::default();
    let mut files = FileSnapshot { faults: BTreeMap::new(), digests: BTreeMap::new() };
    for (name, artifact) in &manifest.artifacts {
        let mut ends = Vec::new();
        for (file_name, file) in &artifact.files {
            let end = trace(Path::new(&file.path), |dir, name| watches.want(dir, name));
            // Only files that someone wants to hear of are ever read.
            if let PathEnd::Found(at, _) = &end
                && !(file.restart_units.is_empty() && file.reload_units.is_empty())
            {
                ends.push((file_name, at.clone()));
            }
            if let Some(cause) = file_fault(file, end, &mut accounts) {
                let fault = FileMismatch { file: file_name.clone(), path: file.path.clone(), cause };
                files.faults.entry(name.as_str()).or_insert_with(|| fault.to_string());
            }
        }
        if !files.faults.contains_key(name.as_str()) {
            let digest = |(file, at): (&Name, PathBuf)| Some((format!("{name}/{file}"), key.digest(&at).ok()?));
            files.digests.extend(ends.into_iter().filter_map(digest));
        }
    }
    files
}

fn now() -> u64 {
    let time = rustix::time::clock_gettime(rustix::time::ClockId::Monotonic);
    u64::try_from(time.tv_sec).unwrap_or_default() * 1_000_000 + u64::try_from(time.tv_nsec).unwrap_or_default() / 1000
}

fn micros(duration: Duration) -> u64 {
    u64::try_from(duration.as_micros()).unwrap_or(u64::MAX / 2)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use std::cell::{Cell, RefCell};
    use std::io;
    use std::os::unix::fs::PermissionsExt;
    use std::rc::Rc;
    use systemd::Verb;

    /// Counts what is done, and lets nothing be done any more after so many steps: as anyone who is killed there.
    #[derive(Clone)]
    struct Life(Rc<Cell<usize>>);

    impl Life {
        fn step(&self) -> io::Result<()> {
            self.0.set(self.0.get().checked_sub(1).ok_or_else(|| io::Error::other("killed"))?);
            Ok(())
        }
    }

    /// A manager whose jobs are done at once, and what it did.
    struct Fake {
        units: RefCell<BTreeMap<String, Unit>>,
        did: RefCell<Vec<String>>,
        /// For which it takes no order.
        refused: RefCell<BTreeSet<&'static str>>,
    }

    impl Fake {
        /// `a` with its consumers `x`, which wants `deep`, and `y`; `r` and `l` want to hear of changes.
        fn new() -> Self {
            let unit = |dependents: &[&str]| Unit {
                active: Activity::Up,
                began: 1,
                entered: 2,
                stirred: 3,
                tried: true,
                dependents: dependents.iter().map(ToString::to_string).collect(),
                ..Unit::default()
            };
            let units = [("a", &["x", "y"][..]), ("x", &["deep"]), ("y", &[]), ("deep", &[]), ("r", &[]), ("l", &[])];
            let units = units.map(|(name, dependents)| (name.to_owned(), unit(dependents)));
            Self { units: RefCell::new(units.into()), did: RefCell::default(), refused: RefCell::default() }
        }

        fn stop(&self, name: &str) {
            let unit = self.units.borrow()[name].clone();
            if unit.active != Activity::Down {
                self.did.borrow_mut().push(format!("stop {name}"));
                self.units.borrow_mut().get_mut(name).unwrap().active = Activity::Down;
            }
            unit.dependents.iter().for_each(|other| self.stop(other));
        }

        fn start(&self, name: &str) {
            let mut units = self.units.borrow_mut();
            let unit = units.get_mut(name).unwrap();
            if unit.active != Activity::Up {
                self.did.borrow_mut().push(format!("start {name}"));
                unit.active = Activity::Up;
                (unit.began, unit.entered, unit.stirred) = (now(), now(), now());
            }
        }

        fn did(&self, what: &str) -> usize {
            self.did.borrow().iter().filter(|did| *did == what).count()
        }
    }

    impl Manager for (&Fake, Life) {
        fn show(&self, names: &BTreeSet<&str>) -> io::Result<BTreeMap<String, Unit>> {
            let unit = |name: &&str| (name.to_string(), self.0.units.borrow().get(*name).cloned().unwrap_or_default());
            Ok(names.iter().map(unit).collect())
        }

        fn command(&self, verb: Verb, name: &str) -> io::Result<()> {
            self.1.step()?;
            if self.0.refused.borrow().contains(name) {
                return Err(io::Error::other(format!("{name} is masked")));
            }
            match verb {
                Verb::Start => self.0.start(name),
                Verb::Stop => self.0.stop(name),
                Verb::TryRestart => {
                    self.0.did.borrow_mut().push(format!("restart {name}"));
                    self.0.units.borrow_mut().get_mut(name).unwrap().active = Activity::Down;
                    self.0.start(name);
                }
                Verb::TryReload => {
                    self.0.did.borrow_mut().push(format!("reload {name}"));
                    self.0.units.borrow_mut().get_mut(name).unwrap().stirred = now();
                }
            }
            self.1.step()
        }
    }

    struct Machine {
        dir: tempfile::TempDir,
        systemd: Fake,
        options: WatchOptions,
    }

    impl Machine {
        fn new() -> Self {
            let dir = tempfile::tempdir_in("/dev/shm").unwrap();
            let manifest = format!(
                r#"{{"schema":1,"artifacts":{{"a":{{"unit":"a","bindUnits":["x","y"],"files":{{"f":{{
                    "path":"{}/f","mode":"0400","restartUnits":["r"],"reloadUnits":["l"]}}}}}}}}}}"#,
                dir.path().display()
            );
            std::fs::write(dir.path().join("manifest"), manifest).unwrap();
            let options = WatchOptions {
                manifest: dir.path().join("manifest"),
                state: dir.path().to_owned(),
                user: false,
                runtime: None,
                grace: Duration::ZERO,
            };
            let machine = Self { dir, systemd: Fake::new(), options };
            machine.put("old");
            machine.watch(usize::MAX, 1);
            machine
        }

        fn put(&self, text: &str) {
            let new = self.dir.path().join("new");
            std::fs::write(&new, text).unwrap();
            std::fs::set_permissions(&new, PermissionsExt::from_mode(0o400)).unwrap();
            std::fs::rename(new, self.dir.path().join("f")).unwrap();
        }

        fn take_away(&self) {
            std::fs::remove_file(self.dir.path().join("f")).unwrap();
        }

        /// A watcher's whole life: it looks so many times, and is killed after so many steps. Whether it was.
        fn watch(&self, steps: usize, looks: usize) -> bool {
            let life = Life(Rc::new(Cell::new(steps)));
            let mut watcher = Watcher::new(&self.options, (&self.systemd, life.clone())).unwrap();
            let of_store = life.clone();
            watcher.store.with_steps(move || of_store.step());
            for _ in 0..looks {
                watcher.look(&mut |_| ());
            }
            life.0.get() == 0
        }
    }

    #[test]
    fn every_change_is_said_and_a_refused_order_once() {
        let machine = Machine::new();
        machine.systemd.refused.borrow_mut().insert("l");
        let life = Life(Rc::new(Cell::new(usize::MAX)));
        let mut watcher = Watcher::new(&machine.options, (&machine.systemd, life)).unwrap();
        let mut look = |text: &str| {
            machine.put(text);
            let mut said = Vec::new();
            watcher.look(&mut |message| said.push(message.to_owned()));
            said
        };
        let changed = "artifact `a`: the content of file `f` changed";
        let refused = "l is masked; retrying";
        look("old");
        assert_eq!(look("new"), [changed, "restarting r", "reloading l", refused]);
        assert_eq!(look("newer"), [changed, "restarting r"]);
        assert_eq!(look("newer"), Vec::<String>::new());
    }

    /// Kills a watcher at each of its steps in turn; another comes after it.
    fn killed_at_each_step(story: impl Fn(&dyn Fn(&Machine))) {
        let mut steps = 0;
        loop {
            let killed = Cell::new(false);
            story(&|machine| {
                killed.set(machine.watch(steps, 3));
                machine.watch(usize::MAX, 3);
            });
            if !killed.get() {
                break;
            }
            steps += 1;
        }
        assert!(steps > 6, "only {steps} steps were enumerated");
    }

    #[test]
    fn whoever_is_killed_at_any_step_loses_no_change_and_tells_none_twice() {
        killed_at_each_step(|watch| {
            let machine = Machine::new();
            machine.put("new");
            watch(&machine);
            assert_eq!(machine.systemd.did("restart r"), 1, "{:?}", machine.systemd.did);
            assert_eq!(machine.systemd.did("reload l"), 1, "{:?}", machine.systemd.did);
        });
    }

    #[test]
    fn whoever_is_killed_at_any_step_of_a_loss_brings_back_what_it_stopped_and_nothing_else() {
        killed_at_each_step(|watch| {
            let machine = Machine::new();
            machine.systemd.stop("y");
            machine.take_away();
            watch(&machine);
            for unit in ["a", "x", "deep"] {
                assert_eq!(machine.systemd.did(&format!("stop {unit}")), 1, "{:?}", machine.systemd.did);
            }
            machine.put("old");
            machine.watch(usize::MAX, 3);
            for (unit, starts) in [("a", 1), ("x", 1), ("deep", 1), ("y", 0)] {
                assert_eq!(machine.systemd.did(&format!("start {unit}")), starts, "{:?}", machine.systemd.did);
            }
        });
    }

    #[test]
    fn whoever_is_killed_at_any_step_of_a_return_starts_all_once() {
        killed_at_each_step(|watch| {
            let machine = Machine::new();
            machine.systemd.stop("y");
            machine.take_away();
            machine.watch(usize::MAX, 3);
            machine.put("old");
            watch(&machine);
            for (unit, starts) in [("a", 1), ("x", 1), ("deep", 1), ("y", 0)] {
                assert_eq!(machine.systemd.did(&format!("start {unit}")), starts, "{:?}", machine.systemd.did);
            }
        });
    }
}
