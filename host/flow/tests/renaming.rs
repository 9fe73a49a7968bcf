//! Values under other names: the same value, under one name, whatever happens in between.
#![allow(clippy::unwrap_used)]

use crate::fakes;
use std::sync::atomic::Ordering;

use artifacts_flow::{Answer, Rekey, Rename, Report, Run, Selection};
use artifacts_plan::{InstanceState, Selector};
use artifacts_report::{Failure, RowAction};

use crate::fakes::{
    A, BACKEND, Desk, Fleet, ON_TARGET, TWIN, VAULT, many, messages, read, run, state, status, survives_ten_kills,
};

const NEW: &str = "per-machine/web2/a";

fn generated(desk: &Desk, fleet: &Fleet) {
    let report = fakes::generated(desk, fleet);
    assert!(report.errors.is_empty(), "{:?}", report.errors);
}

fn selected(run: &Run, old: &str, new: &str) -> Result<(Selection, Rename), Failure> {
    run.select_renamed(&Selector::new(old), &Selector::new(new))
}

fn renamed(desk: &Desk, fleet: &Fleet, old: &str, new: &str) -> Report {
    let mut run = run(desk, fleet);
    match selected(&run, old, new) {
        Ok((selection, rename)) => run.survey(&selection).lock(rename).agree().rename().finish(),
        Err(failure) => Report { errors: vec![failure], ..Report::default() },
    }
}

fn paths(desk: &Desk) -> Vec<String> {
    desk.entries().into_keys().collect()
}

fn receipt(desk: &Desk, path: &str) -> serde_json::Value {
    serde_json::from_slice(&std::fs::read(desk.root().join(path).join("receipt.json")).unwrap()).unwrap()
}

fn three() -> Fleet {
    Fleet::new().machine("web1").secret("a").public("p").secret("b").secret("c")
}

fn one() -> Fleet {
    Fleet::new().machine("web1").secret("a")
}

#[test]
fn a_value_gets_another_name_and_keeps_its_generation() {
    let desk = Desk::new();
    generated(&desk, &one());
    let (before, values) = (receipt(&desk, &format!("secrets/{A}")), desk.values());
    let fleet = one().renamed("web2");
    let report = renamed(&desk, &fleet, A, NEW);
    assert!(report.errors.is_empty(), "{:?}", report.errors);
    let row = &report.rows[&NEW.parse().unwrap()];
    assert_eq!((row.done, &row.state), (Some(RowAction::Renamed), &InstanceState::Present));
    assert_eq!(row.notes[0], "was web1/a".to_owned());
    let after = receipt(&desk, &format!("secrets/{NEW}"));
    assert_eq!(
        (after["generation"].clone(), after["generated"].clone()),
        (before["generation"].clone(), before["generated"].clone())
    );
    assert_eq!((after["instance"].clone(), after["former"].clone()), (NEW.into(), serde_json::json!([A])));
    assert_eq!((desk.values(), paths(&desk)), (values, vec![format!("secrets/{NEW}")]));
    assert_eq!(status(&desk, &fleet).exit_status(), 0);
    assert!(desk.is_unlocked());
}

#[test]
fn former_names_add_up() {
    let desk = Desk::new();
    generated(&desk, &one());
    for (old, new) in [("web1", "web2"), ("web2", "web3"), ("web3", "web1")] {
        let report = renamed(&desk, &one().renamed(new), old, new);
        assert!(report.errors.is_empty(), "{:?}", report.errors);
    }
    let former = receipt(&desk, &format!("secrets/{A}"))["former"].clone();
    assert_eq!(former, serde_json::json!([NEW, "per-machine/web3/a"]));
}

#[test]
fn all_of_a_machine_is_renamed_with_what_depends_on_it_up_to_date() {
    let desk = Desk::new();
    let fleet = Fleet::new().machine("web1").secret("ca").secret("tls").depends_on("ca");
    generated(&desk, &fleet);
    let values = desk.values();
    let report = renamed(&desk, &fleet.clone().renamed("web2"), "web1", "web2");
    assert!(report.errors.is_empty(), "{:?}", report.errors);
    let report = status(&desk, &fleet.renamed("web2"));
    assert_eq!(report.exit_status(), 0, "{:?}", report.rows);
    assert_eq!(desk.values(), values);
}

