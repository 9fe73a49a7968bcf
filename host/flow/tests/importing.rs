//! Values of other tools: taken unchanged where that is certain to be right, else decrypted and stored as declared; never twice, and
//! never in place of another value.
#![allow(clippy::unwrap_used)]

use crate::fakes;
use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::sync::atomic::Ordering;

use artifacts_flow::{Answer, Import, ImportSource, Report, Run, Selection, SopsFormat, SopsTextFormat, SourceForm};
use artifacts_plan::InstanceState;
use artifacts_report::{Failure, RowAction};
use artifacts_tests::age_plugin;

use crate::fakes::{
    A, AGENIX, B, C, Desk, Fleet, ON_TARGET, OtherFile, SOPS_NIX, generated, messages, name, read, run, state, status,
};

/// Recipients whose stanzas show nothing.
const ADMIN: &str = "age1admin";
const HOST: &str = "age1host";

/// A desk on which files are encrypted to an admin and a host.
fn desk() -> Desk {
    let desk = Desk::new();
    desk.world.borrow_mut().recipients(&[ADMIN, HOST]);
    desk
}

fn with_identity() -> Desk {
    let mut desk = desk();
    desk.has_identity = true;
    desk
}

/// `web1` with these artifacts of one file, in this backend.
fn fleet(backend: &str, artifacts: &[&str]) -> Fleet {
    let one = |fleet: Fleet, name: &&str| fleet.secret(name).backend(backend);
    artifacts.iter().fold(Fleet::new().machine("web1"), one)
}

/// Writes a file below the root.
fn write(desk: &Desk, path: &str, bytes: &[u8]) {
    let path = desk.root().join(path);
    std::fs::create_dir_all(path.parent().unwrap()).unwrap();
    std::fs::write(path, bytes).unwrap();
}

/// An age file for so many X25519 recipients. `mark` tells it from others.
fn stanzas(mark: &str, count: usize) -> Vec<u8> {
    let stanzas: Vec<String> = (0..count).map(|number| format!("-> X25519 {mark}{number}\nbody\n")).collect();
    format!("age-encryption.org/v1\n{}--- mac\npayload\n", stanzas.concat()).into_bytes()
}

/// Writes a file of another tool: bytes that `to` decrypts.
fn other(desk: &Desk, path: &str, bytes: &[u8], to: &str, values: &[(&str, &str)]) {
    write(desk, path, bytes);
    let values = values.iter().map(|(key, value)| ((*key).to_owned(), value.as_bytes().to_vec())).collect();
    let file = OtherFile { to: to.to_owned(), values };
    let world = desk.world.borrow();
    let mut others = world.others.borrow_mut();
    if bytes.starts_with(b"age-") {
        others.insert(artifacts_age::armored(bytes).unwrap(), file.clone());
    }
    others.insert(bytes.to_vec(), file);
}

/// Writes a binary age file for so many recipients, with its path as its value.
fn age(desk: &Desk, path: &str, count: usize) {
    other(desk, path, &stanzas(path, count), ADMIN, &[("data", path)]);
}

/// Writes a YAML file of sops for these recipients.
fn yaml(desk: &Desk, path: &str, recipients: &[&str], values: &[(&str, &str)]) {
    let stanza = |recipient: &&str| {
        let armored = artifacts_age::armored(&stanzas(&format!("{path}{recipient}"), 1)).unwrap();
        let armored = String::from_utf8(armored).unwrap().trim().replace('\n', "\n            ");
        format!("        - recipient: {recipient}\n          enc: |\n            {armored}\n")
    };
    let stanzas: String = recipients.iter().map(stanza).collect();
    let text = format!("key: ENC[x]\nsops:\n    age:\n{stanzas}    version: 3.9.0\n");
    other(desk, path, text.as_bytes(), ADMIN, values);
}

fn source(instance: &str, file: &str, path: &str, form: SourceForm) -> ImportSource {
    ImportSource { instance: name(instance), file: file.parse().unwrap(), path: path.into(), form }
}

fn key(key: &str) -> SourceForm {
    SourceForm::SopsKey { format: SopsFormat::Yaml, key: key.to_owned() }
}

/// The source of `f` in an age file.
fn of_age(instance: &str, path: &str) -> ImportSource {
    source(instance, "f", path, SourceForm::Age)
}

fn selected(run: &Run, sources: &[ImportSource]) -> Result<(Selection, Import), Failure> {
    run.select_import(sources.to_vec(), BTreeMap::new())
}

