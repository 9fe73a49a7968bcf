//! kill -9 before every single change to the disk, and a failure at every one.

use std::collections::BTreeSet;
use std::io;
use std::path::Path;
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use artifacts_store::{Error, InTrash, NewEntry, Writer, WriterOptions};

use crate::support::*;

const ROOT: &str = "ARTIFACTS_TEST_ROOT";
const STEP: &str = "ARTIFACTS_TEST_STEP";
const WORK: &str = "ARTIFACTS_TEST_WORK";

/// Entries of two machines that are stored at once.
pub const SOME: [&str; 3] = [WEB, "per-machine/web1/other", "per-machine/web2/attic"];

/// What a run does with the entry: `put TEXT`, `remove`, or `restore`, which takes the newest in the trash; or with [`SOME`] at once:
/// `put-some TEXT`.
pub fn work(root: &Path, mut options: WriterOptions, what: &str) -> Result<(), Error> {
    options.trash_record = Some(record(root));
    if what == "restore" {
        // Another second than that of the runs before.
        options.now += std::time::Duration::from_secs(1);
        let wanted = in_trash(root, WEB).pop().unwrap();
        let replaces = storage(root)?.read(&name(WEB))?.map(|entry| entry.fingerprint());
        return storage(root)?.lock(options)?.restore(&wanted, replaces).map(drop);
    }
    let writer = storage(root)?.lock(options)?;
    match what.split_once(' ') {
        Some(("put", text)) => writer.commit(entry(&writer, WEB, text)?).map(drop),
        Some(("put-some", text)) => {
            let writer = Arc::new(writer);
            let staged = SOME.map(|instance| writer.stage(entry(&writer, instance, text)?));
            let placed = staged.into_iter().map(|staged| Ok((Arc::clone(&writer), writer.place(staged?)?)));
            Writer::settle(placed.collect::<Result<_, Error>>()?).into_iter().try_for_each(|settled| settled.map(drop))
        }
        _ => writer.remove(&name(WEB)).map(drop),
    }
}

/// An entry of these files, in place of what is stored.
fn entry(writer: &Writer, instance: &str, text: &str) -> Result<NewEntry, Error> {
    let replaces = writer.storage().read(&name(instance))?.map(|entry| entry.fingerprint());
    let (own, public) = (files(&[("one.age", text), ("two.age", text)]), files(&[("key.pub", text)]));
    Ok(NewEntry { files: own, public, receipt: receipt(instance), replaces })
}

/// The body of a process that is started by [`killed_at`]; by itself it has nothing to do.
#[test]
fn child() {
    let Some(root) = std::env::var_os(ROOT) else { return };
    let last: usize = std::env::var(STEP).unwrap().parse().unwrap();
    let mut options = WriterOptions::at(now());
    let taken = AtomicUsize::new(0);
    options.hooks.step = Arc::new(move |_| {
        if taken.fetch_add(1, Ordering::SeqCst) == last {
            rustix::process::kill_process(rustix::process::getpid(), rustix::process::Signal::KILL).unwrap();
        }
        Ok(())
    });
    work(Path::new(&root), options, &std::env::var(WORK).unwrap()).unwrap();
}

/// Runs the work in a process that is killed before its nth step; tells whether it was.
pub fn killed_at(root: &Path, step: usize, what: &str) -> bool {
    let output = Command::new(std::env::current_exe().unwrap())
        .args(["crash::child", "--exact", "--nocapture"])
        .env(ROOT, root)
        .env(STEP, step.to_string())
        .env(WORK, what)
        .output()
        .unwrap();
    match std::os::unix::process::ExitStatusExt::signal(&output.status) {
        Some(9) => true,
        None if output.status.success() => false,
        _ => panic!("{}", String::from_utf8_lossy(&output.stderr)),
    }
}

/// The text of the entry that is stored, which must be whole and agree with its receipt.
pub fn whole(root: &Path) -> Option<String> {
    whole_of(root, WEB)
}

fn whole_of(root: &Path, instance: &str) -> Option<String> {
    let entry = storage(root).unwrap().read(&name(instance)).unwrap()?;
    assert_eq!(entry.differences(), [], "an entry that is not as its receipt says");
    let text = entry.files["one.age"].clone();
    assert_eq!(entry.files["two.age"], text);
    assert_eq!(entry.public["key.pub"], text);
    assert_eq!((entry.files.len(), entry.public.len()), (2, 1));
    Some(String::from_utf8(text).unwrap())
}

