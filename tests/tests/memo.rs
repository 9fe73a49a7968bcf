//! `status` does not ask a backend again about what did not change, and is not deceived.
#![allow(clippy::unwrap_used, clippy::missing_panics_doc)]

use std::fs;
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};

use anyhow::Result;
use artifacts_tests::fleet::{Fleet, Ran, guest};
use serde_json::{Value, json};

const MAKE: &str = "#!/bin/bash\nprintf 'made %s' \"$RANDOM\" > \"$out/f\"\n";

fn fleet() -> Result<Fleet> {
    let fleet = Fleet::new()?;
    let make = fleet.generator("make", MAKE)?;
    let artifact = json!({"backend": "agenix", "files": {"f": {}}, "generator": make});
    let fleet = fleet.machine("web1", &json!({"a": artifact, "b": artifact, "c": artifact}))?;
    fleet.run(["generate", "--accept-recipients"])?.ends(0);
    Ok(fleet)
}

/// About how many instances `status` asked a backend, by the audit log.
fn asked(fleet: &Fleet, arguments: &[&str]) -> Result<(usize, Ran)> {
    let lines = || -> Result<Vec<Value>> {
        let log = fs::read_to_string(fleet.audit_log())?;
        Ok(log.lines().map(serde_json::from_str).collect::<Result<_, _>>()?)
    };
    let before = lines()?.len();
    let ran: Ran = fleet.command(arguments)?.env("XDG_CACHE_HOME", fleet.home().join("cache")).output()?.into();
    let counts = lines()?.into_iter().skip(before).filter_map(|line| {
        let observed = &line["observed"];
        let begins = observed["operation"] == "check" && observed.get("calls").is_none();
        begins.then(|| observed["instances"].as_array().map_or(0, Vec::len))
    });
    Ok((counts.sum(), ran))
}

fn status(fleet: &Fleet) -> Result<(usize, Ran)> {
    asked(fleet, &["--json", "status", "--all"])
}

fn stored(fleet: &Fleet, artifact: &str) -> PathBuf {
    fleet.path().join("secrets/per-machine/web1").join(artifact).join("f.age")
}

fn set_times(path: &Path, to: &fs::Metadata) -> Result<()> {
    let times = fs::FileTimes::new().set_accessed(to.accessed()?).set_modified(to.modified()?);
    Ok(fs::File::options().write(true).open(path)?.set_times(times)?)
}

#[test]
fn what_did_not_change_is_asked_about_once() -> Result<()> {
    let fleet = fleet()?;
    let (first, whole) = status(&fleet)?;
    let (second, again) = status(&fleet)?;
    assert_eq!((first, second), (3, 0));
    assert_eq!(whole.ends(0).json(), again.ends(0).json());
    assert_eq!(asked(&fleet, &["status", "--no-memo"])?.0, 3);
    assert_eq!(asked(&fleet, &["status", "web1/a"])?.0, 0);
    // What writes asks, and so does whoever has to know.
    assert!(asked(&fleet, &["rekey", "--all", "--dry-run"])?.0 >= 3);
    Ok(())
}

#[test]
fn a_file_of_the_same_size_and_times_is_not_taken_for_the_same() -> Result<()> {
    let fleet = fleet()?;
    status(&fleet)?;
    let path = stored(&fleet, "a");
    let before = fs::metadata(&path)?;
    let mut bytes = fs::read(&path)?;
    let last = bytes.iter().rposition(u8::is_ascii_alphanumeric).unwrap();
    bytes[last] = if bytes[last] == b'A' { b'B' } else { b'A' };
    fs::write(&path, &bytes)?;
    set_times(&path, &before)?;
    let after = fs::metadata(&path)?;
    assert_eq!((before.len(), before.modified()?, before.ino()), (after.len(), after.modified()?, after.ino()));
    let (asked, ran) = status(&fleet)?;
    assert_eq!((asked, ran.state("per-machine/web1/a").as_str()), (1, "stale (format, receipt)"));
    Ok(())
}

#[test]
fn a_file_that_another_entry_has_is_another() -> Result<()> {
    let fleet = fleet()?;
    status(&fleet)?;
    fs::copy(stored(&fleet, "b"), stored(&fleet, "a"))?;
    let (_, ran) = status(&fleet)?;
    assert_ne!(ran.state("per-machine/web1/a"), "present");
    Ok(())
}