fn imported(desk: &Desk, fleet: &Fleet, sources: &[ImportSource]) -> Report {
    let mut run = run(desk, fleet);
    match selected(&run, sources) {
        Ok((selection, import)) => run.survey(&selection).lock(import).agree().import().finish(),
        Err(failure) => Report { errors: vec![failure], ..Report::default() },
    }
}

/// Every file of the checkout but those of the lock, by its path.
fn tree(desk: &Desk) -> BTreeMap<String, Vec<u8>> {
    fn add(root: &Path, at: &Path, all: &mut BTreeMap<String, Vec<u8>>) {
        for entry in std::fs::read_dir(at).unwrap().map(|entry| entry.unwrap()) {
            let path = entry.path();
            if entry.file_name() == ".artifacts" {
                continue;
            }
            if entry.file_type().unwrap().is_dir() {
                add(root, &path, all);
            } else {
                let relative = path.strip_prefix(root).unwrap().to_string_lossy().into_owned();
                all.insert(relative, std::fs::read(&path).unwrap_or_default());
            }
        }
    }
    let mut all = BTreeMap::new();
    add(&desk.root(), &desk.root(), &mut all);
    all
}

fn receipt(desk: &Desk, instance: &str) -> serde_json::Value {
    serde_json::from_slice(&std::fs::read(desk.entry(instance).join("receipt.json")).unwrap()).unwrap()
}

fn done(report: &Report, instance: &str) -> Option<RowAction> {
    report.rows[&name(instance)].done
}

#[test]
fn a_file_whose_recipients_are_certain_is_taken_unchanged_and_needs_no_identity() {
    let desk = desk();
    age(&desk, "old/a.age", 2);
    let fleet = fleet(AGENIX, &["a"]);
    let before = tree(&desk);
    let report = imported(&desk, &fleet, &[of_age(A, "old/a.age")]);
    assert!(report.errors.is_empty(), "{:?}", report.errors);
    assert_eq!((done(&report, A), state(&report, A)), (Some(RowAction::Imported), InstanceState::Present));
    assert_eq!(report.rows[&name(A)].notes, ["from `old/a.age`: unchanged"]);
    let stored = std::fs::read(desk.entry(A).join("f.age")).unwrap();
    assert_eq!(stored, artifacts_age::armored(&before["old/a.age"]).unwrap());
    assert_eq!(receipt(&desk, A)["recipients"]["f"], serde_json::json!([ADMIN, HOST]));
    assert_eq!(desk.world.borrow().count("retrieve") + desk.world.borrow().count("serialize"), 0);
    assert_eq!(desk.take_said(), [format!("adopt {A}")], "no one is asked");
    assert_eq!(status(&desk, &fleet).exit_status(), 0);
    assert_eq!(tree(&desk)["old/a.age"], before["old/a.age"]);
    // Its value is read for this instance now.
    assert_eq!(read(&desk, &fleet, A, "f"), "old/a.age");
}

#[test]
fn another_run_changes_nothing() {
    let desk = with_identity();
    age(&desk, "old/a.age", 2);
    age(&desk, "old/b.age", 1);
    let fleet = fleet(AGENIX, &["a", "b"]);
    let sources = [of_age(A, "old/a.age"), of_age(B, "old/b.age")];
    assert!(imported(&desk, &fleet, &sources).errors.is_empty());
    let before = tree(&desk);
    desk.take_said();
    // Nor does a source that is another one by now.
    age(&desk, "old/a.age", 3);
    for _ in 0..2 {
        let report = imported(&desk, &fleet, &sources);
        assert!(report.errors.is_empty(), "{:?}", report.errors);
        assert_eq!((done(&report, A), done(&report, B)), (None, None));
        assert_eq!(report.exit_status(), 0);
    }
    assert_eq!(desk.take_said(), Vec::<String>::new());
    let after = tree(&desk).into_iter().filter(|(path, _)| path != "old/a.age");
    assert!(after.eq(before.into_iter().filter(|(path, _)| path != "old/a.age")));
}

