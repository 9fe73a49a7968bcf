//! Encrypting anew to whom is declared now.
#![allow(clippy::unwrap_used, clippy::missing_panics_doc)]

use std::collections::BTreeMap;
use std::fs;
use std::io::{BufRead as _, BufReader, Read as _};
use std::os::unix::fs::symlink;
use std::process::{Child, Stdio};

use anyhow::Result;
use artifacts_tests::desk::Desk;
use artifacts_tests::fleet::{Fleet, Ran};
use rustix::pipe::fcntl_setpipe_size;
use rustix::process::{Pid, Signal, kill_process};
use serde_json::{Value, json};

const MAKE: &str = "#!/bin/bash\nfor f in one two; do printf 'made %s' \"$RANDOM$RANDOM$RANDOM\" > \"$out/$f\"; done\n";

fn artifact(generator: &Value, shared: bool) -> Value {
    json!({"backend": "agenix", "shared": shared, "files": {"one": {}, "two": {}}, "generator": generator})
}

/// So many artifacts of `web1` with an admin, and one that it shares with `web2`; all made.
fn fleet(count: usize) -> Result<Fleet> {
    let fleet = Fleet::new()?;
    let make = fleet.generator("make", MAKE)?;
    let admin = fleet.new_key("admin")?;
    let own: serde_json::Map<String, Value> =
        (0..count).map(|number| (format!("a{number:03}"), artifact(&make, false))).collect();
    let mut all = Value::Object(own);
    all["shared"] = artifact(&make, true);
    let mut fleet = fleet
        .machine("web1", &all)?
        .machine("web2", &json!({"a": artifact(&make, false), "shared": artifact(&make, true)}))?;
    for machine in ["web1", "web2"] {
        fleet.of(machine)["config"]["agenix"]["publicUserKeys"] = json!([admin]);
    }
    fleet.run(["generate", "--accept-recipients", "--jobs", "4"])?.ends(0);
    Ok(fleet)
}

fn rekey(fleet: &Fleet, more: &[&str]) -> Result<artifacts_tests::fleet::Ran> {
    let key = fleet.key_file("admin");
    let mut arguments = vec!["-i", key.to_str().unwrap(), "rekey"];
    arguments.extend(more);
    fleet.run(arguments)
}

/// How many age files backends had opened, by instance, as the record tells.
fn opened_by_instance(fleet: &Fleet) -> Result<BTreeMap<String, u64>> {
    let mut opened = BTreeMap::new();
    for line in fs::read_to_string(fleet.audit_log())?.lines() {
        let host = serde_json::from_str::<Value>(line)?["observed"].take();
        let calls = host["calls"].as_array().into_iter().flatten().filter(|call| call["call"] == "age.open");
        for call in calls {
            let name = host["instances"][0].as_str().unwrap().to_owned();
            *opened.entry(name).or_default() += call["count"].as_u64().unwrap();
        }
    }
    Ok(opened)
}

/// How many instances a backend was asked about in its last call.
fn looked_at_last(fleet: &Fleet) -> Result<usize> {
    let record = fs::read_to_string(fleet.audit_log())?;
    let last: Value = serde_json::from_str(record.lines().last().unwrap())?;
    assert_eq!(last["observed"]["operation"], "check", "{last}");
    Ok(last["observed"]["instances"].as_array().unwrap().len())
}

/// Gives everything another reader, which makes it stale.
fn add_admin(fleet: &mut Fleet, name: &str) -> Result<()> {
    let key = fleet.new_key(name)?;
    for machine in ["web1", "web2"] {
        fleet.of(machine)["config"]["agenix"]["publicUserKeys"].as_array_mut().unwrap().push(json!(key));
    }
    Ok(())
}

/// Of so many instances it has not done all when it waits for a reader.
const MANY: usize = 399;

/// Encrypts anew, and does something as soon as one instance is done.
fn rekey_and_meanwhile(fleet: &Fleet, done: &str, meanwhile: impl FnOnce(&Child) -> Result<()>) -> Result<Ran> {
    let key = fleet.key_file("admin");
    let mut command = fleet.command(["-v", "--json", "-i", key.to_str().unwrap(), "rekey", "--accept-recipients"])?;
    // More than a pipe holds.
    let output = fleet.path().join("output");
    let mut child = command.stdout(fs::File::create(&output)?).stderr(Stdio::piped()).spawn()?;
    let stderr = child.stderr.take().unwrap();
    // It waits when it has told of some hundred more.
    fcntl_setpipe_size(&stderr, 4096)?;
    let (mut said, mut stderr) = (BufReader::new(stderr), String::new());
    let done = done.trim_start_matches("per-machine/");
    while !stderr.contains(&format!("re-encrypted {done} (")) {
        assert!(said.read_line(&mut stderr)? > 0, "{stderr}");
    }
    meanwhile(&child)?;
    said.read_to_string(&mut stderr)?;
    Ok(Ran { status: child.wait()?.code(), stdout: fs::read_to_string(output)?, stderr })
}

