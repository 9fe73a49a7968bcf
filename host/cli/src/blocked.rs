//! What blocked instances wait for, in Nix's own words.

use std::collections::{BTreeMap, BTreeSet};

use artifacts_declared::{InstanceName, Spec, Target, TargetKind};
use artifacts_nix::{Flake, TargetRef};
use artifacts_plan::State;
use artifacts_report::{Failure, Report, Row};

use crate::args::Global;
use crate::declarations::instance;
use crate::environment::Environment;
use crate::rooms::Run;

/// Adds to the rows of instances that wait for others which.
pub fn note(waiting: &BTreeMap<InstanceName, InstanceName>, report: &mut Report) {
    for (name, reason) in waiting.iter().filter(|(name, reason)| name != reason) {
        let name = name.to_string();
        let row = report.instances.iter_mut().find(|row| row.name == name);
        if let Some(row) = row.filter(|row| row.state == State::Blocked) {
            row.notes.push(format!("it waits for {reason}, which cannot be made yet"));
        }
    }
}

/// Adds to the rows of blocked instances what they wait for. It is asked only now, since one whose value is made by this very
/// run waits for nothing in the end.
pub fn explain(run: &Run, global: &Global, report: &mut Report) {
    let blocked = run.instances.values().filter(|instance| instance.blocked);
    let blocked: BTreeSet<String> = blocked.map(|instance| instance.name.to_string()).collect();
    let waits = |row: &&mut Row| row.state == State::Blocked && blocked.contains(&row.name);
    let mut rows: Vec<&mut Row> = report.instances.iter_mut().filter(waits).collect();
    if rows.is_empty() || global.spec.is_some() {
        return;
    }
    let Ok(flake) = run.nix().flake(&global.flake) else { return };
    let jobs = global.eval_jobs.unwrap_or_else(Environment::evaluations_at_once).get();
    for some in rows.chunks_mut(jobs) {
        std::thread::scope(|scope| {
            for row in some {
                let (flake, spec) = (&flake, run.spec());
                scope.spawn(move || {
                    let Some(why) = reason(flake, spec, &row.name) else { return };
                    let first = why.lines().next().unwrap_or_default();
                    match first.split_once(AWAITED) {
                        Some((what, command)) => {
                            row.notes.push(format!("it waits: {what}{AWAITED} `{}`", command.trim()));
                        }
                        None => row.state = State::Error(why),
                    }
                });
            }
        });
    }
    // Whatever else an artifact fails with is a mistake, for which nothing can be made.
    for row in rows {
        if let State::Error(why) = &row.state {
            let help = "correct its declaration; `--nix-arg --show-trace` tells where it comes from";
            report.errors.push(Failure::new(row.name.clone(), why.clone()).hint(Some(help)));
        }
    }
}

/// What the modules say of a public file that is not made yet.
const AWAITED: &str = "is not there yet; run:";

fn reason(flake: &Flake<'_>, spec: &Spec, name: &str) -> Option<String> {
    let (exported, owner, artifact) = spec.targets.iter().find_map(|target| {
        let mut blocked = target.artifacts.iter().filter(|(_, artifact)| artifact.blocked);
        let (artifact, _) =
            blocked.find(|(artifact, declared)| instance(target, artifact, declared).to_string() == name)?;
        Some((exported(flake, target)?, target, artifact))
    })?;
    let why = flake.why_blocked(&exported, owner, artifact.as_str()).ok()?;
    Some(why.trim_start_matches("artifacts: ").to_owned())
}

/// What the flake exports that has the target: itself, or the machine that a user is in.
fn exported(flake: &Flake<'_>, target: &Target) -> Option<TargetRef> {
    let scope = if target.kind == TargetKind::HomeManager { "per-user" } else { "per-machine" };
    flake.targets_of(&format!("{scope}/{}", target.name))?.into_iter().next()
}
