//! The way out when the person wants out: plaintext goes first, then the program.

use std::io;
use std::os::fd::AsFd;
use std::process::{Command, ExitStatus};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, LazyLock, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use libc::{c_int, siginfo_t};
use rustix::io::retry_on_intr;
use rustix::pipe::{PipeFlags, pipe_with};
use rustix::process::{Pid, Signal, WaitId, WaitIdOptions, getpgid, getpid, getppid, getsid, kill_process, waitid};
use signal_hook::consts::{SIGABRT, SIGHUP, SIGINT, SIGQUIT, SIGTERM};

/// How long a run may take to end by itself.
const PATIENCE: Duration = Duration::from_millis(1500);

/// How long a thread that cannot go on waits for plaintext to be removed.
const LONGEST: Duration = Duration::from_secs(5);

/// Signals that end no process, cannot be handled, or are ignored by every Rust program (SIGPIPE).
const HARMLESS: [c_int; 9] = [
    libc::SIGKILL,
    libc::SIGSTOP,
    libc::SIGPIPE,
    libc::SIGCHLD,
    libc::SIGCONT,
    libc::SIGTTIN,
    libc::SIGTTOU,
    libc::SIGURG,
    libc::SIGWINCH,
];

/// Set at the first signal that ends the program.
static CANCEL: LazyLock<Arc<AtomicBool>> = LazyLock::new(Arc::default);

/// The editor that a person works in. As long as it is here, its process id is no one else's.
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
    // It stays as a name until no one sends it a signal any more.
    let ended = retry_on_intr(|| waitid(WaitId::Pid(id), WaitIdOptions::EXITED | WaitIdOptions::NOWAIT));
    *editor() = None;
    ended?;
    child.wait()
}

/// Returns the flag that is set at the first signal that ends the program.
pub fn cancel() -> Arc<AtomicBool> {
    Arc::clone(&CANCEL)
}

/// Watches for signals from now on. The flag is set at the first one; a run that is asking a person is ended at once, and one that
/// has not ended by itself soon after.
pub fn watch() -> io::Result<()> {
    let mut signals = caught()?;
    let watcher = move || {
        let mut signal = [0];
        while io::Read::read_exact(&mut signals, &mut signal).is_ok() {
            let signal = c_int::from(signal[0]);
            if signal == libc::SIGTSTP {
                artifacts_prompt::suspend(stop);
                continue;
            }
            if let Some(editor) = *editor() {
                if matches!(signal, SIGINT | SIGQUIT) {
                    continue;
                }
                end(editor);
            }
            let asking = artifacts_prompt::restore();
            CANCEL.store(true, Ordering::Relaxed);
            // Who waits for an answer has nothing else under way.
            if !asking {
                std::thread::sleep(PATIENCE);
            }
            leave(signal);
        }
    };
    std::thread::Builder::new().spawn(watcher).map(drop)
}

/// Ends the program when a person wants out of a question: nothing else is under way.
pub fn interrupt() {
    leave(SIGINT);
}

fn leave(signal: c_int) -> ! {
    artifacts_ram::remove_all();
    std::process::exit(128 + signal);
}

/// Stops the program until it is continued. Where no shell could do that, it goes on at once, as the kernel has it.
fn stop() {
    if has_shell() {
        let _ = kill_process(getpid(), Signal::STOP);
    }
}

/// Whether a shell of this session sees to the program: a parent, or one of theirs, in another group of processes.
fn has_shell() -> bool {
    let (group, session) = (getpgid(None).ok(), getsid(None).ok());
    let mut parent = getppid();
    while let Some(process) = parent {
        if getsid(Some(process)).ok() != session {
            return false;
        }
        if getpgid(Some(process)).ok() != group {
            return true;
        }
        parent = parent_of(process);
    }
    false
}

fn parent_of(process: Pid) -> Option<Pid> {
    let status = std::fs::read_to_string(format!("/proc/{}/status", process.as_raw_nonzero())).ok()?;
    let parent = status.lines().find_map(|line| line.strip_prefix("PPid:"))?;
    Pid::from_raw(parent.trim().parse().ok()?)
}

/// Every signal that would end or stop the program, each a byte, as they come.
fn caught() -> io::Result<io::PipeReader> {
    let (read, write) = pipe_with(PipeFlags::CLOEXEC)?;
    rustix::fs::fcntl_setfl(&write, rustix::fs::OFlags::NONBLOCK)?;
    let write = Arc::new(write);
    let ignored = ignored();
    for signal in (1..=libc::SIGRTMAX()).filter(|signal| !HARMLESS.contains(signal)) {
        // The C library keeps those between for itself.
        if (32..libc::SIGRTMIN()).contains(&signal) {
            continue;
        }
        let always = [SIGHUP, SIGINT, SIGQUIT, SIGTERM].contains(&signal);
        if always || ignored & (1 << (signal - 1)) == 0 {
            catch(signal, Arc::clone(&write))?;
        }
    }
    Ok(read.into())
}

#[allow(unsafe_code)]
fn catch(signal: c_int, write: Arc<impl AsFd + Send + Sync + 'static>) -> io::Result<()> {
    let action = move |info: &siginfo_t| {
        let _ = rustix::io::write(&*write, &[u8::try_from(signal).unwrap_or(0)]);
        if cannot_go_on(signal, info) {
            std::thread::sleep(LONGEST);
            let _ = signal_hook::low_level::emulate_default_handler(signal);
        }
    };
    // SAFETY: the action does what a signal handler may: it writes to a pipe that never blocks, and sleeps. It neither allocates,
    // locks nor panics. The signals that the library wants left alone come from a fault of this thread, which is kept from going
    // on, or from another process.
    unsafe { signal_hook_registry::register_unchecked(signal, action) }.map(|_| ())
}

/// Whether the thread itself is at fault, or aborts: it would be the end of the program before anything is removed.
fn cannot_go_on(signal: c_int, info: &siginfo_t) -> bool {
    // Above zero: from the kernel, such as a fault or an exceeded limit; the latter is no fault.
    let faults = [libc::SIGSEGV, libc::SIGBUS, libc::SIGILL, libc::SIGFPE, libc::SIGTRAP, libc::SIGSYS];
    (faults.contains(&signal) && info.si_code > 0) || (signal == SIGABRT && info.si_code == libc::SI_TKILL)
}

/// The signals that were ignored when the program was started, each a bit: anyone who started it wants it to live on.
fn ignored() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let mask = status.lines().find_map(|line| line.strip_prefix("SigIgn:"));
    mask.and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok()).unwrap_or(0)
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
