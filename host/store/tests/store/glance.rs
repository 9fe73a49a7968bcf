//! What a look at an entry tells, and that it tells nothing where a file may have changed unnoticed.

use std::fs::{self, File};
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _, symlink};
use std::path::PathBuf;
use std::time::{Duration, SystemTime};

use artifacts_store::{EntryNote, EntryStamp, Git, Glance, MAX_TOTAL, Staged, Storage};

use crate::git::{git_program, repository, stage};
use crate::support::*;

const CONTENT: &[(&str, &str)] = &[("one.age", "1"), ("two.age", "2")];

/// An entry of two files and a public one, in RAM: of that file system it is known what it tells. Some kernels tell the time in steps of
/// ten milliseconds; the next change has another one.
fn stored() -> Checkout {
    let checkout = Checkout { dir: tempfile::tempdir_in("/dev/shm").unwrap() };
    put(&checkout.writer(), WEB, CONTENT, &[("key.pub", "x")]).unwrap();
    std::thread::sleep(Duration::from_millis(20));
    checkout
}

fn file(checkout: &Checkout, name: &str) -> PathBuf {
    checkout.path(&format!("secrets/{WEB}/{name}"))
}

/// When the last file of the entry was changed, in whole seconds.
fn changed(checkout: &Checkout) -> u64 {
    let files = ["one.age", "two.age", "public/key.pub"].map(|name| file(checkout, name));
    let changed = files.iter().filter_map(|file| Some(fs::metadata(file).ok()?.ctime().unsigned_abs()));
    changed.max().unwrap()
}

