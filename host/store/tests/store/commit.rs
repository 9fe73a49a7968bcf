//! What a commit does when nothing goes wrong.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::time::Duration;

use artifacts_store::{Difference, Error, NewEntry, ReceiptState, TrashRecord, WriterOptions};

use crate::support::*;

#[test]
fn a_storage_that_is_not_there_holds_nothing_and_is_not_made_by_reading() {
    let checkout = Checkout::new();
    assert_eq!(checkout.read(WEB), None);
    assert_eq!(checkout.storage().list().unwrap(), artifacts_store::Listing::default());
    assert_eq!(children(checkout.dir.path()).len(), 0);
}

#[test]
fn a_lock_under_which_nothing_is_stored_leaves_no_storage_behind() {
    let checkout = Checkout::new();
    let writer = checkout.writer();
    let waiting = checkout.storage();
    assert!(matches!(waiting.lock(WriterOptions::at(now())), Err(Error::Locked { .. })));
    drop(writer);
    assert_eq!(children(checkout.dir.path()).len(), 0);
    // Who waited for that lock gets one that holds.
    waiting.wait_for_lock(|| false).unwrap();
    let writer = waiting.lock(WriterOptions::at(now())).unwrap();
    assert!(matches!(checkout.storage().lock(WriterOptions::at(now())), Err(Error::Locked { .. })));
    // What someone else put there, and what was there before, stays.
    fs::write(checkout.path("secrets/note"), "").unwrap();
    drop(writer);
    fs::remove_file(checkout.path("secrets/note")).unwrap();
    drop(checkout.writer());
    assert!(checkout.path("secrets/.artifacts/lock").exists());
}

#[test]
fn what_is_committed_is_read_again() {
    let checkout = Checkout::new();
    let committed =
        put(&checkout.writer(), WEB, &[("env.age", "cipher"), ("a b.c.age", "")], &[("key.pub", "public")]).unwrap();
    let entry = checkout.read(WEB).unwrap();
    assert_eq!(entry.files, files(&[("env.age", "cipher"), ("a b.c.age", "")]));
    assert_eq!(entry.public, files(&[("key.pub", "public")]));
    assert_eq!(entry.receipt, ReceiptState::Valid(Box::new(committed.receipt)));
    assert_eq!(entry.differences(), []);
    assert_eq!(committed.path, "secrets/per-machine/web1/attic");
    assert_eq!(committed.trash, None);
    assert!(checkout.trash().is_empty() && checkout.staged().is_empty());
}

#[test]
fn an_entry_is_replaced_as_a_whole_and_the_old_one_lies_in_the_trash() {
    let checkout = Checkout::new();
    checkout.put(WEB, &[("one.age", "1"), ("two.age", "2")]);
    let committed = checkout.put(WEB, &[("other.sops", "3")]);
    assert_eq!(checkout.read(WEB).unwrap().files, files(&[("other.sops", "3")]));
    let trash = checkout.trash();
    assert_eq!(trash, [checkout.path(&committed.trash.unwrap())]);
    assert_eq!(fs::read(trash[0].join("two.age")).unwrap(), b"2");
    assert!(trash[0].file_name().unwrap().to_str().unwrap().starts_with("2026-09-"));
    assert!(checkout.staged().is_empty());
}

#[test]
fn names_with_blanks_dots_and_signs_are_stored() {
    let checkout = Checkout::new();
    let names = [
        "per-user/alice@laptop/my key.v2",
        "shared/...",
        "shared/é+ü",
        "per-machine/.hidden/public",
        "shared/receipt.json",
    ];
    for instance in names {
        checkout.put(instance, &[("x.age", instance)]);
    }
    for instance in names {
        assert_eq!(checkout.read(instance).unwrap().files, files(&[("x.age", instance)]));
        assert_eq!(checkout.read(instance).unwrap().differences(), []);
    }
    let mut expected: Vec<_> = names.map(name).into();
    expected.sort();
    assert_eq!(checkout.storage().list().unwrap().entries, expected);
    let long = format!("per-machine/{}/{}", "m".repeat(200), "é".repeat(100));
    checkout.put(&long, &[("x.age", "1")]);
    checkout.put(&long, &[("x.age", "2")]);
    assert_eq!(checkout.read(&long).unwrap().files, files(&[("x.age", "2")]));
}

