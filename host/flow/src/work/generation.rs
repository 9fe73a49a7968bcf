//! Runs generators, and stores what they wrote.

use std::collections::{BTreeMap, BTreeSet};
use std::num::NonZeroUsize;
use std::sync::{Arc, mpsc};

use artifacts_declared::{InstanceName, Name};
use artifacts_generate::Job;
use artifacts_plan::Instance;
use artifacts_report::{Failure, FileChange};
use artifacts_seam::{EntryFiles, Secret};
use artifacts_store::{Entry, ReceiptState, Storage};

use super::commit::{StoreFailure, Stored, Storing, Unstored, serialize_all, store_all};
use super::receipt::GenerationRecord;
use crate::agree::{Removal, Ticket, Tickets};
use crate::chain::Base;
use crate::failure;
use crate::look::changes::public_changes;
use crate::look::steps::Step;
use crate::look::survey::{Survey, SurveyedInstance};
use crate::progress::Progress;
use crate::run::Run;
use crate::run_state::Inputs;
use crate::through::through;
use crate::tools::storages::StorageWriters;
use crate::tools::told_paths::PAUSE;
use crate::tools::{Decrypted, Phase, PromptValues, RunEvent, Tools};

/// Runs the generators of the steps, up to `jobs` at once, each after what it depends on; what they wrote is serialized and stored,
/// that of all that ended meanwhile at once. A failure stops what depends on it and nothing else. Returns what changed in public files.
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

/// So many that a person typed are stored at once; eight workers share them.
const STORED_AT_ONCE: usize = 64;

/// What is done for one instance.
enum Task {
    /// Its generator runs.
    Run(Box<(Instance, Job)>),
    /// These files are stored, as a person typed them.
    Store(BTreeMap<Name, Secret>),
}

/// A step, and what was made of it.
type Ended = (Step, Result<BTreeMap<Name, Secret>, StoreFailure>);

/// What was made of an instance and is to be stored.
struct Made<'a> {
    storing: Storing<'a>,
    ticket: Ticket,
    /// The entry that it replaces.
    entry: Option<Entry>,
    files: BTreeMap<Name, Secret>,
    secrets: Vec<(String, Secret)>,
    public: EntryFiles,
    changes: Vec<FileChange>,
}

/// What is known of an instance once it is stored.
struct StoredFiles {
    name: InstanceName,
    files: BTreeMap<Name, Secret>,
    generation: artifacts_store::Generation,
    changes: Vec<FileChange>,
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

impl<'a> Generation<'a> {
    fn run(&mut self, jobs: NonZeroUsize) {
        let (done, results) = mpsc::channel();
        let generators = Arc::clone(&self.tools.generators);
        let cancel = self.tools.cancel.clone();
        std::thread::scope(|scope| {
            let mut running = 0;
            let mut ended = Vec::new();
            loop {
                while running < jobs.get() && ended.len() < STORED_AT_ONCE {
                    let Some(step) = self.next() else { break };
                    match self.task(&step.name) {
                        Ok(Task::Store(files)) => ended.push((step, Ok(files))),
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
                // They are stored while others run; what depends on them begins after that.
                if !ended.is_empty() {
                    self.end(std::mem::take(&mut ended));
                    continue;
                }
                if running == 0 {
                    break;
                }
                match results.recv_timeout(PAUSE) {
                    Ok(result) => {
                        ended.push(result);
                        ended.extend(results.try_iter());
                        running -= ended.len();
                    }
                    Err(mpsc::RecvTimeoutError::Timeout) => self.writers.stage_open(self.tools),
                    Err(mpsc::RecvTimeoutError::Disconnected) => break,
                }
            }
        });
    }

    /// Stores the files of steps, where they have any.
    fn end(&mut self, ended: Vec<Ended>) {
        let (steps, files): (Vec<Step>, Vec<_>) = ended.into_iter().unzip();
        let made =
            steps.iter().zip(files).map(|(step, files)| self.made(&step.name, files?).map_err(StoreFailure::from));
        let made = made.collect();
        for (step, stored) in steps.iter().zip(through(made, |made| self.store(made))) {
            match stored {
                Ok(public) => self.finish(step, public),
                Err(stopped) => self.fail(&step.name, stopped),
            }
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

    /// What was made of an instance, with what allows to store it.
    fn made(&mut self, name: &InstanceName, files: BTreeMap<Name, Secret>) -> Result<Made<'a>, Failure> {
        let ticket = self.tickets.take(name);
        let pair = self.instances.get(name).zip(self.survey.found.get(name));
        let (instance, found) = pair.ok_or_else(|| Failure::new(name.to_string(), "not declared"))?;
        let ticket = ticket.ok_or_else(|| failure::not_accepted(instance))?;
        self.unchanged(instance)?;
        let entry = ticket.entry(instance)?;
        let (secrets, public) = split(instance, &files);
        let before = entry.as_ref().map(|entry| entry.public.clone()).unwrap_or_default();
        let changes = public_changes(&before, &public);
        Ok(Made { storing: Storing { instance, found }, ticket, entry, files, secrets, public, changes })
    }

    /// Has backends write the secret files into private copies of the entries, and replaces the entries. Returns what changed in
    /// public files of each.
    fn store(&mut self, mut made: Vec<Made<'a>>) -> Vec<Result<Vec<FileChange>, StoreFailure>> {
        let decrypted = Decrypted::new();
        let unwritten = made.iter_mut().map(|one| {
            let Made { storing, ticket, entry, secrets, .. } = one;
            Ok(storing.unwritten(ticket, entry.take(), secrets, &decrypted)?)
        });
        let stored = serialize_all(self.tools, unwritten.collect());
        let new = made.into_iter().zip(stored).map(|(one, stored)| self.new_entry(one, stored?));
        let new = new.collect();
        through(new, |new: Vec<(StoredFiles, Unstored<'a>)>| {
            let (values, unstored): (Vec<StoredFiles>, Vec<_>) = new.into_iter().unzip();
            let removals = store_all(self.tools, self.writers, unstored);
            let ended =
                values.into_iter().zip(removals).map(|(StoredFiles { name, files, generation, changes }, removal)| {
                    removal?.map_or(Ok(None), Removal::remove)?;
                    self.inputs.keep(name, files, generation);
                    Ok(changes)
                });
            ended.collect()
        })
    }

    /// The entry of what was made and serialized, with its receipt.
    fn new_entry(&self, made: Made<'a>, stored: Stored) -> Result<(StoredFiles, Unstored<'a>), StoreFailure> {
        let Made { storing, ticket, files, public, changes, .. } = made;
        let Storing { instance, found } = storing;
        let making = GenerationRecord {
            instance,
            found,
            backend: stored.backend,
            dependencies: &self.inputs.generations(instance),
            headers: &stored.headers,
            now: self.tools.now,
        };
        let receipt = making.receipt()?;
        let (name, generation) = (instance.name.clone(), receipt.generation);
        let value = StoredFiles { name, files, generation, changes };
        Ok((value, Unstored { storing, ticket, files: stored.files, public, receipt }))
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
