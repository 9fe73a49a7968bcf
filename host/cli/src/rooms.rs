//! A run: its declarations resolved, its selectors understood, its tools opened.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::SystemTime;

use artifacts_audit::AuditLog;
use artifacts_backend::{Place, WorkerStart};
use artifacts_contract::{Component, Grants};
use artifacts_declared::{InstanceName, Spec};
use artifacts_flow::{Cancel, Everything, HeaderMemory, Orphan, Orphans, Registry, SandboxedGenerators, Survey, Tools};
use artifacts_generate::Sandbox;
use artifacts_nix::Nix;
use artifacts_plan::{Instance, Owners, Selector, State, TargetName};
use artifacts_ram::Ram;
use artifacts_report::{Failure, Hint, Report, Row, hint_line};
use artifacts_store::{Git, Repository, Root};
use artifacts_text::shell_word;
use artifacts_trust::{AcceptedRecipients, Checkout, KnownHeaders, Trust};

use crate::args::Global;
use crate::declarations::Declarations;
use crate::environment::Environment;
use crate::evaluator::Evaluator;
use crate::operator::{Flags, TerminalOperator};
use crate::output::Output;
use crate::{clones, grants, identities, record, signals, writing};

/// Everything that a command over instances begins with.
pub struct Run {
    begun: Begun,
    pub instances: BTreeMap<InstanceName, Instance>,
    /// Instances, dependencies first.
    pub ordered: Vec<InstanceName>,
    spec: Spec,
    root: Root,
    /// Each with the instances that have it; none when it is no matter which are meant.
    errors: Vec<(Vec<InstanceName>, Failure)>,
    unevaluated: Vec<TargetName>,
    unseen: Vec<TargetName>,
    now: SystemTime,
    trust: Trust,
    headers: KnownHeaders,
    log: AuditLog,
    /// Whether the person said where the log is.
    log_is_named: bool,
    worker: WorkerStart,
    global: Global,
}

/// What stays as it is when the declarations are evaluated again.
struct Begun {
    cancel: Arc<AtomicBool>,
    environment: Environment,
    ram: Ram,
    /// For git's use; gone with the run.
    scratch: artifacts_ram::PrivateDir,
    nix: Nix,
    keys: identities::Source,
    output: Output,
    /// The run's, from when its checkout is known.
    log: Option<AuditLog>,
}

/// What the selectors mean.
pub struct Chosen {
    pub names: BTreeSet<InstanceName>,
    /// Everything that is wrong with the declarations of these, and selectors that mean nothing.
    pub errors: Vec<Failure>,
}

impl Chosen {
    /// Why there is nothing of that name: what is wrong with it, or with what could not be evaluated.
    pub fn faults(self) -> Vec<Failure> {
        self.errors
    }
}

impl Run {
    /// Begins with everything that is declared.
    pub fn begin(global: &Global, output: &Output) -> Result<Self, Failure> {
        Self::of(global, output, &[])
    }

    /// Begins with the backends; without a flake nothing else is declared.
    pub fn of_backends(global: &Global, output: &Output) -> Result<Self, Failure> {
        Self::with(global, output, |nix| Declarations::of_backends(global, nix))
    }

    /// Begins with what the selectors name and what that depends on; others may be there, too.
    pub fn of(global: &Global, output: &Output, selectors: &[Selector]) -> Result<Self, Failure> {
        Self::with(global, output, |nix| Declarations::load(global, nix, selectors))
    }

    fn with(
        global: &Global,
        output: &Output,
        load: impl FnOnce(&Nix) -> Result<Declarations, Failure>,
    ) -> Result<Self, Failure> {
        let cancel = signals::watch()?;
        let environment = Environment::read();
        let ram = ram(&environment)?;
        let scratch = ram.folder()?;
        let nix = nix(global, &environment, &cancel);
        let keys = identities::Source::new(global, &environment);
        let mut declarations = load(&nix)?;
        declarations.messages.iter().flat_map(|text| text.lines()).for_each(|line| output.note(line));
        for warning in std::mem::take(&mut declarations.warnings) {
            output.warned(&warning);
        }
        let begun = Begun { cancel, environment, ram, scratch, nix, keys, output: *output, log: None };
        Self::open(global, declarations, begun)
    }

    /// Begins again with what is declared now.
    pub fn again(self, global: &Global, selectors: &[Selector]) -> Result<Self, Failure> {
        let declarations = Declarations::load(global, &self.begun.nix, selectors)?;
        Self::open(global, declarations, self.begun)
    }