#[test]
fn a_file_of_other_recipients_is_taken_as_that_without_an_identity() {
    let desk = desk();
    age(&desk, "old/a.age", 3);
    let fleet = fleet(AGENIX, &["a"]);
    let report = imported(&desk, &fleet, &[of_age(A, "old/a.age")]);
    assert!(report.errors.is_empty(), "{:?}", report.errors);
    assert_eq!(fakes::reasons(&report, A), ["recipients"]);
    assert_eq!(receipt(&desk, A)["recipients"]["f"], serde_json::json!([]));
    let report = status(&desk, &fleet);
    let hints = &report.rows[&name(A)].hints;
    assert!(artifacts_report::hint_line(hints, &[A]).unwrap().contains("artifacts rekey"), "{hints:?}");
}

#[test]
fn with_an_identity_such_a_file_is_encrypted_to_the_declared_recipients_after_a_yes() {
    let desk = with_identity();
    age(&desk, "old/a.age", 3);
    age(&desk, "old/b.age", 2);
    let fleet = fleet(AGENIX, &["a", "b"]);
    let sources = [of_age(A, "old/a.age"), of_age(B, "old/b.age")];
    desk.answer([Answer::No]);
    let report = imported(&desk, &fleet, &sources);
    assert_eq!(desk.take_said(), [format!("adopt {B}"), "recipients +age1admin (1), +age1host (1)?".to_owned()]);
    assert_eq!((done(&report, A), done(&report, B)), (None, Some(RowAction::Imported)), "{:?}", report.errors);
    assert_eq!((report.errors.len(), desk.world.borrow().count("retrieve")), (1, 0));
    let report = imported(&desk, &fleet, &sources);
    assert!(report.errors.is_empty(), "{:?}", report.errors);
    assert_eq!(report.rows[&name(A)].notes, ["from `old/a.age`: encrypted to the declared recipients"]);
    assert_eq!(std::fs::read_to_string(desk.entry(A).join("f.age")).unwrap(), "age1admin,age1host\nold/a.age");
    assert_eq!(status(&desk, &fleet).exit_status(), 0);
}

/// What is decrypted was stored before, for others: that a target's recipients were accepted for a value of its own says nothing of it.
#[test]
fn who_was_accepted_for_another_value_is_asked_about_before_a_stored_one_is_decrypted() {
    let desk = with_identity();
    let fleet = fleet(AGENIX, &["a", "b"]);
    desk.answer([Answer::Yes { by: "test" }]);
    fakes::generated_with(&desk, &fleet, &["web1/b"], artifacts_flow::Generate::default());
    desk.take_said();
    age(&desk, "old/a.age", 1);
    desk.answer([Answer::No, Answer::Yes { by: "test" }]);
    let report = imported(&desk, &fleet, &[of_age(A, "old/a.age")]);
    assert_eq!(desk.take_said(), ["recipients +age1admin (1), +age1host (1)?"]);
    assert_eq!((done(&report, A), report.errors.len()), (None, 1), "{:?}", report.errors);
    assert_eq!(desk.world.borrow().count("retrieve"), 0);
    let report = imported(&desk, &fleet, &[of_age(A, "old/a.age")]);
    assert_eq!((done(&report, A), report.errors.len()), (Some(RowAction::Imported), 0), "{:?}", report.errors);
}

#[test]
fn what_no_identity_decrypts_is_taken_as_it_is_where_its_backend_takes_it() {
    let desk = with_identity();
    desk.world.borrow_mut().identity = Some("age1someone".to_owned());
    age(&desk, "old/a.age", 3);
    age(&desk, "old/b.age", 2);
    let fleet = fleet(AGENIX, &["a"]).secret("b");
    let report = imported(&desk, &fleet, &[of_age(A, "old/a.age"), of_age(B, "old/b.age")]);
    assert_eq!(report.rows[&name(A)].notes, ["from `old/a.age`: unchanged"]);
    assert_eq!(fakes::reasons(&report, A), ["recipients"]);
    assert_eq!(messages(&report), ["`f` from `old/b.age`: no identity matches"]);
    assert_eq!((done(&report, B), desk.entry(B).exists()), (None, false));
}

#[test]
fn a_file_for_a_key_in_hardware_is_taken_where_its_plugin_is_missing() {
    let desk = with_identity();
    desk.world.borrow_mut().recipients(&[ADMIN, age_plugin::RECIPIENT]);
    age(&desk, "old/a.age", 2);
    age(&desk, "old/b.age", 2);
    let fleet = fleet(AGENIX, &["a"]).secret("b");
    let report = imported(&desk, &fleet, &[of_age(A, "old/a.age"), of_age(B, "old/b.age")]);
    assert_eq!(fakes::reasons(&report, A), ["recipients"]);
    assert_eq!((report.errors.len(), report.errors[0].subject.as_str()), (1, B), "nothing is encrypted to it");
    assert!(report.errors[0].message.contains("tester"), "{:?}", report.errors);
    assert_eq!(desk.world.borrow().count("retrieve"), 0);
}

