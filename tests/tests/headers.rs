//! A header belongs to one file of one instance of one repository: attacks by anyone who can push, each with a receipt that fits.
#![allow(clippy::unwrap_used, clippy::missing_panics_doc)]

use std::collections::BTreeSet;
use std::fs;
use std::io::{BufRead as _, BufReader, Write as _};
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::Result;
use artifacts_tests::desk::Desk;
use artifacts_tests::fleet::{Fleet, Ran, in_session};
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};

const MAKE: &str = "#!/bin/bash\nprintf CA-PRIVATE-KEY > $out/key\nprintf hello > $out/bundle\n";

/// `web1` with `ca`, whose `key` no machine decrypts and whose `bundle` web1 does; the admin decrypts both.
fn fleet(backend: &str) -> Result<Fleet> {
    let fleet = Fleet::new()?;
    let make = fleet.generator("make", MAKE)?;
    let files = json!({"key": {"deploy": false}, "bundle": {}});
    let mut fleet = fleet.machine("web1", &json!({"ca": {"backend": backend, "files": files, "generator": make}}))?;
    let admin = fleet.new_key("admin")?;
    fleet.of("web1")["config"]["agenix"]["publicUserKeys"] = json!([admin]);
    let config = fleet.of("web1")["config"]["agenix"].clone();
    fleet.configure("web1", backend, config);
    fleet.run(["--accept-readers", "generate"])?.ends(0);
    Ok(fleet)
}

fn add_admin(fleet: &mut Fleet, backend: &str) -> Result<()> {
    let second = fleet.new_key("second")?;
    fleet.of("web1")["config"][backend]["publicUserKeys"].as_array_mut().unwrap().push(json!(second));
    Ok(())
}

fn as_admin(fleet: &Fleet, arguments: &[&str]) -> Result<Ran> {
    let key = fleet.key_file("admin");
    fleet.run([&["-i", key.to_str().unwrap(), "--accept-readers", "--accept-reading"], arguments].concat())
}

fn entry(fleet: &Fleet) -> PathBuf {
    fleet.path().join("secrets/per-machine/web1/ca")
}

fn read(path: &Path) -> Result<Value> {
    Ok(serde_json::from_slice(&fs::read(path)?)?)
}

/// Every header that a receipt lists.
fn listed(receipt: &Value) -> BTreeSet<String> {
    let lists = receipt["headers"].as_object().into_iter().flat_map(|files| files.values());
    let lists = lists.chain(receipt.get("sealed")).flat_map(|list| list.as_array().unwrap());
    lists.map(|header| header.as_str().unwrap().to_owned()).collect()
}

/// Makes a receipt fit what lies beside it: sizes and hashes, and every header for every file, with those of the files that were
/// brought along.
fn fit(entry: &Path, brought: &BTreeSet<String>) -> Result<()> {
    let path = entry.join("receipt.json");
    let mut receipt = read(&path)?;
    let names: Vec<String> = receipt["files"].as_object().unwrap().keys().cloned().collect();
    let headers: BTreeSet<String> = listed(&receipt).union(brought).cloned().collect();
    for name in names {
        let bytes = fs::read(entry.join(&name))?;
        receipt["files"][name] = json!({"size": bytes.len(), "sha256": format!("{:x}", Sha256::digest(&bytes))});
    }
    for list in
        receipt.get_mut("headers").and_then(Value::as_object_mut).into_iter().flat_map(|files| files.values_mut())
    {
        *list = json!(headers);
    }
    if receipt.get("sealed").is_some() {
        receipt["sealed"] = json!(headers);
    }
    Ok(fs::write(path, serde_json::to_vec_pretty(&receipt)?)?)
}