/// What is done to an entry, in words and as it is done.
type Change = (&'static str, fn(&Checkout));

fn glance_at(storage: &Storage, limit: u64, now: u64) -> Option<Glance> {
    storage.glance(&name(WEB), limit, &storage.resting(now)?, |_| true)
}

/// What a look tells long after the last change.
fn glance(checkout: &Checkout) -> Option<Glance> {
    glance_at(&checkout.storage(), MAX_TOTAL, changed(checkout) + 100)
}

fn stamp(checkout: &Checkout) -> EntryStamp {
    glance(checkout).unwrap().stamp
}

#[test]
fn a_look_and_reading_give_one_stamp() {
    let checkout = stored();
    let storage = checkout.storage();
    let resting = storage.resting(changed(&checkout) + 100).unwrap();
    let (entry, look) = storage.look_and_read(&name(WEB), MAX_TOTAL).unwrap().unwrap();
    let (look, seen) = (look.unwrap(), glance(&checkout).unwrap());
    assert_eq!(EntryStamp::of(&entry, &look, &resting), Some(seen.stamp));
    assert_eq!((&look, entry.receipt.valid()), (&seen.look, Some(&*seen.receipt)));
    assert_eq!(seen.receipt_size, entry.receipt_size());
    assert_eq!(stamp(&checkout), seen.stamp);
    assert_eq!(storage.glance(&name(WEB), MAX_TOTAL, &resting, |stamp| *stamp != seen.stamp), None, "it is not known");
}

#[test]
fn what_was_changed_a_moment_ago_or_by_a_later_clock_does_not_rest() {
    let checkout = stored();
    let (storage, changed) = (checkout.storage(), changed(&checkout));
    let (entry, look) = storage.look_and_read(&name(WEB), MAX_TOTAL).unwrap().unwrap();
    for (now, rests) in [(0, false), (changed, false), (changed + 2, false), (changed + 3, true)] {
        assert_eq!(glance_at(&storage, MAX_TOTAL, now).is_some(), rests, "{now}, changed at {changed}");
        let resting = storage.resting(now).unwrap();
        assert_eq!(EntryStamp::of(&entry, look.as_ref().unwrap(), &resting).is_some(), rests, "{now}");
    }
}

#[test]
fn each_change_gives_another_stamp() {
    let changes: [Change; 8] = [
        ("other bytes of the same number and times", |checkout| {
            let modified = fs::metadata(file(checkout, "one.age")).unwrap().modified().unwrap();
            fs::write(file(checkout, "one.age"), "3").unwrap();
            File::options().append(true).open(file(checkout, "one.age")).unwrap().set_modified(modified).unwrap();
        }),
        ("the same bytes again", |checkout| fs::write(file(checkout, "two.age"), "2").unwrap()),
        ("other times", |checkout| {
            let file = File::options().append(true).open(file(checkout, "one.age")).unwrap();
            file.set_modified(SystemTime::UNIX_EPOCH).unwrap();
        }),
        ("another mode", |checkout| {
            fs::set_permissions(file(checkout, "one.age"), fs::Permissions::from_mode(0o600)).unwrap();
        }),
        ("a copy in its place", |checkout| {
            fs::copy(file(checkout, "one.age"), checkout.path("copy")).unwrap();
            fs::rename(checkout.path("copy"), file(checkout, "one.age")).unwrap();
        }),
        ("two files exchanged", |checkout| {
            fs::rename(file(checkout, "one.age"), checkout.path("aside")).unwrap();
            fs::rename(file(checkout, "two.age"), file(checkout, "one.age")).unwrap();
            fs::rename(checkout.path("aside"), file(checkout, "two.age")).unwrap();
        }),
        ("another public file", |checkout| fs::write(file(checkout, "public/key.pub"), "y").unwrap()),
        ("another receipt", |checkout| {
            let receipt = fs::read_to_string(file(checkout, "receipt.json")).unwrap();
            fs::write(file(checkout, "receipt.json"), format!("{receipt} ")).unwrap();
        }),
    ];
    for (what, change) in changes {
        let checkout = stored();
        let before = stamp(&checkout);
        change(&checkout);
        assert_ne!(stamp(&checkout), before, "{what}");
    }
}

#[test]
fn a_look_tells_nothing_of_an_entry_that_its_receipt_does_not_describe() {
    let faults: [Change; 9] = [
        ("nothing is stored", |checkout| fs::remove_dir_all(file(checkout, "")).unwrap()),
        ("no receipt", |checkout| fs::remove_file(file(checkout, "receipt.json")).unwrap()),
        ("a damaged receipt", |checkout| fs::write(file(checkout, "receipt.json"), "{").unwrap()),
        ("a file less", |checkout| fs::remove_file(file(checkout, "two.age")).unwrap()),
        ("a file more", |checkout| fs::write(file(checkout, "three.age"), "3").unwrap()),
        ("a public file more", |checkout| fs::write(file(checkout, "public/other"), "3").unwrap()),
        ("a directory more", |checkout| fs::create_dir(file(checkout, "more")).unwrap()),
        ("another size", |checkout| fs::write(file(checkout, "one.age"), "11").unwrap()),
        ("a link to the same", |checkout| {
            fs::rename(file(checkout, "one.age"), checkout.path("one")).unwrap();
            symlink(checkout.path("one"), file(checkout, "one.age")).unwrap();
        }),
    ];
    for (what, spoil) in faults {
        let checkout = stored();
        let now = changed(&checkout) + 100;
        assert!(glance_at(&checkout.storage(), MAX_TOTAL, now).is_some());
        spoil(&checkout);
        assert_eq!(glance_at(&checkout.storage(), MAX_TOTAL, now), None, "{what}");
    }
    // The receipt of another instance, in files of the same names and sizes.
    let checkout = stored();
    put(&checkout.writer(), "shared/other", CONTENT, &[("key.pub", "x")]).unwrap();
    fs::copy(checkout.path("secrets/shared/other/receipt.json"), file(&checkout, "receipt.json")).unwrap();
    assert_eq!(glance(&checkout), None);
}

#[test]
fn a_look_tells_nothing_of_more_than_the_limit() {
    let checkout = stored();
    let (storage, now) = (checkout.storage(), changed(&checkout) + 100);
    assert!(glance_at(&storage, 2, now).is_some());
    assert_eq!(glance_at(&storage, 1, now), None);
}

#[test]
fn git_is_compared_with_what_was_looked_at_and_never_taken_for_more() {
    let checkout = repository(&[]);
    let writer = checkout.writer();
    let path = put(&writer, WEB, CONTENT, &[]).unwrap().path;
    stage(&writer, &git_program(), std::slice::from_ref(&path)).unwrap();
    let compared = |git: &Git, note: &EntryNote| {
        let (root, notes) = (checkout.storage().root().clone(), [(path.clone(), *note)].into());
        let found = git.compare_noted(&root, &["secrets".to_owned()], std::slice::from_ref(&path), &notes);
        found.entries.get(&path).cloned()
    };
    let before = checkout.storage().look_and_read(&name(WEB), MAX_TOTAL).unwrap().unwrap().1.unwrap();
    let before = EntryNote::new(&before).unwrap();
    assert_eq!(compared(&git_program(), &before), Some(Staged::Yes));
    // After the look another content was stored and staged: what git notes now is not what was looked at, and it is read.
    fs::write(file(&checkout, "one.age"), "3").unwrap();
    crate::git::git(checkout.dir.path(), &["add", "secrets"]);
    assert_eq!(compared(&git_program(), &before), Some(Staged::Yes));
    // Another content that was not staged is not staged by any look.
    fs::write(file(&checkout, "one.age"), "4").unwrap();
    assert!(matches!(compared(&git_program(), &before), Some(Staged::No { .. })));
    // Nor is a file more, that git does not know, of which the look knows nothing.
    put(&writer, WEB, &[("one.age", "3"), ("two.age", "2"), ("three.age", "3")], &[]).unwrap();
    assert!(matches!(compared(&git_program(), &before), Some(Staged::No { .. })));
    // And what is gone is not read.
    fs::remove_dir_all(file(&checkout, "")).unwrap();
    assert!(matches!(compared(&git_program(), &before), Some(Staged::Deleted { .. })));
}
