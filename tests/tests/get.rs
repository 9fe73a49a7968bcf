//! Secrets back through the program itself: with every kind of private key, and without.
#![allow(clippy::unwrap_used, clippy::missing_panics_doc)]

use std::fs;
use std::io::{Read as _, Write as _};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context as _, Result, ensure};
use artifacts_tests::fleet::{Fleet, Ran, guest, in_session, program};
use artifacts_tests::sops::decrypted;
use artifacts_tests::{age, age_plugin};
use serde_json::{Value, json};

/// Bytes that are no text, with newlines at the end.
const MAKE: &str = "#!/bin/bash\nprintf 'the secret \\377\\n\\n' > \"$out/secret\"\n: > \"$out/empty\"\nprintf 'to see\\n' > \"$out/seen\"\n";
const SECRET: &[u8] = b"the secret \xff\n\n";

/// A machine with an artifact in each backend, whose admins have these keys.
fn fleet(admins: &[String]) -> Result<Fleet> {
    let fleet = Fleet::new()?;
    let generator = fleet.generator("make", MAKE)?;
    let files = json!({"secret": {}, "empty": {}, "seen": {"secret": false}});
    let artifact = |backend: &str| json!({"backend": backend, "files": files, "generator": generator});
    let both = json!({"a": artifact("agenix"), "s": artifact("sops-nix")});
    let mut fleet = fleet.machine("web1", &both)?;
    let host = fleet.of("web1")["config"]["agenix"]["publicHostKey"].clone();
    for backend in ["agenix", "sops-nix"] {
        fleet.configure("web1", backend, json!({"publicHostKey": host, "publicUserKeys": admins}));
    }
    Ok(fleet)
}

/// An ssh key, and its public half.
fn ssh_key(dir: &Path, kind: &str, passphrase: &str) -> Result<(PathBuf, String)> {
    let file = dir.join(format!("id_{kind}"));
    let mut keygen = Command::new("ssh-keygen");
    keygen.args(["-q", "-t", kind, "-C", "admin", "-N", passphrase, "-f"]).arg(&file);
    if kind == "rsa" {
        keygen.args(["-b", "2048"]);
    }
    ensure!(keygen.status().context("ssh-keygen")?.success());
    let public = fs::read_to_string(file.with_extension("pub"))?.trim().to_owned();
    Ok((file, public))
}

