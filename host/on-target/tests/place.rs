//! Files in their places: whole or not at all, and never where another user leads.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::missing_panics_doc)]

use std::cell::Cell;
use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::io;
use std::os::unix::fs::{MetadataExt, PermissionsExt, chown, symlink};
use std::path::{Path, PathBuf};
use std::rc::Rc;

use artifacts_declared::Name;
use artifacts_on_target::place::{self, DeployDir, FilePermissions, PlaceError};

/// A directory in RAM that plays `/run`.
struct Run {
    path: PathBuf,
    /// Goes with it, unless it is another process's.
    _dir: Option<tempfile::TempDir>,
}

impl Run {
    fn new() -> Self {
        let dir = tempfile::tempdir_in("/dev/shm").unwrap();
        fs::set_permissions(dir.path(), PermissionsExt::from_mode(0o755)).unwrap();
        Self { path: dir.path().to_owned(), _dir: Some(dir) }
    }

    fn path(&self, below: &str) -> PathBuf {
        self.path.join(below)
    }

    fn farm(&self) -> DeployDir {
        self.try_farm().unwrap()
    }

    fn try_farm(&self) -> Result<DeployDir, PlaceError> {
        DeployDir::open(&self.path("artifacts.d"), &self.path("artifacts"))
    }

    fn farm_with_steps(
        &self,
        step: impl Fn(&'static str) -> io::Result<()> + 'static,
    ) -> Result<DeployDir, PlaceError> {
        DeployDir::open_with_steps(&self.path("artifacts.d"), &self.path("artifacts"), step)
    }
}

fn name(text: &str) -> Name {
    Name::new(text).unwrap()
}

fn me() -> (u32, u32) {
    (rustix::process::geteuid().as_raw(), rustix::process::getegid().as_raw())
}

fn access(mode: u32) -> FilePermissions {
    let (user, group) = me();
    FilePermissions { mode, user, group }
}

fn files<'a>(one: &'a str, two: &'a str) -> BTreeMap<Name, (&'a [u8], FilePermissions)> {
    [(name("one"), (one.as_bytes(), access(0o400))), (name("two"), (two.as_bytes(), access(0o440)))].into()
}

/// All that a unit does: bytes first, then a link for each file.
fn activate(run: &Run, farm: &DeployDir, files: &BTreeMap<Name, (&[u8], FilePermissions)>) -> Result<(), PlaceError> {
    let lock = farm.lock()?;
    let artifact = name("a");
    if farm.files(&artifact)?.is_none() || farm.is_outdated(&artifact)? {
        farm.put(&lock, &artifact, files)?;
    }
    for (file, (_, access)) in files {
        farm.settle(&lock, &artifact, file, *access)?;
        farm.link(&lock, &artifact, file, &run.path("artifacts/a").join(file.as_str()))?;
    }
    Ok(())
}

fn content(run: &Run, file: &str) -> Option<String> {
    fs::read_to_string(run.path("artifacts/a").join(file)).ok()
}

#[test]
fn files_come_with_mode_and_owner_behind_links() {
    let run = Run::new();
    activate(&run, &run.farm(), &files("1", "2")).unwrap();
    for (file, text, mode) in [("one", "1", 0o400), ("two", "2", 0o440)] {
        let path = run.path("artifacts/a").join(file);
        assert!(fs::symlink_metadata(&path).unwrap().is_symlink());
        assert_eq!(fs::metadata(&path).unwrap().mode() & 0o7777, mode);
        assert_eq!(content(&run, file).unwrap(), text);
    }
    assert_eq!(fs::metadata(run.path("artifacts.d/now/a")).unwrap().mode() & 0o7777, 0o711);
    assert_eq!(&**run.farm().read(&name("a"), &name("two")).unwrap(), b"2");
}

