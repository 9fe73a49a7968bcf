//! A worker from the outside: two pipes, a deadline for each wait, and no more belief than a message's type gives.

use std::fs::File;
use std::io::{self, Read, Write};
use std::os::fd::OwnedFd;
use std::os::unix::process::{CommandExt as _, ExitStatusExt as _};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use artifacts_seam::frame::{self, HEADER, LARGEST, LARGEST_CODE};
use artifacts_seam::protocol::{BorrowedToWorker, FromWorker, Hello, Setup, Task, WORKER_ARGUMENT};
use artifacts_seam::{Disconnected, GuestMessage, Halfway, HostEnd, HostReply, Limits, Request, SandboxSetup, escaped};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::Errno;
use rustix::process::{Pid, Signal, kill_process_group};
use zeroize::{Zeroize as _, Zeroizing};

use crate::spawn;
use crate::worker_start::{Compiling, WorkerStart};
use crate::{Error, Shortage};
use artifacts_contract::Refusal;

/// For starting and locking down; a busy machine takes its time.
const START: Duration = Duration::from_secs(30);
/// Private memory that a worker may have besides what its component may: for code, requests, answers and threads, in bytes.
const OWN_MEMORY: u64 = 2 << 30;
/// Processes that are started, each leaving out one more of what stopped the last one half-way.
const ATTEMPTS: usize = 4;
/// Bytes that are read at once.
const PIECE: usize = 256 << 10;
/// Bytes that a worker may send for one call, beyond twice its limit of output: answers and events.
const CHATTER: usize = 256 << 20;
/// Bytes among these that may be numbers, lengths and choices of large messages: each can take dozens of bytes of memory.
const STRUCTURE: usize = 4 << 20;

pub(crate) struct PipeEnd {
    child: Child,
    /// Whether it was waited for: its number may be another's now.
    ended: bool,
    orders: File,
    told: File,
    /// What was read and not yet taken: from `begin` to `end`.
    inbox: Vec<u8>,
    begin: usize,
    end: usize,
    /// How much of it ever held something, and is wiped in the end.
    held: usize,
    allowance: usize,
    left: usize,
    structure: usize,
}

/// How a start went wrong.
#[derive(Debug)]
pub(crate) enum Start {
    /// The code is of another engine: compile again. Why it does not load.
    Outdated(String),
    /// It cannot be used.
    Failed(Error),
}

impl From<Error> for Start {
    fn from(error: Error) -> Self {
        Self::Failed(error)
    }
}

impl PipeEnd {
    /// Waits until the code that was sent can be called.
    pub(crate) fn ready(&mut self) -> Result<(), Start> {
        match self.message(START).map_err(|silence| broken(&silence))? {
            FromWorker::Ready => Ok(()),
            FromWorker::Outdated(why) => Err(Start::Outdated(why)),
            FromWorker::Mismatch(why) => Err(Start::Failed(Refusal::Contract { why }.into())),
            FromWorker::Large(why) => Err(Start::Failed(Refusal::Start { why }.into())),
            _ => Err(Start::Failed(unexpected())),
        }
    }

    /// Starts a worker that is locked down and has run nothing yet. `files` says whether it may have a directory to work in.
    /// `code` that is at hand is in the pipe before the worker is locked down, and is read when it is.
    pub(crate) fn spawn(
        worker: &WorkerStart,
        limits: Limits,
        task: Task,
        files: bool,
        code: Option<&[u8]>,
    ) -> Result<(Self, Hello), Error> {
        let memory = match task {
            Task::Compile { .. } => worker.compiling.memory,
            Task::Run | Task::RunInside(_) | Task::Probe => limits.memory + 2 * limits.output + OWN_MEMORY,
        };
        let mut sandbox = SandboxSetup {
            without: worker.without.iter().copied().collect(),
            parent: std::process::id(),
            fallback: worker.fallback.clone(),
            preopen: files,
            memory,
            same_user_namespace: false,
        };
        worker.learned().iter().for_each(|halfway| halfway.leave_out(&mut sandbox));
        for _ in 0..ATTEMPTS {
            match Self::locked(worker, &Setup { sandbox: sandbox.clone(), limits, task }, code)? {
                (_, Ok(Hello { missing, .. })) if worker.required && !missing.is_empty() => {
                    return Err(Error::Unprotected(missing));
                }
                (end, Ok(hello)) => return Ok((end, hello)),
                (_, Err(halfway)) => {
                    worker.learn(halfway);
                    halfway.leave_out(&mut sandbox);
                }
            }
        }
        Err(Error::Worker("it failed repeatedly while its sandbox was set up".to_owned()))
    }

