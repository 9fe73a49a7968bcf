//! The audit log: written before anything runs, complete, and evidence of accidents and naive edits.
#![allow(clippy::unwrap_used, clippy::missing_panics_doc)]

use std::fs;

use anyhow::Result;
use artifacts_tests::desk::Desk;
use artifacts_tests::fleet::{Fleet, guest};
use serde_json::{Value, json};

const MAKE: &str = "#!/bin/bash\nprintf hunter2 > \"$out/secret\"\n";

fn fleet() -> Result<Fleet> {
    let fleet = Fleet::new()?;
    let artifact = json!({"backend": "agenix", "files": {"secret": {}}, "generator": fleet.generator("make", MAKE)?});
    fleet.machine("web1", &json!({"a": artifact}))
}

/// A machine whose backend is a guest that tries to leave its directory.
fn hostile() -> Result<Fleet> {
    let fleet = Fleet::new()?;
    let artifact = json!({"backend": "mine", "files": {"secret": {}}, "generator": fleet.generator("make", MAKE)?});
    let mut fleet = fleet.machine("web1", &json!({"a": artifact}))?;
    let recipient = fleet.new_key("mine")?;
    fleet.backend("mine", json!({"component": guest("hostile")?}));
    fleet.configure("web1", "mine", json!({"recipients": [recipient], "check": "read-outside"}));
    Ok(fleet)
}

fn lines(fleet: &Fleet) -> Result<Vec<Value>> {
    let text = fs::read_to_string(fleet.audit_log())?;
    Ok(text.lines().map(|line| serde_json::from_str(line).unwrap()).collect())
}

fn kinds(lines: &[Value]) -> Vec<&str> {
    lines.iter().map(|line| line["kind"].as_str().unwrap()).collect()
}

fn stored(fleet: &Fleet) -> Result<()> {
    fleet.run(["--accept-recipients", "generate"])?.ends(0);
    Ok(())
}

#[test]
fn where_the_first_line_cannot_be_written_nothing_runs_and_no_identity_is_read() -> Result<()> {
    let fleet = fleet()?;
    stored(&fleet)?;
    let key = fleet.key_file("web1");
    fleet.run(["--audit-log", "/dev/full", "status"])?.ends(1).says("cannot write the audit log").never_says("present");
    fleet.run(["--audit-log", "/dev/full", "generate"])?.ends(1).says("/dev/full");
    // A pipe that nobody writes to: whoever opened it would wait.
    let pipe = fleet.path().join("pipe");
    assert!(std::process::Command::new("mkfifo").arg(&pipe).status()?.success());
    let get = ["--audit-log", "/dev/full", "-i", pipe.to_str().unwrap(), "get", "a", "secret"];
    fleet.run(get)?.ends(1).says("/dev/full").never_says("hunter2");
    fleet.run(["-i", key.to_str().unwrap(), "get", "a", "secret"])?.ends(0);
    Ok(())
}

#[test]
fn a_line_is_before_each_call_and_one_after_and_the_run_is_named() -> Result<()> {
    let fleet = fleet()?;
    stored(&fleet)?;
    fs::remove_file(fleet.audit_log())?;
    fs::remove_file(fleet.audit_head())?;
    let key = fleet.key_file("web1");
    fleet.run(["-i", key.to_str().unwrap(), "get", "a", "secret"])?.ends(0);
    let lines = lines(&fleet)?;
    assert_eq!(kinds(&lines), ["run", "begun", "ended"]);
    let (run, begun, ended) = (&lines[0], &lines[1], &lines[2]);
    assert_eq!(run["command"], "get");
    assert_eq!(run["selectors"], json!(["a", "secret"]));
    let flags: Vec<&str> = run["flags"].as_array().unwrap().iter().filter_map(Value::as_str).collect();
    assert!(flags.contains(&"--identity") && flags.contains(&"--spec"), "{run}");
    assert!(!run.to_string().contains(key.to_str().unwrap()), "values of flags are not recorded: {run}");
    assert_eq!(run["checkout"], fleet.path().canonicalize()?.to_str().unwrap());
    assert_eq!((&run["version"], &run["user"]["uid"]), (&json!("0.1.0"), &json!(uid())));
    assert!(lines.iter().all(|line| line["run"] == run["run"]), "{lines:?}");
    assert_eq!((&begun["observed"]["operation"], &begun["call"]), (&json!("retrieve"), &json!(1)));
    assert_eq!((&ended["observed"]["operation"], &ended["call"]), (&json!("retrieve"), &json!(1)));
    assert_eq!(ended["observed"]["decryptions"][0]["identity"], "age");
    assert!(ended["reported"]["files"].is_array());
    Ok(())
}

