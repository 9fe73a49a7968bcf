use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, mpsc};
use std::time::Duration;

use artifacts_declared::{InstanceName, Name};
use artifacts_generate::Job;
use artifacts_plan::Instance;
use artifacts_report::{Failure, FileChange};
use artifacts_seam::{EntryFiles, Secret};
use artifacts_store::{ReceiptState, Storage};

use crate::changes::public_changes;
use crate::receipt::Making;
use crate::storing::{Stopped, Storing};
use crate::tools::storages::PAUSE;
use crate::{Consent, Found, Inputs, Step, Survey, Tools, Writers, failure};

/// What happens while instances are made.
pub enum Event<'a> {
    /// Its generator began.
    Begun(&'a InstanceName),
    /// It is stored.
    Made {
        /// Which.
        name: &'a InstanceName,
        /// What changed in its public files.
        public: &'a [FileChange],
    },
    /// It failed, and nothing of it was changed.
    Failed {
        /// Which.
        name: &'a InstanceName,
        /// Why, and what to do.
        failure: &'a Failure,
        /// What its generator said; it may hold a secret.
        output: Option<&'a Secret>,
    },
}

/// The answers to the questions of all that is made.
pub type Answers = BTreeMap<(InstanceName, Name), Secret>;

/// What is to be made, and of what.
pub struct Work<'a> {
    /// All instances.
    pub instances: &'a BTreeMap<InstanceName, Instance>,
    /// What they are.
    pub survey: &'a Survey,
    /// What is made, dependencies first.
    pub steps: &'a [Step],
    /// The answers to their questions.
    pub answers: &'a Answers,
    /// Whom it may be encrypted to.
    pub consent: &'a Consent,
    /// How many generators may run at once.
    pub jobs: usize,
}

/// Makes the steps: up to `jobs` generators run at once, each behind what it depends on; what they made is serialized and
/// committed one by one. A failure stops what depends on it and nothing else. Returns the failures.
pub fn make(
    tools: &mut Tools,
    work: &Work<'_>,
    inputs: &mut Inputs,
    writers: &mut Writers,
    tell: &mut dyn FnMut(&Event<'_>),
) -> Vec<Failure> {
    let mut run = Run {
        work,
        wanted: work.steps.iter().map(|step| step.name.clone()).collect(),
        waiting: work.steps.iter().map(|step| step.name.clone()).collect(),
        inputs,
        made: BTreeSet::new(),
        failed: BTreeSet::new(),
        failures: Vec::new(),
    };
    let (done, results) = mpsc::channel();
    let generators = Arc::clone(&tools.generators);
    let cancel = tools.cancel.clone();
    std::thread::scope(|scope| {
        let mut running = 0;
        loop {
            while running < work.jobs.max(1) && !cancel.is_set() {
                let Some(name) = run.next() else { break };
                match run.job(&name) {
                    Ok(job) => {
                        tell(&Event::Begun(&name));
                        running += 1;
                        let (done, generators, cancel) = (done.clone(), &generators, &cancel);
                        let Some(instance) = work.instances.get(&name) else { continue };
                        scope.spawn(move || {
                            let made = generators.run(instance, job, cancel).map_err(Stopped::from);
                            // The receiver lives as long as this scope.
                            let _ = done.send((name, made));
                        });
                    }
                    Err(failure) => run.fail(&name, failure.into(), tell),
                }
            }
            if running == 0 {
                break;
            }
            let (name, made) = match results.recv_timeout(PAUSE) {
                Ok(result) => result,
                Err(mpsc::RecvTimeoutError::Timeout) => {
                    writers.stage_open(tools);
                    continue;
                }
                Err(mpsc::RecvTimeoutError::Disconnected) => break,
            };
            running -= 1;
            let stored = made.and_then(|files| run.store(&name, files, tools, writers));
            match stored {
                Ok(public) => tell(&Event::Made { name: &name, public: &public }),
                Err(stopped) => run.fail(&name, stopped, tell),
            }
        }
    });
    run.end()
}

struct Run<'a> {
    work: &'a Work<'a>,
    wanted: BTreeSet<InstanceName>,
    waiting: Vec<InstanceName>,
    inputs: &'a mut Inputs,
    made: BTreeSet<InstanceName>,
    failed: BTreeSet<InstanceName>,
    failures: Vec<Failure>,
}

