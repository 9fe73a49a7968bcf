//! The checkout as git and Nix see it, after runs that went well and runs that did not.
#![allow(clippy::unwrap_used, clippy::missing_panics_doc)]

use std::fs;
use std::net::TcpListener;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

use anyhow::Result;
use artifacts_tests::checkout::Checkout;
use artifacts_tests::fleet::{Fleet, Ran};
use artifacts_tests::nix;
use serde_json::{Value, json};

const ENTRY: &str = "secrets/per-machine/web1/own";

fn git(dir: &Path, arguments: &[&str]) -> String {
    nix::git(dir, &[&["-c", "protocol.file.allow=always"], arguments].concat()).unwrap()
}

/// A command as a hint has it.
fn follow(dir: &Path, command: &str) {
    let words: Vec<&str> = command.split(' ').collect();
    assert_eq!(words[0], "git");
    git(dir, &words[1..]);
}

fn artifact(generator: &Value) -> Value {
    json!({"backend": "agenix", "files": {"secret": {}}, "generator": generator})
}

/// A machine with one artifact, whose value is another each time, in a repository.
fn fleet() -> Result<Fleet> {
    let fleet = Fleet::new()?;
    let random = fleet.generator("random", "#!/bin/bash\nhead -c 16 /dev/urandom > $out/secret\n")?;
    let fleet = fleet.machine("web1", &json!({"own": artifact(&random)}))?;
    fs::write(fleet.path().join(".gitignore"), ".keys/\nspec.json\n")?;
    git(fleet.path(), &["init", "-q"]);
    git(fleet.path(), &["add", "."]);
    git(fleet.path(), &["commit", "-qm", "first"]);
    Ok(fleet)
}

/// A run that ends with the test, whatever comes of it.
struct Killed(Child);

