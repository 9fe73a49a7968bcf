//! What git noted of files is taken for what they are, and who touches one deceives no one.

use std::fs::{self, File};
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};
use std::time::{Duration, SystemTime};

use artifacts_store::{Git, Staged};

use crate::git::{git, git_program, known, repository, stage};
use crate::support::*;

/// A checkout with an entry of three files that git knows, long after they were written.
fn settled(content: &str) -> Checkout {
    let checkout = repository(&[]);
    let writer = checkout.writer();
    let path = put(&writer, WEB, &[("env.age", content)], &[("key.pub", "x")]).unwrap().path;
    stage(&writer, &git_program(), &[path]).unwrap();
    written(&checkout, SystemTime::now() + Duration::from_secs(10));
    assert_eq!(read(&checkout), (Some(Staged::Yes), 0), "nothing is read");
    checkout
}

/// Sets the time at which the index was written.
fn written(checkout: &Checkout, time: SystemTime) {
    File::options().append(true).open(checkout.path(".git/index")).unwrap().set_modified(time).unwrap();
}

fn file(checkout: &Checkout) -> std::path::PathBuf {
    checkout.path(&format!("secrets/{WEB}/env.age"))
}

/// What git knows of the entry, and how often it reads files for it.
fn read(checkout: &Checkout) -> (Option<Staged>, usize) {
    let (log, counting) = (checkout.path(".git/started"), checkout.path(".git/counting"));
    let _ = fs::remove_file(&log);
    let path = std::env::var("PATH").unwrap();
    let script = format!("#!/bin/sh\necho \"$*\" >> {}\nPATH={path} exec git \"$@\"\n", log.display());
    artifacts_tests::script::write(&counting, script).unwrap();
    let index = fs::read(checkout.path(".git/index")).unwrap();
    let known = known(checkout, &Git { program: counting.into(), ..git_program() }, WEB);
    assert!(fs::read(checkout.path(".git/index")).unwrap() == index, "the index is only read");
    let started = fs::read_to_string(log).unwrap();
    (known, started.lines().filter(|line| line.starts_with("hash-object")).count())
}

fn is_staged(checkout: &Checkout) -> bool {
    match read(checkout) {
        (Some(Staged::Yes), _) => true,
        (Some(Staged::No { .. }), _) => false,
        other => panic!("{other:?}"),
    }
}

/// Writes other bytes into a file, and sets its time of modification back.
fn overwrite(checkout: &Checkout, content: &str) {
    let modified = fs::metadata(file(checkout)).unwrap().modified().unwrap();
    fs::write(file(checkout), content).unwrap();
    File::options().append(true).open(file(checkout)).unwrap().set_modified(modified).unwrap();
}

#[test]
fn a_file_that_was_touched_is_read_and_counts_as_staged() {
    let checkout = settled("1");
    File::options().append(true).open(file(&checkout)).unwrap().set_modified(SystemTime::UNIX_EPOCH).unwrap();
    assert_eq!(read(&checkout), (Some(Staged::Yes), 1));
    // Its bytes in another file.
    let checkout = settled("1");
    fs::copy(file(&checkout), checkout.path("copy")).unwrap();
    fs::rename(checkout.path("copy"), file(&checkout)).unwrap();
    assert_eq!(read(&checkout), (Some(Staged::Yes), 1));
}

#[test]
fn other_bytes_of_the_same_number_and_time_are_not_staged() {
    let checkout = settled("1");
    let before = fs::metadata(file(&checkout)).unwrap();
    overwrite(&checkout, "2");
    let after = fs::metadata(file(&checkout)).unwrap();
    assert_eq!((before.len(), before.modified().unwrap()), (after.len(), after.modified().unwrap()));
    assert!(!is_staged(&checkout));
}

#[test]
fn settings_that_make_git_look_less_closely_do_not_count() {
    for (name, value) in [("core.trustctime", "false"), ("core.checkStat", "minimal"), ("core.fsmonitor", "true")] {
        let checkout = settled("1");
        git(checkout.dir.path(), &["config", name, value]);
        overwrite(&checkout, "2");
        assert!(!is_staged(&checkout), "{name}");
    }
}