#[test]
fn only_what_has_other_readers_is_opened_and_written_and_the_secrets_stay() -> Result<()> {
    let mut fleet = fleet(3)?;
    let before = fleet.stored()?;
    let plain = fleet.decrypt("admin", "secrets/per-machine/web2/a/one.age")?;
    rekey(&fleet, &[])?.ends(0).says("5 artifacts: 5 unchanged").never_says("decrypted");
    assert_eq!(fleet.stored()?, before);
    let second = fleet.new_key("second")?;
    fleet.of("web2")["config"]["agenix"]["publicUserKeys"].as_array_mut().unwrap().push(json!(second));
    // Readers before and after are shown; nothing is written before somebody agrees.
    let ran = rekey(&fleet, &["--dry-run"])?.ends(3).says(&second).says("would re-encrypt");
    ran.never_says("web1/a000");
    let ran = rekey(&fleet, &[])?.ends(1).says("--accept-recipients").says("0 decrypted, 0 re-encrypted");
    ran.says(&second);
    assert_eq!(fleet.stored()?, before);
    // `web2`'s own, and the shared one: two of five.
    let ran = rekey(&fleet, &["--accept-recipients", "--json"])?.ends(0);
    assert_eq!((ran.json()["decrypted"].clone(), ran.json()["written"].clone()), (json!(2), json!(2)));
    let opened = [("per-machine/web2/a", 2), ("shared/shared", 2)].map(|(name, files)| (name.to_owned(), files));
    assert_eq!(opened_by_instance(&fleet)?, BTreeMap::from(opened));
    let after = fleet.stored()?;
    let changed: Vec<&String> = before.keys().filter(|name| before[*name] != after[*name]).collect();
    assert!(changed.iter().all(|name| name.starts_with("per-machine/web2/a/") || name.starts_with("shared/shared/")));
    assert_eq!(changed.len(), 6, "two files and a receipt of each: {changed:?}");
    assert_eq!(fleet.decrypt("second", "secrets/per-machine/web2/a/one.age")?, plain);
    assert_eq!(fleet.decrypt("web2", "secrets/per-machine/web2/a/one.age")?, plain);
    fleet.run(["status"])?.ends(0);
    rekey(&fleet, &["--all"])?.ends(0).says("5 decrypted, 5 re-encrypted");
    // What was written is looked at in one call, before the first of it is stored.
    assert_eq!(looked_at_last(&fleet)?, 5);
    assert_eq!(fleet.decrypt("web2", "secrets/per-machine/web2/a/one.age")?, plain);
    Ok(())
}

#[test]
fn what_cannot_be_encrypted_anew_is_not_promised_and_what_was_is_told_as_it_is() -> Result<()> {
    let mut fleet = fleet(2)?;
    let slice = fleet.path().join("secrets/per-machine/web1/a000/one.age");
    let text = fs::read_to_string(&slice)?;
    fs::write(&slice, text.replacen('A', "B", 1))?;
    let ran = rekey(&fleet, &["--all", "--dry-run"])?.ends(1).says("`one.age` was modified outside artifacts");
    ran.says("would re-encrypt 3");
    rekey(&fleet, &["--all"])?.ends(1).says("3 decrypted, 3 re-encrypted");
    fs::write(&slice, &text)?;
    // A file that is declared no more goes with the old slice, and is no reason afterwards.
    fleet.of("web1")["artifacts"]["a001"]["files"].as_object_mut().unwrap().remove("two");
    assert_eq!(fleet.run(["--json", "status"])?.ends(3).state("per-machine/web1/a001"), "stale (files)");
    let ran = rekey(&fleet, &["--all", "--json"])?.ends(0);
    assert_eq!(ran.state("per-machine/web1/a001"), "present");
    Ok(())
}

#[test]
fn whoever_is_asked_sees_the_readers_with_json_on_standard_output_too() -> Result<()> {
    let mut fleet = fleet(0)?;
    let second = fleet.new_key("second")?;
    fleet.of("web2")["config"]["agenix"]["publicUserKeys"].as_array_mut().unwrap().push(json!(second));
    let key = fleet.key_file("admin");
    let mut desk = Desk::start(&fleet.command(["-i", key.to_str().unwrap(), "--json", "rekey"])?)?;
    desk.sees(&second)?.sees("Encrypt to these recipients?")?.types("n\n")?;
    assert_eq!(desk.ends()?.0, Some(1));
    Ok(())
}

