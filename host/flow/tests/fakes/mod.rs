//! Stand-ins for everything that this crate works with but the store, which is the real one in a temporary directory.
#![allow(clippy::unwrap_used)]

mod commands;
mod fleet;
mod kills;
mod session;

use std::cell::{Cell, RefCell};
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::num::NonZeroUsize;
use std::path::{Path, PathBuf};
use std::rc::Rc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, SystemTime};

use artifacts_declared::{InstanceName, Name, Spec};
use artifacts_flow::{
    Answer, AuditLog, Backends, Cancel, Declared, DeclaredPrompt, Evaluate, GenerationFailure, Generators,
    HeaderMemory, Identities, Operator, Phase, PromptValues, Question, ReadyBackend, RequestedPrompt, RunEvent, Tools,
};
use artifacts_generate::{Job, StorePath};
use artifacts_plan::Instance;
use artifacts_report::Failure;
use artifacts_seam::Secret;
use artifacts_session::CheckMemo;
use artifacts_store::{Git, Root, WriterOptions};
use artifacts_trust::{Checkout, KnownHeaders, Trust};

#[allow(unused_imports, reason = "not every test file uses it")]
pub use commands::*;
pub use fleet::Fleet;
pub use kills::{many, survives_ten_kills};
#[allow(unused_imports, reason = "not every test file uses it")]
pub use session::{Misbehavior, OtherFile, TARGETS, World, age_file};

/// The backend of what names no other.
pub const BACKEND: &str = "fake";

/// A backend with the same storage.
pub const TWIN: &str = "twin";

/// A backend with a storage of its own, which has the same name.
pub const VAULT: &str = "vault";

/// The backends of the program that read files of other tools. They share a storage.
pub const AGENIX: &str = "agenix";
pub const SOPS_NIX: &str = "sops-nix";

/// A temporary directory with a checkout and the state of one machine.
pub struct Desk {
    dir: tempfile::TempDir,
    /// What the backend is asked, answers and refuses to.
    pub world: Rc<RefCell<World>>,
    /// What the operator answers, in order; a yes when there is none left, but tries again once.
    pub answers: Rc<RefCell<VecDeque<Answer>>>,
    /// What the operator was asked and told.
    pub said: Rc<RefCell<Vec<String>>>,
    /// Done while the operator is asked next.
    pub meanwhile: Meanwhile,
    /// Done when the operator is asked a question that begins so.
    pub at_question: AtQuestion,
    /// Whether a held lock is waited for.
    pub waits: Rc<Cell<bool>>,
    /// The instances that the operator skips at their prompts.
    pub skip: Rc<RefCell<BTreeSet<String>>>,
    /// The instances whose prepared answers are wrong.
    pub wrong: Rc<RefCell<BTreeSet<String>>>,
    /// What generators do.
    pub generators: Arc<FakeGenerators>,
    /// Ends a run.
    pub cancel: Cancel,
    /// The moment of every run.
    pub now: SystemTime,
    /// From this change of a storage on, counted from 1, none is made any more: the run was killed.
    pub killed_at: Option<u64>,
    /// How many entries are read, or written, at once.
    pub jobs: NonZeroUsize,
    /// The changes of storages that the last run was to make.
    pub steps: Arc<AtomicU64>,
    /// Backends that are not registered.
    pub unknown: Vec<&'static str>,
    /// Whether the admin has an identity.
    pub has_identity: bool,
}

