use std::collections::{BTreeMap, BTreeSet};

use artifacts_declared::{InstanceName, Name};
use artifacts_plan::Instance;
use artifacts_report::Failure;
use artifacts_seam::Secret;
use artifacts_store::Generation;

use crate::agree::acceptances::Acceptances;
use crate::agree::allowed::Allowed;
use crate::failure;
use crate::look::steps::Step;
use crate::look::survey::Survey;
use crate::read::retrieve;
use crate::tools::{PromptValues, Tools};

/// What a run knows of what it did before.
#[derive(Default)]
pub struct RunState {
    /// What was read and generated so far, for what depends on it.
    pub inputs: Inputs,
    /// What the admin agreed to replace.
    pub replaced: BTreeSet<InstanceName>,
    /// The instances whose turn is over.
    pub settled: BTreeSet<InstanceName>,
    /// What failed: it is not tried twice in a run, even where something that could be evaluated only later depends on it.
    pub failed: BTreeSet<InstanceName>,
    /// What has a prepared answer that is wrong, with why.
    pub wrong_answers: BTreeMap<InstanceName, Failure>,
    /// What the admin skipped at a prompt, and what depends on it.
    pub skipped: BTreeSet<InstanceName>,
    /// What failed and is tried once more: its prompts are asked again, with the answers that it had.
    pub retried: BTreeSet<InstanceName>,
    /// What the admin entered: nothing is asked twice in a run, whatever fails in between.
    pub answers: PromptValues,
    /// The recipients that were accepted.
    pub acceptances: Acceptances,
}

impl RunState {
    /// Wipes the plaintext that no instance needs whose turn is still to come. It is called once another evaluation tells what
    /// depends on what: what was generated in the last round may be needed by what could not be evaluated in it.
    pub fn begin_round(&mut self, instances: &BTreeMap<InstanceName, Instance>) {
        let waiting = instances.values().filter(|instance| !self.settled.contains(&instance.name));
        let needed: BTreeSet<&InstanceName> = waiting.flat_map(|instance| instance.dependencies.values()).collect();
        self.inputs.files.retain(|name, _| needed.contains(name));
    }

    /// Lets everything that failed be tried once more, these with other answers. Returns all of it.
    pub fn try_again(&mut self, retried: BTreeSet<InstanceName>) -> BTreeSet<InstanceName> {
        let failed = std::mem::take(&mut self.failed);
        self.settled.retain(|name| !failed.contains(name));
        self.retried = retried;
        failed
    }

    /// Forgets the answers of what is tried once more: others take their place.
    pub fn forget_retried(&mut self) {
        let retried = std::mem::take(&mut self.retried);
        self.answers.retain(|(name, _), _| !retried.contains(name));
    }

    /// Why an instance is not tried again.
    pub fn earlier_failure(&self, instance: &Instance) -> Option<Failure> {
        let again = || Failure::new(instance.name.to_string(), "skipped: it failed earlier in this run");
        let wrong = || self.wrong_answers.get(&instance.name).cloned();
        self.failed.contains(&instance.name).then(again).or_else(wrong)
    }
}

type Files = BTreeMap<Name, Secret>;

/// What generators find in `$in`: files of what was stored before, and of what this run makes.
#[derive(Default)]
pub struct Inputs {
    files: BTreeMap<InstanceName, Result<Files, Failure>>,
    /// Which making of each they are: what is stored later in the run may be another's.
    generations: BTreeMap<InstanceName, Generation>,
    allowed: Allowed,
}

impl Inputs {
    /// From now on generators may read this.
    pub fn allow(&mut self, allowed: Allowed) {
        self.allowed = allowed;
    }

    /// Reads back whatever these steps depend on, do not make themselves, and this run did not make before. It is done before
    /// anyone is asked for anything.
    pub fn read(
        &mut self,
        tools: &mut Tools,
        instances: &BTreeMap<InstanceName, Instance>,
        survey: &Survey,
        steps: &[Step],
    ) {
        let made: BTreeSet<&InstanceName> = steps.iter().map(|step| &step.name).collect();
        let making = made.iter().filter_map(|name| instances.get(name));
        let needed: BTreeSet<&InstanceName> = making
            .filter(|instance| self.denied_access(instance).is_none())
            .flat_map(|instance| instance.dependencies.values())
            .filter(|name| !made.contains(name) && !self.files.contains_key(name))
            .collect();
        let needed = needed.into_iter().filter_map(|name| instances.get(name));
        let wanted: Vec<_> = needed.map(|one| (one, one.artifact.files.keys().cloned().collect())).collect();
        let read = retrieve(tools, &wanted);
        let generation = |name: &InstanceName| Some(survey.found.get(name)?.receipt.as_ref()?.generation);
        self.generations.extend(read.keys().filter_map(|name| Some((name.clone(), generation(name)?))));
        self.files.extend(read.into_iter().map(|(name, read)| (name, read.map(|read| read.files))));
    }

