//! A checkout that has an older value than this machine stored, as git brings it: `status` names the command that brings the newer back.
#![allow(clippy::unwrap_used, clippy::missing_panics_doc)]

use std::fs;

use anyhow::Result;
use artifacts_tests::fleet::{Fleet, Ran};
use artifacts_tests::nix;
use serde_json::{Value, json};

const NAME: &str = "per-machine/web1/own";
const FILE: &str = "secrets/per-machine/web1/own/secret.age";

fn git(fleet: &Fleet, words: &[&str]) -> Result<String> {
    Ok(nix::git(fleet.path(), words)?.trim().to_owned())
}

fn commit(fleet: &Fleet, message: &str) -> Result<String> {
    git(fleet, &["add", "--all"])?;
    git(fleet, &["commit", "--quiet", "--message", message])?;
    git(fleet, &["rev-parse", "HEAD"])
}

/// A machine with one artifact, whose value is another each time, in a repository.
struct Repository {
    fleet: Fleet,
    /// The commits of the first value and of the second one.
    commits: [String; 2],
    /// The second value.
    newer: Vec<u8>,
}

fn repository() -> Result<Repository> {
    let fleet = Fleet::new()?;
    let random = fleet.generator("random", "#!/bin/bash\nhead -c 16 /dev/urandom > $out/secret\n")?;
    let one = json!({"backend": "agenix", "files": {"secret": {}}, "generator": random});
    let fleet = fleet.machine("web1", &json!({"own": one}))?;
    fs::write(fleet.path().join(".gitignore"), ".keys/\nspec.json\n")?;
    git(&fleet, &["init", "--quiet", "--initial-branch", "main"])?;
    fleet.run(["generate", "--accept-recipients"])?.ends(0);
    let first = commit(&fleet, "first")?;
    fleet.run(["generate", "--regenerate", "--yes", "own"])?.ends(0);
    let commits = [first, commit(&fleet, "second")?];
    fleet.run(["status"])?.ends(0);
    let newer = fleet.decrypt("web1", FILE)?;
    Ok(Repository { fleet, commits, newer })
}

fn status(fleet: &Fleet) -> Result<Ran> {
    fleet.run(["--json", "status"])
}

/// The words of the hint with this effect.
fn command(ran: &Ran, effect: &str) -> Vec<String> {
    let row = ran.json()["instances"][0].clone();
    let hints = row["hints"].as_array().unwrap().clone();
    let hint = hints.iter().find(|hint| hint["effect"] == effect).unwrap_or_else(|| panic!("{ran}"));
    let words = hint["command"].as_array().unwrap_or_else(|| panic!("{ran}"));
    words.iter().map(|word| word.as_str().unwrap().to_owned()).collect()
}

fn effect(keeps: bool) -> &'static str {
    if keeps { "keep" } else { "undo" }
}

impl Repository {
    /// It has the older value, and says so; its own command brings the newer one back.
    fn is_brought_back(&self) -> Result<()> {
        let Self { fleet, commits: [_, second], newer } = self;
        assert_ne!(fleet.decrypt("web1", FILE)?, *newer);
        let ran = status(fleet)?.ends(3);
        assert_eq!(ran.state(NAME), "stale (receipt)");
        let why = ran.json()["instances"][0]["reasons"][0]["message"].as_str().unwrap().to_owned();
        assert!(why.contains("older than the last value that this machine stored"), "{ran}");
        assert_eq!(command(&ran, effect(true)), ["artifacts", "adopt", NAME]);
        let back = command(&ran, effect(false));
        assert_eq!(back[..4], ["git", "restore", "--source", &second[..12]], "{ran}");
        fleet.run(["status"])?.ends(3).says("1 older, keep").says("artifacts adopt web1/own").says("1 older, undo");
        let words: Vec<&str> = back[1..].iter().map(String::as_str).collect();
        git(fleet, &words)?;
        assert_eq!(fleet.decrypt("web1", FILE)?, *newer);
        assert_eq!(status(fleet)?.state(NAME), "present");
        Ok(())
    }
}

#[test]
fn a_checkout_of_an_older_commit_is_shown_with_what_brings_the_newer_back() -> Result<()> {
    let moves: [&[&[&str]]; 3] = [
        &[&["checkout", "--quiet", "FIRST"]],
        // Only the log of `HEAD` has the newer commit then.
        &[&["reset", "--quiet", "--hard", "FIRST"]],
        &[&["checkout", "--quiet", "FIRST", "--", "secrets"], &["commit", "--quiet", "--message", "back"]],
    ];
    for commands in moves {
        let repository = repository()?;
        for words in commands {
            let first = &repository.commits[0];
            let words: Vec<&str> = words.iter().map(|word| if *word == "FIRST" { first } else { *word }).collect();
            git(&repository.fleet, &words)?;
        }
        repository.is_brought_back()?;
    }
    Ok(())
}

#[test]
fn a_merge_that_took_the_older_side_is_shown_with_what_brings_the_newer_back() -> Result<()> {
    let repository = repository()?;
    let fleet = &repository.fleet;
    git(fleet, &["checkout", "--quiet", "-b", "other", &repository.commits[0]])?;
    fs::write(fleet.path().join("README"), "other\n")?;
    commit(fleet, "other")?;
    git(fleet, &["merge", "--quiet", "--strategy", "ours", "--message", "merged", "main"])?;
    git(fleet, &["branch", "--quiet", "--delete", "--force", "main"])?;
    repository.is_brought_back()
}

#[test]
fn an_older_value_that_is_adopted_is_the_current_one_and_changes_nothing_in_git() -> Result<()> {
    let Repository { fleet, commits: [first, second], newer } = repository()?;
    git(&fleet, &["checkout", "--quiet", &first])?;
    let before = fleet.stored()?;
    fleet.run(["adopt"])?;
    assert_eq!(status(&fleet)?.state(NAME), "stale (receipt)", "it is adopted by its name alone");
    let refused = fleet.run(["rekey"])?.ends(1);
    refused.says("older than the last value that this machine stored").says("artifacts adopt web1/own");
    fleet.run(["adopt", "own"])?.ends(0).says("adopted web1/own");
    assert_eq!(fleet.stored()?, before);
    assert_eq!(git(&fleet, &["status", "--porcelain"])?, "");
    assert_eq!(status(&fleet)?.ends(0).state(NAME), "present");
    // Who goes on to the newer one is not bothered.
    git(&fleet, &["checkout", "--quiet", &second])?;
    assert_eq!(status(&fleet)?.ends(0).state(NAME), "present");
    assert_eq!(fleet.decrypt("web1", FILE)?, newer);
    Ok(())
}

#[test]
fn where_no_commit_has_the_newer_value_that_is_said() -> Result<()> {
    let fleet = repository()?.fleet;
    fleet.run(["generate", "--regenerate", "--yes", "own"])?.ends(0);
    git(&fleet, &["reset", "--quiet", "--hard"])?;
    let ran = status(&fleet)?.ends(3);
    assert_eq!(ran.state(NAME), "stale (receipt)");
    let hints = ran.json()["instances"][0]["hints"].clone();
    let text = hints.as_array().unwrap().iter().find_map(|hint| hint.get("text").and_then(Value::as_str));
    assert!(text.is_some_and(|text| text.contains("no commit here has the newer one")), "{ran}");
    Ok(())
}
