//! A hostile checkout: links, special files and names, for reading and for writing.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use artifacts_seam::EntryFiles;
use artifacts_store::{Error, FileKind, MAX_FILES, MAX_STRAY_FILE, MAX_TOTAL, NewEntry, Root, Storage, WriterOptions};
use artifacts_text::Explain;

use crate::support::*;

const CANARY: &str = "not yours";

/// A directory outside with something in it, as it would be if it were an entry or a storage.
fn outside(checkout: &Checkout) -> std::path::PathBuf {
    let outside = checkout.path("outside");
    for directory in ["", "per-machine/web1/attic", "web1/attic", "attic", "staging", "trash"] {
        fs::create_dir_all(outside.join(directory)).unwrap();
        fs::write(outside.join(directory).join("env.age"), CANARY).unwrap();
    }
    outside
}

fn snapshot(directory: &Path) -> Vec<(std::path::PathBuf, Option<Vec<u8>>)> {
    let mut all = Vec::new();
    for path in children(directory) {
        let is_dir = fs::symlink_metadata(&path).unwrap().is_dir();
        all.push((path.clone(), if is_dir { None } else { Some(fs::read(&path).unwrap()) }));
        if is_dir {
            all.extend(snapshot(&path));
        }
    }
    all
}

fn is_link<T>(result: &Result<T, Error>, path: &str) -> bool {
    matches!(result, Err(Error::Link { path: found }) if found == path)
        || matches!(result, Err(Error::WrongKind { path: found, found: FileKind::Link, .. }) if found == path)
}

/// Opens, locks and commits over whatever can be read: the whole of a run.
fn run(checkout: &Checkout) -> Result<(), Error> {
    let writer = storage(checkout.dir.path())?.lock(WriterOptions::at(now()))?;
    put(&writer, WEB, &[("env.age", "mine")], &[("key.pub", "p")]).map(drop)
}

#[test]
fn a_link_on_the_way_to_a_entry_is_followed_by_no_one() {
    for (link, to) in [
        ("secrets", "outside"),
        ("secrets/per-machine", "outside"),
        ("secrets/per-machine/web1", "outside"),
        ("secrets/per-machine/web1/attic", "outside"),
    ] {
        let checkout = Checkout::new();
        let outside = outside(&checkout);
        fs::create_dir_all(checkout.path(link).parent().unwrap()).unwrap();
        // Relative and absolute links alike, within the root or not.
        for target in [outside.clone(), Path::new("../".repeat(link.matches('/').count()).as_str()).join(to)] {
            symlink(&target, checkout.path(link)).unwrap();
            assert!(checkout.path(link).join("env.age").exists(), "the trap works");
            let before = snapshot(&outside);
            let read = storage(checkout.dir.path()).and_then(|storage| storage.read(&name(WEB)));
            assert!(is_link(&read, link), "reading through {link}");
            let written = run(&checkout);
            assert!(is_link(&written, link), "writing through {link}");
            assert_eq!(snapshot(&outside), before, "{link}");
            fs::remove_file(checkout.path(link)).unwrap();
        }
    }
}

/// A link that appears after the storage was opened and locked.
#[test]
fn a_link_that_appears_later_is_followed_by_no_one() {
    for link in ["secrets", "secrets/per-machine", "secrets/per-machine/web1", "secrets/per-machine/web1/attic"] {
        let checkout = Checkout::new();
        let outside = outside(&checkout);
        let writer = checkout.writer();
        put(&writer, WEB, &[("env.age", "mine")], &[]).unwrap();
        let replaces = Some(checkout.read(WEB).unwrap().fingerprint());
        fs::rename(checkout.path(link), checkout.path("moved")).unwrap();
        symlink(&outside, checkout.path(link)).unwrap();
        let before = snapshot(&outside);
        let result = writer.commit(NewEntry {
            files: files(&[("env.age", "new")]),
            public: EntryFiles::new(),
            receipt: receipt(WEB),
            replaces,
        });
        assert!(is_link(&result, link), "{link}");
        assert_eq!(snapshot(&outside), before, "{link}");
        if link != "secrets" {
            assert!(is_link(&writer.remove(&name(WEB)), link) || fs::symlink_metadata(checkout.path(link)).is_err());
            assert_eq!(snapshot(&outside), before, "{link}");
        }
    }
}

