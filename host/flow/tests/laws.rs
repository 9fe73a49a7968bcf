//! What holds of every run: no step is lost, no lock is left, no value is replaced unasked, every call is on record.
#![allow(clippy::unwrap_used)]

use std::collections::BTreeMap;
use std::num::NonZeroUsize;

use crate::fakes::{Desk, Fleet, Misbehavior, run};
use artifacts_flow::{Adopt, Answer, Generate, Prune, Rekey, Run, Selection, Tally};
use proptest::collection::vec;
use proptest::prelude::{Just, Strategy, any, prop_oneof, proptest};
use proptest::test_runner::Config;

/// What goes wrong in a run.
#[derive(Debug, Clone)]
struct Trouble {
    /// Each artifact depends on these of the ones before it.
    dependencies: Vec<Vec<usize>>,
    failing: Vec<usize>,
    misbehavior: Vec<(usize, Misbehavior)>,
    cancel_after: Option<usize>,
    answers: Vec<Answer>,
    jobs: usize,
}

fn troubles() -> impl Strategy<Value = Trouble> {
    let misbehavior = prop_oneof![Just(Misbehavior::Fail), Just(Misbehavior::BeSilent), Just(Misbehavior::Lie)];
    let answer = prop_oneof![4 => Just(Answer::Yes { by: "test" }), 1 => Just(Answer::No), 1 => Just(Answer::NoOne)];
    (
        vec(vec(0_usize..6, 0..3), 1..7),
        vec(0_usize..7, 0..3),
        vec((1_usize..20, misbehavior), 0..3),
        proptest::option::of(1_usize..7),
        vec(answer, 0..4),
        1_usize..4,
    )
        .prop_map(|(dependencies, failing, misbehavior, cancel_after, answers, jobs)| Trouble {
            dependencies,
            failing,
            misbehavior,
            cancel_after,
            answers,
            jobs,
        })
}

fn artifact(number: usize) -> String {
    format!("a{number}")
}

fn fleet(trouble: &Trouble) -> Fleet {
    let mut fleet = Fleet::new().machine("web1");
    for (number, dependencies) in trouble.dependencies.iter().enumerate() {
        fleet = fleet.secret(&artifact(number));
        let mut known: Vec<usize> = dependencies.iter().copied().filter(|other| *other < number).collect();
        known.sort_unstable();
        known.dedup();
        for other in known {
            fleet = fleet.depends_on(&artifact(other));
        }
    }
    fleet
}

fn trouble(desk: &Desk, trouble: &Trouble) {
    let mut generators = desk.generators.state.lock().unwrap();
    generators.fail = trouble.failing.iter().map(|it| format!("per-machine/web1/{}", artifact(*it))).collect();
    generators.cancel_after = trouble.cancel_after;
    drop(generators);
    desk.world.borrow_mut().misbehave = trouble.misbehavior.iter().copied().collect();
    desk.answer(trouble.answers.clone());
}

fn open(desk: &Desk, fleet: &Fleet) -> (Run, Selection) {
    let run = run(desk, fleet);
    let selection = run.select(&[]);
    (run, selection)
}

fn is_complete(tally: Tally) -> bool {
    tally.steps == tally.done + tally.dropped + tally.unreached
}

/// Every stored value, by file.
fn values(desk: &Desk) -> BTreeMap<String, String> {
    let mut values = BTreeMap::new();
    for number in 0..7 {
        let path = desk.entry(&format!("per-machine/web1/{}", artifact(number))).join("f.fake");
        if let Ok(text) = std::fs::read_to_string(path) {
            values.insert(artifact(number), text.split_once('\n').unwrap().1.to_owned());
        }
    }
    values
}

/// Whether each call has two lines in the audit log.
fn is_on_record(desk: &Desk) -> bool {
    let Ok(found) = artifacts_audit::read(&desk.audit_log(), &artifacts_audit::Filter::default()) else { return false };
    let calls = desk.world.borrow().calls.len();
    found.records.len() >= calls && found.records.iter().all(|record| !record.interrupted)
}