impl Desk {
    pub fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        std::fs::create_dir(dir.path().join("checkout")).unwrap();
        let cancel = Cancel::default();
        let generators = FakeGenerators { cancel: cancel.clone(), ..FakeGenerators::default() };
        Self {
            dir,
            world: Rc::default(),
            answers: Rc::default(),
            said: Rc::default(),
            meanwhile: Rc::default(),
            at_question: Rc::default(),
            waits: Rc::default(),
            skip: Rc::default(),
            wrong: Rc::default(),
            generators: Arc::new(generators),
            cancel,
            now: SystemTime::UNIX_EPOCH + Duration::from_hours(500_000),
            killed_at: None,
            jobs: NonZeroUsize::new(4).unwrap(),
            steps: Arc::default(),
            unknown: Vec::new(),
            has_identity: false,
        }
    }

    pub fn root(&self) -> PathBuf {
        self.dir.path().join("checkout")
    }

    /// The directory of a stored entry.
    pub fn entry(&self, name: &str) -> PathBuf {
        self.root().join("secrets").join(name)
    }

    pub fn audit_log(&self) -> PathBuf {
        self.dir.path().join("audit.jsonl")
    }

    /// What this machine knows.
    pub fn state(&self) -> PathBuf {
        self.dir.path().join("state")
    }

    /// What counts as the Nix store.
    pub fn store(&self) -> PathBuf {
        self.dir.path().join("store")
    }

    pub fn trash(&self) -> PathBuf {
        self.root().join("secrets/.artifacts/trash")
    }

    /// Opens everything for a run that evaluates these, one after the other; the last one again and again.
    pub fn tools(&self, evaluations: Vec<Declared>) -> Tools {
        let (root, state) = (self.root(), self.dir.path().join("state"));
        let checkout = Checkout::at_path(&root);
        let known = KnownHeaders::new(state.join("headers"), state.join("sealed"));
        let log = AuditLog::new(
            self.audit_log(),
            artifacts_audit::RunRecord::default(),
            artifacts_audit::SyncMode::No,
            std::time::SystemTime::now,
        );
        log.begin().unwrap();
        let mut storing = WriterOptions::at(self.now);
        storing.trash_record = Some(state.join("trash"));
        storing.durability = artifacts_store::Durability::NoSync;
        let (killed_at, steps) = (self.killed_at, Arc::clone(&self.steps));
        steps.store(0, Ordering::Relaxed);
        storing.hooks.step = Arc::new(move |_| {
            let step = steps.fetch_add(1, Ordering::Relaxed) + 1;
            if killed_at.is_some_and(|at| step >= at) { Err(std::io::Error::other("killed")) } else { Ok(()) }
        });
        Tools {
            root: Root::open(&root).unwrap(),
            checkout: checkout.clone(),
            git: Git { program: "git".into(), env: BTreeMap::default(), scratch: self.dir.path().to_owned() },
            backends: Box::new(FakeBackends::new(&self.world, &self.unknown)),
            evaluator: Box::new(FakeEvaluate { next: evaluations.into(), store: self.store() }),
            generators: self.generators.clone(),
            operator: Box::new(FakeOperator {
                answers: self.answers.clone(),
                said: self.said.clone(),
                meanwhile: self.meanwhile.clone(),
                skip: self.skip.clone(),
                wrong: self.wrong.clone(),
                waits: self.waits.clone(),
                at_question: self.at_question.clone(),
            }),
            identities: if self.has_identity { an_identity() } else { Identities::none() },
            plugins: artifacts_age::RecipientPlugins::default(),
            headers: HeaderMemory::new(known, checkout, Box::new(|_| Ok(true))),
            trust: Trust::new(state.join("accepted")),
            state,
            audit: Some(log),
            storing,
            jobs: self.jobs,
            cancel: self.cancel.clone(),
            now: self.now,
            keys: artifacts_flow::DeclaredKeys::default(),
            reported: BTreeSet::new(),
            memo: CheckMemo::default(),
        }
    }

    /// What one evaluation gives.
    pub fn declared(&self, fleet: &Fleet) -> Declared {
        Declared {
            spec: fleet.spec(),
            root: self.root(),
            failures: Vec::new(),
            unevaluated: Vec::new(),
            unseen: Vec::new(),
            system: None,
        }
    }

    /// Whether no run holds the lock of a storage.
    pub fn is_unlocked(&self) -> bool {
        let root = Root::open(&self.root()).unwrap();
        let storage = artifacts_store::Storage::open(&root, "secrets").unwrap();
        storage.lock(WriterOptions::at(self.now)).is_ok()
    }

    /// The secret values that are stored as `f`, by the path of their entry below the root.
    pub fn entries(&self) -> BTreeMap<String, String> {
        let mut all = BTreeMap::new();
        let mut folders: Vec<PathBuf> = ["secrets", "vault"].map(|storage| self.root().join(storage)).into();
        while let Some(folder) = folders.pop() {
            for path in std::fs::read_dir(&folder).into_iter().flatten().map(|entry| entry.unwrap().path()) {
                let is_work = path.file_name().unwrap() == ".artifacts";
                if path.is_dir() && !is_work {
                    folders.push(path);
                } else if path.file_stem().unwrap() == "f" {
                    let text = std::fs::read_to_string(&path).unwrap();
                    let entry = folder.strip_prefix(self.root()).unwrap().to_string_lossy().into_owned();
                    all.insert(entry, text.split_once('\n').unwrap().1.to_owned());
                }
            }
        }
        all
    }

    /// The values alone, each once.
    pub fn values(&self) -> Vec<String> {
        let values: BTreeSet<String> = self.entries().into_values().collect();
        values.into_iter().collect()
    }

    pub fn answer(&self, answers: impl IntoIterator<Item = Answer>) {
        self.answers.borrow_mut().extend(answers);
    }

    pub fn take_said(&self) -> Vec<String> {
        std::mem::take(&mut *self.said.borrow_mut())
    }
}

