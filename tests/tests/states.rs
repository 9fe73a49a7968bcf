//! A value is replaced only by a command that says so: stray files, other storages, renamed instances and changed recipients
//! never lead to a new one.
#![allow(clippy::unwrap_used, clippy::missing_panics_doc)]

use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};

use anyhow::Result;
use artifacts_tests::desk::Desk;
use artifacts_tests::fleet::{Fleet, guest};
use serde_json::{Value, json};

const MAKE: &str = "#!/bin/bash\nprintf 'made %s' \"$RANDOM$RANDOM$RANDOM\" > \"$out/f\"\n";
const A: &str = "per-machine/web1/a";

fn artifact(backend: &str, generator: &Value) -> Value {
    json!({"backend": backend, "files": {"f": {}}, "generator": generator})
}

/// One machine with one artifact `a`, generated.
fn made(backend: &str) -> Result<Fleet> {
    let fleet = Fleet::new()?;
    let generator = fleet.generator("make", MAKE)?;
    let mut fleet = fleet.machine("web1", &json!({"a": artifact(backend, &generator)}))?;
    let host = fleet.of("web1")["config"]["agenix"]["publicHostKey"].clone();
    fleet.configure("web1", "sops-nix", json!({"publicHostKey": host}));
    fleet.run(["--accept-recipients", "generate"])?.ends(0);
    Ok(fleet)
}