    /// One process, locked down or half-way there.
    fn locked(
        worker: &WorkerStart,
        setup: &Setup,
        code: Option<&[u8]>,
    ) -> Result<(Self, Result<Hello, Halfway>), Error> {
        let mut link = Self::process(worker, setup).map_err(|error| Error::Worker(error.to_string()))?;
        let setup = frame::encode(setup).map_err(|error| Error::Worker(error.to_string()))?;
        let code = code.map(|code| Ok::<_, Error>((length(code)?, code))).transpose()?;
        // A worker that stops half-way does not take it, and says why. One that ended takes nothing: how it ended is found out where
        // the next message is missing.
        let mut sent = link.send(&setup, START);
        if let Some((header, code)) = code {
            sent = sent.and_then(|()| link.send(&header, START)).and_then(|()| link.send(code, START));
        }
        match link.message(START).map_err(|silence| broken(&silence))? {
            FromWorker::Hello(hello) if is_key(&hello.engine) => match sent {
                Err(late @ Disconnected::Late) => Err(broken(&late)),
                Ok(()) | Err(Disconnected::Gone(_)) => Ok((link, Ok(hello))),
            },
            FromWorker::Halfway(halfway) => Ok((link, Err(halfway))),
            FromWorker::Unable(why) => Err(Error::Worker(why)),
            _ => Err(unexpected()),
        }
    }

    fn process(worker: &WorkerStart, Setup { limits, task, .. }: &Setup) -> io::Result<Self> {
        let mut command = Command::new(&worker.program);
        command.arg(WORKER_ARGUMENT).env_clear().current_dir("/");
        command.stdin(Stdio::piped()).stdout(Stdio::piped());
        // What a component prints is the worker's to report. What ends a compiler, only its own last words say.
        command.stderr(if matches!(task, Task::Compile { .. }) { Stdio::piped() } else { Stdio::null() });
        // What is typed at the terminal, such as Ctrl-C, is for this program to judge; a worker ends with it all the same.
        command.process_group(0);
        let mut child = spawn::spawn(command)?;
        let gone = || io::Error::other("it has no pipes");
        let orders = File::from(OwnedFd::from(child.stdin.take().ok_or_else(gone)?));
        let told = File::from(OwnedFd::from(child.stdout.take().ok_or_else(gone)?));
        // Code is a megabyte, and goes through in one piece where that is allowed.
        let _ = rustix::pipe::fcntl_setpipe_size(&orders, 1 << 20);
        rustix::io::ioctl_fionbio(&orders, true)?;
        rustix::io::ioctl_fionbio(&told, true)?;
        let output = usize::try_from(limits.output).unwrap_or(usize::MAX);
        let allowance = output.saturating_mul(2).saturating_add(CHATTER);
        let inbox = vec![0; PIECE];
        Ok(Self {
            child,
            ended: false,
            orders,
            told,
            inbox,
            begin: 0,
            end: 0,
            held: 0,
            allowance,
            left: allowance,
            structure: STRUCTURE,
        })
    }

    /// The next message.
    pub(crate) fn message(&mut self, patience: Duration) -> Result<FromWorker, Disconnected> {
        let deadline = Instant::now() + patience;
        let size = self.header(deadline, LARGEST)?;
        if size <= PIECE {
            self.fill(size, deadline)?;
            let bytes = &self.inbox[self.begin..self.begin + size];
            let told = frame::decode_within(bytes, &mut self.structure).map_err(gone)?;
            self.begin += size;
            return Ok(told);
        }
        let bytes = self.large(size, deadline)?;
        frame::decode_within(&bytes, &mut self.structure).map_err(gone)
    }

