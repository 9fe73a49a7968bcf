//! The first use of a target's recipients, and what this machine knows of a repository.
#![allow(clippy::unwrap_used, clippy::missing_panics_doc)]

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::process::Command;

use anyhow::{Result, ensure};
use artifacts_tests::desk::Desk;
use artifacts_tests::fleet::{Fleet, Ran};
use serde_json::{Value, json};

const MAKE: &str = "#!/bin/bash\nprintf 'made %s' \"$RANDOM$RANDOM$RANDOM\" > \"$out/secret\"\n";
const SECRET: &str = "secrets/per-machine/web1/a/secret.age";

fn artifact(generator: &Value) -> Value {
    json!({"backend": "agenix", "files": {"secret": {}}, "generator": generator})
}

/// One machine with one artifact `a`, of which nothing is stored.
fn one() -> Result<Fleet> {
    let fleet = Fleet::new()?;
    let generator = fleet.generator("make", MAKE)?;
    fleet.machine("web1", &json!({"a": artifact(&generator)}))
}

fn host_key(fleet: &mut Fleet) -> String {
    fleet.of("web1")["config"]["agenix"]["publicHostKey"].as_str().unwrap().to_owned()
}

/// Declares another artifact like `a`.
fn declare(fleet: &mut Fleet, name: &str) {
    let like = fleet.of("web1")["artifacts"]["a"].clone();
    fleet.of("web1")["artifacts"][name] = like;
}

fn add_admin(fleet: &mut Fleet, name: &str) -> Result<String> {
    let key = fleet.new_key(name)?;
    fleet.of("web1")["config"]["agenix"]["publicUserKeys"] = json!([key]);
    Ok(key)
}

fn git(dir: &Path, arguments: &[&str]) -> Result<()> {
    let identity = ["-c", "user.name=t", "-c", "user.email=t@example.org"];
    let ran = Command::new("git").args(identity).args(arguments).current_dir(dir).output()?;
    ensure!(ran.status.success(), "{}", String::from_utf8_lossy(&ran.stderr));
    Ok(())
}

/// The same fleet, with its root elsewhere.
fn run_at(fleet: &Fleet, root: &Path, arguments: &[&str]) -> Result<Ran> {
    let root = root.to_str().unwrap();
    fleet.run([&["--root", root], arguments].concat())
}

/// The argument that a refused run prints for exactly what it showed.
fn exactly(ran: &Ran) -> String {
    let text = ran.stderr.split_whitespace().find_map(|word| word.strip_prefix("`--accept-recipients="));
    format!("--accept-recipients={}", text.unwrap_or_else(|| panic!("no digest in {ran}")).trim_end_matches('`'))
}

#[test]
fn the_first_use_is_shown_and_refused_where_nobody_is_asked() -> Result<()> {
    let mut fleet = one()?;
    let key = host_key(&mut fleet);
    for arguments in [&["generate"][..], &["generate", "--no-input"], &["generate", "a"]] {
        let ran = fleet.run(arguments)?.ends(1).says("First use of");
        ran.says(&key).says("error: 1 secret: recipients were not accepted: +web1 (1)");
    }
    fleet.run(["set", "a", "secret"])?.ends(1).says("--accept-recipients");
    assert!(fleet.stored()?.is_empty());
    // What stores nothing asks nothing.
    fleet.run(["status"])?.ends(3);
    fleet.run(["generate", "--dry-run"])?.ends(3).says(&key);
    fleet.run(["generate", "--accept-recipients"])?.ends(0);
    fleet.run(["generate", "--regenerate", "--yes"])?.ends(0).never_says("First use").never_says("Recipients change");
    declare(&mut fleet, "b");
    fleet.run(["generate"])?.ends(0).never_says("First use");
    fleet.run(["-i", fleet.key_file("web1").to_str().unwrap(), "get", "a", "secret"])?.ends(0);
    Ok(())
}

#[test]
fn the_first_use_is_asked_about_at_a_terminal() -> Result<()> {
    let mut fleet = one()?;
    let key = host_key(&mut fleet);
    for (answer, status) in [("n\n", 1), ("y\n", 0)] {
        let mut desk = Desk::start(&fleet.command(["generate"])?)?;
        desk.sees("First use of 1 recipient on this machine")?.sees(&key)?;
        desk.sees("Encrypt to these recipients?")?.types(answer)?;
        assert_eq!(desk.ends()?.0, Some(status));
        assert_eq!(fleet.stored()?.is_empty(), status == 1);
    }
    Ok(())
}