#[test]
fn a_link_among_the_hosts_own_directories_is_refused() {
    for link in ["", "/staging", "/trash", "/lock", "/.gitignore"].map(|below| format!("secrets/.artifacts{below}")) {
        let checkout = Checkout::new();
        let outside = outside(&checkout);
        fs::create_dir_all(checkout.path(&link).parent().unwrap()).unwrap();
        let target =
            if link.ends_with("lock") || link.ends_with("ignore") { outside.join("env.age") } else { outside.clone() };
        symlink(target, checkout.path(&link)).unwrap();
        let before = snapshot(&outside);
        assert!(is_link(&run(&checkout), &link), "{link}");
        assert_eq!(snapshot(&outside), before, "{link}");
    }
}

#[test]
fn leftovers_are_removed_without_following_links() {
    let checkout = Checkout::new();
    let outside = outside(&checkout);
    for area in ["staging", "trash"] {
        let planted = checkout.path(&format!("secrets/.artifacts/{area}/planted"));
        fs::create_dir_all(planted.join("deep/er")).unwrap();
        symlink(&outside, planted.join("deep/link")).unwrap();
        symlink(&outside, checkout.path(&format!("secrets/.artifacts/{area}/link"))).unwrap();
        fs::hard_link(outside.join("env.age"), planted.join("hard")).unwrap();
        make_pipe(&checkout.path(&format!("secrets/.artifacts/{area}/pipe")));
    }
    let before = snapshot(&outside);
    run(&checkout).unwrap();
    assert_eq!(snapshot(&outside), before);
    assert!(checkout.staged().is_empty() && checkout.trash().is_empty());
}

fn make_pipe(path: &Path) {
    rustix::fs::mkfifoat(rustix::fs::CWD, path, rustix::fs::Mode::from_raw_mode(0o644)).unwrap();
}

fn within<T: Send>(limit: Duration, run: impl FnOnce() -> T + Send) -> T {
    let start = Instant::now();
    let result = run();
    assert!(start.elapsed() < limit, "someone was held up");
    result
}

#[test]
fn nothing_but_regular_files_is_read() {
    let checkout = Checkout::new();
    let secret = checkout.path("secret");
    fs::write(&secret, CANARY).unwrap();
    for place in ["env.age", "extra", "receipt.json", "public/key.pub", "public"] {
        for kind in [FileKind::Link, FileKind::Pipe, FileKind::Socket, FileKind::Directory, FileKind::Device] {
            if (place, kind) == ("public", FileKind::Directory) {
                continue;
            }
            let checkout = Checkout::new();
            put(&checkout.writer(), WEB, &[("env.age", "x")], &[("key.pub", "y")]).unwrap();
            let path = checkout.path(&format!("secrets/{WEB}/{place}"));
            if path.is_dir() {
                fs::remove_dir_all(&path).unwrap();
            } else if path.exists() {
                fs::remove_file(&path).unwrap();
            }
            match kind {
                FileKind::Link => symlink(&secret, &path).unwrap(),
                FileKind::Pipe => make_pipe(&path),
                FileKind::Socket => drop(std::os::unix::net::UnixListener::bind(&path).unwrap()),
                FileKind::Directory => fs::create_dir(&path).unwrap(),
                _ => {
                    // Only root can make one; anyone else is shown the link to one instead.
                    let made = Command::new("mknod")
                        .arg(&path)
                        .args(["c", "1", "3"])
                        .stderr(std::process::Stdio::null())
                        .status();
                    if !made.unwrap().success() {
                        eprintln!("no device could be made: not root");
                        continue;
                    }
                }
            }
            let expected = format!("secrets/{WEB}/{place}");
            let result = within(Duration::from_secs(5), || checkout.storage().read(&name(WEB)));
            match result {
                // What no receipt lists is not read, and keeps nothing else from being read.
                Ok(Some(entry)) if place == "extra" => {
                    assert!(entry.is_intact() && entry.unread.contains("extra"));
                    continue;
                }
                Err(Error::WrongKind { path, expected: FileKind::File, found }) => {
                    assert_eq!((path, found), (expected, kind));
                }
                other => panic!("{kind} as {place}: {other:?}"),
            }
            assert!(within(Duration::from_secs(5), || run(&checkout)).is_err());
        }
    }
}

