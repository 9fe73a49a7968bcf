//! Values that are replaced: always after a yes, and those that someone could read.
#![allow(clippy::unwrap_used)]

use std::num::NonZeroUsize;
use std::process::Command;
use std::time::Duration;

use crate::fakes::{
    A, B, C, Desk, Fleet, Misbehavior, generated, generated_with, messages, name, ran, read, rekeyed, run, selectors,
    set, state,
};
use artifacts_flow::{Answer, Generate, Replaces, Report, RotateReadable, preview};
use artifacts_plan::{InstanceState, Selector};
use artifacts_report::{ExposedValue, RowAction};

/// Replaced by hand.
const D: &str = "per-machine/web1/d";

const ROTATE: Generate = Generate { replaces: Replaces::All, only_stored: true, yes: false };
const STALE: Generate = Generate { replaces: Replaces::Outdated, only_stored: true, yes: false };

fn three() -> Fleet {
    Fleet::new().machine("web1").secret("a").secret("b").secret("c").depends_on("a")
}

/// A desk on which all of these were generated.
fn present(fleet: &Fleet) -> Desk {
    let desk = Desk::new();
    let report = generated(&desk, fleet);
    assert!(report.errors.is_empty(), "{:?}", report.errors);
    desk.take_said();
    desk.generators.state.lock().unwrap().ran.clear();
    desk
}

fn is_question(said: &str) -> bool {
    said.starts_with("replace ")
}

#[test]
fn it_asks_once_however_few_are_named_and_a_no_or_no_one_changes_nothing() {
    let desk = present(&three());
    let before = desk.entries();
    for words in [&[][..], &["web1"], &[A, B, C]] {
        for (answer, message) in [
            (Answer::No, "nothing changed: 3 values were not replaced"),
            (Answer::NoOne, "confirmation is required to replace 3 values, but no terminal is available"),
        ] {
            desk.answer([answer]);
            let report = generated_with(&desk, &three(), words, ROTATE);
            assert_eq!(messages(&report)[0], message, "{words:?}");
            assert_eq!((desk.entries(), desk.take_said()), (before.clone(), vec!["replace 3?".to_owned()]));
        }
    }
    let report = generated_with(&desk, &three(), &[], ROTATE);
    assert!(report.errors.is_empty(), "{:?}", report.errors);
    assert_eq!(ran(&desk), [A, B, C], "dependencies first");
    assert_eq!(desk.take_said().iter().filter(|said| is_question(said)).count(), 1);
    assert!(desk.entries().iter().all(|(path, value)| before[path] != *value));
}

#[test]
fn after_a_no_nothing_is_generated_for_the_first_time_either() {
    let desk = present(&Fleet::new().machine("web1").secret("a"));
    desk.answer([Answer::No]);
    let both = Generate { only_stored: false, ..ROTATE };
    let report = generated_with(&desk, &Fleet::new().machine("web1").secret("a").secret("b"), &[], both);
    assert_eq!(messages(&report), ["nothing changed: 1 value was not replaced"]);
    assert!(ran(&desk).is_empty());
}

#[test]
fn what_is_absent_is_left_to_generate_unless_a_value_is_made_from_it() {
    let desk = Desk::new();
    let report = generated_with(&desk, &three(), &[], ROTATE);
    assert!(report.errors.is_empty() && ran(&desk).is_empty() && desk.take_said().is_empty());
    assert_eq!((state(&report, A), report.exit_status()), (InstanceState::Absent, 3));
    generated(&desk, &three());
    std::fs::remove_dir_all(desk.entry(A)).unwrap();
    std::fs::remove_dir_all(desk.entry(B)).unwrap();
    desk.generators.state.lock().unwrap().ran.clear();
    let report = generated_with(&desk, &three(), &[C], ROTATE);
    assert!(report.errors.is_empty(), "{:?}", report.errors);
    assert_eq!(ran(&desk), [A, C]);
}

#[test]
fn outdated_ones_are_replaced_in_order_with_what_depends_on_them() {
    let fleet = |value: &str| {
        Fleet::new().machine("web1").secret("z").validation(value).secret("a").depends_on("z").secret("b")
    };
    let desk = present(&fleet("1"));
    let report = generated_with(&desk, &fleet("2"), &[], STALE);
    assert!(report.errors.is_empty(), "{:?}", report.errors);
    assert_eq!(ran(&desk), ["per-machine/web1/z", A]);
    assert_eq!(desk.take_said()[0], "replace 2?");
}

