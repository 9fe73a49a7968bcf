//! The way out when the person wants out: plaintext goes first, then the program.

use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::process::{Command, ExitStatus};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, LazyLock, Mutex, MutexGuard, OnceLock, PoisonError};
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

static WATCH: OnceLock<Watch> = OnceLock::new();

/// What is known of the thread that watches.
struct Watch {
    /// Set at the first signal that ends the run.
    cancel: Arc<AtomicBool>,
    /// Where signals go, each a byte, in their order.
    signals: Arc<OwnedFd>,
    /// Hears of each [`MARK`] that the thread comes to, and of the end that it begins.
    reached: Mutex<Receiver<()>>,
}

/// The byte that is no signal: it follows those that came before it.
const MARK: u8 = 0;

/// Whose affair Ctrl-C at the terminal is, besides the run's.
#[derive(Debug)]
struct Held {
    /// The editor, or another program, that a person works in. As long as it is here, its process id is no one else's.
    editor: Option<Pid>,
    /// Whether a person wrote something that is nowhere else: the first Ctrl-C is answered by saying so.
    unsaved: bool,
}

static HELD: Mutex<Held> = Mutex::new(Held { editor: None, unsaved: false });

fn held() -> MutexGuard<'static, Held> {
    HELD.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Runs an editor, as [`run`] does. What was written is protected as long as there is an [`Unsaved`].
pub fn edit(command: &mut Command) -> io::Result<ExitStatus> {
    attend(command, true)
}

/// Runs a program at the terminal. Until it ends, Ctrl-C there is its affair, and what ends this program ends the other one first.
pub fn run(command: &mut Command) -> io::Result<ExitStatus> {
    attend(command, false)
}

fn attend(command: &mut Command, unsaved: bool) -> io::Result<ExitStatus> {
    let mut held_now = held();
    let mut child = command.spawn()?;
    let id = Pid::from_child(&child);
    held_now.editor = Some(id);
    drop(held_now);
    // It stays as a name until no one sends it a signal any more.
    let ended = retry_on_intr(|| waitid(WaitId::Pid(id), WaitIdOptions::EXITED | WaitIdOptions::NOWAIT));
    // A signal that came while it ran may not have been looked at yet: it was the editor's all the same.
    if let Some(watch) = WATCH.get() {
        watch.catch_up();
    }
    *held() = Held { editor: None, unsaved };
    ended?;
    child.wait()
}

/// Keeps one Ctrl-C from losing what a person writes in an editor, until it goes.
#[derive(Debug)]
pub struct Unsaved(());

impl Unsaved {
    /// Begins with nothing written.
    pub fn new() -> Self {
        Self(())
    }
}

impl Drop for Unsaved {
    fn drop(&mut self) {
        held().unsaved = false;
    }
}

impl Watch {
    /// Waits until every signal that came before was looked at.
    fn catch_up(&self) {
        let reached = self.reached.lock().unwrap_or_else(PoisonError::into_inner);
        while reached.try_recv().is_ok() {}
        if self.cancel.load(Ordering::Relaxed) {
            return;
        }
        // A full pipe would need thousands of signals at once; then nothing is waited for.
        if rustix::io::write(&*self.signals, &[MARK]).is_ok() {
            let _ = reached.recv();
        }
    }
}

/// Returns the flag that is set at the first signal that ends the program.
pub fn cancel() -> Arc<AtomicBool> {
    Arc::clone(&CANCEL)
}

/// Watches for signals from now on. The flag is set at the first one; a run that is asking a person is ended at once, and one that
/// has not ended by itself soon after.
pub fn watch() -> io::Result<()> {
    let (signals, write) = caught()?;
    let (sender, reached) = channel();
    let flag = cancel();
    std::thread::Builder::new().spawn(move || look(signals, &flag, &sender))?;
    WATCH.get_or_init(|| Watch { cancel: cancel(), signals: write, reached: Mutex::new(reached) });
    Ok(())
}

