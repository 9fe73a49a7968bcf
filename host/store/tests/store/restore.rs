//! Entries come back from the trash as they were, and what they replace goes there.

use std::fs;
use std::os::unix::fs::symlink;

use artifacts_store::{Error, TrashRecord, WriterOptions};

use crate::support::*;

/// A writer that records what goes to the trash, at a time of its own.
fn writer(checkout: &Checkout, second: u64) -> artifacts_store::Writer {
    let now = now() + std::time::Duration::from_secs(second);
    let record = Some(record(checkout.dir.path()));
    let options = WriterOptions { trash_record: record, command: Some("rekey".to_owned()), ..WriterOptions::at(now) };
    checkout.storage().lock(options).unwrap()
}

fn restore(checkout: &Checkout, second: u64) -> artifacts_store::Restored {
    let wanted = in_trash(checkout.dir.path(), WEB).pop().unwrap();
    let replaces = checkout.read(WEB).map(|entry| entry.fingerprint());
    writer(checkout, second).restore(&wanted, replaces).unwrap()
}

#[test]
fn what_is_restored_is_as_it_was_and_what_it_replaces_can_be_restored() {
    let checkout = Checkout::new();
    let web = |below: &str| checkout.path("secrets").join(WEB).join(below);
    put(&writer(&checkout, 0), WEB, &[("x.age", "1")], &[("p", "public")]).unwrap();
    // What no receipt lists comes back, too.
    fs::write(web("stray"), "mine").unwrap();
    symlink("nowhere", web("link")).unwrap();
    fs::write(web("public/other"), "mine").unwrap();
    let first = checkout.read(WEB).unwrap();
    put(&writer(&checkout, 1), WEB, &[("x.age", "2")], &[]).unwrap();
    let second = checkout.read(WEB).unwrap();
    for round in 0..3 {
        let restored = restore(&checkout, 10 + round);
        assert_eq!(restored.path, "secrets/per-machine/web1/attic");
        assert_eq!(checkout.read(WEB).unwrap(), if round % 2 == 0 { first.clone() } else { second.clone() });
        let time = artifacts_store::Time::from(now() + std::time::Duration::from_secs(10 + round));
        assert!(restored.trash.unwrap().contains(&time.to_string()), "it went there now");
        assert_eq!(checkout.trash().len(), 1);
        assert_eq!(TrashRecord::new(record(checkout.dir.path())).names().unwrap().len(), 1);
    }
    assert_eq!(fs::read_link(web("link")).is_ok(), checkout.read(WEB).unwrap() == first);
}

#[test]
fn what_was_removed_comes_back_with_the_directories_above() {
    let checkout = Checkout::new();
    put(&writer(&checkout, 0), WEB, &[("x.age", "1")], &[]).unwrap();
    let before = checkout.read(WEB).unwrap();
    writer(&checkout, 1).remove(&name(WEB)).unwrap().unwrap();
    assert!(!checkout.path("secrets/per-machine").exists());
    assert_eq!(restore(&checkout, 2).trash, None);
    assert_eq!(checkout.read(WEB).unwrap(), before);
    assert!(checkout.trash().is_empty() && in_trash(checkout.dir.path(), WEB).is_empty());
}

#[test]
fn what_is_not_as_it_was_recorded_stays_where_it_is() {
    let checkout = Checkout::new();
    put(&writer(&checkout, 0), WEB, &[("x.age", "1")], &[]).unwrap();
    put(&writer(&checkout, 1), WEB, &[("x.age", "2")], &[]).unwrap();
    let stored = checkout.read(WEB).unwrap();
    let wanted = in_trash(checkout.dir.path(), WEB).pop().unwrap();
    let restore = |replaces| writer(&checkout, 2).restore(&wanted, replaces).unwrap_err();
    // Another run replaced or removed what is stored.
    assert!(matches!(restore(None), Error::Appeared { .. }));
    assert!(matches!(restore(Some(wanted.fingerprint)), Error::Changed { .. }));
    let trashed = checkout.trash().pop().unwrap();
    fs::write(trashed.join("x.age"), "planted").unwrap();
    assert!(matches!(restore(Some(stored.fingerprint())), Error::TrashChanged { .. }));
    assert!(in_trash(checkout.dir.path(), WEB).is_empty(), "it is not offered");
    fs::remove_dir_all(&trashed).unwrap();
    assert!(matches!(restore(Some(stored.fingerprint())), Error::TrashChanged { .. }));
    assert_eq!(checkout.read(WEB).unwrap(), stored);
}