#[test]
fn what_is_replaced_by_hand_is_listed_and_replaced_only_where_it_is_named_in_full() {
    let fleet = || three().secret("d").manual();
    let desk = present(&fleet());
    let value = || read(&desk, &fleet(), D, "f");
    let before = value();
    for words in [&[][..], &["web1"], &["d"], &["*/d"], &["per-machine/web1/"]] {
        let report = generated_with(&desk, &fleet(), words, ROTATE);
        assert!(report.errors.is_empty(), "{:?}", report.errors);
        let row = &report.rows[&name(D)];
        assert_eq!((row.is_manual, row.done, value()), (true, None, before.clone()), "{words:?}");
    }
    for full in ["web1/d", D] {
        let before = value();
        let report = generated_with(&desk, &fleet(), &[full], ROTATE);
        assert_eq!(report.rows[&name(D)].done, Some(RowAction::Regenerated), "{full}");
        assert!(value() != before && !report.rows[&name(D)].is_manual);
    }
    // The first value is no rotation.
    std::fs::remove_dir_all(desk.entry(D)).unwrap();
    assert_eq!(generated(&desk, &fleet()).rows[&name(D)].done, Some(RowAction::Generated));
}

#[test]
fn what_depends_on_a_value_that_is_replaced_by_hand_is_not_replaced_for_it() {
    let fleet =
        |value: &str| Fleet::new().machine("web1").secret("z").validation(value).manual().secret("a").depends_on("z");
    let desk = present(&fleet("1"));
    let report = generated_with(&desk, &fleet("2"), &[], STALE);
    assert!(report.errors.is_empty() && ran(&desk).is_empty(), "{:?}", report.errors);
    assert!(report.rows[&name("per-machine/web1/z")].is_manual);
    assert!(!report.rows[&name(A)].is_manual);
}

/// A desk of which `bob` was a recipient, by the key `gone`, until the values were encrypted again.
fn left(fleet: &Fleet) -> Desk {
    let mut desk = Desk::new();
    desk.world.borrow_mut().recipients(&["admin", "gone"]);
    desk.world.borrow_mut().labels.insert("gone".to_owned(), "bob".to_owned());
    let report = generated(&desk, fleet);
    assert!(report.errors.is_empty(), "{:?}", report.errors);
    desk.now += Duration::from_secs(1);
    desk.world.borrow_mut().recipients(&["admin"]);
    let report = rekeyed(&desk, fleet, false).0;
    assert!(report.errors.is_empty(), "{:?}", report.errors);
    desk.now += Duration::from_secs(1);
    desk.take_said();
    desk.generators.state.lock().unwrap().ran.clear();
    desk
}

fn rotated(desk: &Desk, fleet: &Fleet, who: &str, words: &[&str]) -> Report {
    let words = selectors(words);
    let rotation = RotateReadable { who, selectors: &words, compares: false, yes: false };
    let report = rotation.rotate(&mut run(desk, fleet), NonZeroUsize::MIN);
    assert!(desk.is_unlocked());
    report
}

fn listed(desk: &Desk, fleet: &Fleet, who: &str) -> Report {
    let report = RotateReadable { who, selectors: &[], compares: false, yes: false }.preview(&mut run(desk, fleet));
    assert!(desk.is_unlocked());
    report
}

fn values(report: &Report) -> Vec<&ExposedValue> {
    report.exposure.iter().flat_map(|exposure| &exposure.values).collect()
}

