//! The backend sops-nix and a backend in C through the program itself, and the real sops on what they made.
#![allow(clippy::unwrap_used, clippy::missing_panics_doc)]

use std::fs;
use std::process::{Command, Output, Stdio};

use anyhow::{Result, ensure};
use artifacts_tests::fleet::{Fleet, guest};
use serde_json::{Value, json};

/// Bytes that are no text, and an empty file.
const MAKE: &str =
    "#!/bin/bash\nprintf 'made %s\\377\\n\\n' \"$RANDOM$RANDOM\" > \"$out/secret\"\n: > \"$out/empty\"\n";
const TEXTS: &str = "#!/bin/bash\nprintf 'made %s\\n' \"$RANDOM$RANDOM\" > \"$out/secret\"\n: > \"$out/empty\"\n";

fn artifact(backend: &str, generator: &Value) -> Value {
    json!({"backend": backend, "files": {"secret": {}, "empty": {}}, "generator": generator})
}

/// A machine whose key both backends know.
fn machine(fleet: Fleet, artifacts: &Value) -> Result<Fleet> {
    let mut fleet = fleet.machine("web1", artifacts)?;
    let key = fleet.of("web1")["config"]["agenix"]["publicHostKey"].clone();
    fleet.configure("web1", "sops-nix", json!({"publicHostKey": key}));
    Ok(fleet)
}

fn one(backend: &str) -> Result<Fleet> {
    let fleet = Fleet::new()?;
    let generator = fleet.generator("make", MAKE)?;
    machine(fleet, &json!({"a": artifact(backend, &generator)}))
}

fn sops(fleet: &Fleet, key: &str, arguments: &[&str]) -> Result<Output> {
    artifacts_tests::sops::sops(fleet, &fleet.key_file(key), arguments)
}

fn decrypted(fleet: &Fleet, key: &str, file: &str) -> Result<Vec<u8>> {
    artifacts_tests::sops::decrypted(fleet, &fleet.key_file(key), file)
}

#[test]
fn what_is_made_is_what_sops_decrypts_and_nobody_else() -> Result<()> {
    let fleet = one("sops-nix")?;
    fleet.run(["generate", "--accept-recipients"])?.ends(0).says("generated web1/a");
    let secret = decrypted(&fleet, "web1", "secrets/per-machine/web1/a/secret.sops")?;
    assert!(secret.starts_with(b"made ") && secret.ends_with(b"\xff\n\n"), "{secret:?}");
    assert_eq!(decrypted(&fleet, "web1", "secrets/per-machine/web1/a/empty.sops")?, b"");
    fleet.new_key("stranger")?;
    assert!(decrypted(&fleet, "stranger", "secrets/per-machine/web1/a/secret.sops").is_err());
    let before = fleet.stored()?;
    fleet.run(["generate"])?.ends(0);
    assert_eq!(fleet.stored()?, before, "the second run writes nothing");
    Ok(())
}

#[test]
fn structured_files_hold_all_that_is_deployed() -> Result<()> {
    for form in ["json", "yaml"] {
        let fleet = Fleet::new()?;
        let generator = fleet.generator("make", TEXTS)?;
        let mut fleet = machine(fleet, &json!({"a": artifact("sops-nix", &generator)}))?;
        fleet.of("web1")["config"]["sops-nix"]["format"] = json!(form);
        fleet.run(["generate", "--accept-recipients"])?.ends(0);
        let file = format!("secrets/per-machine/web1/a/secrets.sops.{form}");
        let output = sops(&fleet, "web1", &["decrypt", "--output-type", "json", &file])?;
        let values: Value = serde_json::from_slice(&output.stdout)?;
        assert_eq!(values["empty"], "");
        assert!(values["secret"].as_str().unwrap().starts_with("made "), "{values}");
    }
    Ok(())
}

