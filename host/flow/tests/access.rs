//! What generators may read, and which may use what a person enters: asked about once, and again when anything of it changes.
#![allow(clippy::unwrap_used)]

use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

use crate::fakes::{A, B, C, Desk, Fleet, generated, generated_in_rounds, generated_with, messages, run};
use artifacts_flow::{Answer, Generate, Replaces, preview};
use artifacts_trust::Trust;
use serde_json::json;

fn one() -> Fleet {
    Fleet::new().machine("web1").secret("a")
}

/// `b` reads `a`.
fn reader() -> Fleet {
    one().secret("b").depends_on("a")
}

/// The questions about read access and answers since the last look.
fn asked(desk: &Desk) -> Vec<String> {
    desk.take_said().into_iter().filter(|said| said.contains("access ") && said.ends_with('?')).collect()
}

/// What the last line of the audit log says that somebody agreed to.
fn last_consent(desk: &Desk, about: &str) -> serde_json::Value {
    let log = std::fs::read_to_string(desk.audit_log()).unwrap();
    let line = log.lines().rfind(|line| line.contains(&format!("\"about\":\"{about}\""))).unwrap();
    serde_json::from_str(line).unwrap()
}

/// Has `b` forgotten, but not whether somebody agreed to anything.
fn remove(desk: &Desk, instance: &str) {
    std::fs::remove_dir_all(desk.entry(instance)).unwrap();
}

#[test]
fn what_a_person_or_a_former_run_made_is_read_after_a_yes_and_what_is_new_is_read_without() {
    const REGENERATE: Generate = Generate { replaces: Replaces::All, only_stored: false, yes: false };
    type Case = (&'static str, fn(&Desk) -> Fleet, Generate, usize);
    let cases: [Case; 8] = [
        ("all is new", |_| reader().secret("c").depends_on("b"), Generate::default(), 0),
        (
            "stored before",
            |desk| {
                generated(desk, &one());
                reader()
            },
            Generate::default(),
            1,
        ),
        (
            "new, of what was stored before",
            |desk| {
                generated(desk, &one());
                reader().secret("c").depends_on("b")
            },
            Generate::default(),
            2,
        ),
        ("new, of what is typed", |_| one().prompt("p").secret("b").depends_on("a"), Generate::default(), 1),
        (
            "generated again",
            |desk| {
                generated(desk, &one());
                reader()
            },
            REGENERATE,
            1,
        ),
        (
            "generated again under recipients of before",
            |desk| {
                generated(desk, &one());
                remove(desk, A);
                reader()
            },
            Generate { yes: true, ..Generate::default() },
            1,
        ),
        (
            "public",
            |desk| {
                let public = || Fleet::new().machine("web1").artifact("a").public("p");
                generated(desk, &public());
                public().secret("b").depends_on("a")
            },
            Generate::default(),
            0,
        ),
        (
            "public beside a secret",
            |desk| {
                generated(desk, &one().public("p"));
                one().public("p").secret("b").depends_on("a")
            },
            Generate::default(),
            1,
        ),
    ];
    for (case, prepare, change, expected) in cases {
        let desk = Desk::new();
        let fleet = prepare(&desk);
        desk.take_said();
        let report = generated_with(&desk, &fleet, &["web1"], change);
        assert!(report.errors.is_empty(), "{case}: {:?}", report.errors);
        let questions: Vec<String> = (expected > 0).then(|| format!("read access {expected}?")).into_iter().collect();
        assert_eq!((asked(&desk), report.read_requests.len()), (questions, expected), "{case}");
    }
}

#[test]
fn what_a_public_file_was_made_of_in_this_run_is_read_after_a_yes() {
    // `p` publishes what it read; what reads that in a later round has read the secret.
    let desk = Desk::new();
    generated(&desk, &one());
    let first = || one().artifact("p").public("p").depends_on("a");
    let (blocked, unblocked) = (first().artifact("b").blocked(), first().secret("b").depends_on("p"));
    desk.take_said();
    let report = generated_in_rounds(&desk, &[&blocked, &unblocked]);
    assert!(report.errors.is_empty(), "{:?}", report.errors);
    assert_eq!(asked(&desk), ["read access 1?", "read access 1?"]);
    assert_eq!(
        report.read_requests.iter().map(|one| one.dependent.as_str()).collect::<Vec<_>>(),
        ["per-machine/web1/p", B]
    );
}

#[test]
fn a_read_access_is_accepted_for_exactly_what_was_shown() {
    let desk = Desk::new();
    generated(&desk, &one());
    generated(&desk, &reader());
    assert_eq!(asked(&desk), ["read access 1?"]);
    let again = |fleet: &Fleet| {
        remove(&desk, B);
        let report = generated_with(&desk, fleet, &[], Generate { yes: true, ..Generate::default() });
        assert!(report.errors.is_empty(), "{:?}", report.errors);
        asked(&desk)
    };
    assert!(again(&reader()).is_empty(), "it is accepted");
    let consent = last_consent(&desk, "read-access");
    assert!(consent.to_string().contains(A) && consent.to_string().contains(B), "{consent}");
    for changed in [reader().network(), reader().public("p"), reader().generated_by(Path::new("/other"))] {
        assert_eq!(again(&changed), ["read access 1?"]);
        assert!(again(&changed).is_empty(), "that is accepted as well");
    }
    desk.world.borrow_mut().recipients(&["admin", "host", "new"]);
    assert_eq!(again(&reader()), ["read access 1?"], "whom the dependent is encrypted to is part of it");
}

#[test]
fn what_an_earlier_version_accepted_by_the_path_of_the_checkout_counts() {
    let desk = Desk::new();
    generated(&desk, &one());
    let request = preview(&mut run(&desk, &reader()), &[], &Generate::default()).read_requests;
    let trust = Trust::new(desk.state().join("accepted"));
    trust.accept(&json!({"checkout": desk.root(), "reading": request[0].stored()})).unwrap();
    desk.take_said();
    assert!(generated(&desk, &reader()).errors.is_empty());
    assert!(asked(&desk).is_empty());
}

/// An executable file.
fn program(path: PathBuf, text: &str) -> PathBuf {
    std::fs::create_dir_all(path.parent().unwrap()).unwrap();
    std::fs::write(&path, text).unwrap();
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o755)).unwrap();
    path
}

