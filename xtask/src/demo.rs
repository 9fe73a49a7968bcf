//! The main job, shown.
use anyhow::{Result, bail};

/// Not there yet.
///
/// # Errors
/// Always.
pub fn run() -> Result<()> {
    bail!("the demo is not written yet")
}
