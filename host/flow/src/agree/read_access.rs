//! No secret that was there before is given to a generator that the admin has not agreed to give it to.
//!
//! A generator is declared in the repository, and what it makes may be public, go out by the network, or be encrypted to a key of
//! anyone who declared it. Asked is about whatever a dependency gives, but for what is made in the same run for the first time and
//! of nothing that was there before: anyone who could declare who reads that could as well have declared what it is. What leaves the
//! target is asked about in any case: who declares another target need not be who declares this one.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::File;
use std::path::Component;

use artifacts_declared::{Generator, InstanceName, Name};
use artifacts_digest::Hasher;
use artifacts_plan::Instance;
use artifacts_report::{Failure, ReadRequest};
use artifacts_trust::{AcceptedRecipients, Checkout, CheckoutId, Trust};

use super::allowed::{Allowed, Edge};
use crate::look::names::Names;
use crate::look::steps::Step;
use crate::look::survey::Survey;
use crate::run_state::Inputs;
use crate::tools::{Evaluate, Tools};

/// What generators would read, before anyone was asked.
pub struct ReadRequests {
    sought: BTreeMap<Edge, ReadRequest>,
    /// What no one needs to be asked about.
    free: BTreeSet<Edge>,
    fresh: BTreeSet<InstanceName>,
    checkout: Checkout,
}

impl ReadRequests {
    /// What these steps would read. `known` are the recipients that were agreed to before this run, `inputs` what it has by now.
    pub fn new(
        tools: &Tools,
        known: &AcceptedRecipients,
        instances: &BTreeMap<InstanceName, Instance>,
        survey: &Survey,
        steps: &[Step],
        inputs: &Inputs,
    ) -> Self {
        let made: BTreeSet<&InstanceName> = steps.iter().map(|step| &step.name).collect();
        let (sought, free, fresh) = (BTreeMap::new(), BTreeSet::new(), inputs.fresh().clone());
        let mut readings = Self { sought, free, fresh, checkout: known.checkout().clone() };
        for step in steps {
            let Some(instance) = instances.get(&step.name) else { continue };
            let mut untouched = true;
            for name in instance.dependencies.values() {
                let edge = (step.name.clone(), name.clone());
                let dependency = instances.get(name);
                let is_public = dependency.is_some_and(|one| one.secret_files().next().is_none());
                let leaves = dependency.is_some_and(|one| instance.targets_without(one).next().is_some());
                let is_stored = survey.found.get(name).is_some_and(|found| found.fingerprint.is_some());
                let is_there = is_stored || made.contains(name) || inputs.has(name);
                let needs_no_question = readings.fresh.contains(name) || is_public && !inputs.has(name);
                if !is_there || needs_no_question && !leaves {
                    readings.free.insert(edge);
                } else if let Some(dependency) = dependency {
                    untouched = false;
                    let names = survey.names(tools, Some(known));
                    let is_kept = is_stored && !made.contains(name);
                    let readers = readers(dependency, survey, is_kept.then_some(known));
                    let read = (dependency, readers.as_slice());
                    readings.sought.insert(edge, reading(instance, read, survey, &names, &*tools.evaluator));
                }
            }
            // What a person types was there before.
            let first = !step.again && known.instance(&step.name.to_string()).is_none();
            if first && untouched && instance.artifact.prompts.is_empty() {
                readings.fresh.insert(step.name.clone());
            }
        }
        readings
    }

    /// Those that no one has agreed to on this machine.
    ///
    /// # Errors
    /// When it cannot be determined.
    pub fn unknown(&self, trust: &Trust) -> Result<Vec<ReadRequest>, Failure> {
        let id = self.checkout.id().map_err(|e| failed(&e))?;
        let mut unknown = Vec::new();
        for reading in self.sought.values() {
            if !self.is_accepted(trust, id.as_ref(), reading)? {
                unknown.push(reading.clone());
            }
        }
        Ok(unknown)
    }

    /// Remembers what is agreed to: everything, or nothing new.
    ///
    /// # Errors
    /// When it cannot be remembered.
    pub fn settle(self, trust: &Trust, new_ones_too: bool) -> Result<Allowed, Failure> {
        let id = self.checkout.id().map_err(|e| failed(&e))?;
        let mut edges = self.free.clone();
        for (edge, reading) in &self.sought {
            let known = self.is_accepted(trust, id.as_ref(), reading)?;
            if !known && new_ones_too {
                let id = self.checkout.id_or_new().map_err(|e| failed(&e))?;
                trust.accept(&in_repository(&id, reading)).map_err(|e| failed(&e))?;
            }
            if known || new_ones_too {
                edges.insert(edge.clone());
            }
        }
        Ok(Allowed { edges, fresh: self.fresh })
    }