#[test]
fn a_value_gets_into_another_backend() {
    let mut desk = with_identity();
    age(&desk, "old/a.age", 2);
    other(&desk, "old/b.sops", &artifacts_age::armored(&stanzas("b", 1)).unwrap(), ADMIN, &[("data", "binary")]);
    yaml(&desk, "old/c.yaml", &[ADMIN, HOST], &[("token", "from yaml"), ("other", "x")]);
    let fleet = Fleet::new().machine("web1").secret("a").secret("b").secret("c");
    let sources = [
        of_age(A, "old/a.age"),
        source(B, "f", "old/b.sops", SourceForm::SopsBinary),
        source(C, "f", "old/c.yaml", key("token")),
    ];
    desk.has_identity = false;
    let report = imported(&desk, &fleet, &sources);
    assert_eq!(report.errors.len(), 3, "{:?}", report.errors);
    for failure in &report.errors {
        assert_eq!(failure.kind, Some(Failure::NO_IDENTITY));
        assert!(
            failure.message.contains("no identity") && failure.hint.as_ref().unwrap().contains("-i"),
            "{failure:?}"
        );
    }
    assert!(desk.entries().is_empty() && desk.take_said().is_empty(), "no one is asked in vain");
    desk.has_identity = true;
    let report = imported(&desk, &fleet, &sources);
    assert!(report.errors.is_empty(), "{:?}", report.errors);
    let values: BTreeSet<String> = desk.values().into_iter().collect();
    assert_eq!(values, BTreeSet::from(["old/a.age", "binary", "from yaml"].map(str::to_owned)));
    assert_eq!(status(&desk, &fleet).exit_status(), 0);
}

/// Values of one file belong to one artifact; those below another key have the name of a file, and are read by their way.
#[test]
fn values_below_other_keys_are_read_with_the_others_of_their_file_and_texts_as_a_whole() {
    let desk = with_identity();
    yaml(&desk, "old/x.yaml", &[ADMIN, HOST], &[("f", "one"), ("web→token", "two"), ("web→a→b", "three")]);
    yaml(&desk, "old/y", &[ADMIN, HOST], &[("data", "A=1\n")]);
    yaml(&desk, "old/z", &[ADMIN, HOST], &[("data", "[a]\n")]);
    let fleet = fleet(SOPS_NIX, &["a"]).file("web-token").file("deep").secret("b").file("g").backend(SOPS_NIX);
    let text = |file: &str, path: &str, format| source(B, file, path, SourceForm::SopsText { format });
    let sources = [
        source(A, "f", "old/x.yaml", key("f")),
        source(A, "web-token", "old/x.yaml", key("web/token")),
        source(A, "deep", "old/x.yaml", key("web/a/b")),
        text("f", "old/y", SopsTextFormat::Dotenv),
        text("g", "old/z", SopsTextFormat::Ini),
    ];
    let report = imported(&desk, &fleet, &sources);
    assert!(report.errors.is_empty(), "{:?}", report.errors);
    for (instance, file, value) in
        [(A, "f", "one"), (A, "web-token", "two"), (A, "deep", "three"), (B, "f", "A=1\n"), (B, "g", "[a]\n")]
    {
        assert_eq!(read(&desk, &fleet, instance, file), value, "{file}");
    }
    assert_eq!(status(&desk, &fleet).exit_status(), 0);
}

#[test]
fn a_structured_file_is_taken_as_one_where_all_of_it_is_declared() {
    let desk = desk();
    yaml(&desk, "old/all.yaml", &[ADMIN, HOST], &[("f", "one"), ("g", "two")]);
    let fleet = fleet(SOPS_NIX, &["a"]).file("g");
    let sources = [source(A, "f", "old/all.yaml", key("f")), source(A, "g", "old/all.yaml", key("g"))];
    let report = imported(&desk, &fleet, &sources);
    assert!(report.errors.is_empty(), "{:?}", report.errors);
    assert_eq!(state(&report, A), InstanceState::Present);
    let stored = std::fs::read(desk.entry(A).join("secrets.sops.yaml")).unwrap();
    assert_eq!(stored, std::fs::read(desk.root().join("old/all.yaml")).unwrap());
    let both = serde_json::json!([ADMIN, HOST]);
    assert_eq!(receipt(&desk, A)["recipients"], serde_json::json!({"f": both, "g": both}));
}

