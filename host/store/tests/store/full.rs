//! Real file systems that are full, read-only or cannot exchange directories.

use std::io;
use std::path::{Path, PathBuf};
use std::process::Command;

use artifacts_store::{Error, Hooks, WriterOptions};
use artifacts_text::Explain;
use rustix::fs::RenameFlags;
use rustix::io::Errno;

use crate::support::*;

const WHERE: &str = "ARTIFACTS_TEST_MOUNT";
const PART: &str = "ARTIFACTS_TEST_PART";

/// Runs one of the parts below in namespaces of its own, with a file system mounted on an empty directory by a script.
fn mounted(part: &str, script: &str) {
    let dir = tempfile::tempdir().unwrap();
    let output = Command::new("unshare")
        .args(["--user", "--map-root-user", "--mount", "sh", "-euc"])
        .arg(format!("{script}\nexec \"$1\" full::child --exact --nocapture"))
        .arg("sh")
        .arg(std::env::current_exe().unwrap())
        .env(WHERE, dir.path())
        .env(PART, part)
        .output()
        .expect("`unshare` of util-linux is needed for this test");
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "this test needs user namespaces with mounts, or found a fault:\n{said}");
    assert!(said.contains("part done"), "the part did not run:\n{said}");
}

/// The body of what [`mounted`] starts; by itself it has nothing to do.
#[test]
fn child() {
    let Some(place) = std::env::var_os(WHERE).map(PathBuf::from) else { return };
    match std::env::var(PART).unwrap().as_str() {
        "full" => full(&place),
        "read-only" => read_only(&place),
        "other-device" => other_device(&place),
        "lower-layer" => lower_layer(&place),
        other => panic!("{other}"),
    }
    eprintln!("part done");
}

fn full(place: &Path) {
    let storage = storage(place).unwrap();
    let writer = storage.lock(WriterOptions::at(now())).unwrap();
    put(&writer, WEB, &[("env.age", "old")], &[]).unwrap();
    let big = "x".repeat(600 << 10);
    let error = put(&writer, WEB, &[("a.age", &big), ("b.age", &big)], &[]).unwrap_err();
    assert!(matches!(error, Error::Full { .. }), "{error}");
    assert!(error.hint().is_some_and(|help| help.contains("unchanged")));
    let entry = storage.read(&name(WEB)).unwrap().unwrap();
    assert_eq!((entry.files.clone(), entry.differences()), (files(&[("env.age", "old")]), vec![]));
    assert_eq!(children(&place.join("secrets/.artifacts/staging")), Vec::<PathBuf>::new());
    // What was freed is there for the next.
    put(&writer, WEB, &[("a.age", &big)], &[]).unwrap();
    drop(writer);

    // No room for anything at all: the next run is refused before it asks, and reading goes on.
    let mut filler = std::fs::File::create(place.join("filler")).unwrap();
    let _ = io::copy(&mut io::repeat(0), &mut filler);
    for number in 0.. {
        if std::fs::create_dir(place.join(number.to_string())).is_err() {
            break;
        }
    }
    let error = storage.lock(WriterOptions::at(now())).err().unwrap();
    assert!(matches!(error, Error::Full { .. }), "{error}");
    assert_eq!(storage.read(&name(WEB)).unwrap().unwrap().differences(), []);
}

#[test]
fn a_full_disk() {
    mounted("full", &format!("mount -t tmpfs -o size=1m,nr_inodes=64 tmpfs \"${WHERE}\""));
}

fn read_only(place: &Path) {
    for sub in ["with", "without"] {
        let storage = storage(&place.join(sub)).unwrap();
        let error = storage.lock(WriterOptions::at(now())).err().unwrap();
        assert!(matches!(error, Error::ReadOnly { .. }), "{error}");
    }
    assert_eq!(
        storage(&place.join("with")).unwrap().read(&name("shared/x")).unwrap().unwrap().files,
        files(&[("f", "x\n")])
    );
}

#[test]
fn a_read_only_storage() {
    mounted(
        "read-only",
        &format!(
            "mount -t tmpfs tmpfs \"${WHERE}\"; cd \"${WHERE}\"
             mkdir -p without with/secrets/shared/x with/secrets/.artifacts/staging with/secrets/.artifacts/trash
             printf '*\\n' > with/secrets/.artifacts/.gitignore; : > with/secrets/.artifacts/lock; echo x > with/secrets/shared/x/f
             cd /; mount -o remount,ro \"${WHERE}\""
        ),
    );
}