#[test]
fn what_is_stored_in_another_form_is_read_and_rekeyed_into_the_declared_one() -> Result<()> {
    let fleet = Fleet::new()?;
    let generator = fleet.generator("make", TEXTS)?;
    let mut fleet = machine(fleet, &json!({"a": artifact("sops-nix", &generator)}))?;
    fleet.run(["generate", "--accept-recipients"])?.ends(0);
    let key = fleet.key_file("web1");
    let get = ["-i", key.to_str().unwrap(), "get", "a", "secret"];
    let value = fleet.run(get)?.ends(0).stdout;
    assert!(value.starts_with("made "), "{value}");
    for (form, stored) in [("json", "secrets.sops.json"), ("yaml", "secrets.sops.yaml"), ("binary", "secret.sops")] {
        fleet.of("web1")["config"]["sops-nix"]["format"] = json!(form);
        assert_eq!(fleet.run(get)?.ends(0).stdout, value, "read before {form}");
        fleet.run(["-i", key.to_str().unwrap(), "rekey", "--all"])?.ends(0);
        assert!(
            fleet.stored()?.contains_key(&format!("per-machine/web1/a/{stored}")),
            "{form}: {:?}",
            fleet.stored()?.keys()
        );
        assert_eq!(fleet.run(get)?.ends(0).stdout, value, "read as {form}");
        assert_eq!(fleet.run(["--json", "status"])?.ends(0).state("per-machine/web1/a"), "present");
    }
    Ok(())
}

#[test]
fn what_sops_nix_could_not_read_is_not_stored() -> Result<()> {
    let mut fleet = one("sops-nix")?;
    fleet.of("web1")["config"]["sops-nix"]["format"] = json!("yaml");
    fleet.run(["generate", "--accept-recipients"])?.ends(1);
    assert!(fleet.stored()?.is_empty());
    fleet.of("web1")["artifacts"]["a"]["files"] = json!({"sops": {}});
    fleet.run(["generate"])?.ends(1).says("`sops` of `a` cannot be a key of a yaml file");
    Ok(())
}

#[test]
fn both_backends_on_one_machine_in_one_run() -> Result<()> {
    let fleet = Fleet::new()?;
    let generator = fleet.generator("make", MAKE)?;
    let both = json!({"one": artifact("agenix", &generator), "two": artifact("sops-nix", &generator)});
    let fleet = machine(fleet, &both)?;
    fleet.run(["generate", "--accept-recipients"])?.ends(0);
    assert!(fleet.decrypt("web1", "secrets/per-machine/web1/one/secret.age")?.starts_with(b"made "));
    assert!(decrypted(&fleet, "web1", "secrets/per-machine/web1/two/secret.sops")?.starts_with(b"made "));
    Ok(())
}

#[test]
fn a_moved_artifact_leaves_nothing_of_the_old_backend() -> Result<()> {
    let mut fleet = one("agenix")?;
    fleet.run(["generate", "--accept-recipients"])?.ends(0);
    for (backend, ending) in [("sops-nix", "sops"), ("agenix", "age")] {
        fleet.of("web1")["artifacts"]["a"]["backend"] = json!(backend);
        assert_eq!(fleet.run(["--json", "status"])?.ends(3).state("per-machine/web1/a"), "stale (backend)");
        fleet.run(["generate", "--stale"])?.ends(3);
        fleet.run(["rotate", "--accept-recipients", "--yes", "a"])?.ends(0);
        let names: Vec<String> = fleet.stored()?.into_keys().collect();
        let expected = [format!("empty.{ending}"), "receipt.json".to_owned(), format!("secret.{ending}")];
        assert_eq!(names, expected.map(|name| format!("per-machine/web1/a/{name}")));
        assert_eq!(fleet.run(["--json", "status"])?.ends(0).state("per-machine/web1/a"), "present");
    }
    Ok(())
}