    fn code(&mut self, patience: Duration) -> Result<Vec<u8>, Disconnected> {
        let deadline = Instant::now() + patience;
        self.left = LARGEST_CODE + HEADER;
        let size = self.header(deadline, LARGEST_CODE)?;
        Ok(std::mem::take(&mut *self.large(size, deadline)?))
    }

    fn header(&mut self, deadline: Instant, largest: usize) -> Result<usize, Disconnected> {
        self.fill(HEADER, deadline)?;
        let mut header = [0; HEADER];
        header.copy_from_slice(&self.inbox[self.begin..self.begin + HEADER]);
        self.begin += HEADER;
        let size = frame::size(header, largest).map_err(gone)?;
        // What was announced is counted before a byte of it is given memory.
        self.left =
            self.left.checked_sub(size + HEADER).ok_or_else(|| Disconnected::Gone("it sent too much".to_owned()))?;
        Ok(size)
    }

    /// Has so many bytes in the inbox.
    fn fill(&mut self, wanted: usize, deadline: Instant) -> Result<(), Disconnected> {
        if self.begin + wanted > PIECE {
            self.inbox.copy_within(self.begin..self.end, 0);
            self.end -= self.begin;
            self.begin = 0;
        }
        while self.end - self.begin < wanted {
            self.end += receive(&mut self.told, &mut self.inbox[self.end..], deadline)?;
            self.held = self.held.max(self.end);
        }
        Ok(())
    }

    /// A frame that is larger than the inbox. Memory is given as bytes arrive.
    fn large(&mut self, size: usize, deadline: Instant) -> Result<Zeroizing<Vec<u8>>, Disconnected> {
        let mut bytes = Zeroizing::new(vec![0; size]);
        let mut have = (self.end - self.begin).min(size);
        bytes[..have].copy_from_slice(&self.inbox[self.begin..self.begin + have]);
        self.begin += have;
        while have < size {
            have += receive(&mut self.told, &mut bytes[have..], deadline)?;
        }
        Ok(bytes)
    }

    fn send(&mut self, mut bytes: &[u8], patience: Duration) -> Result<(), Disconnected> {
        let deadline = Instant::now() + patience;
        while !bytes.is_empty() {
            match self.orders.write(bytes) {
                Ok(written) => bytes = &bytes[written..],
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                    wait(&self.orders, PollFlags::OUT, deadline)?;
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(gone(error)),
            }
        }
        Ok(())
    }

    /// Sends the code that it is to run, or the component that it is to compile.
    pub(crate) fn send_code(&mut self, code: &[u8]) -> Result<(), Error> {
        let header = length(code)?;
        self.send(&header, START).and_then(|()| self.send(code, START)).map_err(|silence| broken(&silence))
    }
}

/// Compiles in a worker that never runs what it compiles.
pub(crate) fn compile(worker: &WorkerStart, component: &[u8], baseline: bool) -> Result<Vec<u8>, Error> {
    let (mut link, _) = PipeEnd::spawn(worker, Limits::default(), Task::Compile { baseline }, false, Some(component))?;
    match link.message(worker.compiling.time) {
        Ok(FromWorker::Compiled) => link.code(START).map_err(|silence| broken(&silence)),
        Ok(FromWorker::Damaged(why)) => Err(Refusal::Damaged { why }.into()),
        Ok(_) => Err(unexpected()),
        Err(silence) => Err(uncompiled(&silence, &mut link, worker.compiling)),
    }
}

/// Whether the name of an engine can be a part of a file's name.
fn is_key(engine: &str) -> bool {
    let clean = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'.';
    (1..=64).contains(&engine.len()) && engine.bytes().all(clean)
}

fn unexpected() -> Error {
    Error::Worker("unexpected message".to_owned())
}

/// Why there is no code.
fn uncompiled(silence: &Disconnected, link: &mut PipeEnd, Compiling { memory, time }: Compiling) -> Error {
    let why = match silence {
        Disconnected::Late => format!("it takes longer than {time:?} to compile"),
        Disconnected::Gone(_) => {
            if let Some(shortage) = Shortage::of_ended(link.was_killed()) {
                return Error::Machine(shortage);
            }
            match link.last_words().as_str() {
                "" => "the compiler ended, and did not say why".to_owned(),
                words if words.starts_with(NO_MEMORY) => {
                    format!("compiling it takes more than {} of memory", artifacts_text::size(memory))
                }
                words => format!("the compiler crashed: {words}"),
            }
        }
    };
    Refusal::Compiler { why }.into()
}

