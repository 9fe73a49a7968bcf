//! A run from the options and the environment.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use artifacts_audit::AuditLog;
use artifacts_flow::{Cancel, Declared, Evaluate as _, HeaderMemory, Registry, Run, SandboxedGenerators, Tools};
use artifacts_nix::{EvaluationObserver, Nix};
use artifacts_plan::{EntryOwners, Selector};
use artifacts_prompt::AnswersFile;
use artifacts_ram::{PrivateDir, Ram};
use artifacts_report::Failure;
use artifacts_session::{CheckMemo, WorkerStart};
use artifacts_store::{Git, Repository, Root};
use artifacts_trust::{Checkout, KnownHeaders, Trust};

use crate::console::Console;
use crate::declarations::Declarations;
use crate::environment::Environment;
use crate::evaluator::Evaluator;
use crate::global::Global;
use crate::operator::{Flags, TerminalOperator};
use crate::{audit_log, checkout_dirs, clones, grants, identities, sandboxes, signals, writing};

/// Holds what every run of a command has.
pub struct Context {
    global: Global,
    console: Console,
    cancel: Arc<AtomicBool>,
    environment: Environment,
    ram: Ram,
    /// For git's use; gone with the run.
    scratch: PrivateDir,
    nix: Nix,
}

/// Holds what is known once the root is.
struct Opened {
    root: Root,
    checkout: Checkout,
    log: AuditLog,
    trust: Trust,
}

impl Context {
    /// Reads the environment, and finds the directory in RAM.
    pub fn new(global: &Global, console: &Console) -> Result<Self, Failure> {
        let cancel = signals::cancel();
        let environment = Environment::read();
        let ram = ram(&environment)?;
        let scratch = ram.private_dir().map_err(Failure::from)?;
        let nix = nix(global, &environment, &cancel, *console);
        Ok(Self { global: global.clone(), console: *console, cancel, environment, ram, scratch, nix })
    }

    /// Opens a run over what the selectors name and what that depends on.
    pub fn open(&self, selectors: &[Selector]) -> Result<Run, Failure> {
        self.open_with(selectors, false, None)
    }

    /// The same for a command that only looks: what bundled backends answered before is not asked again, unless `is_fresh`, or where a sandbox
    /// is required, which only a worker shows.
    pub fn open_to_look(&self, selectors: &[Selector], is_fresh: bool) -> Result<Run, Failure> {
        let run = self.open(selectors)?;
        let folder = self
            .environment
            .cache()
            .filter(|_| !is_fresh && !self.global.require_sandbox)
            .map(|cache| cache.join("checks"));
        Ok(run.looking(folder.as_deref()))
    }

    /// The same, where `yes` answers the command's own question, and a file answers prompts.
    pub fn open_with(&self, selectors: &[Selector], yes: bool, answers: Option<AnswersFile>) -> Result<Run, Failure> {
        let run = self.open_unrecorded(selectors, yes, answers)?;
        self.begin(run.audit())?;
        Ok(run)
    }

    /// The same for what only looks at declarations: no call of a backend, and no line in the audit log.
    pub fn open_declared(&self, selectors: &[Selector]) -> Result<Run, Failure> {
        self.open_unrecorded(selectors, false, None)
    }

    fn open_unrecorded(&self, selectors: &[Selector], yes: bool, answers: Option<AnswersFile>) -> Result<Run, Failure> {
        let mut evaluator = Evaluator::new(&self.global, &self.nix, selectors, self.console);
        let declared = evaluator.evaluate()?;
        let tools = self.tools(&declared, evaluator, Flags::new(&self.global, yes), answers)?;
        Ok(Run::open(declared, tools))
    }

    /// The registered backends, what the admin accepted, and the configuration errors; without a flake nothing else is declared.
    pub fn registry(&self) -> Result<(Registry, Trust, Vec<Failure>), Failure> {
        let declarations = Declarations::of_backends(&self.global, &self.nix)?;
        declarations.show(&self.console);
        let declared = declarations.declared();
        let found = self.place(&declared)?;
        self.begin(Some(&found.log))?;
        let mut resolved = artifacts_plan::instances(&declared.spec, declared.system.as_deref());
        resolved.take_unknown(&EntryOwners::new(&declared.spec, declared.unevaluated.clone()));
        let (_, looped) = artifacts_plan::order(&resolved.instances);
        let problems = resolved.problems.into_iter().chain(looped).map(artifacts_flow::declared);
        let failures = declared.failures.iter().map(|(_, failure)| failure.clone()).chain(problems).collect();
        Ok((self.backends(&declared, &found), found.trust, failures))
    }