#[test]
fn what_is_declared_otherwise_is_asked_about() -> Result<()> {
    let mut fleet = fleet()?;
    status(&fleet)?;
    let admin = fleet.new_key("admin")?;
    fleet.of("web1")["config"]["agenix"]["publicUserKeys"] = json!([admin]);
    let (asked, ran) = status(&fleet)?;
    assert_eq!((asked, ran.state("per-machine/web1/a").as_str()), (3, "stale (recipients)"));
    Ok(())
}

/// The file of the answers.
fn memo(fleet: &Fleet) -> PathBuf {
    let folder = fleet.home().join("cache/artifacts/checks");
    let mut files = fs::read_dir(folder).unwrap().map(|file| file.unwrap().path());
    let file = files.next().unwrap();
    assert!(files.next().is_none());
    file
}

#[test]
fn a_damaged_or_foreign_file_of_answers_counts_as_none() -> Result<()> {
    let fleet = fleet()?;
    status(&fleet)?;
    let (path, whole) = (memo(&fleet), fs::read(memo(&fleet))?);
    for at in [0, 32, 40, whole.len() / 2, whole.len() - 1] {
        let mut bytes = whole.clone();
        bytes[at] ^= 1;
        fs::write(&path, &bytes)?;
        assert_eq!(status(&fleet)?.0, 3, "byte {at} was changed");
    }
    for size in [0, 31, 32, whole.len() - 1] {
        fs::write(&path, &whole[..size])?;
        assert_eq!(status(&fleet)?.0, 3, "cut to {size} bytes");
    }
    // What others can write is no one's word.
    status(&fleet)?;
    fs::set_permissions(&path, fs::Permissions::from_mode(0o620))?;
    assert_eq!(status(&fleet)?.0, 3);
    fs::set_permissions(path.parent().unwrap(), fs::Permissions::from_mode(0o770))?;
    assert_eq!((status(&fleet)?.0, status(&fleet)?.0), (3, 3));
    Ok(())
}

#[test]
fn receipts_expiry_and_absence_are_looked_at_each_time() -> Result<()> {
    let fleet = fleet()?;
    status(&fleet)?;
    let receipt = stored(&fleet, "a").with_file_name("receipt.json");
    fs::remove_file(&receipt)?;
    fs::remove_dir_all(stored(&fleet, "b").parent().unwrap())?;
    let (_, ran) = status(&fleet)?;
    assert_eq!(
        (ran.state("per-machine/web1/a").as_str(), ran.state("per-machine/web1/b").as_str()),
        ("stale (receipt)", "absent")
    );
    assert_eq!(ran.state("per-machine/web1/c"), "present");
    Ok(())
}

#[test]
fn how_often_a_backend_was_called_is_said() -> Result<()> {
    let fleet = fleet()?;
    fleet.run(["-v", "status"])?.ends(0).says("agenix: 6 calls");
    fleet.run(["-v", "status"])?.ends(0).says("agenix: 0 calls");
    Ok(())
}

#[test]
fn a_backend_that_is_not_bundled_is_asked_each_time() -> Result<()> {
    let mut fleet = Fleet::new()?;
    fleet.backend("mine", json!({"component": guest("hostile")?}));
    let make = fleet.generator("make", MAKE)?;
    let artifact = json!({"backend": "mine", "files": {"f": {}}, "generator": make});
    let mut fleet = fleet.machine("web1", &json!({"a": artifact}))?;
    let key = fleet.new_key("host")?;
    fleet.configure("web1", "mine", json!({"recipients": [key]}));
    fleet.run(["generate", "--accept-recipients"])?.ends(0);
    assert_eq!((status(&fleet)?.0, status(&fleet)?.0), (1, 1));
    Ok(())
}

#[test]
fn where_a_sandbox_is_required_a_worker_shows_it() -> Result<()> {
    let fleet = fleet()?;
    status(&fleet)?;
    assert_eq!(asked(&fleet, &["--require-sandbox", "status"])?.0, 3);
    Ok(())
}