#[test]
fn a_pipe_as_lock_holds_no_one_up_and_a_linked_lock_is_not_written() {
    let checkout = Checkout::new();
    fs::create_dir_all(checkout.path("secrets/.artifacts")).unwrap();
    make_pipe(&checkout.path("secrets/.artifacts/lock"));
    let result = within(Duration::from_secs(5), || run(&checkout));
    assert!(matches!(result, Err(Error::WrongKind { found: FileKind::Pipe, .. })), "{result:?}");

    fs::remove_file(checkout.path("secrets/.artifacts/lock")).unwrap();
    make_pipe(&checkout.path("secrets/.artifacts/.gitignore"));
    let result = within(Duration::from_secs(5), || run(&checkout));
    assert!(matches!(result, Err(Error::WrongKind { found: FileKind::Pipe, .. })), "{result:?}");
    fs::remove_file(checkout.path("secrets/.artifacts/.gitignore")).unwrap();

    fs::remove_file(checkout.path("secrets/.artifacts/lock")).unwrap();
    fs::write(checkout.path("victim"), CANARY).unwrap();
    fs::hard_link(checkout.path("victim"), checkout.path("secrets/.artifacts/lock")).unwrap();
    assert!(matches!(run(&checkout), Err(Error::HardLinks { links: 2, .. })));
    fs::remove_file(checkout.path("secrets/.artifacts/lock")).unwrap();
    fs::hard_link(checkout.path("victim"), checkout.path("secrets/.artifacts/.gitignore")).unwrap();
    run(&checkout).unwrap();
    assert_eq!(fs::read_to_string(checkout.path("victim")).unwrap(), CANARY);
    assert_eq!(fs::read(checkout.path("secrets/.artifacts/.gitignore")).unwrap(), b"*\n");
}

/// The Nix store links equal files; so reading takes them. But nothing is ever written into a file that is stored.
#[test]
fn a_hard_linked_file_is_read_and_never_written_through() {
    let checkout = Checkout::new();
    checkout.put(WEB, &[("env.age", "x")]);
    let file = checkout.path(&format!("secrets/{WEB}/env.age"));
    fs::write(checkout.path("victim"), CANARY).unwrap();
    fs::remove_file(&file).unwrap();
    fs::hard_link(checkout.path("victim"), &file).unwrap();
    assert_eq!(checkout.read(WEB).unwrap().files, files(&[("env.age", CANARY)]));
    checkout.put(WEB, &[("env.age", "new")]);
    assert_eq!(checkout.read(WEB).unwrap().files, files(&[("env.age", "new")]));
    assert_eq!(fs::read_to_string(checkout.path("victim")).unwrap(), CANARY);
}

#[test]
fn something_else_where_a_directory_belongs_is_named() {
    for place in [
        "secrets",
        "secrets/per-machine",
        "secrets/per-machine/web1",
        "secrets/per-machine/web1/attic",
        "secrets/.artifacts",
        "secrets/.artifacts/staging",
    ] {
        let checkout = Checkout::new();
        fs::create_dir_all(checkout.path(place).parent().unwrap()).unwrap();
        fs::write(checkout.path(place), CANARY).unwrap();
        match run(&checkout) {
            Err(Error::WrongKind { path, expected: FileKind::Directory, found: FileKind::File }) => {
                assert_eq!(path, place);
            }
            other => panic!("{place}: {other:?}"),
        }
        assert_eq!(fs::read_to_string(checkout.path(place)).unwrap(), CANARY);
    }
}

