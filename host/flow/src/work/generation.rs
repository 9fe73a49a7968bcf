//! Runs generators, and stores what they wrote.

use std::collections::{BTreeMap, BTreeSet};
use std::num::NonZeroUsize;
use std::sync::{Arc, mpsc};

use artifacts_declared::{InstanceName, Name};
use artifacts_generate::Job;
use artifacts_plan::Instance;
use artifacts_report::{Failure, FileChange};
use artifacts_seam::{EntryFiles, Secret};
use artifacts_store::{ReceiptState, Storage};

use super::commit::{StoreFailure, Storing};
use super::receipt::GenerationRecord;
use crate::agree::Tickets;
use crate::chain::Base;
use crate::failure;
use crate::look::changes::public_changes;
use crate::look::steps::Step;
use crate::look::survey::{Survey, SurveyedInstance};
use crate::progress::Progress;
use crate::run::Run;
use crate::run_state::Inputs;
use crate::tools::storages::StorageWriters;
use crate::tools::told_paths::PAUSE;
use crate::tools::{Phase, PromptValues, RunEvent, Tools};

/// Runs the generators of the steps, up to `jobs` at once, each after what it depends on; what they wrote is serialized and stored
/// one by one. A failure stops what depends on it and nothing else. Returns what changed in public files.
pub(crate) fn run(
    base: &mut Base<'_>,
    tickets: Tickets,
    jobs: NonZeroUsize,
) -> BTreeMap<InstanceName, Vec<FileChange>> {
    let Base { run, survey, writers, progress, .. } = base;
    let Run { instances, tools, state, .. } = &mut **run;
    let (wanted, total) = (progress.names(), progress.len());
    let (inputs, prompts) = (&mut state.inputs, &state.answers);
    let (failed, changes) = (BTreeSet::new(), BTreeMap::new());
    let mut generation = Generation {
        instances,
        tools,
        inputs,
        survey,
        writers,
        progress,
        tickets,
        prompts,
        wanted,
        total,
        failed,
        changes,
    };
    generation.run(jobs);
    generation.tools.operator.phase(Phase::Idle);
    generation.changes
}

/// What is done for one instance.
enum Task {
    /// Its generator runs.
    Run(Box<(Instance, Job)>),
    /// These files are stored, as a person typed them.
    Store(BTreeMap<Name, Secret>),
}

struct Generation<'a> {
    instances: &'a BTreeMap<InstanceName, Instance>,
    tools: &'a mut Tools,
    inputs: &'a mut Inputs,
    survey: &'a Survey,
    writers: &'a mut StorageWriters,
    progress: &'a mut Progress,
    tickets: Tickets,
    prompts: &'a PromptValues,
    wanted: BTreeSet<InstanceName>,
    total: usize,
    failed: BTreeSet<InstanceName>,
    changes: BTreeMap<InstanceName, Vec<FileChange>>,
}