#[test]
fn a_dependent_accepts_the_new_name_of_the_value_that_it_was_generated_from_and_no_other_value() {
    let desk = Desk::new();
    let with = |ca: &str| Fleet::new().machine("web1").secret(ca).secret("tls").depends_on(ca);
    generated(&desk, &with("ca"));
    assert!(renamed(&desk, &with("root"), "web1/ca", "web1/root").errors.is_empty());
    assert_eq!(status(&desk, &with("root")).exit_status(), 0);
    // Another value under the new name is another one.
    let path = desk.root().join("secrets/per-machine/web1/root/receipt.json");
    let text = std::fs::read_to_string(&path).unwrap();
    let mut other: serde_json::Value = serde_json::from_str(&text).unwrap();
    other["generation"] = serde_json::json!("0".repeat(32));
    std::fs::write(&path, other.to_string()).unwrap();
    let report = status(&desk, &with("root"));
    assert_eq!(state(&report, "per-machine/web1/tls").reasons().len(), 1);
}

#[test]
fn a_run_that_is_killed_at_any_step_loses_no_value_and_the_next_goes_on() {
    let mut kills = 0;
    for at in 1.. {
        let mut desk = Desk::new();
        generated(&desk, &three());
        let before = desk.values();
        let fleet = three().renamed("web2");
        desk.killed_at = Some(at);
        renamed(&desk, &fleet, "web1", "web2");
        assert_eq!(desk.values(), before, "killed at {at}");
        let is_through = desk.steps.load(Ordering::Relaxed) < at;
        desk.killed_at = None;
        if paths(&desk).iter().any(|path| path.contains("web1")) {
            let report = renamed(&desk, &fleet, "web1", "web2");
            assert!(report.errors.is_empty(), "killed at {at}: {:?}", report.errors);
        }
        assert_eq!((desk.values(), paths(&desk).len()), (before, 3), "killed at {at}");
        assert_eq!(status(&desk, &fleet).exit_status(), 0, "killed at {at}");
        if is_through {
            break;
        }
        kills += 1;
    }
    assert!(kills > 30, "{kills} steps are too few");
}

#[test]
fn a_rename_of_a_thousand_that_is_killed_ten_times_loses_no_value_and_ends() {
    let change = |desk: &Desk, count| renamed(desk, &many(count, BACKEND).renamed("web2"), "web1", "web2");
    survives_ten_kills(|count| many(count, BACKEND), change, |path| path.contains("web2"));
}

#[test]
fn a_moved_directory_has_the_value_of_its_old_name() {
    let desk = Desk::new();
    generated(&desk, &three());
    let values = desk.values();
    let machines = desk.root().join("secrets/per-machine");
    std::fs::rename(machines.join("web1"), machines.join("web2")).unwrap();
    let fleet = three().renamed("web2");
    let found = status(&desk, &fleet);
    let hints = &found.rows[&NEW.parse().unwrap()].hints;
    assert_eq!(artifacts_report::hint_line(hints, &[NEW]).unwrap(), format!("`artifacts rename {A} {NEW}`"));
    let report = renamed(&desk, &fleet, "web1", "web2");
    assert!(report.errors.is_empty(), "{:?}", report.errors);
    assert_eq!((desk.values(), paths(&desk).len()), (values, 3));
    assert_eq!(status(&desk, &fleet).exit_status(), 0);
    let public = machines.join("web2/a/public/p");
    assert_eq!(std::fs::read_to_string(public).unwrap(), format!("{A}/p#1"));
}

#[test]
fn a_value_moves_to_another_backend_storage_and_kind_under_its_new_name() {
    let user = |backend: &str| Fleet::new().machine("web2").secret("a").backend(backend);
    let shared = |backend: &str| user(backend).shared();
    for (fleet, new, path) in [
        (user(TWIN), NEW, format!("secrets/{NEW}")),
        (user(VAULT), NEW, format!("vault/{NEW}")),
        (shared("fake"), "shared/a", "secrets/shared/a".to_owned()),
        (shared(VAULT), "shared/a", "vault/shared/a".to_owned()),
    ] {
        let desk = Desk::new();
        generated(&desk, &one());
        let values = desk.values();
        let report = renamed(&desk, &fleet, A, new);
        assert!(report.errors.is_empty(), "{path}: {:?}", report.errors);
        assert_eq!((desk.values(), paths(&desk)), (values, vec![path]));
        assert_eq!(status(&desk, &fleet).exit_status(), 0);
    }
}

