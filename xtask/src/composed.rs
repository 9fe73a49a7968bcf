//! A guest that is composed of two components: the hostile one, and one between it and the host's log.

use std::fs;

use anyhow::{Context, Result};

use crate::{c_guest, guests, project, run};

/// Builds it into `target/guests/composed.wasm`.
///
/// # Errors
/// When one of its parts is missing, or they do not fit each other.
pub fn build() -> Result<()> {
    let component = project::guests_built().join("composed.wasm");
    let (plug, socket) = (guests::parts().join("log-prefix.wasm"), project::guests_built().join("hostile.wasm"));
    run::done(run::command(c_guest::tool("compose")?).arg(plug).arg(socket).arg(&component))?;
    let size = fs::metadata(&component).with_context(|| component.display().to_string())?.len();
    println!("{:>8} kB  {}", size / 1000, component.display());
    Ok(())
}