#[test]
fn the_old_name_of_the_flag_still_counts_and_an_empty_digest_does_not() -> Result<()> {
    let fleet = one()?;
    for unset in ["--accept-recipients=", "--accept-recipients=0", "--accept-readers="] {
        fleet.run([unset, "generate"])?.ends(2);
    }
    assert!(fleet.stored()?.is_empty());
    fleet.run(["generate", "--accept-readers"])?.ends(0);
    Ok(())
}

#[test]
fn a_digest_accepts_exactly_what_the_refused_run_showed() -> Result<()> {
    let mut fleet = one()?;
    let refused = fleet.run(["generate"])?.ends(1);
    let shown = exactly(&refused);
    let json = fleet.run(["--json", "generate"])?.ends(1).json();
    assert_eq!(format!("--accept-recipients={}", json["recipientsDigest"].as_str().unwrap()), shown);
    let json = fleet.run(["--json", "generate", "--dry-run"])?.ends(3).json();
    assert_eq!(format!("--accept-recipients={}", json["recipientsDigest"].as_str().unwrap()), shown, "a preview of it");

    // Another recipient, another instance: neither was shown.
    let artifacts = fleet.of("web1")["artifacts"].clone();
    declare(&mut fleet, "b");
    let refused = fleet.run(["generate", &shown])?.ends(1).says("were not accepted");
    // One hint for both: it stands for both.
    assert_eq!(refused.stderr.matches("were not accepted").count(), 1, "{refused}");
    assert_eq!(refused.stderr.matches("--accept-recipients=").count(), 1, "{refused}");
    fleet.of("web1")["artifacts"] = artifacts;
    let evil = add_admin(&mut fleet, "evil")?;
    fleet.run(["generate", &shown])?.ends(1).says(&evil);
    assert!(fleet.stored()?.is_empty());
    fleet.of("web1")["config"]["agenix"].as_object_mut().unwrap().remove("publicUserKeys");

    fleet.run(["generate", &shown])?.ends(0);
    assert!(fleet.decrypt("web1", SECRET)?.starts_with(b"made "));
    // It is of no use for what comes later.
    add_admin(&mut fleet, "evil")?;
    let key = fleet.key_file("web1");
    let rekey = ["-i", key.to_str().unwrap(), "rekey"];
    let changed = fleet.run([&rekey[..], &[&shown]].concat())?.ends(1).says("joins 1");
    fleet.run([&rekey[..], &[&exactly(&changed)]].concat())?.ends(0);
    assert!(fleet.decrypt("evil", SECRET)?.starts_with(b"made "));
    Ok(())
}

#[test]
fn a_receipt_is_no_evidence_on_a_machine_that_knows_nothing() -> Result<()> {
    let mut fleet = one()?;
    fleet.run(["generate", "--accept-recipients"])?.ends(0);
    let evil = add_admin(&mut fleet, "evil")?;
    fleet.run(["-i", fleet.key_file("web1").to_str().unwrap(), "rekey", "--accept-recipients"])?.ends(0);
    // As on another admin's machine: the receipt names whom the push wants.
    fs::remove_dir_all(fleet.accepted_recipients())?;
    let before = fleet.stored()?;
    let key = fleet.key_file("web1");
    for arguments in [&["generate", "--regenerate", "--yes"][..], &["rekey", "--all"]] {
        let ran = fleet.run([&["-i", key.to_str().unwrap()], arguments].concat())?.ends(1).says("First use of");
        ran.says(&evil).says("--accept-recipients");
        assert_eq!(fleet.stored()?, before);
    }
    Ok(())
}

#[test]
fn who_was_removed_is_no_recipient_of_what_is_declared_later() -> Result<()> {
    let mut fleet = one()?;
    declare(&mut fleet, "old");
    let gone = add_admin(&mut fleet, "gone")?;
    fleet.run(["generate", "--accept-recipients"])?.ends(0);
    let config = fleet.of("web1")["config"].clone();
    // `old` is not declared any more when the key goes.
    fleet.of("web1")["artifacts"].as_object_mut().unwrap().remove("old");
    fleet.of("web1")["config"]["agenix"]["publicUserKeys"] = json!([]);
    fleet.run(["-i", fleet.key_file("web1").to_str().unwrap(), "rekey", "--accept-recipients"])?.ends(0);
    fleet.run(["prune", "--yes"])?.ends(0);
    fleet.of("web1")["config"] = config;
    declare(&mut fleet, "new");
    declare(&mut fleet, "old");
    for name in ["new", "old"] {
        fleet.run(["generate", name])?.ends(1).says(&gone);
    }
    Ok(())
}