/// How a Rust program that is given no memory begins its last words.
const NO_MEMORY: &str = "memory allocation of ";
/// Bytes of a compiler's last words that are read.
const LAST_WORDS: u64 = 4096;

impl PipeEnd {
    /// What a process that is at its end printed, on one line.
    fn last_words(&mut self) -> String {
        self.end();
        let mut words = Vec::new();
        if let Some(stderr) = self.child.stderr.take() {
            let _ = stderr.take(LAST_WORDS).read_to_end(&mut words);
        }
        let words = String::from_utf8_lossy(&words);
        let lines: Vec<&str> = words.lines().map(str::trim).filter(|line| !line.is_empty()).collect();
        escaped(&lines.join("; "), 500)
    }
}

impl HostEnd for PipeEnd {
    fn call(&mut self, request: &Request) -> Result<(), Disconnected> {
        self.left = self.allowance;
        self.structure = STRUCTURE;
        let order = frame::encode(&BorrowedToWorker::Call(request)).map_err(gone)?;
        self.send(&order, START)
    }

    fn answer(&mut self, answer: &HostReply) -> Result<(), Disconnected> {
        let order = frame::encode(&BorrowedToWorker::Answer(answer)).map_err(gone)?;
        self.send(&order, START)
    }

    fn receive(&mut self, patience: Duration) -> Result<GuestMessage, Disconnected> {
        match self.message(patience)? {
            FromWorker::Guest(report) => Ok(report),
            _ => Err(Disconnected::Gone("unexpected message".to_owned())),
        }
    }

    fn end(&mut self) {
        if std::mem::replace(&mut self.ended, true) {
            return;
        }
        // The process and the one that it waits for, which are a group of their own.
        let group = i32::try_from(self.child.id()).ok().and_then(Pid::from_raw);
        if group.is_none_or(|group| kill_process_group(group, Signal::KILL).is_err()) {
            let _ = self.child.kill();
        }
        let _ = self.child.wait();
    }

    fn was_killed(&mut self) -> bool {
        let until = Instant::now() + LAST;
        while Instant::now() < until && !self.ended {
            if let Ok(Some(status)) = self.child.try_wait() {
                self.ended = true;
                return killed(status);
            }
            std::thread::sleep(Duration::from_millis(5));
        }
        false
    }
}

/// How long the end of a process may come after that of its pipes.
const LAST: Duration = Duration::from_millis(200);

fn killed(status: ExitStatus) -> bool {
    // Who waited for the worker tells its end as a shell does.
    status.signal() == Some(9) || status.code() == Some(128 + 9)
}

impl Drop for PipeEnd {
    fn drop(&mut self) {
        self.end();
        self.inbox[..self.held].zeroize();
    }
}

fn receive(from: &mut File, into: &mut [u8], deadline: Instant) -> Result<usize, Disconnected> {
    loop {
        match from.read(into) {
            Ok(0) => return Err(Disconnected::Gone("it ended".to_owned())),
            Ok(read) => return Ok(read),
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => wait(from, PollFlags::IN, deadline)?,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(gone(error)),
        }
    }
}

fn wait(pipe: &File, ready: PollFlags, deadline: Instant) -> Result<(), Disconnected> {
    let left = deadline.saturating_duration_since(Instant::now());
    if left.is_zero() {
        return Err(Disconnected::Late);
    }
    let left = Timespec::try_from(left).map_err(|_| Disconnected::Late)?;
    match poll(&mut [PollFd::new(pipe, ready)], Some(&left)) {
        Ok(0) => Err(Disconnected::Late),
        Ok(_) | Err(Errno::INTR) => Ok(()),
        Err(error) => Err(gone(error.into())),
    }
}

/// What stands before code: its length.
fn length(code: &[u8]) -> Result<[u8; HEADER], Error> {
    frame::length(code.len()).map_err(|error| Error::Worker(error.to_string()))
}