fn enumerate(before: Option<&str>, what: &str, after: Option<&str>) -> usize {
    let text = |text: Option<&str>| text.map(str::to_owned);
    let mut outcomes = BTreeSet::new();
    for step in 0.. {
        let checkout = Checkout::new();
        let root = checkout.dir.path();
        if let Some(before) = before {
            work(root, WriterOptions::at(now()), &format!("put {before}")).unwrap();
        }
        let killed = killed_at(root, step, what);
        let left = whole(root);
        assert!(left == text(before) || left == text(after), "killed before step {step}: {left:?}");
        outcomes.insert(left.clone());
        // The next run works, and cleans.
        work(root, WriterOptions::at(now()), "put next").unwrap();
        assert_eq!(whole(root), Some("next".to_owned()), "after a kill before step {step}");
        assert_eq!(checkout.staged(), Vec::<std::path::PathBuf>::new(), "after a kill before step {step}");
        if let Some(left) = left {
            let kept =
                checkout.trash().iter().any(|entry| std::fs::read_to_string(entry.join("one.age")).unwrap() == left);
            assert!(kept, "what lay there before is in the trash");
        }
        if !killed {
            assert_eq!(outcomes.len(), 2, "no kill hit before the change, or none after");
            return step;
        }
    }
    unreachable!()
}

#[test]
fn killed_at_every_step_of_the_first_commit() {
    let steps = enumerate(None, "put new", Some("new"));
    let all = recorded(|options| work(Checkout::new().dir.path(), options, "put new").unwrap());
    assert_eq!(steps, all.len(), "every step was hit");
    for step in
        ["make the storage", "try an exchange", "write the file", "make the directory above", "put the entry in place"]
    {
        assert!(all.contains(&step), "{all:?}");
    }
}

#[test]
fn killed_at_every_step_of_a_later_commit() {
    assert!(enumerate(Some("old"), "put new", Some("new")) > 20);
}

#[test]
fn entries_that_are_stored_at_once_are_written_then_placed_then_synced_once_in_each_directory() {
    let checkout = Checkout::new();
    work(checkout.dir.path(), WriterOptions::at(now()), "put-some old").unwrap();
    let steps = recorded(|options| work(checkout.dir.path(), options, "put-some new").unwrap());
    let at = |wanted: &str| steps.iter().enumerate().filter(|(_, step)| **step == wanted).map(|(at, _)| at).collect();
    let (written, exchanged): (Vec<usize>, Vec<usize>) = (at("sync the file"), at("exchange the entries"));
    assert_eq!(exchanged.len(), SOME.len());
    assert!(written.last() < exchanged.first(), "{steps:?}");
    let synced: Vec<usize> = at("sync the directory");
    assert_eq!(synced.iter().filter(|at| *at > exchanged.last().unwrap()).count(), 3, "the trash, and two machines");
}

#[test]
fn killed_at_every_step_of_several_that_are_stored_at_once_each_is_the_old_or_the_new_one() {
    let mut outcomes = BTreeSet::new();
    for step in 0.. {
        let checkout = Checkout::new();
        let root = checkout.dir.path();
        work(root, WriterOptions::at(now()), "put-some old").unwrap();
        let killed = killed_at(root, step, "put-some new");
        let left = SOME.map(|instance| whole_of(root, instance).unwrap());
        assert!(left.iter().all(|text| text == "old" || text == "new"), "killed before step {step}: {left:?}");
        work(root, WriterOptions::at(now()), "put-some next").unwrap();
        assert_eq!(SOME.map(|instance| whole_of(root, instance).unwrap()), ["next"; 3]);
        assert_eq!(checkout.staged(), Vec::<std::path::PathBuf>::new(), "after a kill before step {step}");
        outcomes.insert(left);
        if !killed {
            assert_eq!(outcomes.len(), SOME.len() + 1, "each takes its place by itself");
            return;
        }
    }
}

#[test]
fn killed_at_every_step_of_a_removal() {
    assert!(enumerate(Some("old"), "remove", None) > 10);
}

