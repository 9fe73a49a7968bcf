//! The main job through the program itself: declared in a spec, made in a sandbox, stored by a component.
#![allow(clippy::unwrap_used, clippy::missing_panics_doc)]

use std::fs;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::Result;
use artifacts_tests::fleet::{Fleet, guest};
use serde_json::{Value, json};

const MAKE: &str = "#!/bin/bash\nprintf 'made %s' \"$RANDOM$RANDOM\" > \"$out/secret\"\n";

fn artifact(generator: &Value) -> Value {
    json!({"backend": "agenix", "files": {"secret": {}}, "generator": generator})
}

/// One machine with one artifact `a`.
fn one() -> Result<Fleet> {
    let fleet = Fleet::new()?;
    let generator = fleet.generator("make", MAKE)?;
    fleet.machine("web1", &json!({"a": artifact(&generator)}))
}

#[test]
fn what_is_absent_is_made_once_and_the_machine_can_read_it() -> Result<()> {
    let fleet = one()?;
    fleet.run(["status"])?.ends(3).says("absent");
    fleet.run(["generate", "--accept-recipients"])?.ends(0).says("generated web1/a");
    let before = fleet.stored()?;
    assert!(fleet.decrypt("web1", "secrets/per-machine/web1/a/secret.age")?.starts_with(b"made "));
    fleet.run(["status", "--all"])?.ends(0).says("present");
    fleet.run(["generate"])?.ends(0);
    assert_eq!(fleet.stored()?, before, "the second run writes nothing");
    Ok(())
}

#[test]
fn machines_users_and_shared_ones_each_have_their_place_and_their_readers() -> Result<()> {
    let fleet = Fleet::new()?;
    let generator = fleet.generator("make", MAKE)?;
    let mut shared = artifact(&generator);
    shared["shared"] = json!(true);
    let fleet = fleet.machine("web1", &json!({"own": artifact(&generator), "token": shared}))?.target(
        "home-manager",
        "alice@laptop",
        &json!({"own": artifact(&generator), "token": shared}),
    )?;
    let ran = fleet.run(["--json", "generate", "--accept-recipients"])?.ends(0);
    for name in ["per-machine/web1/own", "per-user/alice@laptop/own", "shared/token"] {
        assert_eq!(ran.state(name), "present");
    }
    let token = "secrets/shared/token/secret.age";
    assert_eq!(fleet.decrypt("web1", token)?, fleet.decrypt("alice@laptop", token)?);
    assert!(fleet.decrypt("alice@laptop", "secrets/per-machine/web1/own/secret.age").is_err());
    Ok(())
}

#[test]
fn what_is_present_or_stale_is_made_again_only_when_the_person_says_so() -> Result<()> {
    let mut fleet = one()?;
    fleet.run(["generate", "--accept-recipients"])?.ends(0);
    let before = fleet.stored()?;
    let admin = fleet.new_key("admin")?;
    fleet.of("web1")["config"]["agenix"]["publicUserKeys"] = json!([admin]);
    assert_eq!(fleet.run(["--json", "status"])?.ends(3).state("per-machine/web1/a"), "stale (recipients)");
    fleet.run(["generate"])?.ends(3);
    assert_eq!(fleet.stored()?, before);
    fleet.run(["generate", "--stale", "--accept-recipients"])?.ends(3).says("1 recipients artifacts rekey");
    assert_eq!(fleet.stored()?, before, "other recipients are no reason for a new value");
    fleet.run(["generate", "--regenerate", "--dry-run"])?.ends(3).says("would regenerate");
    assert_eq!(fleet.stored()?, before);
    fleet.run(["generate", "--regenerate", "--yes", "--accept-recipients"])?.ends(0).says("regenerated");
    let after = fleet.decrypt("admin", "secrets/per-machine/web1/a/secret.age")?;
    fleet.run(["generate", "--regenerate", "--yes"])?.ends(0);
    assert_ne!(fleet.decrypt("admin", "secrets/per-machine/web1/a/secret.age")?, after);
    Ok(())
}