#[allow(clippy::needless_pass_by_value, reason = "for map_err")]
fn gone(error: io::Error) -> Disconnected {
    Disconnected::Gone(error.to_string())
}

fn broken(silence: &Disconnected) -> Error {
    match (silence, Shortage::of_ended(false)) {
        (Disconnected::Late, _) => Error::Worker("it did not answer in time".to_owned()),
        (Disconnected::Gone(_), Some(shortage)) => Error::Machine(shortage),
        (Disconnected::Gone(how), None) => Error::Worker(how.clone()),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use artifacts_seam::{CallContext, CheckState, Checked, FileRecipients};

    use super::*;

    #[test]
    fn a_worker_that_sends_more_parts_than_memory_is_ended() {
        let folder = tempfile::tempdir().unwrap();
        let (program, frames) = (folder.path().join("worker"), folder.path().join("frames"));
        let script = format!("#!/bin/sh\ncat '{}'\nexec sleep 600\n", frames.display());
        artifacts_tests::script::write(&program, script).unwrap();
        let of_file = FileRecipients { file: String::new(), recipients: Vec::new() };
        let recipients = vec![of_file; STRUCTURE / 2 + 100];
        let checked = GuestMessage::Checked(Ok(Checked { recipients, state: CheckState::Present }));
        let hello = Hello { engine: "engine-1".to_owned(), missing: Vec::new() };
        let told = [FromWorker::Hello(hello), FromWorker::Ready, FromWorker::Guest(checked)];
        let bytes: Vec<u8> = told.iter().flat_map(|told| frame::encode(told).unwrap().to_vec()).collect();
        std::fs::write(frames, bytes).unwrap();

        let worker = WorkerStart::default().program(&program);
        let (mut link, _) = PipeEnd::spawn(&worker, Limits::default(), Task::Run, true, Some(b"code")).unwrap();
        link.ready().unwrap();
        link.call(&Request::Check(CallContext::default(), Vec::new())).unwrap();
        let Err(Disconnected::Gone(how)) = link.receive(START) else { panic!("it was believed") };
        assert_eq!(how, "a message of too many parts");
    }

    /// A compiler that says hello and then does this.
    fn compiled_by(rest: &str, component: &[u8]) -> Error {
        let folder = tempfile::tempdir().unwrap();
        let (program, frames) = (folder.path().join("worker"), folder.path().join("frames"));
        let script = format!("#!/bin/sh\ncat '{}'\n{rest}\n", frames.display());
        artifacts_tests::script::write(&program, script).unwrap();
        let hello = FromWorker::Hello(Hello { engine: "engine-1".to_owned(), missing: Vec::new() });
        std::fs::write(frames, frame::encode(&hello).unwrap()).unwrap();
        let worker = WorkerStart::default().program(&program).compiling(1 << 30, Duration::from_secs(1));
        compile(&worker, component, false).unwrap_err()
    }

    #[test]
    fn why_a_compiler_ended_is_told_although_it_took_no_component() {
        // More than a pipe holds: it is still being sent when the compiler ends.
        let error = compiled_by("echo 'no slots' >&2; exit 101", &vec![0; 8 << 20]);
        assert!(error.to_string().contains("the compiler crashed: no slots"), "{error}");
    }

    #[test]
    fn why_a_compiler_ended_is_what_it_said_and_no_guess() {
        for (rest, why) in [
            ("echo 'memory allocation of 64 bytes failed' >&2; exit 134", "more than 1 GiB of memory"),
            (
                "printf '\\nthread x panicked at y:\\nno \\033[1mslots\\n' >&2; exit 101",
                "the compiler crashed: thread x panicked at y:; no \\u{1b}[1mslots",
            ),
            ("exit 1", "did not say why"),
            ("exec sleep 600", "longer than 1s"),
            ("yes | head -c 50000 >&2; exit 1", "the compiler crashed: y; y; y"),
        ] {
            let error = compiled_by(rest, b"component");
            assert!(matches!(error, Error::Refused(Refusal::Compiler { .. })), "{rest}: {error}");
            assert!(error.to_string().contains(why), "{rest}: {error}");
        }
    }
}