    /// What the caller's environment says.
    pub fn environment(&self) -> &Environment {
        &self.environment
    }

    /// The Nix of this machine.
    pub fn nix(&self) -> &Nix {
        &self.nix
    }

    /// What was accepted on this machine.
    pub fn trust(&self) -> Result<Trust, Failure> {
        trust(&self.environment)
    }

    /// Where plaintext may be.
    pub fn ram(&self) -> &Ram {
        &self.ram
    }

    /// Writes the line of the run in the audit log.
    fn begin(&self, log: Option<&AuditLog>) -> Result<(), Failure> {
        let Some(log) = log else { return Ok(()) };
        audit_log::check(&log.path(), self.global.audit_log.is_some())?;
        log.begin().map_err(|e| audit_log::failure(&e))
    }

    /// Finds the root, and the audit log of the run.
    fn place(&self, declared: &Declared) -> Result<Opened, Failure> {
        let root = Root::open(&declared.root).map_err(Failure::from)?;
        let checkout = checkout(&root)?;
        let log = audit_log::log(&audit_log::place(&self.global, &self.environment)?, &self.global, Some(&checkout));
        own_state(self)?;
        let trust = trust(&self.environment)?;
        Ok(Opened { root, checkout, log, trust })
    }

    fn tools(
        &self,
        declared: &Declared,
        evaluator: Evaluator,
        flags: Flags,
        answers: Option<AnswersFile>,
    ) -> Result<Tools, Failure> {
        let now = Environment::now();
        let found = self.place(declared)?;
        let repository = checkout_dirs::of_root(found.root.path());
        let identities = identities::IdentityOptions::new(&self.global, &self.environment, repository);
        let plugins = identities.recipient_plugins();
        let backends = Box::new(self.backends(declared, &found).sealing(plugins.clone()));
        let Opened { root, checkout, log, trust } = found;
        let path = root.path().display().to_string();
        let Global { accept_clone, no_input, .. } = self.global;
        let confirm = clones::asking(path, accept_clone, no_input, log.clone());
        let owner = writing::foreign_owner(&root);
        Ok(Tools {
            git: git(self),
            backends,
            evaluator: Box::new(evaluator),
            generators: Arc::new(self.generators()),
            operator: Box::new(TerminalOperator::new(flags, self.console, answers, owner)),
            identities: identities.identities(),
            plugins,
            headers: HeaderMemory::new(headers(&self.environment)?, checkout.clone(), confirm),
            root,
            checkout,
            trust,
            state: state(&self.environment)?,
            audit: Some(log),
            storing: writing::options(&self.global, now, &self.environment),
            jobs: self.global.jobs(),
            cancel: Cancel::new(Arc::clone(&self.cancel)),
            now,
            keys: artifacts_flow::DeclaredKeys::default(),
            reported: BTreeSet::new(),
            memo: CheckMemo::default(),
        })
    }

    fn generators(&self) -> SandboxedGenerators {
        let (environment, ram) = (self.environment.clone(), self.ram.clone());
        let path = self.environment.generator_path();
        let log_level = Environment::log_level(self.console.verbose());
        SandboxedGenerators::new(self.nix.clone(), path, log_level, move || {
            sandboxes::of_generators(&environment, &ram)
        })
    }

    fn backends(&self, declared: &Declared, found: &Opened) -> Registry {
        let console = self.console;
        let worker = worker(&self.global, &self.environment).observed(move |compiled| console.compiling(compiled));
        let workers = sandboxes::of_workers(worker, self.ram.clone());
        let root = found.root.path().to_owned();
        let registry =
            Registry::new(declared.spec.backends.clone(), crate::bundled::backends(), root, self.nix.clone(), workers);
        let Global { accept_grants, no_input, .. } = self.global;
        let registry = registry.at_once(self.global.jobs());
        registry.asking(grants::asking(found.trust.clone(), found.log.clone(), accept_grants, no_input))
    }
}