/// An identity is there; what it decrypts is the world's to say.
fn an_identity() -> Identities {
    let opener = || artifacts_age::Opener::new(Arc::new(artifacts_age::NoPrompter), artifacts_age::Plugins::default());
    Identities::new(|| Ok(None), move || Ok(opener()))
}

/// The backend that stores nothing on this machine.
pub const ON_TARGET: &str = "on-target";

pub struct FakeBackends(BTreeMap<Name, ReadyBackend>);

impl FakeBackends {
    pub fn new(world: &Rc<RefCell<World>>, unknown: &[&str]) -> Self {
        let terms = world.borrow().terms();
        let here = |name, storage: &str| {
            let session = session::FakeSession::new(world, name);
            ReadyBackend::new(terms.clone(), storage.to_owned(), Some(Box::new(session)))
        };
        let reads = |ending| session::FakeSession::new(world, ending);
        let on_target = ReadyBackend::new(terms.clone(), "secrets".to_owned(), None);
        let all = [
            (BACKEND, here(BACKEND, "secrets")),
            (TWIN, here(TWIN, "secrets")),
            (VAULT, here(VAULT, "vault")),
            (AGENIX, ReadyBackend::new(terms.clone(), "secrets".to_owned(), Some(Box::new(reads("age"))))),
            (SOPS_NIX, ReadyBackend::new(terms.clone(), "secrets".to_owned(), Some(Box::new(reads("sops"))))),
            (ON_TARGET, on_target),
        ];
        let known = all.into_iter().filter(|(name, _)| !unknown.contains(name));
        Self(known.map(|(name, ready)| (Name::new(name).unwrap(), ready)).collect())
    }
}

impl Backends for FakeBackends {
    fn open(&mut self, name: &Name) -> Result<&mut ReadyBackend, Failure> {
        self.0.get_mut(name).ok_or_else(|| Failure::new(name.to_string(), "unknown backend"))
    }

    fn storage(&self, name: &Name) -> Result<String, Failure> {
        let ready = self.0.get(name).ok_or_else(|| Failure::new(name.to_string(), "unknown backend"))?;
        Ok(ready.storage.clone())
    }

    fn names(&self) -> Vec<Name> {
        self.0.keys().cloned().collect()
    }

    fn register(&mut self, _: &BTreeMap<Name, artifacts_declared::Registration>) {}

    fn close(&mut self) {}

    fn retry(&mut self) {}

    fn missing_layers(&self) -> BTreeSet<artifacts_seam::SandboxLayer> {
        self.0.values().flat_map(ReadyBackend::missing_layers).collect()
    }
}

struct FakeEvaluate {
    next: VecDeque<Declared>,
    store: PathBuf,
}

impl Evaluate for FakeEvaluate {
    fn evaluate(&mut self) -> Result<Declared, Failure> {
        let next = if self.next.len() > 1 { self.next.pop_front() } else { self.next.front().cloned() };
        next.ok_or_else(|| Failure::new("", "nothing evaluates"))
    }

