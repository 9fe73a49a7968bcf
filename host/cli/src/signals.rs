//! The way out when the person wants out: plaintext goes first, then the program.

use std::io;
use std::process::{Command, ExitStatus};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::Duration;

use artifacts_report::Failure;
use rustix::io::retry_on_intr;
use rustix::process::{Pid, Signal, WaitId, WaitIdOptions, kill_process, waitid};
use signal_hook::consts::{SIGHUP, SIGINT, SIGQUIT, SIGTERM};
use signal_hook::iterator::Signals;

/// How long a run may take to end by itself.
const PATIENCE: Duration = Duration::from_millis(1500);

static WATCHED: OnceLock<Arc<AtomicBool>> = OnceLock::new();

/// The editor that a person works in. As long as it is here, its process id is nobody else's.
static EDITOR: Mutex<Option<Pid>> = Mutex::new(None);

fn editor() -> MutexGuard<'static, Option<Pid>> {
    EDITOR.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Runs an editor. Until it ends, Ctrl-C at the terminal is its affair, and what ends this program ends the editor first.
pub fn edit(command: &mut Command) -> io::Result<ExitStatus> {
    let mut editing = editor();
    let mut child = command.spawn()?;
    let id = Pid::from_child(&child);
    *editing = Some(id);
    drop(editing);
    // It stays as a name until nobody sends it a signal any more.
    let ended = retry_on_intr(|| waitid(WaitId::Pid(id), WaitIdOptions::EXITED | WaitIdOptions::NOWAIT));
    *editor() = None;
    ended?;
    child.wait()
}

/// Watches for signals from the first time on that it is called. The flag is set at the first one; a run that is asking a person is
/// ended at once, and one that has not ended by itself soon after.
pub fn watch() -> Result<Arc<AtomicBool>, Failure> {
    if let Some(cancel) = WATCHED.get() {
        return Ok(Arc::clone(cancel));
    }
    let cancel = Arc::new(AtomicBool::new(false));
    let mut signals = Signals::new([SIGHUP, SIGINT, SIGQUIT, SIGTERM])
        .map_err(|e| Failure::new("", format!("signals cannot be watched, so plaintext could be left behind: {e}")))?;
    let flag = Arc::clone(&cancel);
    std::thread::spawn(move || {
        for signal in signals.forever() {
            if let Some(editor) = *editor() {
                if matches!(signal, SIGINT | SIGQUIT) {
                    continue;
                }
                end(editor);
            }
            let asking = artifacts_prompt::restore();
            flag.store(true, Ordering::Relaxed);
            // Who waits for an answer has nothing else under way.
            if !asking {
                std::thread::sleep(PATIENCE);
            }
            artifacts_ram::remove_all();
            std::process::exit(128 + signal);
        }
    });
    Ok(Arc::clone(WATCHED.get_or_init(|| cancel)))
}

/// Ends the shell that the editor was started with, and what that started.
fn end(shell: Pid) {
    let id = shell.as_raw_nonzero();
    let children = std::fs::read_to_string(format!("/proc/{id}/task/{id}/children")).unwrap_or_default();
    let children = children.split_whitespace().filter_map(|child| Pid::from_raw(child.parse().ok()?));
    for process in children.chain([shell]) {
        let _ = kill_process(process, Signal::TERM);
    }
}
