//! Whatever is wrong, it is said, the others go on, and nothing is lost.
#![allow(clippy::unwrap_used, clippy::missing_panics_doc)]

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::process::Command;

use anyhow::Result;
use artifacts_tests::desk::Desk;
use artifacts_tests::fleet::{Fleet, Ran, program};
use serde_json::{Value, json};

const MAKE: &str = "#!/bin/bash\nfor f in one two; do printf 'made %s' \"$RANDOM$RANDOM$RANDOM\" > \"$out/$f\"; done\n";

/// Two artifacts of one machine, for an admin, too.
fn fleet() -> Result<Fleet> {
    let fleet = Fleet::new()?;
    let admin = fleet.new_key("admin")?;
    let make = fleet.generator("make", MAKE)?;
    let artifact = json!({"backend": "agenix", "files": {"one": {}, "two": {}}, "generator": make});
    let mut fleet = fleet.machine("web1", &json!({"bad": artifact, "good": artifact}))?;
    fleet.of("web1")["config"]["agenix"]["publicUserKeys"] = json!([admin]);
    fleet.run(["generate", "--accept-recipients"])?.ends(0);
    Ok(fleet)
}

fn add_reader(fleet: &mut Fleet) -> Result<()> {
    let second = fleet.new_key("second")?;
    fleet.of("web1")["config"]["agenix"]["publicUserKeys"].as_array_mut().unwrap().push(json!(second));
    Ok(())
}

fn receipt(slice: &Path, change: impl FnOnce(&mut Value)) -> Result<()> {
    let path = slice.join("receipt.json");
    let mut receipt: Value = serde_json::from_str(&fs::read_to_string(&path)?)?;
    change(&mut receipt);
    Ok(fs::write(&path, serde_json::to_vec_pretty(&receipt)?)?)
}

type Damage = fn(&Path) -> Result<()>;

/// What is done to a slice, and what is then said of it.
const DAMAGES: &[(&str, Damage, &str)] = &[
    (
        "a corrupt file",
        |s| Ok(fs::write(s.join("one.age"), "-----BEGIN AGE ENCRYPTED FILE-----\nx")?),
        "was modified outside artifacts",
    ),
    ("an empty file", |s| Ok(fs::write(s.join("one.age"), "")?), "was modified outside artifacts"),
    ("a file that is gone", |s| Ok(fs::remove_file(s.join("one.age"))?), "`one.age` is missing"),
    ("no receipt", |s| Ok(fs::remove_file(s.join("receipt.json"))?), "it has no receipt.json"),
    ("no receipt at all", |s| Ok(fs::write(s.join("receipt.json"), "made\n")?), "invalid receipt.json: expected value"),
    (
        "a receipt of two branches",
        |s| {
            let whole = fs::read_to_string(s.join("receipt.json"))?;
            let (top, rest) = whole.split_once("\n  \"generated\"").unwrap();
            let merged = format!(
                "{top}\n<<<<<<< HEAD\n  \"generated\": 1,\n=======\n  \"generated\": 2,\n>>>>>>> other\n  \"x\"{rest}"
            );
            Ok(fs::write(s.join("receipt.json"), merged)?)
        },
        "invalid receipt.json: unresolved merge conflict",
    ),
    (
        "another's receipt",
        |s| Ok(fs::copy(s.join("../good/receipt.json"), s.join("receipt.json")).map(drop)?),
        "receipt.json belongs to web1/good",
    ),
    (
        "a receipt that lies about a file",
        |s| receipt(s, |r| r["files"]["one.age"]["size"] = json!(1)),
        "was modified outside artifacts",
    ),
    (
        "a receipt that knows of nothing sealed",
        |s| receipt(s, |r| r["headers"] = json!({})),
        "it tried to decrypt a file that was not encrypted for this artifact",
    ),
    ("a receipt of another format", |s| receipt(s, |r| r["schema"] = json!(9)), "schema 9"),
    (
        "a merge of two slices",
        |s| Ok(fs::copy(s.join("../good/one.age"), s.join("one.age")).map(drop)?),
        "was modified outside artifacts",
    ),
    (
        "a merge of two slices with their files' hashes",
        |s| {
            fs::copy(s.join("../good/one.age"), s.join("one.age"))?;
            let other: Value = serde_json::from_str(&fs::read_to_string(s.join("../good/receipt.json"))?)?;
            receipt(s, |r| r["files"]["one.age"] = other["files"]["one.age"].clone())
        },
        "these files were encrypted for web1/good",
    ),
    (
        "a link",
        |s| {
            fs::remove_file(s.join("one.age"))?;
            Ok(std::os::unix::fs::symlink("two.age", s.join("one.age"))?)
        },
        "one.age",
    ),
];

