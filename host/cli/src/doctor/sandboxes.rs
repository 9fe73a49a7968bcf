//! Trials of both sandboxes.

use std::path::Path;

use artifacts_doctor::{GeneratorTrial, TrialOutcome, WorkerFacts};
use artifacts_generate::{Error, GeneratorFailure, StorePath};
use artifacts_report::Failure;

use super::Doctor;
use crate::{context, sandboxes};

impl Doctor<'_> {
    /// Starts a worker that tries its walls from the inside. It gets no component and no secret.
    pub(super) fn worker(&self) -> Result<WorkerFacts, Failure> {
        let ram = self.ram.clone()?;
        let start = sandboxes::of_workers(context::worker(self.global, &self.environment), ram);
        let start = start()?;
        // One for a component that imports a file system, as the bundled ones do: its filter allows the most.
        let (missing, possible) = artifacts_session::probe(&start, true).map_err(Failure::from)?;
        Ok(WorkerFacts { missing: missing.into_iter().collect(), possible })
    }

    /// Sets up the sandbox of a generator, and runs bubblewrap itself in it.
    pub(super) fn generator(&self) -> Result<GeneratorTrial, Failure> {
        let ram = self.ram.clone()?;
        let sandbox = sandboxes::of_generators(&self.environment, &ram)?;
        let bubblewrap = sandbox.bubblewrap().to_owned();
        let outcome = match self.closure(&bubblewrap) {
            Ok(closure) => outcome(sandbox.probe(closure)),
            Err(failure) => TrialOutcome::NotTried(failure),
        };
        Ok(GeneratorTrial { bubblewrap, allows_namespaces: sandbox.allows_namespaces(), outcome })
    }

    /// What a program needs of the Nix store.
    fn closure(&self, program: &Path) -> Result<Vec<StorePath>, Failure> {
        let real = program.canonicalize().map_err(|error| Failure::new("", error.to_string()))?;
        let Some(store) = self.nix.store_of(&real) else { return Ok(Vec::new()) };
        let paths = self.nix.closure(&real).map_err(|error| Failure::about("", error))?;
        Ok(paths.into_iter().map(|path| StorePath { real: store.real_path(&path), path }).collect())
    }
}

fn outcome(probed: Result<(), Error>) -> TrialOutcome {
    match probed {
        Ok(()) => TrialOutcome::Ran,
        Err(Error::Run(fault)) if !matches!(*fault, GeneratorFailure::Sandbox { .. }) => {
            TrialOutcome::NotTried(Failure::about("", Error::Run(fault)))
        }
        Err(error) => TrialOutcome::Denied(Failure::about("", error)),
    }
}
