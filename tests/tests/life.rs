//! The life of a secret: who reads it, what it is made from, and how it goes.
#![allow(clippy::unwrap_used, clippy::missing_panics_doc)]

use std::fs;
use std::io::Write as _;
use std::process::{Command, Stdio};

use anyhow::Result;
use artifacts_tests::desk::Desk;
use artifacts_tests::fleet::{Fleet, Ran, program};
use serde_json::{Value, json};

const MAKE: &str = "#!/bin/bash\nprintf 'made %s' \"$RANDOM$RANDOM$RANDOM\" > \"$out/secret\"\n";

fn artifact(generator: &Value) -> Value {
    json!({"backend": "agenix", "files": {"secret": {}}, "generator": generator})
}

fn with(mut artifact: Value, more: &Value) -> Value {
    for (key, value) in more.as_object().unwrap() {
        artifact[key] = value.clone();
    }
    artifact
}

/// One machine with one artifact `a`, made.
fn one() -> Result<Fleet> {
    let fleet = Fleet::new()?;
    let generator = fleet.generator("make", MAKE)?;
    let fleet = fleet.machine("web1", &json!({"a": artifact(&generator)}))?;
    fleet.run(["generate", "--accept-recipients"])?.ends(0);
    Ok(fleet)
}

fn add_admin(fleet: &mut Fleet, name: &str) -> Result<String> {
    let admin = fleet.new_key(name)?;
    let keys = &mut fleet.of("web1")["config"]["agenix"]["publicUserKeys"];
    let mut all = keys.as_array().cloned().unwrap_or_default();
    all.push(json!(admin));
    *keys = json!(all);
    Ok(admin)
}

#[test]
fn a_new_reader_is_shown_and_nothing_is_sealed_to_it_before_somebody_agrees() -> Result<()> {
    let mut fleet = one()?;
    let host = fleet.of("web1")["config"]["agenix"]["publicHostKey"].as_str().unwrap().to_owned();
    let evil = add_admin(&mut fleet, "evil")?;
    let before = fleet.stored()?;
    let ran = fleet.run(["generate", "--regenerate", "--yes"])?.ends(1).says("--accept-recipients");
    let ran = ran.says(&evil).says("joins 1");
    assert!(!ran.stderr.contains(&host), "who does not change is not shown: {ran}");
    assert_eq!(fleet.stored()?, before);
    // A dry run shows it, changes nothing and agrees to nothing.
    fleet.run(["generate", "--regenerate", "--dry-run"])?.ends(3).says(&evil);
    fleet.run(["generate", "--regenerate", "--yes"])?.ends(1);
    fleet.run(["generate", "--regenerate", "--yes", "--accept-recipients"])?.ends(0);
    assert!(fleet.decrypt("evil", "secrets/per-machine/web1/a/secret.age")?.starts_with(b"made "));
    // What was agreed to once is not asked about again.
    fleet.run(["generate", "--regenerate", "--yes"])?.ends(0).never_says("Recipients change");
    Ok(())
}

#[test]
fn a_reader_slipped_in_with_a_rewritten_receipt_shows_all_the_same() -> Result<()> {
    let mut fleet = one()?;
    let evil = add_admin(&mut fleet, "evil")?;
    let path = fleet.path().join("secrets/per-machine/web1/a/receipt.json");
    let mut receipt: Value = serde_json::from_str(&fs::read_to_string(&path)?)?;
    receipt["recipients"]["secret"].as_array_mut().unwrap().push(json!(evil));
    let readers = receipt["recipients"]["secret"].as_array_mut().unwrap();
    readers.sort_by_key(ToString::to_string);
    fs::write(&path, serde_json::to_vec_pretty(&receipt)?)?;
    assert_eq!(fleet.run(["--json", "status"])?.state("per-machine/web1/a"), "present");
    fleet.run(["generate", "--regenerate", "--yes"])?.ends(1).says("--accept-recipients").says(&evil);
    Ok(())
}

