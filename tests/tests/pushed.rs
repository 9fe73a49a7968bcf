//! Attacks by whoever can push to the repository, on what was stored before.
#![allow(clippy::unwrap_used, clippy::missing_panics_doc)]

use std::fs;
use std::io::Write as _;
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::Result;
use artifacts_tests::desk::Desk;
use artifacts_tests::fleet::Fleet;
use serde_json::{Value, json};

const MAKE: &str = "#!/bin/bash\nprintf hunter%s \"$RANDOM$RANDOM\" > \"$out/env\"\n";

/// `web1` with its `attic`, which the admin reads as well, stored; and `evil`, whose key somebody else has.
fn fleet() -> Result<Fleet> {
    let fleet = Fleet::new()?;
    let make = fleet.generator("make", MAKE)?;
    let attic = json!({"backend": "agenix", "files": {"env": {}}, "generator": make});
    let mut fleet = fleet.machine("web1", &json!({"attic": attic}))?;
    let admin = fleet.new_key("admin")?;
    fleet.of("web1")["config"]["agenix"]["publicUserKeys"] = json!([admin]);
    fleet.run(["generate", "--accept-recipients"])?.ends(0);
    let mut fleet = fleet.machine("evil", &json!({}))?;
    // The admin is a reader there, too, as everywhere.
    fleet.of("evil")["config"]["agenix"]["publicUserKeys"] = json!([admin]);
    Ok(fleet)
}

/// An artifact `x` of `of` that reads its `attic`.
fn thief(fleet: &Fleet, secret: bool, from: &str) -> Result<Value> {
    let steal = fleet.generator("steal", &format!("#!/bin/bash\ncat $in/{from}/* > $out/x\n"))?;
    Ok(json!({"backend": "agenix", "files": {"x": {"secret": secret}}, "dependencies": [from], "generator": steal}))
}

fn admin(fleet: &Fleet) -> String {
    fleet.key_file("admin").display().to_string()
}