    fn open(global: &Global, declarations: Declarations, begun: Begun) -> Result<Self, Failure> {
        let root = Root::open(&declarations.root)?;
        let log = match &begun.log {
            Some(log) => log.clone(),
            None => record::log(&record::place(global, &begun.environment)?, global, Some(&checkout(&root)?)),
        };
        own_state(&begun)?;
        let resolved = artifacts_plan::instances(&declarations.spec, Some(&Environment::system()));
        let (ordered, looped) = artifacts_plan::order(&resolved.instances);
        let problems: Vec<_> = resolved.problems.into_iter().chain(looped).collect();
        let faulty: BTreeSet<InstanceName> = problems.iter().map(|problem| problem.instance.clone()).collect();
        let problems = problems.into_iter().map(|p| (vec![p.instance.clone()], artifacts_flow::declared(p)));
        let errors = declarations.failures.into_iter().chain(problems).collect();
        let instances = resolved.instances.into_iter().filter(|(name, _)| !faulty.contains(name)).collect();
        Ok(Self {
            instances,
            ordered,
            spec: declarations.spec,
            root,
            errors,
            unevaluated: declarations.unevaluated,
            unseen: declarations.unseen,
            now: SystemTime::now(),
            trust: trust(&begun.environment)?,
            headers: headers(&begun.environment)?,
            worker: worker(global, &begun.environment),
            begun: Begun { log: Some(log.clone()), ..begun },
            log,
            log_is_named: global.audit_log.is_some(),
            global: global.clone(),
        })
    }

    /// What the selectors mean; one that means nothing is an error.
    pub fn choose(&self, selectors: &[Selector]) -> Chosen {
        let faulty = self.errors.iter().flat_map(|(names, _)| names);
        let all: BTreeSet<&InstanceName> = self.instances.keys().chain(faulty).collect();
        let (names, idle) = artifacts_plan::select(&all, selectors);
        let meant = |of: &[InstanceName]| of.is_empty() || of.iter().any(|name| names.contains(name));
        let declared = self.errors.iter().filter(|(of, _)| meant(of));
        let idle = idle.iter().map(|selector| {
            let prefix = Selector::new(format!("{selector}/"));
            let help = if all.iter().any(|name| prefix.matches(name)) {
                format!("did you mean `{}`? A prefix ends at a slash", shell_word(&prefix.to_string()))
            } else {
                "`artifacts status` lists them all; a prefix ends at a slash".to_owned()
            };
            Failure::new(selector.to_string(), "no instance or artifact is named so").hint(Some(help))
        });
        let errors = declared.map(|(_, failure)| failure.clone()).chain(idle).collect();
        Chosen { names, errors }
    }

    /// The instances of these names.
    pub fn instances<'a>(&'a self, names: &'a BTreeSet<InstanceName>) -> impl Iterator<Item = &'a Instance> {
        names.iter().filter_map(|name| self.instances.get(name))
    }

    /// These, and everything that they depend on.
    pub fn with_dependencies(&self, names: &BTreeSet<InstanceName>) -> BTreeSet<InstanceName> {
        artifacts_plan::reach(&self.instances, names)
    }

    /// What the caller's environment says.
    pub fn environment(&self) -> &Environment {
        &self.begun.environment
    }

    /// Where plaintext may lie.
    pub fn ram(&self) -> &Ram {
        &self.begun.ram
    }

    /// Nix, as it was begun with.
    pub fn nix(&self) -> &Nix {
        &self.begun.nix
    }

    /// The declarations.
    pub fn spec(&self) -> &Spec {
        &self.spec
    }

    /// Whether the person wants out.
    pub fn is_ended(&self) -> bool {
        self.begun.cancel.load(Ordering::Relaxed)
    }

    /// Whether a target did not evaluate.
    pub fn is_in_part(&self) -> bool {
        !self.unevaluated.is_empty()
    }

    /// Opens what a run works with.
    pub fn tools(&self) -> Result<Tools, Failure> {
        record::check(&self.log.path(), self.log_is_named)?;
        self.log.begin().map_err(|e| record::failure(&e))?;
        let (environment, ram) = (self.begun.environment.clone(), self.begun.ram.clone());
        let sandbox = move || sandbox(&environment, &ram);
        let nix = self.begun.nix.clone();
        let path = self.begun.environment.generator_path();
        let log_level = Environment::log_level(self.begun.output.verbose);
        Ok(Tools {
            root: self.root.clone(),
            checkout: self.checkout()?,
            git: git(&self.begun),
            backends: Box::new(self.registry()),
            evaluator: Box::new(Evaluator::new(&self.global, &nix, &[], self.begun.output)),
            generators: Arc::new(SandboxedGenerators::new(nix, path, log_level, sandbox)),
            operator: Box::new(TerminalOperator::new(Flags::from(&self.global), self.begun.output, None)),
            identities: self.begun.keys.identities(),
            headers: self.header_memory()?,
            trust: self.trust.clone(),
            state: state(&self.begun.environment)?,
            audit: Some(self.log.clone()),
            storing: writing::options(&self.global, self),
            cancel: Cancel::new(Arc::clone(&self.begun.cancel)),
            now: self.now,
            reported: BTreeSet::new(),
        })
    }