#[test]
fn the_sops_config_agrees_with_what_is_stored() -> Result<()> {
    let mut fleet = one("sops-nix")?;
    let (admin, host) = (fleet.new_key("admin")?, fleet.of("web1")["config"]["sops-nix"]["publicHostKey"].clone());
    fleet.configure("web1", "sops-nix", json!({"publicHostKey": host, "publicUserKeys": [admin]}));
    fleet.of("web1")["artifacts"]["a"]["files"]["empty"]["deploy"] = json!(false);
    fleet.of("web1")["artifacts"]["b+"] = fleet.of("web1")["artifacts"]["a"].clone();
    fleet.of("web1")["artifacts"]["b+"]["backend"] = json!("agenix");
    fleet.configure("web1", "agenix", json!({"publicHostKey": host, "publicUserKeys": [admin]}));
    fleet.run(["generate", "--accept-recipients"])?.ends(0);
    let config = fleet.run(["sops-config"])?.ends(0).stdout;
    let mut both = [host.as_str().unwrap(), &admin];
    both.sort_unstable();
    let dir = "^secrets/per-machine/web1/a";
    let expected = format!(
        "creation_rules:\n  - path_regex: '{dir}/empty\\.sops$'\n    age: >-\n      {admin}\n  \
         - path_regex: '{dir}/[^/]+\\.sops(\\.json|\\.yaml)?$'\n    age: >-\n      {},\n      {}\n",
        both[0], both[1]
    );
    assert_eq!(config, expected);
    fs::write(fleet.path().join(".sops.yaml"), &config)?;
    let in_sync = |file: &str| -> Result<String> {
        let file = format!("secrets/per-machine/web1/a/{file}.sops");
        let words = ["updatekeys", "--yes", "--input-type", "binary", &file];
        let output = sops(&fleet, "admin", &words)?;
        ensure!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        Ok(String::from_utf8_lossy(&output.stderr).into_owned())
    };
    for file in ["secret", "empty"] {
        assert!(in_sync(file)?.contains("already up to date"), "{file}: {}", in_sync(file)?);
    }
    // A file that sops makes itself gets the same readers.
    fs::write(fleet.path().join("plain"), "by hand")?;
    let place = "secrets/per-machine/web1/a/secret.sops";
    let words = ["encrypt", "--input-type", "binary", "--output-type", "binary", "--filename-override", place, "plain"];
    let made = sops(&fleet, "admin", &words)?;
    ensure!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
    fs::write(fleet.path().join(place), made.stdout)?;
    // sops says whom it is for, but only the host can vouch for that.
    fleet.run(["adopt"])?.ends(3).says("recipients of empty, secret are unknown");
    assert_eq!(decrypted(&fleet, "web1", place)?, b"by hand");
    let key = fleet.key_file("web1");
    assert_eq!(fleet.run(["-i", key.to_str().unwrap(), "get", "a", "secret"])?.ends(0).stdout, "by hand");
    let none = one("agenix")?;
    assert_eq!(none.run(["sops-config"])?.ends(0).stdout, "creation_rules: []\n");
    Ok(())
}

/// An SSH key pair in a file, and its public half.
fn ssh_key(file: &std::path::Path) -> Result<String> {
    fs::create_dir_all(file.parent().unwrap())?;
    let words = ["-q", "-t", "ed25519", "-N", "", "-C", "someone", "-f"];
    ensure!(Command::new("ssh-keygen").args(words).arg(file).status()?.success());
    Ok(fs::read_to_string(file.with_extension("pub"))?.trim_end().to_owned())
}