#[test]
fn what_someone_could_read_is_found_in_the_trash_and_asked_about_one_by_one() {
    let fleet = || Fleet::new().machine("web1").secret("a").secret("b");
    let desk = left(&fleet());
    let report = listed(&desk, &fleet(), "bob");
    assert!(report.errors.is_empty(), "{:?}", report.errors);
    assert_eq!(report.exit_status(), 3, "values are left");
    let exposure = report.exposure.as_ref().unwrap();
    assert_eq!((exposure.who.as_str(), exposure.keys.as_slice()), ("bob", &["gone".to_owned()][..]));
    assert_eq!(exposure.gaps.len(), 1, "there is no git: {:?}", exposure.gaps);
    for (value, of) in values(&report).into_iter().zip([A, B]) {
        assert_eq!((value.name.to_string().as_str(), value.trash, value.is_stored), (of, 1, false));
        assert!(value.is_replaceable && value.is_new.is_none() && !value.is_recipient);
    }
    assert!(desk.take_said().is_empty() && ran(&desk).is_empty());
    // Nothing is preselected: one no, one yes, and no further question.
    desk.answer([Answer::No, Answer::Yes { by: "test" }]);
    let report = rotated(&desk, &fleet(), "bob", &[]);
    assert!(report.errors.is_empty(), "{:?}", report.errors);
    let said = desk.take_said();
    assert_eq!(
        said.iter().filter(|said| is_question(said)).collect::<Vec<_>>(),
        [&format!("replace {A}?"), &format!("replace {B}?")]
    );
    assert_eq!((ran(&desk), report.exit_status()), (vec![B.to_owned()], 3));
    // The one that is named is asked about once more, together with others.
    let report = rotated(&desk, &fleet(), "bob", &["a"]);
    assert!(report.errors.is_empty(), "{:?}", report.errors);
    assert_eq!(desk.take_said()[0], "replace 1?");
    assert_eq!((ran(&desk), report.exit_status()), (vec![B.to_owned(), A.to_owned()], 0));
}

#[test]
fn no_one_to_ask_replaces_nothing_and_says_so() {
    let fleet = || Fleet::new().machine("web1").secret("a");
    let desk = left(&fleet());
    let before = desk.entries();
    for (words, message) in [
        (&[][..], "nothing was selected, and no terminal is available to ask about each value"),
        (&["a"], "confirmation is required to replace 1 value, but no terminal is available"),
        (&["web9"], "nothing that bob could read matches this selector"),
    ] {
        desk.answer([Answer::NoOne]);
        let report = rotated(&desk, &fleet(), "bob", words);
        assert_eq!((messages(&report), report.exit_status()), (vec![message], 1));
        assert_eq!(desk.entries(), before);
        desk.answers.borrow_mut().clear();
    }
    let report = listed(&desk, &fleet(), "carol");
    assert_eq!(messages(&report), ["no recipient was accepted under this name on this machine"]);
}

#[test]
fn a_name_that_the_checkout_gives_to_a_key_is_no_proof() {
    let fleet = || Fleet::new().machine("web1").secret("a");
    let desk = left(&fleet());
    // Another key under the name, which no one accepted.
    let evil = fleet().admin("bob", "age1evil");
    let report = listed(&desk, &evil, "bob");
    assert_eq!(report.exposure.as_ref().unwrap().keys, ["gone"]);
    assert_eq!(values(&report).len(), 1);
    // A receipt that hides them leaves what was accepted, and what is in the trash.
    let report = listed(&desk, &fleet().admin("dave", "age1dave"), "dave");
    assert!(report.errors[0].hint.as_ref().unwrap().contains("pass the public key itself"), "{:?}", report.errors);
}

#[test]
fn who_is_still_declared_could_read_the_new_value_and_it_is_not_replaced() {
    let fleet = Fleet::new().machine("web1").secret("a");
    let desk = Desk::new();
    desk.world.borrow_mut().recipients(&["admin", "gone"]);
    desk.world.borrow_mut().labels.insert("gone".to_owned(), "bob".to_owned());
    generated(&desk, &fleet);
    desk.take_said();
    let before = desk.entries();
    let report = listed(&desk, &fleet, "bob");
    let value = values(&report)[0];
    assert!(value.is_stored && value.is_accepted && value.is_recipient);
    let report = rotated(&desk, &fleet, "bob", &[A]);
    assert!(messages(&report)[0].starts_with("not replaced: bob is still declared"), "{:?}", report.errors);
    let report = rotated(&desk, &fleet, "bob", &[]);
    assert!(report.errors.is_empty() && desk.take_said().is_empty(), "it is only listed");
    assert_eq!(desk.entries(), before);
}