#[test]
fn a_value_under_the_key_of_another_file_is_not_taken_for_its_own() {
    let desk = with_identity();
    yaml(&desk, "old/all.yaml", &[ADMIN, HOST], &[("f", "one"), ("g", "two")]);
    let fleet = fleet(SOPS_NIX, &["a"]).file("g");
    let sources = [source(A, "f", "old/all.yaml", key("g")), source(A, "g", "old/all.yaml", key("f"))];
    let report = imported(&desk, &fleet, &sources);
    assert!(report.errors.is_empty(), "{:?}", report.errors);
    for (file, value) in [("f", "two"), ("g", "one")] {
        assert_eq!(read(&desk, &fleet, A, file), value);
    }
}

#[test]
fn a_structured_file_that_lists_others_is_of_unknown_recipients() {
    for recipients in [&[ADMIN, "age1other"][..], &[ADMIN], &[ADMIN, HOST, "age1other"]] {
        let desk = desk();
        yaml(&desk, "old/all.yaml", recipients, &[("f", "one")]);
        let report = imported(&desk, &fleet(SOPS_NIX, &["a"]), &[source(A, "f", "old/all.yaml", key("f"))]);
        assert!(report.errors.is_empty(), "{:?}", report.errors);
        assert_eq!(fakes::reasons(&report, A), ["recipients"], "{recipients:?}");
    }
}

#[test]
fn values_of_one_artifact_come_from_several_files() {
    let desk = with_identity();
    age(&desk, "old/f.age", 2);
    yaml(&desk, "old/x.yaml", &[ADMIN], &[("k", "from x"), ("h", "h of x")]);
    yaml(&desk, "old/y.yaml", &[ADMIN], &[("k", "from y")]);
    write(&desk, "old/p.pub", b"in plain");
    let fleet = fleet(AGENIX, &["a"]).file("g").file("h").file("i").public("p");
    let sources = [
        of_age(A, "old/f.age"),
        source(A, "g", "old/x.yaml", key("k")),
        source(A, "h", "old/x.yaml", key("h")),
        source(A, "i", "old/y.yaml", key("k")),
        source(A, "p", "old/p.pub", SourceForm::Plain),
    ];
    let report = imported(&desk, &fleet, &sources);
    assert!(report.errors.is_empty(), "{:?}", report.errors);
    for (file, value) in [("f", "old/f.age"), ("g", "from x"), ("h", "h of x"), ("i", "from y"), ("p", "in plain")] {
        assert_eq!(read(&desk, &fleet, A, file), value, "{file}");
    }
    assert_eq!(status(&desk, &fleet).exit_status(), 0);
}

#[test]
fn a_public_file_is_stored_beside_a_secret_one_that_is_taken_unchanged_and_alone() {
    let desk = desk();
    age(&desk, "old/f.age", 2);
    write(&desk, "old/p.pub", b"in plain");
    let fleet = fleet(AGENIX, &["a"]).public("p").artifact("b").backend(AGENIX).public("q");
    let sources = [
        of_age(A, "old/f.age"),
        source(A, "p", "old/p.pub", SourceForm::Plain),
        source(B, "q", "old/p.pub", SourceForm::Plain),
    ];
    let report = imported(&desk, &fleet, &sources);
    assert!(report.errors.is_empty(), "{:?}", report.errors);
    for path in [format!("{A}/public/p"), format!("{B}/public/q")] {
        assert_eq!(std::fs::read(desk.entry(&path)).unwrap(), b"in plain");
    }
    assert_eq!(status(&desk, &fleet).exit_status(), 0);
}