/// SHA-256 of the header of an armored age file.
fn header(file: &Path) -> Result<String> {
    let mut lines = BufReader::new(age::armor::ArmoredReader::new(fs::File::open(file)?));
    let mut header = Vec::new();
    let mut line = Vec::new();
    while !line.starts_with(b"--- ") {
        line.clear();
        lines.read_until(b'\n', &mut line)?;
        header.extend_from_slice(&line);
    }
    Ok(format!("{:x}", Sha256::digest(&header)))
}

/// Every command that would decrypt `bundle` refuses, and nothing changes.
fn refuses(fleet: &mut Fleet, backend: &str, words: &str) -> Result<()> {
    let steal = fleet.generator("steal", "#!/bin/bash\ncat $in/ca/bundle > $out/x\n")?;
    let thief = json!({"backend": backend, "files": {"x": {}}, "dependencies": ["ca"], "generator": steal});
    fleet.of("web1")["artifacts"]["thief"] = thief;
    add_admin(fleet, backend)?;
    let before = fleet.stored()?;
    for arguments in [
        &["get", "ca", "bundle"][..],
        &["get", "ca", "key"],
        &["rekey"],
        &["rekey", "--all"],
        &["rekey", "--all", "ca"],
        &["adopt", "ca"],
        &["generate", "thief"],
    ] {
        let ran = as_admin(fleet, arguments)?.ends(1).never_says("CA-PRIVATE-KEY");
        ran.says("web1/ca").says(words);
        assert_eq!(fleet.stored()?, before, "{arguments:?}");
    }
    let status = fleet.run(["--json", "status", "ca"])?.ends(1);
    assert_eq!(status.state("per-machine/web1/ca"), "error");
    fleet.run(["status", "ca"])?.ends(1).says(words).says("last good commit");
    fleet.of("web1")["artifacts"].as_object_mut().unwrap().remove("thief");
    Ok(())
}

#[test]
fn a_file_in_the_place_of_another_is_not_decrypted() -> Result<()> {
    for (backend, extension) in [("agenix", "age"), ("sops-nix", "sops")] {
        let mut fleet = fleet(backend)?;
        let entry = entry(&fleet);
        let [key, bundle] = ["key", "bundle"].map(|name| entry.join(format!("{name}.{extension}")));
        let [was_key, was_bundle, receipt] =
            [fs::read(&key)?, fs::read(&bundle)?, fs::read(entry.join("receipt.json"))?];
        let words = format!("`bundle.{extension}` was encrypted for `key`");
        // Copied over it, and exchanged with it.
        fs::write(&bundle, &was_key)?;
        fit(&entry, &BTreeSet::new())?;
        refuses(&mut fleet, backend, &words)?;
        fs::write(&key, &was_bundle)?;
        fit(&entry, &BTreeSet::new())?;
        refuses(&mut fleet, backend, &words)?;
        // As it was, it is read and re-encrypted.
        fs::write(&key, &was_key)?;
        fs::write(&bundle, &was_bundle)?;
        fs::write(entry.join("receipt.json"), &receipt)?;
        assert_eq!(as_admin(&fleet, &["get", "ca", "key"])?.ends(0).stdout, "CA-PRIVATE-KEY");
        as_admin(&fleet, &["rekey"])?.ends(0);
        assert_eq!(as_admin(&fleet, &["get", "ca", "bundle"])?.ends(0).stdout, "hello");
    }
    Ok(())
}

#[test]
fn an_earlier_version_of_one_file_is_not_decrypted_as_another() -> Result<()> {
    let mut fleet = fleet("agenix")?;
    let entry = entry(&fleet);
    let earlier = fs::read(entry.join("key.age"))?;
    let listed = listed(&read(&entry.join("receipt.json"))?);
    fleet.run(["generate", "--regenerate", "--yes"])?.ends(0);
    fs::write(entry.join("bundle.age"), earlier)?;
    fit(&entry, &listed)?;
    refuses(&mut fleet, "agenix", "`bundle.age` was encrypted for `key`")
}

