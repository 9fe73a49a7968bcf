//! The figures, measured by a program of its own, and what is counted in their place where a machine is busy.

use anyhow::Result;

use crate::build::{self, Profile};
use crate::{c_guest, project, run, setup, test};

/// Builds what is measured and measures all rows, or those that are named.
///
/// # Errors
/// When something does not build, or cannot be measured.
pub fn run(rows: &[String]) -> Result<()> {
    build::run(Profile::Release)?;
    build::measured()?;
    c_guest::build(&setup::ready()?.wasm)?;
    run::done(run::command(project::released().join("artifacts-bench")).args(rows))
}

/// Counts calls, system calls and instructions with the programs of the tests, which do so as well.
///
/// # Errors
/// When something does not build, or there is more of it than allowed.
pub fn quick() -> Result<()> {
    build::run(Profile::Quick)?;
    let mut counted = run::cargo();
    counted.args(["build", "--locked", "--workspace", "--example", "planned"]).current_dir(project::root());
    run::done(&mut counted)?;
    run::done(test::cargo_test().args(["--test", "e2e", "--", "counts::", "--nocapture", "--test-threads=1"]))
}
