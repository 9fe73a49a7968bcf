//! Every state × every change: what is written, and that a value is replaced only where that is what was asked for.
#![allow(clippy::unwrap_used)]

use std::time::Duration;

use crate::fakes::{A, Desk, Fleet, ON_TARGET, adopted, generated, generated_with, rekeyed_with, set};
use artifacts_flow::{Generate, Replaces, Report};

/// What a change does to an instance.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Outcome {
    /// Nothing is written, and nothing fails.
    Nothing,
    /// It gets a new value.
    NewValue,
    /// The same value is encrypted again.
    Kept,
    /// Its files stay, and get a new receipt.
    Accepted,
    /// It fails, and is as it was.
    Refused,
}

use Outcome::{Accepted, Kept, NewValue, Nothing, Refused};

/// Makes a change, under its name.
type Change = (&'static str, fn(&Desk, &Fleet) -> Report);

const CHANGES: [Change; 10] = [
    ("generate", |desk, fleet| generated_with(desk, fleet, &[A], Generate::default())),
    ("generate --stale", |desk, fleet| {
        generated_with(desk, fleet, &[A], Generate { replaces: Replaces::Outdated, ..Generate::default() })
    }),
    ("generate --regenerate", |desk, fleet| {
        generated_with(desk, fleet, &[A], Generate { replaces: Replaces::All, ..Generate::default() })
    }),
    ("rotate --stale", |desk, fleet| {
        generated_with(
            desk,
            fleet,
            &[A],
            Generate { replaces: Replaces::Outdated, only_stored: true, ..Generate::default() },
        )
    }),
    ("rotate", |desk, fleet| {
        generated_with(
            desk,
            fleet,
            &[A],
            Generate { replaces: Replaces::All, only_stored: true, ..Generate::default() },
        )
    }),
    ("rekey", |desk, fleet| rekeyed_with(desk, fleet, &[A], false).0),
    ("rekey --all", |desk, fleet| rekeyed_with(desk, fleet, &[A], true).0),
    ("adopt", |desk, fleet| adopted(desk, fleet, &[])),
    ("adopt NAME", |desk, fleet| adopted(desk, fleet, &[A])),
    ("set", |desk, fleet| set(desk, fleet, A, "f", "given")),
];

/// The stored value, the whole file, and the receipt.
fn stored(desk: &Desk) -> (Option<String>, Option<String>, Option<String>) {
    let read = |file: &str| std::fs::read_to_string(desk.entry(A).join(file)).ok();
    let file = read("f.fake");
    (file.as_ref().and_then(|text| Some(text.split_once('\n')?.1.to_owned())), file, read("receipt.json"))
}

fn outcome(desk: &Desk, fleet: &Fleet, change: fn(&Desk, &Fleet) -> Report) -> Outcome {
    let (before, written) = (stored(desk), desk.world.borrow().count("serialize"));
    let report = change(desk, fleet);
    let after = stored(desk);
    let is_written = desk.world.borrow().count("serialize") > written;
    if !report.errors.is_empty() {
        assert_eq!(before, after, "what fails is as it was: {:?}", report.errors);
        return Refused;
    }
    if before.0 != after.0 {
        NewValue
    } else if is_written {
        Kept
    } else if before.2 != after.2 {
        Accepted
    } else {
        Nothing
    }
}

/// Checks what each change does in a state that `prepare` brings about.
fn check(state: &str, expected: [Outcome; 10], prepare: impl Fn(&mut Desk) -> Fleet) {
    let found: Vec<Outcome> = CHANGES
        .iter()
        .map(|(_, change)| {
            let mut desk = Desk::new();
            let fleet = prepare(&mut desk);
            outcome(&desk, &fleet, *change)
        })
        .collect();
    let names = CHANGES.map(|(name, _)| name);
    for ((name, expected), found) in names.iter().zip(expected).zip(found) {
        assert_eq!(found, expected, "{state} × {name}");
    }
}

fn one() -> Fleet {
    Fleet::new().machine("web1").secret("a")
}

fn present(desk: &Desk, fleet: &Fleet) {
    let report = generated(desk, fleet);
    assert!(report.errors.is_empty(), "{:?}", report.errors);
}

#[test]
fn absent() {
    check(
        "absent",
        [NewValue, NewValue, NewValue, Nothing, Nothing, Nothing, Nothing, Nothing, Nothing, NewValue],
        |_| one(),
    );
}

#[test]
fn present_and_as_declared() {
    check(
        "present",
        [Nothing, Nothing, NewValue, Nothing, NewValue, Nothing, Kept, Nothing, Nothing, NewValue],
        |desk| {
            present(desk, &one());
            one()
        },
    );
}

#[test]
fn stale_because_of_its_recipients() {
    check(
        "recipients",
        [Nothing, Nothing, NewValue, Nothing, NewValue, Kept, Kept, Nothing, Refused, NewValue],
        |desk| {
            present(desk, &one());
            desk.world.borrow_mut().recipients(&["admin", "new"]);
            one()
        },
    );
}

#[test]
fn stale_because_a_file_was_never_stored() {
    check(
        "unstored file",
        [Nothing, Nothing, NewValue, Nothing, NewValue, Nothing, Kept, Nothing, Refused, NewValue],
        |desk| {
            present(desk, &one());
            one().file("g")
        },
    );
}

#[test]
fn stale_because_a_file_is_no_longer_declared() {
    check(
        "undeclared file",
        [Nothing, Nothing, NewValue, Nothing, NewValue, Kept, Kept, Nothing, Refused, NewValue],
        |desk| {
            present(desk, &one().file("g"));
            one()
        },
    );
}

#[test]
fn stale_because_it_is_not_as_its_receipt_says() {
    check(
        "receipt",
        [Nothing, Nothing, NewValue, Nothing, NewValue, Refused, Refused, Accepted, Accepted, Refused],
        |desk| {
            present(desk, &one());
            std::fs::write(desk.entry(A).join("f.fake"), "admin,host\nby hand").unwrap();
            one()
        },
    );
}

#[test]
fn stale_because_of_its_validation() {
    check(
        "validation",
        [Nothing, NewValue, NewValue, NewValue, NewValue, Nothing, Kept, Nothing, Accepted, NewValue],
        |desk| {
            present(desk, &one().validation("1"));
            one().validation("2")
        },
    );
}

#[test]
fn stale_because_it_expired() {
    check(
        "expired",
        [Nothing, NewValue, NewValue, NewValue, NewValue, Nothing, Kept, Nothing, Accepted, NewValue],
        |desk| {
            present(desk, &one().max_age(60));
            desk.now += Duration::from_secs(61);
            one().max_age(60)
        },
    );
}

#[test]
fn stale_because_of_a_dependency() {
    check(
        "dependency",
        [Nothing, NewValue, NewValue, NewValue, NewValue, Nothing, Kept, Nothing, Accepted, NewValue],
        |desk| {
            let fleet = Fleet::new().machine("web1").secret("z").secret("a").depends_on("z");
            present(desk, &fleet);
            let report = set(desk, &fleet, "per-machine/web1/z", "f", "new");
            assert!(report.errors.is_empty(), "{:?}", report.errors);
            fleet
        },
    );
}

#[test]
fn on_target() {
    check(
        "on-target",
        [Nothing, Nothing, Nothing, Nothing, Nothing, Nothing, Nothing, Nothing, Nothing, Refused],
        |_| one().backend(ON_TARGET),
    );
}

#[test]
fn blocked() {
    check(
        "blocked",
        [Nothing, Nothing, Nothing, Nothing, Nothing, Nothing, Nothing, Nothing, Nothing, Refused],
        |_| one().blocked(),
    );
}

#[test]
fn error() {
    check("error", [Refused; 10], |desk| {
        present(desk, &one());
        desk.world.borrow_mut().broken.insert(A.to_owned());
        one()
    });
}

#[test]
fn stored_by_another_program_without_a_receipt() {
    check(
        "no receipt",
        [Nothing, Nothing, NewValue, Nothing, NewValue, Refused, Refused, Accepted, Accepted, Refused],
        |desk| {
            present(desk, &one());
            std::fs::remove_file(desk.entry(A).join("receipt.json")).unwrap();
            one()
        },
    );
}

#[test]
fn without_a_generator() {
    check(
        "no generator",
        [NewValue, NewValue, NewValue, Nothing, Nothing, Nothing, Nothing, Nothing, Nothing, NewValue],
        |_| one().without_generator(),
    );
}
