//! Slices accepted as they lie, and what is not accepted.
#![allow(clippy::unwrap_used, clippy::missing_panics_doc)]

use std::fs;
use std::path::PathBuf;
use std::process::Command;

use anyhow::Result;
use artifacts_tests::fleet::Fleet;
use artifacts_tests::sops::{edited, sops};
use serde_json::{Value, json};

const MAKE: &str = "#!/bin/bash\nprintf made > \"$out/secret\"\nprintf made > \"$out/second\"\n";
const EDITED: &str = "secrets/per-machine/web1/s/secret.sops";

/// A machine with an artifact in each backend, made.
fn made() -> Result<Fleet> {
    let fleet = Fleet::new()?;
    let generator = fleet.generator("make", MAKE)?;
    let artifact =
        |backend: &str| json!({"backend": backend, "files": {"secret": {}, "second": {}}, "generator": generator});
    let both = json!({"a": artifact("agenix"), "s": artifact("sops-nix"), "other": artifact("sops-nix")});
    let mut fleet = fleet.machine("web1", &both)?;
    let host = fleet.of("web1")["config"]["agenix"]["publicHostKey"].clone();
    fleet.configure("web1", "sops-nix", json!({"publicHostKey": host}));
    fleet.run(["generate", "--accept-recipients"])?.ends(0);
    Ok(fleet)
}

fn state(fleet: &Fleet, artifact: &str) -> Result<String> {
    Ok(fleet.run(["--json", "status"])?.state(&format!("per-machine/web1/{artifact}")))
}

fn get(fleet: &Fleet, artifact: &str, file: &str) -> Result<artifacts_tests::fleet::Ran> {
    let key = fleet.key_file("web1");
    fleet.run(["-i", key.to_str().unwrap(), "get", artifact, file])
}

fn slice(fleet: &Fleet, artifact: &str) -> PathBuf {
    fleet.path().join("secrets/per-machine/web1").join(artifact)
}

#[test]
fn what_was_edited_with_sops_is_stale_until_it_is_adopted() -> Result<()> {
    let fleet = made()?;
    edited(&fleet, &fleet.key_file("web1"), EDITED, "edited by hand")?;
    assert_eq!(state(&fleet, "s")?, "stale (receipt)");
    get(&fleet, "s", "secret")?.ends(1).says("`secret.sops` was modified outside artifacts").says("artifacts adopt");
    get(&fleet, "s", "second")?.ends(1).never_says("made");
    let before = fleet.stored()?;
    let words = "web1/s: `secret.sops` was modified outside artifacts its 2 age files are known";
    fleet.run(["adopt", "--dry-run"])?.ends(3).says("would adopt web1/s").says(words);
    assert_eq!(fleet.stored()?, before, "a dry run writes nothing");
    fleet.run(["adopt"])?.ends(0).says("adopted web1/s").says("2 unchanged").says(words);
    assert_eq!(state(&fleet, "s")?, "present");
    assert_eq!(get(&fleet, "s", "secret")?.ends(0).stdout, "edited by hand");
    assert_eq!(get(&fleet, "s", "second")?.ends(0).stdout, "made");
    let changed: Vec<String> =
        fleet.stored()?.into_iter().filter(|one| before.get(&one.0) != Some(&one.1)).map(|one| one.0).collect();
    assert_eq!(changed, ["per-machine/web1/s/receipt.json"]);
    // Again there is nothing to adopt, and nothing is written.
    let before = fleet.stored()?;
    fleet.run(["adopt"])?.ends(0);
    assert_eq!(fleet.stored()?, before);
    Ok(())
}