fn generate<'a>(admin: &'a str, more: &[&'a str]) -> Vec<&'a str> {
    [&["-i", admin, "generate"], more].concat()
}

/// The slice of an instance.
fn slice(fleet: &Fleet, name: &str) -> PathBuf {
    fleet.path().join("secrets").join(name)
}

/// Copies the slice of `web1`'s attic to `evil`, as whoever can push does, with a receipt that says that it belongs there.
fn copy(fleet: &mut Fleet) -> Result<()> {
    let attic = fleet.of("web1")["artifacts"]["attic"].clone();
    fleet.of("evil")["artifacts"]["attic"] = attic;
    let readers = &fleet.of("evil")["config"]["agenix"].clone();
    let (from, to) = (slice(fleet, "per-machine/web1/attic"), slice(fleet, "per-machine/evil/attic"));
    fs::create_dir_all(&to)?;
    fs::copy(from.join("env.age"), to.join("env.age"))?;
    let mut receipt: Value = serde_json::from_str(&fs::read_to_string(from.join("receipt.json"))?)?;
    receipt["instance"] = json!("per-machine/evil/attic");
    receipt["targets"][0]["name"] = json!("evil");
    let mut keys = vec![readers["publicHostKey"].clone(), readers["publicUserKeys"][0].clone()];
    keys.sort_by_key(ToString::to_string);
    receipt["recipients"]["env"] = json!(keys);
    fs::write(to.join("receipt.json"), serde_json::to_vec_pretty(&receipt)?)?;
    assert_eq!(fleet.run(["--json", "status"])?.ends(1).state("per-machine/evil/attic"), "error");
    Ok(())
}

fn state(fleet: &Fleet, what: &str) -> PathBuf {
    fleet.accepted().with_file_name(what)
}

#[test]
fn a_stored_secret_is_given_to_no_generator_that_nobody_agreed_to() -> Result<()> {
    let mut fleet = fleet()?;
    let admin = admin(&fleet);
    let secret = String::from_utf8(fleet.decrypt("admin", "secrets/per-machine/web1/attic/env.age")?)?;
    let before = fleet.stored()?;
    for (is_secret, network) in [(false, false), (true, false), (true, true)] {
        let mut x = thief(&fleet, is_secret, "attic")?;
        x["network"] = json!(network);
        fleet.of("web1")["artifacts"]["x"] = x;
        let ran = fleet.run(generate(&admin, &[]))?.ends(1);
        let ran = ran.says("web1/x wants to read web1/attic").says("--accept-reading");
        ran.says("steal").never_says(&secret);
        assert_eq!(fleet.stored()?, before);
        // Agreeing to readers is not agreeing to that.
        fleet.run(generate(&admin, &["--accept-recipients"]))?.ends(1).never_says(&secret);
        fleet.run(generate(&admin, &["--dry-run"]))?.says("wants to read web1/attic");
        assert_eq!(fleet.stored()?, before);
    }
    Ok(())
}

#[test]
fn what_was_agreed_to_is_remembered_until_anything_about_it_changes() -> Result<()> {
    let mut fleet = fleet()?;
    let admin = admin(&fleet);
    fleet.of("web1")["artifacts"]["x"] = thief(&fleet, true, "attic")?;
    let again = ["--regenerate", "--yes", "x"];
    fleet.run(generate(&admin, &["--accept-reading"]))?.ends(0);
    fleet.run(generate(&admin, &again))?.ends(0).never_says("wants to read");
    let x = fleet.of("web1")["artifacts"]["x"].clone();
    let asks = |fleet: &Fleet| -> Result<()> {
        let before = fleet.stored()?;
        fleet
            .run(generate(&admin, &["--regenerate", "--yes", "x", "--accept-recipients"]))?
            .ends(1)
            .says("--accept-reading");
        assert_eq!(fleet.stored()?, before);
        Ok(())
    };
    for change in [
        json!({"network": true}),
        json!({"files": {"x": {}, "y": {}}}),
        json!({"files": {"x": {}, "y": {"secret": false}}}),
        json!({"generator": fleet.generator("other", "#!/bin/bash\ncat $in/attic/* | rev > $out/x\n")?}),
    ] {
        for (field, value) in change.as_object().unwrap() {
            fleet.of("web1")["artifacts"]["x"][field] = value.clone();
        }
        asks(&fleet)?;
        fleet.of("web1")["artifacts"]["x"] = x.clone();
    }
    // Another reader; other bytes of the generator; another instance.
    let evil = fleet.of("evil")["config"]["agenix"]["publicHostKey"].clone();
    let keys = fleet.of("web1")["config"]["agenix"]["publicUserKeys"].clone();
    fleet.of("web1")["config"]["agenix"]["publicUserKeys"].as_array_mut().unwrap().push(evil);
    asks(&fleet)?;
    fleet.of("web1")["config"]["agenix"]["publicUserKeys"] = keys;
    fleet
        .run(generate(&admin, &["--regenerate", "--yes", "x", "--accept-recipients"]))?
        .ends(0)
        .never_says("wants to read");
    fleet.generator("steal", "#!/bin/bash\ncat $in/attic/* | rev > $out/x\n")?;
    asks(&fleet)?;
    Ok(())
}

#[test]
fn the_admin_is_asked_in_words_at_a_terminal() -> Result<()> {
    let mut fleet = fleet()?;
    let admin = admin(&fleet);
    let mut x = thief(&fleet, false, "attic")?;
    x["network"] = json!(true);
    fleet.of("web1")["artifacts"]["x"] = x;
    let ask = |answer: &str| -> Result<(Option<i32>, String)> {
        let mut desk = Desk::start(&fleet.command(generate(&admin, &[]))?)?;
        desk.sees("web1/x wants to read web1/attic")?.sees("generator   ")?;
        desk.sees("the generator could send the secret away")?.sees("publishes   x")?;
        desk.sees("Allow this access?")?.types(answer)?;
        desk.ends()
    };
    let (status, shown) = ask("n\n")?;
    assert_eq!(status, Some(1), "{shown}");
    assert!(shown.contains("nothing changed: read access of web1/x was not allowed"), "{shown}");
    assert!(!shown.contains("--accept-reading") && !slice(&fleet, "per-machine/web1/x").exists(), "{shown}");
    let (status, shown) = ask("y\n")?;
    assert_eq!(status, Some(0), "{shown}");
    fleet.run(generate(&admin, &["--regenerate", "--yes", "x"]))?.ends(0).never_says("wants to read");
    Ok(())
}

#[test]
fn what_was_given_to_one_goes_on_to_no_other_unasked() -> Result<()> {
    let mut fleet = fleet()?;
    let admin = admin(&fleet);
    fleet.of("web1")["artifacts"]["b"] = thief(&fleet, true, "attic")?;
    fleet.run(generate(&admin, &["--accept-reading"]))?.ends(0);
    fs::remove_dir_all(slice(&fleet, "per-machine/web1/b"))?;
    // `b` is made in the same run, but of what was there before; and `x` has a public file.
    let from = fleet.generator("on", "#!/bin/bash\ncat $in/b/* > $out/x\n")?;
    let x = json!({"backend": "agenix", "files": {"x": {"secret": false}}, "dependencies": ["b"], "generator": from});
    fleet.of("web1")["artifacts"]["x"] = x;
    let ran = fleet.run(generate(&admin, &[]))?.ends(1);
    ran.says("web1/x wants to read web1/b").never_says("to read web1/attic");
    assert!(!slice(&fleet, "per-machine/web1/x").exists());
    Ok(())
}

#[test]
fn a_secret_that_is_made_again_and_one_that_a_person_types_are_no_free_ones() -> Result<()> {
    let mut fleet = fleet()?;
    let admin = admin(&fleet);
    fleet.of("web1")["artifacts"]["x"] = thief(&fleet, false, "attic")?;
    // Whoever can push can remove the slice as well.
    fs::remove_dir_all(slice(&fleet, "per-machine/web1/attic"))?;
    fleet.run(generate(&admin, &[]))?.ends(1).says("--accept-reading");
    assert!(!slice(&fleet, "per-machine/web1/x").exists());
    fleet.run(generate(&admin, &["--regenerate", "--yes"]))?.ends(1).says("--accept-reading");
    assert!(!slice(&fleet, "per-machine/web1/x").exists());
    let typed = fleet.generator("typed", "#!/bin/bash\ncp $prompts/word $out/env\n")?;
    let typed = json!({"backend": "agenix", "files": {"env": {}}, "prompts": {"word": {}}, "generator": typed});
    fleet.of("evil")["artifacts"] = json!({"typed": typed, "x": thief(&fleet, false, "typed")?});
    let answers = fleet.path().join("answers.toml");
    fs::write(&answers, "[\"per-machine/evil/typed\"]\nword = \"xyzzy\"\n")?;
    let answers = ["--accept-recipients", "--answers", answers.to_str().unwrap()];
    let ran = fleet.run(generate(&admin, &[&["per-machine/evil/"], &answers[..]].concat()))?.ends(1);
    ran.says("evil/x wants to read evil/typed");
    assert!(!slice(&fleet, "per-machine/evil/x").exists());
    Ok(())
}

#[test]
fn what_is_made_for_the_first_time_goes_on_unasked() -> Result<()> {
    let fleet = Fleet::new()?;
    let make = fleet.generator("make", MAKE)?;
    let attic = json!({"backend": "agenix", "files": {"env": {}}, "generator": make});
    let x = thief(&fleet, true, "attic")?;
    let fleet = fleet.machine("web1", &json!({"attic": attic, "x": x}))?;
    fleet.run(["generate", "--accept-recipients"])?.ends(0).never_says("wants to read");
    // Nobody agreed to anything by that.
    fleet.run(["generate", "--regenerate", "--yes"])?.ends(1).says("--accept-reading");
    Ok(())
}

#[test]
fn what_was_copied_from_another_instance_is_opened_for_nothing() -> Result<()> {
    let mut fleet = fleet()?;
    let admin = admin(&fleet);
    let secret = String::from_utf8(fleet.decrypt("admin", "secrets/per-machine/web1/attic/env.age")?)?;
    copy(&mut fleet)?;
    fleet.of("evil")["artifacts"]["x"] = thief(&fleet, false, "attic")?;
    let before = fleet.stored()?;
    let refused = |fleet: &Fleet| -> Result<()> {
        let key = fleet.new_key("other")?;
        let editor = fleet.generator("editor", "#!/bin/bash\necho changed >> \"$1\"\n")?;
        let editor = editor["path"].as_str().unwrap().replace(' ', "\\ ");
        for arguments in [
            vec!["get", "per-machine/evil/attic", "env"],
            vec!["rekey", "--all", "--accept-recipients", "per-machine/evil/"],
            vec!["edit", "per-machine/evil/attic", "env"],
            vec!["generate", "--accept-reading", "per-machine/evil/x"],
        ] {
            let arguments = [&["-i", admin.as_str()], arguments.as_slice()].concat();
            let mut command = fleet.command(&arguments)?;
            command.env("EDITOR", &editor);
            let ran: artifacts_tests::fleet::Ran = command.output()?.into();
            let ran = ran.ends(1).never_says(&secret);
            ran.says("evil/attic").says("web1/attic");
            assert_eq!(fleet.stored()?, before, "{arguments:?}");
        }
        drop(key);
        Ok(())
    };
    // Told by what lies there, as another admin's machine has to; and by what this one remembers.
    let memory = state(&fleet, "headers");
    let aside = memory.with_extension("aside");
    fs::rename(&memory, &aside)?;
    refused(&fleet)?;
    assert!(!memory.exists(), "a refusal remembers nothing");
    fs::rename(&aside, &memory)?;
    refused(&fleet)?;
    // What it was sealed for is opened all the same.
    fleet.run(["-i", &admin, "get", "per-machine/web1/attic", "env"])?.ends(0).says(&secret);
    Ok(())
}

#[test]
fn a_copy_is_known_by_an_origin_in_a_storage_that_is_not_declared_now() -> Result<()> {
    let mut fleet = fleet()?;
    let admin = admin(&fleet);
    let secret = String::from_utf8(fleet.decrypt("admin", "secrets/per-machine/web1/attic/env.age")?)?;
    copy(&mut fleet)?;
    // As of a target that was not evaluated for this command.
    fleet.of("web1")["artifacts"] = json!({});
    fs::create_dir_all(fleet.path().join("infra/vault/per-machine"))?;
    fs::rename(slice(&fleet, "per-machine/web1"), fleet.path().join("infra/vault/per-machine/web1"))?;
    // What only looks like a storage is in nobody's way.
    fs::create_dir_all(fleet.path().join("src/shared/code/deep"))?;
    fs::rename(state(&fleet, "headers"), state(&fleet, "aside"))?;
    let ran = fleet.run(["-i", &admin, "get", "per-machine/evil/attic", "env"])?.ends(1).never_says(&secret);
    ran.says("these files were encrypted for per-machine/web1/attic");
    fs::remove_dir_all(fleet.path().join("infra"))?;
    fleet.run(["-i", &admin, "get", "per-machine/evil/attic", "env"])?.ends(0).says(&secret);
    Ok(())
}

/// `web1` with files `one`, `two` and `three`, all secret and stored.
fn three_files() -> Result<Fleet> {
    let fleet = Fleet::new()?;
    let make = fleet.generator("make", "#!/bin/bash\nfor f in one two three; do printf hunter2 > $out/$f; done\n")?;
    let trio = json!({"backend": "agenix", "files": {"one": {}, "two": {}, "three": {}}, "generator": make});
    let mut fleet = fleet.machine("web1", &json!({"trio": trio}))?;
    let admin = fleet.new_key("admin")?;
    fleet.of("web1")["config"]["agenix"]["publicUserKeys"] = json!([admin]);
    fleet.run(["generate", "--accept-recipients"])?.ends(0);
    Ok(fleet)
}

fn set(fleet: &Fleet, file: &str) -> Result<artifacts_tests::fleet::Ran> {
    let mut command = fleet.command(["-i", &admin(fleet), "set", "trio", file])?;
    let mut running = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn()?;
    running.stdin.take().unwrap().write_all(b"typed")?;
    Ok(running.wait_with_output()?.into())
}

/// Whether `two` would be given to everybody without a question.
fn asks_about_two(fleet: &Fleet) -> Result<()> {
    set(fleet, "two")?.ends(1).says("everyone (public file)");
    fleet.run(["generate", "--regenerate", "--yes"])?.ends(1).says("everyone (public file)");
    fleet.run(["generate", "--stale", "--accept-recipients"])?.ends(3);
    assert!(!slice(fleet, "per-machine/web1/trio/public").exists());
    Ok(())
}

#[test]
fn what_was_secret_is_not_made_public_by_the_way() -> Result<()> {
    let mut fleet = three_files()?;
    let admin = admin(&fleet);
    fleet.of("web1")["artifacts"]["trio"]["files"]["two"] = json!({"secret": false});
    asks_about_two(&fleet)?;
    set(&fleet, "one")?.ends(3);
    asks_about_two(&fleet)?;
    fleet.run(["-i", &admin, "rekey", "--all"])?;
    asks_about_two(&fleet)?;
    let mut command = fleet.command(["--accept-recipients", "set", "trio", "two"])?;
    let mut running = command.stdin(Stdio::piped()).spawn()?;
    running.stdin.take().unwrap().write_all(b"meant")?;
    running.wait()?;
    assert_eq!(fs::read(slice(&fleet, "per-machine/web1/trio/public/two"))?, b"meant");
    set(&fleet, "two")?.never_says("everyone (public file)");
    Ok(())
}

#[test]
fn a_rewritten_receipt_makes_nothing_public() -> Result<()> {
    let mut fleet = three_files()?;
    fleet.of("web1")["artifacts"]["trio"]["files"]["two"] = json!({"secret": false});
    let place = slice(&fleet, "per-machine/web1/trio");
    fs::remove_file(place.join("two.age"))?;
    let mut receipt: Value = serde_json::from_str(&fs::read_to_string(place.join("receipt.json"))?)?;
    receipt["recipients"].as_object_mut().unwrap().remove("two").unwrap();
    receipt["files"].as_object_mut().unwrap().remove("two.age").unwrap();
    fs::write(place.join("receipt.json"), serde_json::to_vec_pretty(&receipt)?)?;
    asks_about_two(&fleet)
}

#[test]
fn a_file_that_a_colleague_made_secret_is_not_made_public_either() -> Result<()> {
    let mut fleet = three_files()?;
    // This machine has agreed to the others only.
    let memory = fs::read_dir(fleet.accepted_recipients())?.map(|entry| entry.unwrap().path());
    let memory = memory.into_iter().find(|path| path.extension().is_some_and(|it| it == "json")).unwrap();
    let mut known: Value = serde_json::from_str(&fs::read_to_string(&memory)?)?;
    known["instances"]["per-machine/web1/trio"]["files"].as_object_mut().unwrap().remove("two").unwrap();
    fs::write(&memory, serde_json::to_vec(&known)?)?;
    fleet.of("web1")["artifacts"]["trio"]["files"]["two"] = json!({"secret": false});
    asks_about_two(&fleet)
}

#[test]
fn a_copy_is_known_when_its_origin_is_gone_or_has_forgotten_it() -> Result<()> {
    let mut fleet = fleet()?;
    let admin = admin(&fleet);
    copy(&mut fleet)?;
    let get = |fleet: &Fleet| fleet.run(["-i", &admin, "get", "per-machine/evil/attic", "env"]);
    // The receipt of the origin does not tell any more, but its bytes do.
    let path = slice(&fleet, "per-machine/web1/attic").join("receipt.json");
    let told = fs::read_to_string(&path)?;
    let mut receipt: Value = serde_json::from_str(&told)?;
    receipt["headers"] = json!({});
    fs::write(&path, serde_json::to_vec_pretty(&receipt)?)?;
    let memory = state(&fleet, "headers");
    let aside = memory.with_extension("aside");
    fs::rename(&memory, &aside)?;
    get(&fleet)?.ends(1).says("web1/attic");
    fs::write(&path, &told)?;
    // It was regenerated, and the old one is in the trash.
    fleet.run(["rotate", "--yes", "per-machine/web1/attic"])?.ends(0);
    fs::remove_dir_all(&memory)?;
    get(&fleet)?.ends(1).says("web1/attic");
    // Nothing but the memory is left.
    fs::remove_dir_all(fleet.path().join("secrets/.artifacts/trash"))?;
    fs::remove_dir_all(slice(&fleet, "per-machine/web1/attic"))?;
    fs::rename(&aside, &memory)?;
    get(&fleet)?.ends(1).says("these files were encrypted for web1/attic");
    Ok(())
}

#[test]
fn a_memory_of_what_was_sealed_that_others_can_write_opens_and_seals_nothing() -> Result<()> {
    use std::os::unix::fs::PermissionsExt as _;
    let fleet = fleet()?;
    let admin = admin(&fleet);
    let before = fleet.stored()?;
    let memory = state(&fleet, "headers");
    fs::set_permissions(&memory, fs::Permissions::from_mode(0o777))?;
    fleet.run(["-i", &admin, "get", "attic", "env"])?.ends(1).says("can be written by others");
    fleet.run(["generate", "--regenerate", "--yes"])?.ends(1).says("can be written by others");
    fs::set_permissions(&memory, fs::Permissions::from_mode(0o700))?;
    fs::write(memory.join("headers"), "x\n")?;
    fleet.run(["-i", &admin, "get", "attic", "env"])?.ends(1).says("is damaged");
    assert_eq!(fleet.stored()?, before);
    Ok(())
}

#[test]
fn what_was_stored_is_sealed_to_no_target_at_its_word() -> Result<()> {
    let mut fleet = fleet()?;
    let admin = admin(&fleet);
    // Another admin's machine, which remembers nothing, and a receipt that tells of the new reader.
    fs::remove_dir_all(fleet.accepted_recipients())?;
    let evil = fleet.of("evil")["config"]["agenix"]["publicHostKey"].clone();
    fleet.of("web1")["config"]["agenix"]["publicUserKeys"].as_array_mut().unwrap().push(evil.clone());
    let path = slice(&fleet, "per-machine/web1/attic").join("receipt.json");
    let mut receipt: Value = serde_json::from_str(&fs::read_to_string(&path)?)?;
    let readers = receipt["recipients"]["env"].as_array_mut().unwrap();
    readers.push(evil.clone());
    readers.sort_by_key(ToString::to_string);
    fs::write(&path, serde_json::to_vec_pretty(&receipt)?)?;
    assert_eq!(fleet.run(["--json", "status", "attic"])?.state("per-machine/web1/attic"), "present");
    let before = fleet.stored()?;
    let rekey = ["-i", &admin, "rekey", "--all", "attic"];
    fleet.run(rekey)?.ends(1).says("--accept-recipients").says(evil.as_str().unwrap());
    assert_eq!(fleet.stored()?, before);
    fleet.of("web1")["config"]["agenix"]["publicUserKeys"].as_array_mut().unwrap().pop();
    fleet.run([rekey.as_slice(), &["--accept-recipients"]].concat())?.ends(0);
    fleet.run(rekey)?.ends(0).never_says("Recipients change");
    Ok(())
}

/// Whether the process catches SIGTERM, and can leave no core dump.
fn is_ready(pid: u32) -> bool {
    let read = |file: &str| fs::read_to_string(format!("/proc/{pid}/{file}")).unwrap_or_default();
    let status = read("status");
    let caught = status.lines().find_map(|line| line.strip_prefix("SigCgt:")).map(str::trim).unwrap_or_default();
    let terminates = u64::from_str_radix(caught, 16).is_ok_and(|mask| mask & (1 << 14) != 0);
    let limits = read("limits");
    let core = limits.lines().find(|line| line.starts_with("Max core file size")).unwrap_or_default();
    terminates && core.split_whitespace().nth(4) == Some("0") && core.split_whitespace().nth(5) == Some("0")
}

#[test]
fn answers_are_read_by_a_process_that_is_ready_for_secrets_and_no_further_than_they_may_be() -> Result<()> {
    let fleet = fleet()?;
    let pipe = fleet.path().join("answers.toml");
    Command::new("mkfifo").arg(&pipe).status()?;
    let arguments = ["generate", "--answers", pipe.to_str().unwrap()];
    let mut child = fleet.command(arguments)?.stdout(Stdio::null()).stderr(Stdio::null()).spawn()?;
    // It waits for a writer, and then for what that writes.
    let mut writer = fs::File::options().write(true).open(&pipe)?;
    let start = Instant::now();
    while !is_ready(child.id()) && start.elapsed() < Duration::from_secs(5) {
        std::thread::sleep(Duration::from_millis(20));
    }
    let ready = is_ready(child.id());
    writer.write_all(b"")?;
    drop(writer);
    child.wait()?;
    assert!(ready, "it reads answers before it watches for signals and leaves no core dump");
    fs::remove_file(&pipe)?;
    fs::write(&pipe, "#".repeat((8 << 20) + 1))?;
    fleet.run(arguments)?.ends(1).says("too large: the limit is");
    Ok(())
}
