//! Dependencies on what another target has, over fakes: what is asked, what is stored, and what waits.
#![allow(clippy::unwrap_used)]

use std::collections::{BTreeMap, BTreeSet};
use std::num::NonZeroUsize;

use crate::fakes::{Desk, Fleet, ON_TARGET, TARGETS};
use artifacts_declared::{InstanceName, TargetKind};
use artifacts_flow::{Answer, Declared, Generate, Replaces, Report, Run, generate, preview};
use artifacts_plan::{InstanceState, Selector};

const ID: &str = "per-machine/ctrl/id";
const NET: &str = "shared/net";

/// A controller with a secret, from which something is made for all.
fn fleet() -> Fleet {
    let net = |fleet: Fleet| fleet.artifact("net").public("public").file("f").shared().reads("ctrl", ID);
    let fleet = net(Fleet::new().machine("ctrl").secret("id"));
    net(net(fleet.machine("peer1")).machine("peer2"))
}

fn desk() -> Desk {
    let desk = Desk::new();
    desk.world.borrow_mut().recipients(&["admin", TARGETS]);
    desk
}

fn run(desk: &Desk, declared: &Declared) -> Run {
    Run::open(declared.clone(), desk.tools(vec![declared.clone()]))
}

fn generated(desk: &Desk, fleet: &Fleet, words: &[&str], change: Generate) -> Report {
    let selectors: Vec<Selector> = words.iter().map(|word| Selector::new(*word)).collect();
    generate(&mut run(desk, &desk.declared(fleet)), &selectors, &change, NonZeroUsize::MIN)
}

fn status(desk: &Desk, declared: &Declared) -> Report {
    let mut run = run(desk, declared);
    let selection = run.select(&[]);
    run.survey(&selection).finish()
}

fn state(report: &Report, name: &str) -> InstanceState {
    report.rows[&name.parse::<InstanceName>().unwrap()].state.clone()
}

fn readings(desk: &Desk) -> usize {
    desk.take_said().iter().filter(|said| said.starts_with("read access")).count()
}

/// Recipients of the stored file `f`, in the fake's own format.
fn recipients(desk: &Desk, name: &str) -> BTreeSet<String> {
    let text = std::fs::read_to_string(desk.entry(name).join("f.fake")).unwrap();
    text.lines().next().unwrap().split(',').map(str::to_owned).collect()
}

#[test]
fn what_leaves_its_target_is_asked_about_at_first_generation_too_and_once() {
    let desk = desk();
    let report = generated(&desk, &fleet(), &[], Generate::default());
    assert!(report.errors.is_empty(), "{:?}", report.errors);
    assert_eq!(readings(&desk), 1);
    let read = desk.generators.state.lock().unwrap().inputs.clone();
    assert_eq!(read[&format!("{NET}/ctrl/f")], format!("{ID}/f#1"));
    let again = Generate { replaces: Replaces::All, yes: true, ..Generate::default() };
    let report = generated(&desk, &fleet(), &[], again);
    assert!(report.errors.is_empty(), "{:?}", report.errors);
    assert_eq!(readings(&desk), 0, "it was allowed");
}

#[test]
fn only_what_leaves_is_asked_about_at_first_generation() {
    let one = Fleet::new().machine("web1").secret("id");
    for (fleet, leaves) in [
        (one.clone().secret("a").depends_on("id"), false),
        (one.clone().secret("a").reads("other", "per-machine/web1/id"), false),
        (one.clone().shared().secret("a").depends_on("id"), false),
        (one.clone().shared().machine("web2").secret("a").depends_on("id"), true),
        (one.clone().shared().machine("web2").secret("id").shared().undeployed().secret("a").depends_on("id"), false),
        (
            one.clone()
                .shared()
                .secret("a")
                .shared()
                .depends_on("id")
                .machine("web2")
                .secret("a")
                .shared()
                .depends_on("id"),
            true,
        ),
        (one.clone().machine("web2").artifact("a").public("f").reads("id", "per-machine/web1/id"), true),
        (
            Fleet::new()
                .machine("web1")
                .artifact("id")
                .public("f")
                .machine("web2")
                .secret("a")
                .reads("id", "per-machine/web1/id"),
            true,
        ),
    ] {
        let desk = desk();
        let report = generated(&desk, &fleet, &[], Generate::default());
        assert!(report.errors.is_empty(), "{:?}", report.errors);
        assert_eq!(readings(&desk), usize::from(leaves), "{:?}", fleet.spec().targets);
    }
}

