//! Who the recipients are: a name is shown, and never decides anything.
#![allow(clippy::unwrap_used)]

mod fakes;

use std::num::NonZeroUsize;

use artifacts_flow::{Answer, Generate, Rekey, Report, Run, generate};
use artifacts_plan::InstanceState;
use fakes::{Desk, Fleet};

const A: &str = "per-machine/web1/a";

fn run(desk: &Desk, fleet: &Fleet) -> Run {
    Run::open(desk.declared(fleet), desk.tools(vec![desk.declared(fleet)]))
}

fn generated(desk: &Desk, fleet: &Fleet) -> Report {
    generate(&mut run(desk, fleet), &[], &Generate::default(), NonZeroUsize::MIN)
}

fn rekeyed(desk: &Desk, fleet: &Fleet) -> Report {
    let mut run = run(desk, fleet);
    let selection = run.select(&[]);
    run.survey(&selection).lock(Rekey { all: false }).agree().rekey().finish()
}

/// Why `a` is stale, in words.
fn reasons(desk: &Desk, fleet: &Fleet) -> Vec<String> {
    let mut run = run(desk, fleet);
    let selection = run.select(&[]);
    let report = run.survey(&selection).finish();
    let InstanceState::Stale(reasons) = &report.rows[&A.parse().unwrap()].state else { return Vec::new() };
    reasons.iter().map(|reason| reason.message.clone()).collect()
}

/// What was asked about recipients.
fn asked(desk: &Desk) -> Vec<String> {
    desk.take_said().into_iter().filter(|said| said.starts_with("recipient")).collect()
}

fn to(desk: &Desk, recipients: &[&str]) {
    desk.world.borrow_mut().recipients(recipients);
}

/// `web1` with its key `k-host` and these admins.
fn fleet(admins: &[(&str, &str)]) -> Fleet {
    let machine = Fleet::new().machine("web1").host_key("k-host");
    admins.iter().fold(machine, |fleet, (name, key)| fleet.admin(name, key)).secret("a")
}

#[test]
fn who_joins_and_leaves_has_a_name_also_once_it_is_declared_no_more() {
    let desk = Desk::new();
    to(&desk, &["k-host", "k1"]);
    generated(&desk, &fleet(&[("alice", "k1")]));
    assert_eq!(asked(&desk), ["recipients +alice (1), +web1 (1)?"]);
    let receipt = std::fs::read_to_string(desk.entry(A).join("receipt.json")).unwrap();
    assert!(receipt.contains(r#""k-host": "web1""#) && receipt.contains(r#""k1": "alice""#), "{receipt}");

    to(&desk, &["k-host", "k2"]);
    let bob = fleet(&[("bob", "k2")]);
    assert_eq!(reasons(&desk, &bob), ["+bob -alice"]);
    let report = rekeyed(&desk, &bob);
    assert_eq!(report.rows[&A.parse().unwrap()].notes, ["recipients: +bob -alice"]);
    assert_eq!(asked(&desk), ["recipients +bob (1), -alice (1)?"]);
    let json = report.json();
    assert_eq!(json["recipients"][0]["labels"]["k1"], "alice");
    assert_eq!(json["recipients"][0]["before"], serde_json::json!(["k-host", "k1"]));
}

#[test]
fn on_a_machine_that_knows_nothing_only_a_receipt_names_who_leaves() {
    let desk = Desk::new();
    to(&desk, &["k-host", "k1"]);
    generated(&desk, &fleet(&[("alice", "k1")]));
    std::fs::remove_dir_all(desk.state().join("recipients")).unwrap();
    to(&desk, &["k-host"]);
    assert_eq!(reasons(&desk, &fleet(&[])), ["-\"alice\""], "anyone could have written that");
}

#[test]
fn another_key_under_a_known_name_is_found_out() {
    for (fleet, labels) in [
        (fleet(&[("alice", "evil")]), None),
        // Its backend says so.
        (fleet(&[]), Some("alice")),
    ] {
        let desk = Desk::new();
        to(&desk, &["k-host", "k1"]);
        generated(&desk, &self::fleet(&[("alice", "k1")]));
        asked(&desk);
        to(&desk, &["k-host", "evil"]);
        desk.world.borrow_mut().labels.extend(labels.map(|label| ("evil".to_owned(), label.to_owned())));
        desk.answer([Answer::No]);
        rekeyed(&desk, &fleet);
        let name = if labels.is_some() { "\"alice\"" } else { "alice" };
        assert_eq!(asked(&desk), [format!("recipients +{name} (1, KEY CHANGED), -alice (1)?")]);
        // Who says yes has accepted it, and is not told again.
        rekeyed(&desk, &fleet);
        assert_eq!(asked(&desk).len(), 1);
        to(&desk, &["k-host", "k1"]);
        rekeyed(&desk, &self::fleet(&[("alice", "k1")]));
        assert_eq!(
            asked(&desk),
            [format!("recipients +alice (1, KEY CHANGED), -{name} (1)?")],
            "the old key comes back"
        );
    }
}

#[test]
fn a_name_that_is_exchanged_between_accepted_keys_gives_no_one_access() {
    let desk = Desk::new();
    to(&desk, &["k-host", "k1", "k2"]);
    generated(&desk, &fleet(&[("alice", "k1"), ("bob", "k2")]));
    asked(&desk);
    let exchanged = fleet(&[("alice", "k2"), ("bob", "k1")]);
    assert_eq!(reasons(&desk, &exchanged), Vec::<String>::new());
    rekeyed(&desk, &exchanged);
    assert_eq!(asked(&desk), Vec::<String>::new());
}

#[test]
fn a_component_that_claims_a_name_of_the_declarations_is_not_repeated() {
    let desk = Desk::new();
    to(&desk, &["k-host", "evil"]);
    desk.world.borrow_mut().labels.insert("evil".to_owned(), "web1".to_owned());
    generated(&desk, &fleet(&[]));
    assert_eq!(asked(&desk), ["recipients +evil (1), +web1 (1)?"]);
}
