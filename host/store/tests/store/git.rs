//! Git's index, in checkouts that mean well and in others.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::LazyLock;
use std::time::Duration;

use artifacts_declared::{InstanceName, Recipients};
use artifacts_store::{
    Choice, Git, Hex, MergeSide, Receipt, Root, Settlement, Staged, Storage, Time, Warning, Writer, WriterOptions,
};
use artifacts_text::{Explain, command_words};

use crate::support::*;

pub fn git_program() -> Git {
    let env = ["PATH", "HOME"].into_iter().filter_map(|name| Some((name.into(), std::env::var_os(name)?)));
    Git { program: "git".into(), env: env.collect::<BTreeMap<_, _>>(), scratch: scratch() }
}

/// One for all tests of this process; what git is given in it is gone afterwards.
fn scratch() -> PathBuf {
    static SCRATCH: LazyLock<tempfile::TempDir> = LazyLock::new(|| tempfile::tempdir().unwrap());
    SCRATCH.path().to_owned()
}

/// Stages; the first warning is the error.
pub fn stage(writer: &Writer, git: &Git, paths: &[String]) -> Result<(), Warning> {
    let storage = writer.storage();
    let mut warnings = git.stage(storage.root(), &[storage.path().to_owned()], paths);
    if warnings.is_empty() { Ok(()) } else { Err(warnings.remove(0)) }
}

/// What git knows of one entry.
pub fn known(checkout: &Checkout, git: &Git, instance: &str) -> Option<Staged> {
    let path = format!("secrets/{instance}");
    let mut report = git.compare(checkout.storage().root(), &["secrets".to_owned()], std::slice::from_ref(&path));
    assert!(report.warnings.is_empty(), "{:?}", report.warnings);
    report.entries.remove(&path)
}