    /// The registered backends.
    pub fn registry(&self) -> Registry {
        let ram = self.begun.ram.clone();
        let worker = self.worker.clone();
        let place = move || {
            let folder = ram.folder()?;
            folder.subfolder("slice")?;
            let worker = worker.clone().fallback(folder.path().join("slice"));
            Ok((Place::Worker(worker), folder))
        };
        let nix = self.begun.nix.clone();
        let registry = Registry::new(self.spec.backends.clone(), self.root.path().to_owned(), nix, place);
        let Global { accept_grants, no_input, .. } = self.global;
        registry.asking(grants::asking(self.trust.clone(), self.log.clone(), accept_grants, no_input))
    }

    /// What this machine knows of headers, as seen from this checkout.
    fn header_memory(&self) -> Result<HeaderMemory, Failure> {
        let path = self.root.path().display().to_string();
        let confirm = clones::asking(path, self.global.accept_clone, self.global.no_input, self.log.clone());
        Ok(HeaderMemory::new(self.headers.clone(), self.checkout()?, confirm))
    }

    /// Whose slices are whose. With nothing declared at all, something is more likely wrong than everything an orphan.
    pub fn owners(&self) -> Result<Owners, Failure> {
        if self.spec.targets.is_empty() && self.unevaluated.is_empty() {
            return Err(Failure::new("", "no target is declared, so every slice would be without an owner")
                .hint(Some("look at what is evaluated; to give up the storage, remove its folder")));
        }
        Ok(Owners::new(&self.spec, self.unevaluated.iter().chain(&self.unseen).cloned().collect()))
    }

    /// Why it cannot be told who reads an instance: it is shared, and a target that did not evaluate may be a reader. What is
    /// stored for it now must not be taken from it.
    pub fn unknown_readers(&self, instance: &Instance) -> Option<Failure> {
        let (kind, target) = self.unevaluated.first()?;
        let InstanceName::Shared { .. } = instance.name else { return None };
        let why = format!("who reads it cannot be told: {} {target} did not evaluate", kind.as_str());
        Some(Failure::new(instance.name.to_string(), why).hint(Some("mend that target's configuration first")))
    }

    /// Everything that is wrong with the declarations.
    pub fn failures(&self) -> Vec<Failure> {
        self.errors.iter().map(|(_, failure)| failure.clone()).collect()
    }

    /// The recipients that were accepted in this repository.
    pub fn readers(&self) -> Result<AcceptedRecipients, Failure> {
        let failed = |e: artifacts_trust::Error| Failure::about("recipients", e);
        AcceptedRecipients::open(state(&self.begun.environment)?, self.checkout()?).map_err(failed)
    }

    /// The root, and the repository that holds it.
    pub fn checkout(&self) -> Result<Checkout, Failure> {
        checkout(&self.root)
    }

    /// What the admin has accepted.
    pub fn trust(&self) -> &Trust {
        &self.trust
    }

    /// The audit log of this run.
    pub fn log(&self) -> &AuditLog {
        &self.log
    }

    /// Whether the admin has accepted these grants for this very component.
    pub fn accepted(&self, component: &Component, grants: &Grants) -> Result<bool, Failure> {
        grants::accepted(&self.trust, component, grants)
    }

    /// The moment of the run.
    pub fn now(&self) -> SystemTime {
        self.now
    }

    /// Every question of every instance.
    pub fn all_prompts(&self) -> impl Iterator<Item = (&InstanceName, &artifacts_declared::Name)> {
        self.instances.values().flat_map(|i| i.prompts.keys().map(move |prompt| (&i.name, prompt)))
    }

    /// The rows of these instances as they were found, and what was wrong with their declarations.
    pub fn report(&self, chosen: &Chosen, survey: &Survey) -> Report {
        Report { errors: chosen.errors.clone(), ..self.rows(self.instances(&chosen.names), survey) }
    }