impl Generation<'_> {
    fn run(&mut self, jobs: NonZeroUsize) {
        let (done, results) = mpsc::channel();
        let generators = Arc::clone(&self.tools.generators);
        let cancel = self.tools.cancel.clone();
        std::thread::scope(|scope| {
            let mut running = 0;
            let mut ended = None;
            loop {
                while running < jobs.get() {
                    let Some(step) = self.next() else { break };
                    match self.task(&step.name) {
                        Ok(Task::Store(files)) => self.end(&step, Ok(files)),
                        Ok(Task::Run(run)) => {
                            let (instance, job) = *run;
                            let (count, total) = (self.progress.done().len(), self.total);
                            self.tools.operator.notify(&RunEvent::Generating { name: &step.name, count, total });
                            running += 1;
                            let (done, generators, cancel) = (done.clone(), &generators, &cancel);
                            scope.spawn(move || {
                                let files = generators.run(&instance, job, cancel).map_err(StoreFailure::from);
                                // The receiver lives as long as this scope.
                                let _ = done.send((step, files));
                            });
                        }
                        Err(failure) => self.fail(&step.name, failure.into()),
                    }
                }
                // It is stored while others run; what depends on it begins after that.
                if let Some((step, files)) = ended.take() {
                    self.end(&step, files);
                    continue;
                }
                if running == 0 {
                    break;
                }
                match results.recv_timeout(PAUSE) {
                    Ok(result) => {
                        running -= 1;
                        ended = Some(result);
                    }
                    Err(mpsc::RecvTimeoutError::Timeout) => self.writers.stage_open(self.tools),
                    Err(mpsc::RecvTimeoutError::Disconnected) => break,
                }
            }
        });
    }

    /// Stores the files of a step, where it has any.
    fn end(&mut self, step: &Step, files: Result<BTreeMap<Name, Secret>, StoreFailure>) {
        match files.and_then(|files| self.store(&step.name, files)) {
            Ok(public) => self.finish(step, public),
            Err(stopped) => self.fail(&step.name, stopped),
        }
    }

    /// The next step of which everything that it depends on is decided.
    fn next(&mut self) -> Option<Step> {
        let (instances, wanted, failed) = (self.instances, &self.wanted, &self.failed);
        self.progress.next_after(|step, done| {
            let dependencies = instances.get(&step.name).into_iter().flat_map(|one| one.dependencies.values());
            dependencies.filter(|d| wanted.contains(*d)).all(|d| done.contains(d) || failed.contains(d))
        })
    }

    /// What is to be done for an instance.
    fn task(&self, name: &InstanceName) -> Result<Task, Failure> {
        let (instance, _) = self.known(name)?;
        if let Some(failed) = instance.dependencies.values().find(|d| self.failed.contains(*d)) {
            return Err(failure::skipped_dependency(instance, failed));
        }
        let mut answers = BTreeMap::new();
        for prompt in instance.artifact.prompts.keys() {
            let value = self.prompts.get(&(name.clone(), prompt.clone()));
            let missing = || failure::for_instance(instance, format!("no answer for prompt `{prompt}`"));
            answers.insert(prompt.clone(), value.ok_or_else(missing)?.clone());
        }
        // Without a generator each prompt is a file, and each file a prompt.
        let Some(job) = Job::new(name.clone(), &instance.artifact) else { return Ok(Task::Store(answers)) };
        let inputs = self.inputs.files_for(instance)?;
        Ok(Task::Run(Box::new((instance.clone(), Job { prompts: answers, inputs, ..job }))))
    }

    fn known(&self, name: &InstanceName) -> Result<(&Instance, &SurveyedInstance), Failure> {
        let pair = self.instances.get(name).zip(self.survey.found.get(name));
        pair.ok_or_else(|| Failure::new(name.to_string(), "not declared"))
    }

    fn finish(&mut self, step: &Step, public: Vec<FileChange>) {
        let name = &step.name;
        self.progress.finish(name.clone());
        let (count, total) = (self.progress.done().len(), self.total);
        self.tools.operator.notify(&RunEvent::Generated { name, count, total });
        if !public.is_empty() {
            self.changes.insert(name.clone(), public);
        }
    }

    fn fail(&mut self, name: &InstanceName, stopped: StoreFailure) {
        if let Some(output) = &stopped.output {
            self.tools.operator.notify(&RunEvent::GeneratorOutput { name, output });
        }
        self.tools.operator.notify(&RunEvent::NotGenerated(name));
        self.failed.insert(name.clone());
        self.progress.drop_out(stopped.failure);
    }

    /// Has the backend write the secret files into a private copy of the entry, and replaces the entry. Returns what changed in
    /// public files.
    fn store(&mut self, name: &InstanceName, files: BTreeMap<Name, Secret>) -> Result<Vec<FileChange>, StoreFailure> {
        let ticket = self.tickets.take(name);
        let instances = self.instances;
        let pair = instances.get(name).zip(self.survey.found.get(name));
        let (instance, found) = pair.ok_or_else(|| Failure::new(name.to_string(), "not declared"))?;
        let ticket = ticket.ok_or_else(|| failure::not_accepted(instance))?;
        self.unchanged(instance)?;
        let storing = Storing { instance, found };
        let entry = ticket.entry(instance)?;
        let (secrets, public) = split(instance, &files);
        let before = entry.as_ref().map(|entry| entry.public.clone()).unwrap_or_default();
        let changes = public_changes(&before, &public);
        let stored = storing.serialize(self.tools, &ticket, entry, &secrets)?;
        let making = GenerationRecord {
            instance,
            found,
            backend: stored.backend,
            dependencies: &self.inputs.generations(instance),
            headers: &stored.headers,
            now: self.tools.now,
        };
        let receipt = making.receipt()?;
        let generation = receipt.generation;
        storing.commit(self.tools, self.writers, ticket, (stored.files, public), receipt)?;
        self.inputs.keep(name.clone(), files, generation);
        Ok(changes)
    }

    /// Every dependency is stored as it went into the instance: no one replaced it since.
    fn unchanged(&self, instance: &Instance) -> Result<(), Failure> {
        for (name, generation) in self.inputs.generations(instance) {
            let backend = self.instances.get(&name).and_then(|d| d.artifact.backend.as_ref());
            let storage = backend.and_then(|backend| self.tools.backends.storage(backend).ok());
            let storage = storage.and_then(|storage| Storage::open(&self.tools.root, &storage).ok());
            let entry = storage.and_then(|storage| storage.read(&name).ok().flatten());
            let same = entry.is_some_and(|entry| {
                matches!(&entry.receipt, ReceiptState::Valid(receipt) if receipt.generation == generation)
                    && entry.is_intact()
            });
            if !same {
                let why = format!("its dependency {name} changed during this run");
                return Err(
                    failure::for_instance(instance, why).hint(Some("nothing was changed; run the command again"))
                );
            }
        }
        Ok(())
    }
}

/// The secret files for the backend, and the public ones for the host.
fn split(instance: &Instance, files: &BTreeMap<Name, Secret>) -> (Vec<(String, Secret)>, EntryFiles) {
    let of = |name: &&Name| files.get(*name).map(|value| (name.to_string(), value.clone()));
    let secrets = instance.secret_files().filter_map(|name| of(&name)).collect();
    let public = instance.public_files().filter_map(|name| of(&name)).map(|(n, v)| (n, v.expose().to_vec())).collect();
    (secrets, public)
}