#[test]
fn a_damaged_slice_is_named_left_as_it_lies_and_no_matter_to_the_others() -> Result<()> {
    for (name, damage, words) in DAMAGES {
        let mut fleet = fleet()?;
        let slice = fleet.path().join("secrets/per-machine/web1/bad");
        damage(&slice)?;
        let bad = |fleet: &Fleet| -> Result<BTreeMap<String, Vec<u8>>> {
            Ok(fleet.stored()?.into_iter().filter(|(name, _)| name.contains("/bad/")).collect())
        };
        let before = bad(&fleet)?;
        add_reader(&mut fleet)?;
        let key = fleet.key_file("admin");
        let key = key.to_str().unwrap();
        let ran = fleet.run(["-i", key, "--accept-recipients", "rekey"])?;
        assert_eq!(ran.status, Some(1), "{name}: {ran}");
        // Whose it is that lies with two instances is remembered from when it was sealed.
        let ran = ran.says(words).says("1 decrypted, 1 re-encrypted");
        assert!(ran.stderr.contains("error: web1/bad (agenix): "), "{name}: {ran}");
        for command in [&["get", "bad", "one"][..], &["set", "bad", "two"], &["edit", "bad", "one"]] {
            let mut arguments = vec!["-i", key];
            arguments.extend(command);
            let ran = fleet.run(arguments)?;
            assert_eq!(ran.status, Some(1), "{name}, {command:?}: {ran}");
        }
        assert_eq!(bad(&fleet)?, before, "{name}");
        assert!(fleet.decrypt("second", "secrets/per-machine/web1/good/one.age")?.starts_with(b"made "), "{name}");
    }
    Ok(())
}

#[test]
fn a_key_that_is_none_or_the_wrong_one_opens_nothing_and_loses_nothing() -> Result<()> {
    let mut fleet = fleet()?;
    add_reader(&mut fleet)?;
    let before = fleet.stored()?;
    fleet.new_key("wrong")?;
    let file = |name: &str, content: &str| -> Result<String> {
        let path = fleet.path().join(name);
        fs::write(&path, content)?;
        Ok(path.to_str().unwrap().to_owned())
    };
    let locked = fleet.path().join("locked");
    let status =
        Command::new("ssh-keygen").args(["-q", "-t", "ed25519", "-N", "passphrase", "-f"]).arg(&locked).status()?;
    assert!(status.success());
    let locked_key = fs::read_to_string(locked.with_extension("pub"))?;
    let cases = [
        (fleet.key_file("wrong").display().to_string(), "no identity can decrypt it"),
        ("/nowhere".to_owned(), "cannot read"),
        (file("empty", "")?, "not an identity"),
        (file("words", "hello\n")?, "not an identity"),
        (file("public", &locked_key)?, "is a public key"),
        (file("binary", "\u{0}\u{1}")?, "not an identity"),
    ];
    for (key, words) in cases {
        fleet.run(["-i", &key, "--accept-recipients", "rekey"])?.ends(1).says(words);
        assert_eq!(fleet.stored()?, before, "{key}");
    }
    // One under a passphrase, of a reader, with nobody to give it.
    fleet.of("web1")["config"]["agenix"]["publicUserKeys"].as_array_mut().unwrap().push(json!(locked_key.trim()));
    let admin = fleet.key_file("admin");
    fleet.run(["-i", admin.to_str().unwrap(), "--accept-recipients", "rekey"])?.ends(0);
    let ran = fleet.run(["-i", locked.to_str().unwrap(), "rekey", "--all"])?.ends(1);
    ran.says("no passphrase was entered").says("0 decrypted, 0 re-encrypted");
    // The wrong passphrase as often as it may be given.
    let before = fleet.stored()?;
    let mut desk = Desk::start(&fleet.command(["-i", locked.to_str().unwrap(), "rekey", "--all"])?)?;
    for _ in 0..3 {
        desk.sees("Passphrase for")?.types("another one\n")?;
    }
    let (status, shown) = desk.ends()?;
    assert_eq!(status, Some(1), "{shown}");
    assert!(shown.contains("0 decrypted, 0 re-encrypted"), "{shown}");
    assert_eq!(fleet.stored()?, before, "{shown}");
    Ok(())
}