    /// The rows of these instances as they were found.
    pub fn rows<'a>(&self, instances: impl Iterator<Item = &'a Instance>, survey: &Survey) -> Report {
        let row = |instance: &Instance| {
            let found = survey.found.get(&instance.name)?;
            Some(Row {
                name: instance.name.to_string(),
                backend: instance.backend.as_ref().map(ToString::to_string),
                state: found.state.clone(),
                staged: None,
                done: None,
                files: Vec::new(),
                notes: Vec::new(),
                hints: Vec::new(),
            })
        };
        Report { instances: instances.filter_map(row).collect(), ..Report::default() }
    }

    /// Adds to the rows of what is absent or stale what to do about it.
    pub fn add_hints(&self, tools: &mut Tools, survey: &Survey, report: &mut Report) {
        let orphans = self.former(tools);
        let declared = Everything { instances: &self.instances, ordered: &self.ordered, orphans: &orphans };
        let open = |row: &&Row| row.done.is_none() && matches!(row.state, State::Absent | State::Stale(_));
        let names: BTreeSet<String> = report.instances.iter().filter(open).map(|row| row.name.clone()).collect();
        let instances = self.instances.values().filter(|instance| names.contains(&instance.name.to_string()));
        for (name, hints) in artifacts_flow::hints(tools, declared, survey, instances) {
            let name = name.to_string();
            if let Some(row) = report.instances.iter_mut().find(|row| row.name == name) {
                row.hints = hints;
            }
        }
    }

    /// Entries that no declaration owns. Where it cannot be told what is declared or stored, there are none.
    pub fn orphans(&self, tools: &Tools) -> Orphans {
        let orphans = self.owners().and_then(|owners| artifacts_flow::orphans(tools, &owners, &self.instances));
        orphans.unwrap_or_default()
    }

    /// The same, with those in storages that no backend has: any of them may have the value of a renamed instance.
    pub fn former(&self, tools: &Tools) -> Vec<Orphan> {
        let orphans = self.orphans(tools);
        orphans.found.into_iter().chain(orphans.strange).collect()
    }

    /// Notes in the rows of what was written what went to the trash with the old entry.
    pub fn note_strays(report: &mut Report, survey: &Survey, written: &BTreeSet<InstanceName>) {
        for (name, found) in survey.found.iter().filter(|(name, _)| written.contains(*name)) {
            let name = name.to_string();
            let Some(row) = report.instances.iter_mut().find(|row| row.name == name) else { continue };
            if !found.strays.is_empty() {
                let strays: Vec<String> = found.strays.iter().map(|stray| format!("`{stray}`")).collect();
                row.notes.push(format!("moved to the trash with the old entry: {}", strays.join(", ")));
            }
            if let Some(place) = &found.elsewhere {
                let what = if place.declared { "was moved to the trash" } else { "is left as it is" };
                row.notes.push(format!("the entry in `{}` {what}", place.storage));
            }
        }
    }

    /// Notes in the rows of what has new content: what that makes stale and is none of those besides.
    pub fn note_dependents(
        &self,
        tools: &mut Tools,
        report: &mut Report,
        new: &BTreeSet<InstanceName>,
        besides: &BTreeSet<InstanceName>,
    ) {
        let mut dependents = artifacts_flow::dependents(tools, &self.instances, new);
        dependents.values_mut().for_each(|from| from.retain(|one| !besides.contains(*one)));
        let names: BTreeSet<InstanceName> = dependents.values().flatten().map(|name| (*name).clone()).collect();
        if names.is_empty() {
            return;
        }
        let survey = artifacts_flow::survey(tools, &self.instances, &names);
        let declared = Everything { instances: &self.instances, ordered: &self.ordered, orphans: &[] };
        let hints = artifacts_flow::hints(tools, declared, &survey, self.instances(&names));
        for (name, from) in dependents {
            let row = report.instances.iter_mut().find(|row| row.name == name.to_string());
            if let Some(row) = row.filter(|_| !from.is_empty()) {
                row.notes.push(made_from(&from, &hints));
            }
        }
    }
}

