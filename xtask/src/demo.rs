//! The main job, shown and checked, by a program of its own.

use anyhow::Result;

use crate::build::{self, Profile};
use crate::{project, run, sops};

/// Builds the program and takes it through the main job.
///
/// # Errors
/// When something does not build, or a step of the main job fails.
pub fn run() -> Result<()> {
    build::run(Profile::Quick)?;
    sops::ready()?;
    show()
}

/// Takes the program as it was built through the main job.
///
/// # Errors
/// When a step fails.
pub fn show() -> Result<()> {
    run::done(&mut run::command(project::quick().join("artifacts-demo")))
}