#[test]
fn a_second_run_changes_nothing() {
    let run = Run::new();
    activate(&run, &run.farm(), &files("1", "2")).unwrap();
    let look = || {
        let stat = |path: &str| {
            let meta = fs::symlink_metadata(run.path(path)).unwrap();
            (meta.ino(), meta.ctime(), meta.ctime_nsec())
        };
        ["artifacts.d/now/a", "artifacts.d/now/a/one", "artifacts.d/now/a/two", "artifacts/a/one", "artifacts/a/two"]
            .map(stat)
    };
    let before = look();
    let steps = Rc::new(Cell::new(0));
    let counted = Rc::clone(&steps);
    let farm = run.farm_with_steps(move |_| {
        counted.set(counted.get() + 1);
        Ok(())
    });
    let farm = farm.unwrap();
    activate(&run, &farm, &files("3", "4")).unwrap();
    assert_eq!((look(), steps.get()), (before, 0));
}

/// All that one run does, from the first directory on.
fn story(run: &Run, step: impl Fn(&'static str) -> io::Result<()> + 'static) -> Result<(), PlaceError> {
    activate(run, &run.farm_with_steps(step)?, &files("3", "4"))
}

const STOP: &str = "ARTIFACTS_TEST_STOP";

/// Is another process of this test's own when it is told to be: it kills itself before a step.
#[test]
fn whoever_is_told_to_die() {
    let Ok(told) = std::env::var(STOP) else { return };
    let (dir, stop) = told.split_once(' ').unwrap();
    let run = Run { path: PathBuf::from(dir), _dir: None };
    let left = Cell::new(stop.parse::<usize>().unwrap());
    // Directories are closed to others until they are given their modes.
    rustix::process::umask(rustix::fs::Mode::from_raw_mode(0o077));
    let done = story(&run, move |_| {
        match left.get().checked_sub(1) {
            Some(fewer) => left.set(fewer),
            None => rustix::process::kill_process(rustix::process::getpid(), rustix::process::Signal::KILL)?,
        }
        Ok(())
    });
    done.unwrap();
}

#[derive(Debug, Clone, Copy)]
enum End {
    Error,
    Kill,
}

/// A run that is ended before its step `stop`; whether it came to its own end.
fn ended(run: &Run, end: End, stop: usize) -> bool {
    match end {
        End::Error => {
            let left = Cell::new(stop);
            let done = story(run, move |_| {
                left.set(left.get().checked_sub(1).ok_or_else(|| io::Error::other("stopped"))?);
                Ok(())
            });
            done.is_ok()
        }
        End::Kill => {
            let child = std::process::Command::new(std::env::current_exe().unwrap())
                .args(["--exact", "whoever_is_told_to_die"])
                .env(STOP, format!("{} {stop}", run.path("").display()))
                .output()
                .unwrap();
            let killed = std::os::unix::process::ExitStatusExt::signal(&child.status) == Some(9);
            assert!(killed || child.status.success(), "{}", String::from_utf8_lossy(&child.stdout));
            child.status.success()
        }
    }
}

#[test]
fn whoever_is_stopped_at_any_step_leaves_complete_files_or_none() {
    let run = |end: End, stop: usize, replace: bool| {
        let run = Run::new();
        if replace {
            let farm = run.farm();
            activate(&run, &farm, &files("1", "2")).unwrap();
            farm.outdate(&farm.lock().unwrap(), &name("a")).unwrap();
        }
        let done = ended(&run, end, stop);

        let old = if replace { Some("1") } else { None };
        let seen = (content(&run, "one"), content(&run, "two"));
        let both = |one: Option<&str>, two: Option<&str>| (one.map(str::to_owned), two.map(str::to_owned));
        let allowed = if replace {
            vec![both(old, Some("2")), both(Some("3"), Some("4"))]
        } else {
            vec![both(None, None), both(Some("3"), None), both(Some("3"), Some("4"))]
        };
        let at = format!("{end:?} before step {stop}, replace: {replace}");
        assert!(allowed.contains(&seen), "{at}: {seen:?}");
        for (file, mode) in [("one", 0o400), ("two", 0o440)].iter().filter(|(file, _)| content(&run, file).is_some()) {
            assert_eq!(fs::metadata(run.path("artifacts/a").join(file)).unwrap().mode() & 0o7777, *mode, "{at}");
        }

        // The next run repairs it, and leaves nothing behind.
        activate(&run, &run.farm(), &files("5", "6")).unwrap();
        let mended = (content(&run, "one").unwrap(), content(&run, "two").unwrap());
        let whole = [("1", "2"), ("3", "4"), ("5", "6")].map(|(a, b)| (a.to_owned(), b.to_owned()));
        assert!(whole.contains(&mended), "{at}, then mended: {mended:?}");
        for (dir, count) in [("artifacts/a", 2), ("artifacts.d/now/a", 2), ("artifacts.d/new", 0)] {
            assert_eq!(fs::read_dir(run.path(dir)).unwrap().count(), count, "{at}: {dir}");
        }
        for (dir, mode) in [("artifacts", 0o755), ("artifacts.d", 0o755), ("artifacts.d/now", 0o711)] {
            assert_eq!(fs::metadata(run.path(dir)).unwrap().mode() & 0o7777, mode, "{at}: {dir}");
        }
        done
    };
    for end in [End::Error, End::Kill] {
        for (replace, least) in [(false, 18), (true, 12)] {
            let steps = (0..100).find(|stop| run(end, *stop, replace)).unwrap();
            assert!(steps >= least, "{end:?}, replace: {replace}: only {steps} steps were enumerated");
        }
    }
}

/// Two artifacts, `a` with a link outside of the farm, and what `kept` declares.
struct Two {
    run: Run,
    kept: BTreeMap<Name, BTreeSet<PathBuf>>,
}

impl Two {
    fn new() -> Self {
        let run = Run::new();
        let farm = run.farm();
        activate(&run, &farm, &files("1", "2")).unwrap();
        let lock = farm.lock().unwrap();
        farm.link(&lock, &name("a"), &name("one"), &run.path("lib/attic/secrets/one")).unwrap();
        farm.put(&lock, &name("b"), &files("3", "4")).unwrap();
        farm.link(&lock, &name("b"), &name("one"), &run.path("artifacts/b/one")).unwrap();
        farm.link(&lock, &name("b"), &name("one"), &run.path("artifacts/b/moved")).unwrap();
        drop(lock);
        let kept = [(name("b"), [run.path("artifacts/b/moved")].into())].into();
        Self { run, kept }
    }

    fn clean(&self, farm: &DeployDir) -> (Vec<String>, Vec<String>) {
        let (gone, failed) = farm.clean(&farm.lock().unwrap(), &self.kept).unwrap();
        (gone, failed.iter().map(ToString::to_string).collect())
    }

    /// Every name below, relative.
    fn names(&self) -> Vec<String> {
        let mut open = vec![self.run.path("")];
        let mut names = Vec::new();
        while let Some(dir) = open.pop() {
            for entry in fs::read_dir(dir).unwrap().map(Result::unwrap) {
                if entry.file_type().unwrap().is_dir() {
                    open.push(entry.path());
                } else {
                    names.push(entry.path().strip_prefix(self.run.path("")).unwrap().display().to_string());
                }
            }
        }
        names.sort();
        names
    }
}

const CLEANED: [&str; 4] =
    ["artifacts.d/links/b", "artifacts.d/now/b/one", "artifacts.d/now/b/two", "artifacts/b/moved"];

#[test]
fn what_is_no_longer_declared_goes_and_nothing_else() {
    let two = Two::new();
    assert_eq!(two.clean(&two.run.farm()), (vec!["a".to_owned()], vec![]));
    assert_eq!(two.names(), CLEANED);
    assert_eq!(fs::read_to_string(two.run.path("artifacts/b/moved")).unwrap(), "3");
    // Where others may have had something, only the link went.
    assert!(!two.run.path("artifacts/a").exists() && two.run.path("lib/attic").exists());
    let farm = two.run.farm_with_steps(|_| Err(io::Error::other("nothing is left to do"))).unwrap();
    assert_eq!(two.clean(&farm), (vec![], vec![]));
}

#[test]
fn cleaning_that_is_stopped_at_any_step_goes_on_the_next_time() {
    let run = |stop: usize| {
        let two = Two::new();
        let steps = Rc::new(Cell::new(0));
        let counted = Rc::clone(&steps);
        // As a kill does, it never comes back to life.
        let farm = two.run.farm_with_steps(move |_| {
            counted.set(counted.get() + 1);
            if counted.get() > stop { Err(io::Error::other("stopped")) } else { Ok(()) }
        });
        two.clean(&farm.unwrap());
        for (file, text) in [("artifacts/a/one", "1"), ("artifacts/a/two", "2"), ("lib/attic/secrets/one", "1")] {
            let link = two.run.path(file);
            let there = fs::symlink_metadata(&link).is_ok();
            assert!(!there || fs::read_to_string(&link).is_ok_and(|found| found == text), "{file} after {stop} steps");
        }
        assert_eq!(fs::read_to_string(two.run.path("artifacts/b/moved")).unwrap(), "3", "after {stop} steps");
        two.clean(&two.run.farm());
        assert_eq!(two.names(), CLEANED, "after {stop} steps");
        steps.get() <= stop
    };
    let steps = (0..100).find(|stop| run(*stop)).unwrap();
    assert!(steps > 8, "only {steps} steps were enumerated");
}

#[test]
fn cleaning_removes_only_its_own_links_and_is_led_nowhere() {
    let two = Two::new();
    let theirs = two.run.path("artifacts/a/one");
    fs::remove_file(&theirs).unwrap();
    symlink("/run/agenix/a/one", &theirs).unwrap();
    // A service's directory became a link to one of root's with a link that looks the same.
    let led = two.run.path("led");
    fs::rename(two.run.path("lib/attic"), &led).unwrap();
    chown(two.run.path("lib"), Some(4711), Some(4711)).expect("these tests need root");
    symlink(&led, two.run.path("lib/attic")).unwrap();
    let (gone, failed) = two.clean(&two.run.farm());
    assert!(gone.is_empty() && failed.len() == 1 && failed[0].contains("lib/attic"), "{failed:?}");
    assert!(fs::symlink_metadata(led.join("secrets/one")).is_ok());
    assert!(!two.run.path("artifacts.d/now/a").exists(), "the value goes all the same");
    fs::remove_file(two.run.path("lib/attic")).unwrap();
    assert_eq!(two.clean(&two.run.farm()), (vec!["a".to_owned()], vec![]));
    assert_eq!(fs::read_link(&theirs).unwrap(), Path::new("/run/agenix/a/one"));
}

#[test]
fn a_new_mode_is_given_and_the_bytes_stay() {
    let run = Run::new();
    activate(&run, &run.farm(), &files("1", "2")).unwrap();
    let mut again = files("3", "4");
    again.get_mut("one").unwrap().1 = access(0o444);
    activate(&run, &run.farm(), &again).unwrap();
    assert_eq!(fs::metadata(run.path("artifacts/a/one")).unwrap().mode() & 0o7777, 0o444);
    assert_eq!(content(&run, "one").unwrap(), "1");
}

#[test]
fn directories_of_others_are_refused() {
    for dir in ["artifacts", "artifacts.d"] {
        let run = Run::new();
        fs::create_dir(run.path("elsewhere")).unwrap();
        symlink(run.path("elsewhere"), run.path(dir)).unwrap();
        assert!(matches!(run.try_farm(), Err(PlaceError::Foreign { .. })), "{dir} is a link");

        let run = Run::new();
        fs::write(run.path(dir), "").unwrap();
        assert!(matches!(run.try_farm(), Err(PlaceError::Foreign { .. })), "{dir} is a file");

        for mode in [0o775, 0o757, 0o1777] {
            let run = Run::new();
            fs::create_dir(run.path(dir)).unwrap();
            fs::set_permissions(run.path(dir), PermissionsExt::from_mode(mode)).unwrap();
            assert!(matches!(run.try_farm(), Err(PlaceError::Foreign { .. })), "{dir} has mode {mode:o}");
        }
        let run = Run::new();
        fs::create_dir(run.path(dir)).unwrap();
        chown(run.path(dir), Some(4711), None).expect("these tests need root");
        assert!(matches!(run.try_farm(), Err(PlaceError::Foreign { .. })), "{dir} is somebody else's");
    }
}

#[test]
fn bytes_are_refused_on_disk() {
    let disk = tempfile::tempdir_in(env!("CARGO_MANIFEST_DIR")).unwrap();
    let ram = Run::new();
    let farm = DeployDir::open(&disk.path().join("d"), &ram.path("artifacts"));
    assert!(matches!(farm, Err(PlaceError::OnDisk { .. })));
}

fn link_to(run: &Run, path: &Path) -> Result<bool, PlaceError> {
    let farm = run.farm();
    let lock = farm.lock().unwrap();
    if farm.files(&name("a")).unwrap().is_none() {
        farm.put(&lock, &name("a"), &files("1", "2")).unwrap();
    }
    farm.link(&lock, &name("a"), &name("one"), path)
}

#[test]
fn a_service_cannot_lead_root_elsewhere() {
    let run = Run::new();
    fs::create_dir(run.path("attic")).unwrap();
    fs::create_dir(run.path("etc")).unwrap();
    chown(run.path("attic"), Some(4711), Some(4711)).expect("these tests need root");
    // Its own directory is fine, a link in it is not, anyone who made that link.
    assert!(link_to(&run, &run.path("attic/secrets/env")).unwrap());
    symlink(run.path("etc"), run.path("attic/led")).unwrap();
    assert!(matches!(link_to(&run, &run.path("attic/led/env")), Err(PlaceError::Astray { .. })));
    // In a directory that is open to all, only one's own links count.
    fs::create_dir(run.path("tmp")).unwrap();
    fs::set_permissions(run.path("tmp"), PermissionsExt::from_mode(0o1777)).unwrap();
    symlink(run.path("etc"), run.path("tmp/mine")).unwrap();
    assert!(link_to(&run, &run.path("tmp/mine/env")).unwrap());
    symlink(run.path("etc"), run.path("tmp/theirs")).unwrap();
    std::os::unix::fs::lchown(run.path("tmp/theirs"), Some(4711), None).unwrap();
    assert!(matches!(link_to(&run, &run.path("tmp/theirs/env2")), Err(PlaceError::Astray { .. })));
    assert!(!run.path("etc/env2").exists());
}

#[test]
fn only_links_are_replaced() {
    let run = Run::new();
    fs::write(run.path("file"), "kept").unwrap();
    fs::create_dir(run.path("folder")).unwrap();
    symlink("/nowhere", run.path("link")).unwrap();
    assert!(matches!(link_to(&run, &run.path("file")), Err(PlaceError::Occupied { found: "a file", .. })));
    assert!(matches!(link_to(&run, &run.path("folder")), Err(PlaceError::Occupied { found: "a directory", .. })));
    assert!(link_to(&run, &run.path("link")).unwrap());
    assert_eq!(fs::read_to_string(run.path("file")).unwrap(), "kept");
    assert_eq!(fs::read_to_string(run.path("link")).unwrap(), "1");
}

#[test]
fn what_is_planted_among_the_bytes_is_not_taken() {
    let run = Run::new();
    activate(&run, &run.farm(), &files("1", "2")).unwrap();
    fs::remove_file(run.path("artifacts.d/now/a/one")).unwrap();
    symlink("/etc/passwd", run.path("artifacts.d/now/a/one")).unwrap();
    assert!(run.farm().files(&name("a")).is_err());
    assert!(run.farm().read(&name("a"), &name("one")).is_err());
    fs::remove_file(run.path("artifacts.d/now/a/one")).unwrap();
    fs::hard_link(run.path("artifacts.d/now/a/two"), run.path("artifacts.d/now/a/one")).unwrap();
    assert!(run.farm().files(&name("a")).is_err());
}

/// A directory of a service's own, as `/var/lib/attic` is.
fn service(run: &Run) -> PathBuf {
    let dir = run.path("attic");
    fs::create_dir(&dir).unwrap();
    chown(&dir, Some(4711), Some(4711)).expect("these tests need root");
    dir
}

fn text(path: &Path) -> Result<String, PlaceError> {
    place::read(path, 100).map(|bytes| String::from_utf8(bytes.to_vec()).unwrap())
}

#[test]
fn what_others_placed_is_read_behind_links_of_root_alone() {
    let run = Run::new();
    let attic = service(&run);
    fs::write(run.path("shadow"), "root's own").unwrap();
    fs::set_permissions(run.path("shadow"), PermissionsExt::from_mode(0o600)).unwrap();
    fs::create_dir(run.path("secrets.d")).unwrap();
    fs::write(run.path("secrets.d/env"), "placed").unwrap();
    // As installers place files: a link to the generation, and one to the file.
    symlink("secrets.d", run.path("secrets")).unwrap();
    symlink("../secrets/env", run.path("secrets.d/link")).unwrap();
    assert_eq!(text(&run.path("secrets/link")).unwrap(), "placed");
    fs::write(attic.join("env"), "its own").unwrap();
    assert_eq!(text(&attic.join("env")).unwrap(), "its own");

    fs::remove_file(attic.join("env")).unwrap();
    symlink(run.path("shadow"), attic.join("env")).unwrap();
    assert!(matches!(text(&attic.join("env")), Err(PlaceError::Astray { .. })), "a link that root made");
    std::os::unix::fs::lchown(attic.join("env"), Some(4711), None).unwrap();
    assert!(matches!(text(&attic.join("env")), Err(PlaceError::Astray { .. })), "a link of its own");
    symlink(attic.join("env"), run.path("to-attic")).unwrap();
    assert!(matches!(text(&run.path("to-attic")), Err(PlaceError::Astray { .. })), "by way of a link of root");
    symlink(".", attic.join("led")).unwrap();
    assert!(matches!(text(&attic.join("led/file")), Err(PlaceError::Astray { .. })), "a directory");
    symlink("round", run.path("round")).unwrap();
    assert!(text(&run.path("round")).is_err());
}

#[test]
fn what_is_no_plain_file_is_neither_read_nor_waited_for() {
    let run = Run::new();
    let attic = service(&run);
    rustix::fs::mknodat(rustix::fs::CWD, attic.join("pipe"), rustix::fs::FileType::Fifo, 0o600.into(), 0).unwrap();
    fs::write(run.path("shadow"), "root's own").unwrap();
    fs::set_permissions(run.path("shadow"), PermissionsExt::from_mode(0o600)).unwrap();
    fs::hard_link(run.path("shadow"), attic.join("hard")).unwrap();
    fs::write(attic.join("large"), [0; 101]).unwrap();
    for name in ["pipe", "hard", "large", "."] {
        assert!(matches!(text(&attic.join(name)), Err(PlaceError::Unfit { .. } | PlaceError::Path { .. })), "{name}");
    }
    // Two equal files of the Nix store may be one, and everyone may read them.
    fs::set_permissions(run.path("shadow"), PermissionsExt::from_mode(0o444)).unwrap();
    assert_eq!(text(&attic.join("hard")).unwrap(), "root's own");
    fs::write(attic.join("most"), [b'x'; 100]).unwrap();
    assert_eq!(text(&attic.join("most")).unwrap().len(), 100);
}