/// Names the dependents of an instance, and what keeps their values or replaces them.
fn made_from(dependents: &[&InstanceName], hints: &BTreeMap<InstanceName, Vec<Hint>>) -> String {
    let names: Vec<String> = dependents.iter().map(ToString::to_string).collect();
    // Those to which the same applies are named in one command.
    let mut alike: BTreeMap<String, Vec<(&InstanceName, &str)>> = BTreeMap::new();
    for (name, text) in dependents.iter().zip(&names) {
        let Some(line) = hints.get(*name).and_then(|hints| hint_line(hints, &[text])) else { continue };
        alike.entry(line.replace(text.as_str(), "")).or_default().push((name, text));
    }
    let line = |alike: &Vec<(&InstanceName, &str)>| {
        let texts: Vec<&str> = alike.iter().map(|(_, text)| *text).collect();
        hint_line(hints.get(alike.first()?.0)?, &texts)
    };
    let lines = alike.values().filter_map(line);
    let made = format!("made from it: {}", names.join(", "));
    std::iter::once(made).chain(lines).collect::<Vec<String>>().join("; ")
}

fn checkout(root: &Root) -> Result<Checkout, Failure> {
    let root = root.path();
    match Repository::containing(root) {
        Ok(Some(git)) => Ok(Checkout::in_repository(root, &git.work_tree, git.common_dir)),
        // Nothing is written into the repository of another user, and nothing there is believed.
        Ok(None) | Err(artifacts_store::Error::RepositoryOwner { .. }) => Ok(Checkout::at_path(root)),
        Err(error) => Err(Failure::from(error)),
    }
}

/// A sandbox for generators.
fn sandbox(environment: &Environment, ram: &Ram) -> Result<Sandbox, Failure> {
    let bwrap = Sandbox::find(environment.search_path()).unwrap_or_else(|| PathBuf::from("/usr/bin/bwrap"));
    Sandbox::new(bwrap, ram).map_err(Failure::from)
}

/// How the processes are made that components run in.
fn worker(global: &Global, environment: &Environment) -> WorkerStart {
    let worker = WorkerStart::default().required(global.require_sandbox);
    match environment.cache() {
        Some(cache) => worker.cache(cache.join("compiled")),
        None => worker,
    }
}

/// Where this user's programs keep what outlives a run, if nobody else can change it: else nothing there proves anything.
fn state(environment: &Environment) -> Result<PathBuf, Failure> {
    let state = environment.state().ok_or_else(|| {
        Failure::new("", "there is no place to remember what was accepted").hint(Some("set HOME or XDG_STATE_HOME"))
    })?;
    artifacts_trust::check_ownership(&state)?;
    Ok(state)
}

/// What is committed in a repository proves nothing of what was accepted here.
fn own_state(begun: &Begun) -> Result<(), Failure> {
    let state = state(&begun.environment)?;
    let failed = |why: String, help: String| Err(Failure::new("", why).hint(Some(help)));
    match git(begun).tracks(&state) {
        Ok(None) => Ok(()),
        Ok(Some(path)) => failed(
            format!(
                "{} is tracked by git, so whoever can push could write what is stored in {}",
                path.display(),
                state.display()
            ),
            "set XDG_STATE_HOME to a directory outside of the repository; do not use what is stored there".to_owned(),
        ),
        Err(warning) => failed(
            format!("whether git tracks {} cannot be determined: {warning}", state.display()),
            "set XDG_STATE_HOME to a directory outside of the repository".to_owned(),
        ),
    }
}

fn git(begun: &Begun) -> Git {
    Git {
        program: "git".into(),
        env: begun.environment.variables().iter().cloned().collect(),
        scratch: begun.scratch.path().to_owned(),
    }
}

fn headers(environment: &Environment) -> Result<KnownHeaders, Failure> {
    let state = state(environment)?;
    Ok(KnownHeaders::new(state.join("headers"), state.join("sealed")))
}

fn trust(environment: &Environment) -> Result<Trust, Failure> {
    Ok(Trust::new(state(environment)?.join("accepted")))
}

fn ram(environment: &Environment) -> Result<Ram, Failure> {
    let ram = Ram::find(&environment.ram_candidates())?;
    // What a killed run left is gone before this one makes more.
    ram.sweep();
    Ok(ram)
}

fn nix(global: &Global, environment: &Environment, cancel: &Arc<AtomicBool>) -> Nix {
    let overrides = global.override_input.chunks_exact(2);
    let cache = environment.cache().filter(|_| !global.no_eval_cache);
    let options = artifacts_nix::Options {
        arguments: global.nix_arg.iter().map(Into::into).collect(),
        override_inputs: overrides.map(|pair| (pair[0].clone(), pair[1].clone())).collect(),
        system: Some(Environment::system()),
        jobs: global.eval_jobs.unwrap_or_else(Environment::evaluations_at_once),
        cache: cache.map(|cache| cache.join("evaluations")),
        cancel: Arc::clone(cancel),
        ..artifacts_nix::Options::default()
    };
    Nix::new(None, environment.variables().to_vec(), options)
}
