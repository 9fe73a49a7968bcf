use std::io::Read;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::thread;
use std::time::{Duration, Instant};

use crate::{Error, message};

/// Interval of the checks whether the run is canceled.
const TICK: Duration = Duration::from_millis(50);
/// Time that Nix may take to clean up before it is killed.
const GRACE: Duration = Duration::from_secs(3);

/// Holds the output of a program that succeeded.
pub struct NixOutput {
    pub stdout: Vec<u8>,
    pub stderr: String,
}

/// Runs a command to its end, or until `cancel` is set.
///
/// `what` names what is asked, for errors.
pub fn run(mut command: Command, what: &str, cancel: &AtomicBool) -> Result<NixOutput, Error> {
    if cancel.load(Ordering::Relaxed) {
        return Err(Error::Cancelled);
    }
    let program = command.get_program().to_string_lossy().into_owned();
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().map_err(|source| Error::Start { program: program.clone(), source })?;
    let read = |source| Error::Read { program: program.clone(), source };

    let stdout = collect(child.stdout.take());
    let stderr = collect(child.stderr.take());
    let ended = wait(&mut child, &stdout, cancel);
    let (status, stdout) = match ended {
        Ok((status, stdout)) => (status, stdout.map_err(read)?),
        Err(error) => {
            stop(&mut child);
            return Err(error.map_or(Error::Cancelled, read));
        }
    };
    let stderr = stderr.recv().unwrap_or(Ok(Vec::new())).map_err(read)?;
    let stderr = String::from_utf8_lossy(&stderr).into_owned();
    if status.success() {
        return Ok(NixOutput { stdout, stderr });
    }
    Err(Error::Failed { what: what.to_owned(), message: failure(status, &stderr), flake: None })
}

fn failure(status: ExitStatus, stderr: &str) -> String {
    match status.code() {
        Some(_) => message::trim(stderr),
        None => format!("Nix was killed ({status}): {}", message::trim(stderr)),
    }
}

type PipeResult = std::io::Result<Vec<u8>>;

fn collect(pipe: Option<impl Read + Send + 'static>) -> Receiver<PipeResult> {
    let (send, receive) = channel();
    thread::spawn(move || {
        let mut bytes = Vec::new();
        let result = pipe.map_or(Ok(0), |mut pipe| pipe.read_to_end(&mut bytes));
        // No one listens any more when the caller stopped.
        let _ = send.send(result.map(|_| bytes));
    });
    receive
}

/// Waits for the end. Returns `Err(None)` if the run is canceled.
fn wait(
    child: &mut Child,
    stdout: &Receiver<PipeResult>,
    cancel: &AtomicBool,
) -> Result<(ExitStatus, PipeResult), Option<std::io::Error>> {
    let mut said = None;
    loop {
        if cancel.load(Ordering::Relaxed) {
            return Err(None);
        }
        if said.is_none() {
            match stdout.recv_timeout(TICK) {
                Ok(bytes) => said = Some(bytes),
                Err(RecvTimeoutError::Timeout) => continue,
                Err(RecvTimeoutError::Disconnected) => said = Some(Ok(Vec::new())),
            }
        }
        match child.try_wait() {
            Err(error) => return Err(Some(error)),
            Ok(Some(status)) => return Ok((status, said.unwrap_or(Ok(Vec::new())))),
            Ok(None) => thread::sleep(Duration::from_millis(1)),
        }
    }
}

/// Asks it to end, so that it releases its locks and builders, and ends it when it does not.
fn stop(child: &mut Child) {
    let process = i32::try_from(child.id()).ok().and_then(rustix::process::Pid::from_raw);
    if let Some(process) = process {
        // It may have ended meanwhile; it is not waited for yet, so its id is still its own.
        let _ = rustix::process::kill_process(process, rustix::process::Signal::TERM);
    }
    let deadline = Instant::now() + GRACE;
    while Instant::now() < deadline {
        if !matches!(child.try_wait(), Ok(None)) {
            return;
        }
        thread::sleep(Duration::from_millis(10));
    }
    let _ = child.kill();
    let _ = child.wait();
}