fn uid() -> u32 {
    use std::os::unix::fs::MetadataExt as _;
    fs::metadata("/proc/self").unwrap().uid()
}

#[test]
fn each_consent_is_a_line_of_its_own() -> Result<()> {
    let mut fleet = fleet()?;
    stored(&fleet)?;
    let admin = fleet.new_key("admin")?;
    fleet.of("web1")["config"]["agenix"]["publicUserKeys"] = json!([admin]);
    let key = fleet.key_file("web1");
    fleet.run(["-i", key.to_str().unwrap(), "--accept-recipients", "rekey"])?.ends(0);
    let lines = lines(&fleet)?;
    let consent = |line: &&Value| line["kind"] == "consent" && line["recipients"].to_string().contains(&admin);
    let consents: Vec<&Value> = lines.iter().filter(consent).collect();
    assert_eq!(consents.len(), 1, "{lines:?}");
    let consent = consents[0];
    assert_eq!((&consent["about"], &consent["by"]), (&json!("recipients"), &json!("--accept-recipients")));
    assert_eq!((&consent["instance"], &consent["file"]), (&json!("per-machine/web1/a"), &json!("secret")));
    fleet.run(["audit", "--all"])?.ends(0).says("accepted (--accept-recipients): the recipients of per-machine/web1/a");
    Ok(())
}

#[test]
fn grants_are_a_consent_too_and_how_they_were_accepted_is_known() -> Result<()> {
    let mut fleet = hostile()?;
    fleet.backend("mine", json!({"component": guest("hostile-plaintext")?, "grants": {"plaintext": true}}));
    let mut desk = Desk::start(&fleet.command(["status"])?)?;
    desk.sees("[y/N]")?.types("y\n")?;
    desk.ends()?;
    let lines = lines(&fleet)?;
    let consent = lines.iter().find(|line| line["kind"] == "consent").unwrap();
    assert_eq!((&consent["about"], &consent["by"]), (&json!("grants"), &json!("terminal")));
    assert_eq!((&consent["backend"], &consent["grants"]["plaintext"]), (&json!("mine"), &json!(true)));
    Ok(())
}

#[test]
fn a_removed_or_changed_line_is_noticed_by_every_audit() -> Result<()> {
    let fleet = fleet()?;
    stored(&fleet)?;
    let key = fleet.key_file("web1");
    fleet.run(["-i", key.to_str().unwrap(), "get", "a", "secret"])?.ends(0);
    let head: Value = serde_json::from_str(&fs::read_to_string(fleet.audit_head())?)?;
    fleet.run(["audit", "--check"])?.ends(0).says("hash chain intact").says(&format!(
        "head: {} {}",
        head["number"],
        head["sha256"].as_str().unwrap()
    ));
    let text = fs::read_to_string(fleet.audit_log())?;
    let without: String = text.split_inclusive('\n').filter(|line| !line.contains("retrieve")).collect();
    for changed in [without, text.replacen("per-machine/web1/a", "per-machine/web1/b", 1)] {
        fs::write(fleet.audit_log(), changed)?;
        fleet.run(["audit"])?.ends(0).says("the hash chain is broken").says("warning");
        fleet.run(["audit", "--check"])?.ends(1);
        let json = fleet.run(["--json", "audit", "--check"])?.ends(1).json();
        assert_eq!(json["log"]["chain"], "broken", "{json}");
        assert!(!json["log"]["findings"].as_array().unwrap().is_empty());
    }
    // A run goes on, and hides nothing.
    fleet.run(["status"])?.ends(0);
    fleet.run(["audit", "--check"])?.ends(1);
    Ok(())
}