#[test]
fn a_backend_without_recipients_asks_nothing() -> Result<()> {
    let fleet = Fleet::new()?;
    let generator = fleet.generator("make", MAKE)?;
    let mut dummy = artifact(&generator);
    dummy["backend"] = json!("dummy");
    let mut public = artifact(&generator);
    public["files"]["secret"]["secret"] = json!(false);
    let fleet = fleet.machine("web1", &json!({"d": dummy, "p": public}))?;
    fleet.run(["generate"])?.ends(0).never_says("recipients");
    Ok(())
}

#[test]
fn a_working_tree_and_a_move_know_what_was_accepted_and_a_clone_does_not() -> Result<()> {
    let mut fleet = one()?;
    fleet.run(["status"])?;
    let place = tempfile::tempdir()?;
    let place = place.path().canonicalize()?;
    let (main, linked, clone) = (place.join("main"), place.join("linked"), place.join("clone"));
    fs::create_dir(&main)?;
    git(&main, &["init", "-q"])?;
    git(&main, &["commit", "-q", "--allow-empty", "-m", "one"])?;
    run_at(&fleet, &main, &["generate", "--accept-recipients"])?.ends(0);
    git(&main, &["worktree", "add", "-q", "../linked"])?;
    git(&place, &["clone", "-q", "main", "clone"])?;

    run_at(&fleet, &linked, &["generate"])?.ends(0).never_says("First use");
    run_at(&fleet, &clone, &["generate"])?.ends(1).says("First use");
    fs::rename(&main, place.join("moved"))?;
    git(&place.join("moved"), &["worktree", "repair"])?;
    let evil = add_admin(&mut fleet, "evil")?;
    declare(&mut fleet, "new");
    for known in [place.join("moved"), linked] {
        let ran = run_at(&fleet, &known, &["generate", "new"])?.ends(1).never_says("First use");
        ran.says(&evil).says("joins 1");
        assert!(!known.join("secrets/per-machine/web1/new").exists());
    }
    Ok(())
}

#[test]
fn what_an_earlier_version_stored_by_path_counts() -> Result<()> {
    let mut fleet = one()?;
    let key = host_key(&mut fleet);
    let root = fleet.path().canonicalize()?;
    let state = fleet.accepted_recipients().with_file_name("readers");
    fs::create_dir_all(&state)?;
    fs::set_permissions(&state, fs::Permissions::from_mode(0o700))?;
    let name = sha256(root.to_str().unwrap());
    let known = json!({"schema": 1, "checkout": root, "instances": {
        "per-machine/web1/a": {"targets": ["nixos/web1"], "files": {"secret": [key]}},
    }});
    fs::write(state.join(format!("{name}.json")), known.to_string())?;
    fleet.run(["generate"])?.ends(0).never_says("First use");
    // A torn one is no empty one.
    fs::remove_dir_all(fleet.accepted_recipients())?;
    fs::write(state.join(format!("{name}.json")), "{")?;
    let ran = fleet.run(["generate", "--regenerate", "--yes", "--accept-recipients"])?.ends(1);
    ran.says(&name).says("is damaged").says("asked about again");
    Ok(())
}

fn sha256(text: &str) -> String {
    use sha2::Digest as _;
    format!("{:x}", sha2::Sha256::digest(text))
}