#[test]
fn a_storage_that_could_leave_the_root_is_refused() {
    let checkout = Checkout::new();
    let root = Root::open(checkout.dir.path()).unwrap();
    for storage in [
        "",
        "/",
        "/etc",
        "..",
        ".",
        "./secrets",
        "secrets/",
        "secrets//x",
        "a/../b",
        "a/./b",
        "../x",
        "a\0b",
        "a\nb",
        ".git",
        ".GIT/hooks",
        "x/.git",
        ".artifacts",
        "secrets/.artifacts",
        "secrets/.Artifacts/trash",
    ] {
        assert!(matches!(Storage::open(&root, storage), Err(Error::StorageName { .. })), "{storage:?}");
    }
    for storage in ["secrets", "a b", "deep/er", ".hidden", "a..b"] {
        Storage::open(&root, storage).unwrap();
    }
}

#[test]
fn names_that_mean_something_are_not_written() {
    let checkout = Checkout::new();
    let writer = checkout.writer();
    for file in [
        "",
        ".",
        "..",
        "a/b",
        "../x",
        "a\0",
        "a\n",
        "public",
        "receipt.json",
        ".git",
        ".GitAttributes",
        ".gitignore",
        ".gitmodules",
        &"x".repeat(256),
    ] {
        let result = put(&writer, WEB, &[(file, "x")], &[]);
        assert!(matches!(result, Err(Error::Name { .. })), "{file:?}: {result:?}");
    }
    for file in ["..", "a/b", ".git", ".gitattributes"] {
        let result = put(&writer, WEB, &[], &[(file, "x")]);
        assert!(matches!(result, Err(Error::Name { .. })), "public {file:?}: {result:?}");
    }
    for instance in ["shared/.git", "shared/.GIT", "per-machine/.git/config"] {
        assert!(matches!(put(&writer, instance, &[("x", "x")], &[]), Err(Error::Name { .. })), "{instance}");
        assert!(matches!(writer.remove(&name(instance)), Err(Error::Name { .. })), "{instance}");
    }
    assert_eq!(checkout.read(WEB), None);
    assert!(checkout.staged().is_empty());
    put(&writer, WEB, &[("...", "x"), (".env.age", "x"), ("a b", "x")], &[("public", "x"), ("receipt.json", "x")])
        .unwrap();
    assert_eq!(checkout.read(WEB).unwrap().differences(), []);
}

#[test]
fn names_that_are_not_clean_are_not_read() {
    use std::os::unix::ffi::OsStrExt;
    for file in [&b"a\nb"[..], b"a\x1b[31m", b"\xff\xfe"] {
        let checkout = Checkout::new();
        let directory = checkout.path(&format!("secrets/{WEB}"));
        fs::create_dir_all(&directory).unwrap();
        fs::write(directory.join(std::ffi::OsStr::from_bytes(file)), "x").unwrap();
        let error = checkout.storage().read(&name(WEB)).unwrap_err();
        assert!(matches!(error, Error::Name { .. }), "{error:?}");
        assert!(!error.to_string().contains(['\x1b', '\n']), "{error}");
    }
}

