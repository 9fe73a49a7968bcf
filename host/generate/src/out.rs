use std::io;
use std::ops::Deref;
use std::os::fd::OwnedFd;
use std::time::{Duration, Instant};

use rustix::fs::{AtFlags, CWD, Mode, OFlags, Stat, fstat, openat, statat};
use rustix::process::Pid;

use crate::arguments::OUT;
use crate::error::GeneratorFailure;
use crate::wait::{PATIENCE, readable};

/// What setting up a sandbox takes at least, mostly.
const SETUP: Duration = Duration::from_millis(2);

/// Interval of the checks afterwards whether it is set up: each one gets in the way of its mounts.
const TICK: Duration = Duration::from_micros(500);

/// Represents the first process of a sandbox. It waits, once everything is set up, until the generator may start.
pub(crate) struct Init {
    pub(crate) process: OwnedFd,
    pub(crate) pid: Pid,
}

impl Init {
    /// Opens `$out` inside, as soon as the sandbox is set up; `None` when it ended before that.
    pub(crate) fn out(&self) -> Result<Option<Out>, GeneratorFailure> {
        let path = format!("/proc/{}/root{OUT}", self.pid.as_raw_nonzero());
        let deadline = Instant::now() + PATIENCE;
        let mut pause = SETUP;
        loop {
            if readable(&self.process, Instant::now() + pause)? {
                return Ok(None);
            }
            pause = TICK;
            let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
            let opened = openat(CWD, &path, flags, Mode::empty()).map_err(io::Error::from);
            // The number is this process's own as long as it has not ended.
            if readable(&self.process, Instant::now())? {
                return Ok(None);
            }
            let why = match opened {
                Ok(out) if !is_of_this_machine(&fstat(&out)?) => return Ok(Some(Out(out))),
                Ok(_) => "it is not set up".to_owned(),
                Err(why) => why.to_string(),
            };
            // Its root is still this machine's, or one on the way.
            if Instant::now() >= deadline {
                return Err(GeneratorFailure::Sandbox { message: format!("cannot open its {OUT}: {why}") });
            }
        }
    }
}

fn is_of_this_machine(found: &Stat) -> bool {
    statat(CWD, OUT, AtFlags::empty()).is_ok_and(|own| (own.st_dev, own.st_ino) == (found.st_dev, found.st_ino))
}

/// Holds `$out` open: it stays in RAM until this is dropped, and is wiped then.
pub(crate) struct Out(OwnedFd);

impl Deref for Out {
    type Target = OwnedFd;

    fn deref(&self) -> &OwnedFd {
        &self.0
    }
}

impl Drop for Out {
    fn drop(&mut self) {
        // Best effort: what cannot be wiped goes with its file system, now that nothing else holds it.
        let _ = artifacts_ram::clear(&self.0);
    }
}