impl Run<'_> {
    /// The next instance of which everything that it depends on is decided.
    fn next(&mut self) -> Option<InstanceName> {
        let ready = |name: &InstanceName| {
            let dependencies = self.work.instances.get(name).into_iter().flat_map(|i| i.dependencies.values());
            dependencies.filter(|d| self.wanted.contains(*d)).all(|d| self.made.contains(d) || self.failed.contains(d))
        };
        let at = self.waiting.iter().position(ready)?;
        Some(self.waiting.remove(at))
    }

    /// The failures. What is left over was not reached before the person wanted out.
    fn end(self) -> Vec<Failure> {
        let ended = (!self.waiting.is_empty()).then(|| failure::ended(self.waiting.iter()));
        self.failures.into_iter().chain(ended).collect()
    }

    /// What its generator is to do.
    fn job(&self, name: &InstanceName) -> Result<Job, Failure> {
        let (instance, _) = self.known(name)?;
        if let Some(failed) = instance.dependencies.values().find(|d| self.failed.contains(*d)) {
            return Err(failure::behind(instance, failed));
        }
        let generator = instance.generator.as_ref().ok_or_else(|| failure::no_generator(instance))?;
        let mut job = Job::new(name.clone(), generator.path.clone());
        job.expected = instance.files.keys().cloned().collect();
        job.inputs = self.inputs.of(instance)?;
        job.network = instance.network;
        job.timeout = instance.timeout.map(Duration::from_secs);
        for prompt in instance.prompts.keys() {
            let answer = self
                .work
                .answers
                .get(&(name.clone(), prompt.clone()))
                .ok_or_else(|| failure::of(instance, format!("its prompt `{prompt}` has no answer")))?;
            job.prompts.insert(prompt.clone(), answer.clone());
        }
        Ok(job)
    }

    fn known(&self, name: &InstanceName) -> Result<(&Instance, &Found), Failure> {
        let instance = self.work.instances.get(name);
        instance
            .zip(self.work.survey.found.get(name))
            .ok_or_else(|| Failure::new(name.to_string(), "it is not declared"))
    }

    fn fail(&mut self, name: &InstanceName, stopped: Stopped, tell: &mut dyn FnMut(&Event<'_>)) {
        tell(&Event::Failed { name, failure: &stopped.failure, output: stopped.output.as_deref() });
        self.failed.insert(name.clone());
        self.failures.push(stopped.failure);
    }

    /// Has the backend write the secret files into a private copy of the slice, and exchanges the slice. Returns what changed
    /// in public files.
    fn store(
        &mut self,
        name: &InstanceName,
        files: BTreeMap<Name, Secret>,
        tools: &mut Tools,
        writers: &mut Writers,
    ) -> Result<Vec<FileChange>, Stopped> {
        let (instance, found) = self.known(name)?;
        self.unchanged(instance, tools)?;
        let storing = Storing { instance, found, consent: self.work.consent };
        let slice = storing.slice(tools, writers)?;
        let (secrets, public) = split(instance, &files);
        let before = slice.as_ref().map(|slice| slice.public.clone()).unwrap_or_default();
        let changes = public_changes(&before, &public);
        let stored = storing.serialize(tools, slice, &secrets)?;
        let making = Making {
            instance,
            found,
            backend: stored.backend,
            dependencies: &self.inputs.generations(instance),
            headers: &stored.headers,
            now: tools.now,
        };
        let receipt = making.receipt()?;
        let generation = receipt.generation;
        storing.commit(tools, writers, stored.files, public, receipt)?;
        self.made.insert(name.clone());
        self.inputs.keep(name.clone(), files, generation);
        Ok(changes)
    }

    /// Every dependency lies there as it went into the instance: nobody replaced it since.
    fn unchanged(&self, instance: &Instance, tools: &Tools) -> Result<(), Failure> {
        for (name, generation) in self.inputs.generations(instance) {
            let backend = self.work.instances.get(&name).and_then(|d| d.backend.as_ref());
            let storage = backend.and_then(|backend| tools.backends.storage(backend).ok());
            let storage = storage.and_then(|storage| Storage::open(&tools.root, &storage).ok());
            let slice = storage.and_then(|storage| storage.read(&name).ok().flatten());
            let same = slice.is_some_and(|slice| {
                matches!(&slice.receipt, ReceiptState::Valid(receipt) if receipt.generation == generation)
                    && slice.is_intact()
            });
            if !same {
                let why = format!("{name}, which it depends on, changed while it was made");
                return Err(failure::of(instance, why).hint(Some("nothing was changed; run again")));
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