#[test]
fn unknown_recipients_and_what_was_generated_from_a_value_are_listed() {
    let desk = Desk::new();
    desk.world.borrow_mut().recipients(&["admin", "gone"]);
    desk.world.borrow_mut().labels.insert("gone".to_owned(), "bob".to_owned());
    for other in [B, C] {
        desk.world.borrow_mut().own_recipients.insert(other.to_owned(), vec!["admin".to_owned()]);
    }
    assert!(generated(&desk, &three()).errors.is_empty());
    // As if it was adopted: no one knows whom it is encrypted to.
    let path = desk.entry(B).join("receipt.json");
    let mut receipt: serde_json::Value = serde_json::from_slice(&std::fs::read(&path).unwrap()).unwrap();
    receipt["recipients"]["f"] = serde_json::json!([]);
    std::fs::write(&path, receipt.to_string()).unwrap();
    let report = listed(&desk, &three(), "bob");
    let values = values(&report);
    let of =
        |of: &str| values.iter().find(|value| value.name == name(of)).unwrap_or_else(|| panic!("{of}: {values:?}"));
    assert!(of(A).is_readable() && of(A).from.is_empty());
    assert!(of(B).is_unknown && !of(B).is_readable());
    assert!(!of(C).is_readable() && of(C).from.contains(&name(A)));
}

#[test]
fn what_is_replaced_by_hand_is_not_offered_to_someone_who_answers_for_each() {
    let fleet = || Fleet::new().machine("web1").secret("a").manual().secret("b");
    let desk = left(&fleet());
    let report = rotated(&desk, &fleet(), "bob", &[]);
    assert!(report.errors.is_empty() && values(&report)[0].is_manual);
    let report = rotated(&desk, &fleet(), "bob", &["web1"]);
    assert!(report.errors.is_empty(), "{:?}", report.errors);
    assert_eq!(ran(&desk), [B, B]);
    let report = rotated(&desk, &fleet(), "bob", &["web1/a"]);
    assert!(report.errors.is_empty(), "{:?}", report.errors);
    assert_eq!(ran(&desk), [B, B, A]);
}

#[test]
fn versions_in_gits_history_count_also_under_a_former_name() {
    let git = |desk: &Desk, arguments: &[&str]| {
        let mut command = Command::new("git");
        command.args(["-c", "user.name=t", "-c", "user.email=t@t"]).args(arguments).current_dir(desk.root());
        assert!(command.env("GIT_CONFIG_GLOBAL", "/dev/null").output().unwrap().status.success(), "{arguments:?}");
    };
    let fleet = Fleet::new().machine("web1").secret("a");
    let mut desk = Desk::new();
    git(&desk, &["init", "-q"]);
    desk.world.borrow_mut().recipients(&["admin", "gone"]);
    desk.world.borrow_mut().labels.insert("gone".to_owned(), "bob".to_owned());
    generated(&desk, &fleet);
    git(&desk, &["add", "secrets"]);
    git(&desk, &["commit", "-qm", "with bob"]);
    desk.now += Duration::from_secs(1);
    desk.world.borrow_mut().recipients(&["admin"]);
    rekeyed(&desk, &fleet, false);
    let new = fleet.clone().renamed("web2");
    let mut renaming = run(&desk, &new);
    let [old, other] = ["web1", "web2"].map(Selector::new);
    let (selection, rename) = renaming.select_renamed(&old, &other).unwrap();
    let report = renaming.survey(&selection).lock(rename).agree().rename().finish();
    assert!(report.errors.is_empty(), "{:?}", report.errors);
    drop(renaming);
    git(&desk, &["add", "-A", "secrets"]);
    git(&desk, &["commit", "-qm", "without"]);
    std::fs::remove_dir_all(desk.trash()).unwrap();
    let report = listed(&desk, &new, "bob");
    let values = values(&report);
    assert_eq!(values.len(), 1, "{values:?}");
    assert_eq!((values[0].name.clone(), values[0].history), (name("per-machine/web2/a"), 1));
    assert!(values[0].former.contains(&name(A)) && values[0].is_replaceable);
    assert!(report.exposure.as_ref().unwrap().gaps.is_empty(), "{:?}", report.exposure);
}

#[test]
fn a_preview_shows_what_would_be_replaced_what_becomes_stale_and_its_units() {
    let fleet = Fleet::new().machine("web1").secret("a").restarts("a.service").secret("c").depends_on("a");
    let desk = present(&fleet);
    let before = desk.entries();
    let report = preview(&mut run(&desk, &fleet), &[Selector::new("web1/a")], &ROTATE);
    let row = &report.rows[&name(A)];
    assert_eq!(row.done, Some(RowAction::WouldRegenerate));
    assert_eq!(row.units[0].restarted.iter().collect::<Vec<_>>(), ["a.service"]);
    assert_eq!(row.notes, ["makes stale: per-machine/web1/c"]);
    assert_eq!((desk.entries(), desk.take_said().iter().filter(|said| is_question(said)).count()), (before, 0));
}

