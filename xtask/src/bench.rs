//! The figures.
use anyhow::{Result, bail};

/// Not there yet.
///
/// # Errors
/// Always.
pub fn run(_: &[String]) -> Result<()> {
    bail!("the benchmark is not written yet")
}