proptest! {
    #![proptest_config(Config { cases: 48, failure_persistence: None, ..Config::default() })]

    #[test]
    fn no_step_is_lost_and_no_lock_is_left(first in troubles(), second in troubles(), all in any::<bool>()) {
        let desk = Desk::new();
        let fleet = fleet(&first);
        trouble(&desk, &first);
        let (mut run, selection) = open(&desk, &fleet);
        let jobs = NonZeroUsize::new(first.jobs).unwrap();
        let written = run.survey(&selection).lock(Generate::default()).agree().generate(jobs);
        let tally = written.tally();
        let report = written.finish();
        drop(run);
        assert!(is_complete(tally), "{tally:?}");
        assert_eq!(tally.done, values(&desk).len(), "{:?}", report.errors);
        assert!(desk.is_unlocked() && is_on_record(&desk));

        // What is stored keeps its value, whatever happens while it is encrypted again.
        let before = values(&desk);
        desk.world.borrow_mut().recipients(&["admin", "host", "new"]);
        desk.world.borrow_mut().calls.clear();
        trouble(&desk, &second);
        let (mut run, selection) = open(&desk, &fleet);
        let written = run.survey(&selection).lock(Rekey { all }).agree().rekey();
        let tally = written.tally();
        drop(written.finish());
        drop(run);
        assert!(is_complete(tally), "{tally:?}");
        if !second.misbehavior.iter().any(|(_, one)| *one == Misbehavior::Lie) {
            assert_eq!(before, values(&desk));
        }
        assert!(desk.is_unlocked());
    }

    #[test]
    fn generate_never_replaces_a_value(first in troubles(), second in troubles()) {
        let desk = Desk::new();
        let fleet = fleet(&first);
        trouble(&desk, &first);
        let (mut run, _) = open(&desk, &fleet);
        drop(artifacts_flow::generate(&mut run, &[], &Generate::default(), NonZeroUsize::MIN));
        drop(run);
        let before = values(&desk);
        trouble(&desk, &second);
        let (mut run, _) = open(&desk, &fleet);
        drop(artifacts_flow::generate(&mut run, &[], &Generate::default(), NonZeroUsize::MIN));
        drop(run);
        let after = values(&desk);
        assert!(before.iter().all(|(file, value)| after.get(file) == Some(value)), "{before:?} {after:?}");
        assert!(desk.is_unlocked());
    }

    #[test]
    fn adopting_and_pruning_lose_no_step_either(first in troubles(), modified in vec(0_usize..7, 0..4), left in 0_usize..7) {
        let desk = Desk::new();
        let all = fleet(&first);
        let (mut run, selection) = open(&desk, &all);
        drop(run.survey(&selection).lock(Generate::default()).agree().generate(NonZeroUsize::MIN).finish());
        drop(run);
        for number in &modified {
            let path = desk.entry(&format!("per-machine/web1/{}", artifact(*number))).join("f.fake");
            if path.exists() {
                std::fs::write(path, "admin,host\nby hand").unwrap();
            }
        }
        let (mut run, selection) = open(&desk, &all);
        let written = run.survey(&selection).lock(Adopt).agree().adopt();
        assert!(is_complete(written.tally()));
        drop(written.finish());
        drop(run);
        desk.answer(first.answers.clone());
        let kept = Trouble { dependencies: first.dependencies.iter().take(left).cloned().collect(), ..first.clone() };
        let (mut run, _) = open(&desk, &fleet(&kept));
        let selection = run.select_orphans(&[]);
        let written = run.survey(&selection).lock(Prune).agree().remove();
        assert!(is_complete(written.tally()));
        let report = written.finish();
        drop(run);
        let is_removed = |number: &usize| !desk.entry(&format!("per-machine/web1/{}", artifact(*number))).exists();
        assert!((0..first.dependencies.len().min(left)).all(|number| !is_removed(&number)), "{:?}", report.errors);
        assert!(desk.is_unlocked());
    }
}
