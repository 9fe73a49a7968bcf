//! The published schemas hold for what the program writes: receipts, lines of the audit log, and `--json`.
#![allow(clippy::unwrap_used, clippy::missing_panics_doc)]

use std::fs;
use std::path::Path;

use anyhow::Result;
use artifacts_tests::fleet::{Fleet, Ran};
use jsonschema::Validator;
use serde_json::{Value, json};

const GENERATE: &str = "#!/bin/bash\nprintf 'value %s' \"$RANDOM$RANDOM\" > \"$out/f\"\nprintf open > \"$out/p\"\n";

/// The published schema of a format.
struct Published {
    format: &'static str,
    validator: Validator,
}

impl Published {
    fn new(fleet: &Fleet, format: &'static str) -> Result<Self> {
        let schema = fleet.run(["schema", format])?.ends(0).json();
        Ok(Self { format, validator: jsonschema::validator_for(&schema)? })
    }

    /// Asserts that a value is as the schema says, and that the schema says something: a field more is none of it.
    #[track_caller]
    fn holds(&self, value: &Value) {
        let errors: Vec<String> =
            self.validator.iter_errors(value).map(|error| format!("{}: {error}", error.instance_path())).collect();
        assert!(errors.is_empty(), "{}: {errors:#?}\n{value:#}", self.format);
        let mut more = value.clone();
        more["more"] = json!(1);
        assert!(!self.validator.is_valid(&more), "{}: a field more", self.format);
        let mut less = value.clone();
        less.as_object_mut().unwrap().remove("schema");
        assert!(!self.validator.is_valid(&less), "{}: a field less", self.format);
    }
}

fn fleet() -> Result<Fleet> {
    let fleet = Fleet::new()?;
    let generator = fleet.generator("generate", GENERATE)?;
    let artifact = |backend: &str| {
        json!({"backend": backend, "files": {"f": {}, "p": {"secret": false}}, "generator": generator,
            "validation": {"v": 1}, "maxAge": 86400})
    };
    let mut reads = artifact("agenix");
    reads["dependencies"] = json!(["a"]);
    let mut shared = artifact("agenix");
    shared["shared"] = json!(true);
    let artifacts = json!({"a": artifact("agenix"), "reads": reads, "sops": artifact("sops-nix"), "shared": shared});
    let mut fleet = fleet.machine("web1", &artifacts)?;
    let host = fleet.of("web1")["config"]["agenix"]["publicHostKey"].clone();
    fleet.configure("web1", "sops-nix", json!({"publicHostKey": host}));
    Ok(fleet)
}

/// Runs a command with `--json`, and the key of the machine.
fn run(fleet: &Fleet, report: &Published, arguments: &[&str]) -> Result<Ran> {
    let key = fleet.key_file("web1").to_str().unwrap().to_owned();
    let ran = fleet.run(["--json", "-i", &key].iter().chain(arguments))?;
    report.holds(&ran.json());
    Ok(ran)
}