#[test]
fn a_new_artifact_of_a_known_machine_gets_no_reader_that_is_not_known() -> Result<()> {
    let mut fleet = one()?;
    let b = fleet.of("web1")["artifacts"]["a"].clone();
    fleet.of("web1")["artifacts"]["b"] = b;
    fleet.run(["generate"])?.ends(0).never_says("Recipients change");
    let evil = add_admin(&mut fleet, "evil")?;
    let c = fleet.of("web1")["artifacts"]["a"].clone();
    fleet.of("web1")["artifacts"]["c"] = c;
    fleet.run(["generate", "c"])?.ends(1).says("--accept-recipients").says(&evil);
    assert!(!fleet.path().join("secrets/per-machine/web1/c").exists());
    Ok(())
}

#[test]
fn a_reader_who_leaves_and_a_file_that_is_deployed_now_are_changes_too() -> Result<()> {
    let mut fleet = Fleet::new()?;
    let generator = fleet.generator("make", MAKE)?;
    fleet = fleet
        .machine("web1", &json!({"a": with(artifact(&generator), &json!({"files": {"secret": {"deploy": false}}}))}))?;
    let admin = add_admin(&mut fleet, "admin")?;
    fleet.run(["generate", "--accept-recipients"])?.ends(0);
    fleet.of("web1")["artifacts"]["a"]["files"]["secret"]["deploy"] = json!(true);
    fleet.run(["generate", "--regenerate", "--yes"])?.ends(1).says("joins 1");
    fleet.of("web1")["artifacts"]["a"]["files"]["secret"]["deploy"] = json!(false);
    add_admin(&mut fleet, "second")?;
    fleet.of("web1")["config"]["agenix"]["publicUserKeys"].as_array_mut().unwrap().remove(0);
    fleet.run(["generate", "--regenerate", "--yes"])?.ends(1).says("leaves 1").says(&admin);
    Ok(())
}

#[test]
fn a_memory_that_others_can_write_or_that_is_damaged_seals_nothing() -> Result<()> {
    use std::os::unix::fs::PermissionsExt as _;
    let fleet = one()?;
    let before = fleet.stored()?;
    let dir = fleet.accepted_recipients();
    fs::set_permissions(&dir, fs::Permissions::from_mode(0o777))?;
    fleet.run(["generate", "--regenerate", "--yes", "--accept-recipients"])?.ends(1).says("can be written by others");
    fs::set_permissions(&dir, fs::Permissions::from_mode(0o700))?;
    for entry in fs::read_dir(&dir)? {
        fs::write(entry?.path(), "[]")?;
    }
    fleet.run(["generate", "--regenerate", "--yes", "--accept-recipients"])?.ends(1).says("is damaged");
    assert_eq!(fleet.stored()?, before);
    Ok(())
}

/// `leaf` of two machines is made from the shared `ca`, `bundle` from `leaf`.
fn chain() -> Result<Fleet> {
    let fleet = Fleet::new()?;
    let make = fleet.generator("make", MAKE)?;
    let from = |fleet: &Fleet, name: &str| {
        fleet.generator(
            &format!("from-{name}"),
            &format!("#!/bin/bash\n(cat $in/{name}/secret; echo \" and $RANDOM\") > $out/secret\n"),
        )
    };
    let ca = with(artifact(&make), &json!({"shared": true}));
    let leaf = with(artifact(&from(&fleet, "ca")?), &json!({"dependencies": ["ca"]}));
    let bundle = with(artifact(&from(&fleet, "leaf")?), &json!({"dependencies": ["leaf"]}));
    fleet
        .machine("web1", &json!({"ca": ca, "leaf": leaf, "bundle": bundle}))?
        .machine("web2", &json!({"ca": ca, "leaf": leaf}))
}

#[test]
fn what_was_made_from_something_that_is_made_again_is_stale_in_this_run_and_the_next() -> Result<()> {
    let fleet = chain()?;
    fleet.run(["generate", "--accept-recipients"])?.ends(0);
    let ran = fleet.run(["--json", "--accept-reading", "rotate", "--yes", "per-machine/web1/leaf", "shared/ca"])?;
    let ran = ran.ends(0);
    assert_eq!(ran.state("per-machine/web1/leaf"), "present");
    let ran = fleet.run(["--json", "status"])?.ends(3);
    assert_eq!(ran.state("per-machine/web1/leaf"), "present");
    assert_eq!(ran.state("per-machine/web1/bundle"), "stale (dependency)");
    assert_eq!(ran.state("per-machine/web2/leaf"), "stale (dependency)");
    ran.says("web1/leaf was regenerated");
    Ok(())
}

