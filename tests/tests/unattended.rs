//! Every command without anybody: it ends, its status tells, its JSON is JSON, and nothing is painted.
#![allow(clippy::unwrap_used, clippy::missing_panics_doc)]

use std::fs;
use std::process::Command;
use std::time::{Duration, Instant};

use anyhow::Result;
use artifacts_tests::fleet::{Fleet, Ran, guest, in_session};
use artifacts_tests::script;
use serde_json::{Value, json};

/// One machine: `asks` wants an answer, `made` wants none.
fn fleet() -> Result<Fleet> {
    let fleet = Fleet::new()?;
    let admin = fleet.new_key("admin")?;
    let asks = fleet.generator("asks", "#!/bin/bash\ncp $prompts/word $out/secret\n")?;
    let make = fleet.generator("make", "#!/bin/bash\necho made > $out/secret\n")?;
    let artifact = |generator: &Value| json!({"backend": "agenix", "files": {"secret": {}}, "generator": generator});
    let mut asking = artifact(&asks);
    asking["prompts"] = json!({"word": {}});
    let mut fleet = fleet.machine("web1", &json!({"asks": asking, "made": artifact(&make)}))?;
    fleet.of("web1")["config"]["agenix"]["publicUserKeys"] = json!([admin]);
    Ok(fleet)
}

/// Without a terminal or anything to read, and not for ever.
fn run(fleet: &Fleet, arguments: &[&str]) -> Result<Ran> {
    let key = fleet.key_file("admin");
    let mut all = vec!["-i", key.to_str().unwrap()];
    all.extend(arguments);
    let mut command: Command = in_session(&fleet.command(all)?);
    command.env_remove("VISUAL").env_remove("EDITOR").env_remove("CLICOLOR_FORCE");
    ended(fleet, command)
}

/// What came of a command, which has two minutes.
fn ended(fleet: &Fleet, mut command: Command) -> Result<Ran> {
    let output = fleet.path().join("output");
    let errors = fleet.path().join("errors");
    let mut child = command.stdout(fs::File::create(&output)?).stderr(fs::File::create(&errors)?).spawn()?;
    let start = Instant::now();
    let status = loop {
        if let Some(status) = child.try_wait()? {
            break status;
        }
        if start.elapsed() > Duration::from_mins(2) {
            child.kill()?;
            panic!("{command:?} never ends");
        }
        std::thread::sleep(Duration::from_millis(10));
    };
    Ok(Ran { status: status.code(), stdout: fs::read_to_string(output)?, stderr: fs::read_to_string(errors)? })
}

#[test]
fn words_that_nobody_takes_are_a_failure_unless_the_reader_left() -> Result<()> {
    let fleet = fleet()?;
    fleet.run(["generate", "--accept-recipients", "made"])?.ends(0);
    let key = fleet.key_file("admin");
    let get = ["-i", key.to_str().unwrap(), "get", "made", "secret"];
    let commands = [&["status"][..], &["--json", "status"], &["schema"], &["completions", "fish"], &["man"], &get];
    for arguments in commands {
        let mut command = in_session(&fleet.command(arguments)?);
        let full = command.stdout(fs::File::options().write(true).open("/dev/full")?).output()?;
        let full = Ran::from(full).ends(1);
        assert!(full.stderr.contains("standard output"), "{arguments:?}: {full}");
        assert!(!full.stderr.contains("hint:"), "{arguments:?}: {full}");
        let (reader, writer) = std::io::pipe()?;
        drop(reader);
        let left: Ran = command.stdout(writer).output()?.into();
        assert!(left.stderr.is_empty(), "{arguments:?}: {left}");
        assert_eq!(left.status, Some(if arguments.contains(&"status") { 3 } else { 0 }), "{left}");
    }
    let mut adopt = in_session(&fleet.command(["adopt"])?);
    let full = Ran::from(adopt.stdout(fs::File::options().write(true).open("/dev/full")?).output()?).ends(1);
    full.says("the changes are stored; `artifacts status` shows them");
    Ok(())
}