#[test]
fn a_new_data_key_is_opened_once_it_was_adopted() -> Result<()> {
    let fleet = made()?;
    let words = ["rotate", "--in-place", "--input-type", "binary", "--output-type", "binary", EDITED];
    assert!(sops(&fleet, &fleet.key_file("web1"), &words)?.status.success());
    fleet.run(["adopt", "s"])?.ends(3).says("1 of its 2 age files is new; from now on it belongs to this artifact");
    assert_eq!(get(&fleet, "s", "secret")?.ends(0).stdout, "made");
    // So is a slice that never had a receipt, such as one of another program.
    fs::remove_file(slice(&fleet, "a").join("receipt.json"))?;
    assert_eq!(state(&fleet, "a")?, "stale (receipt)");
    fleet
        .run(["adopt", "a"])?
        .ends(0)
        .says("it has no receipt.json")
        .says("recipients unknown; to encrypt to the declared ones: `artifacts rekey --all web1/a`");
    assert_eq!(get(&fleet, "a", "secret")?.ends(0).stdout, "made");
    Ok(())
}

#[test]
fn what_was_sealed_for_another_is_not_adopted() -> Result<()> {
    for (from, to) in [("s/secret.sops", "other/secret.sops"), ("a/secret.age", "a2/secret.age")] {
        for hidden in [false, true] {
            let mut fleet = made()?;
            fleet.of("web1")["artifacts"]["a2"] = fleet.of("web1")["artifacts"]["a"].clone();
            fleet.run(["generate"])?.ends(0);
            let (owner, victim) = (from.split_once('/').unwrap().0, to.split_once('/').unwrap().0);
            let root = fleet.path().join("secrets/per-machine/web1");
            fs::copy(root.join(from), root.join(to))?;
            if hidden {
                // Whoever can plant it can take the owner's receipt away.
                fs::remove_file(root.join(owner).join("receipt.json"))?;
            }
            let before = fleet.stored()?;
            let words = format!("these files were encrypted for web1/{owner}");
            fleet.run(["adopt", victim])?.ends(1).says(&words);
            assert_eq!(fleet.stored()?, before);
            get(&fleet, victim, "secret")?.ends(1);
        }
    }
    // Nor is it opened with a receipt that was forged to agree.
    let fleet = made()?;
    let (mine, theirs) = (slice(&fleet, "s"), slice(&fleet, "other"));
    let receipt =
        |dir: &PathBuf| -> Result<Value> { Ok(serde_json::from_slice(&fs::read(dir.join("receipt.json"))?)?) };
    let (mut forged, known) = (receipt(&theirs)?, receipt(&mine)?);
    fs::copy(mine.join("secret.sops"), theirs.join("secret.sops"))?;
    forged["files"]["secret.sops"] = known["files"]["secret.sops"].clone();
    forged["headers"] = known["headers"].clone();
    fs::write(theirs.join("receipt.json"), forged.to_string())?;
    assert_eq!(state(&fleet, "other")?, "error");
    get(&fleet, "other", "secret")?.ends(1).says("these files were encrypted for web1/s");
    // What cannot be read could be anybody's, where nothing is remembered of it.
    let fleet = made()?;
    edited(&fleet, &fleet.key_file("web1"), EDITED, "edited by hand")?;
    fs::remove_file(slice(&fleet, "a").join("second.age"))?;
    std::os::unix::fs::symlink("/etc/passwd", slice(&fleet, "a").join("second.age"))?;
    fs::remove_dir_all(fleet.accepted().with_file_name("headers"))?;
    fleet.run(["adopt", "s"])?.ends(1).says("cannot verify that these files belong to this artifact");
    Ok(())
}

#[test]
fn what_is_broken_is_not_adopted() -> Result<()> {
    let fleet = made()?;
    let file = slice(&fleet, "s").join("secret.sops");
    let whole = fs::read_to_string(&file)?;
    fs::write(&file, &whole[..whole.len() / 2])?;
    fleet.run(["adopt", "s"])?.ends(1).says("cannot adopt: `secret.sops`: the file is cut short");
    fs::remove_file(&file)?;
    fleet.run(["adopt", "s"])?.ends(1).says("`secret.sops` is declared but not stored");
    // What shows only with the key: adopted, and then not read.
    fs::write(&file, whole.replacen("data:", "data:AAAA", 1))?;
    fleet.run(["adopt", "s"])?.ends(0);
    get(&fleet, "s", "secret")?.ends(1).says("`secret.sops`").never_says("made");
    Ok(())
}