#[test]
fn one_failing_instance_stops_no_other_and_the_exit_status_tells() -> Result<()> {
    let fleet = Fleet::new()?;
    let generator = fleet.generator("make", MAKE)?;
    let bad = fleet.generator("bad", "#!/bin/bash\necho the secret is hunter2 >&2\nexit 7\n")?;
    let mut unknown = artifact(&generator);
    unknown["backend"] = json!("nope");
    let mut undeclared = artifact(&generator);
    undeclared["dependencies"] = json!(["missing"]);
    let fleet = fleet.machine(
        "web1",
        &json!({"bad": artifact(&bad), "good": artifact(&generator), "unknown": unknown, "undeclared": undeclared}),
    )?;
    let ran = fleet.run(["--json", "generate", "--accept-recipients"])?.ends(1).never_says("hunter2");
    assert_eq!(ran.state("per-machine/web1/good"), "present");
    assert_eq!(ran.state("per-machine/web1/bad"), "absent");
    let errors = ran.json()["errors"].to_string();
    for text in ["status 7", "unknown backend `nope`", "unknown dependency `missing`"] {
        assert!(errors.contains(text), "{text} in {errors}");
    }
    fleet.run(["generate", "--show-output"])?.ends(1).says("hunter2");
    Ok(())
}

#[test]
fn public_files_are_plain_and_secret_ones_never() -> Result<()> {
    let fleet = Fleet::new()?;
    let generator = fleet.generator("pair", "#!/bin/bash\necho hidden > $out/key\necho shown > $out/pub\n")?;
    let pair = json!({"backend": "agenix", "files": {"key": {}, "pub": {"secret": false}}, "generator": generator});
    let fleet = fleet.machine("web1", &json!({"pair": pair}))?;
    fleet.run(["generate", "--accept-recipients"])?.ends(0);
    let stored = fleet.stored()?;
    assert_eq!(stored["per-machine/web1/pair/public/pub"], b"shown\n");
    assert!(stored.values().all(|bytes| !bytes.windows(6).any(|w| w == b"hidden")));
    fs::remove_file(fleet.path().join("secrets/per-machine/web1/pair/public/pub"))?;
    assert_eq!(fleet.run(["--json", "status"])?.ends(3).state("per-machine/web1/pair"), "stale (files, receipt)");
    Ok(())
}

#[test]
fn dummy_stores_nothing() -> Result<()> {
    let mut fleet = one()?;
    fleet.of("web1")["artifacts"]["a"]["backend"] = json!("dummy");
    let ran = fleet.run(["--json", "generate", "--accept-recipients"])?.ends(0);
    assert_eq!(ran.state("per-machine/web1/a"), "on-target");
    assert!(fleet.stored()?.is_empty());
    Ok(())
}

#[test]
fn prompts_are_answered_from_a_file_or_listed() -> Result<()> {
    let fleet = Fleet::new()?;
    let generator = fleet.generator("echo", "#!/bin/bash\ncp \"$prompts/the word\" $out/secret\n")?;
    let mut asks = artifact(&generator);
    asks["prompts"] = json!({"the word": {"description": "say it"}});
    let fleet = fleet.machine("web1", &json!({"a": asks, "fails": artifact(&json!({"path": "/bin/false"}))}))?;
    fleet.run(["generate", "--accept-recipients", "--no-input"])?.ends(1).says("web1/a").says("the word");
    assert!(fleet.stored()?.is_empty(), "all is asked before anything is made");
    let answers = fleet.path().join("answers.toml");
    fs::write(&answers, "[\"per-machine/web1/a\"]\n\"the word\" = \"xyzzy\"\n")?;
    fleet.run(["generate", "--answers", answers.to_str().unwrap()])?.ends(1).never_says("xyzzy");
    assert_eq!(fleet.decrypt("web1", "secrets/per-machine/web1/a/secret.age")?, b"xyzzy");
    fs::write(&answers, "[\"per-machine/web1/a\"]\n\"teh word\" = \"xyzzy\"\n")?;
    fleet.run(["generate", "--answers", answers.to_str().unwrap()])?.ends(1).says("teh word").never_says("xyzzy");
    Ok(())
}