#[test]
fn a_file_of_its_own_is_not_decrypted_as_a_structured_one() -> Result<()> {
    let mut fleet = Fleet::new()?;
    let make = fleet.generator("make", "#!/bin/bash\nprintf CA-PRIVATE-KEY > $out/key\nprintf hello > $out/data\n")?;
    let files = json!({"key": {"deploy": false}, "data": {}});
    fleet = fleet.machine("web1", &json!({"ca": {"backend": "sops-nix", "files": files, "generator": make}}))?;
    let admin = fleet.new_key("admin")?;
    let host = fleet.of("web1")["config"]["agenix"]["publicHostKey"].clone();
    let config = json!({"publicHostKey": host, "publicUserKeys": [admin], "format": "json"});
    fleet.configure("web1", "sops-nix", config);
    fleet.run(["--accept-readers", "generate"])?.ends(0);
    let entry = entry(&fleet);
    let receipt = read(&entry.join("receipt.json"))?;
    let count = |file: &str| receipt["headers"][file].as_array().unwrap().len();
    assert_eq!((count("key"), count("data")), (1, 2), "{receipt}");
    // The binary form has its value under the key `data`, as well.
    fs::copy(entry.join("key.sops"), entry.join("secrets.sops.json"))?;
    fit(&entry, &BTreeSet::new())?;
    let words = "`secrets.sops.json` was encrypted for `key`, as `key.sops`";
    let ran = as_admin(&fleet, &["get", "ca", "data"])?.ends(1).never_says("CA-PRIVATE-KEY");
    ran.says(words);
    as_admin(&fleet, &["rekey", "--all"])?.ends(1).says(words);
    assert_eq!(fleet.run(["--json", "status"])?.ends(1).state("per-machine/web1/ca"), "error");
    Ok(())
}

#[test]
fn on_a_machine_that_knows_nothing_one_age_file_in_two_places_is_not_decrypted() -> Result<()> {
    let mut fleet = fleet("agenix")?;
    let entry = entry(&fleet);
    let was_bundle = fs::read(entry.join("bundle.age"))?;
    let receipt = fs::read(entry.join("receipt.json"))?;
    fs::remove_dir_all(fleet.accepted().with_file_name("headers"))?;
    fs::copy(entry.join("key.age"), entry.join("bundle.age"))?;
    fit(&entry, &BTreeSet::new())?;
    refuses(&mut fleet, "agenix", "are the same age file")?;
    // As it was, it is decrypted there and known from then on.
    fs::write(entry.join("bundle.age"), &was_bundle)?;
    fs::write(entry.join("receipt.json"), &receipt)?;
    assert_eq!(as_admin(&fleet, &["get", "ca", "key"])?.ends(0).stdout, "CA-PRIVATE-KEY");
    fs::rename(entry.join("key.age"), entry.join("bundle.age"))?;
    fs::write(entry.join("key.age"), &was_bundle)?;
    fit(&entry, &BTreeSet::new())?;
    refuses(&mut fleet, "agenix", "`bundle.age` was encrypted for `key`")
}