#[test]
fn a_run_tells_what_it_made_stale() -> Result<()> {
    let fleet = chain()?;
    fleet.run(["generate", "--accept-recipients"])?.ends(0);
    fs::remove_dir_all(fleet.path().join("secrets/shared/ca"))?;
    let ran = fleet.run(["--json", "generate"])?.ends(3);
    assert_eq!(ran.state("shared/ca"), "present");
    assert_eq!(ran.state("per-machine/web1/leaf"), "stale (dependency)");
    Ok(())
}

#[test]
fn stale_ones_are_made_again_in_order_down_the_chain() -> Result<()> {
    let fleet = chain()?;
    fleet.run(["generate", "--accept-recipients"])?.ends(0);
    fs::remove_dir_all(fleet.path().join("secrets/shared/ca"))?;
    let dry = fleet.run(["generate", "--stale", "--dry-run"])?.ends(3);
    assert_eq!(dry.stdout.matches("would regenerate  ").count(), 3, "{dry}");
    let ran = fleet.run(["-v", "generate", "--stale", "--yes", "--accept-reading"])?.ends(0);
    let at = |text: &str| ran.stderr.find(text).unwrap_or_else(|| panic!("no {text} in {ran}"));
    assert!(at("generated shared/ca") < at("generated web1/leaf"));
    assert!(at("generated web1/leaf") < at("generated web1/bundle"));
    fleet.run(["status"])?.ends(0);
    let ca = fleet.decrypt("web1", "secrets/shared/ca/secret.age")?;
    let bundle = fleet.decrypt("web1", "secrets/per-machine/web1/bundle/secret.age")?;
    assert!(bundle.starts_with(&ca), "what this run made went into what depends on it");
    Ok(())
}

#[test]
fn a_dependency_that_was_not_there_then_makes_stale_and_a_cycle_is_shown() -> Result<()> {
    let mut fleet = one()?;
    let b = fleet.of("web1")["artifacts"]["a"].clone();
    fleet.of("web1")["artifacts"]["b"] = b;
    fleet.run(["generate"])?.ends(0);
    fleet.of("web1")["artifacts"]["a"]["dependencies"] = json!(["b"]);
    let ran = fleet.run(["--json", "status"])?.ends(3);
    assert_eq!(ran.state("per-machine/web1/a"), "stale (dependency)");
    ran.says("generated without its dependency per-machine/web1/b");
    fleet.of("web1")["artifacts"]["b"]["dependencies"] = json!(["a"]);
    let before = fleet.stored()?;
    for command in ["status", "generate", "graph"] {
        fleet.run([command])?.ends(1).says("web1/a -> web1/b -> web1/a");
    }
    assert_eq!(fleet.stored()?, before);
    Ok(())
}

#[test]
fn a_dependency_that_is_replaced_while_something_is_made_from_it_is_noticed() -> Result<()> {
    let fleet = Fleet::new()?;
    let pair = fleet.generator("pair", "#!/bin/bash\necho shown > $out/pub\n")?;
    // It waits for a word, so that the other file changes while it runs and at no other time.
    let listener = std::net::TcpListener::bind("127.0.0.1:0")?;
    let port = listener.local_addr()?.port();
    let script = format!("#!/bin/bash\nexec 3<>/dev/tcp/127.0.0.1/{port}\nread -u 3\ncat $in/pair/pub > $out/secret\n");
    let waits = fleet.generator("waits", &script)?;
    let pair = json!({"backend": "agenix", "shared": true, "files": {"pub": {"secret": false}}, "generator": pair});
    let waits = with(artifact(&waits), &json!({"dependencies": ["pair"], "network": true}));
    let fleet = fleet.machine("web1", &json!({"pair": pair, "a": waits}))?;
    let mut command = fleet.command(["generate", "--accept-recipients"])?;
    let child = command.stderr(Stdio::piped()).stdout(Stdio::piped()).spawn()?;
    let (mut waiting, _) = listener.accept()?;
    fs::write(fleet.path().join("secrets/shared/pair/public/pub"), "another\n")?;
    waiting.write_all(b"go\n")?;
    let ran: Ran = child.wait_with_output()?.into();
    ran.ends(1).says("its dependency shared/pair changed during this run");
    assert!(!fleet.path().join("secrets/per-machine/web1/a").exists());
    Ok(())
}