#[test]
fn plain_sops_reads_with_an_ssh_key_and_the_target_with_the_converted_one() -> Result<()> {
    let mut fleet = one("sops-nix")?;
    let host = ssh_key(&fleet.path().join("host"))?;
    let admin = ssh_key(&fleet.path().join(".ssh/id_ed25519"))?;
    fleet.configure("web1", "sops-nix", json!({"publicHostKey": host, "publicUserKeys": [admin]}));
    fleet.run(["generate", "--accept-recipients"])?.ends(0);
    fleet.new_key("stranger")?;
    let place = "secrets/per-machine/web1/a/secret.sops";
    let file = fleet.path().join(place);
    // It finds `~/.ssh/id_ed25519` by itself.
    let value = decrypted(&fleet, "stranger", place)?;
    assert!(value.starts_with(b"made "));
    // A person's own rules stay, and hold for their own files.
    let own = "# mine\ncreation_rules:\n- path_regex: ^own/\n  pgp: 85D77543B3D624B6\n";
    let config = fleet.path().join(".sops.yaml");
    fs::write(&config, own)?;
    fleet.run(["sops-config", "--write"])?.ends(0).says("wrote .sops.yaml");
    fleet.run(["sops-config", "--write"])?.ends(0).says(".sops.yaml is unchanged");
    let text = fs::read_to_string(&config)?;
    assert!(own.split_inclusive('\n').all(|line| text.contains(line)), "{text}");
    let update = sops(&fleet, "stranger", &["updatekeys", "--yes", "--input-type", "binary", place])?;
    let said = String::from_utf8_lossy(&update.stderr);
    ensure!(update.status.success() && said.contains("already up to date"), "{said}");
    // With the converted form alone, as was stored before, it is as good as ever.
    let mut json: Value = serde_json::from_slice(&fs::read(&file)?)?;
    let stanzas = json["sops"]["age"].as_array_mut().unwrap();
    assert_eq!(stanzas.len(), 4);
    stanzas.retain(|stanza| stanza["recipient"].as_str().unwrap().starts_with("age1"));
    fs::write(&file, serde_json::to_vec_pretty(&json)?)?;
    fleet.run(["adopt", "a"])?.ends(0).never_says("number");
    assert_eq!(fleet.run(["--json", "status"])?.ends(0).state("per-machine/web1/a"), "present");
    assert!(decrypted(&fleet, "stranger", place).is_err());
    let key = fleet.path().join("host").display().to_string();
    fleet.run(["-i", &key, "get", "a", "secret"])?.ends(0);
    // The other one comes with the next write, and no one is asked: it is the same recipient.
    fleet.run(["-i", &key, "--no-input", "rekey", "--all"])?.ends(0);
    assert_eq!(decrypted(&fleet, "stranger", place)?, value);
    Ok(())
}

#[test]
fn a_file_of_several_key_groups_is_made_ours_with_sops_as_the_message_says() -> Result<()> {
    let mut fleet = one("sops-nix")?;
    fleet.of("web1")["artifacts"]["a"]["files"] = json!({"secret": {}});
    fleet.of("web1")["artifacts"]["a"]["generator"] =
        fleet.generator("one", "#!/bin/bash\nprintf x > \"$out/secret\"\n")?;
    let host = fleet.of("web1")["config"]["agenix"]["publicHostKey"].as_str().unwrap().to_owned();
    fleet.run(["generate", "--accept-recipients"])?.ends(0);
    let place = "secrets/per-machine/web1/a/secret.sops";
    let config = fleet.path().join(".sops.yaml");
    let group = format!("    - age: [{host}]\n");
    fs::write(
        &config,
        format!("creation_rules:\n  - path_regex: sops$\n    shamir_threshold: 2\n    key_groups:\n{group}{group}"),
    )?;
    let run = |words: &[&str]| -> Result<()> {
        let output = sops(&fleet, "web1", words)?;
        ensure!(output.status.success(), "{words:?}: {}", String::from_utf8_lossy(&output.stderr));
        Ok(())
    };
    run(&["updatekeys", "--yes", "--input-type", "binary", place])?;
    let told = "split among 2 key groups; only one is read; with a key of it: `artifacts sops-config --write`, `sops updatekeys FILE`, \
                then `sops rotate --in-place FILE`";
    fleet.run(["status"])?.ends(3).says(told);
    fleet.run(["adopt", "a"])?.ends(1).says(told);
    fs::remove_file(&config)?;
    fleet.run(["sops-config", "--write"])?.ends(0);
    run(&["updatekeys", "--yes", "--input-type", "binary", place])?;
    run(&["rotate", "--in-place", "--input-type", "binary", "--output-type", "binary", place])?;
    fleet.run(["adopt", "a"])?.says("adopted web1/a");
    let key = fleet.key_file("web1").display().to_string();
    assert_eq!(fleet.run(["-i", &key, "get", "a", "secret"])?.ends(0).stdout, "x");
    Ok(())
}

