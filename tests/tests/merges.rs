//! Two branches that stored the same entry: what git leaves, what settles it, and the one command that comes after.
#![allow(clippy::unwrap_used, clippy::missing_panics_doc)]

use std::fs;

use anyhow::Result;
use artifacts_tests::fleet::Fleet;
use artifacts_tests::nix;
use serde_json::{Value, json};

const SHARED: &str = "secrets/shared/ca";

fn git(fleet: &Fleet, arguments: &[&str]) {
    nix::git(fleet.path(), arguments).unwrap();
}

/// Merges the other branch, which leaves conflicts.
fn merge_conflicting(fleet: &Fleet) {
    nix::git(fleet.path(), &["merge", "-q", "theirs"]).unwrap_err();
}

fn commit(fleet: &Fleet, message: &str) {
    git(fleet, &["add", "."]);
    git(fleet, &["commit", "-qm", message]);
}

/// The commands of a hint, as a person runs them.
fn follow(fleet: &Fleet, commands: &str) {
    for command in commands.split(" && ") {
        let words: Vec<&str> = command.split(' ').collect();
        assert_eq!(words[0], "git");
        git(fleet, &words[1..]);
    }
}

/// A machine with a shared artifact, whose value is another each time, committed on the branch `main`.
struct Branches {
    fleet: Fleet,
    ca: Value,
}

impl Branches {
    fn begin() -> Result<Self> {
        let fleet = Fleet::new()?;
        let random = fleet.generator("random", "#!/bin/bash\nhead -c 16 /dev/urandom | od -An -tx1 > $out/key\n")?;
        let ca = json!({"backend": "agenix", "shared": true, "files": {"key": {}}, "generator": random});
        let fleet = fleet.machine("web1", &json!({"ca": ca}))?;
        fs::write(fleet.path().join(".gitignore"), ".keys/\nspec.json\n")?;
        git(&fleet, &["init", "-q", "-b", "main"]);
        fleet.run(["generate", "--accept-recipients"])?.ends(0);
        commit(&fleet, "base");
        Ok(Self { fleet, ca })
    }

    /// The fleet with one more machine.
    fn with(self, machine: &str) -> Result<Self> {
        let Self { fleet, ca } = self;
        Ok(Self { fleet: fleet.machine(machine, &json!({"ca": ca}))?, ca })
    }

    fn run(&self, line: &str) -> Result<artifacts_tests::fleet::Ran> {
        let key = self.fleet.key_file("web1");
        let key = key.to_str().unwrap();
        self.fleet.run(["-i", key].into_iter().chain(line.split(' ')))
    }

    fn value(&self, machine: &str) -> Result<Vec<u8>> {
        self.fleet.decrypt(machine, &format!("{SHARED}/key.age"))
    }
}

#[test]
fn two_branches_that_both_added_machines_keep_the_value_and_rekey_completes_it() -> Result<()> {
    let base = Branches::begin()?;
    let value = base.value("web1")?;
    git(&base.fleet, &["checkout", "-q", "-b", "theirs"]);
    let mut theirs = base.with("web2")?;
    theirs.run("rekey --accept-recipients")?.ends(0);
    commit(&theirs.fleet, "web2");
    git(&theirs.fleet, &["checkout", "-q", "main"]);
    // What is declared is a file beside the checkout; on this branch web2 is not declared yet.
    let web2 = theirs.fleet.of("web2")["artifacts"].take();
    theirs.fleet.of("web2")["artifacts"] = json!({});
    let mut ours = theirs.with("web3")?;
    ours.run("rekey --accept-recipients")?.ends(0);
    commit(&ours.fleet, "web3");
    merge_conflicting(&ours.fleet);
    ours.fleet.of("web2")["artifacts"] = web2;
    let both = ours;

    // No side has lost anything, and either will do: one is named, and the one command that completes it.
    let settle = format!("git checkout --ours -- {SHARED}");
    let status = both.run("status")?.ends(3).says("both versions have the same value").says(&settle);
    let add = format!("git add -- {SHARED}");
    let status = status.says("unstaged, keep").never_says("--theirs").never_says("keep ours").never_says("new value");
    status.says(&format!("unstaged, then {add}")).says("unstaged, then artifacts rekey");
    let sentence =
        format!("both versions have the same value: run `{settle}`, then `{add}` and `artifacts rekey shared/ca`");
    for line in ["rekey --accept-recipients", "rotate --yes --accept-recipients ca", "set ca key"] {
        let before = both.fleet.stored()?;
        let refused = both.run(line)?.ends(1);
        refused.says("unresolved merge conflict").says(&sentence);
        assert_eq!(both.fleet.stored()?, before, "{line}");
    }
    both.fleet.run(["doctor", "git"])?.ends(3).says(&sentence);

    follow(&both.fleet, &settle);
    follow(&both.fleet, &add);
    both.run("rekey --accept-recipients shared/ca")?.ends(0);
    for machine in ["web1", "web2", "web3"] {
        assert_eq!(both.value(machine)?, value, "{machine}");
    }
    both.run("status")?.ends(0);
    both.fleet.run(["doctor", "git", "receipts"])?.ends(0);
    Ok(())
}