/// What a person would run; the checkout's configuration counts.
pub fn git(directory: &Path, arguments: &[&str]) -> String {
    let output = Command::new("git")
        .args(["-c", "user.name=t", "-c", "user.email=t@t", "-c", "core.hooksPath=/dev/null"])
        .args(arguments)
        .current_dir(directory)
        .env("GIT_CONFIG_GLOBAL", "/dev/null")
        .output()
        .unwrap();
    assert!(output.status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

pub fn repository(arguments: &[&str]) -> Checkout {
    let checkout = Checkout::new();
    git(checkout.dir.path(), &[&["init", "-q"], arguments].concat());
    fs::write(checkout.path("flake.nix"), "{ }").unwrap();
    git(checkout.dir.path(), &["add", "."]);
    git(checkout.dir.path(), &["commit", "-qm", "first"]);
    checkout
}

fn status(checkout: &Checkout) -> String {
    git(checkout.dir.path(), &["status", "--porcelain", "--untracked-files=all", "--no-renames"])
}

#[test]
fn new_files_are_in_the_index_and_nothing_else_is_touched() {
    for format in ["sha1", "sha256"] {
        let checkout = repository(&["--object-format", format]);
        fs::write(checkout.path("flake.nix"), "changed").unwrap();
        fs::write(checkout.path("untracked"), "").unwrap();
        let writer = checkout.writer();
        let odd = "shared/*";
        // What the odd name would match if it were a pattern.
        put(&writer, "shared/x", &[("env.age", "x")], &[]).unwrap();
        let paths = [WEB, odd].map(|instance| put(&writer, instance, &[("env.age", "x")], &[]).unwrap().path);
        stage(&writer, &git_program(), &paths).unwrap();
        let mut lines: Vec<_> = status(&checkout).lines().map(|line| line.replace('"', "")).collect();
        lines.sort();
        assert_eq!(
            lines,
            [
                " M flake.nix",
                "?? secrets/shared/x/env.age",
                "?? secrets/shared/x/receipt.json",
                "?? untracked",
                "A  secrets/.gitattributes",
                "A  secrets/per-machine/web1/attic/env.age",
                "A  secrets/per-machine/web1/attic/receipt.json",
                "A  secrets/shared/*/env.age",
                "A  secrets/shared/*/receipt.json",
            ]
        );
        assert!(checkout.staged().is_empty());
        // Nix and people go on from here, also one who throws away what is not staged.
        git(checkout.dir.path(), &["checkout", "--", "."]);
        assert_eq!(fs::read(checkout.path("secrets/per-machine/web1/attic/env.age")).unwrap(), b"x");
        git(checkout.dir.path(), &["stash", "--quiet"]);
        git(checkout.dir.path(), &["stash", "pop", "--quiet"]);
        git(checkout.dir.path(), &["commit", "-qm", "secrets"]);
        git(checkout.dir.path(), &["fsck", "--strict"]);
    }
}

#[test]
fn git_notes_many_files_as_it_notes_few() {
    for count in [2, 300] {
        let checkout = repository(&[]);
        fs::write(checkout.path("flake.nix"), "changed").unwrap();
        let writer = checkout.writer();
        let put = |number| put(&writer, &format!("shared/a{number}"), &[("env.age", "x")], &[]).unwrap().path;
        let paths: Vec<String> = (0..count).map(put).collect();
        stage(&writer, &git_program(), &paths).unwrap();
        let noted = git(checkout.dir.path(), &["ls-files", "--debug", "secrets/shared"]);
        let sizes = noted.lines().filter_map(|line| line.trim().strip_prefix("size: ")?.split('\t').next());
        let sizes: Vec<&str> = sizes.collect();
        assert_eq!(sizes.len(), 2 * count);
        assert!(!sizes.contains(&"0"), "git would have to read a file again: {noted}");
        assert!(status(&checkout).contains(" M flake.nix"), "it is no file of ours");
    }
}

#[test]
fn a_replaced_entry_keeps_its_place_in_the_index() {
    let checkout = repository(&[]);
    checkout.put(WEB, &[("old.age", "x"), ("env.age", "x")]);
    git(checkout.dir.path(), &["add", "secrets"]);
    git(checkout.dir.path(), &["commit", "-qm", "secrets"]);
    let writer = checkout.writer();
    let path = put(&writer, WEB, &[("new.age", "x"), ("env.age", "y")], &[("key.pub", "")]).unwrap().path;
    stage(&writer, &git_program(), &[path]).unwrap();
    let mut lines: Vec<_> =
        status(&checkout).lines().map(|line| line.replace("secrets/per-machine/web1/attic/", "")).collect();
    lines.sort();
    assert_eq!(lines, ["A  new.age", "A  public/key.pub", "D  old.age", "M  env.age", "M  receipt.json"]);
}

#[test]
fn outside_a_checkout_there_is_nothing_to_do() {
    let checkout = Checkout::new();
    let writer = checkout.writer();
    let path = put(&writer, WEB, &[("env.age", "x")], &[]).unwrap().path;
    let nowhere = Git { program: "/no/such/git".into(), ..git_program() };
    stage(&writer, &nowhere, &[path]).unwrap();
}

#[test]
fn a_root_inside_a_checkout_and_a_linked_work_tree_work() {
    let checkout = repository(&[]);
    let directory = checkout.path("sub/directory");
    fs::create_dir_all(&directory).unwrap();
    let elsewhere = Checkout::new();
    let linked = elsewhere.path("linked");
    git(checkout.dir.path(), &["worktree", "add", "-q", linked.to_str().unwrap(), "-b", "linked"]);
    for root in [directory, linked] {
        let storage = Storage::open(&Root::open(&root).unwrap(), "secrets").unwrap();
        let writer = storage.lock(WriterOptions::at(now())).unwrap();
        let path = put(&writer, WEB, &[("env.age", "x")], &[]).unwrap().path;
        stage(&writer, &git_program(), &[path]).unwrap();
        assert_eq!(git(&root, &["ls-files", "."]).lines().filter(|line| line.ends_with("env.age")).count(), 1);
    }
}

#[test]
fn what_git_refuses_is_a_warning() {
    let checkout = repository(&[]);
    let writer = checkout.writer();
    let path = put(&writer, WEB, &[("env.age", "x")], &[]).unwrap().path;
    let nowhere = Git { program: "/no/such/git".into(), ..git_program() };
    assert!(matches!(stage(&writer, &nowhere, std::slice::from_ref(&path)), Err(Warning::NotStarted { .. })));

    fs::write(checkout.path(".git/index.lock"), "").unwrap();
    match stage(&writer, &git_program(), std::slice::from_ref(&path)) {
        Err(Warning::Refused { said }) => assert!(said.contains("index.lock"), "{said}"),
        other => panic!("{other:?}"),
    }
    fs::remove_file(checkout.path(".git/index.lock")).unwrap();

    fs::write(checkout.path(".gitignore"), "per-machine\n").unwrap();
    let other = put(&writer, "shared/ca", &[("env.age", "x")], &[]).unwrap().path;
    match stage(&writer, &git_program(), &[path, other]) {
        Err(Warning::Ignored { path, count: 1, .. }) => assert_eq!(path, format!("secrets/{WEB}/env.age")),
        other => panic!("{other:?}"),
    }
    assert!(status(&checkout).contains("A  secrets/shared/ca/env.age"), "one ignored path does not stop the others");
    assert!(checkout.staged().is_empty());

    // What git cannot tell does not count as staged.
    let unknown = || {
        let path = format!("secrets/{WEB}");
        let mut report =
            git_program().compare(checkout.storage().root(), &["secrets".to_owned()], std::slice::from_ref(&path));
        assert_eq!(report.warnings.len(), 1, "{:?}", report.warnings);
        matches!(report.entries.remove(&path), Some(Staged::No { .. }))
    };
    let config = fs::read(checkout.path(".git/config")).unwrap();
    fs::write(checkout.path(".git/config"), "[garbage").unwrap();
    assert!(unknown());
    fs::write(checkout.path(".git/config"), config).unwrap();
    fs::write(checkout.path("secrets/.git"), "gitdir: ../elsewhere\n").unwrap();
    assert!(unknown());
    fs::remove_file(checkout.path("secrets/.git")).unwrap();

    fs::write(checkout.path(".git/index"), "garbage").unwrap();
    assert!(matches!(stage(&writer, &git_program(), &["secrets".to_owned()]), Err(Warning::Refused { .. })));
}

#[test]
fn an_entry_is_staged_as_a_whole_or_not_at_all() {
    for (file, what) in [(".gitignore", "public/\n"), (".git/info/exclude", "*.pub\n")] {
        let checkout = repository(&[]);
        fs::write(checkout.path(file), what).unwrap();
        let writer = checkout.writer();
        let path = put(&writer, WEB, &[("env.age", "x")], &[("key.pub", "")]).unwrap().path;
        let other = put(&writer, "shared/ca", &[("env.age", "x")], &[]).unwrap().path;
        match stage(&writer, &git_program(), &[path, other]) {
            Err(Warning::Ignored { path, count: 1, .. }) => assert_eq!(path, format!("secrets/{WEB}/public/key.pub")),
            other => panic!("{other:?}"),
        }
        let staged = git(checkout.dir.path(), &["diff", "--cached", "--name-only"]);
        let whole = ["secrets/.gitattributes", "secrets/shared/ca/env.age", "secrets/shared/ca/receipt.json"];
        assert_eq!(staged.lines().collect::<Vec<_>>(), whole);
    }
}

#[test]
fn what_a_filter_would_change_is_staged_by_name_only() {
    for file in [".gitattributes", ".git/info/attributes"] {
        let checkout = repository(&[]);
        fs::create_dir_all(checkout.path(file).parent().unwrap()).unwrap();
        fs::write(checkout.path(file), "secrets/per-machine/** filter=crypt\n").unwrap();
        git(checkout.dir.path(), &["config", "filter.crypt.clean", "tr a-z A-Z"]);
        let writer = checkout.writer();
        let path = put(&writer, WEB, &[("env.age", "x")], &[]).unwrap().path;
        let other = put(&writer, "shared/ca", &[("env.age", "x")], &[]).unwrap().path;
        match stage(&writer, &git_program(), &[path, other]) {
            Err(Warning::Filtered { path, count: 1, .. }) => assert_eq!(path, format!("secrets/{WEB}/env.age")),
            other => panic!("{other:?}"),
        }
        // Nix sees it, and what is committed goes through the filter.
        assert!(git(checkout.dir.path(), &["ls-files"]).contains(&format!("secrets/{WEB}/env.age")));
        git(checkout.dir.path(), &["commit", "-qam", "secrets"]);
        assert_eq!(git(checkout.dir.path(), &["show", &format!("HEAD:secrets/{WEB}/env.age")]), "X");
        assert_eq!(git(checkout.dir.path(), &["show", "HEAD:secrets/shared/ca/env.age"]), "x");
    }
}

#[test]
fn what_is_staged_is_what_was_stored_whatever_attributes_say() {
    let text = "c\r\nd $Id: x $\r\n";
    let says = ["* text=auto", "* text eol=lf", "*.age crlf=input", "* ident", "* working-tree-encoding=UTF-16"];
    let places = ["global", ".gitattributes", ".git/info/attributes"];
    let mut differ = Vec::new();
    for (says, place) in says.iter().flat_map(|says| places.iter().map(move |place| (*says, *place))) {
        let home = tempfile::tempdir().unwrap();
        let checkout = repository(&[]);
        let file = if place == "global" { home.path().join(".config/git/attributes") } else { checkout.path(place) };
        fs::create_dir_all(file.parent().unwrap()).unwrap();
        // A line without an end does not swallow what comes after it.
        fs::write(file, says).unwrap();
        let mut program = git_program();
        program.env.insert("HOME".into(), home.path().into());
        let writer = checkout.writer();
        let path = put(&writer, WEB, &[("env.age", text)], &[]).unwrap().path;
        let told = stage(&writer, &program, &[path]);
        let blob = format!(":secrets/{WEB}/env.age");
        if told.is_err() || git(checkout.dir.path(), &["cat-file", "blob", &blob]) != text {
            differ.push(format!("{place}: {says}: {told:?}"));
        }
    }
    assert!(differ.is_empty(), "{}", differ.join("\n"));
}

#[test]
fn what_the_persons_own_configuration_ignores_and_filters_counts() {
    let home = tempfile::tempdir().unwrap();
    let file = |name: &str, text: &str| fs::write(home.path().join(name), text).unwrap();
    file("ignored", "*.key\n");
    file("filtered", "*.age filter=crypt\n");
    file("more", "[core]\n\tattributesFile = ~/filtered\n");
    let crypt = "[filter \"crypt\"]\n\tclean = tr a-z A-Z\n";
    file(".gitconfig", &format!("[core]\n\texcludesFile = ~/ignored\n[include]\n\tpath = more\n{crypt}"));
    let mut git_program = git_program();
    git_program.env.insert("HOME".into(), home.path().into());
    let checkout = repository(&[]);
    let writer = checkout.writer();
    let ignored = put(&writer, WEB, &[("env.key", "x")], &[]).unwrap().path;
    match stage(&writer, &git_program, &[ignored]) {
        Err(Warning::Ignored { path, count: 1, .. }) => assert_eq!(path, format!("secrets/{WEB}/env.key")),
        other => panic!("{other:?}"),
    }
    let filtered = put(&writer, "shared/ca", &[("env.age", "x")], &[]).unwrap().path;
    match stage(&writer, &git_program, &[filtered]) {
        Err(Warning::Filtered { path, count: 1, .. }) => assert_eq!(path, "secrets/shared/ca/env.age"),
        other => panic!("{other:?}"),
    }
    // Where there is none of that, everything is staged.
    git_program.env.insert("HOME".into(), home.path().join("nowhere").into());
    let plain = put(&writer, "shared/plain", &[("env.age", "x")], &[]).unwrap().path;
    stage(&writer, &git_program, &[plain]).unwrap();
    assert!(status(&checkout).contains("A  secrets/shared/plain/env.age"));
}

#[test]
fn the_checkouts_own_configuration_runs_nothing() {
    let checkout = repository(&[]);
    checkout.put(WEB, &[("env.age", "x")]);
    git(checkout.dir.path(), &["add", "secrets"]);
    let canary = checkout.path("canary");
    let script = checkout.path("trap.sh");
    artifacts_tests::script::write(&script, format!("#!/bin/sh\ntouch '{}'\n", canary.display())).unwrap();
    let trap = script.to_str().unwrap();

    let hooks = checkout.path(".git/hooks");
    fs::create_dir_all(&hooks).unwrap();
    for hook in ["post-index-change", "pre-commit", "fsmonitor-watchman", "reference-transaction"] {
        fs::copy(&script, hooks.join(hook)).unwrap();
    }
    for (key, value) in [
        ("core.fsmonitor", trap),
        ("core.hooksPath", hooks.to_str().unwrap()),
        ("filter.trap.clean", trap),
        ("filter.trap.process", trap),
        ("filter.trap.required", "true"),
        ("core.sshCommand", trap),
        ("core.pager", trap),
        ("alias.add", &format!("!{trap}")),
        ("alias.rev-parse", &format!("!{trap}")),
    ] {
        git(checkout.dir.path(), &["config", key, value]);
    }
    fs::write(checkout.path(".gitattributes"), "* filter=trap\n").unwrap();
    fs::write(checkout.path(".git/info/attributes"), "* filter=trap\n").unwrap();

    // The trap works: git as a person runs it starts what the configuration names.
    let _ = Command::new("git").args(["add", "."]).current_dir(checkout.dir.path()).output().unwrap();
    assert!(canary.exists());
    fs::remove_file(&canary).unwrap();
    fs::remove_file(checkout.path(".git/index.lock")).ok();

    let writer = checkout.writer();
    let path = put(&writer, WEB, &[("env.age", "new"), ("other.age", "x")], &[]).unwrap().path;
    // A work tree that git has to look at closely: same size, same time.
    let told = stage(&writer, &git_program(), &[path]);
    assert!(matches!(told, Err(Warning::Filtered { count: 1, .. })), "{told:?}");
    assert!(!canary.exists(), "something of the checkout's configuration was run");
}

#[test]
fn the_callers_git_variables_do_not_count() {
    let checkout = repository(&[]);
    let elsewhere = repository(&[]);
    let mut program = git_program();
    program.env.insert("GIT_DIR".into(), elsewhere.path(".git").into());
    program.env.insert("GIT_INDEX_FILE".into(), elsewhere.path(".git/index").into());
    let writer = checkout.writer();
    let path = put(&writer, WEB, &[("env.age", "x")], &[]).unwrap().path;
    stage(&writer, &program, &[path]).unwrap();
    assert!(status(&checkout).contains("A  secrets/"));
    assert_eq!(status(&elsewhere), "");
}

#[test]
fn entries_from_a_clone_are_as_their_receipts_say() {
    let checkout = repository(&[]);
    put(&checkout.writer(), WEB, &[("env.age", "line\r\nline\n\0")], &[("key.pub", "x\n")]).unwrap();
    git(checkout.dir.path(), &["add", "."]);
    git(checkout.dir.path(), &["commit", "-qm", "secrets"]);
    let clone = Checkout::new();
    git(clone.dir.path(), &["clone", "-q", checkout.dir.path().to_str().unwrap(), "."]);
    assert_eq!(clone.read(WEB).unwrap().differences(), []);
    assert!(!clone.path("secrets/.artifacts").exists(), "the host's own directory is no business of git's");
    assert_eq!(status(&clone), "");
    drop(clone.writer());
    assert_eq!(status(&clone), "");
}

#[test]
fn a_clone_that_changes_line_ends_changes_none_of_an_entry() {
    let checkout = repository(&[]);
    let writer = checkout.writer();
    let path = put(&writer, WEB, &[("env.age", "line\nline\n")], &[("key.pub", "x\n")]).unwrap().path;
    stage(&writer, &git_program(), &[path]).unwrap();
    git(checkout.dir.path(), &["commit", "-qm", "secrets"]);
    let clone = Checkout::new();
    let from = checkout.dir.path().to_str().unwrap();
    git(clone.dir.path(), &["-c", "core.autocrlf=true", "clone", "-q", "-c", "core.autocrlf=true", from, "."]);
    assert_eq!(clone.read(WEB).unwrap().differences(), []);
    assert_eq!(known(&clone, &git_program(), WEB), Some(Staged::Yes));
}

#[test]
fn a_split_index_stays_usable_and_keeps_what_was_staged() {
    for how in ["set", "once"] {
        let checkout = repository(&[]);
        let top = checkout.dir.path();
        if how == "set" {
            git(top, &["config", "core.splitIndex", "true"]);
        }
        git(top, &["update-index", "--split-index"]);
        fs::write(checkout.path("staged"), "x").unwrap();
        git(top, &["add", "staged"]);
        let writer = checkout.writer();
        let path = put(&writer, WEB, &[("env.age", "x")], &[]).unwrap().path;
        assert!(matches!(known(&checkout, &git_program(), WEB), Some(Staged::No { .. })));
        stage(&writer, &git_program(), &[path]).unwrap();
        assert_eq!(known(&checkout, &git_program(), WEB), Some(Staged::Yes));
        let listed = git(top, &["ls-files"]);
        assert!(listed.contains("staged\n") && listed.contains("flake.nix") && listed.contains("env.age"), "{listed}");
        git(top, &["commit", "-qm", "all"]);
        git(top, &["fsck", "--strict"]);
        assert_eq!(status(&checkout), "");
    }
}

#[test]
fn an_entry_in_a_submodule_is_staged_there() {
    let inner = repository(&[]);
    let from = inner.dir.path().to_str().unwrap();
    for place in ["secrets", "secrets/per-machine"] {
        let checkout = repository(&[]);
        let top = checkout.dir.path();
        git(top, &["-c", "protocol.file.allow=always", "submodule", "--quiet", "add", from, place]);
        git(top, &["commit", "-qm", "submodule"]);
        let writer = checkout.writer();
        let path = put(&writer, WEB, &[("env.age", "x")], &[]).unwrap().path;
        let other = put(&writer, "shared/ca", &[("env.age", "x")], &[]).unwrap().path;
        match known(&checkout, &git_program(), WEB) {
            Some(Staged::No { command }) => {
                assert!(command.starts_with(&format!("git -C {place} add -- ")), "{command}");
            }
            other => panic!("{other:?}"),
        }
        stage(&writer, &git_program(), &[path, other]).unwrap();
        let inside = WEB.strip_prefix(place.trim_start_matches("secrets").trim_start_matches('/')).unwrap();
        let staged = git(&checkout.path(place), &["diff", "--cached", "--name-only"]);
        assert!(staged.contains(&format!("{}/env.age", inside.trim_start_matches('/'))), "{staged}");
        for instance in [WEB, "shared/ca"] {
            assert_eq!(known(&checkout, &git_program(), instance), Some(Staged::Yes), "{place}: {instance}");
        }
    }
}

#[test]
fn what_git_tracks_is_staged_though_it_is_ignored() {
    let checkout = repository(&[]);
    fs::write(checkout.path(".gitignore"), "secrets/\n").unwrap();
    let writer = checkout.writer();
    let path = put(&writer, WEB, &[("env.age", "1")], &[]).unwrap().path;
    match known(&checkout, &git_program(), WEB) {
        Some(Staged::Ignored { command, .. }) => assert_eq!(command, format!("git add --force -- {path}")),
        other => panic!("{other:?}"),
    }
    let Err(warning) = stage(&writer, &git_program(), std::slice::from_ref(&path)) else { panic!("it is ignored") };
    // The hint names the entry alone, and works.
    let hint = format!("git add --force -- {path}");
    assert!(warning.hint().unwrap().contains(&format!("`{hint}`")), "{:?}", warning.hint());
    git(checkout.dir.path(), &hint.split(' ').skip(1).collect::<Vec<_>>());
    let path = put(&writer, WEB, &[("env.age", "2"), ("new.age", "2")], &[]).unwrap().path;
    stage(&writer, &git_program(), &[path]).unwrap();
    assert_eq!(known(&checkout, &git_program(), WEB), Some(Staged::Yes));
    let listed = git(checkout.dir.path(), &["ls-files"]);
    assert!(listed.contains("new.age") && !listed.contains(".artifacts"), "{listed}");
}

#[test]
fn what_is_tracked_below_the_hosts_own_directory_is_reported() {
    let checkout = repository(&[]);
    checkout.put(WEB, &[("env.age", "1")]);
    git(checkout.dir.path(), &["add", "--force", "secrets"]);
    let report = git_program().compare(checkout.storage().root(), &["secrets".to_owned()], &[]);
    let (path, command) = report.tracked.first_key_value().unwrap();
    assert!(path.starts_with("secrets/.artifacts/"), "{path}");
    git(checkout.dir.path(), &["-c", "core.quotePath=false", "rm", "-q", "-r", "--cached", "--", "secrets/.artifacts"]);
    assert_eq!(command, "git rm -r --cached -- secrets/.artifacts");
    let report = git_program().compare(checkout.storage().root(), &["secrets".to_owned()], &[]);
    assert!(report.tracked.is_empty());
}

#[test]
fn the_index_is_compared_with_what_is_stored() {
    let checkout = repository(&[]);
    let git_program = git_program();
    assert_eq!(known(&checkout, &git_program, WEB), None, "nothing is stored");
    let writer = checkout.writer();
    let path = put(&writer, WEB, &[("env.age", "1"), ("old.age", "1")], &[]).unwrap().path;
    stage(&writer, &git_program, std::slice::from_ref(&path)).unwrap();
    git(checkout.dir.path(), &["commit", "-qm", "secrets"]);
    assert_eq!(known(&checkout, &git_program, WEB), Some(Staged::Yes));
    // Same size, same names.
    put(&writer, WEB, &[("env.age", "2"), ("old.age", "1")], &[]).unwrap();
    let command = format!("git add -- {path}");
    assert_eq!(known(&checkout, &git_program, WEB), Some(Staged::No { command: command.clone() }));
    git(checkout.dir.path(), &command.split(' ').skip(1).collect::<Vec<_>>());
    assert_eq!(known(&checkout, &git_program, WEB), Some(Staged::Yes));
    // One file less.
    put(&writer, WEB, &[("env.age", "2")], &[]).unwrap();
    assert!(matches!(known(&checkout, &git_program, WEB), Some(Staged::No { .. })));
    stage(&writer, &git_program, std::slice::from_ref(&path)).unwrap();
    assert_eq!(known(&checkout, &git_program, WEB), Some(Staged::Yes));
    // By name only, and told not to look: neither is staged.
    put(&writer, WEB, &[("env.age", "3")], &[]).unwrap();
    git(checkout.dir.path(), &["update-index", "--assume-unchanged", &format!("{path}/env.age")]);
    assert!(matches!(known(&checkout, &git_program, WEB), Some(Staged::No { .. })));
    stage(&writer, &git_program, std::slice::from_ref(&path)).unwrap();
    assert_eq!(known(&checkout, &git_program, WEB), Some(Staged::Yes));
    git(checkout.dir.path(), &["reset", "-q"]);
    git(checkout.dir.path(), &["rm", "-q", "--cached", "-r", "secrets"]);
    git(checkout.dir.path(), &["add", "--intent-to-add", "secrets"]);
    assert!(matches!(known(&checkout, &git_program, WEB), Some(Staged::No { .. })));
    git(checkout.dir.path(), &["reset", "-q"]);
}

#[test]
fn a_file_of_another_program_is_neither_staged_nor_missed() {
    let checkout = repository(&[]);
    let writer = checkout.writer();
    let path = put(&writer, WEB, &[("env.age", "1")], &[("key.pub", "x")]).unwrap().path;
    for stray in [".DS_Store", "env.age~", "public/.DS_Store"] {
        fs::write(checkout.path(&format!("{path}/{stray}")), "").unwrap();
    }
    stage(&writer, &git_program(), &[path]).unwrap();
    assert_eq!(known(&checkout, &git_program(), WEB), Some(Staged::Yes));
    let listed = git(checkout.dir.path(), &["ls-files"]);
    assert!(!listed.contains("DS_Store") && !listed.contains('~'), "{listed}");
}

#[test]
fn a_merge_conflict_is_told_and_survives_the_comparison() {
    let checkout = repository(&[]);
    let top = checkout.dir.path();
    git(top, &["checkout", "-q", "-b", "main"]);
    checkout.put(WEB, &[("env.age", "0\n")]);
    git(top, &["add", "secrets"]);
    git(top, &["commit", "-qm", "base"]);
    for (branch, value) in [("one", "1\n"), ("two", "2\n")] {
        git(top, &["checkout", "-q", "-b", branch, "main"]);
        fs::write(checkout.path(&format!("secrets/{WEB}/env.age")), value).unwrap();
        git(top, &["commit", "-qam", branch]);
    }
    let merged = Command::new("git").args(["merge", "one"]).current_dir(top).output().unwrap();
    assert!(!merged.status.success());
    // No marks between the two: the file is one of them as a whole.
    assert_eq!(fs::read(checkout.path(&format!("secrets/{WEB}/env.age"))).unwrap(), b"2\n");
    match known(&checkout, &git_program(), WEB) {
        Some(Staged::Conflict(settlement)) => {
            assert_eq!(kept(settlement.ours.as_ref()), format!("git checkout --ours -- secrets/{WEB}"));
            assert_eq!(kept(settlement.theirs.as_ref()), format!("git checkout --theirs -- secrets/{WEB}"));
            assert_eq!(settlement.same_value, None, "its receipts did not change");
            follow(&checkout, kept(settlement.ours.as_ref()));
        }
        other => panic!("{other:?}"),
    }
    assert!(!git(top, &["ls-files", "--unmerged"]).is_empty());
}

/// The commands that keep a version.
fn kept(choice: Option<&Choice>) -> &str {
    let Some(Choice::Keeps(command)) = choice else { panic!("{choice:?}") };
    command
}

/// The commands of a hint, as a person runs them.
fn follow(checkout: &Checkout, commands: &str) {
    for command in commands.split(" && ") {
        let words = command_words(&format!("`{command}`")).unwrap();
        git(checkout.dir.path(), &words.iter().map(String::as_str).skip(1).collect::<Vec<_>>());
    }
}

/// Files of an entry with their content.
type Content<'c> = &'c [(&'c str, &'c str)];

/// A repository on the branch `main`.
fn on_main() -> Checkout {
    let checkout = repository(&[]);
    git(checkout.dir.path(), &["checkout", "-q", "-b", "main"]);
    checkout
}

/// Stores the entry with these files, and this first byte of the generation, as many seconds later, and commits it. Without files it is removed.
fn store(checkout: &Checkout, files: Content<'_>, generation: u8) {
    let top = checkout.dir.path();
    if files.is_empty() {
        fs::remove_dir_all(checkout.path(&format!("secrets/{WEB}"))).unwrap();
    } else {
        let committed = put(&checkout.writer(), WEB, files, &[]).unwrap();
        let path = checkout.path(&format!("{}/receipt.json", committed.path));
        let mut receipt = Receipt::parse(&fs::read(&path).unwrap()).unwrap();
        receipt.generation = Hex([generation; 16]);
        receipt.generated = Time::from(receipt.generated.system() + Duration::from_secs(generation.into()));
        fs::write(path, receipt.render()).unwrap();
    }
    git(top, &["add", "--all", "."]);
    git(top, &["commit", "-qm", "stored"]);
}

/// Runs git, which leaves conflicts.
fn conflicting(checkout: &Checkout, arguments: &[&str]) -> Settlement {
    let ended = Command::new("git").args(arguments).current_dir(checkout.dir.path()).output().unwrap();
    assert!(!ended.status.success(), "{arguments:?}");
    let Some(Staged::Conflict(settlement)) = known(checkout, &git_program(), WEB) else { panic!() };
    settlement
}

/// Two branches that stored an entry: with these files, and this first byte of the generation.
fn branches(ours: (Content<'_>, u8), theirs: (Content<'_>, u8)) -> Checkout {
    let checkout = on_main();
    let top = checkout.dir.path();
    store(&checkout, &[("env.age", "0"), ("more.age", "0")], 0);
    git(top, &["checkout", "-q", "-b", "theirs"]);
    store(&checkout, theirs.0, theirs.1);
    git(top, &["checkout", "-q", "main"]);
    store(&checkout, ours.0, ours.1);
    checkout
}

/// A merge of them.
fn merged(ours: (Content<'_>, u8), theirs: (Content<'_>, u8)) -> (Checkout, Settlement) {
    let checkout = branches(ours, theirs);
    let settlement = conflicting(&checkout, &["merge", "-q", "theirs"]);
    (checkout, settlement)
}

#[test]
fn many_conflicts_are_compared_by_as_many_processes_as_one() {
    let started = |number: usize| {
        let checkout = on_main();
        let top = checkout.dir.path();
        let names: Vec<String> = (0..number).map(|number| format!("shared/s{number}")).collect();
        let store = |value: &str| {
            let writer = checkout.writer();
            for name in &names {
                put(&writer, name, &[("env.age", value), ("more.age", value)], &[]).unwrap();
            }
            git(top, &["add", "--all", "."]);
            git(top, &["commit", "-qm", value]);
        };
        store("0");
        git(top, &["checkout", "-q", "-b", "theirs"]);
        store("2");
        git(top, &["checkout", "-q", "main"]);
        store("1");
        assert!(!Command::new("git").args(["merge", "theirs"]).current_dir(top).output().unwrap().status.success());
        let log = checkout.path(".git/started");
        let counting = checkout.path(".git/counting");
        let path = std::env::var("PATH").unwrap();
        let script = format!("#!/bin/sh\necho \"$*\" >> {}\nPATH={path} exec git \"$@\"\n", log.display());
        fs::write(&counting, script).unwrap();
        fs::set_permissions(&counting, fs::Permissions::from_mode(0o755)).unwrap();
        let program = Git { program: counting.into(), ..git_program() };
        let paths: Vec<String> = names.iter().map(|name| format!("secrets/{name}")).collect();
        let report = program.compare(checkout.storage().root(), &["secrets".to_owned()], &paths);
        assert!(report.entries.len() == number && report.warnings.is_empty(), "{report:?}");
        for staged in report.entries.values() {
            let Staged::Conflict(settlement) = staged else { panic!("{staged:?}") };
            assert_eq!((settlement.choices().len(), settlement.same_value), (2, Some(false)));
        }
        fs::read_to_string(log).unwrap().lines().map(str::to_owned).collect::<Vec<_>>()
    };
    let (one, many) = (started(1), started(7));
    assert_eq!(one.len(), many.len(), "{one:#?}\n{many:#?}");
}

/// Asserts that the entry is that of a commit, as a whole, in the index and in the working tree.
fn is_of(checkout: &Checkout, commit: &str) {
    let entry = format!("secrets/{WEB}");
    assert_eq!(git(checkout.dir.path(), &["diff", "--cached", "--stat", commit, "--", &entry]), "", "index");
    assert_eq!(git(checkout.dir.path(), &["diff", "--stat", commit, "--", &entry]), "", "working tree");
}

#[test]
fn receipts_say_whether_a_conflict_is_about_the_value() {
    let files = |value: &'static str| [("env.age", value), ("more.age", value)];
    let (_checkout, same) = merged((&files("1"), 7), (&files("2"), 7));
    assert_eq!(same.same_value, Some(true));
    assert_eq!(same.choices(), [(MergeSide::Ours, &kept(same.ours.as_ref()).to_owned())]);
    let sentence = format!(
        "both versions have the same value: run `git checkout --ours -- secrets/{WEB}`, then `git add -- secrets/{WEB}` and \
         `artifacts rekey {WEB}`"
    );
    assert_eq!(same.sentence(WEB), sentence);
    let (_checkout, other) = merged((&files("1"), 7), (&files("2"), 8));
    assert_eq!((other.same_value, other.choices().len()), (Some(false), 2));
}

#[test]
fn receipts_say_which_value_of_a_conflict_is_newer() {
    let files = |value: &'static str| [("env.age", value), ("more.age", value)];
    let command = |side: MergeSide| format!("`git checkout --{side} -- secrets/{WEB}`");
    for (ours, theirs, newer) in [(7, 8, MergeSide::Theirs), (8, 7, MergeSide::Ours)] {
        let (_checkout, settlement) = merged((&files("1"), ours), (&files("2"), theirs));
        assert_eq!((settlement.newer, settlement.newer_value()), (Some(newer), Some(newer)));
        let choice = |side: MergeSide| {
            let what = if side == newer { ", the newer one," } else { "" };
            format!("{side}{what} with {}", command(side))
        };
        let sentence = format!("keep {} or {}, then", choice(MergeSide::Ours), choice(MergeSide::Theirs));
        assert!(settlement.choice().starts_with(&sentence), "{}", settlement.choice());
    }
    // Of one value, none is the newer one.
    let (_checkout, settlement) = merged((&files("1"), 7), (&files("2"), 7));
    assert_eq!((settlement.newer, settlement.newer_value()), (None, None));
}

#[test]
fn what_one_branch_does_not_have_is_settled_by_its_commit() {
    let both = [("env.age", "1"), ("more.age", "1")];
    let (checkout, settlement) = merged((&[("env.age", "1")], 7), (&[("env.age", "2"), ("more.age", "2")], 8));
    let restore = format!("git restore --source=HEAD --staged --worktree -- secrets/{WEB}");
    assert_eq!(kept(settlement.ours.as_ref()), format!("git rm -rfq -- secrets/{WEB} && {restore}"));
    assert_eq!(kept(settlement.theirs.as_ref()), format!("git checkout --theirs -- secrets/{WEB}"));
    follow(&checkout, kept(settlement.ours.as_ref()));
    assert_eq!(known(&checkout, &git_program(), WEB), Some(Staged::Yes), "as a whole");
    assert!(!checkout.path(&format!("secrets/{WEB}/more.age")).exists());

    let (checkout, settlement) = merged((&both, 7), (&[("env.age", "2")], 8));
    let theirs = kept(settlement.theirs.as_ref());
    assert!(theirs.ends_with(&format!("git restore --source=MERGE_HEAD --staged --worktree -- secrets/{WEB}")));
    follow(&checkout, theirs);
    assert_eq!(known(&checkout, &git_program(), WEB), Some(Staged::Yes), "as a whole");
    assert_eq!(fs::read(checkout.path(&format!("secrets/{WEB}/env.age"))).unwrap(), b"2");
}

#[test]
fn the_other_version_of_a_revert_is_the_one_before_what_is_reverted() {
    let both = |value: &'static str| [("env.age", value), ("more.age", value)];
    let checkout = on_main();
    let top = checkout.dir.path();
    store(&checkout, &[("env.age", "0")], 0);
    git(top, &["branch", "before"]);
    store(&checkout, &both("1"), 1);
    store(&checkout, &both("2"), 2);
    let settlement = conflicting(&checkout, &["revert", "HEAD~1"]);
    let theirs = kept(settlement.theirs.as_ref());
    assert!(theirs.contains(" --source='REVERT_HEAD^' "), "{theirs}");
    follow(&checkout, theirs);
    is_of(&checkout, "before");
}

#[test]
fn a_merge_is_reverted_to_the_parent_that_was_named() {
    let both = |value: &'static str| [("env.age", value), ("more.age", value)];
    let checkout = on_main();
    let top = checkout.dir.path();
    store(&checkout, &[("env.age", "0")], 0);
    git(top, &["checkout", "-q", "-b", "side"]);
    git(top, &["commit", "-qm", "other", "--allow-empty"]);
    git(top, &["checkout", "-q", "main"]);
    store(&checkout, &both("1"), 1);
    git(top, &["merge", "-q", "--no-ff", "-m", "merged", "side"]);
    store(&checkout, &both("2"), 2);
    let settlement = conflicting(&checkout, &["revert", "-m", "2", "HEAD~1"]);
    let theirs = kept(settlement.theirs.as_ref());
    assert!(theirs.contains(" --source='REVERT_HEAD^2' "), "{theirs}");
    follow(&checkout, theirs);
    is_of(&checkout, "side");
}

#[test]
fn what_git_merged_alone_is_settled_as_well() {
    let both = |one: &'static str, two: &'static str| [("env.age", one), ("more.age", two)];
    let one = |value: &'static str| [("env.age", value)];
    let cases: [(Content<'_>, Content<'_>); 4] = [
        // One branch dropped a file, and the other one left its bytes alone: git removed it.
        (&both("1", "0"), &one("2")),
        (&one("1"), &both("2", "0")),
        // Only one branch changed a file: git took that.
        (&both("1", "1"), &both("2", "0")),
        (&both("1", "0"), &both("2", "2")),
    ];
    for (ours, theirs) in cases {
        for side in ["main", "theirs"] {
            let (checkout, settlement) = merged((ours, 7), (theirs, 8));
            follow(&checkout, kept(if side == "main" { settlement.ours.as_ref() } else { settlement.theirs.as_ref() }));
            follow(&checkout, &settlement.add);
            is_of(&checkout, side);
        }
    }
}

#[test]
fn where_git_names_no_other_commit_its_version_is_offered_if_it_is_there_as_a_whole() {
    let both = |one: &'static str, two: &'static str| [("env.age", one), ("more.age", two)];
    let squash = ["merge", "-q", "--squash", "theirs"];
    let checkout = branches((&both("1", "1"), 7), (&both("2", "2"), 8));
    follow(&checkout, kept(conflicting(&checkout, &squash).theirs.as_ref()));
    follow(&checkout, &format!("git add -- secrets/{WEB}"));
    is_of(&checkout, "theirs");
    let checkout = branches((&both("1", "1"), 7), (&both("2", "0"), 8));
    assert_eq!(conflicting(&checkout, &squash).theirs, None);
}

#[test]
fn what_one_branch_removed_is_removed_or_kept_as_a_whole() {
    let both = |one: &'static str, two: &'static str| [("env.age", one), ("more.age", two)];
    for (ours, theirs) in [(&[][..], &both("2", "0")[..]), (&both("1", "0"), &[])] {
        let is_ours = ours.is_empty();
        for is_removed in [true, false] {
            let (checkout, settlement) = merged((ours, 7), (theirs, 8));
            let (removes, keeps) = (&settlement.ours, &settlement.theirs);
            let (removes, keeps) = if is_ours { (removes, keeps) } else { (keeps, removes) };
            let removal = format!("git rm -rf -- secrets/{WEB}");
            assert_eq!(removes, &Some(Choice::Removes(removal.clone())));
            let sentence = settlement.choice();
            assert!(sentence.ends_with(&format!("; or remove it, as one branch did: `{removal}`")), "{sentence}");
            let side = if is_ours { MergeSide::Theirs } else { MergeSide::Ours };
            assert_eq!(settlement.choices(), [(side, &kept(keeps.as_ref()).to_owned())]);
            follow(&checkout, if is_removed { &removal } else { kept(keeps.as_ref()) });
            is_of(&checkout, if is_removed == is_ours { "main" } else { "theirs" });
            assert_eq!(git(checkout.dir.path(), &["ls-files", "--unmerged"]), "");
            assert_eq!(known(&checkout, &git_program(), WEB), (!is_removed).then_some(Staged::Yes));
        }
    }
}

#[test]
fn a_conflict_stays_one_where_the_working_tree_lost_the_entry() {
    let (checkout, settlement) = merged((&[("env.age", "1")], 7), (&[("env.age", "2")], 8));
    fs::remove_dir_all(checkout.path(&format!("secrets/{WEB}"))).unwrap();
    assert_eq!(known(&checkout, &git_program(), WEB), Some(Staged::Conflict(settlement.clone())));
    follow(&checkout, kept(settlement.ours.as_ref()));
    follow(&checkout, &settlement.add);
    is_of(&checkout, "main");
}

#[test]
fn a_sparse_checkout_is_right_in_every_form() {
    for form in [&["--no-cone"][..], &["--cone", "--no-sparse-index"], &["--cone", "--sparse-index"]] {
        let checkout = repository(&[]);
        let top = checkout.dir.path();
        fs::create_dir_all(checkout.path("deep/er")).unwrap();
        fs::create_dir_all(checkout.path("kept")).unwrap();
        fs::write(checkout.path("deep/er/file"), "x").unwrap();
        fs::write(checkout.path("kept/file"), "x").unwrap();
        checkout.put(WEB, &[("env.age", "1")]);
        git(top, &["add", "."]);
        git(top, &["commit", "-qm", "all"]);
        git(top, &[&["sparse-checkout", "set"], form, &["kept"]].concat());
        assert!(!checkout.path(&format!("secrets/{WEB}/env.age")).exists(), "{form:?}");
        assert_eq!(known(&checkout, &git_program(), WEB), Some(Staged::Sparse), "{form:?}");
        let writer = checkout.writer();
        let path = put(&writer, "shared/ca", &[("env.age", "x")], &[]).unwrap().path;
        stage(&writer, &git_program(), &[path]).unwrap();
        assert_eq!(known(&checkout, &git_program(), "shared/ca"), Some(Staged::Yes), "{form:?}");
        let staged = git(top, &["diff", "--cached", "--name-status"]);
        let lines: Vec<&str> = staged.lines().collect();
        assert_eq!(lines, ["A\tsecrets/shared/ca/env.age", "A\tsecrets/shared/ca/receipt.json"], "{form:?}");
        git(top, &["commit", "-qm", "more"]);
        assert!(git(top, &["ls-tree", "-r", "--name-only", "HEAD"]).contains("deep/er/file"), "{form:?}");
        git(top, &["fsck", "--strict"]);
    }
}

#[test]
fn a_shared_repository_stays_shared() {
    let checkout = repository(&["--shared=group"]);
    let writer = checkout.writer();
    let path = put(&writer, WEB, &[("env.age", "x")], &[]).unwrap().path;
    stage(&writer, &git_program(), &[path]).unwrap();
    let object = git(checkout.dir.path(), &["rev-parse", &format!(":secrets/{WEB}/env.age")]);
    let (dir, file) = object.trim().split_at(2);
    for (path, group) in [
        (format!(".git/objects/{dir}"), 0o070),
        (format!(".git/objects/{dir}/{file}"), 0o040),
        (".git/index".into(), 0o060),
    ] {
        let mode = fs::metadata(checkout.path(&path)).unwrap().permissions().mode();
        assert_eq!(mode & group, group, "{path}: {mode:o}");
    }
}

#[test]
fn one_entry_that_git_refuses_keeps_no_other_out() {
    let checkout = repository(&[]);
    let writer = checkout.writer();
    let path = put(&writer, WEB, &[("env.age", "x")], &[]).unwrap().path;
    let bad = put(&writer, "shared/ca", &[("env.age", "x")], &[]).unwrap().path;
    let good = put(&writer, "shared/good", &[("env.age", "x")], &[]).unwrap().path;
    // Git follows no such file, and cannot read it.
    let file = checkout.path(&format!("{bad}/env.age"));
    fs::remove_file(&file).unwrap();
    std::os::unix::fs::symlink("nowhere", &file).unwrap();
    // And takes no such name.
    let worse = put(&writer, "shared/git~1", &[("env.age", "x")], &[]).unwrap().path;
    let told = stage(&writer, &git_program(), &[path, bad, worse, good]);
    assert!(matches!(&told, Err(Warning::Refused { said }) if said.contains("git~1")), "{told:?}");
    assert!(matches!(known(&checkout, &git_program(), "shared/git~1"), Some(Staged::No { .. })));
    for instance in [WEB, "shared/good"] {
        assert_eq!(known(&checkout, &git_program(), instance), Some(Staged::Yes), "{instance}");
    }
}

#[test]
fn a_filter_without_a_program_changes_nothing_and_holds_nothing_up() {
    let checkout = repository(&[]);
    let writer = checkout.writer();
    let path = put(&writer, WEB, &[("env.age", "x")], &[]).unwrap().path;
    fs::write(checkout.path("secrets/per-machine/.gitattributes"), "* filter=planted text ident\n").unwrap();
    stage(&writer, &git_program(), &[path]).unwrap();
    assert_eq!(known(&checkout, &git_program(), WEB), Some(Staged::Yes));
    git(checkout.dir.path(), &["checkout", "--", "."]);
    assert_eq!(fs::read(checkout.path(&format!("secrets/{WEB}/env.age"))).unwrap(), b"x");
}

#[test]
fn what_a_filter_was_run_for_counts_as_staged() {
    let checkout = repository(&[]);
    fs::write(checkout.path(".gitattributes"), "secrets/** filter=crypt\n").unwrap();
    git(checkout.dir.path(), &["config", "filter.crypt.clean", "tr a-z A-Z"]);
    let writer = checkout.writer();
    let path = put(&writer, WEB, &[("env.age", "x")], &[]).unwrap().path;
    assert!(matches!(stage(&writer, &git_program(), &[path]), Err(Warning::Filtered { .. })));
    match known(&checkout, &git_program(), WEB) {
        Some(Staged::Filtered { command }) => git(checkout.dir.path(), &command.split(' ').skip(1).collect::<Vec<_>>()),
        other => panic!("{other:?}"),
    };
    assert_eq!(known(&checkout, &git_program(), WEB), Some(Staged::Yes));
}

#[test]
fn a_planted_repository_runs_nothing_and_hides_nothing() {
    let checkout = repository(&[]);
    let canary = checkout.path("canary");
    let writer = checkout.writer();
    let path = put(&writer, WEB, &[("env.age", "x")], &[]).unwrap().path;
    // What a push can bring: a directory that is a bare repository in git's eyes.
    let plant = |dir: &Path| {
        fs::create_dir_all(dir.join("objects")).unwrap();
        fs::create_dir_all(dir.join("refs")).unwrap();
        fs::write(dir.join("HEAD"), "ref: refs/heads/main\n").unwrap();
        let trap = format!("touch {}", canary.display());
        fs::write(dir.join("config"), format!("[core]\n\tfsmonitor = {trap}\n\tworktree = ..\n")).unwrap();
    };
    for dir in ["secrets", "secrets/per-machine", "secrets/per-machine/web1"] {
        plant(&checkout.path(dir));
    }
    stage(&writer, &git_program(), std::slice::from_ref(&path)).unwrap();
    assert_eq!(known(&checkout, &git_program(), WEB), Some(Staged::Yes));
    // And what only another tool would write: a `.git` among files that the repository above tracks.
    plant(&checkout.path("secrets/per-machine/.git"));
    let told = stage(&writer, &git_program(), &[path]);
    assert!(matches!(told, Err(Warning::Hidden { .. })), "{told:?}");
    assert!(!canary.exists());
}

#[test]
fn a_repository_of_another_user_is_left_alone_unless_the_person_calls_it_safe() {
    if !rustix::process::geteuid().is_root() {
        // No one else can give a directory away.
        return;
    }
    let checkout = repository(&[]);
    let writer = checkout.writer();
    let path = put(&writer, WEB, &[("env.age", "x")], &[]).unwrap().path;
    let before = status(&checkout);
    std::os::unix::fs::chown(checkout.path(".git"), Some(65534), None).unwrap();
    let home = tempfile::tempdir().unwrap();
    let mut program = git_program();
    program.env.insert("HOME".into(), home.path().into());
    let told = stage(&writer, &program, std::slice::from_ref(&path));
    assert!(matches!(told, Err(Warning::Prepare(artifacts_store::Error::RepositoryOwner { .. }))), "{told:?}");
    let config =
        |safe: &str| fs::write(home.path().join(".gitconfig"), format!("[safe]\n\tdirectory = {safe}\n")).unwrap();
    config("/elsewhere");
    assert!(stage(&writer, &program, std::slice::from_ref(&path)).is_err());
    config(checkout.dir.path().to_str().unwrap());
    stage(&writer, &program, &[path]).unwrap();
    std::os::unix::fs::chown(checkout.path(".git"), Some(0), None).unwrap();
    assert_ne!(status(&checkout), before);
}

#[test]
fn no_program_of_the_checkout_is_taken_for_git() {
    let checkout = repository(&[]);
    let canary = checkout.path("canary");
    artifacts_tests::script::write(&checkout.path("git"), format!("#!/bin/sh\ntouch '{}'\n", canary.display()))
        .unwrap();
    let mut program = git_program();
    let path = program.env[std::ffi::OsStr::new("PATH")].clone();
    program.env.insert("PATH".into(), [std::ffi::OsStr::new(".:"), &path].into_iter().collect());
    let writer = checkout.writer();
    let path = put(&writer, WEB, &[("env.age", "x")], &[]).unwrap().path;
    stage(&writer, &program, &[path]).unwrap();
    assert!(!canary.exists());
}

#[test]
fn repositories_without_a_commit_with_two_roots_and_shallow_ones_work() {
    let empty = Checkout::new();
    git(empty.dir.path(), &["init", "-q"]);
    let roots = repository(&[]);
    git(roots.dir.path(), &["branch", "-m", "first"]);
    git(roots.dir.path(), &["checkout", "-q", "--orphan", "other"]);
    git(roots.dir.path(), &["commit", "-qm", "second root"]);
    git(roots.dir.path(), &["merge", "-q", "--allow-unrelated-histories", "-m", "both", "first"]);
    let shallow = Checkout::new();
    let from = format!("file://{}", roots.dir.path().display());
    git(shallow.dir.path(), &["clone", "-q", "--depth=1", &from, "."]);
    for checkout in [empty, roots, shallow] {
        let writer = checkout.writer();
        let path = put(&writer, WEB, &[("env.age", "x")], &[]).unwrap().path;
        stage(&writer, &git_program(), &[path]).unwrap();
        assert_eq!(known(&checkout, &git_program(), WEB), Some(Staged::Yes));
        git(checkout.dir.path(), &["commit", "-qm", "secrets"]);
        assert_eq!(status(&checkout), "");
    }
}

#[test]
fn what_git_has_as_it_was_stored_is_found_in_the_index_and_then_in_the_last_commits() {
    for format in ["sha1", "sha256"] {
        let checkout = repository(&["--object-format", format]);
        let top = checkout.dir.path();
        let file = checkout.path(&format!("secrets/{WEB}/env.age"));
        let name: InstanceName = WEB.parse().unwrap();
        let find = || {
            let storage = checkout.storage();
            git_program().last_intact(storage.root(), storage.path(), [&name], &|| false).remove(&name)
        };
        let follow = |command: &str| git(top, &command.split(' ').skip(1).collect::<Vec<_>>());
        assert_eq!(find(), None, "nothing is stored");
        checkout.put(WEB, &[("env.age", "1")]);
        assert_eq!(find(), None, "git does not know it");
        git(top, &["add", "secrets"]);
        fs::write(&file, "damaged").unwrap();
        let undo = format!("git restore -- secrets/{WEB}");
        assert_eq!(find(), Some(undo.clone()), "before the first commit of it");
        follow(&undo);
        assert_eq!(fs::read(&file).unwrap(), b"1");
        git(top, &["commit", "-qm", "good"]);
        let good = git(top, &["rev-parse", "HEAD"]);
        for (text, is_committed) in [("damaged", false), ("more", true), ("worse", true)] {
            fs::write(&file, text).unwrap();
            git(top, &["add", "secrets"]);
            if is_committed {
                git(top, &["commit", "-qm", text]);
            }
            let undo = find().unwrap();
            assert_eq!(undo, format!("git restore --source {} -- secrets/{WEB}", &good[..12]));
            follow(&undo);
            assert_eq!(fs::read(&file).unwrap(), b"1", "{text}");
        }
        // A receipt of another instance's is no proof.
        checkout.put("shared/ca", &[("env.age", "1")]);
        let receipt = fs::read(checkout.path("secrets/shared/ca/receipt.json")).unwrap();
        git(top, &["checkout", "-q", "--orphan", "new"]);
        fs::write(checkout.path(&format!("secrets/{WEB}/receipt.json")), receipt).unwrap();
        git(top, &["add", "secrets"]);
        git(top, &["commit", "-qm", "another's"]);
        assert_eq!(find(), None);
    }
}

/// Stores this entry, commits it, and damages it in a second commit. Returns the command that brings it back.
fn undone(checkout: &Checkout, instance: &str) -> String {
    let top = checkout.dir.path();
    checkout.put(instance, &[("env.age", "1")]);
    git(top, &["add", "secrets"]);
    git(top, &["commit", "-qm", "good"]);
    fs::write(checkout.path(&format!("secrets/{instance}/env.age")), "damaged").unwrap();
    git(top, &["commit", "-qam", "bad"]);
    undo(checkout, instance).unwrap()
}

fn undo(checkout: &Checkout, instance: &str) -> Option<String> {
    let name: InstanceName = instance.parse().unwrap();
    let storage = checkout.storage();
    git_program().last_intact(storage.root(), storage.path(), [&name], &|| false).remove(&name)
}

#[test]
fn a_command_over_an_entry_with_the_name_of_a_pattern_is_over_no_other() {
    for odd in ["shared/*", "shared/t?s", "shared/[t]ls"] {
        let checkout = repository(&[]);
        let top = checkout.dir.path();
        let follow = |command: &str| {
            let words = artifacts_text::command_words(&format!("`{command}`")).unwrap();
            git(top, &words.iter().skip(1).map(String::as_str).collect::<Vec<_>>());
        };
        checkout.put("shared/tls", &[("env.age", "old")]);
        let command = undone(&checkout, odd);
        checkout.put("shared/tls", &[("env.age", "new")]);
        follow(&command);
        let read = |instance: &str| fs::read(checkout.path(&format!("secrets/{instance}/env.age"))).unwrap();
        assert_eq!((read(odd), read("shared/tls")), (b"1".to_vec(), b"new".to_vec()), "{command}");
        let Some(Staged::No { command }) = known(&checkout, &git_program(), odd) else { panic!("{odd}") };
        follow(&command);
        assert_eq!(known(&checkout, &git_program(), odd), Some(Staged::Yes));
        assert!(matches!(known(&checkout, &git_program(), "shared/tls"), Some(Staged::No { .. })), "{command}");
    }
}

#[test]
fn what_a_shallow_clone_has_as_it_was_stored_is_found() {
    let full = repository(&[]);
    let command = undone(&full, WEB);
    let from = format!("file://{}", full.dir.path().display());
    for (depth, found) in [("2", Some(command)), ("1", None)] {
        let shallow = Checkout::new();
        git(shallow.dir.path(), &["clone", "-q", "--depth", depth, &from, "."]);
        assert_eq!(undo(&shallow, WEB), found, "{depth}");
    }
}

#[test]
fn what_brings_back_many_entries_takes_processes_for_few() {
    let checkout = repository(&[]);
    let top = checkout.dir.path();
    let names: Vec<InstanceName> = (100..160).map(|number| format!("shared/{number}").parse().unwrap()).collect();
    for name in &names {
        checkout.put(&name.to_string(), &[("env.age", "1"), ("key.age", "1")]);
    }
    git(top, &["add", "secrets"]);
    git(top, &["commit", "-qm", "good"]);
    for text in ["damaged", "worse"] {
        for name in &names {
            fs::write(checkout.path(&format!("secrets/{name}/env.age")), text).unwrap();
        }
        git(top, &["commit", "-qam", text]);
    }
    // The last one is intact in the index, whatever is before it.
    let last = names.last().unwrap();
    git(top, &["restore", "--staged", "--source", "HEAD~2", "--", &format!("secrets/{last}")]);
    let count = tempfile::NamedTempFile::new().unwrap();
    let counting = checkout.path("counting");
    fs::write(&counting, format!("#!/bin/sh\necho >> {}\nexec git \"$@\"\n", count.path().display())).unwrap();
    fs::set_permissions(&counting, fs::Permissions::from_mode(0o755)).unwrap();
    let counting = Git { program: counting.into(), ..git_program() };
    let storage = checkout.storage();
    let found = counting.last_intact(storage.root(), storage.path(), &names, &|| false);
    let (first, commands) = (names[0].clone(), found.values().filter(|command| command.contains("--source")).count());
    assert!(found[&first].contains("restore --source") && found[last].starts_with("git restore -- "), "{found:?}");
    let processes = fs::read(count.path()).unwrap().len();
    assert!(processes < commands + 20 && commands < names.len(), "{processes} processes, {commands} commands");
    assert!(counting.last_intact(storage.root(), storage.path(), &names, &|| true).is_empty());
}

/// Every receipt in the history of a checkout as `path: recipient`, sorted, and what could not be searched.
fn past(checkout: &Checkout) -> (Vec<String>, Vec<String>) {
    let (mut found, storage) = (Vec::new(), checkout.storage());
    let gaps = git_program().past_receipts(storage.root(), &["secrets".to_owned()], &|| false, &mut |path, receipt| {
        let keys: Vec<&String> = receipt.recipients.of_all_files().collect();
        found.push(format!("{path}: {} of {}", keys[0], receipt.instance));
    });
    found.sort();
    (found, gaps.sentences().map(str::to_owned).collect())
}

/// Stores an entry for this recipient, and commits all that is stored.
fn commit_for(checkout: &Checkout, instance: &str, key: &str) {
    let mut receipt = receipt(instance);
    receipt.recipients = Recipients::from_iter([("env".parse().unwrap(), BTreeSet::from([key.to_owned()]))]);
    let directory = checkout.path(&format!("secrets/{instance}"));
    fs::create_dir_all(&directory).unwrap();
    fs::write(directory.join("receipt.json"), receipt.render()).unwrap();
    git(checkout.dir.path(), &["add", "-A", "."]);
    git(checkout.dir.path(), &["commit", "-qm", key]);
}

#[test]
fn every_receipt_of_every_branch_is_found_under_whatever_path_it_had() {
    for format in ["sha1", "sha256"] {
        let checkout = repository(&["--object-format", format]);
        let top = checkout.dir.path();
        commit_for(&checkout, "shared/a", "k1");
        commit_for(&checkout, "shared/a", "k2");
        git(top, &["mv", "secrets", "vault"]);
        commit_for(&checkout, "shared/b", "k3");
        git(top, &["checkout", "-q", "-b", "side", "HEAD~1"]);
        commit_for(&checkout, "shared/c", "k4");
        git(top, &["checkout", "-q", "-"]);
        // On a side of a merge whose content was not taken.
        git(top, &["merge", "-q", "-s", "ours", "-m", "merged", "side"]);
        git(top, &["branch", "-qD", "side"]);
        git(top, &["rm", "-rq", "vault"]);
        git(top, &["commit", "-qm", "gone"]);
        fs::create_dir_all(checkout.path("node_modules")).unwrap();
        fs::write(checkout.path("node_modules/receipt.json"), "of another program").unwrap();
        git(top, &["add", "."]);
        git(top, &["commit", "-qm", "other"]);
        let (found, gaps) = past(&checkout);
        let expected = [
            "secrets/shared/a/receipt.json: k1 of shared/a",
            "secrets/shared/b/receipt.json: k3 of shared/b",
            "secrets/shared/c/receipt.json: k4 of shared/c",
            "vault/shared/a/receipt.json: k2 of shared/a",
        ];
        assert_eq!((found, gaps), (expected.map(str::to_owned).to_vec(), Vec::new()), "{format}");
        fs::create_dir_all(checkout.path("secrets/shared/x")).unwrap();
        fs::write(checkout.path("secrets/shared/x/receipt.json"), "{").unwrap();
        git(top, &["add", "."]);
        git(top, &["commit", "-qm", "damaged"]);
        assert_eq!(past(&checkout).1, ["`secrets/shared/x/receipt.json` cannot be read in one of its versions"]);
    }
}

#[test]
fn what_a_later_commit_calls_a_receipt_hides_none() {
    for format in ["sha1", "sha256"] {
        let checkout = repository(&["--object-format", format]);
        let top = checkout.dir.path();
        commit_for(&checkout, "shared/a", "k1");
        fs::create_dir_all(checkout.path("secrets/shared/x")).unwrap();
        fs::write(checkout.path("secrets/shared/x/receipt.json"), "{").unwrap();
        commit_for(&checkout, "shared/b", "k2");
        let old = git(top, &["rev-parse", "HEAD"]);
        fs::remove_dir_all(checkout.path("secrets/shared/x")).unwrap();
        commit_for(&checkout, "shared/a", "k3");
        let honest = past(&checkout);
        assert_eq!(honest.0.len(), 3, "{honest:?}");
        assert_eq!(honest.1, ["`secrets/shared/x/receipt.json` cannot be read in one of its versions"]);
        // Copies of old receipts, of the directories that hold them, and of the storage as a whole, where git meets them first.
        let old = old.trim();
        for (number, what) in
            ["shared/a/receipt.json", "shared/b/receipt.json", "shared/x/receipt.json"].iter().enumerate()
        {
            let text = git(top, &["show", &format!("{old}:secrets/{what}")]);
            fs::create_dir_all(checkout.path("0")).unwrap();
            fs::write(checkout.path(&format!("0/{number}.txt")), text).unwrap();
        }
        git(top, &["add", "."]);
        git(top, &["commit", "-qm", "copies"]);
        let sorted = |(found, gaps): (Vec<String>, Vec<String>)| {
            let keys: BTreeSet<String> =
                found.iter().filter_map(|line| Some(line.split_once(": ")?.1.to_owned())).collect();
            (keys, gaps)
        };
        assert_eq!(sorted(past(&checkout)), sorted(honest.clone()), "{format}: files");
        git(top, &["read-tree", "--prefix=0/t/", &format!("{old}:secrets")]);
        git(top, &["commit", "-qm", "trees"]);
        let root = git(top, &["commit-tree", "-m", "root", &format!("{old}:secrets")]);
        git(top, &["branch", "root", root.trim()]);
        // References need not lead to commits.
        git(top, &["tag", "directory", &format!("{old}:secrets/shared/a")]);
        git(top, &["tag", "-a", "-m", "of a file", "file", "HEAD:flake.nix"]);
        assert_eq!(sorted(past(&checkout)), sorted(honest), "{format}: directories");
    }
}

#[test]
fn what_is_no_receipt_outside_of_a_storage_leaves_the_search_whole() {
    let checkout = repository(&["--object-format", "sha256"]);
    commit_for(&checkout, "shared/a", "k1");
    fs::create_dir_all(checkout.path("a/receipt.json")).unwrap();
    fs::write(checkout.path("a/receipt.json/file"), "of another program").unwrap();
    fs::create_dir_all(checkout.path("b")).unwrap();
    // Larger than any receipt.
    fs::File::create(checkout.path("b/receipt.json")).unwrap().set_len((128 << 20) + 1).unwrap();
    git(checkout.dir.path(), &["add", "."]);
    git(checkout.dir.path(), &["commit", "-qm", "other"]);
    let (found, gaps) = past(&checkout);
    assert_eq!((found.len(), gaps), (1, Vec::new()));
    git(checkout.dir.path(), &["mv", "b", "secrets/b"]);
    git(checkout.dir.path(), &["commit", "-qm", "moved"]);
    assert_eq!(past(&checkout).1, ["`secrets/b/receipt.json` cannot be read in one of its versions"]);
}

#[test]
fn every_stash_is_searched() {
    let checkout = repository(&[]);
    let top = checkout.dir.path();
    assert_eq!(past(&checkout), (Vec::new(), Vec::new()));
    for key in ["k1", "k2", "k3"] {
        commit_for(&checkout, "shared/a", key);
        git(top, &["reset", "-q", "--soft", "HEAD~1"]);
        git(top, &["stash", "push", "-q"]);
    }
    git(top, &["reflog", "expire", "--expire=now", "HEAD"]);
    let (found, gaps) = past(&checkout);
    let keys: Vec<&str> = found.iter().filter_map(|line| line.split(' ').nth(1)).collect();
    assert_eq!((keys, gaps), (vec!["k1", "k2", "k3"], Vec::new()));
    // One whose commit is lost cannot be searched, and the others still are.
    let lost = git(top, &["rev-parse", "stash@{1}"]);
    let (start, end) = lost.trim().split_at(2);
    fs::remove_file(checkout.path(&format!(".git/objects/{start}/{end}"))).unwrap();
    let (found, gaps) = past(&checkout);
    assert_eq!(found.len(), 2, "{found:?}");
    assert_eq!(gaps, ["git does not have some of the older stashes, which were not searched"]);
}

#[test]
fn a_history_that_is_not_whole_says_so() {
    let none = Checkout::new();
    fs::create_dir_all(none.path("secrets")).unwrap();
    let (found, gaps) = past(&none);
    assert!(found.is_empty() && gaps[0].starts_with("no git repository"), "{gaps:?}");

    let full = repository(&[]);
    commit_for(&full, "shared/a", "k1");
    commit_for(&full, "shared/a", "k2");
    let from = format!("file://{}", full.dir.path().display());
    let shallow = Checkout::new();
    git(shallow.dir.path(), &["clone", "-q", "--depth=1", &from, "."]);
    let (found, gaps) = past(&shallow);
    assert_eq!(found, ["secrets/shared/a/receipt.json: k2 of shared/a"]);
    assert!(gaps.len() == 1 && gaps[0].contains("git fetch --unshallow"), "{gaps:?}");

    git(full.dir.path(), &["config", "uploadpack.allowFilter", "true"]);
    for filter in ["--filter=blob:none", "--filter=tree:0"] {
        let partial = Checkout::new();
        git(partial.dir.path(), &["clone", "-q", filter, "--no-checkout", &from, "."]);
        let (found, gaps) = past(&partial);
        assert!(found.is_empty() && gaps[0].starts_with("this clone lacks objects"), "{found:?} {gaps:?}");
        assert_eq!(gaps.len(), 1, "{gaps:?}");
    }

    // Of an empty repository there is nothing to be searched.
    let empty = Checkout::new();
    git(empty.dir.path(), &["init", "-q"]);
    assert_eq!(past(&empty), (Vec::new(), Vec::new()));
}

#[test]
fn no_program_of_a_repository_runs_while_its_history_is_read() {
    let checkout = repository(&[]);
    commit_for(&checkout, "shared/a", "k1");
    fs::write(checkout.path("flake.nix"), "{ a = 1; }").unwrap();
    git(checkout.dir.path(), &["stash", "push", "-q"]);
    let canary = checkout.path("canary");
    let program = checkout.path("program");
    fs::write(&program, format!("#!/bin/sh\ntouch {}\n", canary.display())).unwrap();
    fs::set_permissions(&program, fs::Permissions::from_mode(0o755)).unwrap();
    let text = program.display().to_string();
    for setting in
        ["core.fsmonitor", "core.pager", "diff.external", "diff.x.textconv", "gpg.program", "core.sshCommand"]
    {
        git(checkout.dir.path(), &["config", setting, &text]);
    }
    fs::write(checkout.path(".gitattributes"), "* diff=x\n").unwrap();
    assert_eq!(past(&checkout).0.len(), 1);
    assert!(!canary.exists());
}