#[test]
fn an_editor_without_a_terminal_has_nothing_to_read_and_nowhere_to_draw() -> Result<()> {
    let fleet = fleet()?;
    fleet.run(["generate", "--accept-recipients", "made"])?.ends(0);
    let editor = fleet.path().join("editor");
    let key = fleet.key_file("admin");
    let edit = |more: &[&str], script: &str| -> Result<Ran> {
        script::write(&editor, format!("#!/bin/bash\n{script}\n"))?;
        let all = more.iter().copied().chain(["-i", key.to_str().unwrap(), "edit", "made", "secret"]);
        let mut command = in_session(&fleet.command(all)?);
        // Somebody holds the other end, and never says anything.
        let (reader, _writer) = std::io::pipe()?;
        command.env_remove("VISUAL").env("EDITOR", format!("'{}'", editor.display())).stdin(reader);
        ended(&fleet, command)
    };
    edit(&[], "cat \"$1\"; cat; echo words >&2")?.ends(0).says("no changes").says("words").never_says("made\n");
    edit(&[], "echo edited > \"$1\"")?.ends(0).says("set web1/made");
    assert_eq!(fleet.decrypt("web1", "secrets/per-machine/web1/made/secret.age")?, b"edited\n");
    // Where nothing is to be asked, nobody edits either.
    edit(&["--no-input"], "echo again > \"$1\"")?.ends(1).says("--no-input").says("artifacts set INSTANCE FILE");
    assert_eq!(fleet.decrypt("web1", "secrets/per-machine/web1/made/secret.age")?, b"edited\n");
    Ok(())
}

#[test]
fn what_nobody_answers_for_stops_no_other() -> Result<()> {
    let mut fleet = fleet()?;
    let asking = fleet.of("web1")["artifacts"]["asks"].clone();
    for name in ["also", "asks"] {
        fleet.of("web1")["artifacts"][name] = asking.clone();
    }
    fleet.of("web1")["artifacts"]["after"] = fleet.of("web1")["artifacts"]["made"].clone();
    fleet.of("web1")["artifacts"]["after"]["dependencies"] = json!(["asks"]);
    let accepted = ["--accept-reading", "--accept-recipients"];
    let ran = run(&fleet, &[&["--json", "generate", "--no-input"], &accepted[..]].concat())?.ends(1);
    assert_eq!(ran.state("per-machine/web1/made"), "present");
    assert_eq!(ran.state("per-machine/web1/asks"), "absent");
    let errors = ran.json()["errors"].as_array().cloned().unwrap_or_default();
    let of = |name: &str| errors.iter().find(|error| error["subject"] == format!("per-machine/web1/{name}")).unwrap();
    assert_eq!(errors.len(), 3, "{ran}");
    assert_eq!(of("after")["message"], "skipped: its dependency per-machine/web1/asks failed");
    for name in ["also", "asks"] {
        assert_eq!(of(name)["message"], "no answer for prompt `word`, and no terminal is available");
    }
    // What is to be filled in is told once, for all.
    assert_eq!(ran.stdout.matches("# word = ").count(), 2, "{ran}");
    let both = |error: &&Value| {
        ["also", "asks"].iter().all(|name| error["hint"].to_string().contains(&format!("web1/{name}\\\"]")))
    };
    assert_eq!(errors.iter().filter(both).count(), 1, "{ran}");
    // Whom it would be encrypted to is shown before.
    let second = fleet.new_key("second")?;
    fleet.of("web1")["config"]["agenix"]["publicUserKeys"].as_array_mut().unwrap().push(json!(second));
    let ran = run(&fleet, &["generate"])?.ends(1).says(&second).says("--accept-recipients");
    ran.never_says("no terminal is available");
    run(&fleet, &["generate", "--accept-recipients"])?.ends(1).says("no terminal is available");
    Ok(())
}