/// Looks at each signal as it comes, until one of them ends the program.
fn look(mut signals: io::PipeReader, cancel: &AtomicBool, reached: &Sender<()>) {
    let mut byte = [0];
    while io::Read::read_exact(&mut signals, &mut byte).is_ok() {
        let [signal] = byte;
        if signal == MARK {
            let _ = reached.send(());
            continue;
        }
        let signal = c_int::from(signal);
        if signal == libc::SIGTSTP {
            artifacts_prompt::suspend(stop);
            continue;
        }
        if is_kept(signal) {
            continue;
        }
        let asking = artifacts_prompt::restore();
        cancel.store(true, Ordering::Relaxed);
        let _ = reached.send(());
        // Who waits for an answer has nothing else under way.
        if !asking {
            std::thread::sleep(PATIENCE);
        }
        leave(signal);
    }
}

/// Whether the run goes on after a signal. One that does not is the end of an editor first.
fn is_kept(signal: c_int) -> bool {
    let by_keys = matches!(signal, SIGINT | SIGQUIT);
    let mut held = held();
    if let Some(editor) = held.editor {
        if !by_keys {
            end(editor);
        }
        return by_keys;
    }
    // A question says itself what is lost.
    let is_first = by_keys && held.unsaved && !artifacts_prompt::is_asking();
    if is_first {
        held.unsaved = false;
        let _ = rustix::io::write(rustix::stdio::stderr(), STORING);
    }
    is_first
}

/// What the first Ctrl-C is answered while something that a person wrote is being stored.
const STORING: &[u8] = b"\nwhat you wrote is being stored; Ctrl-C once more gives it up\n";

/// Ends the program when a person wants out of a question: nothing else is under way.
pub fn interrupt() {
    leave(SIGINT);
}

fn leave(signal: c_int) -> ! {
    artifacts_ram::remove_all();
    crate::progress::give_up();
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

/// Every signal that would end or stop the program, each a byte, as they come; and where they are written.
fn caught() -> io::Result<(io::PipeReader, Arc<OwnedFd>)> {
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
    Ok((read.into(), write))
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

/// The signals that were ignored when the program was started, each a bit: whoever started it wants it to live on.
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

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    /// They share what is held.
    static ONE_AT_A_TIME: Mutex<()> = Mutex::new(());

    #[test]
    fn a_signal_that_came_while_an_editor_ran_is_its_own_however_late_it_is_looked_at() {
        let _alone = ONE_AT_A_TIME.lock();
        let (read, write) = pipe_with(PipeFlags::CLOEXEC).unwrap();
        rustix::io::write(&write, &[u8::try_from(SIGINT).unwrap()]).unwrap();
        held().editor = Some(getpid());
        let (sender, reached) = channel();
        let cancel = Arc::new(AtomicBool::new(false));
        let flag = Arc::clone(&cancel);
        let late = std::thread::spawn(move || {
            std::thread::sleep(Duration::from_millis(200));
            // It would end this program.
            look(read.into(), &flag, &sender);
        });
        let watch = Watch { cancel: Arc::clone(&cancel), signals: Arc::new(write), reached: Mutex::new(reached) };
        watch.catch_up();
        held().editor = None;
        drop(watch);
        late.join().unwrap();
        assert!(!cancel.load(Ordering::Relaxed));
    }

    #[test]
    fn one_ctrl_c_does_not_lose_what_was_written_and_a_second_one_does() {
        let _alone = ONE_AT_A_TIME.lock();
        let unsaved = Unsaved::new();
        held().unsaved = true;
        assert!(!is_kept(SIGTERM), "whoever ends the program otherwise is not there to be asked");
        assert!(is_kept(SIGINT) && !is_kept(SIGINT));
        held().unsaved = true;
        drop(unsaved);
        assert!(!is_kept(SIGINT), "it is stored, or given up");
    }
}