#[test]
fn changes_of_public_files_are_shown_line_by_line() -> Result<()> {
    let mut fleet = Fleet::new()?;
    let first = fleet.generator("pair", "#!/bin/bash\necho hidden > $out/key\nprintf 'same\\nold\\n' > $out/pub\n")?;
    let pair = json!({"backend": "agenix", "files": {"key": {}, "pub": {"secret": false}}, "generator": first});
    fleet = fleet.machine("web1", &json!({"pair": pair}))?;
    fleet.run(["generate", "--accept-recipients"])?.ends(0).never_says("+ old");
    fleet.generator("pair", "#!/bin/bash\necho hidden > $out/key\nprintf 'same\\nnew\\n' > $out/pub\n")?;
    fleet
        .run(["generate", "--regenerate", "--yes"])?
        .ends(0)
        .says("- old")
        .says("+ new")
        .never_says("hidden")
        .never_says("same");
    Ok(())
}

#[test]
fn a_dry_run_tells_files_readers_and_sizes_and_no_secret() -> Result<()> {
    let fleet = one()?;
    let before = fleet.stored()?;
    let ran = fleet.run(["generate", "--regenerate", "--dry-run"])?.ends(0).never_says("made 1");
    ran.says("would regenerate web1/a").says("secret: 1 recipient").says("replaces 1 file (");
    assert_eq!(fleet.stored()?, before);
    Ok(())
}

#[test]
fn what_nobody_owns_goes_to_the_trash_after_a_yes_and_nothing_else() -> Result<()> {
    let mut fleet = one()?;
    let generator = fleet.generator("make", MAKE)?;
    let pair = fleet.generator("pair", "#!/bin/bash\necho shown > $out/pub\n")?;
    fleet.of("web1")["artifacts"]["pair"] =
        json!({"backend": "agenix", "files": {"pub": {"secret": false}}, "generator": pair});
    let mut fleet = fleet.machine("old", &json!({"a": artifact(&generator), "b": artifact(&generator)}))?;
    fleet.run(["generate", "--accept-recipients"])?.ends(0);
    fleet.run(["prune"])?.ends(0).says("no entry is orphaned");
    let artifacts = fleet.of("old")["artifacts"].take();
    fleet.of("old")["artifacts"] = json!({"b": artifacts["b"]});
    let before = fleet.stored()?;
    fleet.run(["prune", "--dry-run"])?.ends(0).says("would trash old/a").says("nothing was written");
    fleet.run(["prune"])?.ends(1).says("--yes");
    let mut desk = Desk::start(&fleet.command(["prune"])?)?;
    desk.sees("Move 1 entry to the trash?")?.types("n\n")?;
    let (status, shown) = desk.ends()?;
    assert_eq!(status, Some(1), "{shown}");
    let refusal = "nothing changed: 1 entry was not moved to the trash";
    assert!(shown.trim_end().ends_with(refusal) && shown.matches("nothing changed").count() == 1, "{shown}");
    let refused = fleet.run(["prune", "nothing"])?.ends(1).says("no orphaned entry matches this selector");
    refused.never_says("no entry is orphaned");
    assert_eq!(fleet.stored()?, before);
    let ran = fleet.run(["--json", "prune", "--yes"])?.ends(0);
    assert_eq!(ran.json()["trashed"][0]["name"], "per-machine/old/a");
    let after = fleet.stored()?;
    assert!(after.keys().all(|name| before.contains_key(name)));
    assert_eq!(after.len(), before.len() - 2, "the file and the receipt of one slice");
    let trash = fs::read_dir(fleet.path().join("secrets/.artifacts/trash"))?.count();
    assert_eq!(trash, 1);
    fleet.run(["collect-garbage"])?.ends(0).says("no entry is orphaned");
    fleet.run(["prune", "nothing"])?.ends(1).says("no orphaned entry matches this selector");
    // It comes back as it was, though nothing declares it.
    let ran = fleet.run(["restore", "--yes", "old/a"])?.ends(3).says("restored old/a").says("no longer declared");
    ran.says("artifacts prune old/a");
    assert_eq!(fleet.stored()?, before);
    Ok(())
}

