//! The figures, measured by a program of its own.

use anyhow::Result;

use crate::build::{self, Profile};
use crate::{project, run};

/// Builds what is measured and measures all rows, or those that are named.
///
/// # Errors
/// When something does not build, or cannot be measured.
pub fn run(rows: &[String]) -> Result<()> {
    build::run(Profile::Release)?;
    build::measured()?;
    run::done(run::command(project::released().join("artifacts-bench")).args(rows))
}
