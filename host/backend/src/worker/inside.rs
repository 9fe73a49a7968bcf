//! A worker from the inside.

use std::fs::File;
use std::io::{self, Write};
use std::os::fd::AsFd;
use std::sync::{Arc, Mutex};

use artifacts_seam::{Answer, Ask};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use wasmtime::Engine;
use wasmtime_wasi::runtime::with_ambient_tokio_runtime;

use super::frame::{self, LARGEST, LARGEST_CODE};
use super::probe;
use super::protocol::{Order, OwnedOrder, Setup, Task, Told};
use crate::lockdown::{self, Half, Unlocked};
use crate::session::line::{Line, Report};
use crate::session::{Room, Runner, engine};
use crate::words::escaped;
use crate::{proven, session};

/// The first argument of a worker.
pub(super) const WORD: &str = "--artifacts-worker";

/// Reports wait for each other up to this many bytes, or a tick of the clock.
const BATCH: usize = 32 << 10;

/// A process that is locked down. Only here is one made.
pub(crate) struct Locked {
    half: Half,
}

/// Makes this process a worker, and never returns, when it was started as one. A program that opens backends calls this before
/// anything else in `main`.
pub fn worker_main() {
    if std::env::args_os().nth(1).is_some_and(|word| word == WORD) {
        let status = i32::from(run().is_err());
        std::process::exit(status);
    }
}

fn run() -> io::Result<()> {
    proven::close_inherited()?;
    let mut input = File::from(io::stdin().as_fd().try_clone_to_owned()?);
    let output = File::from(io::stdout().as_fd().try_clone_to_owned()?);
    let Some(setup) = frame::read(&mut input, LARGEST)? else { return Ok(()) };
    let setup: Setup = frame::decode(&setup)?;
    let mut worker = Inside { input, output };
    let half = match lockdown::before_threads(&setup.walls, &setup.limits) {
        Ok(half) => half,
        Err(Unlocked::Halfway(halfway)) => return worker.tell(&Told::Halfway(halfway)),
        Err(Unlocked::Failed(error)) => return worker.tell(&Told::Unable(error.to_string())),
    };
    match setup.task {
        Task::Compile { baseline } => worker.compile(half, baseline),
        Task::Run => worker.serve(half, &setup),
        Task::Probe => worker.probe(half, setup.walls.room),
    }
}

struct Inside {
    input: File,
    output: File,
}

impl Inside {
    fn tell(&mut self, told: &Told) -> io::Result<()> {
        self.output.write_all(&frame::encode(told)?)
    }

    fn lock(&mut self, mut half: Half) -> io::Result<Locked> {
        lockdown::with_threads(&mut half);
        self.tell(&Told::Locked(half.missing.clone()))?;
        Ok(Locked { half })
    }

    fn compile(&mut self, half: Half, baseline: bool) -> io::Result<()> {
        let engine = engine::compiler(baseline).map_err(io::Error::other)?;
        let _locked = self.lock(half)?;
        let Some(component) = frame::read_code(&mut self.input, LARGEST)? else { return Ok(()) };
        match engine.precompile_component(&component) {
            Ok(code) => {
                self.tell(&Told::Compiled)?;
                self.output.write_all(&frame::length(code.len())?)?;
                self.output.write_all(&code)
            }
            Err(error) => self.tell(&Told::Damaged(escaped(&format!("{error:#}"), 1000))),
        }
    }

    fn probe(&mut self, half: Half, paths: bool) -> io::Result<()> {
        with_ambient_tokio_runtime(|| ());
        let mut done = probe::before();
        self.lock(half)?;
        done.extend(probe::inside(paths));
        self.tell(&Told::Probed(done))
    }