#[test]
fn an_old_value_comes_back_from_the_trash_and_the_new_one_after_it() -> Result<()> {
    let fleet = one()?;
    let value = || fleet.decrypt("web1", "secrets/per-machine/web1/a/secret.age");
    fleet.run(["restore"])?.ends(0).says("the trash is empty");
    let old = value()?;
    fleet.run(["generate", "--regenerate", "--yes", "a"])?.ends(0);
    let new = value()?;
    assert_ne!(old, new);
    let list = fleet.run(["--json", "restore"])?.ends(0).json()["trash"].as_array().unwrap().clone();
    let ([entry], before) = (list.as_slice(), fleet.stored()?) else { panic!("{list:?}") };
    assert_eq!((&entry["name"], &entry["command"]), (&json!("per-machine/web1/a"), &json!("generate")));
    let at = entry["at"].as_str().unwrap();
    fleet.run(["restore"])?.ends(0).says(at).says("by generate");
    // Nothing without a yes, and no identity is needed for one.
    fleet.run(["restore", "web1/a"])?.ends(1).says("--yes").says("can decrypt it");
    fleet.run(["restore", "--dry-run", "web1/a"])?.ends(0).says("would restore web1/a").says("can decrypt it: web1");
    fleet.run(["restore", "nothing", "--yes"])?.ends(1).says("`artifacts restore` lists");
    fleet.run(["restore", "web1/a", "--yes", "--at", "1970"])?.ends(1).says(at);
    assert_eq!(fleet.stored()?, before);
    let mut desk = Desk::start(&fleet.command(["restore", "web1/a", "--at", at])?)?;
    desk.sees("Restore 1 entry?")?.types("y\n")?;
    let (status, shown) = desk.ends()?;
    assert_eq!(status, Some(0), "{shown}");
    assert_eq!(value()?, old);
    fleet.run(["restore", "web1/a", "--yes"])?.ends(0).says("restored web1/a");
    assert_eq!((value()?, fleet.stored()?), (new, before));
    Ok(())
}