#[test]
fn reports_receipts_and_audit_records_are_as_published() -> Result<()> {
    let mut fleet = fleet()?;
    let report = Published::new(&fleet, "report")?;
    let receipt = Published::new(&fleet, "receipt")?;
    let audit = Published::new(&fleet, "audit")?;

    run(&fleet, &report, &["status"])?.ends(3);
    run(&fleet, &report, &["generate"])?.ends(1);
    let planned = run(&fleet, &report, &["generate", "--dry-run"])?.json();
    assert!(planned["recipients"].is_array(), "{planned:#}");
    run(&fleet, &report, &["--accept-recipients", "generate", "per-machine/web1/a"])?.ends(0);
    let planned = run(&fleet, &report, &["generate", "--dry-run"])?.json();
    assert!(planned["readRequests"].is_array(), "{planned:#}");
    run(&fleet, &report, &["--accept-recipients", "--accept-reading", "generate"])?.ends(0);
    run(&fleet, &report, &["status"])?.ends(0);
    run(&fleet, &report, &["generate", "--regenerate", "--yes", "web1/a"])?;
    run(&fleet, &report, &["status", "no-such"])?.ends(1);
    for (path, bytes) in fleet.stored()?.iter().filter(|(path, _)| path.ends_with("receipt.json")) {
        receipt.holds(&serde_json::from_slice(bytes).map_err(|e| anyhow::anyhow!("{path}: {e}"))?);
    }

    // Recipients change, a file is set, one is accepted as it is, one is not declared any more.
    let admin = fleet.new_key("admin")?;
    fleet.of("web1")["config"]["agenix"]["publicUserKeys"] = json!([admin]);
    let stale = run(&fleet, &report, &["status"])?.ends(3).json();
    assert!(stale["instances"].as_array().unwrap().iter().any(|row| row["reasons"][0]["kind"] == "recipients"));
    run(&fleet, &report, &["rekey", "--dry-run"])?;
    // What was regenerated above leaves its dependent stale.
    run(&fleet, &report, &["--accept-recipients", "rekey"])?.ends(3);
    run(&fleet, &report, &["set", "per-machine/web1/a", "f", "--dry-run"])?;
    fs::write(fleet.path().join("secrets/per-machine/web1/a/public/p"), "changed")?;
    run(&fleet, &report, &["status"])?.ends(3);
    run(&fleet, &report, &["adopt", "per-machine/web1/a", "--dry-run"])?;
    run(&fleet, &report, &["adopt", "per-machine/web1/a"])?.ends(0);
    fleet.of("web1")["artifacts"].as_object_mut().unwrap().remove("sops");
    let orphaned = run(&fleet, &report, &["status"])?.json();
    assert_eq!(orphaned["orphaned"][0]["name"], "per-machine/web1/sops", "{orphaned:#}");
    run(&fleet, &report, &["prune", "--dry-run"])?;
    run(&fleet, &report, &["prune", "--yes"])?.ends(0);

    let mut kinds = std::collections::BTreeSet::new();
    for line in fs::read_to_string(fleet.audit_log())?.lines() {
        let line: Value = serde_json::from_str(line)?;
        kinds.insert(line["kind"].to_string());
        audit.holds(&line);
    }
    assert_eq!(kinds.len(), 4, "{kinds:?}");
    let stored = fleet.stored()?;
    let receipts: Vec<_> = stored.iter().filter(|(path, _)| path.ends_with("receipt.json")).collect();
    assert_eq!(receipts.len(), 3, "{:?}", stored.keys());
    for (_, bytes) in receipts {
        receipt.holds(&serde_json::from_slice(bytes)?);
    }
    Ok(())
}

#[test]
fn what_doctor_prints_is_as_published() -> Result<()> {
    let fleet = fleet()?;
    let published = Published::new(&fleet, "doctor")?;
    for areas in [&[][..], &["receipts", "plugins"]] {
        let json = fleet.run(["--json", "doctor"].iter().chain(areas))?.json();
        published.holds(&json);
        assert_eq!(json["errors"], json!([]));
        let mut other = json.clone();
        other["checks"][0]["verdict"] = json!("fine");
        assert!(!published.validator.is_valid(&other), "another verdict");
    }
    Ok(())
}

#[test]
fn every_report_in_a_transcript_is_as_published() -> Result<()> {
    let report = Published::new(&Fleet::new()?, "report")?;
    let transcripts = Path::new(env!("CARGO_MANIFEST_DIR")).join("transcripts");
    let mut count = 0;
    for file in fs::read_dir(transcripts)? {
        for line in fs::read_to_string(file?.path())?.lines() {
            let Ok(value) = serde_json::from_str::<Value>(line) else { continue };
            if value["instances"].is_array() && value["errors"].is_array() && value["instances"][0]["state"].is_string()
            {
                report.holds(&value);
                count += 1;
            }
        }
    }
    assert!(count >= 2, "{count} reports");
    Ok(())
}

#[test]
fn without_a_format_it_is_that_of_the_spec() -> Result<()> {
    let fleet = Fleet::new()?;
    let spec = fleet.run(["schema"])?.ends(0).json();
    assert_eq!(spec, fleet.run(["schema", "spec"])?.ends(0).json());
    jsonschema::validator_for(&spec)?;
    assert_eq!(spec["title"], "artifacts spec");
    Ok(())
}