#[test]
fn what_earlier_versions_noted_counts_until_the_file_is_learned() -> Result<()> {
    let mut fleet = fleet("agenix")?;
    let entry = entry(&fleet);
    let state = fleet.accepted();
    let (old, new) = (state.with_file_name("sealed"), state.with_file_name("headers"));
    let headers = [header(&entry.join("key.age"))?, header(&entry.join("bundle.age"))?];
    let lines = headers.each_ref().map(|header| format!("{header} per-machine/web1/ca\n")).concat();
    fs::remove_dir_all(&new)?;
    fs::create_dir(&old)?;
    fs::set_permissions(&old, fs::Permissions::from_mode(0o700))?;
    fs::write(old.join("headers"), &lines)?;
    // The receipt of such a version, too.
    let mut receipt = read(&entry.join("receipt.json"))?;
    receipt.as_object_mut().unwrap().remove("headers");
    receipt["sealed"] = json!(headers);
    fs::write(entry.join("receipt.json"), receipt.to_string())?;
    assert_eq!(fleet.run(["--json", "status"])?.ends(0).state("per-machine/web1/ca"), "present");
    assert_eq!(as_admin(&fleet, &["get", "ca", "key"])?.ends(0).stdout, "CA-PRIVATE-KEY");
    assert_eq!(as_admin(&fleet, &["get", "ca", "bundle"])?.ends(0).stdout, "hello");
    // Now the files are known.
    fs::copy(entry.join("key.age"), entry.join("bundle.age"))?;
    fit(&entry, &BTreeSet::new())?;
    refuses(&mut fleet, "agenix", "`bundle.age` was encrypted for `key`")?;
    // What was noted for another instance was never this one's.
    fs::remove_dir_all(&new)?;
    fs::write(old.join("headers"), lines.replace("web1/ca", "web1/other"))?;
    let ran = as_admin(&fleet, &["get", "ca", "key"])?.ends(1);
    ran.says("these files were encrypted for per-machine/web1/other");
    Ok(())
}

/// Runs a command in a checkout on the machine of another fleet, as that one's admin.
fn on_machine_of(machine: &Fleet, fleet: &Fleet, arguments: &[&str]) -> Result<Command> {
    let key = machine.key_file("admin");
    let arguments = [&["-i", key.to_str().unwrap(), "--accept-readers"], arguments].concat();
    let mut command = fleet.command(arguments)?;
    command.env("HOME", machine.home()).env("XDG_STATE_HOME", machine.home().join("state"));
    Ok(command)
}

/// Another checkout with the same declarations and what the first one stored, as a push or a clone brings it; its machine has
/// another key.
fn other_checkout(of: &Fleet) -> Result<Fleet> {
    let fleet = Fleet::new()?;
    let make = fleet.generator("make", MAKE)?;
    let files = json!({"key": {"deploy": false}, "bundle": {}});
    let mut other = fleet.machine("web1", &json!({"ca": {"backend": "agenix", "files": files, "generator": make}}))?;
    let keys = of.spec()["targets"][0]["config"]["agenix"]["publicUserKeys"].clone();
    other.of("web1")["config"]["agenix"]["publicUserKeys"] = keys;
    fs::create_dir_all(entry(&other))?;
    for file in fs::read_dir(entry(of))? {
        let file = file?;
        fs::copy(file.path(), entry(&other).join(file.file_name()))?;
    }
    Ok(other)
}

#[test]
fn what_another_repository_stored_is_not_decrypted_until_the_admin_links_the_clones() -> Result<()> {
    let machine = fleet("agenix")?;
    let other = other_checkout(&machine)?;
    let before = other.stored()?;
    let words = "these files were encrypted for web1/ca in";
    for arguments in [&["rekey"][..], &["rekey", "--all"], &["get", "ca", "key"]] {
        let ran: Ran = in_session(&on_machine_of(&machine, &other, arguments)?).output()?.into();
        let ran = ran.ends(1).never_says("CA-PRIVATE-KEY");
        ran.says(words).says("another repository to this machine").says("--accept-clone");
        assert_eq!(other.stored()?, before, "{arguments:?}");
    }
    // At a terminal it is one question: a no changes nothing, a yes is stored.
    let ask = |answer: &str| -> Result<(Option<i32>, String)> {
        let mut desk = Desk::start(&on_machine_of(&machine, &other, &["get", "ca", "bundle"])?)?;
        desk.sees("another repository to this machine")?.sees("Are they clones of one repository?")?;
        desk.types(answer)?;
        desk.ends()
    };
    let (status, shown) = ask("n\n")?;
    assert_eq!(status, Some(1), "{shown}");
    assert!(!shown.contains("hello"), "{shown}");
    let (status, shown) = ask("y\n")?;
    assert_eq!(status, Some(0), "{shown}");
    assert!(shown.contains("hello"), "{shown}");
    let ran: Ran = in_session(&on_machine_of(&machine, &other, &["rekey"])?).output()?.into();
    ran.ends(0);
    assert_eq!(other.decrypt("web1", "secrets/per-machine/web1/ca/bundle.age")?, b"hello");
    // And in the first one what the other stored.
    for name in ["key.age", "bundle.age", "receipt.json"] {
        fs::copy(entry(&other).join(name), entry(&machine).join(name))?;
    }
    assert_eq!(as_admin(&machine, &["get", "ca", "key"])?.ends(0).stdout, "CA-PRIVATE-KEY");
    Ok(())
}