    fn why_blocked(&self, _: &Spec, _: &[InstanceName]) -> BTreeMap<InstanceName, String> {
        BTreeMap::new()
    }

    fn store_of(&self, path: &Path) -> Option<StorePath> {
        path.starts_with(&self.store).then(|| StorePath::from(self.store.clone()))
    }
}

/// Writes `<instance>/<file>#<n>`, where n counts the runs of all generators.
#[derive(Default)]
pub struct FakeGenerators {
    pub state: Mutex<GeneratorState>,
    cancel: Cancel,
}

#[derive(Default)]
pub struct GeneratorState {
    /// The instances that were generated, in order, since someone cleared it.
    pub ran: Vec<String>,
    /// How many were generated.
    pub count: usize,
    /// Those that fail.
    pub fail: BTreeSet<String>,
    /// That after which the run is to end.
    pub cancel_after: Option<usize>,
    /// What each found in `$in`, by `instance/dependency/file`.
    pub inputs: BTreeMap<String, String>,
    /// What each found in `$prompts`.
    pub prompts: BTreeMap<String, String>,
    /// Why no generator can be run.
    pub unready: Option<String>,
}

impl Generators for FakeGenerators {
    fn ready(&self) -> Result<(), Failure> {
        self.state.lock().unwrap().unready.clone().map_or(Ok(()), |why| Err(Failure::new("", why)))
    }

    fn run(&self, instance: &Instance, job: Job, _: &Cancel) -> Result<BTreeMap<Name, Secret>, GenerationFailure> {
        let mut state = self.state.lock().unwrap();
        let name = instance.name.to_string();
        state.ran.push(name.clone());
        state.count += 1;
        let count = state.count;
        if state.cancel_after == Some(count) {
            self.cancel.set();
        }
        let text = |secret: &Secret| String::from_utf8_lossy(secret.expose()).into_owned();
        for (dependency, files) in &job.inputs {
            for (file, value) in files {
                state.inputs.insert(format!("{name}/{dependency}/{file}"), text(value));
            }
        }
        for (prompt, value) in &job.prompts {
            state.prompts.insert(format!("{name}/{prompt}"), text(value));
        }
        if state.fail.contains(&name) {
            let output = Some(Box::new(Secret::new(b"printed".to_vec())));
            return Err(GenerationFailure { failure: Failure::new(name, "the generator failed"), output });
        }
        let value = |file: &Name| Secret::new(format!("{name}/{file}#{count}").into_bytes());
        Ok(job.expected.iter().map(|file| (file.clone(), value(file))).collect())
    }
}

type AtQuestion = Rc<RefCell<Option<(String, Box<dyn FnOnce()>)>>>;
type Meanwhile = Rc<RefCell<Option<Box<dyn FnOnce()>>>>;

struct FakeOperator {
    answers: Rc<RefCell<VecDeque<Answer>>>,
    said: Rc<RefCell<Vec<String>>>,
    meanwhile: Meanwhile,
    skip: Rc<RefCell<BTreeSet<String>>>,
    wrong: Rc<RefCell<BTreeSet<String>>>,
    waits: Rc<Cell<bool>>,
    at_question: AtQuestion,
}

impl FakeOperator {
    fn note(&self, text: impl Into<String>) {
        self.said.borrow_mut().push(text.into());
    }
}