fn checkout(root: &Root) -> Result<Checkout, Failure> {
    let root = root.path();
    match Repository::containing(root) {
        Ok(Some(git)) => Ok(Checkout::in_repository(root, &git.work_tree, git.common_dir)),
        // Nothing is written into the repository of another user, and nothing there is believed.
        Ok(None) | Err(artifacts_store::Error::RepositoryOwner { .. }) => Ok(Checkout::at_path(root)),
        Err(error) => Err(Failure::about("", error)),
    }
}

/// How the processes are made that components run in.
pub fn worker(global: &Global, environment: &Environment) -> WorkerStart {
    let worker = WorkerStart::default().with_code_inside().required(global.require_sandbox);
    match environment.cache() {
        Some(cache) => worker.cache(cache.join("compiled")),
        None => worker,
    }
}

/// Where this user's programs keep what outlives a run, if no one else can change it: else nothing there proves anything.
fn state(environment: &Environment) -> Result<PathBuf, Failure> {
    let state = environment.state().ok_or_else(|| {
        Failure::new("", "no directory to keep accepted recipients and grants in")
            .hint(Some("set HOME or XDG_STATE_HOME"))
    })?;
    artifacts_trust::check_ownership(&state).map_err(Failure::from)?;
    Ok(state)
}

/// What is committed in a repository proves nothing of what was accepted here.
fn own_state(begun: &Context) -> Result<(), Failure> {
    let state = state(&begun.environment)?;
    let failed = |why: String, hint: String| Err(Failure::new("", why).hint(Some(hint)));
    match git(begun).tracks(&state) {
        Ok(None) => Ok(()),
        Ok(Some(path)) => failed(
            format!(
                "{} is tracked by git, so anyone who can push could change what {} keeps",
                path.display(),
                state.display()
            ),
            "set XDG_STATE_HOME to a directory outside the repository; do not use the files that are in it".to_owned(),
        ),
        Err(warning) => failed(
            format!("cannot determine whether git tracks {}: {warning}", state.display()),
            "set XDG_STATE_HOME to a directory outside the repository".to_owned(),
        ),
    }
}

fn git(begun: &Context) -> Git {
    git_in(&begun.environment, begun.scratch.path())
}

/// Git, with a directory of this run alone for its use.
pub fn git_in(environment: &Environment, scratch: &Path) -> Git {
    Git { program: "git".into(), env: environment.variables().iter().cloned().collect(), scratch: scratch.to_owned() }
}

fn headers(environment: &Environment) -> Result<KnownHeaders, Failure> {
    let state = state(environment)?;
    Ok(KnownHeaders::new(state.join("headers"), state.join("sealed")))
}

fn trust(environment: &Environment) -> Result<Trust, Failure> {
    Ok(Trust::new(state(environment)?.join("accepted")))
}

fn ram(environment: &Environment) -> Result<Ram, Failure> {
    let ram = Ram::find(&environment.ram_candidates()).map_err(Failure::from)?;
    // What a killed run left is gone before this one makes more.
    ram.sweep();
    Ok(ram)
}

/// Nix, as the options and the environment say.
pub fn nix(global: &Global, environment: &Environment, cancel: &Arc<AtomicBool>, console: Console) -> Nix {
    let overrides = global.override_input.chunks_exact(2);
    let cache = environment.cache().filter(|_| !global.no_eval_cache);
    let options = artifacts_nix::NixOptions {
        arguments: global.nix_arg.iter().map(Into::into).collect(),
        override_inputs: overrides.map(|pair| (pair[0].clone(), pair[1].clone())).collect(),
        system: Some(Environment::system()),
        jobs: global.eval_jobs.unwrap_or_else(Environment::evaluations_at_once),
        cache: cache.map(|cache| cache.join("evaluations")),
        now: Environment::now(),
        observer: EvaluationObserver::new(move |step| console.evaluating(step)),
        cancel: Arc::clone(cancel),
        ..artifacts_nix::NixOptions::default()
    };
    Nix::new(None, environment.variables().to_vec(), options)
}