#[test]
fn every_command_ends_by_itself_and_tells_by_its_status() -> Result<()> {
    let mut fleet = fleet()?;
    let answers = fleet.path().join("answers.toml");
    fs::write(&answers, "[\"per-machine/web1/asks\"]\nword = \"xyzzy\"\n")?;
    let answers = answers.to_str().unwrap().to_owned();
    let dir = tempfile::tempdir_in("/dev/shm")?;
    let place = dir.path().join("new").display().to_string();
    let [bytes, farm] = ["bytes", "links"].map(|name| dir.path().join(name).display().to_string());
    let component = guest("hostile")?.display().to_string();
    let [manifest, annotated] = ["manifest.json", "annotated.wasm"].map(|name| fleet.path().join(name));
    fs::write(
        &manifest,
        r#"{"schema": 1, "name": "named", "version": "1.0.0", "description": "one", "persists": "storage", "scopes": ["machine"]}"#,
    )?;
    let [manifest, annotated] = [manifest, annotated].map(|path| path.display().to_string());
    // What is run, how it ends, and what it says then. The order matters.
    let cases: &[(&[&str], i32, &str)] = &[
        (&["status"], 3, "absent"),
        (&["generate", "--dry-run"], 3, "would generate"),
        (&["generate", "asks"], 1, "--accept-recipients"),
        (&["generate", "--accept-recipients", "asks"], 1, "no terminal is available"),
        (&["generate", "--no-input"], 1, "--answers"),
        (&["generate", "--answers", &answers], 0, "1 generated, 1 unchanged"),
        (&["status"], 0, "2 present"),
        (&["get", "asks", "secret"], 0, ""),
        (&["set", "made", "secret"], 1, "standard input is empty"),
        (&["set", "--dry-run", "made", "secret"], 0, "would set"),
        (&["edit", "made", "secret"], 1, "no terminal, and $EDITOR is not set"),
        (&["edit", "--dry-run", "made", "secret"], 0, "would set"),
        (&["rekey"], 0, "2 unchanged"),
        (&["rekey", "--all"], 0, "2 decrypted, 2 re-encrypted"),
        (&["adopt"], 0, ""),
        (&["prune"], 0, "no entry is orphaned"),
        (&["graph"], 0, "digraph"),
        (&["provision", "web1", &place], 1, "nothing to provision"),
        (&["audit"], 0, ""),
        (&["backend", "list"], 0, "agenix"),
        (&["backend", "explain", "agenix"], 0, ""),
        (&["backend", "inspect", &component], 0, "hostile"),
        (
            &["backend", "annotate", &component, "--manifest", &manifest, "--output", &annotated],
            0,
            "wrote the manifest of",
        ),
        (&["sops-config"], 0, ""),
        (&["activate", "--bytes", &bytes, "--links", &farm], 0, ""),
        (&["schema"], 0, "properties"),
        (&["completions", "bash"], 0, "complete"),
        (&["man"], 0, "rekey"),
        (&["status", "nothing"], 1, "no artifact matches"),
        (&["nonsense"], 2, ""),
        (&["rekey", "--nonsense"], 2, ""),
    ];
    for (arguments, status, words) in cases {
        let plain = run(&fleet, arguments)?.ends(*status).says(words).never_says("\u{1b}[");
        assert!(!plain.stderr.contains("xyzzy"), "{plain}");
    }
    for (arguments, status, _) in cases[5..].iter().filter(|(_, status, _)| *status != 2) {
        let mut with = vec!["--json"];
        with.extend(*arguments);
        let ran = run(&fleet, &with)?;
        assert_eq!(ran.status, Some(*status), "{arguments:?}: {ran}");
        let lines: Vec<Value> = ran.stdout.lines().filter_map(|line| serde_json::from_str(line).ok()).collect();
        // Texts in a language of their own are what they are.
        if !["schema", "completions", "man"].contains(&arguments[0]) {
            assert_eq!(lines.len(), 1, "{arguments:?}: {ran}");
            assert_eq!(lines[0]["schema"], 1, "{arguments:?}: {ran}");
            assert_eq!(lines[0]["errors"].as_array().unwrap().is_empty(), *status != 1, "{arguments:?}: {ran}");
        }
    }
    // A question that only a person may answer is an error that names the way around it.
    let second = fleet.new_key("second")?;
    fleet.of("web1")["config"]["agenix"]["publicUserKeys"].as_array_mut().unwrap().push(json!(second));
    for command in [&["rekey"][..], &["rotate", "--yes", "made"], &["edit", "made", "secret"]] {
        let ran = run(&fleet, command)?;
        assert_eq!(ran.status, Some(1), "{ran}");
        assert!(ran.stderr.contains("--accept-recipients") || command[0] == "edit", "{ran}");
    }
    fleet.of("web1")["artifacts"].as_object_mut().unwrap().remove("made");
    run(&fleet, &["prune"])?.ends(1).says("--yes");
    run(&fleet, &["prune", "--yes"])?.ends(0).says("trashed web1/made");
    Ok(())
}