#[test]
fn what_git_is_told_to_pass_over_is_compared() {
    for flag in ["--assume-unchanged", "--skip-worktree"] {
        let checkout = settled("1");
        git(checkout.dir.path(), &["update-index", flag, &format!("secrets/{WEB}/env.age")]);
        overwrite(&checkout, "2");
        assert!(!is_staged(&checkout), "{flag}");
        fs::write(file(&checkout), "1").unwrap();
        assert!(is_staged(&checkout), "{flag}");
    }
}

#[test]
fn what_was_changed_in_the_moment_in_which_the_index_was_written_is_read() {
    let checkout = settled("1");
    let found = fs::metadata(file(&checkout)).unwrap();
    let changed = Duration::new(found.ctime().unsigned_abs(), u32::try_from(found.ctime_nsec()).unwrap());
    written(&checkout, SystemTime::UNIX_EPOCH + changed);
    assert_eq!(read(&checkout), (Some(Staged::Yes), 1));
}

#[test]
fn a_file_less_or_more_of_an_entry_and_another_mode_are_noticed() {
    let checkout = settled("1");
    fs::remove_file(file(&checkout)).unwrap();
    assert!(!is_staged(&checkout));
    let checkout = settled("1");
    git(checkout.dir.path(), &["rm", "-q", "--cached", &format!("secrets/{WEB}/public/key.pub")]);
    assert!(!is_staged(&checkout));
    let checkout = settled("1");
    let last = checkout.path(&format!("secrets/{WEB}/z"));
    fs::write(&last, "z").unwrap();
    git(checkout.dir.path(), &["add", "secrets"]);
    written(&checkout, SystemTime::now() + Duration::from_secs(10));
    fs::remove_file(&last).unwrap();
    assert!(!is_staged(&checkout));
    let checkout = settled("1");
    git(checkout.dir.path(), &["update-index", "--chmod=+x", &format!("secrets/{WEB}/env.age")]);
    written(&checkout, SystemTime::now() + Duration::from_secs(10));
    assert!(!is_staged(&checkout));
    let checkout = settled("1");
    fs::set_permissions(file(&checkout), fs::Permissions::from_mode(0o755)).unwrap();
    assert!(!is_staged(&checkout));
    git(checkout.dir.path(), &["add", "secrets"]);
    assert!(is_staged(&checkout));
}

#[test]
fn a_file_that_git_stages_with_other_bytes_is_not_staged_although_git_noted_it() {
    let text = "a\r\nb $Id: x $ \r\n";
    for (place, says) in [
        (".git/info/attributes", "* text"),
        ("secrets/per-machine/.gitattributes", "* text"),
        ("secrets/per-machine/web1/.gitattributes", "* ident"),
        ("secrets/per-machine/web1/attic/.gitattributes", "env.age text=auto"),
        ("secrets/.gitattributes", "* text"),
    ] {
        let checkout = settled(text);
        let path = checkout.path(place);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(&path, says).unwrap();
        // What git has noted is not read again, so it is forgotten first.
        git(checkout.dir.path(), &["rm", "-q", "-r", "--cached", "secrets/per-machine"]);
        git(checkout.dir.path(), &["add", "secrets"]);
        written(&checkout, SystemTime::now() + Duration::from_secs(10));
        let blob = git(checkout.dir.path(), &["cat-file", "blob", &format!(":secrets/{WEB}/env.age")]);
        assert_ne!(blob, text, "{place}");
        assert_eq!(git(checkout.dir.path(), &["diff-files", "--name-only"]), "", "{place}: to git it is the same");
        assert!(!is_staged(&checkout), "{place}");
        if place.starts_with("secrets/per-machine/") {
            // Git reads attributes that are gone from the index.
            fs::remove_file(&path).unwrap();
            assert!(!is_staged(&checkout), "{place}, gone");
        }
    }
}

#[test]
fn a_filter_for_other_files_keeps_no_note_from_counting() {
    let checkout = settled("1");
    git(checkout.dir.path(), &["config", "filter.large.clean", "tr a-z A-Z"]);
    assert_eq!(read(&checkout), (Some(Staged::Yes), 0));
    fs::write(checkout.path(".gitattributes"), "*.age filter=large\n").unwrap();
    assert_eq!(read(&checkout), (Some(Staged::Yes), 1));
}