#[test]
fn an_age_file_that_is_not_whole_is_not_adopted() -> Result<()> {
    let fleet = made()?;
    let file = slice(&fleet, "a").join("secret.age");
    let whole = fs::read_to_string(&file)?;
    let first = whole.split_inclusive('\n').next().unwrap().to_owned();
    let no_end = whole.split("-----END").next().unwrap().to_owned();
    let lost = format!("{}{}", &whole[..100], &whole[101..]);
    for damaged in [first, whole[..200].to_owned(), no_end, lost] {
        fs::write(&file, &damaged)?;
        let before = fleet.stored()?;
        fleet.run(["adopt", "a"])?.ends(1).says("cannot adopt: `secret.age`").says("a commit or a backup");
        assert_eq!(fleet.stored()?, before);
        let ran = fleet.run(["status"])?.ends(3).says("undo web1/a: restore it from a commit or a backup");
        let ran = ran.says("new value artifacts rotate web1/a");
        ran.never_says("artifacts adopt");
        fleet.run(["rekey", "a"])?.ends(1).never_says("artifacts adopt");
    }
    // With CR LF, as a checkout on another system may write it, it is whole.
    fs::write(&file, whole.replace('\n', "\r\n"))?;
    fleet.run(["adopt", "a"])?.ends(0).says("adopted");
    assert_eq!(get(&fleet, "a", "secret")?.ends(0).stdout, "made");
    Ok(())
}

#[test]
fn whoever_reads_what_was_replaced_is_not_known() -> Result<()> {
    let mut fleet = made()?;
    fleet.of("web1")["artifacts"].as_object_mut().unwrap().retain(|name, _| name == "a");
    // Two, where one is declared.
    let (key, third) = (fleet.new_key("second")?, fleet.new_key("third")?);
    let file = slice(&fleet, "a").join("secret.age");
    let plain = fleet.path().join("plain");
    fs::write(&plain, "by hand")?;
    let mut age = Command::new("age");
    assert!(age.args(["--armor", "-r", &key, "-r", &third, "-o"]).arg(&file).arg(&plain).status()?.success());
    let words = "recipients unknown; their number differs from the declaration; \
                 to encrypt to the declared ones: `artifacts rekey --all web1/a`";
    let ran = fleet.run(["adopt", "--dry-run", "a"])?.ends(3).says(words);
    ran.says("secret: recipients unknown");
    fleet.run(["adopt", "a"])?.ends(3).says(words).says("adopted");
    let receipt: Value = serde_json::from_slice(&fs::read(slice(&fleet, "a").join("receipt.json"))?)?;
    assert_eq!(receipt["recipients"], json!({"secret": [], "second": []}));
    assert_eq!(state(&fleet, "a")?, "stale (recipients)");
    fleet.run(["status"])?.ends(3).says("recipients of second, secret are unknown");
    let second = fleet.key_file("second");
    let host = fleet.key_file("web1");
    let keys = ["-i", second.to_str().unwrap(), "-i", host.to_str().unwrap()];
    let rekey = keys.into_iter().chain(["--accept-recipients", "rekey"]);
    fleet.run(rekey.collect::<Vec<_>>())?.ends(0).says("1 decrypted, 1 re-encrypted");
    assert_eq!(state(&fleet, "a")?, "present");
    assert_eq!(get(&fleet, "a", "secret")?.ends(0).stdout, "by hand");
    Ok(())
}

