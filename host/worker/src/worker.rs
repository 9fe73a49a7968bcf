//! A worker from the inside.

use std::borrow::Cow;
use std::fs::File;
use std::io::{self, IoSlice, Write};
use std::os::fd::AsFd;
use std::sync::{Arc, Mutex};

use artifacts_seam::frame::{self, LARGEST, LARGEST_CODE};
use artifacts_seam::protocol::{FromWorker, Hello, OwnedToWorker, Setup, Task, ToWorker, WORKER_ARGUMENT};
use artifacts_seam::{Ask, GuestEnd, GuestMessage, HostReply, escaped};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use wasmtime::Engine;
use wasmtime_wasi::runtime::with_ambient_tokio_runtime;

use crate::lockdown::sandboxed::SandboxedProcess;
use crate::lockdown::{self, PartialSandbox, Unlocked};
use crate::preopen::Preopen;
use crate::probe;
use crate::runner::Runner;
use crate::{engine, proven};

/// Reports wait for each other up to this many bytes, or a tick of the clock.
const BATCH: usize = 32 << 10;

/// Returns the compiled code that a program has inside for the component of this SHA-256, if it has any.
pub type CodeInside = fn(&[u8; 32]) -> Option<&'static [u8]>;

/// Makes this process a worker, and never returns, when it was started as one. A program that opens backends calls this before
/// anything else in `main`.
pub fn worker_main(inside: CodeInside) {
    if std::env::args_os().nth(1).is_some_and(|word| word == WORKER_ARGUMENT) {
        let status = i32::from(run(inside).is_err());
        std::process::exit(status);
    }
}

fn run(inside: CodeInside) -> io::Result<()> {
    proven::close_inherited()?;
    let mut input = File::from(io::stdin().as_fd().try_clone_to_owned()?);
    let output = File::from(io::stdout().as_fd().try_clone_to_owned()?);
    let Some(setup) = frame::read(&mut input, LARGEST)? else { return Ok(()) };
    let setup: Setup = frame::decode(&setup)?;
    let mut worker = Worker { input, output };
    let half = match lockdown::before_threads(&setup.sandbox, &setup.limits) {
        Ok(half) => half,
        Err(Unlocked::Halfway(halfway)) => return worker.tell(&FromWorker::Halfway(halfway)),
        Err(Unlocked::Failed(error)) => return worker.tell(&FromWorker::Unable(error.to_string())),
    };
    match setup.task {
        Task::Compile { baseline } => worker.compile(half, baseline),
        Task::Run => worker.serve(half, &setup, None),
        Task::RunInside(component) => worker.serve(half, &setup, Some(inside(&component).unwrap_or_default())),
        Task::Probe => worker.probe(half, setup.sandbox.preopen),
    }
}

struct Worker {
    input: File,
    output: File,
}

impl Worker {
    fn tell(&mut self, told: &FromWorker) -> io::Result<()> {
        self.output.write_all(&frame::encode(told)?)
    }

    fn lock(&mut self, half: &mut PartialSandbox) -> io::Result<SandboxedProcess> {
        let locked = lockdown::with_threads(half);
        self.tell(&FromWorker::Hello(Hello { engine: engine::VERSION.to_owned(), missing: half.missing.clone() }))?;
        Ok(locked)
    }

    fn compile(&mut self, mut half: PartialSandbox, baseline: bool) -> io::Result<()> {
        let engine = engine::compiler(baseline).map_err(io::Error::other)?;
        let _locked = self.lock(&mut half)?;
        let Some(component) = frame::read_code(&mut self.input, LARGEST)? else { return Ok(()) };
        match engine.precompile_component(&component) {
            Ok(code) => {
                self.tell(&FromWorker::Compiled)?;
                self.output.write_all(&frame::length(code.len())?)?;
                self.output.write_all(&code)
            }
            Err(error) => self.tell(&FromWorker::Damaged(escaped(&format!("{error:#}"), 1000))),
        }
    }

    fn probe(&mut self, mut half: PartialSandbox, paths: bool) -> io::Result<()> {
        with_ambient_tokio_runtime(|| ());
        let mut done = probe::before();
        self.lock(&mut half)?;
        done.extend(probe::inside(paths));
        self.tell(&FromWorker::Probed(done))
    }