#[test]
fn modes_are_those_of_a_checkout_whatever_the_umask() {
    let checkout = Checkout::new();
    put(&checkout.writer(), WEB, &[("env.age", "x")], &[("key.pub", "y")]).unwrap();
    let mode = |below: &str| fs::metadata(checkout.path(below)).unwrap().permissions().mode() & 0o7777;
    for directory in [
        "secrets",
        "secrets/per-machine",
        "secrets/per-machine/web1",
        &format!("secrets/{WEB}"),
        &format!("secrets/{WEB}/public"),
    ] {
        assert_eq!(mode(directory), 0o755, "{directory}");
    }
    for file in ["env.age", "receipt.json", "public/key.pub"] {
        assert_eq!(mode(&format!("secrets/{WEB}/{file}")), 0o644, "{file}");
    }
    for directory in ["", "/staging", "/trash"] {
        assert_eq!(mode(&format!("secrets/.artifacts{directory}")), 0o700, "{directory}");
    }
    assert_eq!(fs::read(checkout.path("secrets/.artifacts/.gitignore")).unwrap(), b"*\n");
}

#[test]
fn a_directory_of_the_hosts_own_that_others_may_enter_is_closed() {
    let checkout = Checkout::new();
    fs::create_dir_all(checkout.path("secrets/.artifacts")).unwrap();
    fs::set_permissions(checkout.path("secrets/.artifacts"), fs::Permissions::from_mode(0o777)).unwrap();
    drop(checkout.writer());
    let mode = fs::metadata(checkout.path("secrets/.artifacts")).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o700);
}

#[test]
fn only_what_was_read_is_replaced() {
    let checkout = Checkout::new();
    let writer = checkout.writer();
    let new = |replaces| NewEntry {
        files: files(&[("env.age", "mine")]),
        public: files(&[]),
        receipt: receipt(WEB),
        replaces,
    };

    put(&writer, WEB, &[("env.age", "first")], &[]).unwrap();
    let first = checkout.read(WEB).unwrap().fingerprint();
    assert!(matches!(writer.commit(new(None)), Err(Error::Appeared { .. })));
    assert!(matches!(writer.check(&name(WEB), None), Err(Error::Appeared { .. })));

    fs::write(checkout.path(&format!("secrets/{WEB}/env.age")), "pulled").unwrap();
    assert!(matches!(writer.commit(new(Some(first))), Err(Error::Changed { .. })));
    assert_eq!(checkout.read(WEB).unwrap().files, files(&[("env.age", "pulled")]));

    fs::remove_dir_all(checkout.path(&format!("secrets/{WEB}"))).unwrap();
    assert!(matches!(writer.commit(new(Some(first))), Err(Error::Vanished { .. })));
    assert_eq!(checkout.read(WEB), None);
    writer.check(&name(WEB), None).unwrap();
    writer.commit(new(None)).unwrap();
    assert!(checkout.staged().is_empty());
}

#[test]
fn the_fingerprint_is_of_every_name_and_byte() {
    let checkout = Checkout::new();
    let base = format!("secrets/{WEB}");
    put(&checkout.writer(), WEB, &[("a", "12"), ("b", "3")], &[("p", "4")]).unwrap();
    let mut seen = vec![checkout.read(WEB).unwrap().fingerprint()];
    for (file, bytes) in [("a", "1"), ("b", "23"), ("public/p", "5"), ("receipt.json", "{}"), ("c", "")] {
        fs::write(checkout.path(&format!("{base}/{file}")), bytes).unwrap();
        let next = checkout.read(WEB).unwrap().fingerprint();
        assert!(!seen.contains(&next), "{file}");
        seen.push(next);
    }
    fs::rename(checkout.path(&format!("{base}/c")), checkout.path(&format!("{base}/public/c"))).unwrap();
    assert!(!seen.contains(&checkout.read(WEB).unwrap().fingerprint()));
}

#[test]
fn every_difference_from_the_receipt_is_told() {
    let checkout = Checkout::new();
    let at = |below: &str| checkout.path(&format!("secrets/{WEB}/{below}"));
    put(&checkout.writer(), WEB, &[("env.age", "cipher"), ("gone.age", "x")], &[("key.pub", "k"), ("old.pub", "k")])
        .unwrap();
    let differences = || checkout.read(WEB).unwrap().differences();

    fs::write(at("env.age"), "cIpher").unwrap();
    fs::remove_file(at("gone.age")).unwrap();
    fs::write(at("new.age"), "").unwrap();
    fs::write(at("public/key.pub"), "K").unwrap();
    fs::remove_file(at("public/old.pub")).unwrap();
    fs::write(at("public/new.pub"), "").unwrap();
    let text = |text: &str| text.to_owned();
    assert_eq!(
        differences(),
        [
            Difference::Changed(text("env.age")),
            Difference::Missing(text("gone.age")),
            Difference::Changed(text("public/key.pub")),
            Difference::Missing(text("public/old.pub")),
            Difference::Extra(text("new.age")),
            Difference::Extra(text("public/new.pub")),
        ]
    );

    // A whole entry under another's name, receipt and all.
    put(&checkout.writer(), "shared/other", &[("env.age", "o")], &[]).unwrap();
    fs::remove_dir_all(at("")).unwrap();
    fs::rename(checkout.path("secrets/shared/other"), at("")).unwrap();
    assert_eq!(differences(), [Difference::OtherInstance(name("shared/other"))]);

    fs::write(at("receipt.json"), "<<<<<<< HEAD").unwrap();
    assert!(matches!(differences().as_slice(), [Difference::Malformed(_)]));
    fs::remove_file(at("receipt.json")).unwrap();
    assert_eq!(differences(), [Difference::NoReceipt]);
}