#[test]
fn a_generator_is_known_by_its_path_in_the_store_and_by_its_bytes_elsewhere() {
    type Place = fn(&Desk) -> (PathBuf, PathBuf);
    let places: [(&str, Place, bool); 4] = [
        ("in the store", |desk| (desk.store().join("g"), desk.store().join("g")), false),
        ("in the checkout", |desk| (desk.root().join("g"), desk.root().join("g")), true),
        ("up from the store", |desk| (desk.root().join("g"), desk.store().join("../checkout/g")), true),
        (
            "linked from the store",
            |desk| {
                std::os::unix::fs::symlink(desk.root().join("g"), desk.store().join("link")).unwrap();
                (desk.root().join("g"), desk.store().join("link"))
            },
            true,
        ),
    ];
    for (place, paths, has_hash) in places {
        for with_prompt in [false, true] {
            let desk = Desk::new();
            std::fs::create_dir(desk.store()).unwrap();
            let (real, path) = paths(&desk);
            program(real.clone(), "one");
            let fleet = if with_prompt {
                Fleet::new().machine("web1").secret("b").network().prompt("p").generated_by(&path)
            } else {
                generated(&desk, &one());
                reader().generated_by(&path)
            };
            desk.take_said();
            let report = generated(&desk, &fleet);
            let hash = if with_prompt { &report.answer_requests[0].sha256 } else { &report.read_requests[0].sha256 };
            let expected = has_hash.then(|| artifacts_digest::Sha256::digest("one").to_string());
            assert_eq!(*hash, expected, "{place}");
            assert_eq!(asked(&desk).len(), 1, "{place}");
            program(real, "two");
            remove(&desk, B);
            generated_with(&desk, &fleet, &[], Generate { yes: true, ..Generate::default() });
            assert_eq!(asked(&desk).len(), usize::from(has_hash), "{place}");
        }
    }
}

#[test]
fn a_consent_to_answers_is_for_exactly_what_was_shown() {
    let desk = Desk::new();
    let fleet = || one().network().prompt("p");
    let again = |fleet: &Fleet| {
        std::fs::remove_dir_all(desk.entry(A)).ok();
        let report = generated_with(&desk, fleet, &[], Generate { yes: true, ..Generate::default() });
        assert!(report.errors.is_empty(), "{:?}", report.errors);
        assert_eq!(report.answer_requests.len(), asked(&desk).len());
        report.answer_requests.len()
    };
    assert_eq!((again(&fleet()), again(&fleet())), (1, 0));
    assert!(last_consent(&desk, "answers").to_string().contains(A));
    for changed in [fleet().prompt("q"), fleet().public("cert"), fleet().generated_by(Path::new("/other"))] {
        assert_eq!((again(&changed), again(&changed)), (1, 0));
    }
    // What needs no answer, or keeps it, needs no consent.
    assert_eq!((again(&one().network().public("cert")), again(&one().prompt("p"))), (0, 0));
}

#[test]
fn a_no_is_asked_about_again() {
    for fleet in [reader(), one().secret("b").network().prompt("p")] {
        let desk = Desk::new();
        generated(&desk, &one());
        desk.take_said();
        for answer in [Answer::No, Answer::NoOne, Answer::Yes { by: "test" }] {
            let is_yes = answer.is_yes();
            desk.answer([answer]);
            generated(&desk, &fleet);
            assert_eq!(asked(&desk).len(), 1);
            assert_eq!(desk.entry(B).exists(), is_yes);
        }
    }
}

#[test]
fn a_preview_names_what_a_run_would_ask_and_stores_nothing() {
    let desk = Desk::new();
    generated(&desk, &one());
    let fleet = reader().secret("c").network().prompt("p");
    for _ in 0..2 {
        let report = preview(&mut run(&desk, &fleet), &[], &Generate::default());
        assert_eq!((report.read_requests.len(), report.answer_requests.len()), (1, 1), "{:?}", report.errors);
        assert_eq!(report.answer_requests[0].instance, C);
    }
    generated(&desk, &fleet);
    let report =
        preview(&mut run(&desk, &fleet), &[], &Generate { replaces: Replaces::All, yes: true, ..Generate::default() });
    assert_eq!((report.read_requests.len(), report.answer_requests.len()), (0, 0));
}

#[test]
fn where_no_one_can_be_asked_only_what_asks_drops_out() {
    let desk = Desk::new();
    generated(&desk, &one());
    desk.answer([Answer::NoOne]);
    let report = generated(&desk, &reader().secret("c"));
    assert_eq!(messages(&report).len(), 1);
    assert!(report.errors[0].subject == B && desk.entry(C).exists() && !desk.entry(B).exists());
}
