//! What Nix, or a file, says is declared.

use std::collections::BTreeMap;
use std::path::Path;

use artifacts_declared::{InstanceName, Spec, TargetId};
use artifacts_flow::{Declared, Evaluate};
use artifacts_generate::StorePath;
use artifacts_nix::{Flake, Nix, TargetRef};
use artifacts_plan::Selector;
use artifacts_report::Failure;

use crate::console::Console;
use crate::declarations::Declarations;
use crate::environment::Environment;
use crate::global::Global;

/// Evaluates the flake or reads the file that the options name, for what some selectors need.
pub struct Evaluator {
    global: Global,
    nix: Nix,
    selectors: Vec<Selector>,
    console: Console,
    /// Whether Nix's messages were shown.
    is_shown: bool,
    /// The configuration of the flake that each target is, or is inside of.
    exported: BTreeMap<TargetId, TargetRef>,
}

impl Evaluator {
    /// Evaluates what these selectors need; everything if there are none.
    pub fn new(global: &Global, nix: &Nix, selectors: &[Selector], console: Console) -> Self {
        let (global, nix, selectors) = (global.clone(), nix.clone(), selectors.to_vec());
        Self { global, nix, selectors, console, is_shown: false, exported: BTreeMap::new() }
    }
}

impl Evaluate for Evaluator {
    fn evaluate(&mut self) -> Result<Declared, Failure> {
        let waiting = self.console.waits("evaluating");
        let mut declarations = Declarations::load(&self.global, &self.nix, &self.selectors)?;
        drop(waiting);
        self.exported = std::mem::take(&mut declarations.exported);
        self.console.name_instances(declarations.short_names());
        if !std::mem::replace(&mut self.is_shown, true) {
            declarations.show(&self.console);
        }
        Ok(declarations.declared())
    }

    fn why_blocked(&self, spec: &Spec, names: &[InstanceName]) -> BTreeMap<InstanceName, String> {
        let mut reasons = BTreeMap::new();
        if names.is_empty() || self.global.spec.is_some() {
            return reasons;
        }
        let Ok(flake) = self.nix.flake(&self.global.flake) else { return reasons };
        let jobs = self.global.eval_jobs.unwrap_or_else(Environment::evaluations_at_once).get();
        for some in names.chunks(jobs) {
            std::thread::scope(|scope| {
                let ask = |name| {
                    let flake = &flake;
                    (name, scope.spawn(move || self.reason(flake, spec, name)))
                };
                let asked: Vec<_> = some.iter().map(ask).collect();
                for (name, thread) in asked {
                    reasons.extend(thread.join().ok().flatten().map(|why| (name.clone(), why)));
                }
            });
        }
        reasons
    }

    fn store_of(&self, path: &Path) -> Option<StorePath> {
        artifacts_flow::store_of(path, &self.nix)
    }
}

impl Evaluator {
    fn reason(&self, flake: &Flake<'_>, spec: &Spec, name: &InstanceName) -> Option<String> {
        let (exported, owner, artifact) = spec.targets.iter().find_map(|target| {
            let mut blocked = target.artifacts.iter().filter(|(_, artifact)| artifact.blocked);
            let (artifact, _) = blocked.find(|(artifact, declared)| target.instance(artifact, declared) == *name)?;
            Some((self.exported.get(&target.id())?, target, artifact))
        })?;
        let why = flake.why_blocked(exported, owner, artifact.as_str()).ok()?;
        Some(why.trim_start_matches("artifacts: ").to_owned())
    }
}