/// A machine with `pin` and `t` in one YAML file, whose pin is a number since somebody edited it.
fn with_a_number() -> Result<Fleet> {
    let fleet = Fleet::new()?;
    let generator = fleet.generator("make", "#!/bin/bash\nprintf 0123 > \"$out/pin\"\nprintf x > \"$out/t\"\n")?;
    let artifact = json!({"backend": "sops-nix", "files": {"pin": {}, "t": {}}, "generator": generator});
    let mut fleet = machine(fleet, &json!({"a": artifact}))?;
    fleet.of("web1")["config"]["sops-nix"]["format"] = json!("yaml");
    fleet.run(["generate", "--accept-recipients"])?.ends(0);
    fleet.generator("editor", "#!/bin/sh\nsed -i 's/^pin: .*/pin: 0123/' \"$1\"\n")?;
    let output = sops(&fleet, "web1", &["edit", "secrets/per-machine/web1/a/secrets.sops.yaml"])?;
    ensure!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    Ok(fleet)
}

#[test]
fn a_number_is_neither_present_nor_adopted_nor_read_nor_written_again() -> Result<()> {
    let fleet = with_a_number()?;
    let before = fleet.stored()?;
    let what = "`secrets.sops.yaml`: the value of `pin` is a number; put it in quotes";
    let key = fleet.key_file("web1").display().to_string();
    fleet.run(["status"])?.ends(3).says(what);
    fleet.run(["adopt"])?.ends(1).says(what);
    fleet.run(["-i", &key, "get", "a", "pin"])?.ends(1).never_says("83");
    fleet.run(["-i", &key, "rekey", "--all", "--accept-recipients"])?.ends(1);
    let mut set = artifacts_tests::fleet::in_session(&fleet.command(["-i", &key, "set", "a", "t"])?);
    ensure!(!set.stdin(Stdio::from(fs::File::open(fleet.path().join("make"))?)).output()?.status.success());
    assert_eq!(fleet.stored()?, before);
    Ok(())
}