#[test]
fn what_the_receipt_does_not_list_stands_in_no_ones_way() {
    use std::os::unix::fs::symlink;
    let checkout = Checkout::new();
    let at = |below: &str| checkout.path(&format!("secrets/{WEB}/{below}"));
    put(&checkout.writer(), WEB, &[("env.age", "cipher")], &[("key.pub", "k")]).unwrap();
    let before = checkout.read(WEB).unwrap();
    for file in [".DS_Store", "env.age~", "env.age.orig", "a\nb", "public/.DS_Store", "public/receipt.json"] {
        fs::write(at(file), "x").unwrap();
    }
    symlink("nowhere", at(".#env.age")).unwrap();
    fs::create_dir(at(".stversions")).unwrap();
    fs::write(at(".stversions/env.age"), "old").unwrap();
    fs::File::create(at("core")).unwrap().set_len(artifacts_store::MAX_STRAY_FILE + 1).unwrap();
    let entry = checkout.read(WEB).unwrap();
    assert!(entry.is_intact());
    assert_eq!((&entry.files, &entry.public), (&before.files, &before.public));
    let extras: Vec<&str> = entry.extras.keys().map(String::as_str).collect();
    assert_eq!(extras, [".DS_Store", "env.age.orig", "env.age~", "public/.DS_Store", "public/receipt.json"]);
    let unread: Vec<&str> = entry.unread.iter().map(String::as_str).collect();
    assert_eq!(unread, [".#env.age", ".stversions", "a\nb", "core"]);
    assert_eq!(entry.differences().len(), extras.len() + unread.len());
    assert_ne!(entry.fingerprint(), before.fingerprint());
    // All of it goes to the trash with the old entry.
    put(&checkout.writer(), WEB, &[("env.age", "new")], &[]).unwrap();
    assert_eq!(checkout.read(WEB).unwrap().differences(), []);
    // What the receipt lists is never passed over.
    fs::remove_file(at("env.age")).unwrap();
    symlink("nowhere", at("env.age")).unwrap();
    assert!(checkout.storage().read(&name(WEB)).is_err());
}

#[test]
fn an_empty_directory_is_no_entry() {
    let checkout = Checkout::new();
    fs::create_dir_all(checkout.path(&format!("secrets/{WEB}"))).unwrap();
    assert_eq!(checkout.read(WEB), None);
    assert!(checkout.storage().list().unwrap().entries.is_empty());
    checkout.put(WEB, &[("env.age", "x")]);
    assert_eq!(checkout.read(WEB).unwrap().differences(), []);
}

#[test]
fn the_list_tells_entries_from_the_rest() {
    let checkout = Checkout::new();
    for instance in [WEB, "per-user/alice/ssh", "shared/ca"] {
        checkout.put(instance, &[("x.age", "x")]);
    }
    fs::write(checkout.path("secrets/README.md"), "").unwrap();
    fs::create_dir_all(checkout.path("secrets/elsewhere/a/b")).unwrap();
    fs::write(checkout.path("secrets/shared/file"), "").unwrap();
    fs::write(checkout.path("secrets/per-machine/file"), "").unwrap();
    std::os::unix::fs::symlink("/etc", checkout.path("secrets/per-user/link")).unwrap();
    fs::create_dir_all(checkout.path(&format!("secrets/shared/{}", "x".repeat(201)))).unwrap();
    // What earlier versions stored under such names is listed, and nothing of it is lost.
    for name in ["-x", "a\\b"] {
        fs::create_dir_all(checkout.path(&format!("secrets/shared/{name}"))).unwrap();
        fs::write(checkout.path(&format!("secrets/shared/{name}/x.age")), "x").unwrap();
    }
    let listing = checkout.storage().list().unwrap();
    assert_eq!(listing.entries, [name(WEB), name("per-user/alice/ssh"), name("shared/ca")]);
    let odd: Vec<_> = listing.stray_files.iter().map(|stray| stray.path.clone()).collect();
    let long = format!("secrets/shared/{}", "x".repeat(201));
    assert_eq!(
        odd,
        [
            "secrets/README.md",
            "secrets/elsewhere",
            "secrets/per-machine/file",
            "secrets/per-user/link",
            "secrets/shared/-x",
            "secrets/shared/a\\b",
            "secrets/shared/file",
            &long
        ]
    );
    let why: Vec<&str> = listing.stray_files[4..6].iter().map(|stray| stray.why.as_str()).collect();
    assert!(why[0].contains("begins with `-`") && why[1].contains("it has a backslash"), "{why:?}");
}