    /// Runs the code that is inside, or that is sent. None inside is as outdated as that of another engine.
    fn serve(&mut self, mut half: PartialSandbox, setup: &Setup, inside: Option<&'static [u8]>) -> io::Result<()> {
        // All threads that there will be before the filter: tokio's, and the clock's.
        with_ambient_tokio_runtime(|| ());
        let engine = engine::engine().map_err(io::Error::other)?;
        let line = Arc::new(PipeGuestEnd {
            waiting: Mutex::default(),
            output: Mutex::new(self.output.try_clone()?),
            input: Mutex::new(self.input.try_clone()?),
        });
        let ticking = Arc::clone(&line);
        engine::tick(&engine, move || ticking.tick());
        let locked = self.lock(&mut half)?;
        let room = half.room.take().map(Preopen::new);
        let code = match inside {
            Some(code) => Cow::Borrowed(code),
            None => match frame::read_code(&mut self.input, LARGEST_CODE)? {
                Some(code) => Cow::Owned(code),
                None => return Ok(()),
            },
        };
        let Some(runner) = self.runner(&engine, &code, room, setup, &line, &locked)? else { return Ok(()) };
        drop(code);
        self.tell(&FromWorker::Ready)?;
        while let Some(order) = frame::read(&mut self.input, LARGEST)? {
            if let OwnedToWorker::Call(request) = frame::decode(&order)? {
                drop(order);
                let (outcome, usage) = runner.run(request);
                line.last(&FromWorker::Guest(GuestMessage::Done(outcome, usage)))?;
            }
        }
        Ok(())
    }

    fn runner(
        &mut self,
        engine: &Engine,
        code: &[u8],
        room: Option<Preopen>,
        setup: &Setup,
        line: &Arc<PipeGuestEnd>,
        locked: &SandboxedProcess,
    ) -> io::Result<Option<Runner>> {
        let component = match proven::load(engine, code, locked) {
            Ok(component) => component,
            Err(error) => {
                self.tell(&FromWorker::Outdated(escaped(&format!("{error:#}"), 1000)))?;
                return Ok(None);
            }
        };
        let line = Arc::clone(line) as Arc<dyn GuestEnd>;
        match Runner::new(&component, room, setup.limits, line) {
            Ok(runner) => Ok(Some(runner)),
            Err(unfit) => {
                self.tell(&unfit.message())?;
                Ok(None)
            }
        }
    }
}

struct PipeGuestEnd {
    waiting: Mutex<Vec<u8>>,
    output: Mutex<File>,
    input: Mutex<File>,
}

impl PipeGuestEnd {
    /// Ten times in a hundred milliseconds: what waits is told, and an end of the host is seen.
    fn tick(&self) {
        if let Ok(mut output) = self.output.try_lock() {
            let _ = self.flush(&mut output, &[]);
        }
        let stdin = io::stdin();
        let mut pipe = [PollFd::new(&stdin, PollFlags::empty())];
        if poll(&mut pipe, Some(&Timespec { tv_sec: 0, tv_nsec: 0 })).is_ok()
            && pipe[0].revents().contains(PollFlags::HUP)
        {
            std::process::exit(0);
        }
    }

    /// All that waits, and this after it: the host is woken once.
    fn flush(&self, output: &mut File, last: &[u8]) -> io::Result<()> {
        let waiting = self.waiting.lock().map(|mut waiting| std::mem::take(&mut *waiting)).unwrap_or_default();
        let mut both = [IoSlice::new(&waiting), IoSlice::new(last)];
        let mut rest = both.as_mut_slice();
        // Leaves out those that are empty.
        IoSlice::advance_slices(&mut rest, 0);
        while !rest.is_empty() {
            match output.write_vectored(rest) {
                Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
                Ok(written) => IoSlice::advance_slices(&mut rest, written),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }

    /// What may hold a secret, or ends a call: after all that waits, and in a buffer that is wiped.
    fn last(&self, told: &FromWorker) -> io::Result<()> {
        let last = frame::encode(told)?;
        let mut output = self.output.lock().map_err(|_| io::Error::other("a thread panicked"))?;
        self.flush(&mut output, &last)
    }

    fn answer(&self) -> io::Result<HostReply> {
        let mut input = self.input.lock().map_err(|_| io::Error::other("a thread panicked"))?;
        match frame::read(&mut *input, LARGEST)?.map(|order| frame::decode(&order)).transpose()? {
            Some(ToWorker::<artifacts_seam::Request, HostReply>::Answer(answer)) => Ok(answer),
            _ => Err(io::Error::other("no answer")),
        }
    }
}

impl GuestEnd for PipeGuestEnd {
    fn report(&self, message: GuestMessage) {
        let full = self.waiting.lock().is_ok_and(|mut waiting| {
            let _ = frame::append(&mut waiting, &FromWorker::Guest(message));
            waiting.len() >= BATCH
        });
        if full && let Ok(mut output) = self.output.lock() {
            let _ = self.flush(&mut output, &[]);
        }
    }

    fn ask(&self, ask: Ask) -> HostReply {
        let told = FromWorker::Guest(GuestMessage::Ask(ask));
        self.last(&told)
            .and_then(|()| self.answer())
            .unwrap_or_else(|_| HostReply::Denied("the host is gone".to_owned()))
    }
}