#[test]
fn that_a_value_is_new_is_known_where_all_that_they_could_read_and_the_current_one_were_decrypted() {
    let fleet = || Fleet::new().machine("web1").secret("a").secret("b");
    let compared = |desk: &Desk| {
        let report =
            RotateReadable { who: "bob", selectors: &[], compares: true, yes: false }.preview(&mut run(desk, &fleet()));
        assert!(report.errors.is_empty(), "{:?}", report.errors);
        (values(&report).iter().map(|value| value.is_new).collect::<Vec<_>>(), report.exit_status())
    };
    let mut desk = left(&fleet());
    assert_eq!(compared(&desk), (vec![Some(false), Some(false)], 3), "they were encrypted again, and are the same");
    generated_with(&desk, &fleet(), &["a"], ROTATE);
    assert_eq!(compared(&desk), (vec![Some(true), Some(false)], 3));
    desk.now += Duration::from_secs(1);
    generated_with(&desk, &fleet(), &["b"], ROTATE);
    assert_eq!(compared(&desk), (vec![Some(true), Some(true)], 0), "nothing is left");
    // Without a look inside it is not known.
    assert_eq!(values(&listed(&desk, &fleet(), "bob"))[0].is_new, None);
}

#[test]
fn what_they_could_read_is_compared_with_every_file_of_now_whatever_that_was_called() {
    let old = Fleet::new().machine("web1").secret("a").file("secret");
    let now = Fleet::new().machine("web1").secret("a");
    for (new, file) in [(now.clone().file("token"), "token"), (now.public("secret"), "secret")] {
        let mut desk = left(&old);
        let value = read(&desk, &old, A, "secret");
        generated_with(&desk, &new, &[], ROTATE);
        desk.now += Duration::from_secs(1);
        let compared = || {
            let rotation = RotateReadable { who: "bob", selectors: &[], compares: true, yes: false };
            let report = rotation.preview(&mut run(&desk, &new));
            assert!(report.errors.is_empty(), "{file}: {:?}", report.errors);
            values(&report)[0].is_new
        };
        assert_eq!(compared(), Some(true), "{file}");
        assert!(set(&desk, &new, A, file, &value).errors.is_empty());
        assert_eq!(compared(), Some(false), "{file}: the same value is in another file");
    }
}

#[test]
fn why_an_old_version_cannot_be_compared_is_said_of_that_version() {
    let fleet = Fleet::new().machine("web1").secret("a");
    let desk = left(&fleet);
    generated_with(&desk, &fleet, &[], ROTATE);
    let compared = || {
        let rotation = RotateReadable { who: "bob", selectors: &[], compares: true, yes: false };
        rotation.preview(&mut run(&desk, &fleet))
    };
    let before = desk.world.borrow().calls.len();
    compared();
    let last = desk.world.borrow().calls.len();
    desk.world.borrow_mut().misbehave.insert(2 * last - before, Misbehavior::Fail);
    let report = compared();
    let [failure] = report.errors.as_slice() else { panic!("{:?}", report.errors) };
    assert!(failure.message.starts_with("an old version in the trash cannot be compared: "), "{}", failure.message);
    assert_eq!((failure.hint.as_ref(), values(&report)[0].is_new), (None, None));
}

#[test]
fn who_leaves_is_named_with_how_many_values_they_could_read() {
    let fleet = Fleet::new().machine("web1").secret("a").secret("b");
    let desk = Desk::new();
    desk.world.borrow_mut().recipients(&["admin", "gone", "nameless"]);
    desk.world.borrow_mut().labels.insert("gone".to_owned(), "bob".to_owned());
    generated(&desk, &fleet);
    desk.world.borrow_mut().recipients(&["admin", "new"]);
    let report = rekeyed(&desk, &fleet, false).0;
    assert!(report.errors.is_empty(), "{:?}", report.errors);
    let former: Vec<(&str, usize)> = report.former.iter().map(|(who, count)| (who.as_str(), *count)).collect();
    assert_eq!(former, [("bob", 2), ("nameless", 2)]);
}