#[test]
fn where_others_can_write_the_log_nothing_runs() -> Result<()> {
    use std::os::unix::fs::PermissionsExt as _;
    let fleet = fleet()?;
    stored(&fleet)?;
    let dir = fleet.audit_log().parent().unwrap().to_owned();
    fs::set_permissions(&dir, fs::Permissions::from_mode(0o777))?;
    fleet.run(["status", "--all"])?.ends(1).says("can be written by others").never_says("present");
    fleet.run(["audit"])?.ends(0).says("warning").says("can be written by others");
    fs::set_permissions(&dir, fs::Permissions::from_mode(0o700))?;
    fs::set_permissions(fleet.audit_head(), fs::Permissions::from_mode(0o666))?;
    fleet.run(["status", "--all"])?.ends(1).says("audit.jsonl.head").never_says("present");
    Ok(())
}

#[test]
fn an_incomplete_line_takes_no_other_with_it() -> Result<()> {
    let fleet = fleet()?;
    stored(&fleet)?;
    let file = fs::File::options().write(true).open(fleet.audit_log())?;
    let size = file.metadata()?.len() - 30;
    file.set_len(size)?;
    let before = fs::read(fleet.audit_log())?;
    fleet.run(["status"])?.ends(0);
    let after = fs::read(fleet.audit_log())?;
    assert!(after.starts_with(&before), "no byte is removed");
    let tail = String::from_utf8(after[before.len()..].to_vec())?;
    let written: Vec<Value> = tail.lines().skip(1).map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(kinds(&written), ["run", "begun", "ended"]);
    fleet.run(["audit"])?.ends(0).says("is not an audit record").says("checked 1 artifact");
    Ok(())
}

#[test]
fn a_rotated_log_continues_the_chain() -> Result<()> {
    let fleet = fleet()?;
    stored(&fleet)?;
    let moved = fleet.home().join("old.jsonl");
    fs::rename(fleet.audit_log(), &moved)?;
    fleet.run(["audit", "--check"])?.ends(1).says("the log is empty");
    fleet.run(["status"])?.ends(0);
    fleet.run(["audit", "--check"])?.ends(0).says("are not in this file").says("hash chain intact");
    Ok(())
}

#[test]
fn a_backend_that_attacks_does_not_look_healthy() -> Result<()> {
    let fleet = hostile()?;
    let warning = "backend mine was denied access";
    fleet.run(["status"])?.ends(3).says(warning).says("while it checked web1/a").says("artifacts audit --backend mine");
    fleet.run(["--json", "status"])?.ends(3).says(warning);
    fleet.run(["audit"])?.ends(0).says("1 backend was denied access").says("etc/passwd");
    fleet.run(["audit", "--check"])?.ends(1);
    fleet.run(["audit", "--check", "--backend", "agenix"])?.ends(0);
    let json = fleet.run(["--json", "audit"])?.ends(0).json();
    assert!(json["denials"].as_u64().unwrap() > 0, "{json}");
    Ok(())
}

#[test]
fn what_is_not_found_is_no_denial() -> Result<()> {
    let fleet = fleet()?;
    fleet.run(["--accept-recipients", "generate"])?.ends(0).never_says("denied");
    fleet.run(["audit", "--check"])?.ends(0).says("denied nothing").says("nothing else").says("agenix 0.1.0, bundled");
    Ok(())
}

#[test]
fn the_same_instance_in_two_checkouts_is_two() -> Result<()> {
    let fleet = fleet()?;
    let other = tempfile::tempdir()?;
    fleet.run(["status"])?.ends(3);
    fleet.run(["--root", other.path().to_str().unwrap(), "status"])?.ends(3);
    fleet.run(["audit"])?.ends(0).says("checked 2 artifacts, in 2 runs");
    let json = fleet.run(["--json", "audit"])?.ends(0).json();
    let checked = json["backends"][0]["instances"]["check"].as_array().unwrap();
    assert_eq!(checked.len(), 2, "{json}");
    assert_ne!(checked[0]["checkout"], checked[1]["checkout"]);
    Ok(())
}

#[test]
fn moments_are_passed_as_people_write_them() -> Result<()> {
    let fleet = fleet()?;
    fleet.run(["status"])?.ends(3);
    for since in ["2026-01-31", "2026-01-31T12:00:00Z", "2026-01-31T12:00:00+01:00", "yesterday", "today", "3d", "12h"]
    {
        fleet.run(["audit", "--since", since])?.ends(0).says("checked 1 artifact");
    }
    for until in ["yesterday", "1d", "2026-01-31"] {
        fleet.run(["audit", "--until", until])?.ends(0).says("no matching audit records");
    }
    fleet.run(["audit", "--since", "soon"])?.ends(2).says("expected: a time");
    Ok(())
}