#[test]
fn a_selector_that_means_nothing_is_an_error() -> Result<()> {
    let fleet = one()?;
    fleet.run(["status", "per-machine/web1/"])?.ends(3);
    fleet.run(["status", "per-machine/web2/"])?.ends(1).says("no artifact matches this selector");
    fleet.run(["generate", "--accept-recipients", "a", "nothing"])?.ends(1);
    fleet.run(["nonsense"])?.ends(2);
    Ok(())
}

/// Every way in which a backend can fail to give an answer, and lie.
#[test]
fn a_failing_or_lying_backend_makes_nothing_and_overwrites_nothing() -> Result<()> {
    let mut fleet = one()?;
    let recipient = fleet.new_key("hostile")?;
    fleet.backend("hostile", json!({"component": guest("hostile")?, "limits": {"time": 1, "memory": 64 << 20}}));
    fleet.of("web1")["artifacts"]["a"]["backend"] = json!("hostile");
    let behave = |fleet: &mut Fleet, operation: &str, mode: &str| {
        let mut config = json!({"recipients": [recipient]});
        config[operation] = json!(mode);
        fleet.configure("web1", "hostile", config);
    };
    // Nothing is there yet, and nothing comes of a check that gives no answer, or one that cannot be true.
    for mode in
        ["trap", "spin", "memory", "exit", "exit-well", "panic", "fail", "recurse", "present", "stale", "fail-huge"]
    {
        behave(&mut fleet, "check", mode);
        let ran = fleet.run(["--json", "generate", "--accept-recipients"])?.ends(1);
        assert_eq!(ran.state("per-machine/web1/a"), "error", "{mode}: {ran}");
        assert!(fleet.stored()?.is_empty(), "{mode}");
    }
    // A serialize that fails, or leaves out what it was given, stores nothing.
    for mode in
        ["trap", "spin", "fail", "exit-well", "nothing", "first-then-fail", "leave-symlink", "leave-folder", "bytes"]
    {
        behave(&mut fleet, "serialize", mode);
        fleet.run(["generate", "--accept-recipients"])?.ends(1).never_says("were not accepted");
        assert!(fleet.stored()?.is_empty(), "{mode}");
    }
    behave(&mut fleet, "check", "");
    fleet.run(["generate", "--accept-recipients"])?.ends(0);
    let before = fleet.stored()?;
    assert!(!before.is_empty());
    for (operation, mode) in [
        ("check", "absent"),
        ("check", "trap"),
        ("check", "spin"),
        ("check", "fail"),
        ("readers", "trap"),
        ("readers", "garbage"),
        ("readers", "no-file"),
    ] {
        behave(&mut fleet, operation, mode);
        for flags in [vec!["generate"], vec!["generate", "--stale"], vec!["generate", "--regenerate", "--yes"]] {
            fleet.run(&flags)?.ends(1);
            assert_eq!(fleet.stored()?, before, "{operation} {mode} {flags:?}");
        }
    }
    for mode in ["trap", "fail", "nothing", "wipe", "leave-hardlink", "spin"] {
        behave(&mut fleet, "serialize", mode);
        fleet.run(["generate", "--regenerate", "--yes"])?.ends(1);
        assert_eq!(fleet.stored()?, before, "{mode}");
    }
    Ok(())
}