#[test]
fn the_question_names_the_targets_and_the_recipients_that_gain() {
    let desk = desk();
    let mut run = run(&desk, &desk.declared(&fleet()));
    let report = preview(&mut run, &[], &Generate::default());
    let [request] = report.read_requests.as_slice() else { panic!("{:?}", report.read_requests) };
    assert_eq!((request.dependent.as_str(), request.dependency.as_str()), (NET, ID));
    assert_eq!(request.targets, ["peer1 (nixos)", "peer2 (nixos)"]);
    let gaining: Vec<&str> = request.gaining.keys().map(String::as_str).collect();
    assert_eq!(gaining, ["peer1", "peer2"], "the admin and the controller can read it already");
    assert_eq!(request.public, ["public"]);
}

#[test]
fn who_can_decrypt_what_is_read_is_who_was_accepted_for_it_and_not_who_is_declared() {
    let desk = desk();
    let gaining = |words: &[&str]| {
        let selectors: Vec<Selector> = words.iter().map(|word| Selector::new(*word)).collect();
        let again = Generate { replaces: Replaces::All, ..Generate::default() };
        let report = preview(&mut run(&desk, &desk.declared(&fleet())), &selectors, &again);
        let [request] = report.read_requests.as_slice() else { panic!("{:?}", report.read_requests) };
        request.gaining.keys().cloned().collect::<Vec<_>>()
    };
    generated(&desk, &fleet(), &["ctrl/id"], Generate::default());
    assert_eq!(gaining(&[NET]), ["peer1", "peer2"]);
    // A push adds a recipient to both.
    desk.world.borrow_mut().recipients(&["admin", TARGETS, "mallory"]);
    assert_eq!(gaining(&[NET]), ["mallory", "peer1", "peer2"]);
    assert_eq!(gaining(&[NET, "ctrl/id"]), ["peer1", "peer2"], "a new value is for those who are declared now");
    // Who was accepted where nothing was stored after that did not join.
    desk.generators.state.lock().unwrap().fail.insert(ID.to_owned());
    let again = Generate { replaces: Replaces::All, yes: true, ..Generate::default() };
    generated(&desk, &fleet(), &["ctrl/id"], again);
    assert_eq!(gaining(&[NET]), ["mallory", "peer1", "peer2"]);
    desk.generators.state.lock().unwrap().fail.clear();
    let again = Generate { replaces: Replaces::All, yes: true, ..Generate::default() };
    generated(&desk, &fleet(), &["ctrl/id"], again);
    assert_eq!(gaining(&[NET]), ["peer1", "peer2"]);
    // What a receipt says is no evidence.
    std::fs::remove_dir_all(desk.state()).unwrap();
    assert_eq!(gaining(&[NET]), ["admin", "ctrl", "mallory", "peer1", "peer2"]);
}

#[test]
fn a_dependency_adds_no_recipient() {
    let desk = desk();
    generated(&desk, &fleet(), &[], Generate::default());
    let set = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect::<BTreeSet<_>>();
    assert_eq!(recipients(&desk, ID), set(&["admin", "ctrl"]));
    assert_eq!(recipients(&desk, NET), set(&["admin", "ctrl", "peer1", "peer2"]));
    // The same without the peers: who reads what is made is no matter of what it is made of.
    let alone = Fleet::new().machine("ctrl").secret("id").machine("web1").secret("a").reads("id", ID);
    generated(&desk, &alone, &["web1/a"], Generate::default());
    assert_eq!(recipients(&desk, "per-machine/web1/a"), set(&["admin", "web1"]));
    assert_eq!(recipients(&desk, ID), set(&["admin", "ctrl"]));
}

#[test]
fn a_no_or_no_one_leaves_what_would_be_made_of_it_absent() {
    for answer in [Answer::No, Answer::NoOne] {
        let desk = desk();
        desk.answer([Answer::Yes { by: "test" }, answer]);
        let report = generated(&desk, &fleet(), &[], Generate::default());
        assert_eq!(state(&report, ID), InstanceState::Present);
        assert_eq!(state(&report, NET), InstanceState::Absent);
        assert!(!desk.entry(NET).exists());
        assert!(desk.generators.state.lock().unwrap().ran == [ID], "nothing was given to the generator");
    }
}