#[test]
fn an_entry_beyond_the_limits_is_refused_both_ways() {
    let checkout = Checkout::new();
    checkout.put(WEB, &[("env.age", "x")]);
    fs::remove_file(checkout.path(&format!("secrets/{WEB}/receipt.json"))).unwrap();
    let big = checkout.path(&format!("secrets/{WEB}/big"));
    fs::File::create(&big).unwrap().set_len(MAX_TOTAL + 1).unwrap();
    assert!(matches!(checkout.storage().read(&name(WEB)), Err(Error::TooLarge { limit: MAX_TOTAL, .. })));
    fs::File::create(&big).unwrap().set_len(1 << 40).unwrap();
    assert!(checkout.storage().read(&name(WEB)).is_err());
    fs::remove_file(&big).unwrap();

    let directory = checkout.path(&format!("secrets/{WEB}"));
    for number in 1..=MAX_FILES {
        fs::write(directory.join(number.to_string()), "").unwrap();
    }
    assert!(matches!(checkout.storage().read(&name(WEB)), Err(Error::TooLarge { limit: MAX_FILES, .. })));

    let writer = checkout.writer();
    let commit = |files: EntryFiles, public: EntryFiles| {
        writer.commit(NewEntry { files, public, receipt: receipt("shared/x"), replaces: None })
    };
    let many = |count: u64| (0..count).map(|number| (number.to_string(), Vec::new())).collect::<EntryFiles>();
    assert!(matches!(commit(many(MAX_FILES + 1), many(0)), Err(Error::TooLarge { .. })));
    assert!(matches!(commit(many(0), many(MAX_FILES + 1)), Err(Error::TooLarge { .. })));
    // More than an entry could hold before, although a registration could permit it.
    commit(many(1500), many(24)).unwrap();
    assert_eq!(checkout.read("shared/x").unwrap().differences(), []);
}

#[test]
fn a_receipt_is_no_larger_than_the_files_beside_it_explain() {
    let checkout = Checkout::new();
    checkout.put(WEB, &[("env.age", "x")]);
    let path = checkout.path(&format!("secrets/{WEB}/receipt.json"));
    let mut receipt = fs::read(&path).unwrap();
    receipt.resize(16 << 20, b' ');
    fs::write(&path, &receipt).unwrap();
    assert_eq!(checkout.read(WEB).unwrap().differences(), []);
    receipt.resize((16 << 20) + (1 << 10) + 1, b' ');
    fs::write(&path, &receipt).unwrap();
    assert!(matches!(checkout.storage().read(&name(WEB)), Err(Error::TooLarge { .. })));
    // Another file beside it would be in it.
    fs::write(checkout.path(&format!("secrets/{WEB}/more")), "x").unwrap();
    assert_eq!(checkout.read(WEB).unwrap().extras.len(), 1);
}

#[test]
fn stray_files_are_read_up_to_a_bound_for_all_of_them() {
    let checkout = Checkout::new();
    checkout.put(WEB, &[("env.age", "x")]);
    for number in 0..3 {
        let path = checkout.path(&format!("secrets/{WEB}/stray{number}"));
        fs::File::create(path).unwrap().set_len(MAX_STRAY_FILE / 2).unwrap();
    }
    let entry = checkout.read(WEB).unwrap();
    assert_eq!((entry.extras.len(), entry.unread.len()), (2, 1));
    assert!(entry.is_intact() && entry.size() < MAX_STRAY_FILE + (1 << 20));
}

#[test]
fn a_receipt_that_would_be_refused_is_not_written() {
    let checkout = Checkout::new();
    let mut receipt = receipt(WEB);
    receipt.backend.version = "1\u{1b}[31m".to_owned();
    let new = NewEntry { files: EntryFiles::new(), public: EntryFiles::new(), receipt, replaces: None };
    assert!(matches!(checkout.writer().commit(new), Err(Error::Receipt { .. })));
    assert_eq!(checkout.read(WEB), None);
}

#[test]
fn messages_carry_no_escape_sequences() {
    let root = Checkout::new();
    let root = Root::open(root.dir.path()).unwrap();
    let error = Storage::open(&root, "a/\x1b]0;owned\x07").unwrap_err();
    assert!(!error.to_string().chars().any(char::is_control), "{error}");
    assert!(error.hint().is_some());
}