#[test]
fn what_is_no_backend_is_refused_in_words() -> Result<()> {
    let mut fleet = one()?;
    fleet.of("web1")["artifacts"]["a"]["backend"] = json!("mine");
    let path = fleet.path().join("mine.wasm");
    for (bytes, words) in [
        (&b"\0asm\x01\0\0\0"[..], "core module"),
        (b"#!/bin/sh\n", "bytes that begin with"),
        (b"", "an empty file"),
        (b"\x7fELF\x02\x01\x01", "native"),
    ] {
        fs::write(&path, bytes)?;
        fleet.backend("mine", json!({"component": path}));
        fleet.run(["generate", "--accept-recipients"])?.ends(1).says(words);
    }
    fleet.backend("mine", json!({"component": guest("hostile")?, "sha256": "00".repeat(32)}));
    fleet.run(["generate"])?.ends(1).says("SHA-256").says("does not match");
    fleet.backend("mine", json!({"component": "/nowhere.wasm"}));
    fleet.run(["generate"])?.ends(1).says("cannot read its component");
    fleet.backend("mine", json!({"component": guest("hostile")?, "grants": {"network": true}}));
    fleet.run(["generate"])?.ends(1).says("unknown grant `network`");
    fleet.backend("mine", json!({"component": guest("hostile")?, "sha256": null}));
    fleet.run(["generate"])?.ends(1).says("outside the Nix store and has no registered SHA-256");
    assert!(fleet.stored()?.is_empty());
    Ok(())
}

#[test]
fn what_is_no_backend_leaves_alone_what_is_present() -> Result<()> {
    let mut fleet = one()?;
    let recipient = fleet.new_key("hostile")?;
    let path = fleet.path().join("mine.wasm");
    fs::copy(guest("hostile")?, &path)?;
    fleet.of("web1")["artifacts"]["a"]["backend"] = json!("mine");
    fleet.configure("web1", "mine", json!({"recipients": [recipient]}));
    fleet.backend("mine", json!({"component": path}));
    fleet.run(["generate", "--accept-recipients"])?.ends(0);
    let before = fleet.stored()?;
    assert!(!before.is_empty());
    for bytes in [&b"\0asm\x01\0\0\0"[..], b"#!/bin/sh\n", b"", b"\x7fELF\x02\x01\x01"] {
        fs::write(&path, bytes)?;
        fleet.backend("mine", json!({"component": path}));
        for flags in [&["generate"][..], &["generate", "--stale"], &["generate", "--regenerate", "--yes"]] {
            fleet.run(flags)?.ends(1);
            assert_eq!(fleet.stored()?, before, "{bytes:?} {flags:?}");
        }
    }
    Ok(())
}

#[test]
fn the_registry_and_the_schema_are_printed() -> Result<()> {
    let fleet = one()?;
    let ran = fleet.run(["backend", "list"])?.ends(0);
    for name in ["agenix", "dummy", "sops-nix"] {
        assert!(ran.stdout.contains(name), "{ran}");
    }
    assert_eq!(fleet.run(["schema"])?.ends(0).json()["title"], "artifacts spec");
    Ok(())
}

#[test]
fn a_bad_spec_is_refused_whole() -> Result<()> {
    let fleet = one()?;
    let file = fleet.path().join("bad.json");
    for (text, words) in [
        (fleet.spec().to_string().replace("\"schema\":1", "\"schema\":9"), "schema 9"),
        (fleet.spec().to_string().replace("\"files\"", "\"fiels\""), "unknown field"),
        (fleet.spec().to_string().replace("\"web1\"", "\"../web1\""), "slash"),
        (fleet.spec().to_string()[..60].to_owned(), "not JSON"),
    ] {
        fs::write(&file, text)?;
        let mut command = Command::new(artifacts_tests::fleet::program()?);
        let ran: artifacts_tests::fleet::Ran = command.arg("--spec").arg(&file).arg("generate").output()?.into();
        ran.ends(1).says(words);
    }
    fleet.run(["--spec", "nowhere.json", "status"])?.ends(2);
    Ok(())
}