/// The texts of the entry and of those that are in the trash and recorded, which must be whole.
fn stored_and_recorded(root: &Path) -> (Option<String>, Vec<String>) {
    let storage = storage(root).unwrap();
    let text = |wanted: &InTrash| {
        let entry = storage.read_trashed(&wanted.trashed, &wanted.instance).unwrap().unwrap();
        assert_eq!(entry.differences(), []);
        String::from_utf8(entry.files["one.age"].clone()).unwrap()
    };
    (whole(root), in_trash(root, WEB).iter().map(text).collect())
}

#[test]
fn killed_at_every_step_of_a_restoration_nothing_is_lost_and_all_can_be_restored() {
    for (before, expected) in [("put new", Some("new")), ("remove", None)] {
        let mut outcomes = BTreeSet::new();
        for step in 0.. {
            let checkout = Checkout::new();
            let root = checkout.dir.path();
            for what in ["put old", before] {
                work(root, WriterOptions::at(now()), what).unwrap();
            }
            let killed = killed_at(root, step, "restore");
            let (stored, in_trash) = stored_and_recorded(root);
            let all: BTreeSet<&str> =
                stored.as_deref().into_iter().chain(in_trash.iter().map(String::as_str)).collect();
            let both: BTreeSet<&str> = expected.into_iter().chain(["old"]).collect();
            assert_eq!(
                (all, usize::from(stored.is_some()) + in_trash.len()),
                (both.clone(), both.len()),
                "step {step}"
            );
            // The next run brings the value back, or what it replaced.
            if !in_trash.is_empty() {
                work(root, WriterOptions::at(now()), "restore").unwrap();
                assert_eq!(whole(root).as_deref(), Some(in_trash.last().unwrap().as_str()), "step {step}");
            }
            outcomes.insert(stored);
            if !killed {
                assert_eq!(outcomes, BTreeSet::from([expected.map(str::to_owned), Some("old".to_owned())]));
                break;
            }
        }
    }
}

#[test]
fn killed_after_the_exchange_the_old_entry_is_in_the_trash() {
    let checkout = Checkout::new();
    let root = checkout.dir.path();
    work(root, WriterOptions::at(now()), "put old").unwrap();
    for step in 0.. {
        assert!(killed_at(root, step, "put new"));
        if whole(root).as_deref() == Some("new") {
            break;
        }
    }
    let old = checkout.trash().iter().filter(|entry| std::fs::read(entry.join("one.age")).unwrap() == b"old").count();
    assert_eq!(old, 1);
}

/// Options of a run that fails at its nth step and at none other.
pub fn failing_at(step: usize) -> WriterOptions {
    let mut options = WriterOptions::at(now());
    let taken = AtomicUsize::new(0);
    options.hooks.step = Arc::new(move |_| {
        if taken.fetch_add(1, Ordering::SeqCst) == step {
            Err(io::Error::from_raw_os_error(rustix::io::Errno::NOSPC.raw_os_error()))
        } else {
            Ok(())
        }
    });
    options
}

#[test]
fn a_disk_that_is_full_at_any_step_loses_nothing_and_leaves_nothing() {
    for before in [None, Some("old")] {
        for step in 0.. {
            let checkout = Checkout::new();
            let root = checkout.dir.path();
            if let Some(before) = before {
                work(root, WriterOptions::at(now()), &format!("put {before}")).unwrap();
            }
            let result = work(root, failing_at(step), "put new");
            let left = whole(root);
            match result {
                Ok(()) => {
                    assert_eq!(left.as_deref(), Some("new"));
                    assert!(step > 20);
                    break;
                }
                Err(Error::Full { .. }) => assert!(left.as_deref() == before || left.as_deref() == Some("new")),
                Err(error) => panic!("{error}"),
            }
            let committing = checkout.path("secrets/.artifacts/staging").exists()
                && checkout
                    .staged()
                    .iter()
                    .any(|left| !left.file_name().unwrap().to_str().unwrap().starts_with("probe"));
            assert!(!committing, "the staged entry is removed at once, step {step}");
            if left.as_deref() == before && checkout.path("secrets/.artifacts/trash").exists() {
                let entries = checkout.trash().iter().filter(|entry| entry.join("receipt.json").exists()).count();
                assert_eq!(entries, 0, "nothing that was not committed lies in the trash, step {step}");
            }
            work(root, WriterOptions::at(now()), "put next").unwrap();
            assert_eq!(whole(root).as_deref(), Some("next"));
        }
    }
}
