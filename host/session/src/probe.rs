use std::time::Duration;

use artifacts_seam::protocol::{FromWorker, Task};
use artifacts_seam::{Disconnected, Limits, SandboxLayer};

use crate::parent::PipeEnd;
use crate::{Error, WorkerStart};

/// Starts a worker that tries its walls from the inside: one for a component that imports a file system (`files`), or one for
/// a component that does not. Gives the protections that are missing, and what could be done that should not be possible; both
/// are empty where all is well.
///
/// # Errors
/// When no worker can be started.
pub fn probe(worker: &WorkerStart, files: bool) -> Result<(Vec<SandboxLayer>, Vec<String>), Error> {
    let (mut end, hello) = PipeEnd::spawn(worker, Limits::default(), Task::Probe, files, None)?;
    match end.message(Duration::from_secs(30)) {
        Ok(FromWorker::Probed(done)) => Ok((hello.missing, done)),
        Ok(_) => Err(Error::Worker("unexpected message".to_owned())),
        Err(Disconnected::Late) => Err(Error::Worker("it did not answer".to_owned())),
        Err(Disconnected::Gone(how)) => Err(Error::Worker(how)),
    }
}