#[test]
fn what_was_declared_otherwise_is_told_how_it_is_kept() -> Result<()> {
    let mut fleet = made()?;
    let artifact = fleet.of("web1")["artifacts"]["a"].clone();
    let set_new = "1 files artifacts set web1/a new";
    fleet.of("web1")["artifacts"]["a"]["files"]["new"] = json!({});
    fleet.run(["status"])?.ends(3).says(set_new).never_says("artifacts adopt");
    let words = "cannot adopt: `new` is declared but not stored";
    fleet.run(["adopt", "a"])?.ends(1).says(words).says("`artifacts set web1/a new`");
    let given = fleet.path().join("given");
    fs::write(&given, "given")?;
    let set = fleet.command(["--accept-recipients", "set", "a", "new"])?.stdin(fs::File::open(&given)?).output()?;
    assert!(set.status.success(), "{set:?}");
    assert_eq!(get(&fleet, "a", "secret")?.ends(0).stdout, "made");
    fleet.of("web1")["artifacts"]["a"] = artifact.clone();
    fleet.run(["status"])?.ends(3).says("1 files artifacts rekey");
    let key = fleet.key_file("web1");
    fleet.run(["-i", key.to_str().unwrap(), "--accept-recipients", "rekey", "a"])?.ends(0);
    assert_eq!(state(&fleet, "a")?, "present");
    assert_eq!(get(&fleet, "a", "secret")?.ends(0).stdout, "made");
    // What adopting does not change is said, too.
    let second = fleet.new_key("second")?;
    fleet.of("web1")["config"]["agenix"]["publicUserKeys"] = json!([second]);
    fleet.run(["adopt"])?.ends(3);
    fleet.run(["adopt", "a"])?.ends(1).says("`adopt` does not re-encrypt").says("`artifacts rekey web1/a`");
    fleet.of("web1")["artifacts"]["a"]["backend"] = json!("sops-nix");
    let ran = fleet.run(["adopt", "a"])?.ends(1).says("stored by agenix, declared for sops-nix");
    ran.says("`artifacts rekey web1/a`");
    Ok(())
}

#[test]
fn what_is_named_is_accepted_as_it_is_and_nothing_else() -> Result<()> {
    let mut fleet = made()?;
    let second = fleet.generator("second", "#!/bin/bash\nprintf x > \"$out/secret\"\n")?;
    fleet.of("web1")["artifacts"]["from"] =
        json!({"backend": "agenix", "files": {"secret": {}}, "generator": second, "dependencies": ["a"]});
    let key = fleet.key_file("web1");
    fleet.run(["-i", key.to_str().unwrap(), "--accept-reading", "generate"])?.ends(0);
    let before = fleet.stored()?;
    std::thread::sleep(std::time::Duration::from_secs(2));
    fleet.of("web1")["artifacts"]["a"]["validation"] = json!("other");
    fleet.of("web1")["artifacts"]["a"]["maxAge"] = json!(1);
    assert_eq!(state(&fleet, "a")?, "stale (expired, validation)");
    fleet.run(["adopt"])?.ends(3).never_says("adopted");
    fleet.run(["adopt", "per-machine/web1/"])?.ends(3).never_says("adopted");
    assert_eq!(fleet.stored()?, before);
    fleet.of("web1")["artifacts"]["a"]["maxAge"] = json!(3600);
    fleet.run(["adopt", "--dry-run", "a"])?.ends(3).says("`validation` changed").says("would adopt");
    fleet.run(["adopt", "a"])?.ends(0).says("`validation` changed").says("adopted");
    assert_eq!(state(&fleet, "a")?, "present");
    assert_eq!(state(&fleet, "from")?, "present", "the content is the same");
    // It counts as new from now on.
    fleet.of("web1")["artifacts"]["a"]["maxAge"] = json!(1);
    std::thread::sleep(std::time::Duration::from_secs(2));
    assert_eq!(state(&fleet, "a")?, "stale (expired)");
    fleet.run(["adopt", "a"])?.says("adopted");
    fleet.of("web1")["artifacts"]["a"]["maxAge"] = json!(60);
    assert_eq!(state(&fleet, "a")?, "present");
    fleet.run(["rotate", "--yes", "a"])?.ends(0);
    assert_eq!(state(&fleet, "from")?, "stale (dependency)");
    fleet.run(["adopt", "per-machine/web1/from"])?.ends(0).says("web1/a was regenerated");
    assert_eq!(state(&fleet, "from")?, "present");
    let after = fleet.stored()?;
    assert_eq!(after["per-machine/web1/from/secret.age"], before["per-machine/web1/from/secret.age"]);
    // What was changed is accepted before the rest is looked at.
    edited(&fleet, &fleet.key_file("web1"), EDITED, "edited by hand")?;
    fleet.of("web1")["artifacts"]["s"]["validation"] = json!("other");
    fleet.run(["adopt", "s"])?.ends(3).says("was modified outside artifacts");
    assert_eq!(state(&fleet, "s")?, "stale (validation)");
    fleet.run(["adopt", "s"])?.ends(0);
    assert_eq!(state(&fleet, "s")?, "present");
    Ok(())
}