#[test]
fn the_record_names_the_command_and_one_without_is_read() {
    let checkout = Checkout::new();
    put(&writer(&checkout, 0), WEB, &[("x.age", "1")], &[]).unwrap();
    writer(&checkout, 1).remove(&name(WEB)).unwrap();
    let (dir, known) = (record(checkout.dir.path()), TrashRecord::new(record(checkout.dir.path())));
    let trashed = known.names().unwrap().pop().unwrap();
    let recorded = known.read(&trashed).unwrap().unwrap();
    assert_eq!(recorded.command.as_deref(), Some("rekey"));
    // As the first version wrote it.
    let old = format!(
        r#"{{"schema":1,"instance":"{WEB}","storage":"{}","fingerprint":"{}"}}"#,
        recorded.storage.display(),
        recorded.fingerprint
    );
    fs::write(dir.join(&trashed), old).unwrap();
    assert_eq!(known.read(&trashed).unwrap().unwrap().command, None);
    assert_eq!(in_trash(checkout.dir.path(), WEB).len(), 1);
    // What is not a name of an entry is none.
    fs::write(dir.join("README"), "").unwrap();
    fs::write(dir.join(format!(".{trashed}")), "").unwrap();
    assert_eq!(known.names().unwrap(), [trashed]);
}

#[test]
fn what_is_discarded_is_gone_and_nothing_else() {
    let checkout = Checkout::new();
    for (second, text) in [(0, "1"), (1, "2"), (2, "3")] {
        put(&writer(&checkout, second), WEB, &[("x.age", text)], &[]).unwrap();
    }
    let stored = checkout.read(WEB);
    let [first, second] = in_trash(checkout.dir.path(), WEB).try_into().unwrap();
    let record = TrashRecord::new(record(checkout.dir.path()));
    // What another program changed since it was read is left.
    let other = artifacts_store::InTrash { fingerprint: second.fingerprint, ..first.clone() };
    assert!(matches!(writer(&checkout, 3).discard(&other), Err(Error::TrashChanged { .. })));
    assert_eq!(checkout.storage().trash().unwrap(), [first.trashed.clone(), second.trashed.clone()]);
    for _ in 0..2 {
        writer(&checkout, 3).discard(&first).unwrap();
        assert_eq!(checkout.storage().trash().unwrap(), std::slice::from_ref(&second.trashed));
        assert_eq!(record.names().unwrap(), std::slice::from_ref(&second.trashed));
    }
    assert_eq!(checkout.read(WEB), stored);
}

#[test]
fn a_removal_that_is_killed_at_any_step_leaves_the_entry_whole_or_gone() {
    for at in 1.. {
        let checkout = Checkout::new();
        put(&writer(&checkout, 0), WEB, &[("x.age", "1"), ("y.age", "1")], &[("p", "public")]).unwrap();
        put(&writer(&checkout, 1), WEB, &[("x.age", "2")], &[]).unwrap();
        let [one] = in_trash(checkout.dir.path(), WEB).try_into().unwrap();
        let mut options = WriterOptions { trash_record: Some(record(checkout.dir.path())), ..WriterOptions::at(now()) };
        let count = std::sync::atomic::AtomicU64::new(0);
        options.hooks.step = std::sync::Arc::new(move |_| {
            let step = count.fetch_add(1, std::sync::atomic::Ordering::Relaxed) + 1;
            if step >= at { Err(std::io::Error::other("killed")) } else { Ok(()) }
        });
        let done = checkout.storage().lock(options).and_then(|writer| writer.discard(&one)).is_ok();
        let left = in_trash(checkout.dir.path(), WEB);
        assert!(left.is_empty() || left == [one], "killed at {at}");
        drop(writer(&checkout, 2));
        let staging = checkout.path("secrets/.artifacts/staging");
        assert_eq!(fs::read_dir(staging).unwrap().count(), 0, "killed at {at}");
        if done {
            assert!(left.is_empty() && at > 10, "{at} steps are too few");
            break;
        }
    }
}