fn with_key<'a>(fleet: &Fleet, arguments: &[&'a str]) -> Vec<String> {
    let key = fleet.key_file("web1").to_str().unwrap().to_owned();
    let own = ["-i".to_owned(), key, "--accept-recipients".to_owned()];
    own.into_iter().chain(arguments.iter().map(|word: &&'a str| (*word).to_owned())).collect()
}

fn get(fleet: &Fleet, name: &str) -> Result<String> {
    Ok(fleet.run(with_key(fleet, &["get", name, "f"]))?.ends(0).stdout)
}

fn state(fleet: &Fleet, name: &str) -> Result<String> {
    Ok(fleet.run(["--json", "status"])?.state(name))
}

fn entry(fleet: &Fleet) -> PathBuf {
    fleet.path().join("secrets").join(A)
}

/// Leaves behind what other programs do.
type Stray = fn(&Path) -> std::io::Result<()>;

/// Declares something otherwise.
type Change<'a> = &'a dyn Fn(&mut Fleet);

const STRAYS: [(&str, Stray); 8] = [
    (".DS_Store", |at| fs::write(at, "x")),
    ("f.age~", |at| fs::write(at, "x")),
    ("f.age.orig", |at| fs::write(at, "x")),
    ("f.sync-conflict-20261128-120000-ABCDEFG.age", |at| fs::write(at, "x")),
    (".#f.age", |at| symlink("me@host.1234", at)),
    (".stversions", |at| fs::create_dir(at)),
    ("core", |at| fs::File::create(at)?.set_len(1 << 40)),
    ("public/.DS_Store", |at| {
        fs::create_dir_all(at.parent().unwrap_or(at))?;
        fs::write(at, "x")
    }),
];

#[test]
fn a_stray_file_costs_no_value() -> Result<()> {
    for backend in ["agenix", "sops-nix"] {
        for (name, leave) in STRAYS {
            let fleet = made(backend)?;
            let value = get(&fleet, "a")?;
            leave(&entry(&fleet).join(name))?;
            assert_eq!(state(&fleet, A)?, "stale (files)", "{name}");
            fleet.run(["status"])?.ends(3).says(&format!("`{name}` is not part of the entry")).says("rm ");
            assert_eq!(get(&fleet, "a")?, value, "{name}");
            for words in [&["generate"][..], &["generate", "--stale", "--yes"]] {
                fleet.run(words)?.ends(3);
                assert_eq!(get(&fleet, "a")?, value, "{name}");
            }
            // It goes to the trash with the old entry, and the run says so.
            let gone = format!("moved to the trash with the old entry: `{name}`");
            fleet.run(with_key(&fleet, &["rekey", "--all"]))?.ends(0).says(&gone);
            assert_eq!((state(&fleet, A)?.as_str(), get(&fleet, "a")?), ("present", value), "{name}");
            leave(&entry(&fleet).join(name))?;
            let mut desk = Desk::start(&fleet.command(with_key(&fleet, &["set", "a", "f"]))?)?;
            desk.sees("f: ")?.types("mine\n")?.sees("again: ")?.types("mine\n")?;
            assert_eq!(desk.ends()?.0, Some(0), "{name}");
            assert_eq!((state(&fleet, A)?.as_str(), get(&fleet, "a")?.as_str()), ("present", "mine"), "{name}");
        }
    }
    Ok(())
}

#[test]
fn a_stray_file_beside_a_changed_one_hides_nothing() -> Result<()> {
    let fleet = made("agenix")?;
    fs::write(entry(&fleet).join("f.age~"), "x")?;
    let file = entry(&fleet).join("f.age");
    fs::write(&file, fs::read_to_string(&file)? + "\n")?;
    assert_eq!(state(&fleet, A)?, "stale (files, receipt)");
    fleet.run(with_key(&fleet, &["get", "a", "f"]))?.ends(1).says("`f.age` was modified outside artifacts");
    fleet.run(["generate", "--stale"])?.ends(3);
    Ok(())
}

#[test]
fn what_was_never_stored_is_not_present_whatever_a_backend_says() -> Result<()> {
    let mut fleet = Fleet::new()?;
    let generator = fleet.generator("make", "#!/bin/bash\nprintf v > $out/f\n")?;
    fleet.backend("mine", json!({"component": guest("hostile")?, "grants": {}}));
    let mut fleet = fleet.machine("web1", &json!({"a": artifact("mine", &generator)}))?;
    let host = fleet.of("web1")["config"]["agenix"]["publicHostKey"].clone();
    fleet.configure("web1", "mine", json!({"recipients": [host]}));
    fleet.run(["--accept-recipients", "--accept-grants", "generate"])?.ends(0);
    let before = fleet.stored()?;
    fleet.configure("web1", "mine", json!({"recipients": [host], "check": "present"}));
    fleet.of("web1")["artifacts"]["a"]["files"] = json!({"f": {}, "more": {}});
    assert_eq!(state(&fleet, A)?, "stale (files)");
    fleet.run(["generate", "--stale", "--yes"])?.ends(3).says("`more` is declared but not stored");
    fleet.of("web1")["artifacts"]["a"]["files"] = json!({"more": {}});
    assert_eq!(state(&fleet, A)?, "stale (files, files)", "one is missing, and one is no longer declared");
    fleet.of("web1")["artifacts"]["a"]["files"] = json!({"f": {}});
    assert_eq!(state(&fleet, A)?, "present");
    assert_eq!(fleet.stored()?, before);
    Ok(())
}

#[test]
fn files_that_are_declared_later_are_set_one_by_one() -> Result<()> {
    for (backend, config) in [("agenix", json!({})), ("sops-nix", json!({})), ("sops-nix", json!({"format": "yaml"}))] {
        let mut fleet = made(backend)?;
        if config != json!({}) {
            fs::remove_dir_all(fleet.path().join("secrets"))?;
            let host = fleet.of("web1")["config"]["agenix"]["publicHostKey"].clone();
            fleet.configure("web1", "sops-nix", json!({"publicHostKey": host, "format": "yaml"}));
            fleet.run(["--accept-recipients", "generate"])?.ends(0);
        }
        let value = get(&fleet, "a")?;
        fleet.of("web1")["artifacts"]["a"]["files"] = json!({"f": {}, "g": {}, "h": {}});
        for (file, left) in [("g", "stale (files)"), ("h", "present")] {
            let mut desk = Desk::start(&fleet.command(with_key(&fleet, &["set", "a", file]))?)?;
            desk.sees(&format!("{file}: "))?.types("mine\n")?.sees("again: ")?.types("mine\n")?;
            let (status, shown) = desk.ends()?;
            assert!(matches!(status, Some(0 | 3)), "{backend} {config} {file}: {shown}");
            assert_eq!(state(&fleet, A)?, left, "{backend} {config} {file}: {shown}");
            assert_eq!(get(&fleet, "a")?, value);
        }
        // What is no longer declared goes, and the rest keeps its value.
        fleet.of("web1")["artifacts"]["a"]["files"] = json!({"f": {}});
        fleet.run(["generate", "--stale"])?.ends(3).says("artifacts rekey");
        let ran = fleet.run(with_key(&fleet, &["rekey", A]))?.ends(0);
        for gone in ["g", "h"] {
            assert!(ran.stdout.contains(&format!("{gone}: removed (no longer a declared secret)")), "{ran}");
        }
        assert_eq!((state(&fleet, A)?.as_str(), get(&fleet, "a")?), ("present", value));
    }
    Ok(())
}

#[test]
fn a_renamed_file_is_not_given_up_by_rekey() -> Result<()> {
    let mut fleet = made("agenix")?;
    let before = fleet.stored()?;
    fleet.of("web1")["artifacts"]["a"]["files"] = json!({"g": {}});
    fleet.run(["status"])?.ends(3).says("declare `f` again, under which a value is stored");
    fleet.run(with_key(&fleet, &["rekey", "--all"]))?.ends(1).says("its declared files are not stored");
    fleet.run(["generate", "--stale"])?.ends(3);
    assert_eq!(fleet.stored()?, before);
    Ok(())
}

/// Declares a backend with another storage.
fn with_vault(fleet: &mut Fleet) {
    fleet.backend("sops-nix", json!({"component": "builtin:sops-nix", "storage": "vault"}));
    let config = fleet.of("web1")["config"]["agenix"].clone();
    fleet.configure("web1", "sops-nix", config);
}

#[test]
fn what_another_storage_has_is_not_absent() -> Result<()> {
    let mut fleet = made("agenix")?;
    let before = fleet.stored()?;
    with_vault(&mut fleet);
    fleet.of("web1")["artifacts"]["a"]["backend"] = json!("sops-nix");
    assert_eq!(state(&fleet, A)?, "stale (backend)");
    for words in [&["generate"][..], &["generate", "--stale", "--yes"], &["prune", "--yes"]] {
        fleet.run(words)?;
        assert_eq!(fleet.stored()?, before, "{words:?}");
        assert!(!fleet.path().join("vault/per-machine").exists(), "{words:?}");
    }
    fleet.run(with_key(&fleet, &["get", "a", "f"]))?.ends(1).says("stored in `secrets` by agenix");
    // Only whoever names it gives it up, and then it has one entry again.
    fleet.run(["--accept-recipients", "rotate", "--yes", "a"])?.ends(0).says("moved to the trash");
    assert!(fleet.stored()?.is_empty());
    assert_eq!(state(&fleet, A)?, "present");
    // A backend that is no longer declared at all had its storage, too.
    fleet.backend("sops-nix", json!({"component": "builtin:sops-nix", "storage": "other"}));
    assert_eq!(state(&fleet, A)?, "stale (backend)");
    Ok(())
}

#[test]
fn two_entries_of_one_instance_are_an_error_until_one_is_pruned() -> Result<()> {
    let mut fleet = made("agenix")?;
    with_vault(&mut fleet);
    fleet.of("web1")["artifacts"]["a"]["backend"] = json!("sops-nix");
    fs::create_dir_all(fleet.path().join("vault/per-machine/web1"))?;
    let copy = fleet.path().join("vault").join(A);
    fs::create_dir(&copy)?;
    for file in ["f.age", "receipt.json"] {
        fs::copy(entry(&fleet).join(file), copy.join(file))?;
    }
    let before = fleet.stored()?;
    let ran = fleet.run(["status"])?.ends(1).says("more than one entry: in `vault` and `secrets`");
    ran.says("`artifacts prune web1/a`");
    for words in [&["generate", "--stale", "--yes"][..], &["generate", "--regenerate", "--yes"]] {
        fleet.run(words)?.ends(1);
        assert_eq!(fleet.stored()?, before, "{words:?}");
    }
    fleet.run(["prune", "--yes", A])?.ends(0).says("trashed web1/a").says("`artifacts restore web1/a`");
    assert!(fleet.stored()?.is_empty());
    assert!(copy.join("f.age").exists());
    Ok(())
}

#[test]
fn nothing_new_is_generated_beside_an_orphan_with_the_same_files() -> Result<()> {
    // A renamed machine, and a renamed artifact.
    for rename in [("web1", "web2", "a"), ("web1", "web1", "b")] {
        let mut fleet = made("agenix")?;
        let (from, to, artifact) = rename;
        let declared = fleet.of(from)["artifacts"]["a"].clone();
        fleet.of(from)["artifacts"] = json!({artifact: declared});
        fleet.of(from)["name"] = json!(to);
        let name = format!("per-machine/{to}/{artifact}");
        let before = fleet.stored()?;
        let status = fleet.run(["status"])?.ends(3).says("orphaned web1/a no longer declared");
        status.says(&format!("new value artifacts generate --yes {to}/{artifact}"));
        assert_eq!(fleet.run(["--json", "status"])?.json()["orphaned"][0]["name"], A);
        for words in [&["generate"][..], &["generate", "--stale"], &["generate", "--dry-run"], &["generate", &name]] {
            fleet.run(words)?.ends(1).says("`secrets/per-machine/web1/a` has the same files and is no longer declared");
            assert_eq!(fleet.stored()?, before, "{words:?}");
        }
        // At a terminal it is a question.
        let mut desk = Desk::start(&fleet.command(["--accept-recipients", "generate"])?)?;
        desk.sees("Generate new values instead?")?.types("n\n")?;
        let (status, shown) = desk.ends()?;
        assert_eq!(status, Some(1), "{shown}");
        assert!(shown.contains("nothing changed: no new value was generated for"), "{shown}");
        assert!(!shown.contains("--yes"), "who says no needs no flag: {shown}");
        assert_eq!(fleet.stored()?, before);
        fleet.run(["--accept-recipients", "generate", "--yes"])?.ends(0);
        assert_eq!(state(&fleet, &name)?, "present");
        assert!(entry(&fleet).join("f.age").exists(), "the orphan keeps its value");
        fleet.run(["status"])?.ends(3).says("artifacts prune web1/a");
        fleet.run(["prune", "--yes"])?.ends(0);
        fleet.run(["status"])?.ends(0);
    }
    Ok(())
}

#[test]
fn what_lies_below_another_root_is_left_alone() -> Result<()> {
    let fleet = made("agenix")?;
    // The same names, declared by something else below this root.
    fs::create_dir(fleet.path().join("sub"))?;
    fs::rename(fleet.path().join("secrets"), fleet.path().join("sub/secrets"))?;
    let other = fleet.path().join("sub/secrets").join(A);
    let before = fs::read(other.join("f.age"))?;
    fleet.run(["generate", "--no-input", "--accept-recipients"])?.ends(3).says("1 stale");
    fleet.run(["status"])?.ends(3).says("stored in `sub/secrets`");
    let note = "the entry in `sub/secrets` is left unchanged";
    fleet.run(["rotate", "--yes", "--accept-recipients", "a"])?.ends(0).says(note);
    assert_eq!(fs::read(other.join("f.age"))?, before);
    assert_eq!(state(&fleet, A)?, "present");
    Ok(())
}

#[test]
fn an_artifact_that_becomes_shared_gets_no_new_value_unasked() -> Result<()> {
    let mut fleet = made("agenix")?;
    let value = get(&fleet, "a")?;
    fleet.of("web1")["artifacts"]["a"]["shared"] = json!(true);
    let before = fleet.stored()?;
    fleet.run(["status"])?.ends(3).says("1 absent, keep artifacts rename web1/a shared/a");
    let refused = fleet.run(["generate", "--no-input", "--accept-recipients"])?.ends(1).says("has the same files");
    refused.says("keep: `artifacts rename");
    assert_eq!(fleet.stored()?, before);
    fleet.run(with_key(&fleet, &["--accept-recipients", "rename", "web1/a", "shared/a"]))?.ends(0);
    assert_eq!((state(&fleet, "shared/a")?.as_str(), get(&fleet, "a")?), ("present", value));
    Ok(())
}

#[test]
fn an_entry_of_another_program_with_a_part_missing_has_a_way_on() -> Result<()> {
    let mut fleet = made("agenix")?;
    fs::remove_file(entry(&fleet).join("receipt.json"))?;
    fleet.of("web1")["artifacts"]["a"]["files"]["more"] = json!({});
    let way = "store what is missing in `secrets/per-machine/web1/a`, encrypted to the same recipients, then run \
               `artifacts adopt web1/a`";
    let before = fleet.stored()?;
    for (words, status) in [(&["status"][..], 3), (&["adopt", "a"], 1), (&["get", "a", "f"], 1)] {
        fleet.run(words)?.ends(status).says(way);
    }
    fleet.run(["generate", "--stale", "--yes", "--no-input", "--accept-recipients"])?.ends(3);
    assert_eq!(fleet.stored()?, before);
    Ok(())
}

#[test]
fn an_orphan_with_other_files_is_in_no_ones_way() -> Result<()> {
    let mut fleet = made("agenix")?;
    let generator = fleet.generator("other", "#!/bin/bash\nprintf v > $out/g\n")?;
    fleet.of("web1")["artifacts"] = json!({"b": {"backend": "agenix", "files": {"g": {}}, "generator": generator}});
    fleet.run(["--accept-recipients", "generate"])?.ends(0);
    assert_eq!(state(&fleet, "per-machine/web1/b")?, "present");
    Ok(())
}

#[test]
fn generate_stale_replaces_only_what_is_outdated() -> Result<()> {
    let key = |fleet: &mut Fleet| {
        let second = fleet.new_key("second").unwrap();
        fleet.of("web1")["config"]["agenix"]["publicUserKeys"] = json!([second]);
    };
    let damage = |fleet: &mut Fleet| fs::write(entry(fleet).join("f.age"), "garbage").unwrap();
    let forget = |fleet: &mut Fleet| fs::remove_file(entry(fleet).join("receipt.json")).unwrap();
    let declare = |fleet: &mut Fleet| fleet.of("web1")["artifacts"]["a"]["files"]["g"] = json!({});
    let moved = |fleet: &mut Fleet| fleet.of("web1")["artifacts"]["a"]["backend"] = json!("sops-nix");
    let changes: [(&str, Change); 5] = [
        ("stale (recipients)", &key),
        ("stale (format, receipt)", &damage),
        ("stale (receipt)", &forget),
        ("stale (files)", &declare),
        ("stale (backend)", &moved),
    ];
    for (expected, change) in changes {
        let mut fleet = made("agenix")?;
        change(&mut fleet);
        let before = fleet.stored()?;
        assert_eq!(state(&fleet, A)?, expected);
        fleet.run(["--accept-recipients", "generate", "--stale", "--yes"])?.ends(3);
        assert_eq!(fleet.stored()?, before, "{expected}");
    }
    let mut fleet = made("agenix")?;
    let before = fleet.stored()?;
    fleet.of("web1")["artifacts"]["a"]["validation"] = json!(1);
    fleet.run(["--accept-recipients", "generate"])?.ends(3);
    assert_eq!(fleet.stored()?, before);
    fleet.run(["--accept-recipients", "rotate", "--stale", "--yes"])?.ends(0).says("regenerated");
    // What is damaged is given up by whoever names it.
    damage(&mut fleet);
    fleet.run(["--accept-recipients", "rotate", "--yes", "a"])?.ends(0);
    assert_eq!(state(&fleet, A)?, "present");
    Ok(())
}