#[test]
fn what_has_no_place_is_left_and_named_with_what_to_do() {
    let yaml_of = |key_name: &str| source(A, "f", "old/x.yaml", key(key_name));
    let whole = SourceForm::SopsWhole { format: SopsFormat::Yaml };
    let one = || fleet(AGENIX, &["a"]);
    for (fleet, sources, why, hint) in [
        (one().file("g"), vec![of_age(A, "old/f.age")], "has a value for g", "artifacts generate per-machine/web1/a"),
        (
            one(),
            vec![source(A, "x", "old/f.age", SourceForm::Age), of_age(A, "old/f.age")],
            "declares no such file",
            "declare the file",
        ),
        (
            one(),
            vec![source(A, "f", "old/f.age", SourceForm::Plain)],
            "in plain text",
            "set per-machine/web1/a f < old/f.age",
        ),
        (
            one().public("p"),
            vec![of_age(A, "old/f.age"), source(A, "p", "old/g.age", SourceForm::Age)],
            "declares it as public",
            "secret = false",
        ),
        (
            one(),
            vec![source(A, "f", "old/x.yaml", whole)],
            "the whole decrypted file",
            "`sops decrypt old/x.yaml | artifacts set per-machine/web1/a f`",
        ),
        (
            one(),
            vec![yaml_of("k/l\\m")],
            "the key `k/l\\\\m` is not read here",
            "--extract '[\"k\"][\"l\\m\"]' old/x.yaml | artifacts set",
        ),
        (
            one(),
            vec![yaml_of("k/l\\m\"n")],
            "is not read here",
            "--extract '[\"k\"][\"l\\m\"n\"]' old/x.yaml | artifacts set",
        ),
        (one(), vec![yaml_of("k/l\\[m")], "is not read here", "pass the value to `artifacts set per-machine/web1/a f`"),
        (
            one(),
            vec![source(A, "f", "old/pgp.yaml", SourceForm::SopsText { format: SopsTextFormat::Ini })],
            "found none",
            "`sops decrypt --input-type ini --output-type ini old/pgp.yaml | artifacts set",
        ),
        (
            one(),
            vec![source(A, "f", "old/pgp.yaml", key("k"))],
            "found none",
            "`sops decrypt --extract '[\"k\"]' old/pgp.yaml | artifacts set",
        ),
        (one(), vec![of_age(A, "old/x.yaml")], "not an age file", "restore the file"),
        (one(), vec![of_age(A, "old/none.age")], "does not exist", "check the path"),
        (one(), vec![of_age(A, "../x.age")], "not a path below the root", "move the file"),
        (one(), vec![of_age(A, "/etc/passwd")], "not a path below the root", "move the file"),
        (one(), vec![of_age(A, "link.age")], "is a symbolic link", "the file itself"),
        (one(), vec![of_age(A, "up/f.age")], "is a symbolic link", "the file itself"),
        (one(), vec![of_age(A, "old")], "is a directory", "the file itself"),
        (one(), vec![of_age(A, "big.age")], "exceeds the limit of 16 MiB", "leave it"),
        (one(), vec![of_age(A, "old/f.age"), of_age(B, "old/g.age")], "not declared", "import again"),
        (one(), vec![of_age(A, "old/f.age"), of_age(A, "old/g.age")], "two sources", "declare an artifact"),
        (fleet(ON_TARGET, &["a"]), vec![of_age(A, "old/f.age")], "generated on the target", "declare a backend"),
        (one().blocked(), vec![of_age(A, "old/f.age")], "cannot be evaluated yet", "artifacts generate"),
    ] {
        let desk = with_identity();
        age(&desk, "old/f.age", 2);
        age(&desk, "old/g.age", 2);
        yaml(&desk, "old/x.yaml", &[ADMIN], &[("k", "value")]);
        write(&desk, "old/pgp.yaml", b"k: ENC[x]\nsops:\n    pgp:\n        - fp: 0123\n");
        write(&desk, "big.age", &vec![b'x'; 20 << 20]);
        std::os::unix::fs::symlink("old/f.age", desk.root().join("link.age")).unwrap();
        std::os::unix::fs::symlink(desk.root().join("old"), desk.root().join("up")).unwrap();
        let report = imported(&desk, &fleet, &sources);
        assert_eq!(report.errors.len(), 1, "{why}: {:?}", report.errors);
        let failure = &report.errors[0];
        assert!(failure.message.contains(why), "{why}: {failure:?}");
        assert!(failure.hint.as_deref().unwrap_or_default().contains(hint), "{hint}: {failure:?}");
        assert_eq!(desk.world.borrow().count("retrieve"), 0, "{why}");
        let is_other = why == "not declared";
        assert_eq!(desk.entry(A).exists(), is_other, "{why}: what cannot be taken stops no other");
    }
}