#[test]
fn who_gains_access_is_asked_about_and_no_one_else() {
    let desk = Desk::new();
    generated(&desk, &one());
    desk.take_said();
    let fleet = one().renamed("web2");
    // The same people read it under its new name.
    desk.world.borrow_mut().recipients(&["admin", "host", "new"]);
    desk.answer([Answer::No]);
    let report = renamed(&desk, &fleet, "web1", "web2");
    assert_eq!(desk.take_said(), ["recipients +new (1)?"]);
    assert_eq!((report.errors.len(), paths(&desk)), (1, vec![format!("secrets/{A}")]));
    assert_eq!(desk.world.borrow().count("retrieve"), 0);
    desk.world.borrow_mut().recipients(&["admin", "host"]);
    assert!(renamed(&desk, &fleet, "web1", "web2").errors.is_empty());
    assert!(desk.take_said().iter().all(|said| !said.starts_with("recipients")), "nobody gains access");
    // What was accepted is known under the new name.
    desk.world.borrow_mut().recipients(&["admin", "host", "other"]);
    let mut run = run(&desk, &fleet);
    let selection = run.select(&[]);
    drop(run.survey(&selection).lock(Rekey { all: false }).agree().rekey().finish());
    assert!(desk.take_said().contains(&"recipients +other (1)?".to_owned()));
}

#[test]
fn what_was_accepted_for_the_value_that_a_name_had_is_nothing_to_another_value() {
    let desk = Desk::new();
    let fleet = |machine: &str| Fleet::new().machine(machine).secret("a");
    // `web2` was encrypted to someone who never read the value of `web1`.
    desk.world.borrow_mut().recipients(&["admin", "mallory"]);
    generated(&desk, &fleet("web2"));
    std::fs::remove_dir_all(desk.entry(NEW)).unwrap();
    desk.world.borrow_mut().recipients(&["admin", "host"]);
    generated(&desk, &fleet("web1"));
    desk.world.borrow_mut().recipients(&["admin", "mallory"]);
    desk.take_said();
    desk.answer([Answer::No]);
    renamed(&desk, &fleet("web2"), "web1", "web2");
    assert_eq!(desk.take_said(), ["recipients +mallory (1), -host (1)?"]);
}

#[test]
fn a_name_that_has_a_value_is_left() {
    let desk = Desk::new();
    let both = one().machine("web2").secret("a");
    generated(&desk, &both);
    let before = desk.entries();
    let report = renamed(&desk, &both, "web1", "web2");
    assert_eq!(messages(&report), ["it has a value already, which was left as it is"]);
    // In another storage as well.
    let elsewhere = Fleet::new().machine("web1").secret("a").machine("web2").secret("a").backend(VAULT);
    let report = renamed(&desk, &elsewhere, A, NEW);
    assert_eq!(messages(&report), ["it has a value already, which was left as it is"]);
    assert_eq!(desk.entries(), before);
}

#[test]
fn what_cannot_be_renamed_is_told_with_what_to_do() {
    let desk = Desk::new();
    generated(&desk, &three());
    let before = desk.entries();
    let web2 = three().renamed("web2");
    for (fleet, old, new, message, hint) in [
        (three(), "web1", "web1", "the old name and the new one are the same", "second argument"),
        (three(), A, "web1/a", "the old name and the new one are the same", "second argument"),
        (web2.clone(), "web9", "web2", "no stored entry matches this selector", "web1"),
        (web2.clone(), "web2/a", "web2/b", "not stored, so there is no value to rename", ""),
        (web2.clone(), "web1/a", "web2", "one artifact, machine or user is renamed at a time", "name one instance"),
        (web2.clone(), "web1/*", "web2/a", "one artifact, machine or user is renamed at a time", "name one instance"),
        (
            web2.clone(),
            "web1/a",
            "web2/x",
            "not declared",
            "artifacts.store.x.files.f = { };\nartifacts.store.x.files.p.secret = false;",
        ),
        (web2.clone(), "web1/a", "shared/x y", "not declared", "artifacts.store.\"x y\".shared = true;"),
        (web2.clone(), "web1", "web3", "no machine or user of this name declares artifacts", "web2"),
        (
            one().renamed("web2").backend(ON_TARGET),
            A,
            NEW,
            "generated on the target; nothing is stored here",
            "declare a backend",
        ),
        (one().renamed("web2").blocked(), A, NEW, "cannot be evaluated yet", "generate"),
        (Fleet::new().machine("web2").secret("other").machine("web1"), A, "web2/other", "", ""),
    ] {
        let report = renamed(&desk, &fleet, old, new);
        if message.is_empty() {
            assert!(report.errors.is_empty(), "{:?}", report.errors);
            continue;
        }
        assert_eq!(report.errors.len(), 1, "{old} {new}: {:?}", report.errors);
        assert!(messages(&report)[0].contains(message), "{old} {new}: {:?}", report.errors);
        assert!(
            report.errors[0].hint.as_deref().unwrap_or_default().contains(hint),
            "{old} {new}: {:?}",
            report.errors
        );
        assert_eq!(desk.entries(), before, "{old} {new}");
    }
}