#[test]
fn new_values_make_stale_on_other_machines_and_stale_ones_follow() {
    let desk = desk();
    generated(&desk, &fleet(), &[], Generate::default());
    let again = Generate { replaces: Replaces::All, ..Generate::default() };
    let report = generated(&desk, &fleet(), &["ctrl/id"], again);
    assert_eq!(report.now_stale.iter().map(|one| one.name.to_string()).collect::<Vec<_>>(), [NET]);
    let declared = desk.declared(&fleet());
    assert_eq!(state(&status(&desk, &declared), NET).as_str(), "stale");
    let stale = Generate { replaces: Replaces::Outdated, ..Generate::default() };
    generated(&desk, &fleet(), &[], stale);
    assert_eq!(state(&status(&desk, &declared), NET), InstanceState::Present);
}

#[test]
fn what_waits_for_a_target_that_failed_is_blocked_and_all_else_goes_on() {
    let desk = desk();
    let others = Fleet::new().machine("web1").secret("own").secret("a").reads("id", ID);
    let declared = Declared { unevaluated: vec![(TargetKind::Nixos, "ctrl".to_owned())], ..desk.declared(&others) };
    let report = generate(&mut run(&desk, &declared), &[], &Generate::default(), NonZeroUsize::MIN);
    assert_eq!(state(&report, "per-machine/web1/own"), InstanceState::Present);
    let row = &report.rows[&"per-machine/web1/a".parse().unwrap()];
    assert_eq!(row.state, InstanceState::Blocked);
    assert_eq!(row.sentences, [format!("waits for {ID}: nixos ctrl failed to evaluate")]);
    assert!(report.errors.is_empty(), "{:?}", report.errors);
    assert_eq!(state(&status(&desk, &declared), "per-machine/web1/a"), InstanceState::Blocked);
    // With that target it is generated; without it, it stays what it is.
    let whole = desk.declared(&others.machine("ctrl").secret("id"));
    generate(&mut run(&desk, &whole), &[], &Generate::default(), NonZeroUsize::MIN);
    assert_eq!(state(&status(&desk, &declared), "per-machine/web1/a"), InstanceState::Present);
    let again = Generate { replaces: Replaces::All, yes: true, ..Generate::default() };
    let report = generate(&mut run(&desk, &declared), &[Selector::new("web1/a")], &again, NonZeroUsize::MIN);
    assert_eq!(state(&report, "per-machine/web1/a"), InstanceState::Blocked);
}

#[test]
fn what_no_target_has_or_no_one_can_read_is_an_error_that_names_it() {
    let one = Fleet::new().machine("web1").secret("a").reads("id", ID).machine("ctrl");
    for (fleet, message) in [
        (one.clone().secret("ids"), format!("unknown dependency {ID}: no target declares it")),
        (
            one.clone().secret("id").backend(ON_TARGET),
            format!("cannot read its dependency {ID}: generated on the target; nothing is stored here"),
        ),
        (
            one.secret("id").reads("a", "per-machine/web1/a"),
            format!("dependency cycle: per-machine/web1/a -> {ID} -> per-machine/web1/a"),
        ),
    ] {
        let desk = desk();
        let report = generated(&desk, &fleet, &["web1/a"], Generate::default());
        let messages: Vec<&str> = report.errors.iter().map(|failure| failure.message.as_str()).collect();
        assert_eq!(messages, [message]);
        assert!(!desk.entry("per-machine/web1/a").exists());
    }
}

#[test]
fn receipts_name_what_went_in_by_its_instance() {
    let desk = desk();
    generated(&desk, &fleet(), &[], Generate::default());
    let receipt = |name: &str| {
        let text = std::fs::read_to_string(desk.entry(name).join("receipt.json")).unwrap();
        serde_json::from_str::<serde_json::Value>(&text).unwrap()
    };
    let generation = receipt(ID)["generation"].clone();
    let dependencies: BTreeMap<String, serde_json::Value> =
        serde_json::from_value(receipt(NET)["dependencies"].clone()).unwrap();
    assert_eq!(dependencies, BTreeMap::from([(ID.to_owned(), generation)]));
}
