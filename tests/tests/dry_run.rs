//! What a command would write is told before: instances, files, readers, sizes, what is public; and no secret.
#![allow(clippy::unwrap_used, clippy::missing_panics_doc)]

use std::fs;
use std::io::{Read as _, Write as _};
use std::process::{Command, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

use anyhow::Result;
use artifacts_tests::fleet::{Fleet, Ran, guest};
use serde_json::{Value, json};

const PAIR: &str = "per-machine/web1/pair";

/// `pair` of a secret and a public file; not made yet.
fn fleet() -> Result<Fleet> {
    let fleet = Fleet::new()?;
    let pair = fleet.generator("pair", "#!/bin/bash\nprintf hidden > $out/key\nprintf 'same\\nold\\n' > $out/pub\n")?;
    let admin = fleet.new_key("admin")?;
    let files = json!({"key": {}, "pub": {"secret": false}});
    let pair = json!({"backend": "agenix", "files": files, "generator": pair});
    let mut fleet = fleet.machine("web1", &json!({"pair": pair}))?;
    fleet.of("web1")["config"]["agenix"]["publicUserKeys"] = json!([admin]);
    Ok(fleet)
}

fn made() -> Result<Fleet> {
    let fleet = fleet()?;
    fleet.run(["generate", "--accept-recipients"])?.ends(0);
    Ok(fleet)
}

fn host(fleet: &mut Fleet) -> String {
    fleet.of("web1")["config"]["agenix"]["publicHostKey"].as_str().unwrap().to_owned()
}

/// The files of an instance, from `--json`.
fn files(ran: &Ran, name: &str) -> Vec<Value> {
    let rows = ran.json()["instances"].as_array().cloned().unwrap();
    let row = rows.into_iter().find(|row| row["name"] == name).unwrap();
    row["files"].as_array().cloned().unwrap_or_default()
}

fn size(fleet: &Fleet, file: &str) -> Result<usize> {
    Ok(fs::read(fleet.path().join("secrets").join(file))?.len())
}

fn sorted(mut all: Vec<String>) -> Vec<String> {
    all.sort();
    all
}

#[test]
fn generate_names_who_reads_what_is_new_and_the_sizes_of_what_is_replaced() -> Result<()> {
    let mut fleet = fleet()?;
    let (host, admin) = (host(&mut fleet), fleet.of("web1")["config"]["agenix"]["publicUserKeys"][0].clone());
    let admin = admin.as_str().unwrap().to_owned();
    let ran = fleet.run(["generate", "--dry-run"])?.ends(3).says("First use of 2 recipients on this machine");
    ran.says(&host).says(&admin).says("key: 2 recipients; pub: public").never_says("stored");
    let ran = fleet.run(["--json", "generate", "--dry-run"])?.ends(3);
    let labels = json!({&host: "web1"});
    let readers = sorted(vec![host, admin]);
    let key = json!({"secret": true, "size": null, "recipients": readers, "labels": labels});
    assert_eq!(
        files(&ran, PAIR),
        [
            json!({"file": "key", "before": null, "after": key}),
            json!({"file": "pub", "before": null, "after": {"secret": false, "size": null, "text": null}}),
        ]
    );
    assert!(!fleet.path().join("secrets").exists(), "nothing is written");
    fleet.run(["generate", "--accept-recipients"])?.ends(0);
    let stored = size(&fleet, "per-machine/web1/pair/key.age")?;
    let ran =
        fleet.run(["-v", "generate", "--regenerate", "--dry-run"])?.ends(0).never_says("recipients of new secrets");
    ran.says(&format!("key: secret, 2 recipients, {stored} bytes stored")).says("pub: public, 9 bytes stored");
    let ran = fleet.run(["--json", "generate", "--regenerate", "--dry-run"])?.ends(0).never_says("hidden");
    let all = files(&ran, PAIR);
    assert_eq!(all[0]["before"], json!({"secret": true, "size": stored, "recipients": readers, "labels": labels}));
    assert_eq!(all[1]["before"], json!({"secret": false, "size": 9, "text": "same\nold\n"}));
    // What is declared no more goes.
    fleet.of("web1")["artifacts"]["pair"]["files"].as_object_mut().unwrap().remove("key");
    let ran = fleet.run(["generate", "--regenerate", "--dry-run"])?.says("key: removed");
    assert!(!ran.stdout.contains("bytes"), "{ran}");
    let ran = fleet.run(["-v", "generate", "--regenerate", "--dry-run"])?;
    ran.says("key: would be removed (no longer a declared secret)");
    Ok(())
}

#[test]
fn a_run_tells_of_public_files_in_json_too() -> Result<()> {
    let fleet = made()?;
    fleet.generator("pair", "#!/bin/bash\nprintf hidden > $out/key\nprintf 'same\\nnew\\n' > $out/pub\n")?;
    let ran = fleet.run(["--json", "rotate", "--yes", "pair"])?.ends(0);
    let side = |text: &str| json!({"secret": false, "size": text.len(), "text": text});
    let changed = json!({"file": "pub", "before": side("same\nold\n"), "after": side("same\nnew\n")});
    assert_eq!(files(&ran, PAIR), [changed]);
    fleet.generator("pair", "#!/bin/bash\nprintf hidden > $out/key\nprintf '\\xff' > $out/pub\n")?;
    let ran = fleet.run(["--json", "rotate", "--yes", "pair"])?.ends(0);
    assert_eq!(files(&ran, PAIR)[0]["after"], json!({"secret": false, "size": 1, "text": null}));
    let ran = fleet.given(&["--json", "set", "pair", "pub"], "by hand")?.ends(0);
    assert_eq!(files(&ran, PAIR)[0]["after"], side("by hand"));
    Ok(())
}

#[test]
fn set_and_edit_tell_what_generate_tells() -> Result<()> {
    let mut fleet = made()?;
    let before = fleet.stored()?;
    let stored = size(&fleet, "per-machine/web1/pair/key.age")?;
    fleet
        .run(["-v", "set", "--dry-run", "pair", "key"])?
        .ends(0)
        .says("key: 2 recipients")
        .says(&format!("key: secret, 2 recipients, {stored} bytes stored"));
    let ran = fleet.run(["--json", "set", "--dry-run", "pair", "key"])?.ends(0);
    let key = &files(&ran, PAIR)[0];
    assert_eq!((&key["before"]["size"], &key["after"]["size"]), (&json!(stored), &json!(null)));
    assert_eq!(key["before"]["recipients"], key["after"]["recipients"]);
    assert_eq!(key["after"]["recipients"].as_array().unwrap().len(), 2);
    fleet.run(["-v", "set", "--dry-run", "pair", "pub"])?.ends(0).says("pub: public, 9 bytes stored");
    let ran = fleet.run(["--json", "set", "--dry-run", "pair", "pub"])?.ends(0);
    assert_eq!(files(&ran, PAIR)[0]["before"]["text"], "same\nold\n");
    assert_eq!(files(&ran, PAIR)[0]["after"]["text"], json!(null));
    fleet
        .run(["-v", "edit", "--dry-run", "pair", "key"])?
        .ends(0)
        .says(&format!("2 recipients, {stored} bytes stored"));
    let ran = fleet.run(["--json", "edit", "--dry-run", "pair", "pub"])?.ends(0);
    assert_eq!(files(&ran, PAIR)[0]["before"]["text"], "same\nold\n");
    assert_eq!(files(&ran, PAIR)[0]["after"]["text"], json!(null));
    // Of what is new the readers are named.
    fleet.of("web1")["artifacts"]["pair"]["files"].as_object_mut().unwrap().remove("pub");
    fs::remove_dir_all(fleet.path().join("secrets").join(PAIR))?;
    let ran = fleet.run(["set", "--dry-run", "pair", "key"])?.ends(3);
    ran.says("recipients of new secrets: publicUserKeys[0] of web1, web1");
    assert!(before.len() > fleet.stored()?.len());
    Ok(())
}

#[test]
fn set_leaves_standard_input_alone() -> Result<()> {
    let fleet = made()?;
    // One that says nothing and does not end is not waited for, and what is in one is left to whoever comes next.
    let (read, write) = std::io::pipe()?;
    let mut child = fleet.command(["set", "--dry-run", "pair", "key"])?.stdin(read).stdout(Stdio::null()).spawn()?;
    let limit = Instant::now() + Duration::from_mins(1);
    while child.try_wait()?.is_none() && Instant::now() < limit {
        sleep(Duration::from_millis(50));
    }
    let ended = child.try_wait()?.and_then(|status| status.code());
    child.kill()?;
    drop(write);
    assert_eq!(ended, Some(0));
    let (mut read, mut write) = std::io::pipe()?;
    write.write_all(b"hunter2")?;
    drop(write);
    let mut command = fleet.command(["set", "--dry-run", "pair", "key"])?;
    Ran::from(command.stdin(read.try_clone()?).output()?).ends(0);
    let mut rest = String::new();
    read.read_to_string(&mut rest)?;
    assert_eq!(rest, "hunter2");
    // What cannot be set says so as well.
    fleet.run(["set", "--dry-run", "pair", "none"])?.ends(1);
    Ok(())
}

#[test]
fn rekey_does_not_promise_what_its_backend_cannot_do() -> Result<()> {
    let mut fleet = made()?;
    let one_way = fs::read(guest("hostile")?)?;
    // The same component, but nobody knows the interface by which it gives secrets back.
    let name = b"artifacts:backend/retrieval";
    let mut component = one_way.clone();
    for at in 0..one_way.len() - name.len() {
        if one_way[at..].starts_with(name) {
            component[at + name.len() - 1] = b'x';
        }
    }
    let file = fleet.path().join("one-way.wasm");
    fs::write(&file, component)?;
    fleet.backend("one-way", json!({"component": file}));
    let readers =
        [host(&mut fleet), fleet.of("web1")["config"]["agenix"]["publicUserKeys"][0].as_str().unwrap().to_owned()];
    fleet.configure("web1", "one-way", json!({"recipients": readers}));
    fleet.of("web1")["artifacts"]["pair"]["backend"] = json!("one-way");
    fleet.run(["rotate", "--accept-recipients", "--yes", "pair"])?.ends(0);
    let key = fleet.key_file("admin");
    for words in [&["rekey", "--all", "--dry-run"] as &[&str], &["-i", key.to_str().unwrap(), "rekey", "--all"]] {
        let ran = fleet.run(words)?.ends(1).says("backend `one-way` cannot decrypt");
        ran.says("`artifacts set web1/pair FILE`").never_says("would re-encrypt");
    }
    Ok(())
}

#[test]
fn rekey_tells_readers_before_and_after() -> Result<()> {
    let mut fleet = made()?;
    let second = fleet.new_key("second")?;
    fleet.of("web1")["config"]["agenix"]["publicUserKeys"].as_array_mut().unwrap().push(json!(second));
    let stored = size(&fleet, "per-machine/web1/pair/key.age")?;
    let ran = fleet.run(["-v", "rekey", "--dry-run"])?.ends(3).says(&second).says("key: +publicUserKeys[1] of web1");
    ran.says(&format!("key: secret, 2 -> 3 recipients, {stored} bytes stored")).never_says("pub: public");
    let ran = fleet.run(["--json", "rekey", "--dry-run"])?.ends(3);
    let [key] = &files(&ran, PAIR)[..] else { panic!("{ran}") };
    let readers = |side: &str| key[side]["recipients"].as_array().unwrap().clone();
    assert_eq!((readers("before").len(), readers("after").len()), (2, 3));
    assert!(readers("after").contains(&json!(second)) && !readers("before").contains(&json!(second)));
    Ok(())
}

#[test]
fn adopt_and_prune_tell_files_readers_and_sizes() -> Result<()> {
    let mut fleet = made()?;
    let slice = fleet.path().join("secrets").join(PAIR);
    fs::write(slice.join("public/pub"), "by another hand\n")?;
    let stored = size(&fleet, "per-machine/web1/pair/key.age")?;
    let ran = fleet.run(["-v", "adopt", "--dry-run"])?.ends(3).says("pub: public, 9 bytes -> 16 bytes");
    ran.says(&format!("key: secret, 2 recipients, {stored} bytes -> {stored} bytes"));
    let ran = fleet.run(["--json", "adopt", "--dry-run"])?.ends(3);
    assert_eq!(files(&ran, PAIR)[1]["after"]["text"], "by another hand\n");
    // Whoever reads what no receipt tells of is not guessed.
    fs::remove_file(slice.join("receipt.json"))?;
    fleet.run(["adopt", "--dry-run"])?.says("key: recipients unknown");
    let ran = fleet.run(["--json", "adopt", "--dry-run"])?.ends(3);
    assert_eq!(files(&ran, PAIR)[0]["after"]["recipients"], json!(null));
    fleet.run(["adopt"])?.ends(0);
    fleet.of("web1")["artifacts"] = json!({});
    let ran = fleet.run(["prune", "--dry-run"])?.ends(0).says("would trash web1/pair");
    ran.says(&format!("key (2 recipients), pub (public), {} B", stored + 16));
    let ran = fleet.run(["--json", "prune", "--dry-run"])?.ends(0).json();
    let contents = ran["trashed"][0]["contents"].as_array().unwrap().clone();
    assert_eq!((&contents[0]["before"]["size"], &contents[0]["after"]), (&json!(stored), &json!(null)));
    assert_eq!(contents[0]["before"]["recipients"].as_array().unwrap().len(), 2);
    Ok(())
}

#[test]
fn export_promises_nothing_that_it_cannot_do() -> Result<()> {
    let mut fleet = fleet()?;
    fleet.of("web1")["artifacts"]["pair"]["files"]["key"] =
        json!({"deploy": false, "path": "/etc/key", "mode": "0600"});
    let dry = |place: &str| fleet.run(["provision", "--dry-run", "web1", place]);
    let place = "/dev/shm/artifacts-of-nobody";
    dry(place)?.ends(1).says("not generated yet").says("`artifacts generate web1/pair`");
    fleet.run(["generate", "--accept-recipients"])?.ends(0);
    let stored = size(&fleet, "per-machine/web1/pair/key.age")?;
    dry(place)?.ends(0).says(&format!("/etc/key 0600 {PAIR}/key would write; {stored} bytes stored"));
    let json = fleet.run(["--json", "provision", "--dry-run", "web1", place])?.ends(0).json();
    assert_eq!((&json["files"][0]["size"], &json["files"][0]["stored"]), (&json!(null), &json!(stored)));
    dry(fleet.path().to_str().unwrap())?.ends(1).says("already exists");
    assert!(!fs::exists(place)?);
    Ok(())
}

#[test]
fn a_dry_run_says_what_the_run_does() -> Result<()> {
    let mut fleet = fleet()?;
    let make = fleet.generator("make", "#!/bin/bash\necho made > $out/f\n")?;
    let one = |more: Value| {
        let mut one = json!({"backend": "agenix", "files": {"f": {}}, "generator": make});
        one.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        one
    };
    let artifacts = json!({
        "dummy": one(json!({"backend": "dummy"})),
        "from-dummy": one(json!({"dependencies": ["dummy"]})),
        "from-that": one(json!({"dependencies": ["from-dummy"]})),
        "none": one(json!({"generator": null})),
        "waits": one(json!({"blocked": true})),
        "from-waits": one(json!({"dependencies": ["waits"]})),
        "asks": one(json!({"prompts": {"word": {}}})),
        "from-pair": one(json!({"dependencies": ["pair"]})),
    });
    fleet.of("web1")["artifacts"].as_object_mut().unwrap().extend(artifacts.as_object().unwrap().clone());
    let dry = fleet.run(["generate", "--dry-run"])?.ends(1);
    let dry = dry.says("cannot read its dependency web1/dummy: generated on the target");
    let dry = dry
        .says("prompts for f")
        .says("skipped: its dependency web1/from-dummy failed")
        .says("2 blocked")
        .says("blocked web1/from-waits waits for web1/waits");
    let dry = dry.says("prompts for word").says("would generate 4");
    dry.says("would generate web1/asks");
    fleet
        .run(["generate", "--dry-run", "--no-input"])?
        .ends(1)
        .says("no terminal is available")
        .says("would generate 2");
    let ran = fleet.run(["generate", "--accept-recipients"])?.ends(1).says("2 generated");
    // And `status` calls blocked what a run cannot make.
    for name in ["waits", "from-waits", "from-dummy", "none"] {
        let name = format!("per-machine/web1/{name}");
        let state = fleet.run(["--json", "status"])?.state(&name);
        assert_eq!(state, fleet.run(["--json", "generate", "--dry-run"])?.state(&name), "{name}: {ran}");
    }
    let ran = fleet.run(["status", "from-waits"])?.ends(3).says("blocked web1/from-waits");
    ran.says("waits for web1/waits").says("1 artifact: 1 blocked");
    // A dependency that lies there otherwise than it was stored is not read.
    fleet.run(["generate", "--dry-run", "from-pair", "--regenerate"])?.ends(0).says("would regenerate 1");
    fs::write(fleet.path().join("secrets").join(PAIR).join("key.age"), "other")?;
    let ran = fleet.run(["generate", "--dry-run", "from-pair", "--regenerate"])?.ends(1);
    ran.says("cannot read its dependency web1/pair").says("1 failed");
    Ok(())
}

#[test]
fn a_command_in_a_hint_means_what_it_says_to_a_shell() -> Result<()> {
    let mut fleet = fleet()?;
    let name = "it's $HOME; two  words";
    let pair = fleet.of("web1")["artifacts"]["pair"].take();
    fleet.of("web1")["artifacts"] = json!({name: pair, "other": pair});
    let ran = fleet.run(["get", name, "key"])?.ends(1);
    // One line, however long: half of it would be a command as well.
    let line = ran.stderr.lines().find(|line| line.contains("`artifacts generate ")).unwrap_or_else(|| panic!("{ran}"));
    let command = line.split('`').nth(1).unwrap();
    let program = fleet.command(["--accept-recipients", "generate"])?;
    let arguments: Vec<_> = program.get_args().map(|word| word.to_str().unwrap().to_owned()).collect();
    let (_, before) = arguments.split_last().unwrap();
    let script = format!("before=(\"$@\")\nartifacts() {{ \"$PROGRAM\" \"${{before[@]}}\" \"$@\"; }}\n{command}");
    let mut shell = Command::new("bash");
    shell.args(["-c", &script, "bash"]).args(before).env("PROGRAM", program.get_program());
    for (variable, value) in program.get_envs() {
        match value {
            Some(value) => shell.env(variable, value),
            None => shell.env_remove(variable),
        };
    }
    let ran: Ran = shell.output()?.into();
    assert!(ran.ends(0).says("1 artifact: 1 generated").stdout.contains(name));
    Ok(())
}