#[test]
fn an_age_file_belongs_to_one_file_of_one_artifact() {
    let both = || fleet(AGENIX, &["a", "b"]);
    let copy = |desk: &Desk| {
        age(desk, "old/f.age", 2);
        std::fs::copy(desk.root().join("old/f.age"), desk.root().join("old/copy.age")).unwrap();
    };
    for (fleet, sources, count) in [
        (both(), vec![of_age(A, "old/f.age"), of_age(B, "old/f.age")], 2),
        (both(), vec![of_age(A, "old/f.age"), of_age(B, "old/copy.age")], 2),
        (both().file("g"), vec![of_age(B, "old/f.age"), source(B, "g", "old/copy.age", SourceForm::Age)], 1),
        (both().file("g"), vec![of_age(B, "old/f.age"), source(B, "g", "old/f.age", SourceForm::Age)], 1),
    ] {
        let desk = with_identity();
        copy(&desk);
        let report = imported(&desk, &fleet, &sources);
        assert_eq!(report.errors.len(), count, "{:?}", report.errors);
        assert!(!desk.entry(A).exists() && !desk.entry(B).exists());
        assert_eq!(desk.world.borrow().count("retrieve"), 0);
    }
    // One that was taken is another's by now, also where its entry is gone.
    let desk = with_identity();
    copy(&desk);
    assert!(imported(&desk, &both(), &[of_age(A, "old/f.age")]).errors.is_empty());
    for _ in 0..2 {
        let report = imported(&desk, &both(), &[of_age(B, "old/copy.age")]);
        assert_eq!(messages(&report), [format!("`f` from `old/copy.age`: these files were encrypted for {A}")]);
        let _ = std::fs::remove_dir_all(desk.entry(A));
    }
}

#[test]
fn a_decrypted_file_belongs_to_its_artifact_from_then_on() {
    let desk = with_identity();
    age(&desk, "old/f.age", 2);
    let fleet = Fleet::new().machine("web1").secret("a").secret("b");
    assert!(imported(&desk, &fleet, &[of_age(A, "old/f.age")]).errors.is_empty());
    std::fs::remove_dir_all(desk.entry(A)).unwrap();
    let report = imported(&desk, &fleet, &[of_age(B, "old/f.age")]);
    assert_eq!(messages(&report), [format!("`f` from `old/f.age`: these files were encrypted for {A}")]);
    assert!(imported(&desk, &fleet, &[of_age(A, "old/f.age")]).errors.is_empty(), "its own artifact takes it again");
}

#[test]
fn what_is_stored_is_never_replaced() {
    let desk = with_identity();
    age(&desk, "old/a.age", 2);
    age(&desk, "old/b.age", 3);
    let fleet = fleet(AGENIX, &["a", "b"]);
    generated(&desk, &fleet);
    desk.world.borrow_mut().recipients(&[ADMIN]);
    let before = tree(&desk);
    let report = imported(&desk, &fleet, &[of_age(A, "old/a.age"), of_age(B, "old/b.age")]);
    assert!(report.errors.is_empty() && report.rows.values().all(|row| row.done.is_none()), "{:?}", report.errors);
    assert_eq!(tree(&desk), before);
}

/// The files of a value that another one was stored over are not named as removable.
#[test]
fn only_what_is_stored_as_the_other_tool_has_it_holds_its_value() {
    let desk = with_identity();
    age(&desk, "old/a.age", 2);
    age(&desk, "old/b.age", 2);
    write(&desk, "old/p.pub", b"in plain");
    let fleet = fleet(AGENIX, &["a", "b", "c"]).public("p");
    let sources = [
        of_age(A, "old/a.age"),
        of_age(B, "old/b.age"),
        of_age(C, "old/c.age"),
        source(C, "p", "old/p.pub", SourceForm::Plain),
    ];
    age(&desk, "old/c.age", 2);
    let held = || {
        let run = run(&desk, &fleet);
        let (_, import) = selected(&run, &sources).unwrap();
        run.holds(&import)
    };
    assert_eq!(held(), BTreeSet::new(), "nothing is stored");
    fakes::generated_with(&desk, &fleet, &["web1/b"], artifacts_flow::Generate::default());
    assert!(imported(&desk, &fleet, &sources).errors.is_empty());
    assert_eq!(held(), BTreeSet::from([name(A), name(C)]), "b was generated");
    age(&desk, "old/a.age", 3);
    write(&desk, "old/p.pub", b"another");
    assert_eq!(held(), BTreeSet::new(), "the old files have other values by now");
}