fn git(directory: &Path, arguments: &[&str]) -> Result<()> {
    let identity = ["-c", "user.name=a", "-c", "user.email=a@example.org"];
    let ended = Command::new("git").arg("-C").arg(directory).args(identity).args(arguments).output()?;
    anyhow::ensure!(ended.status.success(), "git {arguments:?}: {}", String::from_utf8_lossy(&ended.stderr));
    Ok(())
}

#[test]
fn working_trees_of_one_repository_are_one_and_a_clone_or_another_root_is_not() -> Result<()> {
    let machine = Fleet::new()?;
    git(machine.path(), &["init", "-q"])?;
    fs::write(machine.path().join(".gitignore"), ".keys\n")?;
    let make = machine.generator("make", MAKE)?;
    let files = json!({"key": {"deploy": false}, "bundle": {}});
    let mut machine =
        machine.machine("web1", &json!({"ca": {"backend": "agenix", "files": files, "generator": make}}))?;
    let admin = machine.new_key("admin")?;
    machine.of("web1")["config"]["agenix"]["publicUserKeys"] = json!([admin]);
    machine.run(["--accept-readers", "generate"])?.ends(0);
    git(machine.path(), &["add", "."])?;
    git(machine.path(), &["commit", "-qm", "i"])?;
    let beside = tempfile::tempdir()?;
    let (tree, clone) = (beside.path().join("tree"), beside.path().join("clone"));
    git(machine.path(), &["worktree", "add", "-q", tree.to_str().unwrap()])?;
    git(machine.path(), &["clone", "-q", ".", clone.to_str().unwrap()])?;
    let get = |root: &Path, more: &[&str]| -> Result<Ran> {
        as_admin(&machine, &[more, &["--root", root.to_str().unwrap(), "get", "ca", "key"]].concat())
    };
    let refused = "another repository to this machine";
    assert_eq!(get(machine.path(), &[])?.ends(0).stdout, "CA-PRIVATE-KEY");
    assert_eq!(get(&tree, &[])?.ends(0).never_says(refused).stdout, "CA-PRIVATE-KEY");
    get(&clone, &[])?.ends(1).says(refused).never_says("CA-PRIVATE-KEY");
    // The same directory elsewhere in the repository is another root.
    let inner = machine.path().join("inner");
    fs::create_dir(&inner)?;
    assert!(Command::new("cp").arg("-r").arg(machine.path().join("secrets")).arg(&inner).status()?.success());
    get(&inner, &[])?.ends(1).says(refused).never_says("CA-PRIVATE-KEY");
    // A name for the identity that is pushed is nothing to the clone.
    fs::write(clone.join("artifacts-id"), "0".repeat(32))?;
    get(&clone, &[])?.ends(1).says(refused);
    assert_eq!(get(&clone, &["--accept-clone"])?.ends(0).stdout, "CA-PRIVATE-KEY");
    let log = fs::read_to_string(machine.home().join("state/artifacts/audit.jsonl"))?;
    let consents: Vec<&str> = log.lines().filter(|line| line.contains(r#""about":"clone""#)).collect();
    let other = format!(r#""other":"{}""#, machine.path().canonicalize()?.display());
    assert!(
        matches!(consents[..], [one] if one.contains(r#""by":"--accept-clone""#) && one.contains(&other)),
        "{consents:?}"
    );
    assert_eq!(get(&clone, &[])?.ends(0).never_says(refused).stdout, "CA-PRIVATE-KEY");
    get(&inner, &[])?.ends(1).says(refused);
    Ok(())
}

#[test]
fn the_flag_links_clones_but_moves_no_file() -> Result<()> {
    let machine = fleet("agenix")?;
    let other = other_checkout(&machine)?;
    fs::copy(entry(&machine).join("key.age"), entry(&other).join("bundle.age"))?;
    fit(&entry(&other), &BTreeSet::new())?;
    let run = |arguments: &[&str]| -> Result<Ran> {
        let arguments = [&["--accept-clone"], arguments].concat();
        Ok(in_session(&on_machine_of(&machine, &other, &arguments)?).output()?.into())
    };
    for arguments in [&["get", "ca", "bundle"][..], &["rekey", "--all"], &["status"]] {
        let ran = run(arguments)?.ends(1).never_says("CA-PRIVATE-KEY");
        ran.says("these files were encrypted for web1/ca in");
    }
    fs::copy(entry(&machine).join("bundle.age"), entry(&other).join("bundle.age"))?;
    fs::copy(entry(&machine).join("receipt.json"), entry(&other).join("receipt.json"))?;
    assert_eq!(run(&["get", "ca", "bundle"])?.ends(0).stdout, "hello");
    Ok(())
}

#[test]
fn an_incomplete_line_stops_nothing_and_other_damage_is_named() -> Result<()> {
    let fleet = fleet("agenix")?;
    let file = fleet.accepted().with_file_name("headers").join("headers");
    let whole = fs::read(&file)?;
    fs::write(&file, &whole[..whole.len() - 30])?;
    assert_eq!(as_admin(&fleet, &["get", "ca", "bundle"])?.ends(0).stdout, "hello");
    fleet.run(["generate", "--regenerate", "--yes"])?.ends(0);
    assert_eq!(as_admin(&fleet, &["get", "ca", "key"])?.ends(0).stdout, "CA-PRIVATE-KEY");
    let before = fleet.stored()?;
    fs::write(&file, [b"half a line\n", whole.as_slice()].concat())?;
    for arguments in [&["get", "ca", "key"][..], &["generate", "--regenerate", "--yes"], &["status"]] {
        let ran = as_admin(&fleet, arguments)?.ends(1);
        ran.says("headers/headers is damaged: line 1")
            .says("remove that line: the headers in it then count as unknown");
    }
    assert_eq!(fleet.stored()?, before);
    Ok(())
}

#[test]
fn a_receipt_lists_the_headers_of_each_file() -> Result<()> {
    let fleet = fleet("agenix")?;
    let check = |fleet: &Fleet| -> Result<()> {
        let receipt = read(&entry(fleet).join("receipt.json"))?;
        let of = |file: &str| Ok::<_, anyhow::Error>(json!([header(&entry(fleet).join(format!("{file}.age")))?]));
        assert_eq!(receipt["headers"], json!({"key": of("key")?, "bundle": of("bundle")?}));
        assert!(receipt.get("sealed").is_none(), "{receipt}");
        Ok(())
    };
    check(&fleet)?;
    // One of them is replaced.
    let mut command = fleet.command(["set", "ca", "bundle"])?;
    let mut running = command.stdin(Stdio::piped()).spawn()?;
    running.stdin.take().unwrap().write_all(b"other")?;
    assert!(running.wait()?.success());
    check(&fleet)?;
    as_admin(&fleet, &["rekey", "--all"])?.ends(0);
    check(&fleet)?;
    assert_eq!(as_admin(&fleet, &["get", "ca", "bundle"])?.ends(0).stdout, "other");
    Ok(())
}