    /// In this repository, or by an earlier version of this program at this path.
    fn is_accepted(&self, trust: &Trust, id: Option<&CheckoutId>, reading: &ReadRequest) -> Result<bool, Failure> {
        let by_path = serde_json::json!({"checkout": self.checkout.root(), "reading": reading.stored()});
        let here = id.map_or(Ok(false), |id| trust.accepted(&in_repository(id, reading)));
        let accepted = here.and_then(|here| if here { Ok(true) } else { trust.accepted(&by_path) });
        accepted.map_err(|e| failed(&e))
    }
}

fn in_repository(id: &CheckoutId, reading: &ReadRequest) -> serde_json::Value {
    serde_json::json!({"repository": id, "reading": reading.stored()})
}

fn reading(
    instance: &Instance,
    (dependency, readers): (&Instance, &[BTreeSet<String>]),
    survey: &Survey,
    names: &Names<'_>,
    evaluator: &dyn Evaluate,
) -> ReadRequest {
    let recipients = survey.found.get(&instance.name).into_iter().flat_map(|found| &found.recipients);
    let targets: Vec<String> = instance.targets_without(dependency).map(ToString::to_string).collect();
    let gaining = if targets.is_empty() { BTreeSet::new() } else { gaining(instance, readers, survey) };
    let gaining_names = names.of(&gaining);
    ReadRequest {
        dependent: instance.name.to_string(),
        dependency: dependency.name.to_string(),
        targets,
        gaining: gaining.into_iter().map(|key| (key.clone(), gaining_names.name(&key))).collect(),
        generator: instance.artifact.generator.as_ref().map(|one| one.path.display().to_string()),
        sha256: instance.artifact.generator.as_ref().and_then(|generator| sha256(generator, evaluator)),
        network: instance.artifact.network,
        public: instance.public_files().map(ToString::to_string).collect(),
        recipients: recipients.map(|(file, of_file)| (file.to_string(), of_file.clone())).collect(),
    }
}

/// Who can decrypt each secret file of a dependency. Where it is `kept` as it is stored, only who was accepted for it on this machine
/// counts: a declaration may come with the same push, and a receipt is no evidence.
fn readers(dependency: &Instance, survey: &Survey, kept: Option<&AcceptedRecipients>) -> Vec<BTreeSet<String>> {
    let declared = survey.found.get(&dependency.name).map(|found| &found.recipients);
    let accepted = kept.map(|known| known.instance(&dependency.name.to_string()));
    let of_file = |file: &Name| {
        let declared = declared.and_then(|all| all.get(file.as_str()));
        let declared: BTreeSet<String> = declared.into_iter().flatten().map(|key| converted(key)).collect();
        let Some(accepted) = accepted else { return declared };
        let joined = accepted.into_iter().flat_map(|consent| consent.joined(file.as_str()));
        &declared & &joined.map(|key| converted(key)).collect()
    };
    dependency.secret_files().map(of_file).collect()
}

/// Who is a recipient of what an instance makes, and cannot decrypt all that it is made of.
fn gaining(instance: &Instance, readers: &[BTreeSet<String>], survey: &Survey) -> BTreeSet<String> {
    let reads_all = |key: &&String| readers.iter().all(|of_file| of_file.contains(&converted(key)));
    let made = survey.found.get(&instance.name).into_iter().flat_map(|found| found.recipients.of_all_files());
    made.filter(|key| !reads_all(key)).cloned().collect()
}

/// The same key in the form of another backend is no other one.
fn converted(key: &str) -> String {
    artifacts_age::recipient_of_ssh(key).unwrap_or_else(|| key.to_owned())
}

/// In the Nix store the path tells what a generator is, one that is not built yet too; anywhere else only its bytes do.
pub(super) fn sha256(generator: &Generator, evaluator: &dyn Evaluate) -> Option<String> {
    let path = &generator.path;
    let up = path.components().any(|part| part == Component::ParentDir);
    let store = evaluator.store_of(path).filter(|_| !up);
    let file = artifacts_generate::executable(path, store.as_slice()).ok()?.path;
    if store.is_some_and(|store| file.starts_with(&store.path)) {
        return None;
    }
    let mut hash = Hasher::new();
    std::io::copy(&mut File::open(file).ok()?, &mut hash).ok()?;
    Some(hash.finish().to_string())
}

fn failed(error: &artifacts_trust::Error) -> Failure {
    Failure::about("readings", error)
}