#[test]
fn each_reason_is_told_with_its_cure_once() -> Result<()> {
    let mut fleet = made()?;
    fleet.run(["status"])?.ends(0).never_says("rotate");
    fleet.of("web1")["artifacts"]["a"]["validation"] = json!("other");
    fleet.of("web1")["artifacts"]["other"]["validation"] = json!("other");
    edited(&fleet, &fleet.key_file("web1"), EDITED, "edited by hand")?;
    let ran = fleet.run(["status"])?.ends(3).says("1 modified artifacts adopt web1/s");
    let both = "web1/a web1/other";
    let ran = ran
        .says(&format!("2 validation, keep artifacts adopt {both}"))
        .says(&format!("new value artifacts rotate {both}"))
        .never_says("artifacts rekey");
    assert_eq!(ran.stdout.matches("artifacts rotate").count(), 1, "{ran}");
    let key = fleet.new_key("second")?;
    fleet.of("web1")["config"]["agenix"]["publicUserKeys"] = json!([key]);
    fleet.run(["status"])?.ends(3).says("1 recipients, validation, keep artifacts rekey");
    let json = fleet.run(["--json", "status"])?.ends(3);
    assert_eq!(json.stderr, "");
    Ok(())
}

#[test]
fn a_command_to_copy_means_the_file_that_lies_there() -> Result<()> {
    let fleet = made()?;
    let name = "-x; touch gone; '.age";
    fs::write(slice(&fleet, "a").join(name), b"age-encryption.org/v1\n-> X25519 x\n\xff")?;
    let words = r"`rm -- 'secrets/per-machine/web1/a/-x; touch gone; '\''.age'`";
    fleet.run(["adopt", "a"])?.ends(1).says(words);
    Ok(())
}

#[test]
fn a_value_that_was_added_under_the_same_data_key_is_read_once_it_was_adopted() -> Result<()> {
    let mut fleet = made()?;
    let host = fleet.of("web1")["config"]["agenix"]["publicHostKey"].clone();
    fleet.configure("web1", "sops-nix", json!({"publicHostKey": host, "format": "json"}));
    let generator = fleet.of("web1")["artifacts"]["s"]["generator"].clone();
    let files = json!({"secret": {}, "second": {}});
    fleet.of("web1")["artifacts"]["j"] = json!({"backend": "sops-nix", "files": files, "generator": generator});
    fleet.run(["--accept-readers", "generate", "j"])?.ends(0);
    let words = ["set", "secrets/per-machine/web1/j/secrets.sops.json", "[\"third\"]", "\"added\""];
    assert!(sops(&fleet, &fleet.key_file("web1"), &words)?.status.success());
    fleet.of("web1")["artifacts"]["j"]["files"]["third"] = json!({});
    fleet.run(["--accept-readers", "adopt", "j"])?;
    assert_eq!(get(&fleet, "j", "third")?.ends(0).stdout, "added");
    assert_eq!(get(&fleet, "j", "second")?.ends(0).stdout, "made");
    Ok(())
}
