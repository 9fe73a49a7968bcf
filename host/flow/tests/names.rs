//! Who the recipients are: a name is shown, and never decides anything.
#![allow(clippy::unwrap_used)]

use crate::fakes;
use crate::fakes::{A, Desk, Fleet, generated, generated_with, state, status};
use artifacts_flow::{Answer, Generate, Replaces, Report};
use serde_json::json;

fn rekeyed(desk: &Desk, fleet: &Fleet) -> Report {
    fakes::rekeyed(desk, fleet, false).0
}

/// Why `a` is stale, in words.
fn reasons(desk: &Desk, fleet: &Fleet) -> Vec<String> {
    state(&status(desk, fleet), A).reasons().iter().map(|reason| reason.message.clone()).collect()
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
        assert_eq!(
            reasons(&desk, &fleet),
            [if labels.is_some() { "KEY CHANGED: \"alice\"" } else { "KEY CHANGED: alice" }]
        );
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
fn a_person_who_is_given_a_key_that_was_accepted_under_another_name_is_found_out() {
    let given = [
        fleet(&[("alice", "k2")]),
        fleet(&[("alice", "k2"), ("bob", "k2")]),
        fleet(&[("bob", "k2")]).machine("alice").host_key("k2"),
    ];
    for fleet in given {
        let desk = Desk::new();
        to(&desk, &["k-host", "k1", "k2"]);
        generated(&desk, &self::fleet(&[("alice", "k1"), ("bob", "k2")]));
        asked(&desk);
        to(&desk, &["k-host", "k2"]);
        assert_eq!(reasons(&desk, &fleet), ["KEY CHANGED: alice"]);
        rekeyed(&desk, &fleet);
        assert_eq!(asked(&desk), ["recipients -alice (1, KEY CHANGED)?"]);
    }
    // Who leaves with the name leaves, and no more.
    let desk = Desk::new();
    to(&desk, &["k-host", "k1", "k2"]);
    generated(&desk, &fleet(&[("alice", "k1"), ("bob", "k2")]));
    to(&desk, &["k-host", "k2"]);
    assert_eq!(reasons(&desk, &fleet(&[("bob", "k2")])), ["-alice"]);
}

#[test]
fn a_key_that_one_backend_converts_is_one_person_of_both() {
    let ssh = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIOKp8XPqV+YrDnPKy7nK8Nl+gf47zDJPL/yz7O8RT+go";
    let converted = artifacts_age::recipient_of_ssh(ssh).unwrap();
    let desk = Desk::new();
    to(&desk, &[ssh, &converted]);
    generated(&desk, &Fleet::new().machine("web1").host_key(ssh).secret("a"));
    assert_eq!(asked(&desk), ["recipients +web1 (1)?"]);
}

#[test]
fn a_component_that_claims_a_name_of_the_declarations_is_not_repeated() {
    let desk = Desk::new();
    to(&desk, &["k-host", "evil"]);
    desk.world.borrow_mut().labels.insert("evil".to_owned(), "web1".to_owned());
    generated(&desk, &fleet(&[]));
    assert_eq!(asked(&desk), ["recipients +evil (1), +web1 (1)?"]);
}

#[test]
fn who_was_accepted_and_got_nothing_does_not_leave() {
    let again = Generate { replaces: Replaces::All, ..Generate::default() };
    for is_stored in [false, true] {
        let desk = Desk::new();
        to(&desk, &["k-host"]);
        generated(&desk, &fleet(&[]));
        to(&desk, &["k-host", "k1"]);
        let alice = fleet(&[("alice", "k1")]);
        if !is_stored {
            desk.generators.state.lock().unwrap().fail.insert(A.to_owned());
        }
        asked(&desk);
        let report = generated_with(&desk, &alice, &["a"], again);
        assert_eq!((asked(&desk), report.errors.is_empty()), (vec!["recipients +alice (1)?".to_owned()], is_stored));
        desk.generators.state.lock().unwrap().fail.clear();
        to(&desk, &["k-host"]);
        generated_with(&desk, &fleet(&[]), &["a"], again);
        let leaves = if is_stored { vec!["recipients -alice (1)?"] } else { Vec::new() };
        assert_eq!(asked(&desk), leaves);
    }
}

#[test]
fn a_no_to_others_keeps_no_new_name_from_who_was_accepted() {
    let desk = Desk::new();
    to(&desk, &["k-host", "k1"]);
    generated(&desk, &fleet(&[("alice", "k1")]));
    let renamed = fleet(&[("alicia", "k1")]).machine("web2").admin("bob", "k2").secret("b");
    desk.world.borrow_mut().own_recipients.insert("per-machine/web2/b".to_owned(), vec!["k2".to_owned()]);
    asked(&desk);
    desk.answer([Answer::Yes { by: "test" }, Answer::No]);
    let again = Generate { replaces: Replaces::All, ..Generate::default() };
    let report = generated_with(&desk, &renamed, &["web1", "web2"], again);
    assert_eq!((asked(&desk).len(), report.errors.len()), (1, 1), "{:?}", report.errors);
    to(&desk, &["k-host"]);
    assert_eq!(reasons(&desk, &fleet(&[])), ["-alice, alicia"]);
}

#[test]
fn no_declaration_gives_a_key_a_known_name_in_silence() {
    let to_evil = |fleet: Fleet| fleet.admin("newadmin", "evil");
    let config = |backend: &str, config: serde_json::Value| fleet(&[("alice", "k1")]).config(backend, config);
    let host = |name: &str, key: &str| Fleet::new().machine(name).host_key(key).admin("alice", "k1").secret("a");
    let many = ["v1", "v2", "v3"].iter().fold(Fleet::new(), |fleet, name| fleet.machine(name).host_key("evil"));
    let many = many.machine("web1").host_key("evil").admin("alice", "k1").secret("a");
    let evil = "age1evil";
    let mut wrong = Vec::new();
    for (hostile, key, shown) in [
        // A known name with another key.
        (fleet(&[("alice", "evil")]), "evil", "alice (1, KEY CHANGED)"),
        (host("web1", "evil"), "evil", "web1 (1, KEY CHANGED)"),
        // And with another name beside it.
        (to_evil(fleet(&[("alice", "evil")])), "evil", "alice, newadmin (1, KEY CHANGED)"),
        (to_evil(host("web1", "evil")), "evil", "newadmin, web1 (1, KEY CHANGED)"),
        (many, "evil", "v1, v2, v3, web1 (1, KEY CHANGED)"),
        (to_evil(config("fake", json!({"publicHostKey": evil}))).admin("x", evil), evil, "web1, x (1, KEY CHANGED)"),
        // The name of an admin for a machine. The other way round is refused.
        (fleet(&[]).machine("alice").host_key("evil"), "evil", "alice (1, KEY CHANGED)"),
        // For a machine of its own.
        (fleet(&[("alice", "k1")]).machine("own").admin("alice", "evil"), "evil", "alice (1, KEY CHANGED)"),
        // Text that looks like a name.
        (fleet(&[("alice", "k1")]).machine("web1, alice").host_key("evil"), "evil", "\"web1, alice\" (1)"),
        (config("aaa", json!({"alice (YubiKey)": evil})), evil, "age1evil (1)"),
        (config("aaa", json!({"publicHostKey": evil})), evil, "age1evil (1)"),
        (config("fake", json!({"alice (YubiKey)": evil})), evil, "age1evil (1)"),
        (config("fake", json!({"publicUserKeys": [evil]})), evil, "publicUserKeys[0] of web1 (1)"),
        (config("fake", json!({"x": "ssh-x AAAA alice"})), "ssh-x AAAA", "ssh-x SHA256:"),
        (config("fake", json!({"x": "ssh-x AAAA alice "})), "ssh-x AAAA", "ssh-x SHA256:"),
        // Its comment gives the name of who left.
        (fleet(&[]).config("fake", json!({"x": "ssh-x AAAA alice"})), "ssh-x AAAA", "\"alice\" (1, KEY CHANGED)"),
        (fleet(&[]).config("fake", json!({"x": "ssh-x  AAAA  alice "})), "ssh-x AAAA", "\"alice\" (1, KEY CHANGED)"),
        (fleet(&[("alice", "k1")]), "alice", "\"alice\" (1)"),
        (fleet(&[]), "alice", "\"alice\" (1)"),
        (fleet(&[("alice", "k1")]), "ssh-x, (alice)", "\"ssh-x, (alice)\" (1)"),
    ] {
        let desk = Desk::new();
        to(&desk, &["k-host", "k1"]);
        generated(&desk, &fleet(&[("alice", "k1")]));
        asked(&desk);
        to(&desk, &["k-host", "k1", key]);
        desk.answer([Answer::No]);
        rekeyed(&desk, &hostile);
        let asked = asked(&desk).join("; ");
        if !asked.contains(&format!("+{shown}")) {
            wrong.push(format!("{shown}: {asked}"));
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}

#[test]
fn each_name_of_a_key_is_compared_for_itself() {
    let (alice, bob) = (
        "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIOKp8XPqV+YrDnPKy7nK8Nl+gf47zDJPL/yz7O8RT+go",
        "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIGb9ECWmEzf6FQbrBZ9w7lshQhqowtrbLDFw4rXAxZuE",
    );
    let converted = artifacts_age::recipient_of_ssh(alice).unwrap();
    for (of_bob, shown) in [(bob, "+alice (1)"), (&*converted, "+alice, bob (1, KEY CHANGED)")] {
        let desk = Desk::new();
        to(&desk, &[alice, bob]);
        generated(&desk, &fleet(&[("alice", alice), ("bob", bob)]));
        asked(&desk);
        to(&desk, &[&converted, bob]);
        rekeyed(&desk, &fleet(&[("alice", &converted), ("bob", of_bob)]));
        let asked = asked(&desk).join("; ");
        assert!(asked.contains(shown), "{shown}: {asked}");
    }
}

#[test]
fn a_key_of_a_machine_that_is_not_selected_keeps_its_name() {
    let desk = Desk::new();
    to(&desk, &["k1"]);
    let one = Fleet::new().machine("web1").admin("alice", "k1").secret("a");
    generated(&desk, &one);
    let two = one.machine("web2").admin("alice", "k2").secret("b");
    to(&desk, &["k2"]);
    generated_with(&desk, &two, &["web2"], Generate::default());
    assert!(asked(&desk).join("; ").contains("+alice (1, KEY CHANGED)"));
    // Whoever is given the first key is no stranger.
    let three = two.clone().machine("web3").admin("alice", "k1").secret("c");
    to(&desk, &["k1"]);
    generated_with(&desk, &three, &["web3"], Generate::default());
    assert_eq!(asked(&desk), ["recipients +alice (1)?"]);
    to(&desk, &["k1", "k2"]);
    rekeyed(&desk, &two);
    let asked = asked(&desk).join("; ");
    assert!(asked.contains("alice") && !asked.contains("KEY CHANGED"), "{asked}");
}