/// Runs `rekey` where the storage lies on a file system that a script makes, in a mount namespace of its own, with `$SAVED`
/// as it was; afterwards every slice must lie there as it was.
fn elsewhere(prepare: &str) -> Result<Ran> {
    let mut fleet = fleet()?;
    add_reader(&mut fleet)?;
    let saved = fleet.path().join("saved");
    fs::rename(fleet.path().join("secrets"), &saved)?;
    fs::create_dir(fleet.path().join("secrets"))?;
    let admin = fleet.key_file("admin");
    let of_program = fleet.command(["-i", admin.to_str().unwrap(), "--accept-recipients", "rekey"])?;
    let script = format!(
        "set -e; cd \"$CHECKOUT\"; mount --make-rprivate /; {prepare}\nset +e; \"$@\"; status=$?; \
         diff -r -x .artifacts -x fill saved secrets || {{ echo LOST; exit 99; }}; exit $status"
    );
    let mut command = Command::new("unshare");
    command.args(["-m", "sh", "-c", &script, "sh"]).arg(program()?).args(of_program.get_args());
    command.envs(of_program.get_envs().filter_map(|(key, value)| Some((key, value?)))).env("CHECKOUT", fleet.path());
    Ok(command.output()?.into())
}

#[test]
fn a_full_disk_loses_nothing() -> Result<()> {
    // Without room for a lock, and with room for that and not for a slice.
    for room in ["0", "8k"] {
        let full = format!(
            "mount -t tmpfs -o size=128k tmpfs secrets; cp -a saved/. secrets; rm -rf secrets/.artifacts; \
             dd if=/dev/zero of=secrets/fill bs=1k 2>/dev/null || true; truncate -s -{room} secrets/fill"
        );
        elsewhere(&full)?.ends(1).says("no space left").says("0 re-encrypted").never_says("LOST");
    }
    Ok(())
}

#[test]
fn a_read_only_storage_loses_nothing_and_says_so() -> Result<()> {
    elsewhere("cp -a saved/. secrets; mount --bind secrets secrets; mount -o remount,ro,bind secrets")?
        .ends(1)
        .says("read-only")
        .says("0 decrypted, 0 re-encrypted")
        .never_says("LOST");
    Ok(())
}

#[test]
fn a_storage_that_cannot_exchange_directories_is_refused_before_anything_is_opened() -> Result<()> {
    let overlay = "mkdir ram; mount -t tmpfs tmpfs ram; mkdir ram/lower ram/upper ram/work; cp -a saved/. ram/lower; \
                   mount -t overlay overlay -o lowerdir=ram/lower,upperdir=ram/upper,workdir=ram/work secrets";
    let ran = elsewhere(overlay)?.ends(1).says("cannot replace a directory atomically");
    ran.says("0 decrypted, 0 re-encrypted").never_says("LOST");
    Ok(())
}
