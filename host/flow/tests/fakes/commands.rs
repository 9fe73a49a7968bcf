//! Whole commands on a desk, and what their reports say.

use std::num::NonZeroUsize;
use std::path::Path;

use artifacts_declared::{InstanceName, Name};
use artifacts_flow::{Adopt, Generate, Prune, Rekey, Report, Run, Set, Tally, generate};
use artifacts_plan::{InstanceState, Selector};
use artifacts_seam::Secret;

use super::{Desk, Fleet};

/// Instances of the machine `web1`.
pub const A: &str = "per-machine/web1/a";
pub const B: &str = "per-machine/web1/b";
pub const C: &str = "per-machine/web1/c";

pub fn name(text: &str) -> InstanceName {
    text.parse().unwrap()
}

pub fn selectors(words: &[&str]) -> Vec<Selector> {
    words.iter().map(|word| Selector::new(*word)).collect()
}

/// A run that evaluates the same again and again.
pub fn run(desk: &Desk, fleet: &Fleet) -> Run {
    Run::open(desk.declared(fleet), desk.tools(vec![desk.declared(fleet)]))
}

pub fn generated(desk: &Desk, fleet: &Fleet) -> Report {
    generated_with(desk, fleet, &[], Generate::default())
}

pub fn generated_with(desk: &Desk, fleet: &Fleet, words: &[&str], change: Generate) -> Report {
    let report = generate(&mut run(desk, fleet), &selectors(words), &change, NonZeroUsize::MIN);
    assert!(desk.is_unlocked());
    report
}

/// The same where each evaluation gives the next of these.
pub fn generated_in_rounds(desk: &Desk, evaluations: &[&Fleet]) -> Report {
    let evaluations: Vec<_> = evaluations.iter().map(|fleet| desk.declared(fleet)).collect();
    let mut run = Run::open(evaluations[0].clone(), desk.tools(evaluations[1..].to_vec()));
    let report = generate(&mut run, &[], &Generate::default(), NonZeroUsize::MIN);
    assert!(desk.is_unlocked());
    report
}

pub fn rekeyed(desk: &Desk, fleet: &Fleet, all: bool) -> (Report, Tally) {
    rekeyed_with(desk, fleet, &[], all)
}

pub fn rekeyed_with(desk: &Desk, fleet: &Fleet, words: &[&str], all: bool) -> (Report, Tally) {
    let mut run = run(desk, fleet);
    let selection = run.select(&selectors(words));
    let written = run.survey(&selection).lock(Rekey { all }).agree().rekey();
    let tally = written.tally();
    let report = written.finish();
    assert!(desk.is_unlocked());
    (report, tally)
}

pub fn adopted(desk: &Desk, fleet: &Fleet, words: &[&str]) -> Report {
    let mut run = run(desk, fleet);
    let selection = run.select(&selectors(words));
    let report = run.survey(&selection).lock(Adopt).agree().adopt().finish();
    assert!(desk.is_unlocked());
    report
}

pub fn pruned(desk: &Desk, fleet: &Fleet) -> Report {
    let mut run = run(desk, fleet);
    let selection = run.select_orphans(&[]);
    let report = run.survey(&selection).lock(Prune).agree().remove().finish();
    assert!(desk.is_unlocked());
    report
}

pub fn set(desk: &Desk, fleet: &Fleet, instance: &str, file: &str, value: &str) -> Report {
    let mut run = run(desk, fleet);
    let selection = run.select_one(&name(instance));
    let agreed = run.survey(&selection).lock(setting(instance, file)).agree();
    let report =
        if agreed.is_open() { agreed.set(Secret::new(value.as_bytes().to_vec())).finish() } else { agreed.give_up() };
    assert!(desk.is_unlocked());
    report
}

/// The change that sets a file.
pub fn setting(instance: &str, file: &str) -> Set {
    Set { instance: name(instance), file: Name::new(file).unwrap(), opens: false }
}

pub fn status(desk: &Desk, fleet: &Fleet) -> Report {
    let mut run = run(desk, fleet);
    let selection = run.select(&[]);
    run.survey(&selection).finish()
}

/// The value of a stored file.
pub fn read(desk: &Desk, fleet: &Fleet, instance: &str, file: &str) -> String {
    let value = run(desk, fleet).read_file(&name(instance), &Name::new(file).unwrap()).unwrap();
    String::from_utf8(value.expose().to_vec()).unwrap()
}

/// The instances whose generators ran, in order.
pub fn ran(desk: &Desk) -> Vec<String> {
    desk.generators.state.lock().unwrap().ran.clone()
}

pub fn state(report: &Report, instance: &str) -> InstanceState {
    report.rows[&name(instance)].state.clone()
}

/// The kinds of the reasons for which an instance is stale.
pub fn reasons(report: &Report, instance: &str) -> Vec<String> {
    state(report, instance).reasons().iter().map(|reason| reason.kind.as_str().to_owned()).collect()
}

pub fn messages(report: &Report) -> Vec<&str> {
    report.errors.iter().map(|failure| failure.message.as_str()).collect()
}

/// The names in a directory; none where it does not exist.
pub fn files(directory: &Path) -> Vec<String> {
    let Ok(entries) = std::fs::read_dir(directory) else { return Vec::new() };
    let mut names: Vec<String> =
        entries.map(|entry| entry.unwrap().file_name().to_string_lossy().into_owned()).collect();
    names.sort();
    names
}
