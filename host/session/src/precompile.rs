use artifacts_contract::Component;

use crate::parent::compile;
use crate::{Error, WorkerStart};

/// Compiles a component for any processor of this architecture, in a worker that never runs it: what
/// [`Component::with_compiled`] takes.
///
/// # Errors
/// When it cannot be compiled.
pub fn precompile(component: &Component, worker: &WorkerStart) -> Result<Vec<u8>, Error> {
    let mut code = component.sha256().0.to_vec();
    code.extend(compile(worker, component.bytes(), true)?);
    Ok(code)
}