#[test]
fn with_nothing_declared_nothing_is_pruned() -> Result<()> {
    let fleet = one()?;
    let before = fleet.stored()?;
    let empty = fleet.path().join("empty.json");
    fs::write(&empty, r#"{"schema": 1, "targets": []}"#)?;
    let mut command = fleet.command(["prune", "--yes"])?;
    let arguments: Vec<_> = command.get_args().map(std::ffi::OsStr::to_owned).skip(2).collect();
    command = Command::new(program()?);
    command.arg("--spec").arg(&empty).args(arguments);
    command.env("HOME", fleet.path()).env("XDG_STATE_HOME", fleet.path().join(".state"));
    let ran: Ran = command.output()?.into();
    ran.ends(1).says("the flake declares no targets");
    assert_eq!(fleet.stored()?, before);
    Ok(())
}

#[test]
fn the_graph_is_drawn_in_two_languages_and_as_json() -> Result<()> {
    let fleet = chain()?;
    fleet.run(["graph"])?.ends(0).says("digraph {").says("label = \"per-machine/web1/bundle\"");
    fleet.run(["graph", "--format", "mermaid", "bundle"])?.ends(0).says("graph LR").never_says("web2");
    let json = fleet.run(["--json", "graph", "per-machine/web2/"])?.ends(0).json();
    assert_eq!(json["instances"][0], json!({"name": "per-machine/web2/leaf", "dependencies": ["shared/ca"]}));
    Ok(())
}

#[test]
fn what_an_earlier_run_stored_is_read_back_for_what_depends_on_it() -> Result<()> {
    let mut fleet = chain()?;
    let admin = fleet.new_key("admin")?;
    for machine in ["web1", "web2"] {
        fleet.of(machine)["config"]["agenix"]["publicUserKeys"] = json!([admin]);
    }
    fleet.run(["generate", "--accept-recipients", "shared/ca"])?.ends(0);
    let key = fleet.key_file("admin");
    let key = key.to_str().unwrap();
    // Without a key it fails before anything is made, and says what it lacks.
    let ran = fleet.run(["generate", "--accept-reading", "--accept-recipients"])?.ends(1);
    ran.says("cannot read its dependency shared/ca").says("-i");
    assert!(!fleet.path().join("secrets/per-machine").exists());
    fleet.run(["-i", key, "generate"])?.ends(0);
    let ca = fleet.decrypt("admin", "secrets/shared/ca/secret.age")?;
    let leaf = fleet.decrypt("web2", "secrets/per-machine/web2/leaf/secret.age")?;
    assert!(leaf.starts_with(&ca));
    // The generation of what was read is in the receipt.
    fleet.run(["status"])?.ends(0);
    fleet.run(["rotate", "--yes", "shared/ca"])?.ends(0);
    let ran = fleet.run(["--json", "status"])?.ends(3);
    assert_eq!(ran.state("per-machine/web2/leaf"), "stale (dependency)");
    fleet.run(["-i", key, "rotate", "--stale", "--yes"])?.ends(0);
    fleet.run(["status"])?.ends(0);
    Ok(())
}

#[test]
fn a_dependency_that_is_public_needs_no_key_and_one_that_is_made_on_the_target_cannot_be_had() -> Result<()> {
    let fleet = Fleet::new()?;
    let pair = fleet.generator("pair", "#!/bin/bash\necho shown > $out/pub\n")?;
    let copies = fleet.generator("copies", "#!/bin/bash\ncat $in/*/* > $out/secret\n")?;
    let make = fleet.generator("make", MAKE)?;
    let public = json!({"backend": "agenix", "files": {"pub": {"secret": false}}, "generator": pair});
    let from = |name: &str| with(artifact(&copies), &json!({"dependencies": [name]}));
    let dummy = with(artifact(&make), &json!({"backend": "dummy"}));
    let artifacts = json!({"public": public, "a": from("public"), "dummy": dummy, "b": from("dummy")});
    let fleet = fleet.machine("web1", &artifacts)?;
    fleet.run(["generate", "public"])?.ends(0);
    let ran = fleet.run(["generate", "--accept-recipients"])?.ends(1);
    ran.says("cannot read its dependency web1/dummy: generated on the target; nothing is stored here");
    assert_eq!(fleet.decrypt("web1", "secrets/per-machine/web1/a/secret.age")?, b"shown\n");
    Ok(())
}

#[test]
fn what_depends_on_something_that_is_left_out_is_left_out() -> Result<()> {
    let mut fleet = chain()?;
    fleet.run(["generate", "--accept-recipients"])?.ends(0);
    let before = fleet.stored()?;
    let evil = fleet.new_key("evil")?;
    fleet.of("web2")["config"]["agenix"]["publicUserKeys"] = json!([evil]);
    let ran = fleet.run(["generate", "--regenerate", "--yes"])?.ends(1);
    ran.says("2 artifacts skipped: their dependency shared/ca failed").says("--accept-recipients");
    assert_eq!(fleet.stored()?, before, "nothing is made from the old one meanwhile");
    Ok(())
}

/// Notes of an instance, from `--json`.
fn notes(ran: &Ran, name: &str) -> String {
    let rows = ran.json()["instances"].as_array().cloned().unwrap_or_default();
    rows.iter().filter(|row| row["name"] == name).map(|row| row["notes"].to_string()).collect()
}

#[test]
fn what_is_made_for_what_was_named_is_told_as_well() -> Result<()> {
    let fleet = chain()?;
    fleet.run(["generate", "--accept-recipients"])?.ends(0);
    for name in ["shared/ca", "per-machine/web1/leaf"] {
        fs::remove_dir_all(fleet.path().join("secrets").join(name))?;
    }
    let named = ["--json", "--accept-reading", "generate", "per-machine/web1/leaf"];
    let dry = fleet.run([&named[..], &["--dry-run"]].concat())?.ends(3);
    assert_eq!(dry.state("shared/ca"), "absent");
    assert!(notes(&dry, "shared/ca").contains("secret, 2 recipients"), "{dry}");
    fleet.run(["generate", "--dry-run", "per-machine/web1/leaf"])?.says("2 artifacts: would generate 2");
    let ran = fleet.run(named)?.ends(0);
    assert_eq!(ran.json()["instances"].as_array().unwrap().len(), 2, "{ran}");
    assert_eq!(ran.state("shared/ca"), "present");
    let from = notes(&ran, "shared/ca");
    assert!(from.contains("per-machine/web2/leaf") && !from.contains("web1"), "{from}");
    Ok(())
}

#[test]
fn status_tells_of_what_expires_soon() -> Result<()> {
    let mut fleet = one()?;
    fleet.of("web1")["artifacts"]["a"]["maxAge"] = json!(100 * 24 * 60 * 60);
    let name = "per-machine/web1/a";
    assert_eq!(notes(&fleet.run(["--json", "status"])?.ends(0), name), "null");
    let receipt = fleet.path().join("secrets").join(name).join("receipt.json");
    let made = |ago: &str| -> Result<()> {
        let time = Command::new("date").args(["--utc", "--date", ago, "+%Y-%m-%dT%H:%M:%SZ"]).output()?;
        let mut text: Value = serde_json::from_slice(&fs::read(&receipt)?)?;
        text["generated"] = json!(String::from_utf8(time.stdout)?.trim());
        Ok(fs::write(&receipt, text.to_string())?)
    };
    made("89 days ago")?;
    assert_eq!(notes(&fleet.run(["--json", "status"])?.ends(0), name), "null");
    made("94 days ago 1 hour ago")?;
    fleet.run(["status", "--all"])?.ends(0).says("expiring: web1/a in 5 days");
    made("99 days ago 1 hour ago")?;
    fleet.run(["status"])?.ends(0).says("web1/a in less than a day");
    made("101 days ago")?;
    fleet.run(["status"])?.ends(3).says("stale").never_says("expiring");
    Ok(())
}

#[test]
fn what_was_changed_by_hand_is_not_given_up_without_a_word() -> Result<()> {
    let fleet = chain()?;
    fleet.run(["generate", "--accept-recipients"])?.ends(0);
    let receipt = fleet.path().join("secrets/per-machine/web1/bundle/receipt.json");
    let text = fs::read_to_string(&receipt)?;
    fs::write(&receipt, "{}")?;
    let before = fleet.stored()?;
    for words in [&["generate", "--stale", "--dry-run"][..], &["generate", "--stale", "--yes"]] {
        let ran = fleet.run(words)?.ends(3).never_says("regenerated");
        ran.says("1 modified artifacts adopt web1/bundle");
    }
    assert_eq!(fleet.stored()?, before);
    fs::write(&receipt, text)?;
    fleet.run(["generate", "--stale", "--dry-run"])?.ends(0).never_says("artifacts adopt");
    Ok(())
}

#[test]
fn secrets_are_replaced_after_a_yes_alone_whether_all_are_meant_or_one_is_named() -> Result<()> {
    let fleet = chain()?;
    fleet.run(["generate", "--accept-recipients", "--regenerate"])?.ends(0).says("4 generated");
    let before = fleet.stored()?;
    fleet.run(["generate", "--regenerate"])?.ends(1).says("confirmation is required to replace 4 values").says("--yes");
    let json = fleet.run(["--json", "generate", "--regenerate"])?.ends(1);
    assert_eq!(json.state("shared/ca"), "present");
    fleet.run(["generate", "--regenerate", "--dry-run"])?.ends(0);
    let asked = "Replace 4 values?";
    let mut desk = Desk::start(&fleet.command(["rotate"])?)?;
    desk.sees("new value")?.sees("shared/ca")?.sees("old values stay in the trash")?.sees(asked)?.types("n\n")?;
    let (status, shown) = desk.ends()?;
    assert_eq!(status, Some(1), "{shown}");
    assert!(shown.contains("nothing changed: 4 values were not replaced"), "{shown}");
    assert_eq!(fleet.stored()?, before);
    let mut desk = Desk::start(&fleet.command(["generate", "--regenerate", "--accept-reading"])?)?;
    desk.sees(asked)?.types("y\n")?.sees("4 regenerated")?;
    assert_eq!(desk.ends()?.0, Some(0));
    fleet.run(["generate", "--regenerate", "--yes", "--accept-reading"])?.ends(0).says("4 regenerated");
    let before = fleet.stored()?;
    for command in [&["rotate", "ca"][..], &["rotate", "--stale", "ca"], &["generate", "--regenerate", "ca"]] {
        let is_stale = command.contains(&"--stale");
        let ran = fleet.run(command)?.ends(i32::from(!is_stale));
        assert_eq!(fleet.stored()?, before, "{ran}");
    }
    fleet.run(["rotate", "--yes", "ca"])?.ends(0).says("1 regenerated");
    assert!(fleet.stored()? != before);
    Ok(())
}