    fn serve(&mut self, half: Half, setup: &Setup) -> io::Result<()> {
        // All threads that there will be before the filter: tokio's, and the clock's.
        with_ambient_tokio_runtime(|| ());
        let engine = engine::engine().map_err(io::Error::other)?;
        let line = Arc::new(PipeLine {
            waiting: Mutex::default(),
            output: Mutex::new(self.output.try_clone()?),
            input: Mutex::new(self.input.try_clone()?),
        });
        let ticking = Arc::clone(&line);
        engine::tick(&engine, move || ticking.tick());
        let mut locked = self.lock(half)?;
        let room = locked.half.room.take().map(Room::new);
        let Some(code) = frame::read_code(&mut self.input, LARGEST_CODE)? else { return Ok(()) };
        let Some(runner) = self.runner(&engine, &code, room, setup, &line, &locked)? else { return Ok(()) };
        drop(code);
        self.tell(&Told::Ready)?;
        while let Some(order) = frame::read(&mut self.input, LARGEST)? {
            if let OwnedOrder::Call(request) = frame::decode(&order)? {
                drop(order);
                let (outcome, usage) = runner.run(request);
                line.last(&Told::Report(Report::Done(outcome, usage)))?;
            }
        }
        Ok(())
    }

    fn runner(
        &mut self,
        engine: &Engine,
        code: &[u8],
        room: Option<Room>,
        setup: &Setup,
        line: &Arc<PipeLine>,
        locked: &Locked,
    ) -> io::Result<Option<Runner>> {
        let component = match proven::load(engine, code, locked) {
            Ok(component) => component,
            Err(error) => {
                self.tell(&Told::Outdated(escaped(&format!("{error:#}"), 1000)))?;
                return Ok(None);
            }
        };
        let line = Arc::clone(line) as Arc<dyn Line>;
        match Runner::new(&component, room, setup.limits, line) {
            Ok(runner) => Ok(Some(runner)),
            Err(session::Unfit(why)) => {
                self.tell(&Told::Unfit(why))?;
                Ok(None)
            }
        }
    }
}

struct PipeLine {
    waiting: Mutex<Vec<u8>>,
    output: Mutex<File>,
    input: Mutex<File>,
}

impl PipeLine {
    /// Ten times in a hundred milliseconds: what waits is told, and an end of the host is seen.
    fn tick(&self) {
        if let Ok(mut output) = self.output.try_lock() {
            let _ = self.flush(&mut output);
        }
        let stdin = io::stdin();
        let mut pipe = [PollFd::new(&stdin, PollFlags::empty())];
        if poll(&mut pipe, Some(&Timespec { tv_sec: 0, tv_nsec: 0 })).is_ok()
            && pipe[0].revents().contains(PollFlags::HUP)
        {
            std::process::exit(0);
        }
    }

    fn flush(&self, output: &mut File) -> io::Result<()> {
        let waiting = self.waiting.lock().map(|mut waiting| std::mem::take(&mut *waiting)).unwrap_or_default();
        if waiting.is_empty() { Ok(()) } else { output.write_all(&waiting) }
    }

    /// What may hold a secret, or ends a call: after all that waits, and in a buffer that is wiped.
    fn last(&self, told: &Told) -> io::Result<()> {
        let mut output = self.output.lock().map_err(|_| io::Error::other("a thread panicked"))?;
        self.flush(&mut output)?;
        output.write_all(&frame::encode(told)?)
    }

    fn answer(&self) -> io::Result<Answer> {
        let mut input = self.input.lock().map_err(|_| io::Error::other("a thread panicked"))?;
        match frame::read(&mut *input, LARGEST)?.map(|order| frame::decode(&order)).transpose()? {
            Some(Order::<artifacts_seam::Request, Answer>::Answer(answer)) => Ok(answer),
            _ => Err(io::Error::other("no answer")),
        }
    }
}

impl Line for PipeLine {
    fn report(&self, report: Report) {
        let full = self.waiting.lock().is_ok_and(|mut waiting| {
            let _ = frame::append(&mut waiting, &Told::Report(report));
            waiting.len() >= BATCH
        });
        if full && let Ok(mut output) = self.output.lock() {
            let _ = self.flush(&mut output);
        }
    }

    fn ask(&self, ask: Ask) -> Answer {
        let told = Told::Report(Report::Ask(ask));
        self.last(&told).and_then(|()| self.answer()).unwrap_or_else(|_| Answer::Denied("the host is gone".to_owned()))
    }
}
