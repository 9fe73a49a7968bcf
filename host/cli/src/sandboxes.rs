//! The sandboxes of generators and workers.

use std::path::PathBuf;

use artifacts_generate::Sandbox;
use artifacts_ram::Ram;
use artifacts_report::Failure;
use artifacts_session::WorkerStart;

use crate::environment::Environment;

/// Finds the program that generators are sandboxed by.
pub fn of_generators(environment: &Environment, ram: &Ram) -> Result<Sandbox, Failure> {
    let bwrap = Sandbox::find(environment.search_path()).unwrap_or_else(|| PathBuf::from("/usr/bin/bwrap"));
    Sandbox::new(bwrap, ram).map_err(Failure::from)
}

/// Returns how each worker starts: `start`, with a private directory in RAM where it cannot have a file system of its own.
pub fn of_workers(start: WorkerStart, ram: Ram) -> impl Fn() -> Result<WorkerStart, Failure> {
    move || {
        let dir = ram.private_dir()?;
        dir.subdir("entry")?;
        let entry = dir.path().join("entry");
        Ok(start.clone().fallback(entry).holding(dir))
    }
}