#[test]
fn a_state_directory_that_others_can_change_is_not_believed() -> Result<()> {
    let mut fleet = one()?;
    fleet.run(["generate", "--accept-recipients"])?.ends(0);
    let evil = add_admin(&mut fleet, "evil")?;
    declare(&mut fleet, "new");
    fleet.run(["generate", "new"])?.ends(1).says(&evil);
    let before = fleet.stored()?;
    let artifacts = fleet.accepted().parent().unwrap().to_owned();
    let state = artifacts.parent().unwrap().to_owned();
    fs::rename(fleet.accepted_recipients(), fleet.home().join("gone"))?;
    for open in [&artifacts, &state, &fleet.home().to_owned()] {
        let mode = fs::metadata(open)?.permissions();
        for (writable, refused) in [(0o777, true), (0o775, true), (0o1777, false)] {
            fs::set_permissions(open, fs::Permissions::from_mode(writable))?;
            let ran = fleet.run(["generate", "new", "--accept-recipients", "--dry-run"])?;
            if refused {
                ran.ends(1).says(open.to_str().unwrap()).says("can be written by others").says("chmod go-w");
                let ran = fleet.run(["generate", "new", "--accept-recipients"])?.ends(1);
                ran.says("can be written by others");
            } else {
                ran.ends(3);
            }
            assert_eq!(fleet.stored()?, before);
        }
        fs::set_permissions(open, mode)?;
    }
    assert!(!fleet.accepted_recipients().exists(), "nothing was written there");
    Ok(())
}

#[test]
fn read_access_is_accepted_for_the_repository_and_by_an_earlier_version_for_the_path() -> Result<()> {
    let mut fleet = one()?;
    let reads = fleet.generator("reads", "#!/bin/bash\ncat $in/a/secret > $out/x\n")?;
    fleet.run(["generate", "--accept-recipients"])?.ends(0);
    fleet.of("web1")["artifacts"]["x"] =
        json!({"backend": "agenix", "files": {"x": {}}, "dependencies": ["a"], "generator": reads});
    let key = fleet.key_file("web1");
    let generate = ["-i", key.to_str().unwrap(), "generate", "--regenerate", "--yes", "x"];
    fleet.run(generate)?.ends(1).says("--accept-reading");
    fleet.run([&generate[..], &["--accept-reading"]].concat())?.ends(0);
    fleet.run(generate)?.ends(0).never_says("wants to read");
    // As an earlier version stored it: for the path.
    let file = fs::read_dir(fleet.accepted())?.next().unwrap()?.path();
    let stored: Value = serde_json::from_str(&fs::read_to_string(&file)?)?;
    assert!(stored["repository"].is_string(), "{stored}");
    let by_path = json!({"checkout": fleet.path().canonicalize()?, "reading": stored["reading"]});
    let text = serde_json::to_string_pretty(&by_path)? + "\n";
    fs::remove_file(&file)?;
    fleet.run(generate)?.ends(1).says("--accept-reading");
    fs::write(fleet.accepted().join(format!("{}.json", sha256(&text))), text)?;
    fleet.run(generate)?.ends(0).never_says("wants to read");
    Ok(())
}

#[test]
fn what_is_committed_below_the_state_directory_is_no_consent() -> Result<()> {
    let fleet = one()?;
    git(fleet.path(), &["init", "-q"])?;
    let state = fleet.path().join("state");
    let run = |state: &Path| -> Result<Ran> {
        let mut command = fleet.command(["generate", "--accept-recipients"])?;
        Ok(Ran::from(command.env("XDG_STATE_HOME", state).output()?))
    };
    run(&state)?.ends(0);
    let refused = |state: &Path, path: &str| -> Result<()> {
        fs::remove_dir_all(fleet.path().join("secrets"))?;
        // Otherwise git would still have the value, and no new one would be generated.
        git(fleet.path(), &["rm", "-rq", "--cached", "--ignore-unmatch", "secrets"])?;
        let words = format!("{} is tracked by git", fleet.path().canonicalize()?.join(path).display());
        let ran = run(state)?.ends(1).says("XDG_STATE_HOME");
        let text = ran.stderr.split_whitespace().collect::<Vec<_>>().join(" ");
        ensure!(text.contains(&words), "{words}: {ran}");
        ensure!(!fleet.path().join(SECRET).exists());
        run(&fleet.home().join("state"))?.ends(0);
        Ok(())
    };
    git(fleet.path(), &["add", "-f", "state/artifacts/headers/headers"])?;
    refused(&state, "state/artifacts/headers/headers")?;
    // A link that is committed leads there, and the directory itself is none of the repository's.
    git(fleet.path(), &["rm", "-rq", "--cached", "state"])?;
    let outside = tempfile::tempdir()?;
    std::os::unix::fs::symlink(outside.path(), fleet.path().join("link"))?;
    git(fleet.path(), &["add", "link"])?;
    refused(&fleet.path().join("link/below"), "link")?;
    run(&state)?.ends(0);
    Ok(())
}
