//! What a backend may do: asked for, registered, accepted by the admin, enforced, and on record.
#![allow(clippy::unwrap_used, clippy::missing_panics_doc)]

use std::fs;

use anyhow::Result;
use artifacts_tests::fleet::{Fleet, guest};
use serde_json::json;

const MAKE: &str = "#!/bin/bash\nprintf hunter2 > \"$out/secret\"\n";

/// A machine whose artifact is stored by a guest that wants to see plaintext.
fn fleet(component: &str, grants: &serde_json::Value, mode: &str) -> Result<Fleet> {
    let fleet = Fleet::new()?;
    let generator = fleet.generator("make", MAKE)?;
    let artifact = json!({"backend": "mine", "files": {"secret": {}}, "generator": generator});
    let mut fleet = fleet.machine("web1", &json!({"a": artifact}))?;
    fleet.backend("mine", json!({"component": guest(component)?, "grants": grants}));
    let recipient = fleet.new_key("mine")?;
    fleet.configure("web1", "mine", json!({"recipients": [recipient], "serialize": mode}));
    Ok(fleet)
}

#[test]
fn a_grant_counts_once_the_admin_has_accepted_it_for_these_bytes() -> Result<()> {
    let mut fleet = fleet("hostile-plaintext", &json!({"plaintext": true}), "")?;
    fleet.run(["generate"])?.ends(1).says("nobody has accepted that on this machine").says("--accept-grants");
    assert!(fleet.stored()?.is_empty());
    fleet.run(["--accept-grants", "generate"])?.ends(0);
    fleet.run(["status"])?.ends(0);
    // Other bytes are another component.
    let copy = fleet.path().join("changed.wasm");
    let mut bytes = fs::read(guest("hostile-plaintext")?)?;
    bytes.extend_from_slice(b"\0\x02\x01x");
    fs::write(&copy, bytes)?;
    fleet.backend("mine", json!({"component": copy, "grants": {"plaintext": true}}));
    fleet.run(["status"])?.ends(1).says("nobody has accepted");
    // What others could have written is not believed.
    fleet.backend("mine", json!({"component": guest("hostile-plaintext")?, "grants": {"plaintext": true}}));
    fleet.run(["status"])?.ends(0);
    std::os::unix::fs::PermissionsExt::set_mode(&mut fs::metadata(fleet.accepted())?.permissions(), 0o777);
    fs::set_permissions(fleet.accepted(), std::os::unix::fs::PermissionsExt::from_mode(0o777))?;
    fleet.run(["status"])?.ends(1).says("can be written by others");
    Ok(())
}

#[test]
fn what_was_not_granted_is_refused_and_on_record() -> Result<()> {
    // Asked for and not registered; registered and not asked for.
    for (component, grants) in [("hostile-plaintext", json!({})), ("hostile", json!({"plaintext": true}))] {
        let fleet = fleet(component, &grants, "store-plain")?;
        fleet.run(["generate"])?.ends(1).says("asked for what it may not have").never_says("hunter2");
        assert!(fleet.stored()?.is_empty());
        fleet.run(["audit"])?.ends(0).says("refused secrets.bytes").says("plaintext never given");
        assert!(!fs::read_to_string(fleet.audit_log())?.contains("hunter2"));
    }
    Ok(())
}

#[test]
fn words_of_a_backend_that_saw_a_secret_are_shown_only_when_asked_for() -> Result<()> {
    for mode in ["fail-secret", "panic-secret", "log-secret", "print-secret", "name-secret"] {
        let fleet = fleet("hostile-plaintext", &json!({"plaintext": true}), mode)?;
        let ran = fleet.run(["--accept-grants", "--json", "-v", "generate"])?;
        ran.never_says("hunter2");
        assert!(!fs::read_to_string(fleet.audit_log())?.contains("hunter2"), "{mode}");
    }
    let fleet = fleet("hostile-plaintext", &json!({"plaintext": true}), "fail-secret")?;
    fleet.run(["--accept-grants", "generate", "--show-output"])?.ends(1).says("hunter2");
    Ok(())
}

#[test]
fn an_escape_is_on_record_with_its_path() -> Result<()> {
    let mut fleet = fleet("hostile", &json!({}), "")?;
    let recipient = fleet.new_key("mine")?;
    fleet.configure("web1", "mine", json!({"recipients": [recipient], "check": "read-outside"}));
    fleet.run(["generate"])?.ends(0);
    let audit = fleet.run(["audit"])?.ends(0).says("etc/passwd");
    assert!(audit.stdout.contains("refused"), "{audit}");
    let json = fleet.run(["--json", "audit", "--all", "--backend", "mine", "per-machine/web1/"])?.ends(0).json();
    let records = json["records"].as_array().unwrap();
    assert!(records.iter().any(|record| record["host"]["operation"] == "serialize"), "{json}");
    assert!(records.iter().all(|record| record["worker"]["files"].is_array()));
    fleet.run(["--json", "audit", "--backend", "other"])?.ends(0);
    fleet.run(["audit", "--until", "2001-01-01T00:00:00Z"])?.ends(0).says("nothing is recorded");
    Ok(())
}