#[test]
fn two_branches_that_both_regenerated_have_two_values_and_a_person_chooses() -> Result<()> {
    for side in ["--ours", "--theirs"] {
        let fleet = Branches::begin()?;
        git(&fleet.fleet, &["checkout", "-q", "-b", "theirs"]);
        fleet.run("rotate --yes --accept-recipients ca")?.ends(0);
        let theirs = fleet.value("web1")?;
        commit(&fleet.fleet, "theirs");
        git(&fleet.fleet, &["checkout", "-q", "main"]);
        // Receipts have seconds.
        std::thread::sleep(std::time::Duration::from_millis(1100));
        fleet.run("rotate --yes --accept-recipients ca")?.ends(0);
        let ours = fleet.value("web1")?;
        commit(&fleet.fleet, "ours");
        merge_conflicting(&fleet.fleet);
        let (settle, add) = (format!("git checkout {side} -- {SHARED}"), format!("git add -- {SHARED}"));
        let status = fleet.run("status")?.ends(3).says("different values; ours is newer").says(&add);
        status.says(&format!("unstaged, keep {} {settle}", side.trim_start_matches('-')));
        follow(&fleet.fleet, &settle);
        follow(&fleet.fleet, &add);
        fleet.run("adopt shared/ca")?.ends(0);
        assert_eq!(fleet.value("web1")?, if side == "--ours" { ours } else { theirs });
        fleet.run("status")?.ends(0);
    }
    Ok(())
}

#[test]
fn where_one_branch_has_fewer_files_a_commit_is_named() -> Result<()> {
    let mut fleet = Branches::begin()?;
    let script = "#!/bin/bash\nfor f in key more; do head -c 16 /dev/urandom | od -An -tx1 > $out/$f; done\n";
    fleet.ca["generator"] = fleet.fleet.generator("both", script)?;
    fleet.ca["files"]["more"] = json!({});
    fleet.fleet.of("web1")["artifacts"]["ca"] = fleet.ca.clone();
    fleet.run("rotate --yes ca")?.ends(0);
    commit(&fleet.fleet, "two files");
    git(&fleet.fleet, &["checkout", "-q", "-b", "theirs"]);
    fleet.run("rotate --yes ca")?.ends(0);
    commit(&fleet.fleet, "theirs");
    git(&fleet.fleet, &["checkout", "-q", "main"]);
    // This machine stored the value of the other branch last.
    fleet.run("adopt shared/ca")?.ends(0);
    fleet.fleet.of("web1")["artifacts"]["ca"]["files"] = json!({"key": {}});
    fleet.run("rekey")?.ends(0);
    let ours = fleet.fleet.stored()?;
    commit(&fleet.fleet, "ours");
    merge_conflicting(&fleet.fleet);
    let restore = format!("git restore --source=HEAD --staged --worktree -- {SHARED}");
    let settle = format!("git rm -rfq -- {SHARED} && {restore}");
    fleet.run("status")?.ends(3).says(&settle).says(&format!("git checkout --theirs -- {SHARED}"));
    follow(&fleet.fleet, &settle);
    assert_eq!(fleet.fleet.stored()?, ours, "as a whole");
    fleet.run("adopt shared/ca")?.ends(0);
    fleet.run("status")?.ends(0);
    Ok(())
}

#[test]
fn what_one_branch_pruned_is_kept_as_a_whole_or_removed_and_each_says_what_it_is() -> Result<()> {
    for is_removed in [false, true] {
        let mut fleet = Branches::begin()?;
        git(&fleet.fleet, &["checkout", "-q", "-b", "theirs"]);
        fleet.run("rotate --yes ca")?.ends(0);
        let theirs = fleet.value("web1")?;
        commit(&fleet.fleet, "theirs");
        git(&fleet.fleet, &["checkout", "-q", "main"]);
        fleet.fleet.of("web1")["artifacts"] = json!({});
        fleet.run("prune --yes shared/ca")?.ends(0);
        commit(&fleet.fleet, "ours");
        merge_conflicting(&fleet.fleet);

        let (settle, add) = (format!("git checkout --theirs -- {SHARED}"), format!("git add -- {SHARED}"));
        let remove = format!("git rm -rf -- {SHARED}");
        fleet.run("status")?.ends(3).says("orphaned, remove").says(&settle).says(&remove);
        fleet.fleet.of("web1")["artifacts"] = json!({"ca": fleet.ca});
        let status = fleet.run("status")?.ends(3).says("one branch removed it").says("unstaged, remove").says(&remove);
        status.says(&settle).never_says("restore --source");
        let sentence =
            format!("`{settle}`, then `{add}` and `artifacts adopt shared/ca`; or remove it, as one branch did");
        fleet.run("rotate --yes ca")?.ends(1).says(&sentence).says(&remove);
        // The files that are gone from the working tree alone are not replaced either.
        fs::remove_dir_all(fleet.fleet.path().join(SHARED))?;
        fleet.run("generate --yes")?.ends(1).says("unresolved merge conflict").says(&sentence);
        if is_removed {
            follow(&fleet.fleet, &remove);
            fleet.run("status")?.ends(3).says("absent").never_says("conflict");
        } else {
            follow(&fleet.fleet, &settle);
            follow(&fleet.fleet, &add);
            fleet.run("adopt shared/ca")?.ends(0);
            assert_eq!(fleet.value("web1")?, theirs);
            fleet.run("status")?.ends(0);
        }
    }
    Ok(())
}