fn got(fleet: &Fleet, arguments: &[&str]) -> Result<Vec<u8>> {
    let output = fleet.output(arguments)?;
    ensure!(output.status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
    Ok(output.stdout)
}

#[test]
fn every_kind_of_key_reads_the_very_bytes() -> Result<()> {
    let keys = tempfile::tempdir()?;
    let (ed25519, ed25519_public) = ssh_key(keys.path(), "ed25519", "")?;
    let (rsa, rsa_public) = ssh_key(keys.path(), "rsa", "")?;
    let mut fleet = fleet(&[ed25519_public, rsa_public])?;
    let users = fleet.of("web1")["config"]["sops-nix"]["publicUserKeys"].clone();
    fleet.of("web1")["config"]["sops-nix"]["publicUserKeys"] = json!([users[0]]);
    fleet.run(["generate", "--accept-recipients"])?.ends(0);
    let age = fleet.key_file("web1");
    for (artifact, key) in [("a", &ed25519), ("a", &rsa), ("a", &age), ("s", &ed25519), ("s", &age)] {
        let key = key.to_str().unwrap();
        assert_eq!(got(&fleet, &["-i", key, "get", artifact, "secret"])?, SECRET);
        assert_eq!(got(&fleet, &["get", &format!("per-machine/web1/{artifact}/empty"), "--identity", key])?, b"");
    }
    // One of several may be the right one; that of the environment counts where none is named.
    let (wrong, right) = (rsa.to_str().unwrap(), ed25519.to_str().unwrap());
    assert_eq!(got(&fleet, &["-i", wrong, "-i", right, "get", "s", "secret"])?, SECRET);
    let mut command = fleet.command(["get", "s", "secret"])?;
    assert_eq!(command.env("ARTIFACTS_IDENTITY", right).output()?.stdout, SECRET);
    let mut command = fleet.command(["-i", wrong, "get", "s", "secret"])?;
    assert!(!command.env("ARTIFACTS_IDENTITY", right).output()?.status.success());
    // Then the usual places: those that are not there are no matter.
    let home = tempfile::tempdir()?;
    for (place, key) in [(".ssh/id_ed25519", &ed25519), (".config/sops/age/keys.txt", &age)] {
        let place = home.path().join(place);
        fs::create_dir_all(place.parent().unwrap())?;
        fs::copy(key, &place)?;
        let mut command = fleet.command(["get", "s", "secret"])?;
        command.env("HOME", home.path()).env_remove("XDG_CONFIG_HOME");
        assert_eq!(command.output()?.stdout, SECRET, "{}", place.display());
        fs::remove_file(place)?;
    }
    let ran = fleet.run(["-i", right, "--json", "get", "a", "secret"])?.ends(0).json();
    let expected = json!({"schema": 1, "instance": "per-machine/web1/a", "file": "secret", "encoding": "base64",
        "value": "dGhlIHNlY3JldCD/Cgo=", "errors": []});
    assert_eq!(ran, expected);
    Ok(())
}

#[test]
fn without_the_right_key_nothing_comes_back_and_it_says_why() -> Result<()> {
    let fleet = fleet(&[])?;
    fleet.run(["get", "a", "secret"])?.ends(1).says("not generated yet").says("`artifacts generate");
    fleet.run(["generate", "--accept-recipients"])?.ends(0);
    fleet.new_key("stranger")?;
    let stranger = fleet.key_file("stranger");
    let stranger = stranger.to_str().unwrap();
    for artifact in ["a", "s"] {
        let get = |more: &[&str]| fleet.run([more, &["get", artifact, "secret"]].concat());
        let usual = fleet.home().join(".ssh/id_ed25519").display().to_string();
        let nothing = get(&[])?.ends(1).says("no identity found").says("-i").never_says("the secret");
        nothing.says("found: no ").says(&usual).says("sops/age/keys.txt").says("expected: an identity of web1");
        let other = get(&["-i", stranger])?.ends(1).says("no identity can decrypt it").never_says("the secret");
        other.says(&format!("found: {stranger}: not a recipient expected: an identity of web1"));
        get(&["-i", "not/there"])?.ends(1).says("not/there: cannot read the private key");
        get(&["-i", "/dev/null"])?.ends(1).says("/dev/null: not an identity");
    }
    // A public file needs no key: none is even looked for.
    fleet.run(["-i", "not/there", "get", "a", "seen"])?.ends(0).says("to see");
    for (arguments, words) in [
        (&["get", "a", "other"][..], "no file `other` hint: its files: empty, secret, seen"),
        (&["get", "b", "secret"], "b: no artifact matches this selector"),
        (&["get", "a"], "no file specified"),
        (&["get", "per-machine/web1/a"], "web1/a: no file specified"),
        (&["get", "per-machine/web1/a"], "its files: empty, secret, seen"),
        (&["get", "per-machine/web1/b"], "per-machine/web1/b: no artifact matches this selector"),
        (&["get", "web1/a"], "web1/a: no file specified"),
        (&["get", "web1/a/other"], "no file `other` hint: its files: empty, secret, seen"),
    ] {
        fleet.run(arguments)?.ends(1).says(words);
    }
    Ok(())
}

#[test]
fn a_key_that_nobody_needed_is_not_mentioned() -> Result<()> {
    let fleet = fleet(&[])?;
    fleet.run(["--accept-recipients", "generate"])?.ends(0);
    let (ssh, sops) = (fleet.home().join(".ssh"), fleet.home().join(".config/sops/age"));
    fs::create_dir_all(&ssh)?;
    fs::create_dir_all(&sops)?;
    let ecdsa = ssh.join("id_rsa");
    assert!(Command::new("ssh-keygen").args(["-q", "-t", "ecdsa", "-N", "", "-f"]).arg(&ecdsa).status()?.success());
    let plugin = bech32::encode_upper::<bech32::Bech32>(bech32::Hrp::parse("age-plugin-yubikey-")?, b"id")?;
    let good = fs::read_to_string(fleet.key_file("web1"))?;
    let keys = sops.join("keys.txt");
    fs::write(&keys, format!("{plugin}\n{good}\nwhat is this\n"))?;
    let get = || -> Result<Ran> {
        let mut command = fleet.command(["get", "a", "secret"])?;
        Ok(in_session(command.env_remove("ARTIFACTS_IDENTITY").env_remove("XDG_CONFIG_HOME")).output()?.into())
    };
    let ran = get()?.ends(0).says("the secret");
    assert_eq!(ran.stderr, "", "{ran}");
    // The same for those that are named; the only one has to be one.
    let (bad, right) = (ecdsa.display().to_string(), fleet.key_file("web1").display().to_string());
    let ran = fleet.run(["-i", &bad, "-i", &right, "get", "a", "secret"])?.ends(0);
    assert_eq!(ran.stderr, "", "{ran}");
    fleet.run(["-i", &bad, "get", "a", "secret"])?.ends(1).says("unsupported SSH key type").never_says(": : ");
    // Where nothing opens it, each of them is.
    fleet.new_key("stranger")?;
    let other = fs::read_to_string(fleet.key_file("stranger"))?;
    fs::write(&keys, format!("{plugin}\n{other}\nwhat is this\n"))?;
    let ran = get()?.ends(1).says("no identity can decrypt it").says(&format!("{}: not a recipient", keys.display()));
    let ran = ran.says(&format!("{}: unsupported SSH key type", ecdsa.display()));
    let ran = ran.says(": needs age plugin `yubikey`, which is not enabled").says("`--age-plugin yubikey`");
    ran.says(": not an age identity").never_says("what is this").never_says(": : ");
    Ok(())
}

#[test]
fn what_was_opened_and_with_what_is_on_record() -> Result<()> {
    let fleet = fleet(&[])?;
    fleet.run(["generate", "--accept-recipients"])?.ends(0);
    let key = fleet.key_file("web1");
    for artifact in ["a", "s"] {
        fleet.run(["-i", key.to_str().unwrap(), "get", artifact, "secret"])?.ends(0);
        fleet.run(["get", artifact, "secret"])?.ends(1);
    }
    let records = fleet.run(["audit", "--json", "--all"])?.json();
    let records: Vec<&Value> = records["records"].as_array().unwrap().iter().filter(|r| r["kind"] == "ended").collect();
    let records: Vec<&Value> = records.into_iter().filter(|r| r["observed"]["operation"] == "retrieve").collect();
    assert_eq!(records.len(), 4);
    for (record, stored) in records.iter().zip([Some("secret.age"), Some("secret.age"), None, None]) {
        let opening = &record["observed"]["decryptions"][0];
        assert_eq!(opening["file"].as_str(), stored);
        let artifact = record["observed"]["instances"][0].as_str().unwrap();
        let receipt = fs::read_to_string(fleet.path().join("secrets").join(artifact).join("receipt.json"))?;
        let receipt: Value = serde_json::from_str(&receipt)?;
        assert!(receipt["headers"]["secret"].as_array().unwrap().contains(&opening["header"]), "{record}");
    }
    let told = |at: usize, what: &str| records[at]["observed"]["decryptions"][0][what].as_str().map(str::to_owned);
    assert_eq!((told(0, "identity").as_deref(), told(0, "error")), (Some("age"), None));
    assert_eq!((told(1, "identity"), told(1, "error").as_deref()), (None, Some("no-identity")));
    assert_eq!(
        (&records[0]["observed"]["accessedPlaintext"], &records[2]["observed"]["accessedPlaintext"]),
        (&json!(false), &json!(true))
    );
    assert!(!fs::read_to_string(fleet.audit_log())?.contains("the secret"));
    fleet.run(["audit"])?.ends(0).says("decrypted 1 file (age 1); not decrypted: no-identity 1").says("denied nothing");
    Ok(())
}

#[test]
fn a_key_that_does_not_fit_is_no_refusal_even_of_what_was_given_a_plaintext() -> Result<()> {
    let keys = tempfile::tempdir()?;
    let (key, public) = ssh_key(keys.path(), "ed25519", "")?;
    let fleet = fleet(&[public])?;
    fleet.run(["generate", "--accept-recipients", "s"])?.ends(0);
    for key in [fleet.key_file("web1"), key] {
        fleet.run(["-i", key.to_str().unwrap(), "get", "s", "secret"])?.ends(0);
    }
    fleet.run(["audit"])?.ends(0).says("not decrypted: no-identity").says("denied nothing");
    Ok(())
}

/// Runs a command at a terminal of its own where each question is answered with one of these. Returns what the terminal showed,
/// and standard output.
fn at_terminal(fleet: &Fleet, arguments: &[&str], answers: &[&str]) -> Result<(String, Vec<u8>)> {
    let command = fleet.command(arguments)?;
    let quoted = |text: &std::ffi::OsStr| format!("'{}'", text.display());
    let words: Vec<String> = std::iter::once(command.get_program()).chain(command.get_args()).map(quoted).collect();
    let out = fleet.path().join("out");
    let line = format!("{} > {}", words.join(" "), quoted(out.as_os_str()));
    let mut script = Command::new("script");
    script.args(["-qec", &line, "/dev/null"]).stdin(Stdio::piped()).stdout(Stdio::piped());
    for (key, value) in command.get_envs() {
        script.env(key, value.unwrap_or_default());
    }
    let mut child = script.spawn().context("script, of util-linux")?;
    let mut keyboard = child.stdin.take().context("a keyboard")?;
    let mut screen = child.stdout.take().context("a screen")?;
    let (mut shown, mut answers, mut given, mut part) = (String::new(), answers.iter(), 0, [0; 4096]);
    loop {
        let size = screen.read(&mut part)?;
        if size == 0 {
            break;
        }
        shown.push_str(&String::from_utf8_lossy(&part[..size]));
        // A long question has a line of its own, and the mark that asks the terminal to mark what is pasted may come last.
        let text = shown.trim_end_matches("\u{1b}[?2004h").trim_end();
        // A page that has not been read to its end may end so, too.
        let is_page =
            text.lines().last().is_some_and(|line| line.contains("wants to read") || line.starts_with("    "));
        let is_asked = text.ends_with(':') && !is_page;
        let questions = shown.matches(": ").count() + shown.matches(":\r\n").count();
        if is_asked && questions > given {
            given = questions;
            // A question too many is for the test to find in what was shown.
            let Some(answer) = answers.next() else { break };
            keyboard.write_all(format!("{answer}\n").as_bytes())?;
        }
    }
    drop((keyboard, screen));
    child.wait()?;
    Ok((shown, fs::read(out)?))
}

#[test]
fn a_passphrase_is_asked_for_once_a_run_and_never_without_a_terminal() -> Result<()> {
    let keys = tempfile::tempdir()?;
    let (key, public) = ssh_key(keys.path(), "ed25519", "correct horse")?;
    let mut fleet = fleet(&[public])?;
    let generator = fleet.generator("both", "#!/bin/bash\ncat \"$in/a/secret\" \"$in/s/secret\" > \"$out/sum\"\n")?;
    let both = json!({"backend": "agenix", "files": {"sum": {}}, "dependencies": ["a", "s"], "generator": generator});
    fleet.of("web1")["artifacts"]["both"] = both;
    let key = key.to_str().unwrap();
    fleet.run(["generate", "--accept-recipients", "a", "s"])?.ends(0);
    // Both dependencies are read back, with one question.
    let (shown, _) = at_terminal(&fleet, &["-i", key, "generate", "--accept-reading"], &["correct horse"])?;
    assert_eq!(shown.matches("Passphrase for").count(), 1, "{shown}");
    assert!(!shown.contains("correct horse"), "{shown}");
    assert_eq!(fleet.decrypt("web1", "secrets/per-machine/web1/both/sum.age")?, [SECRET, SECRET].concat());
    let (shown, out) = at_terminal(&fleet, &["-i", key, "get", "s", "secret"], &["wrong", "correct horse"])?;
    assert_eq!(out, SECRET, "{shown}");
    assert!(shown.contains("Wrong passphrase. Passphrase for"), "{shown}");
    // Nobody is there, or is to be asked.
    let words = format!("{key}: no passphrase was entered");
    fleet.run(["-i", key, "get", "s", "secret"])?.ends(1).says(&words);
    let (shown, out) = at_terminal(&fleet, &["--no-input", "-i", key, "get", "s", "secret"], &[])?;
    assert!(
        shown.contains("no passphrase was entered") && !shown.contains("Passphrase for") && out.is_empty(),
        "{shown}"
    );
    Ok(())
}

#[test]
fn a_plugin_is_started_once_for_all_that_a_run_writes_and_once_for_all_that_it_reads() -> Result<()> {
    let mut fleet = fleet(&[age_plugin::RECIPIENT.to_owned()])?;
    let artifact = fleet.of("web1")["artifacts"]["a"].clone();
    let sum = fleet.generator("sum", "#!/bin/bash\ncat \"$in\"/{a,b}/{secret,empty} > \"$out/sum\"\n")?;
    fleet.of("web1")["artifacts"]["b"] = artifact;
    fleet.of("web1")["artifacts"]["sum"] =
        json!({"backend": "agenix", "files": {"sum": {}}, "dependencies": ["a", "b"], "generator": sum});

    let dir = tempfile::tempdir()?;
    age_plugin::write(dir.path(), "")?;
    let card = dir.path().join("card");
    fs::write(&card, age_plugin::IDENTITY)?;
    let card = card.to_str().unwrap();
    let with_plugin = |arguments: &[&str]| -> Result<std::process::Output> {
        let mut command = fleet.command(arguments)?;
        command.env("PATH", format!("{}:{}", dir.path().display(), std::env::var("PATH")?));
        Ok(command.env("A_TOKEN", "of the caller").output()?)
    };
    let said = |output: &std::process::Output| String::from_utf8_lossy(&output.stderr).into_owned();

    let refused = with_plugin(&["generate", "a", "b", "s"])?;
    let told = said(&refused);
    assert!(
        told.contains("needs age plugin `tester`, which is not enabled") && told.contains("--age-plugin tester"),
        "{told}"
    );
    assert!(
        !refused.status.success() && !told.contains("--accept-recipients"),
        "told before anything is asked: {told}"
    );
    assert_eq!(age_plugin::runs(dir.path()), 0, "a plugin that nobody allowed is not run");
    let missing = fleet.run(["--age-plugin", "tester", "generate", "a"])?.ends(1);
    missing.says("needs `age-plugin-tester`, which is not in PATH");

    let made = with_plugin(&["--age-plugin", "tester", "generate", "--accept-recipients", "a", "b", "s"])?;
    assert!(made.status.success(), "{}", said(&made));
    assert_eq!(age_plugin::runs(dir.path()), 1, "one start for six files of two backends");
    fleet.run(["status", "a", "b", "s"])?.ends(0);
    assert!(!fs::read_to_string(dir.path().join("environment"))?.contains("A_TOKEN"));

    let refused = with_plugin(&["-i", card, "get", "a", "secret"])?;
    assert!(!refused.status.success() && said(&refused).contains("--age-plugin tester"), "{}", said(&refused));
    assert_eq!(age_plugin::runs(dir.path()), 1);
    let touches = || fs::read_to_string(dir.path().join("touches")).unwrap_or_default().lines().count();
    let made = with_plugin(&["-i", card, "--age-plugin", "tester", "generate", "--accept-reading", "sum"])?;
    assert!(made.status.success(), "{}", said(&made));
    assert_eq!((touches(), age_plugin::runs(dir.path())), (1, 3), "one touch for four files of two instances");
    let sum = [SECRET, SECRET].concat();
    assert_eq!(fleet.decrypt("web1", "secrets/per-machine/web1/sum/sum.age")?, sum);
    let audit = fleet.run(["audit"])?.ends(0).says("decrypted 4 files (plugin tester 4)");
    audit.says("age-plugin-tester (run 3 times)");
    for (artifact, touched) in [("a", 2), ("s", 3)] {
        let got = with_plugin(&["-i", card, "--age-plugin", "tester", "get", artifact, "secret"])?;
        assert_eq!((got.stdout.as_slice(), touches()), (SECRET, touched), "{}", said(&got));
    }

    let new = dir.path().join("new");
    let made = with_plugin(&["keygen", "--plugin", "tester", "-o", new.to_str().unwrap()])?;
    assert!(made.status.success() && said(&made).contains(age_plugin::RECIPIENT), "{}", said(&made));
    assert!(fs::read_to_string(&new)?.contains(age_plugin::IDENTITY));
    assert!(!fs::read_to_string(dir.path().join("environment"))?.contains("A_TOKEN"));
    let started = age_plugin::runs(dir.path());
    let again = with_plugin(&["keygen", "--plugin", "tester", "-o", new.to_str().unwrap()])?;
    assert!(!again.status.success(), "{}", said(&again));
    let nowhere = with_plugin(&["keygen", "--plugin", "tester", "-o", dir.path().join("new/such").to_str().unwrap()])?;
    assert!(!nowhere.status.success(), "{}", said(&nowhere));
    assert_eq!(age_plugin::runs(dir.path()), started, "no key in hardware is generated in vain");
    let checkout = tempfile::tempdir()?;
    fs::create_dir(checkout.path().join(".git"))?;
    age_plugin::write(checkout.path(), "")?;
    let mut command = Command::new(program()?);
    command.args(["keygen", "--plugin", "tester"]).current_dir(checkout.path()).env("PATH", checkout.path());
    let its = command.output()?;
    assert!(!its.status.success() && said(&its).contains("program not found in PATH"), "{}", said(&its));
    let cut = dir.path().join("cut");
    let mut command = Command::new("bash");
    command.args(["-c", "trap '' XFSZ; ulimit -f 0; exec \"$0\" keygen --plugin tester -o \"$1\""]);
    command.arg(program()?).arg(&cut).env("PATH", format!("{}:/usr/bin:/bin", dir.path().display()));
    let full = command.output()?;
    let printed = String::from_utf8_lossy(&full.stdout);
    assert!(!full.status.success() && said(&full).contains("cannot write the identity"), "{}", said(&full));
    assert!(printed.contains(age_plugin::IDENTITY) && !cut.exists(), "the only copy is not lost: {printed}");
    Ok(())
}

#[test]
fn a_new_key_reads_what_is_encrypted_to_it_of_either_kind() -> Result<()> {
    let keys = tempfile::tempdir()?;
    let mut fleet = fleet(&[])?;
    let new = |name: &str, arguments: &[&str]| -> Result<(PathBuf, String)> {
        let file = keys.path().join(name);
        let output = fleet.output([&["keygen", "-o", file.to_str().unwrap()], arguments].concat())?;
        let told = String::from_utf8(output.stderr)?;
        ensure!(output.status.success() && output.stdout.is_empty(), "{told}");
        let (_, recipient) = told.trim().split_once("artifacts.recipients.").context("a line to declare it")?;
        let recipient = recipient.split('"').nth(1).context("a recipient")?.to_owned();
        Ok((file, recipient))
    };
    let (classic, post_quantum, host) = (new("classic", &[])?, new("pq", &["--pq"])?, new("host", &["--pq"])?);
    let mixed = json!({"publicHostKey": host.1, "publicUserKeys": [classic.1, post_quantum.1]});
    fleet.configure("web1", "sops-nix", mixed.clone());
    fleet.configure("web1", "agenix", mixed);
    let refused = fleet.run(["generate", "a"])?.ends(1);
    refused.says("age does not encrypt one file to post-quantum recipients").says("and others");
    fleet.configure("web1", "agenix", json!({"publicHostKey": host.1, "publicUserKeys": [post_quantum.1]}));
    fleet.run(["generate", "--accept-recipients"])?.ends(0);
    for (artifact, key) in [("a", &post_quantum.0), ("a", &host.0), ("s", &classic.0), ("s", &post_quantum.0)] {
        assert_eq!(got(&fleet, &["-i", key.to_str().unwrap(), "get", artifact, "secret"])?, SECRET, "{artifact}");
    }
    let again = fleet.run(["keygen", "-o", classic.0.to_str().unwrap()])?.ends(1);
    again.says("an identity is never overwritten");
    Ok(())
}

#[test]
fn a_machine_with_only_its_ssh_host_key_decrypts_with_sops() -> Result<()> {
    let mut fleet = fleet(&[])?;
    for backend in ["agenix", "sops-nix"] {
        fleet.configure("web1", backend, json!({"publicHostKey": age::SSH_HOST_PUBLIC}));
    }
    fleet.run(["generate", "--accept-recipients"])?.ends(0);
    let keys = tempfile::tempdir()?;
    let (host, converted) = (keys.path().join("host"), keys.path().join("converted"));
    fs::write(&host, age::SSH_HOST)?;
    fs::write(&converted, age::SSH_HOST_AS_AGE)?;
    let file = "secrets/per-machine/web1/s/secret.sops";
    assert_eq!(decrypted(&fleet, &converted, file)?, SECRET);
    for artifact in ["a", "s"] {
        assert_eq!(got(&fleet, &["-i", host.to_str().unwrap(), "get", artifact, "secret"])?, SECRET);
    }
    // `web1` here is a key that is no reader any more.
    assert!(decrypted(&fleet, &fleet.key_file("web1"), file).is_err());
    Ok(())
}

#[test]
fn a_hostile_backend_opens_nothing_that_is_anothers() -> Result<()> {
    let mut fleet = fleet(&[])?;
    fleet.run(["generate", "--accept-recipients", "a"])?.ends(0);
    let theirs = fs::read_to_string(fleet.path().join("secrets/per-machine/web1/a/secret.age"))?;
    // It asks for the grant, and gets it.
    let component = fleet.path().join("hostile.wasm");
    let bytes = fs::read(guest("hostile")?)?;
    fs::write(&component, bytes)?;
    let manifest = fleet.path().join("manifest.json");
    fs::write(
        &manifest,
        json!({"schema": 1, "name": "hostile", "version": "0.1.0", "description": "d", "persists": "storage",
        "scopes": ["machine"], "requests": {"identities": true}, "config": {"type": "object"}, "examples": []})
        .to_string(),
    )?;
    let words = ["backend", "annotate", component.to_str().unwrap(), "--manifest", manifest.to_str().unwrap()];
    fleet.run(words)?.ends(0);
    fleet.backend("hostile", json!({"component": component, "grants": {"identities": true}}));
    fleet.of("web1")["artifacts"]["a2"] = fleet.of("web1")["artifacts"]["a"].clone();
    fleet.of("web1")["artifacts"]["a2"]["backend"] = json!("hostile");
    let recipient = fleet.of("web1")["config"]["agenix"]["publicHostKey"].clone();
    let config = |mode: &str, text: &str| json!({"recipients": [recipient], "retrieve": mode, "text": text});
    fleet.configure("web1", "hostile", config("", ""));
    fleet.run(["--accept-grants", "generate", "a2"])?.ends(0);
    let key = fleet.key_file("web1");
    let get = ["-i", key.to_str().unwrap(), "get", "a2", "secret"];
    assert_eq!(got(&fleet, &get)?, SECRET, "what is its own is opened");

    // What it does when it is asked to read is stored with the entry.
    fleet.configure("web1", "hostile", config("open-shipped", &theirs));
    fleet.run(["rotate", "--yes", "a2"])?.ends(0);
    fleet.run(get)?.ends(1).says("it tried to decrypt a file that was not encrypted for this artifact");
    // Planted into the entry by somebody else, it is not even called.
    let own = fleet.path().join("secrets/per-machine/web1/a2/secret.age");
    fleet.configure("web1", "hostile", config("", ""));
    fleet.run(["rotate", "--yes", "a2"])?.ends(0);
    let mine = fs::read(&own)?;
    fs::write(&own, &theirs)?;
    fleet.run(get)?.ends(1).says("`secret.age` was modified outside artifacts").never_says("artifacts adopt");
    fleet.run(["adopt", "a2"])?.ends(1).says("these files were encrypted for web1/a");
    // From an earlier making.
    fs::write(&own, &mine)?;
    let slice = own.parent().unwrap();
    let earlier = fs::read(&own)?;
    fleet.configure("web1", "hostile", config("open-shipped", &String::from_utf8(earlier)?));
    fleet.run(["rotate", "--yes", "a2"])?.ends(0);
    fleet.run(get)?.ends(1).says("it tried to decrypt a file that was not encrypted for this artifact");
    // And without a receipt nothing is.
    fs::remove_file(slice.join("receipt.json"))?;
    fleet.run(get)?.ends(1).says("it has no receipt.json");
    fleet.run(["audit", "a2"])?.ends(0).says("denied age.open");
    Ok(())
}