#[test]
fn an_entry_that_appears_meanwhile_is_kept() {
    let desk = with_identity();
    age(&desk, "old/a.age", 3);
    let entry = desk.entry(A);
    let appear = move || {
        std::fs::create_dir_all(&entry).unwrap();
        std::fs::write(entry.join("f.age"), "another run's").unwrap();
    };
    *desk.at_question.borrow_mut() = Some(("recipients".to_owned(), Box::new(appear)));
    let report = imported(&desk, &fleet(AGENIX, &["a"]), &[of_age(A, "old/a.age")]);
    assert_eq!(report.errors.len(), 1, "{:?}", report.errors);
    assert_eq!(std::fs::read_to_string(desk.entry(A).join("f.age")).unwrap(), "another run's");
}

#[test]
fn a_preview_shows_what_would_be_taken_and_how_and_decrypts_nothing() {
    let desk = with_identity();
    age(&desk, "old/a.age", 2);
    age(&desk, "old/b.age", 1);
    let fleet = fleet(AGENIX, &["a", "b"]);
    let before = tree(&desk);
    let mut run = run(&desk, &fleet);
    let (selection, import) = selected(&run, &[of_age(A, "old/a.age"), of_age(B, "old/b.age")]).unwrap();
    let report = run.survey(&selection).preview(&import);
    assert!(report.errors.is_empty(), "{:?}", report.errors);
    for (instance, note) in
        [(A, "from `old/a.age`: unchanged"), (B, "from `old/b.age`: encrypted to the declared recipients")]
    {
        assert_eq!(done(&report, instance), Some(RowAction::WouldImport));
        assert_eq!(report.rows[&name(instance)].notes, [note]);
    }
    assert_eq!(report.recipients.len(), 1, "{:?}", report.recipients);
    assert_eq!((tree(&desk), desk.world.borrow().count("retrieve")), (before, 0));
}

#[test]
fn what_depends_on_an_imported_value_counts_as_generated_from_it() {
    let desk = with_identity();
    age(&desk, "old/a.age", 2);
    age(&desk, "old/b.age", 2);
    let fleet = Fleet::new().machine("web1").secret("a").backend(AGENIX).depends_on("b").secret("b");
    let report = imported(&desk, &fleet, &[of_age(A, "old/a.age"), of_age(B, "old/b.age")]);
    assert!(report.errors.is_empty(), "{:?}", report.errors);
    assert_eq!(receipt(&desk, A)["dependencies"][B], receipt(&desk, B)["generation"]);
    assert_eq!(status(&desk, &fleet).exit_status(), 0);
}

#[test]
fn a_run_that_is_killed_at_any_step_loses_no_value_and_the_next_goes_on() {
    let mut kills = 0;
    let fleet = || fleet(AGENIX, &["a", "b"]).secret("c").public("p");
    let sources = [
        of_age(A, "old/a.age"),
        of_age(B, "old/b.age"),
        of_age(C, "old/c.age"),
        source(C, "p", "old/p.pub", SourceForm::Plain),
    ];
    for at in 1.. {
        let mut desk = with_identity();
        age(&desk, "old/a.age", 2);
        age(&desk, "old/b.age", 3);
        age(&desk, "old/c.age", 2);
        write(&desk, "old/p.pub", b"in plain");
        let before = tree(&desk);
        desk.killed_at = Some(at);
        imported(&desk, &fleet(), &sources);
        let is_through = desk.steps.load(Ordering::Relaxed) < at;
        let after = tree(&desk);
        assert!(before.iter().all(|(path, bytes)| after.get(path) == Some(bytes)), "killed at {at}");
        desk.killed_at = None;
        let found = status(&desk, &fleet());
        let is_whole = |state: &InstanceState| matches!(state, InstanceState::Absent | InstanceState::Present);
        assert!(found.rows.values().all(|row| is_whole(&row.state)), "killed at {at}: {:?}", found.rows);
        let report = imported(&desk, &fleet(), &sources);
        assert!(report.errors.is_empty(), "killed at {at}: {:?}", report.errors);
        assert_eq!(status(&desk, &fleet()).exit_status(), 0, "killed at {at}");
        for (instance, value) in [(A, "old/a.age"), (B, "old/b.age"), (C, "old/c.age")] {
            assert_eq!(read(&desk, &fleet(), instance, "f"), value, "killed at {at}");
        }
        if is_through {
            break;
        }
        kills += 1;
    }
    assert!(kills > 20, "{kills} steps are too few");
}