impl Operator for FakeOperator {
    fn confirm(&mut self, question: &Question<'_>) -> Result<Answer, Failure> {
        let text = match question {
            Question::Recipients { changes, names, .. } => {
                format!("recipients {}?", artifacts_report::recipient_summary(changes, names))
            }
            Question::ReadAccess(readings) => format!("read access {}?", readings.len()),
            Question::AnswerAccess(requests) => format!("answer access {}?", requests.len()),
            Question::TryAgain(failures) => format!("try again {}?", failures.len()),
            Question::Replace(values) => format!("replace {}?", values.len()),
            Question::ReplaceReadable(value) => format!("replace {}?", value.name),
            Question::NewValues(former) => format!("new values {}?", former.len()),
            Question::Trash(rows) => format!("trash {}?", rows.len()),
            Question::Restore { entries, .. } => format!("restore {}?", entries.len()),
            Question::Remove(entries, _) => format!("remove {}?", entries.len()),
        };
        self.note(text.clone());
        if let Some((_, act)) = self.at_question.borrow_mut().take_if(|(begin, _)| text.starts_with(begin.as_str())) {
            act();
        }
        let meanwhile = self.meanwhile.borrow_mut().take();
        if let Some(act) = meanwhile {
            act();
        }
        let said = self.said.borrow();
        let is_tried = said.iter().filter(|said| said.starts_with("try again")).count() > 1;
        let usual = if is_tried { Answer::No } else { Answer::Yes { by: "test" } };
        Ok(self.answers.borrow_mut().pop_front().unwrap_or(usual))
    }

    fn answer_faults(&self, prompts: &[DeclaredPrompt<'_>], _: bool) -> Vec<(Option<InstanceName>, Failure)> {
        let wrong = self.wrong.borrow();
        let is_wrong = |name: &&InstanceName| wrong.contains(&name.to_string());
        let names = prompts.iter().map(|(instance, ..)| *instance).filter(is_wrong);
        names.map(|name| (Some(name.clone()), Failure::new(name.to_string(), "its answer is wrong"))).collect()
    }

    fn open_prompts(&self, instance: &Instance) -> Vec<Name> {
        instance.artifact.prompts.keys().cloned().collect()
    }

    fn without_terminal(&self, _: &[RequestedPrompt], _: bool) -> Option<String> {
        None
    }

    fn enter(
        &mut self,
        prompts: &[RequestedPrompt],
        others: &[BTreeSet<InstanceName>],
    ) -> Result<PromptValues, Failure> {
        self.note(format!("enter {}", prompts.len()));
        if !prompts.is_empty() {
            let others =
                others.iter().map(|needs| format!("{:?}", needs.iter().map(ToString::to_string).collect::<Vec<_>>()));
            self.note(format!("beside {}", others.collect::<Vec<_>>().join(", ")));
        }
        let value = |one: &RequestedPrompt| {
            let again = if one.earlier.is_some() { " again" } else { "" };
            // As a person who leaves empty what may be.
            let typed = if one.required { format!("typed {}{again}", one.prompt) } else { String::new() };
            ((one.instance.clone(), one.prompt.clone()), Secret::new(typed.into_bytes()))
        };
        for one in prompts {
            self.note(format!("prompt {}/{}: {}", one.instance, one.prompt, one.details.join("; ")));
        }
        let skip = self.skip.borrow();
        Ok(prompts.iter().filter(|one| !skip.contains(&one.instance.to_string())).map(value).collect())
    }

    fn waits(&self) -> bool {
        self.waits.get()
    }

    fn phase(&mut self, _: Phase) {}

    fn notify(&mut self, event: &RunEvent<'_>) {
        match event {
            RunEvent::Waiting { storage, .. } => {
                self.note(format!("waiting for {storage}"));
                let meanwhile = self.meanwhile.borrow_mut().take();
                if let Some(act) = meanwhile {
                    act();
                }
            }
            RunEvent::Backend(messages) if messages.denials > 0 || messages.failure.is_some() => {
                self.note(format!("{} denials, failed: {}", messages.denials, messages.failure.is_some()));
            }
            RunEvent::Adoption(adoption) => self.note(format!("adopt {}", adoption.name)),
            RunEvent::Generated { name, .. } => self.note(format!("generated {name}")),
            RunEvent::GeneratorOutput { name, .. } => self.note(format!("output of {name}")),
            RunEvent::Reencrypted { name, .. } => self.note(format!("re-encrypted {name}")),
            RunEvent::RecipientChanges { changes, names, preview: false } => {
                self.note(format!("recipient changes {}", artifacts_report::recipient_summary(changes, names)));
            }
            RunEvent::MissingLayer(weaker) => self.note(format!("missing: {weaker}")),
            RunEvent::EvaluatingAgain => self.note("evaluating again"),
            RunEvent::Note(text) => self.note(*text),
            _ => {}
        }
    }
}
