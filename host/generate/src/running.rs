use std::fs::File;
use std::io::{Read, Write};
use std::os::fd::OwnedFd;
use std::os::unix::process::ExitStatusExt;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags};
use rustix::io::Errno;
use rustix::process::{Pid, PidfdFlags, Signal, pidfd_open, pidfd_send_signal};

use crate::collect;
use crate::error::GeneratorFailure;
use crate::job::Job;
use crate::out::{Init, Out};
use crate::output::CapturedOutput;
use crate::spawn::Started;
use crate::wait::{PATIENCE, readable, wait_for};

/// Interval of the checks of the cancel flag and the size of `$out`.
const TICK: Duration = Duration::from_millis(50);

/// Represents a sandbox that was started.
pub(crate) struct Running {
    pub(crate) bubblewrap: Started,
    /// Reports of bubblewrap, one JSON object a line.
    pub(crate) status: File,
    /// Those that were read.
    pub(crate) reported: Vec<u8>,
    /// Pipe in which one byte lets the generator start. Both ends are held, so that writing cannot fail without a
    /// reader.
    pub(crate) start: (OwnedFd, File),
    pub(crate) output: CapturedOutput,
}

impl Running {
    /// Waits for the end, or stops the sandbox, and returns `$out`. When it returns, no process of the sandbox is
    /// left.
    pub(crate) fn finish(mut self, job: &Job, cancel: &AtomicBool) -> Result<Out, GeneratorFailure> {
        let ended = match self.init() {
            // Only now that its first process is held can the sandbox be ended for certain.
            Ok(Some(init)) => self.run(&init, job, cancel),
            Ok(None) => Ok(None),
            Err(fault) => self.kill().and(Err(fault)),
        };
        let status = self.bubblewrap.wait();
        let out = ended?;
        while self.output.take() {}
        let status = status?;
        match (self.exit_code()?, status.code()) {
            (Some(0), _) => {
                out.ok_or_else(|| GeneratorFailure::Sandbox { message: "it ended before it began".to_owned() })
            }
            (Some(status), _) => Err(GeneratorFailure::Failed { status, output: self.output.last() }),
            // Bubblewrap itself gave up, so no generator ran and there is no secret in what was printed.
            (None, Some(_)) => Err(GeneratorFailure::Sandbox { message: self.complaint() }),
            // It was killed from outside, at a time that cannot be determined.
            (None, None) => {
                let signal = status.signal().unwrap_or(Signal::KILL.as_raw());
                Err(GeneratorFailure::Killed { signal, output: self.output.last() })
            }
        }
    }

    /// Returns the first process of the sandbox, once bubblewrap reports its number; `None` if it failed before.
    fn init(&mut self) -> Result<Option<Init>, GeneratorFailure> {
        let deadline = Instant::now() + PATIENCE;
        while !self.reported.contains(&b'\n') {
            if !readable(&self.status, deadline)? {
                return Err(GeneratorFailure::Sandbox {
                    message: format!("bubblewrap did not respond within {} s", PATIENCE.as_secs()),
                });
            }
            let mut piece = [0; 512];
            let read = self.status.read(&mut piece)?;
            if read == 0 {
                return Ok(None);
            }
            self.reported.extend_from_slice(&piece[..read]);
        }
        let line = self.reported.split(|byte| *byte == b'\n').next().unwrap_or_default();
        let Some(pid) = field(line, "child-pid").and_then(|pid| Pid::from_raw(i32::try_from(pid).ok()?)) else {
            return Err(GeneratorFailure::Sandbox { message: "bubblewrap did not report its process ID".to_owned() });
        };
        // The process waits for `start`, so its number is still its own; it has ended only if the set-up failed.
        match pidfd_open(pid, PidfdFlags::empty()) {
            Err(Errno::SRCH) => Ok(None),
            other => Ok(Some(Init { process: other?, pid })),
        }
    }

    /// Lets the generator begin and sees it through to the death of its last process. Returns `$out`, or `None` when the sandbox
    /// ended before it was set up.
    fn run(&mut self, init: &Init, job: &Job, cancel: &AtomicBool) -> Result<Option<Out>, GeneratorFailure> {
        let out = init.out();
        let ended = match &out {
            Ok(Some(out)) => self.see_through(out, job, cancel),
            _ => Ok(()),
        };
        // The first process of a process namespace takes all the others along: those also that a generator left behind.
        match pidfd_send_signal(&init.process, Signal::KILL) {
            Ok(()) | Err(Errno::SRCH) => {}
            Err(errno) => return self.kill().and(Err(errno.into())),
        }
        if !readable(&init.process, Instant::now() + PATIENCE)? {
            return self.kill().and(Err(GeneratorFailure::Stuck));
        }
        ended.and(out)
    }

    fn see_through(&mut self, out: &Out, job: &Job, cancel: &AtomicBool) -> Result<(), GeneratorFailure> {
        self.start.1.write_all(&[0])?;
        self.wait(job, out, cancel)
    }

    fn kill(&self) -> Result<(), GeneratorFailure> {
        Ok(self.bubblewrap.kill()?)
    }

    /// Waits until the generator's own process has ended.
    fn wait(&mut self, job: &Job, out: &Out, cancel: &AtomicBool) -> Result<(), GeneratorFailure> {
        let start = Instant::now();
        loop {
            if cancel.load(Ordering::Relaxed) {
                return Err(GeneratorFailure::Cancelled);
            }
            if let Some(limit) = job.timeout.filter(|limit| start.elapsed() >= *limit) {
                return Err(GeneratorFailure::Timeout { limit, output: self.output.last() });
            }
            collect::watch(out, job.limits)?;
            let tick = job.timeout.map_or(TICK, |limit| TICK.min(limit.saturating_sub(start.elapsed())));
            if self.ended_within(tick)? {
                return Ok(());
            }
        }
    }

    /// Reads output for at most `tick`. Returns true once bubblewrap has reported the end or has exited.
    fn ended_within(&mut self, tick: Duration) -> Result<bool, GeneratorFailure> {
        let deadline = Instant::now() + tick;
        loop {
            let mut fds = vec![PollFd::new(&self.status, PollFlags::IN)];
            fds.extend(self.output.pipe().map(|pipe| PollFd::new(pipe, PollFlags::IN)));
            let ready = wait_for(&mut fds, deadline)?;
            let ended = !fds[0].revents().is_empty();
            if ended || !ready || Instant::now() >= deadline {
                return Ok(ended);
            }
            self.output.take();
        }
    }

    /// Returns the generator's exit status; `None` if it was never executed.
    fn exit_code(&mut self) -> Result<Option<i32>, GeneratorFailure> {
        self.status.read_to_end(&mut self.reported)?;
        let code = self.reported.split(|&byte| byte == b'\n').find_map(|line| field(line, "exit-code"));
        Ok(code.and_then(|code| i32::try_from(code).ok()))
    }

    /// Returns bubblewrap's output.
    fn complaint(&self) -> String {
        let text = String::from_utf8_lossy(self.output.last().expose()).trim().escape_debug().to_string();
        if text.is_empty() { "bubblewrap exited without an error message".to_owned() } else { text }
    }
}

fn field(line: &[u8], name: &str) -> Option<i64> {
    serde_json::from_slice::<serde_json::Value>(line).ok()?.get(name)?.as_i64()
}
