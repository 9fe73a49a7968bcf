//! Generators: derivations that are built when they are needed, and run in a sandbox.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::OnceLock;

use artifacts_declared::Name;
use artifacts_generate::{Job, Sandbox, StorePath};
use artifacts_nix::Nix;
use artifacts_plan::Instance;
use artifacts_report::Failure;
use artifacts_seam::Secret;

use super::{Cancel, program};
use crate::failure;

/// Runs generators, several at once.
pub trait Generators: Send + Sync {
    /// Returns whether generators can be run at all.
    ///
    /// # Errors
    /// When there is no sandbox for them.
    fn ready(&self) -> Result<(), Failure>;

    /// Runs the generator of an instance and returns its files. A derivation is built first.
    ///
    /// # Errors
    /// When it cannot be built, fails, or does not write exactly the declared files.
    fn run(&self, instance: &Instance, job: Job, cancel: &Cancel) -> Result<BTreeMap<Name, Secret>, GenerationFailure>;
}

/// Holds why a generator gave no files.
#[derive(Debug)]
pub struct GenerationFailure {
    /// The failure.
    pub failure: Failure,
    /// What the generator printed; it may hold a secret.
    pub output: Option<Box<Secret>>,
}

impl From<Failure> for GenerationFailure {
    fn from(failure: Failure) -> Self {
        Self { failure, output: None }
    }
}

/// Runs generators in bubblewrap.
pub struct SandboxedGenerators {
    nix: Nix,
    /// Directories before the usual ones in `PATH`, with the store paths that they need.
    path: Vec<PathBuf>,
    log_level: String,
    open: Box<dyn Fn() -> Result<Sandbox, Failure> + Send + Sync>,
    sandbox: OnceLock<Result<Sandbox, Failure>>,
    /// The store paths that the programs in `path` need.
    closure: OnceLock<Result<Vec<StorePath>, Failure>>,
}

impl SandboxedGenerators {
    /// Opens the sandbox when the first generator is to be run. `path` has directories before the usual ones in `PATH`,
    /// `log_level` is `$LOG_LEVEL`.
    pub fn new(
        nix: Nix,
        path: Vec<PathBuf>,
        log_level: String,
        open: impl Fn() -> Result<Sandbox, Failure> + Send + Sync + 'static,
    ) -> Self {
        let (sandbox, closure) = (OnceLock::new(), OnceLock::new());
        Self { nix, path, log_level, open: Box::new(open), sandbox, closure }
    }

    fn sandbox(&self) -> Result<&Sandbox, Failure> {
        self.sandbox.get_or_init(|| (self.open)()).as_ref().map_err(Clone::clone)
    }
}

impl Generators for SandboxedGenerators {
    fn ready(&self) -> Result<(), Failure> {
        self.sandbox().map(drop)
    }

    fn run(
        &self,
        instance: &Instance,
        mut job: Job,
        cancel: &Cancel,
    ) -> Result<BTreeMap<Name, Secret>, GenerationFailure> {
        let sandbox = self.sandbox()?;
        job.log_level.clone_from(&self.log_level);
        job.path.clone_from(&self.path);
        job.closure = self.closure.get_or_init(|| program::closure_of_all(&self.path, &self.nix)).clone()?;
        if let Some(generator) = &instance.artifact.generator {
            job.closure.extend(program::prepare(instance, generator, &self.nix)?);
            job.closure.sort();
            job.closure.dedup();
        }
        sandbox.run(&job, cancel.flag()).map_err(|error| GenerationFailure {
            failure: failure::about(instance, &error),
            output: error.output().cloned().map(Box::new),
        })
    }
}