    /// Why an instance cannot be made: its generator may not read a dependency.
    pub fn denied_access(&self, instance: &Instance) -> Option<Failure> {
        let allowed = |name: &InstanceName| self.allowed.edges.contains(&(instance.name.clone(), name.clone()));
        let name = instance.dependencies.values().find(|name| !allowed(name))?;
        let why = format!("its generator wants to read {name}; you have not allowed that on this machine");
        let hint = "review the generator and the recipients of its files, then pass `--accept-reading`";
        Some(failure::for_instance(instance, why).hint(Some(hint)))
    }

    /// Why an instance cannot be made: a dependency was not read.
    pub fn unread_dependency(&self, instance: &Instance) -> Option<Failure> {
        instance.dependencies.values().find_map(|name| {
            let why = self.files.get(name)?.as_ref().err()?;
            Some(failure::unread_dependency(instance, name, why))
        })
    }

    /// Whether an instance's files are in here.
    pub(crate) fn has(&self, name: &InstanceName) -> bool {
        self.files.contains_key(name)
    }

    /// What this run made for the first time, of nothing that was there before.
    pub(crate) fn fresh(&self) -> &BTreeSet<InstanceName> {
        &self.allowed.fresh
    }

    /// Keeps what was made for what depends on it.
    pub(crate) fn keep(&mut self, name: InstanceName, files: Files, generation: Generation) {
        self.generations.insert(name.clone(), generation);
        self.files.insert(name, Ok(files));
    }

    /// Which makings of its dependencies an instance is made from: those in here, whatever is stored by now.
    pub(crate) fn generations(&self, instance: &Instance) -> BTreeMap<InstanceName, Generation> {
        let generation = |name: &InstanceName| Some((name.clone(), *self.generations.get(name)?));
        instance.dependencies.values().filter_map(generation).collect()
    }

    /// What an instance's generator finds in `$in`.
    pub(crate) fn files_for(&self, instance: &Instance) -> Result<BTreeMap<Name, Files>, Failure> {
        if let Some(denied) = self.denied_access(instance) {
            return Err(denied);
        }
        let mut inputs = BTreeMap::new();
        for (name, dependency) in &instance.dependencies {
            let files = self.files.get(dependency).ok_or_else(|| {
                failure::for_instance(instance, format!("its dependency {dependency} is not available"))
            })?;
            inputs.insert(name.clone(), files.clone()?);
        }
        Ok(inputs)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn plaintext_is_wiped_once_nothing_that_waits_needs_it() {
        let spec = r#"{"schema": 1, "targets": [{"kind": "nixos", "name": "web1", "artifacts": {
            "a": {"backend": "fake", "files": {"f": {}}, "generator": {"path": "/g"}},
            "b": {"backend": "fake", "files": {"f": {}}, "generator": {"path": "/g"}},
            "done": {"backend": "fake", "files": {"f": {}}, "generator": {"path": "/g"}, "dependencies": ["a"]},
            "next": {"backend": "fake", "files": {"f": {}}, "generator": {"path": "/g"}, "dependencies": ["b"]}}}]}"#;
        let instances = artifacts_plan::instances(&artifacts_declared::parse(spec).unwrap(), None).instances;
        let name = |artifact: &str| format!("per-machine/web1/{artifact}").parse::<InstanceName>().unwrap();
        let mut state = RunState::default();
        for artifact in ["a", "b", "done"] {
            let files = Files::from([(Name::new("f").unwrap(), Secret::new(b"x".to_vec()))]);
            state.inputs.keep(name(artifact), files, Generation::random().unwrap());
        }
        state.settled.extend(["a", "b", "done"].map(name));
        state.begin_round(&instances);
        assert!(state.inputs.has(&name("b")) && !state.inputs.has(&name("a")) && !state.inputs.has(&name("done")));
        // Which generation it was stays known.
        assert_eq!(state.inputs.generations(&instances[&name("done")]).len(), 1);
    }
}