#[test]
fn what_the_new_machine_does_not_declare_is_left_and_named() {
    let desk = Desk::new();
    generated(&desk, &three());
    let fleet = Fleet::new().machine("web2").secret("a").public("p").secret("b");
    let report = renamed(&desk, &fleet, "web1", "web2");
    assert_eq!(messages(&report), ["per-machine/web2/c is not declared"]);
    assert!(report.errors[0].hint.as_ref().unwrap().contains("artifacts.store.c.files.f = { };"));
    let expected = ["secrets/per-machine/web1/c", "secrets/per-machine/web2/a", "secrets/per-machine/web2/b"];
    assert_eq!(paths(&desk), expected);
}

#[test]
fn an_edited_entry_and_one_without_a_receipt_get_no_new_name() {
    for edit in [(|path| std::fs::write(path, "admin,host\nby hand").unwrap()) as fn(std::path::PathBuf), |path| {
        std::fs::remove_file(path.with_file_name("receipt.json")).unwrap();
    }] {
        let desk = Desk::new();
        generated(&desk, &one());
        edit(desk.entry(A).join("f.fake"));
        let before = desk.entries();
        let report = renamed(&desk, &one().renamed("web2"), A, NEW);
        assert_eq!((report.errors.len(), desk.entries()), (1, before), "{:?}", report.errors);
    }
}

#[test]
fn what_no_one_here_reads_under_its_new_name_keeps_its_old_entry() {
    let desk = Desk::new();
    generated(&desk, &one());
    desk.world.borrow_mut().identity = Some("admin".to_owned());
    desk.world.borrow_mut().recipients(&["host"]);
    let fleet = one().renamed("web2");
    let report = renamed(&desk, &fleet, A, NEW);
    assert!(
        messages(&report)[0].contains("the old entry `secrets/per-machine/web1/a` was left"),
        "{:?}",
        report.errors
    );
    assert!(report.errors[0].hint.as_ref().unwrap().contains(&format!("`artifacts rename {A} {NEW}`")));
    assert_eq!(paths(&desk).len(), 2);
    let found = status(&desk, &fleet);
    assert_eq!(found.orphaned[0].hints.len(), 2, "{:?}", found.orphaned);
    assert!(artifacts_report::hint_line(&found.orphaned[0].hints, &[A]).unwrap().contains(NEW));
    desk.world.borrow_mut().identity = None;
    assert!(renamed(&desk, &fleet, A, NEW).errors.is_empty());
    assert_eq!(paths(&desk), [format!("secrets/{NEW}")]);
}

#[test]
fn a_preview_shows_what_would_be_renamed_and_decrypts_nothing() {
    let desk = Desk::new();
    generated(&desk, &one());
    let before = desk.entries();
    let fleet = one().renamed("web2");
    let mut run = run(&desk, &fleet);
    let (selection, rename) = selected(&run, "web1", "web2").unwrap();
    let report = run.survey(&selection).preview(&rename);
    let row = &report.rows[&NEW.parse().unwrap()];
    assert_eq!((row.done, row.notes.as_slice()), (Some(RowAction::WouldRename), ["was web1/a".to_owned()].as_slice()));
    assert!(report.errors.is_empty(), "{:?}", report.errors);
    assert_eq!((desk.entries(), desk.world.borrow().count("retrieve")), (before, 0));
}

#[test]
fn what_is_absent_names_the_rename_that_keeps_its_value() {
    let desk = Desk::new();
    generated(&desk, &one());
    let fleet = one().renamed("web2");
    let found = status(&desk, &fleet);
    let line = artifacts_report::hint_line(&found.rows[&NEW.parse().unwrap()].hints, &[NEW]).unwrap();
    assert_eq!(line, format!("keep: `artifacts rename {A} {NEW}`; new value: `artifacts generate --yes {NEW}`"));
    assert!(
        artifacts_report::hint_line(&found.orphaned[0].hints, &[A])
            .unwrap()
            .starts_with(&format!("keep: `artifacts rename {A} {NEW}`"))
    );
    desk.answer([Answer::NoOne]);
    let report = fakes::generated(&desk, &fleet);
    assert!(
        report.errors[0].hint.as_ref().unwrap().contains(&format!("keep: `artifacts rename {A} {NEW}`")),
        "{:?}",
        report.errors
    );
}

#[test]
fn a_file_read_under_its_new_name_is_the_same() {
    let desk = Desk::new();
    generated(&desk, &one());
    let fleet = one().renamed("web2");
    assert!(renamed(&desk, &fleet, A, NEW).errors.is_empty());
    assert_eq!(read(&desk, &fleet, NEW, "f"), format!("{A}/f#1"));
}