#[test]
fn a_recipient_that_is_no_age_key_is_accepted_and_stays_until_a_new_data_key_is_needed() -> Result<()> {
    let mut fleet = one("sops-nix")?;
    fleet.of("web1")["artifacts"]["a"]["files"] = json!({"secret": {}});
    fleet.of("web1")["artifacts"]["a"]["generator"] =
        fleet.generator("one", "#!/bin/bash\nprintf x > \"$out/secret\"\n")?;
    fleet.run(["generate", "--accept-recipients"])?.ends(0);
    let place = "secrets/per-machine/web1/a/secret.sops";
    let file = fleet.path().join(place);
    let mut json: Value = serde_json::from_slice(&fs::read(&file)?)?;
    json["sops"]["pgp"] = json!([{"created_at": "2024-01-01T00:00:00Z", "enc": "x", "fp": "85D77543B3D624B6"}]);
    fs::write(&file, json.to_string())?;
    let pgp =
        || -> Result<Value> { Ok(serde_json::from_slice::<Value>(&fs::read(&file)?)?["sops"]["pgp"][0]["fp"].take()) };
    let (who, key) = ("pgp 85D77543B3D624B6", fleet.key_file("web1").display().to_string());
    fleet.run(["adopt", "a"])?.says(who).says("adopted web1/a");
    fleet.run(["--json", "status"])?.ends(3).says(who);
    fleet.run(["rekey", "--dry-run"])?.ends(3).says(who);
    for command in [&["rekey"][..], &["rekey", "--all"], &["generate", "--regenerate", "--yes"]] {
        fleet.run([&["-i", &key, "--no-input"], command].concat())?.ends(1).says(who).says("--accept-recipients");
    }
    fleet.run(["-i", &key, "rekey", "--accept-recipients"])?.ends(0).says(who);
    assert_eq!(pgp()?, "85D77543B3D624B6");
    assert_eq!(decrypted(&fleet, "web1", place)?, b"x");
    // It is a recipient like others: present, accepted, and in the rules of sops.
    assert_eq!(fleet.run(["--json", "status"])?.ends(0).state("per-machine/web1/a"), "present");
    fleet.run(["-i", &key, "--no-input", "rekey", "--all"])?.ends(0);
    fleet.run(["sops-config"])?.ends(0).says("pgp: '85D77543B3D624B6'");
    // Who joins has the same data key.
    let joined = fleet.new_key("alice")?;
    let host = fleet.of("web1")["config"]["sops-nix"]["publicHostKey"].clone();
    fleet.configure("web1", "sops-nix", json!({"publicHostKey": host, "publicUserKeys": [joined]}));
    fleet.run(["-i", &key, "rekey", "--accept-recipients"])?.ends(0);
    assert_eq!((decrypted(&fleet, "alice", place)?, pgp()?), (b"x".to_vec(), json!("85D77543B3D624B6")));
    // What needs a new one is refused.
    let before = fleet.stored()?;
    fleet.configure("web1", "sops-nix", json!({"publicHostKey": host}));
    let leaving = fleet.run(["-i", &key, "rekey", "--accept-recipients"])?.ends(1);
    leaving.says(&format!("{joined} is to be removed")).says(who).says("`sops rotate --in-place FILE`");
    fleet.configure("web1", "sops-nix", json!({"publicHostKey": host, "publicUserKeys": [joined]}));
    let again = fleet.run(["generate", "--regenerate", "--yes", "--accept-recipients"])?.ends(1);
    again.says("a value is new").says(who).says("`sops edit FILE`");
    assert_eq!(fleet.stored()?, before);
    Ok(())
}

#[test]
fn a_slice_that_is_broken_is_stale_and_says_where() -> Result<()> {
    let fleet = one("sops-nix")?;
    fleet.run(["generate", "--accept-recipients"])?.ends(0);
    let file = fleet.path().join("secrets/per-machine/web1/a/secret.sops");
    let whole = fs::read(&file)?;
    fs::write(&file, &whole[..whole.len() / 2])?;
    fleet.run(["status"])?.ends(3).says("`secret.sops`: the file is cut short");
    Ok(())
}

#[test]
fn a_backend_in_c_stores_what_age_reads() -> Result<()> {
    let fleet = Fleet::new()?;
    let generator = fleet.generator("make", MAKE)?;
    let mut fleet = machine(fleet, &json!({"a": artifact("in-c", &generator)}))?;
    let component = guest("in-c")?;
    let sha256 = Command::new("sha256sum").arg(&component).output()?.stdout;
    let sha256 = String::from_utf8(sha256)?.split_whitespace().next().unwrap_or_default().to_owned();
    fleet.backend("in-c", json!({"component": component, "sha256": sha256}));
    let key = fleet.of("web1")["config"]["agenix"]["publicHostKey"].clone();
    fleet.configure("web1", "in-c", json!({"recipients": [key]}));
    assert_eq!(fleet.run(["--json", "status"])?.ends(3).state("per-machine/web1/a"), "absent");
    fleet.run(["generate", "--accept-recipients"])?.ends(0);
    assert!(fleet.decrypt("web1", "secrets/per-machine/web1/a/secret.age")?.ends_with(b"\xff\n\n"));
    assert_eq!(fleet.run(["--json", "status"])?.ends(0).state("per-machine/web1/a"), "present");
    fs::write(fleet.path().join("secrets/per-machine/web1/a/more.age"), "")?;
    fleet.run(["status"])?.ends(3).says("`more.age` is not part of the entry");
    fleet.configure("web1", "in-c", json!({}));
    fleet.run(["status"])?.ends(1).says("no target names a recipient");
    Ok(())
}
