//! Git's index, in checkouts that mean well and in others.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::process::Command;

use artifacts_store::{Git, Options, Root, Storage, Warning};

use crate::support::*;

fn git_program() -> Git {
    let env = ["PATH", "HOME"].into_iter().filter_map(|name| Some((name.into(), std::env::var_os(name)?)));
    Git { program: "git".into(), env: env.collect::<BTreeMap<_, _>>() }
}

/// What a person would run; the checkout's configuration counts.
fn git(folder: &Path, arguments: &[&str]) -> String {
    let output = Command::new("git")
        .args(["-c", "user.name=t", "-c", "user.email=t@t", "-c", "core.hooksPath=/dev/null"])
        .args(arguments)
        .current_dir(folder)
        .env("GIT_CONFIG_GLOBAL", "/dev/null")
        .output()
        .unwrap();
    assert!(output.status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

fn repository(arguments: &[&str]) -> Checkout {
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
        writer.add_to_git(&git_program(), &paths).unwrap();
        let mut lines: Vec<_> = status(&checkout).lines().map(|line| line.replace('"', "")).collect();
        lines.sort();
        assert_eq!(
            lines,
            [
                " M flake.nix",
                "?? secrets/shared/x/env.age",
                "?? secrets/shared/x/receipt.json",
                "?? untracked",
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
fn a_replaced_slice_keeps_its_place_in_the_index() {
    let checkout = repository(&[]);
    checkout.put(WEB, &[("old.age", "x"), ("env.age", "x")]);
    git(checkout.dir.path(), &["add", "secrets"]);
    git(checkout.dir.path(), &["commit", "-qm", "secrets"]);
    let writer = checkout.writer();
    let path = put(&writer, WEB, &[("new.age", "x"), ("env.age", "y")], &[("key.pub", "")]).unwrap().path;
    writer.add_to_git(&git_program(), &[path]).unwrap();
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
    let nowhere = Git { program: "/no/such/git".into(), env: BTreeMap::new() };
    writer.add_to_git(&nowhere, &[path]).unwrap();
}

#[test]
fn a_root_inside_a_checkout_and_a_linked_work_tree_work() {
    let checkout = repository(&[]);
    let folder = checkout.path("sub/folder");
    fs::create_dir_all(&folder).unwrap();
    let elsewhere = Checkout::new();
    let linked = elsewhere.path("linked");
    git(checkout.dir.path(), &["worktree", "add", "-q", linked.to_str().unwrap(), "-b", "linked"]);
    for root in [folder, linked] {
        let storage = Storage::open(&Root::open(&root).unwrap(), "secrets").unwrap();
        let writer = storage.lock(Options::at(now())).unwrap();
        let path = put(&writer, WEB, &[("env.age", "x")], &[]).unwrap().path;
        writer.add_to_git(&git_program(), &[path]).unwrap();
        assert_eq!(git(&root, &["ls-files", "."]).lines().filter(|line| line.ends_with("env.age")).count(), 1);
    }
}

#[test]
fn what_git_refuses_is_a_warning() {
    let checkout = repository(&[]);
    let writer = checkout.writer();
    let path = put(&writer, WEB, &[("env.age", "x")], &[]).unwrap().path;
    let nowhere = Git { program: "/no/such/git".into(), env: BTreeMap::new() };
    assert!(matches!(writer.add_to_git(&nowhere, std::slice::from_ref(&path)), Err(Warning::NotStarted { .. })));

    fs::write(checkout.path(".git/index.lock"), "").unwrap();
    match writer.add_to_git(&git_program(), std::slice::from_ref(&path)) {
        Err(Warning::Refused { said }) => assert!(said.contains("index.lock"), "{said}"),
        other => panic!("{other:?}"),
    }
    fs::remove_file(checkout.path(".git/index.lock")).unwrap();

    fs::write(checkout.path(".gitignore"), "per-machine\n").unwrap();
    let other = put(&writer, "shared/ca", &[("env.age", "x")], &[]).unwrap().path;
    match writer.add_to_git(&git_program(), &[path, other]) {
        Err(Warning::Ignored { path, slices: 1 }) => assert_eq!(path, format!("secrets/{WEB}/env.age")),
        other => panic!("{other:?}"),
    }
    assert!(status(&checkout).contains("A  secrets/shared/ca/env.age"), "one ignored path does not stop the others");
    assert!(checkout.staged().is_empty());

    fs::write(checkout.path(".git/index"), "garbage").unwrap();
    assert!(matches!(writer.add_to_git(&git_program(), &["secrets".to_owned()]), Err(Warning::Refused { .. })));
}

#[test]
fn a_slice_is_staged_as_a_whole_or_not_at_all() {
    for (file, what) in [(".gitignore", "public/\n"), (".git/info/exclude", "*.pub\n")] {
        let checkout = repository(&[]);
        fs::write(checkout.path(file), what).unwrap();
        let writer = checkout.writer();
        let path = put(&writer, WEB, &[("env.age", "x")], &[("key.pub", "")]).unwrap().path;
        let other = put(&writer, "shared/ca", &[("env.age", "x")], &[]).unwrap().path;
        match writer.add_to_git(&git_program(), &[path, other]) {
            Err(Warning::Ignored { path, slices: 1 }) => assert_eq!(path, format!("secrets/{WEB}/public/key.pub")),
            other => panic!("{other:?}"),
        }
        let staged = git(checkout.dir.path(), &["diff", "--cached", "--name-only"]);
        assert_eq!(staged.lines().collect::<Vec<_>>(), ["secrets/shared/ca/env.age", "secrets/shared/ca/receipt.json"]);
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
        match writer.add_to_git(&git_program(), &[path, other]) {
            Err(Warning::Filtered { path, slices: 1 }) => assert_eq!(path, format!("secrets/{WEB}/env.age")),
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
        let told = writer.add_to_git(&program, &[path]);
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
    file(".gitconfig", "[core]\n\texcludesFile = ~/ignored\n[include]\n\tpath = more\n");
    let mut git_program = git_program();
    git_program.env.insert("HOME".into(), home.path().into());
    let checkout = repository(&[]);
    let writer = checkout.writer();
    let ignored = put(&writer, WEB, &[("env.key", "x")], &[]).unwrap().path;
    match writer.add_to_git(&git_program, &[ignored]) {
        Err(Warning::Ignored { path, slices: 1 }) => assert_eq!(path, format!("secrets/{WEB}/env.key")),
        other => panic!("{other:?}"),
    }
    let filtered = put(&writer, "shared/ca", &[("env.age", "x")], &[]).unwrap().path;
    match writer.add_to_git(&git_program, &[filtered]) {
        Err(Warning::Filtered { path, slices: 1 }) => assert_eq!(path, "secrets/shared/ca/env.age"),
        other => panic!("{other:?}"),
    }
    // Where there is none of that, everything is staged.
    git_program.env.insert("HOME".into(), home.path().join("nowhere").into());
    let plain = put(&writer, "shared/plain", &[("env.age", "x")], &[]).unwrap().path;
    writer.add_to_git(&git_program, &[plain]).unwrap();
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
    let told = writer.add_to_git(&git_program(), &[path]);
    assert!(matches!(told, Err(Warning::Filtered { slices: 1, .. })), "{told:?}");
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
    writer.add_to_git(&program, &[path]).unwrap();
    assert!(status(&checkout).contains("A  secrets/"));
    assert_eq!(status(&elsewhere), "");
}

#[test]
fn slices_from_a_clone_are_as_their_receipts_say() {
    let checkout = repository(&[]);
    put(&checkout.writer(), WEB, &[("env.age", "line\r\nline\n\0")], &[("key.pub", "x\n")]).unwrap();
    git(checkout.dir.path(), &["add", "."]);
    git(checkout.dir.path(), &["commit", "-qm", "secrets"]);
    let clone = Checkout::new();
    git(clone.dir.path(), &["clone", "-q", checkout.dir.path().to_str().unwrap(), "."]);
    assert_eq!(clone.read(WEB).unwrap().differences(), []);
    assert!(!clone.path("secrets/.artifacts").exists(), "the host's own folder is no business of git's");
    assert_eq!(status(&clone), "");
    drop(clone.writer());
    assert_eq!(status(&clone), "");
}