impl Drop for Killed {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn staged(ran: &Ran) -> Value {
    ran.json()["instances"][0]["staged"].clone()
}

fn is_staged(fleet: &Fleet, entry: &str) -> bool {
    git(fleet.path(), &["diff", "--cached", "--name-only"]).contains(entry)
}

#[test]
fn what_git_lost_is_told_and_staged_by_the_next_run() -> Result<()> {
    let fleet = fleet()?;
    assert_eq!(staged(&fleet.run(["--json", "status"])?.ends(3)), Value::Null, "nothing is stored");
    assert_eq!(staged(&fleet.run(["--json", "generate", "--accept-recipients"])?.ends(0)), json!(true));
    let before = fleet.stored()?;
    git(fleet.path(), &["reset", "-q"]);
    let ran = fleet.run(["--json", "status"])?.ends(3);
    assert_eq!(staged(&ran), json!(false));
    assert_eq!(ran.state("per-machine/web1/own"), "present");
    let hint = format!("git add -- {ENTRY}");
    fleet.run(["status"])?.ends(3).says(&hint);
    for command in [&["generate", "--accept-recipients"][..], &["rekey"]] {
        fleet.run(command)?.ends(0).never_says("made");
        assert!(is_staged(&fleet, ENTRY), "{command:?}");
        git(fleet.path(), &["reset", "-q"]);
    }
    follow(fleet.path(), &hint);
    assert_eq!(staged(&fleet.run(["--json", "status"])?.ends(0)), json!(true));
    assert_eq!(fleet.stored()?, before, "no value was replaced");
    Ok(())
}

#[test]
fn what_was_modified_outside_is_staged_by_the_command_that_status_names() -> Result<()> {
    let fleet = fleet()?;
    fleet.run(["generate", "--accept-recipients"])?.ends(0);
    fs::remove_file(fleet.path().join(ENTRY).join("receipt.json"))?;
    // No run stages what it did not store, so none is named for it.
    let hint = "keep artifacts adopt web1/own";
    fleet.run(["status"])?.ends(3).says(hint).never_says("artifacts generate");
    fleet.run(["generate"])?.ends(3);
    assert_eq!(staged(&fleet.run(["--json", "status"])?.ends(3)), json!(false));
    fleet.run(["adopt", "per-machine/web1/own"])?.ends(0);
    assert_eq!(staged(&fleet.run(["--json", "status"])?.ends(0)), json!(true));
    Ok(())
}

#[test]
fn a_killed_run_leaves_nothing_unstaged_for_long() -> Result<()> {
    let fleet = fleet()?;
    // The first is stored before the second, which never ends.
    let listener = TcpListener::bind("127.0.0.1:0")?;
    let port = listener.local_addr()?.port();
    let script = format!("#!/bin/bash\nexec 3<>/dev/tcp/127.0.0.1/{port}\nsleep 600\n");
    let mut never = artifact(&fleet.generator("never", &script)?);
    never["network"] = json!(true);
    let mut fleet = fleet;
    fleet.of("web1")["artifacts"]["zz"] = never;
    // A second one, right behind the first.
    let own = fleet.of("web1")["artifacts"]["own"].clone();
    fleet.of("web1")["artifacts"]["second"] = own;
    let both = |fleet: &Fleet| is_staged(fleet, ENTRY) && is_staged(fleet, "web1/second");
    let child =
        fleet.command(["generate", "--accept-recipients"])?.stdout(Stdio::null()).stderr(Stdio::null()).spawn()?;
    let child = Killed(child);
    listener.accept()?;
    let begun = Instant::now();
    while !both(&fleet) && begun.elapsed() < Duration::from_secs(20) {
        sleep(Duration::from_millis(50));
    }
    assert!(both(&fleet), "it was told of them during the run");
    // As if it had been killed before.
    drop(child);
    git(fleet.path(), &["reset", "-q"]);
    let stored = fleet.stored()?;
    fleet.run(["generate", "--accept-recipients", "own"])?.ends(0).never_says("made");
    assert!(is_staged(&fleet, ENTRY));
    assert_eq!(fleet.stored()?, stored);
    Ok(())
}

#[test]
fn what_is_ignored_is_told_with_what_stages_it_alone() -> Result<()> {
    let fleet = fleet()?;
    fs::write(fleet.path().join(".gitignore"), ".keys/\nspec.json\nsecrets/\n")?;
    let hint = format!("git add --force -- {ENTRY}");
    fleet.run(["generate", "--accept-recipients"])?.ends(3).says("git ignores").says(&hint);
    fleet.run(["status"])?.ends(3).says("git ignores").says(&hint);
    follow(fleet.path(), &hint);
    fleet.run(["status"])?.ends(0);
    git(fleet.path(), &["commit", "-qm", "secrets"]);
    // What git tracks already is staged without a word.
    fleet.run(["rotate", "--accept-recipients", "--yes", "own"])?.ends(0).never_says("warning").never_says("ignores");
    assert!(is_staged(&fleet, ENTRY));
    assert!(!git(fleet.path(), &["ls-files"]).contains(".artifacts"));
    Ok(())
}

#[test]
fn what_a_push_brings_into_the_trash_is_an_error() -> Result<()> {
    let fleet = fleet()?;
    fleet.run(["generate", "--accept-recipients"])?.ends(0);
    let planted = "secrets/.artifacts/trash/2026-11-28T00:00:00Z-0011223344556677-per-machine+web1+own";
    fs::create_dir_all(fleet.path().join(planted))?;
    fs::write(fleet.path().join(planted).join("secret.age"), "evil")?;
    git(fleet.path(), &["add", "--force", planted]);
    let hint = "git rm -r --cached -- secrets/.artifacts";
    fleet.run(["status"])?.ends(1).says(planted).says(hint);
    fleet.run(["rotate", "--accept-recipients", "--yes", "own"])?.ends(1).says(hint);
    let json = fleet.run(["--json", "status"])?.ends(1).json();
    assert!(json["errors"][0]["message"].as_str().unwrap().contains(planted), "{json}");
    follow(fleet.path(), hint);
    fleet.run(["status"])?.ends(0);
    Ok(())
}

#[test]
fn a_merge_conflict_is_never_settled_by_a_new_value() -> Result<()> {
    let fleet = fleet()?;
    fleet.run(["generate", "--accept-recipients"])?.ends(0);
    git(fleet.path(), &["commit", "-qm", "base"]);
    git(fleet.path(), &["branch", "theirs"]);
    fleet.run(["rotate", "--accept-recipients", "--yes", "own"])?.ends(0);
    git(fleet.path(), &["commit", "-qm", "ours"]);
    // The value that is chosen in the end is the last that this machine stored, whatever second it is.
    git(fleet.path(), &["checkout", "-q", "theirs"]);
    fleet.run(["rotate", "--accept-recipients", "--yes", "own"])?.ends(0);
    git(fleet.path(), &["commit", "-qm", "theirs"]);
    git(fleet.path(), &["checkout", "-q", "-"]);
    let merged = Command::new("git").args(["merge", "-q", "theirs"]).current_dir(fleet.path()).output()?;
    assert!(!merged.status.success());
    let before = fleet.stored()?;
    let ours = format!("git checkout --ours -- {ENTRY}");
    let theirs = format!("git checkout --theirs -- {ENTRY}");
    fleet.run(["status"])?.ends(3).says(&ours).says(&theirs);
    for command in
        [&["rotate", "--stale", "--yes"][..], &["rotate", "--accept-recipients", "--yes", "own"], &["rekey", "--all"]]
    {
        let ran = fleet.run(command)?;
        assert_eq!(fleet.stored()?, before, "{ran}");
    }
    fleet.run(["rotate", "--accept-recipients", "--yes", "own"])?.ends(1).says(&ours).says(&theirs);
    assert!(!git(fleet.path(), &["ls-files", "--unmerged"]).is_empty(), "git still knows of it");
    follow(fleet.path(), &theirs);
    git(fleet.path(), &["add", ENTRY]);
    fleet.run(["status"])?.ends(0);
    Ok(())
}

#[test]
fn an_entry_outside_of_a_sparse_checkout_is_not_made_again() -> Result<()> {
    let fleet = fleet()?;
    fleet.run(["generate", "--accept-recipients"])?.ends(0);
    git(fleet.path(), &["commit", "-qm", "secrets"]);
    git(fleet.path(), &["sparse-checkout", "set", "--cone", "elsewhere"]);
    assert!(!fleet.path().join(ENTRY).exists());
    fleet.run(["status"])?.ends(1).says("sparse checkout").never_says("artifacts generate");
    fleet.run(["generate", "--accept-recipients"])?.ends(1).says("sparse checkout");
    assert!(!fleet.path().join(ENTRY).exists());
    Ok(())
}

#[test]
fn a_storage_in_a_submodule_is_staged_there() -> Result<()> {
    let fleet = fleet()?;
    let inner = tempfile::tempdir()?;
    git(inner.path(), &["init", "-q"]);
    git(inner.path(), &["commit", "-q", "--allow-empty", "-m", "first"]);
    git(fleet.path(), &["submodule", "--quiet", "add", inner.path().to_str().unwrap(), "secrets"]);
    fleet.run(["generate", "--accept-recipients"])?.ends(0).never_says("warning");
    let secrets = fleet.path().join("secrets");
    assert!(git(&secrets, &["diff", "--cached", "--name-only"]).contains("per-machine/web1/own/secret.age"));
    git(&secrets, &["reset", "-q"]);
    let hint = "git -C secrets add -- per-machine/web1/own";
    fleet.run(["status"])?.ends(3).says(hint);
    follow(fleet.path(), hint);
    fleet.run(["status"])?.ends(0);
    Ok(())
}

#[test]
fn a_submodule_that_is_not_checked_out_gets_no_new_value() -> Result<()> {
    for place in ["secrets", "secrets/per-machine"] {
        let fleet = fleet()?;
        let inner = tempfile::tempdir()?;
        git(inner.path(), &["init", "-q"]);
        git(inner.path(), &["commit", "-q", "--allow-empty", "-m", "first"]);
        git(fleet.path(), &["submodule", "--quiet", "add", inner.path().to_str().unwrap(), place]);
        fleet.run(["generate", "--accept-recipients"])?.ends(0);
        let secret = fs::read(fleet.path().join(ENTRY).join("secret.age"))?;
        let submodule = fleet.path().join(place);
        git(&submodule, &["commit", "-qm", "secrets"]);
        git(fleet.path(), &["add", "."]);
        git(fleet.path(), &["commit", "-qm", "secrets"]);
        git(fleet.path(), &["submodule", "--quiet", "deinit", "--force", "--all"]);
        let hint = format!("git submodule update --init -- {place}");
        for command in
            [&["status"][..], &["generate", "--no-input"], &["generate", "--yes"], &["generate", "--dry-run"]]
        {
            let ran = fleet.run(command)?.ends(1);
            ran.says("not checked out").says(&hint).never_says("artifacts generate");
            assert_eq!(fs::read_dir(&submodule)?.count(), 0, "{place}: {command:?}");
        }
        follow(fleet.path(), &hint);
        fleet.run(["status"])?.ends(0);
        assert_eq!(fs::read(fleet.path().join(ENTRY).join("secret.age"))?, secret);
    }
    Ok(())
}

#[test]
fn an_entry_that_was_deleted_and_that_git_has_comes_back_from_there() -> Result<()> {
    let fleet = fleet()?;
    fleet.run(["generate", "--accept-recipients"])?.ends(0);
    let before = fleet.stored()?;
    git(fleet.path(), &["commit", "-qm", "secrets"]);
    fs::remove_dir_all(fleet.path().join(ENTRY))?;
    let hint = format!("git restore -- {ENTRY}");
    fleet.run(["status"])?.ends(3).says(&format!("keep {hint}")).says("new value artifacts generate --yes web1/own");
    for command in [&["generate", "--no-input"][..], &["generate", "--no-input", "own"]] {
        fleet.run(command)?.ends(1).says(&hint);
        assert!(!fleet.path().join(ENTRY).exists());
    }
    follow(fleet.path(), &hint);
    assert_eq!(fleet.stored()?, before);
    fleet.run(["status"])?.ends(0);
    fs::remove_dir_all(fleet.path().join(ENTRY))?;
    fleet.run(["generate", "--no-input", "--yes", "own"])?.ends(0);
    fleet.run(["status"])?.ends(0);
    assert_ne!(fleet.stored()?, before);
    Ok(())
}

#[test]
fn every_run_tells_why_work_is_left_in_git_and_names_no_command_that_does_nothing() -> Result<()> {
    let fleet = fleet()?;
    fleet.run(["generate", "--accept-recipients"])?.ends(0);
    git(fleet.path(), &["rm", "-rq", "--cached", "secrets"]);
    fs::write(fleet.path().join(".git/info/exclude"), "secrets/\n")?;
    for command in [&["status"][..], &["generate"], &["rekey"]] {
        fleet.run(command)?.ends(3).says("git add --force");
    }
    fs::write(fleet.path().join(".git/info/exclude"), "")?;
    let receipt = fs::read(fleet.path().join(ENTRY).join("receipt.json"))?;
    fs::remove_file(fleet.path().join(ENTRY).join("receipt.json"))?;
    // `generate` does not stage what is not as it was stored.
    let ran = fleet.run(["status"])?.ends(3).says("artifacts adopt");
    ran.never_says("unstaged").never_says("artifacts generate");
    fs::write(fleet.path().join(ENTRY).join("receipt.json"), receipt)?;
    fleet.run(["status"])?.ends(3).says("1 unstaged git add --");
    fleet.run(["generate"])?.ends(0);
    Ok(())
}

#[test]
fn a_split_index_is_usable_after_a_run() -> Result<()> {
    let fleet = fleet()?;
    git(fleet.path(), &["config", "core.splitIndex", "true"]);
    fs::write(fleet.path().join("staged"), "x")?;
    git(fleet.path(), &["add", "staged"]);
    fleet.run(["generate", "--accept-recipients"])?.ends(0).never_says("warning");
    assert!(is_staged(&fleet, "staged") && is_staged(&fleet, ENTRY));
    git(fleet.path(), &["commit", "-qm", "all"]);
    assert_eq!(git(fleet.path(), &["status", "--porcelain"]), "");
    Ok(())
}

#[test]
fn what_a_run_replaces_is_recorded_outside_of_the_checkout() -> Result<()> {
    let fleet = fleet()?;
    fleet.run(["generate", "--accept-recipients"])?.ends(0);
    fleet.run(["rotate", "--accept-recipients", "--yes", "own"])?.ends(0);
    let names = |dir: &Path| -> Result<Vec<String>> {
        let names = fs::read_dir(dir)?.map(|entry| Ok(entry?.file_name().into_string().unwrap()));
        names.collect()
    };
    let trash = names(&fleet.path().join("secrets/.artifacts/trash"))?;
    assert_eq!(trash.len(), 1);
    assert_eq!(names(&fleet.home().join("state/artifacts/trash"))?, trash);
    Ok(())
}

#[test]
fn nix_reads_what_the_next_run_staged() -> Result<()> {
    let checkout = Checkout::new()?;
    let key = checkout.key("web1")?;
    checkout.flake(&format!(
        r#"nixosConfigurations.web1 = nixpkgs.lib.nixosSystem {{ modules = [
          inputs.artifacts.nixosModules.default inputs.agenix.nixosModules.default
          ({{ pkgs, config, ... }}: {{
            nixpkgs.hostPlatform = "x86_64-linux"; networking.hostName = "web1"; artifacts.root = ./.;
            artifacts.default.backend = "agenix"; artifacts.config.agenix.publicHostKey = "{key}";
            artifacts.store.own = {{ files.f.secret = false; generator = pkgs.writers.writeBash "g" "echo value > $out/f"; }};
          }})
        ]; }};"#
    ))?;
    let value = || {
        let attribute = ".#nixosConfigurations.web1.config.artifacts.store.own.files.f.value";
        nix::nix(&checkout.path(), &["eval", "--raw", attribute])
    };
    checkout.run(&["generate", "--accept-recipients"])?.ends(0);
    assert_eq!(value()?, "value");
    nix::git(&checkout.path(), &["reset", "-q"])?;
    assert!(value().is_err(), "Nix does not see what git does not know");
    let ran = checkout.run(&["--json", "status"])?.ends(3);
    assert_eq!(staged(&ran), json!(false));
    checkout.run(&["generate", "--accept-recipients"])?.ends(0).never_says("made");
    assert_eq!(value()?, "value");
    Ok(())
}

#[test]
fn root_is_warned_in_a_checkout_of_somebody_else() -> Result<()> {
    if !rustix::process::geteuid().is_root() {
        // Nobody else can give a directory away.
        return Ok(());
    }
    let fleet = fleet()?;
    let owner = |id: u32| std::os::unix::fs::chown(fleet.path(), Some(id), None);
    owner(65534)?;
    fleet.run(["generate", "--accept-recipients"])?.ends(0).says("artifacts runs as root in a checkout of user 65534");
    owner(0)?;
    fleet.run(["rotate", "--yes", "own"])?.ends(0).never_says("warning");
    assert!(is_staged(&fleet, ENTRY));
    Ok(())
}