fn other_device(place: &Path) {
    let storage = storage(place).unwrap();
    let writer = storage.lock(WriterOptions::at(now())).unwrap();
    let error = writer.check(&name(WEB), None).unwrap_err();
    assert!(matches!(&error, Error::Unsupported { path, .. } if path == "secrets/per-machine"), "{error}");
    let error = put(&writer, WEB, &[("env.age", "x")], &[]).unwrap_err();
    assert!(matches!(error, Error::Unsupported { .. }), "{error}");
    put(&writer, "shared/x", &[("env.age", "x")], &[]).unwrap();
}

#[test]
fn a_part_of_the_storage_on_another_file_system() {
    mounted(
        "other-device",
        &format!(
            "mount -t tmpfs tmpfs \"${WHERE}\"; mkdir -p \"${WHERE}/secrets/per-machine\"
             mount -t tmpfs tmpfs \"${WHERE}/secrets/per-machine\""
        ),
    );
}

fn lower_layer(place: &Path) {
    let root = place.join("merged");
    let storage = storage(&root).unwrap();
    let writer = storage.lock(WriterOptions::at(now())).unwrap();
    let lies = storage.read(&name("shared/x")).unwrap().unwrap().fingerprint();
    let error = writer.check(&name("shared/x"), Some(&lies)).unwrap_err();
    assert!(matches!(&error, Error::Unsupported { path, .. } if path == "secrets/shared/x"), "{error}");
    let error = put(&writer, "shared/x", &[("f", "new")], &[]).unwrap_err();
    assert!(matches!(&error, Error::Unsupported { why, .. } if why.contains("overlay")), "{error}");
    assert_eq!(storage.read(&name("shared/x")).unwrap().unwrap().files, files(&[("f", "x\n")]));
    assert_eq!(children(&root.join("secrets/.artifacts/staging")), Vec::<PathBuf>::new());
    assert_eq!(children(&root.join("secrets/.artifacts/trash")), Vec::<PathBuf>::new());
    // What is new is in the upper layer, and that can be exchanged.
    put(&writer, WEB, &[("f", "1")], &[]).unwrap();
    put(&writer, WEB, &[("f", "2")], &[]).unwrap();
}

#[test]
fn an_entry_in_a_lower_layer_of_an_overlay() {
    mounted(
        "lower-layer",
        &format!(
            "mount -t tmpfs tmpfs \"${WHERE}\"; cd \"${WHERE}\"; mkdir -p lower/secrets/shared/x upper work merged
             echo x > lower/secrets/shared/x/f
             mount -t overlay -o lowerdir=lower,upperdir=upper,workdir=work,userxattr overlay merged; cd /"
        ),
    );
}

/// Refused before anything was asked, and nothing of it stays.
fn refused_by(rename: artifacts_store::RenameCall) -> Error {
    let checkout = Checkout::new();
    let options = WriterOptions { hooks: Hooks { rename, ..Hooks::default() }, ..WriterOptions::at(now()) };
    let error = checkout.storage().lock(options).err().unwrap();
    assert!(matches!(error, Error::Unsupported { .. }), "{error}");
    drop(checkout.writer());
    assert!(checkout.staged().is_empty());
    error
}

#[test]
fn a_file_system_that_cannot_replace_a_directory_is_refused_before_any_work() {
    refused_by(|_, _, _, _, flags| {
        let errno = if flags.contains(RenameFlags::EXCHANGE) { Errno::INVAL } else { Errno::EXIST };
        Err(errno.into())
    });
    refused_by(|_, _, _, _, _| Err(Errno::XDEV.into()));
    let knows_none = refused_by(|_, _, _, _, _| Err(Errno::NOSYS.into()));
    assert!(knows_none.hint().is_some());
    // It says that it did and did not.
    refused_by(|_, _, _, _, _| Ok(()));
    // It takes an exchange for a rename.
    refused_by(|from, name, to, other, _| Ok(rustix::fs::renameat(from, name, to, other)?));
    // It exchanges, and does not spare what is there.
    refused_by(|from, name, to, other, flags| {
        let flags = if flags.contains(RenameFlags::EXCHANGE) { flags } else { RenameFlags::empty() };
        Ok(rustix::fs::renameat_with(from, name, to, other, flags)?)
    });
}