#[test]
fn a_planted_link_is_not_followed() -> Result<()> {
    let fleet = one()?;
    fleet.run(["generate", "--accept-recipients"])?.ends(0);
    let slice = fleet.path().join("secrets/per-machine/web1/a");
    fs::remove_file(slice.join("secret.age"))?;
    std::os::unix::fs::symlink("/etc/passwd", slice.join("secret.age"))?;
    let ran = fleet.run(["--json", "generate", "--regenerate", "--yes"])?.ends(1);
    assert_eq!(ran.state("per-machine/web1/a"), "error");
    fs::remove_dir_all(fleet.path().join("secrets"))?;
    let outside = tempfile::tempdir()?;
    std::os::unix::fs::symlink(outside.path(), fleet.path().join("secrets"))?;
    fleet.run(["generate", "--accept-recipients"])?.ends(1).never_says("were not accepted");
    assert_eq!(fs::read_dir(outside.path())?.count(), 0);
    Ok(())
}

#[test]
fn a_crash_at_any_step_of_a_commit_loses_and_mixes_nothing() -> Result<()> {
    let fleet = one()?;
    fleet.run(["generate", "--accept-recipients"])?.ends(0);
    let mut old = fleet.stored()?;
    for step in 1..500 {
        let ran = fleet.run(["--crash-at", &step.to_string(), "generate", "--regenerate", "--yes"])?;
        let now = fleet.stored()?;
        if ran.status == Some(0) {
            assert!(step > 5, "a commit has steps");
            return Ok(());
        }
        let plain = fleet.decrypt("web1", "secrets/per-machine/web1/a/secret.age")?;
        assert!(plain.starts_with(b"made "), "step {step}");
        let ran = fleet.run(["--json", "status"])?.ends(0);
        assert_eq!(ran.state("per-machine/web1/a"), "present", "step {step}: {ran}");
        assert!(now == old || now.keys().eq(old.keys()), "step {step}");
        old = now;
    }
    panic!("the commit never came to its end");
}

#[test]
fn no_plaintext_is_left_behind_whatever_ends_the_run() -> Result<()> {
    let fleet = Fleet::new()?;
    let slow = fleet.generator("slow", "#!/bin/bash\necho begun > $out/secret\nsleep 60\n")?;
    let bad = fleet.generator("bad", "#!/bin/bash\necho begun > $out/secret\nexit 1\n")?;
    let fleet = fleet.machine("web1", &json!({"slow": artifact(&slow), "bad": artifact(&bad)}))?;
    // Its own: other runs have their directories in the usual one.
    let ram = tempfile::Builder::new().prefix("main-job-").tempdir_in("/dev/shm")?;
    let left_behind = || fs::read_dir(ram.path()).unwrap().flatten().map(|entry| entry.file_name()).collect::<Vec<_>>();
    let command = |words: &[&str]| -> Result<Command> {
        let mut command = fleet.command(words.iter().copied())?;
        command.env("XDG_RUNTIME_DIR", ram.path()).stdout(Stdio::null()).stderr(Stdio::null());
        Ok(command)
    };
    assert_eq!(command(&["generate", "--accept-recipients", "bad"])?.status()?.code(), Some(1));
    assert!(left_behind().is_empty());
    for signal in ["INT", "TERM", "HUP"] {
        let mut child = command(&["generate", "slow"])?.spawn()?;
        let start = Instant::now();
        while !mentions_slow(child.id()) || left_behind().is_empty() {
            assert!(start.elapsed() < Duration::from_secs(30), "the generator never began");
            std::thread::sleep(Duration::from_millis(20));
        }
        Command::new("kill").arg(format!("-{signal}")).arg(child.id().to_string()).status()?;
        let status = child.wait()?;
        assert!(!status.success(), "{signal}");
        assert!(left_behind().is_empty(), "{signal}: {:?}", left_behind());
        assert!(fleet.stored()?.is_empty());
    }
    Ok(())
}

/// Whether a child of this process runs the sandbox.
fn mentions_slow(parent: u32) -> bool {
    let output = Command::new("pgrep").args(["-P", &parent.to_string()]).output();
    output.is_ok_and(|o| !o.stdout.is_empty())
}