#[test]
fn readers_are_shown_once() -> Result<()> {
    let mut fleet = fleet(1)?;
    let second = fleet.new_key("second")?;
    for machine in ["web1", "web2"] {
        fleet.of(machine)["config"]["agenix"]["publicUserKeys"].as_array_mut().unwrap().push(json!(second));
    }
    // Of one of them it was agreed to already.
    let wrong = fleet.key_file("second");
    fleet.run(["-i", wrong.to_str().unwrap(), "--accept-recipients", "rekey", "per-machine/web2/a"])?.ends(1);
    let ran = rekey(&fleet, &["--accept-recipients"])?.ends(0);
    assert_eq!((ran.stderr.matches(&second).count(), ran.stdout.matches(&second).count()), (1, 0), "{ran}");
    Ok(())
}

#[test]
fn a_machine_joins_a_shared_artifact_and_another_leaves_it() -> Result<()> {
    let mut fleet = fleet(0)?;
    let shared = "secrets/shared/shared/two.age";
    let plain = fleet.decrypt("web2", shared)?;
    let web2 = fleet.of("web2")["config"]["agenix"]["publicHostKey"].as_str().unwrap().to_owned();
    fleet.of("web2")["artifacts"].as_object_mut().unwrap().remove("shared");
    let declared = fleet.of("web1")["artifacts"]["shared"].clone();
    let mut fleet = fleet.machine("web3", &json!({"shared": declared}))?;
    let admins = fleet.of("web1")["config"]["agenix"]["publicUserKeys"].clone();
    fleet.of("web3")["config"]["agenix"]["publicUserKeys"] = admins;
    let web3 = fleet.of("web3")["config"]["agenix"]["publicHostKey"].as_str().unwrap().to_owned();
    assert_eq!(fleet.run(["--json", "status"])?.ends(3).state("shared/shared"), "stale (recipients)");
    rekey(&fleet, &["--accept-recipients"])?.ends(0).says(&web2).says(&web3);
    assert_eq!(fleet.decrypt("web3", shared)?, plain);
    assert_eq!(fleet.decrypt("web1", shared)?, plain);
    let refused = fleet.decrypt("web2", shared).unwrap_err().to_string();
    assert!(refused.contains("no identity matched"), "{refused}");
    Ok(())
}

#[test]
fn what_cannot_be_opened_is_named_and_stops_no_other() -> Result<()> {
    let mut fleet = fleet(3)?;
    let slice = fleet.path().join("secrets/per-machine/web1/a001/one.age");
    let text = fs::read_to_string(&slice)?;
    let admin2 = fleet.new_key("admin2")?;
    for machine in ["web1", "web2"] {
        fleet.of(machine)["config"]["agenix"]["publicUserKeys"].as_array_mut().unwrap().push(json!(admin2));
    }
    // Of a slice that was tampered with nothing is opened, and a key that opens some instances does those.
    fs::write(&slice, text.replacen('A', "B", 1))?;
    let ran = rekey(&fleet, &["--accept-recipients"])?.ends(1).says("`one.age` was modified outside artifacts");
    ran.says("4 decrypted, 4 re-encrypted");
    fs::write(&slice, &text)?;
    let wrong = fleet.new_key("wrong")?;
    fleet.of("web1")["config"]["agenix"]["publicUserKeys"].as_array_mut().unwrap().push(json!(wrong));
    let before = fleet.stored()?;
    let key = fleet.key_file("web2");
    let ran = fleet.run(["-i", key.to_str().unwrap(), "rekey", "--accept-recipients"])?.ends(1);
    ran.says("no identity can decrypt it").says("1 decrypted, 1 re-encrypted");
    let after = fleet.stored()?;
    assert!(before.iter().all(|(name, bytes)| after[name] == *bytes || name.starts_with("shared/")));
    fleet.run(["-i", "/nowhere", "rekey"])?.ends(1).says("/nowhere").says("cannot read");
    fleet.run(["rekey"])?.ends(1).says("-i");
    rekey(&fleet, &[])?.ends(0).says("3 decrypted, 3 re-encrypted");
    Ok(())
}

#[test]
fn one_that_is_ended_half_way_is_finished_by_the_next() -> Result<()> {
    let mut fleet = fleet(99)?;
    let second = fleet.new_key("second")?;
    for machine in ["web1", "web2"] {
        fleet.of(machine)["config"]["agenix"]["publicUserKeys"].as_array_mut().unwrap().push(json!(second));
    }
    let plain = fleet.decrypt("admin", "secrets/per-machine/web1/a098/one.age")?;
    let stale = |fleet: &Fleet| -> Result<usize> {
        let json = fleet.run(["--json", "status"])?.json();
        let rows = json["instances"].as_array().cloned().unwrap_or_default();
        assert!(rows.iter().all(|row| row["state"] == "present" || row["state"] == "stale"), "{rows:?}");
        Ok(rows.iter().filter(|row| row["state"] == "stale").count())
    };
    assert_eq!(stale(&fleet)?, 101);
    // Killed at some step after the first ones were stored at once; each instance is as it was or as it shall be.
    let ran = rekey(&fleet, &["--accept-recipients", "--crash-at", "1300"])?;
    assert_eq!(ran.status, None, "{ran}");
    let left = stale(&fleet)?;
    assert!(left > 0 && left < 101, "{left} are left");
    // What was agreed to is remembered.
    let ran = rekey(&fleet, &["--json"])?.ends(0);
    assert_eq!((ran.json()["decrypted"].clone(), ran.json()["written"].clone()), (json!(left), json!(left)));
    assert_eq!(stale(&fleet)?, 0);
    assert_eq!(fleet.decrypt("second", "secrets/per-machine/web1/a098/one.age")?, plain);
    Ok(())
}