#[test]
fn without_a_place_for_the_record_nothing_runs() -> Result<()> {
    let fleet = fleet("hostile", &json!({}), "")?;
    fleet.run(["--audit-log", "/proc/nowhere/audit", "generate"])?.ends(1).says("--audit-log");
    assert!(fleet.stored()?.is_empty());
    Ok(())
}

#[test]
fn a_backend_is_explained_and_inspected_without_being_run() -> Result<()> {
    let fleet = fleet("hostile-plaintext", &json!({"plaintext": true}), "")?;
    fleet.run(["backend", "explain", "mine"])?.ends(0).says("plaintext yes").says("registered true");
    let explained = fleet.run(["--json", "backend", "explain", "mine"])?.ends(0).json();
    assert_eq!(explained["effective"]["plaintext"], true);
    assert_eq!(explained["effective"]["identities"], false);
    let path = guest("hostile-plaintext")?;
    let seen = fleet.run(["--json", "backend", "inspect", path.to_str().unwrap()])?.ends(0).json();
    assert_eq!(seen["runs"], true);
    assert_eq!(seen["manifest"]["requests"]["plaintext"], true);
    fleet.run(["backend", "inspect", "/etc/passwd"])?.ends(1).says("runs no");
    Ok(())
}

#[test]
fn backends_are_registered_in_a_file_of_their_own_too() -> Result<()> {
    let fleet = Fleet::new()?;
    let generator = fleet.generator("make", MAKE)?;
    let mut fleet =
        fleet.machine("web1", &json!({"a": {"backend": "mine", "files": {"secret": {}}, "generator": generator}}))?;
    let recipient = fleet.new_key("mine")?;
    fleet.configure("web1", "mine", json!({"recipients": [recipient]}));
    fs::copy(guest("hostile")?, fleet.path().join("mine.wasm"))?;
    let sha256 = {
        use sha2::Digest as _;
        format!("{:x}", sha2::Sha256::digest(fs::read(guest("hostile")?)?))
    };
    let file = fleet.path().join("backends.toml");
    let file = |text: String| -> Result<String> {
        fs::write(&file, text)?;
        Ok(file.display().to_string())
    };
    let whole = format!("[mine]\ncomponent = \"mine.wasm\"\nsha256 = \"{sha256}\"\nstorage = \"elsewhere\"\n");
    fleet.run(["--backends", &file(whole.clone())?, "generate"])?.ends(0);
    assert!(fleet.path().join("elsewhere/per-machine/web1/a/receipt.json").exists());
    fleet.run(["--backends", &file(whole.replace("storage", "stroage"))?, "status"])?.ends(1).says("stroage");
    fleet.run(["--backends", &file("[mine".to_owned())?, "status"])?.ends(1).says("not TOML");
    fleet.backend("mine", json!({"component": guest("hostile")?}));
    fleet.run(["--backends", &file(whole)?, "status"])?.ends(1).says("declared differently");
    Ok(())
}

#[test]
fn annotate_writes_a_manifest_that_inspect_reads() -> Result<()> {
    let fleet = fleet("hostile", &json!({}), "")?;
    let (to, manifest) = (fleet.path().join("mine.wasm"), fleet.path().join("manifest.json"));
    fs::write(
        &manifest,
        json!({"schema": 1, "name": "renamed", "version": "7", "description": "Mine.", "scopes": ["machine"], "persists": "storage"})
            .to_string(),
    )?;
    let arguments = [
        "backend",
        "annotate",
        guest("hostile")?.to_str().unwrap(),
        "--manifest",
        manifest.to_str().unwrap(),
        "--output",
        to.to_str().unwrap(),
    ]
    .map(str::to_owned);
    fleet.run(arguments)?.ends(0);
    fleet.run(["backend", "inspect", to.to_str().unwrap()])?.ends(0).says("renamed").says("version 7");
    fs::write(&manifest, "{\"schema\": 1, \"name\": \"../x\"}")?;
    let arguments =
        ["backend", "annotate", to.to_str().unwrap(), "--manifest", manifest.to_str().unwrap()].map(str::to_owned);
    fleet.run(arguments)?.ends(1).says("no manifest");
    Ok(())
}