#[test]
fn what_is_removed_lies_in_the_trash_and_leaves_no_empty_directory() {
    let checkout = Checkout::new();
    checkout.put(WEB, &[("x.age", "1")]);
    checkout.put("per-machine/web1/other", &[("x.age", "2")]);
    checkout.put("shared/ca", &[("x.age", "3")]);
    let writer = checkout.writer();
    let trashed = writer.remove(&name(WEB)).unwrap().unwrap();
    assert_eq!(fs::read(checkout.path(&trashed).join("x.age")).unwrap(), b"1");
    assert_eq!(writer.remove(&name(WEB)).unwrap(), None);
    assert!(checkout.path("secrets/per-machine/web1").exists());
    writer.remove(&name("per-machine/web1/other")).unwrap().unwrap();
    writer.remove(&name("shared/ca")).unwrap().unwrap();
    let own = ["secrets/.artifacts", "secrets/.gitattributes"].map(|path| checkout.path(path));
    assert_eq!(children(&checkout.path("secrets")), own);
    put(&writer, WEB, &[("x.age", "4")], &[]).unwrap();
    assert_eq!(checkout.read(WEB).unwrap().files, files(&[("x.age", "4")]));
}

#[test]
fn the_trash_is_emptied_by_age_alone() {
    let checkout = Checkout::new();
    let run = |day: u64| {
        let writer = checkout.storage().lock(WriterOptions::at(now() + Duration::from_hours(day * 24))).unwrap();
        put(&writer, WEB, &[("x.age", &day.to_string())], &[]).unwrap();
    };
    for day in 0..4 {
        run(day);
    }
    let contents =
        || checkout.trash().iter().map(|entry| fs::read_to_string(entry.join("x.age")).unwrap()).collect::<Vec<_>>();
    // The trash of day n holds what day n - 1 made.
    assert_eq!(contents(), ["0", "1", "2"]);
    fs::create_dir(checkout.path("secrets/.artifacts/trash/planted")).unwrap();
    run(4);
    assert_eq!(contents(), ["0", "1", "2", "3"]);
    // What seems old enough goes when a run finds it so a second time, a day later.
    run(32);
    assert_eq!(contents(), ["0", "1", "2", "3", "4"]);
    run(33);
    assert_eq!(contents(), ["2", "3", "4", "32"]);
    run(200);
    run(201);
    assert_eq!(contents(), ["33", "200"]);
}

#[test]
fn a_clock_that_jumps_ahead_does_not_empty_the_trash() {
    let checkout = Checkout::new();
    let run = |hours: u64| {
        let writer = checkout.storage().lock(WriterOptions::at(now() + Duration::from_hours(hours))).unwrap();
        put(&writer, WEB, &[("x.age", &hours.to_string())], &[]).unwrap();
    };
    for hours in [0, 1, 40 * 24, 40 * 24 + 12, 2, 3] {
        run(hours);
    }
    assert_eq!(checkout.trash().len(), 5);
    // What was noted with the wrong clock counts for nothing, whatever else was written there.
    fs::write(checkout.path("secrets/.artifacts/expired"), "x".repeat(100)).unwrap();
    run(4);
    assert_eq!(checkout.trash().len(), 6);
    run(31 * 24);
    run(32 * 24 + 1);
    assert_eq!(checkout.trash().len(), 4);
}

#[test]
fn however_much_was_planted_nothing_fresh_leaves_the_trash() {
    let checkout = Checkout::new();
    checkout.put(WEB, &[("x.age", "1")]);
    let committed = checkout.put(WEB, &[("x.age", "2")]);
    let own = checkout.path(&committed.trash.unwrap());
    for number in 0..5000 {
        let later = checkout.path(&format!("secrets/.artifacts/trash/2026-09-21T23:00:00Z-{number:016}-planted"));
        fs::create_dir(later).unwrap();
    }
    drop(checkout.writer());
    assert_eq!(fs::read(own.join("x.age")).unwrap(), b"1");
    assert_eq!(checkout.trash().len(), 5001);
}