#[test]
fn one_that_is_interrupted_tells_once_how_many_are_left_and_the_next_does_those() -> Result<()> {
    let mut fleet = fleet(MANY)?;
    add_admin(&mut fleet, "second")?;
    let ran = rekey_and_meanwhile(&fleet, "per-machine/web1/a000", |child| {
        Ok(kill_process(Pid::from_child(child), Signal::INT)?)
    })?;
    let json = ran.ends(1).json();
    let left = MANY as u64 + 2 - json["written"].as_u64().unwrap();
    let errors = json["errors"].as_array().unwrap();
    assert_eq!(errors.len(), 1, "{errors:#?}");
    let message = errors[0]["message"].as_str().unwrap();
    // Which they are is told, as far as anybody reads; those are the last ones.
    let first =
        format!("interrupted; {left} artifacts not processed: per-machine/web1/a{:03}, ", MANY as u64 - (left - 2));
    assert!(message.starts_with(&first), "{message}");
    assert!(message.ends_with(&format!(" and {} more", left - 10)), "{message}");
    rekey(&fleet, &[])?.ends(0).says(&format!("{left} decrypted, {left} re-encrypted"));
    fleet.run(["status"])?.ends(0);
    Ok(())
}

#[test]
fn one_that_can_be_told_no_more_afterwards_is_a_failure() -> Result<()> {
    let mut fleet = fleet(MANY)?;
    add_admin(&mut fleet, "second")?;
    // It is stale for another reason as well, and so looked at again at the end.
    fleet.of("web1")["artifacts"]["a000"]["validation"] = json!("other");
    let link = fleet.path().join("secrets/per-machine/web1/a000/one.age");
    let ran = rekey_and_meanwhile(&fleet, "per-machine/web1/a000", |_| {
        fs::remove_file(&link)?;
        Ok(symlink("nowhere", &link)?)
    })?
    .ends(1);
    assert_eq!(ran.state("per-machine/web1/a000"), "error");
    assert_eq!(ran.json()["errors"][0]["subject"], "per-machine/web1/a000", "{ran}");
    Ok(())
}

#[test]
fn two_at_once_do_not_meet() -> Result<()> {
    let mut fleet = fleet(30)?;
    let second = fleet.new_key("second")?;
    fleet.of("web1")["config"]["agenix"]["publicUserKeys"].as_array_mut().unwrap().push(json!(second));
    let key = fleet.key_file("admin");
    let arguments = ["-i", key.to_str().unwrap(), "rekey", "--accept-recipients"];
    let mut commands = [fleet.command(arguments)?, fleet.command(arguments)?];
    let children: Vec<_> = commands
        .iter_mut()
        .map(|command| command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn())
        .collect::<Result<_, _>>()?;
    for child in children {
        let ran: artifacts_tests::fleet::Ran = child.wait_with_output()?.into();
        assert!(ran.status == Some(0) || ran.stderr.contains("another run"), "{ran}");
    }
    rekey(&fleet, &[])?.ends(0);
    fleet.run(["status"])?.ends(0);
    assert!(fleet.decrypt("second", "secrets/per-machine/web1/a029/two.age")?.starts_with(b"made "));
    Ok(())
}

#[test]
fn a_storage_that_cannot_be_written_loses_nothing() -> Result<()> {
    let mut fleet = fleet(1)?;
    let second = fleet.new_key("second")?;
    fleet.of("web1")["config"]["agenix"]["publicUserKeys"].as_array_mut().unwrap().push(json!(second));
    let before = fleet.stored()?;
    // Root writes to read-only directories, but not into a file.
    fs::remove_dir_all(fleet.path().join("secrets/.artifacts"))?;
    fs::write(fleet.path().join("secrets/.artifacts"), "")?;
    rekey(&fleet, &["--accept-recipients"])?.ends(1).says("secrets/.artifacts");
    fs::remove_file(fleet.path().join("secrets/.artifacts"))?;
    assert_eq!(fleet.stored()?, before);
    Ok(())
}
