//! Every hint names a command that works, and keeps the value unless it says otherwise: states, causes and backends, each hint run.
//!
//! Rows of the table of hints that have no command yet, and are added with it: an entry that was trashed or damaged (`restore`); new
//! values after a recipient left (`rotate`).
#![allow(clippy::unwrap_used, clippy::missing_panics_doc)]

use std::fs;
use std::io::Write as _;
use std::path::PathBuf;
use std::process::{Command, Stdio};

use anyhow::{Context as _, Result, ensure};
use artifacts_tests::fleet::{Fleet, in_session};
use serde_json::{Value, json};

const MAKE: &str = "#!/bin/bash\nprintf 'made %s' \"$RANDOM$RANDOM$RANDOM\" > \"$out/f\"\n";
const A: &str = "per-machine/web1/a";

/// A backend, its configuration besides the key, and the name of the file in which it stores `f`.
type Backend = (&'static str, &'static str, &'static str);

const BACKENDS: [Backend; 3] =
    [("agenix", "", "f.age"), ("sops-nix", "binary", "f.sops"), ("sops-nix", "yaml", "secrets.sops.yaml")];

/// One cause of a state.
struct Cause {
    /// The state that it leads to; none where that depends on the backend.
    state: &'static str,
    make: fn(&mut Fleet, Backend) -> Result<()>,
}

fn entry(fleet: &Fleet) -> PathBuf {
    fleet.path().join("secrets").join(A)
}

fn stored(fleet: &Fleet, (_, _, file): Backend) -> PathBuf {
    entry(fleet).join(file)
}

const CAUSES: [(&str, Cause); 17] = [
    (
        "never generated",
        Cause { state: "absent", make: |fleet, _| Ok(fs::remove_dir_all(fleet.path().join("secrets"))?) },
    ),
    (
        "key added",
        Cause {
            state: "stale (recipients)",
            make: |fleet, (backend, ..)| {
                let second = fleet.new_key("second")?;
                fleet.of("web1")["config"][backend]["publicUserKeys"] = json!([second]);
                Ok(())
            },
        },
    ),
    (
        "edited outside",
        Cause {
            state: "stale (receipt)",
            make: |fleet, backend| {
                let file = stored(fleet, backend);
                Ok(fs::write(&file, fs::read_to_string(&file)? + "\n")?)
            },
        },
    ),
    (
        "without a receipt",
        Cause { state: "stale (receipt)", make: |fleet, _| Ok(fs::remove_file(entry(fleet).join("receipt.json"))?) },
    ),
    (
        "file declared, not stored",
        Cause {
            state: "stale (files)",
            make: |fleet, _| {
                fleet.of("web1")["artifacts"]["a"]["files"]["g"] = json!({});
                Ok(())
            },
        },
    ),
    (
        "two files declared, not stored",
        Cause {
            state: "",
            make: |fleet, _| {
                fleet.of("web1")["artifacts"]["a"]["files"] = json!({"f": {}, "g": {}, "p": {"secret": false}});
                Ok(())
            },
        },
    ),
    (
        "file declared, not stored, and a key added",
        Cause {
            state: "",
            make: |fleet, (backend, ..)| {
                let second = fleet.new_key("second")?;
                fleet.of("web1")["config"][backend]["publicUserKeys"] = json!([second]);
                fleet.of("web1")["artifacts"]["a"]["files"]["g"] = json!({});
                Ok(())
            },
        },
    ),
    (
        "file no longer declared",
        Cause {
            state: "stale (files)",
            make: |fleet, _| {
                fleet.of("web1")["artifacts"]["a"]["files"] = json!({"f": {}});
                Ok(())
            },
        },
    ),
    (
        "stray file",
        Cause {
            state: "stale (files, files)",
            make: |fleet, _| {
                fs::write(entry(fleet).join("a stray's file"), "")?;
                Ok(fs::create_dir(entry(fleet).join(".stversions"))?)
            },
        },
    ),
    (
        "validation",
        Cause {
            state: "stale (validation)",
            make: |fleet, _| {
                fleet.of("web1")["artifacts"]["a"]["validation"] = json!({"to": 2});
                Ok(())
            },
        },
    ),
    (
        "expired",
        Cause {
            state: "stale (expired)",
            make: |fleet, _| {
                fleet.of("web1")["artifacts"]["a"]["maxAge"] = json!(3600);
                let path = entry(fleet).join("receipt.json");
                let mut receipt: Value = serde_json::from_slice(&fs::read(&path)?)?;
                receipt["generated"] = json!("2020-01-01T00:00:00Z");
                Ok(fs::write(path, receipt.to_string())?)
            },
        },
    ),
    (
        "validation and a key added",
        Cause {
            state: "stale (recipients, validation)",
            make: |fleet, (backend, ..)| {
                let second = fleet.new_key("second")?;
                fleet.of("web1")["config"][backend]["publicUserKeys"] = json!([second]);
                fleet.of("web1")["artifacts"]["a"]["validation"] = json!({"to": 2});
                Ok(())
            },
        },
    ),
    (
        "another storage of the same backend",
        Cause {
            state: "stale (backend)",
            make: |fleet, (backend, ..)| {
                fleet.backend(backend, json!({"component": format!("builtin:{backend}"), "storage": "vault/it"}));
                Ok(())
            },
        },
    ),
    (
        "another backend",
        Cause {
            state: "stale (backend)",
            make: |fleet, (backend, ..)| {
                let other = if backend == "agenix" { "sops-nix" } else { "agenix" };
                let host = fleet.of("web1")["config"]["agenix"]["publicHostKey"].clone();
                fleet.configure("web1", other, json!({"publicHostKey": host}));
                fleet.of("web1")["artifacts"]["a"]["backend"] = json!(other);
                Ok(())
            },
        },
    ),
    (
        "damaged",
        Cause {
            state: "stale (format, receipt)",
            make: |fleet, backend| Ok(fs::write(stored(fleet, backend), "garbage")?),
        },
    ),
    (
        "renamed machine",
        Cause {
            state: "absent",
            make: |fleet, _| {
                fleet.of("web1")["name"] = json!("web2");
                Ok(())
            },
        },
    ),
    (
        "renamed machine and directory",
        Cause {
            state: "stale (receipt, receipt)",
            make: |fleet, _| {
                fleet.of("web1")["name"] = json!("web2");
                let machines = fleet.path().join("secrets/per-machine");
                Ok(fs::rename(machines.join("web1"), machines.join("web2"))?)
            },
        },
    ),
];

/// A machine with an artifact that has a value and an old file `old`, committed.
fn fleet((backend, format, _): Backend, cause: &str) -> Result<Fleet> {
    let fleet = Fleet::new()?;
    let old = cause == "file no longer declared";
    let script = if old { format!("{MAKE}printf old > \"$out/old\"\n") } else { MAKE.to_owned() };
    let generator = fleet.generator("make", &script)?;
    let files = if old { json!({"f": {}, "old": {}}) } else { json!({"f": {}}) };
    let artifact = json!({"backend": backend, "files": files, "generator": generator});
    let mut fleet = fleet.machine("web1", &json!({"a": artifact}))?;
    let host = fleet.of("web1")["config"]["agenix"]["publicHostKey"].clone();
    if backend == "sops-nix" {
        fleet.configure("web1", backend, json!({"publicHostKey": host, "format": format}));
    }
    git(&fleet, &["init", "--quiet"])?;
    fleet.run(["--accept-recipients", "generate"])?.ends(0);
    git(&fleet, &["add", "--all"])?;
    git(&fleet, &["-c", "user.name=a", "-c", "user.email=a@example.org", "commit", "--quiet", "-m", "made"])?;
    Ok(fleet)
}

fn git(fleet: &Fleet, words: &[&str]) -> Result<()> {
    let status = Command::new("git").current_dir(fleet.path()).args(words).status()?;
    ensure!(status.success(), "git {words:?}");
    Ok(())
}

/// The state of the one instance, and what to do about it.
fn status(fleet: &Fleet) -> Result<(String, Vec<Value>)> {
    let ran = fleet.run(["--json", "status"])?;
    let row = ran.json()["instances"][0].clone();
    let state = ran.state(row["name"].as_str().context("a name")?);
    Ok((state, row["hints"].as_array().cloned().unwrap_or_default()))
}

fn value(fleet: &Fleet) -> Result<Option<String>> {
    let key = fleet.key_file("web1");
    let ran = fleet.run(["-i", key.to_str().unwrap(), "get", "a", "f"])?;
    Ok((ran.status == Some(0)).then_some(ran.stdout))
}

/// Runs what a hint says; false where that is a change of the configuration.
fn follow(fleet: &Fleet, hint: &Value) -> Result<bool> {
    let words: Vec<String> = match (&hint["command"], hint["text"].as_str()) {
        (Value::Array(words), _) => words.iter().filter_map(|word| word.as_str().map(str::to_owned)).collect(),
        // A text may hold one command that a shell runs.
        (_, Some(text)) => match text.split('`').find(|part| part.starts_with('(') || part.starts_with("mkdir")) {
            Some(command) => ["sh", "-c", command].map(str::to_owned).to_vec(),
            None => return Ok(false),
        },
        _ => return Ok(false),
    };
    let mut command = match words.split_first() {
        Some((program, rest)) if program == "artifacts" => {
            let key = fleet.key_file("web1").to_str().unwrap().to_owned();
            let own = ["-i".to_owned(), key, "--accept-recipients".to_owned()];
            // It always asks.
            let yes = rest.first().is_some_and(|command| command == "rotate").then(|| "--yes".to_owned());
            fleet.command(own.into_iter().chain(rest.iter().cloned()).chain(yes))?
        }
        Some((program, rest)) => {
            let mut command = Command::new(program);
            command.args(rest);
            command
        }
        None => return Ok(false),
    };
    command.current_dir(fleet.path());
    let mut session = in_session(&command);
    let mut child = session.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn()?;
    // What `set` stores.
    let _ = child.stdin.take().context("standard input")?.write_all(b"typed");
    let ended = child.wait_with_output()?;
    let said = String::from_utf8_lossy(&ended.stderr).into_owned() + &String::from_utf8_lossy(&ended.stdout);
    ensure!(matches!(ended.status.code(), Some(0 | 3)), "{hint} is refused: {said}");
    Ok(true)
}

/// Runs every hint of every state of a backend.
fn every_hint_works(backend: Backend) -> Result<()> {
    for (name, cause) in &CAUSES {
        let about = format!("{name}, {backend:?}");
        let again = || -> Result<(Fleet, Option<String>)> {
            let mut fleet = fleet(backend, name)?;
            let before = value(&fleet)?;
            (cause.make)(&mut fleet, backend)?;
            Ok((fleet, before))
        };
        let (fleet, _) = again()?;
        let (state, hints) = status(&fleet)?;
        assert!(cause.state.is_empty() || state == cause.state, "{about}: {state}");
        assert!(!hints.is_empty(), "{about}: no hint");
        assert_ne!(hints[0]["effect"], "new value", "{about}: what replaces a value comes first");
        for hint in &hints {
            let (fleet, before) = again()?;
            let followed = follow(&fleet, hint).with_context(|| about.clone())?;
            if let (true, Some(after)) = (followed, value(&fleet)?) {
                let replaces = ["new value", "generate"].iter().any(|effect| hint["effect"] == *effect);
                assert_eq!(before.as_ref() != Some(&after), replaces, "{about}: {hint}");
            }
        }
        // From hint to hint it ends well, where commands are all it takes.
        let (fleet, before) = again()?;
        for step in 0.. {
            assert!(step < 6, "{about}: the hints lead nowhere");
            let (state, hints) = status(&fleet)?;
            if state == "present" {
                assert_eq!(value(&fleet)? == before, *name != "never generated", "{about}");
                break;
            }
            if !hints.first().is_some_and(|hint| follow(&fleet, hint).is_ok_and(|followed| followed)) {
                break;
            }
        }
    }
    Ok(())
}

#[test]
fn every_hint_about_agenix_works_and_keeps_the_value_unless_it_says_otherwise() -> Result<()> {
    every_hint_works(BACKENDS[0])
}

#[test]
fn every_hint_about_sops_nix_works_and_keeps_the_value_unless_it_says_otherwise() -> Result<()> {
    every_hint_works(BACKENDS[1])
}

#[test]
fn every_hint_about_a_yaml_file_works_and_keeps_the_value_unless_it_says_otherwise() -> Result<()> {
    every_hint_works(BACKENDS[2])
}

#[test]
fn what_another_program_stored_is_kept_by_what_every_command_says() -> Result<()> {
    let backend = BACKENDS[0];
    for armor in [true, false] {
        let fleet = fleet(backend, "")?;
        fs::remove_dir_all(entry(&fleet))?;
        fs::create_dir_all(entry(&fleet))?;
        let recipient = fleet.spec()["targets"][0]["config"]["agenix"]["publicHostKey"].as_str().unwrap().to_owned();
        let options: &[&str] = if armor { &["-a", "-r"] } else { &["-r"] };
        let mut age = Command::new("age");
        let mut age = age
            .args(options)
            .arg(recipient)
            .arg("-o")
            .arg(entry(&fleet).join("g.age"))
            .stdin(Stdio::piped())
            .spawn()?;
        age.stdin.take().context("standard input")?.write_all(b"theirs")?;
        ensure!(age.wait()?.success(), "age");
        for command in [&["status"][..], &["adopt", "a"], &["get", "a", "f"], &["generate", "--stale"]] {
            let ran = fleet.run(command)?.says("mv -- ");
            assert!(!format!("{ran}").contains("artifacts rotate"), "{ran}");
        }
        for _ in 0..3 {
            let (_, hints) = status(&fleet)?;
            match hints.first() {
                Some(hint) => assert!(follow(&fleet, hint)?),
                None => break,
            }
        }
        assert_eq!(status(&fleet)?.0, "present");
        assert_eq!(value(&fleet)?.as_deref(), Some("theirs"));
    }
    Ok(())
}

#[test]
fn what_the_target_makes_needs_no_hint() -> Result<()> {
    let mut fleet = fleet(BACKENDS[0], "")?;
    fs::remove_dir_all(fleet.path().join("secrets"))?;
    fleet.of("web1")["artifacts"]["a"]["backend"] = json!("dummy");
    let (state, hints) = status(&fleet)?;
    assert_eq!((state.as_str(), hints.len()), ("on-target", 0));
    Ok(())
}