#[test]
fn a_conflict_in_an_entry_that_is_no_longer_declared_is_named_before_rename_and_prune() -> Result<()> {
    let mut fleet = Branches::begin()?;
    git(&fleet.fleet, &["checkout", "-q", "-b", "theirs"]);
    fleet.run("rotate --yes ca")?.ends(0);
    commit(&fleet.fleet, "theirs");
    git(&fleet.fleet, &["checkout", "-q", "main"]);
    fleet.run("rotate --yes ca")?.ends(0);
    let ours = fleet.value("web1")?;
    commit(&fleet.fleet, "ours");
    merge_conflicting(&fleet.fleet);
    fleet.fleet.of("web1")["artifacts"] = json!({"root": fleet.ca});
    let (settle, add) = (format!("git checkout --ours -- {SHARED}"), format!("git add -- {SHARED}"));
    let status = fleet.run("status")?.ends(3).says("orphaned").says(&settle).says(&format!("then `{add}`"));
    status.never_says("artifacts prune").never_says("new value");
    let before = fleet.fleet.stored()?;
    for line in ["rename shared/ca shared/root", "prune --yes", "prune --yes shared/ca"] {
        fleet.run(line)?.ends(1).says("unresolved merge conflict").says(&settle);
        assert_eq!(fleet.fleet.stored()?, before, "{line}");
    }
    follow(&fleet.fleet, &settle);
    follow(&fleet.fleet, &add);
    fleet.run("status")?.ends(3).says("artifacts rename shared/ca shared/root").says("artifacts prune shared/ca");
    fleet.run("rename shared/ca shared/root")?.ends(0);
    assert_eq!(fleet.fleet.decrypt("web1", "secrets/shared/root/key.age")?, ours);
    Ok(())
}

#[test]
fn the_other_version_may_be_that_of_another_person_s_machine() -> Result<()> {
    let fleet = Branches::begin()?;
    let elsewhere = tempfile::tempdir()?;
    git(&fleet.fleet, &["checkout", "-q", "-b", "theirs"]);
    let mut theirs = fleet.fleet.command(["rotate", "--yes", "--accept-recipients", "ca"])?;
    theirs.env("XDG_STATE_HOME", elsewhere.path());
    artifacts_tests::fleet::Ran::from(theirs.output()?).ends(0);
    let value = fleet.value("web1")?;
    commit(&fleet.fleet, "theirs");
    git(&fleet.fleet, &["checkout", "-q", "main"]);
    fleet.run("rotate --yes ca")?.ends(0);
    commit(&fleet.fleet, "ours");
    merge_conflicting(&fleet.fleet);
    follow(&fleet.fleet, &format!("git checkout --theirs -- {SHARED}"));
    follow(&fleet.fleet, &format!("git add -- {SHARED}"));
    fleet.run("adopt shared/ca")?.ends(0);
    fleet.run("status")?.ends(0);
    assert_eq!(fleet.run("get shared/ca key")?.ends(0).stdout.into_bytes(), value);
    Ok(())
}

#[test]
fn marks_that_were_committed_are_neither_adopted_nor_replaced() -> Result<()> {
    let fleet = Branches::begin()?;
    let stored = fleet.fleet.stored()?;
    for file in ["receipt.json", "key.age"] {
        let path = fleet.fleet.path().join(SHARED).join(file);
        let text = fs::read_to_string(&path)?;
        let (head, tail) = text.split_at(text.find('\n').unwrap() + 1);
        fs::write(&path, format!("{head}<<<<<<< HEAD\n{tail}=======\n{tail}>>>>>>> theirs\n"))?;
        git(&fleet.fleet, &["add", "."]);
        let undo = format!("git restore --source=HEAD --staged --worktree -- {SHARED}");
        let status = fleet.run("status")?.ends(3).says("unresolved merge conflict");
        status.never_says("artifacts adopt").says("git restore").says(&format!("-- {SHARED}"));
        let before = fleet.fleet.stored()?;
        for line in ["adopt shared/ca", "rekey shared/ca", "get shared/ca key", "generate"] {
            let refused = fleet.run(line)?;
            assert_ne!(refused.status, Some(0), "{refused}");
            assert_eq!(fleet.fleet.stored()?, before, "{refused}");
        }
        fleet.fleet.run(["doctor", "receipts"])?.ends(1).says("unresolved merge conflict");
        follow(&fleet.fleet, &undo);
        assert_eq!(fleet.fleet.stored()?, stored);
        fleet.run("status")?.ends(0);
    }
    Ok(())
}