#[test]
fn what_goes_to_the_trash_is_recorded_outside_of_the_checkout() {
    let checkout = Checkout::new();
    let state = tempfile::tempdir().unwrap();
    let dir = state.path().join("artifacts/trash");
    let options = || WriterOptions { trash_record: Some(dir.clone()), ..WriterOptions::at(now()) };
    let record = TrashRecord::new(&dir);
    let named = |path: &str| path.rsplit('/').next().unwrap().to_owned();
    let writer = checkout.storage().lock(options()).unwrap();
    put(&writer, WEB, &[("x.age", "1")], &[]).unwrap();
    let first = checkout.read(WEB).unwrap().fingerprint().to_string();
    let replaced = put(&writer, WEB, &[("x.age", "2")], &[]).unwrap().trash.unwrap();
    let second = checkout.read(WEB).unwrap().fingerprint().to_string();
    let removed = writer.remove(&name(WEB)).unwrap().unwrap();
    for (path, fingerprint) in [(&replaced, first), (&removed, second)] {
        let found = record.read(&named(path)).unwrap().unwrap();
        assert_eq!((found.instance, found.fingerprint), (name(WEB), fingerprint));
    }
    drop(writer);
    // What was planted is not known, whatever it is called.
    let planted = "2026-09-21T00:00:00Z-0011223344556677-per-machine+web1+attic";
    for name in [planted, "../lock", "..", ""] {
        assert_eq!(record.read(name).unwrap(), None, "{name}");
    }
    // What others could have written proves nothing, and nothing is replaced that could not be recorded.
    let writer = checkout.storage().lock(options()).unwrap();
    put(&writer, WEB, &[("x.age", "3")], &[]).unwrap();
    fs::set_permissions(&dir, fs::Permissions::from_mode(0o777)).unwrap();
    assert!(record.read(&named(&replaced)).is_err());
    assert!(put(&writer, WEB, &[("x.age", "4")], &[]).is_err());
    assert!(writer.remove(&name(WEB)).is_err());
    assert_eq!(checkout.read(WEB).unwrap().files, files(&[("x.age", "3")]));
    fs::set_permissions(&dir, fs::Permissions::from_mode(0o700)).unwrap();
    // It goes when the trash does.
    drop(writer);
    for (days, left) in [(31, 2), (32, 0)] {
        let later = WriterOptions { now: now() + Duration::from_hours(days * 24), ..options() };
        drop(checkout.storage().lock(later).unwrap());
        assert_eq!(fs::read_dir(&dir).unwrap().count(), left, "{days}");
    }
}

#[test]
fn two_writers_do_not_meet() {
    let checkout = Checkout::new();
    let first = checkout.writer();
    match checkout.storage().lock(WriterOptions::at(now())) {
        Err(Error::Locked { storage, pid }) => {
            assert_eq!((storage.as_str(), pid), ("secrets", Some(std::process::id())));
        }
        other => panic!("{:?}", other.err()),
    }
    assert_eq!(checkout.read(WEB), None);
    drop(first);
    drop(checkout.writer());
}

#[test]
fn readers_see_whole_entries_while_they_are_replaced() {
    let checkout = Checkout::new();
    checkout.put(WEB, &[("a.age", "0"), ("b.age", "0")]);
    std::thread::scope(|scope| {
        let writer = scope.spawn(|| {
            let options = WriterOptions { durability: artifacts_store::Durability::NoSync, ..WriterOptions::at(now()) };
            let writer = checkout.storage().lock(options).unwrap();
            for round in 1..300 {
                let round = round.to_string();
                put(&writer, WEB, &[("a.age", &round), ("b.age", &round)], &[]).unwrap();
            }
        });
        while !writer.is_finished() {
            let entry = checkout.read(WEB).unwrap();
            assert_eq!(entry.files["a.age"], entry.files["b.age"]);
            assert_eq!(entry.differences(), []);
        }
    });
}

#[test]
fn a_nested_storage_and_a_second_one_are_apart() {
    let checkout = Checkout::new();
    let root = artifacts_store::Root::open(checkout.dir.path()).unwrap();
    let nested = artifacts_store::Storage::open(&root, "deep/in/secrets").unwrap();
    let writer = nested.lock(WriterOptions::at(now())).unwrap();
    let _other = checkout.writer();
    put(&writer, WEB, &[("x.age", "1")], &[]).unwrap();
    assert!(checkout.path("deep/in/secrets/per-machine/web1/attic/receipt.json").exists());
    assert_eq!(checkout.read(WEB), None);
}
