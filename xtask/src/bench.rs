//! The figures, measured by a program of its own.

use anyhow::Result;

use crate::{build, project, run};

/// Builds what is measured and measures all rows, or those that are named.
///
/// # Errors
/// When something does not build, or cannot be measured.
pub fn run(rows: &[String]) -> Result<()> {
    build::run()?;
    build::measured()?;
    run::done(run::command(project::target().join("release/artifacts-bench")).args(rows))
}
