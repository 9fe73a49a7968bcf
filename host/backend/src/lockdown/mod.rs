//! What a worker process gives up before it sees a byte of a component.
//!
//! The order is the point: Landlock binds the calling thread and those that it starts later, so it comes before any other
//! thread; the system-call filter is put on all threads, and comes when all are there.

mod landlock;
mod seccomp;
mod tmpfs;

use std::io;
use std::os::fd::OwnedFd;
use std::path::Path;

use rustix::fs::{Mode, OFlags};
use rustix::process::{DumpableBehavior, Resource, Rlimit, Signal};
use serde::{Deserialize, Serialize};

use crate::Limits;
use landlock::Strength;

/// A wall around a worker.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Protection {
    /// A file system in memory of its own, with a quota, that no other process has a path to.
    Tmpfs,
    /// Landlock: no other file can be opened.
    Landlock,
    /// Landlock as newer kernels have it: no port, no device and no other process can be reached either.
    NewerLandlock,
    /// A filter that leaves few system calls: no network, no other program, no look at other processes.
    Seccomp,
    /// No dump of its memory, and no debugger of the same user.
    NoCoreDumps,
    /// It dies with the program that started it.
    DiesWithParent,
}

impl Protection {
    /// All of them.
    pub const ALL: [Self; 6] =
        [Self::Tmpfs, Self::Landlock, Self::NewerLandlock, Self::Seccomp, Self::NoCoreDumps, Self::DiesWithParent];

    /// What is weaker without it, as a sentence.
    pub fn weaker(self) -> &'static str {
        match self {
            Self::Tmpfs => {
                "slices being worked on lie in a folder that this user's other programs can open, and have no quota"
            }
            Self::Landlock => "a component that breaks out of WebAssembly could open this user's files",
            Self::NewerLandlock => {
                "this kernel is older than Linux 6.12: of the two walls before the network, devices and other processes, only the filter of system calls stands"
            }
            Self::Seccomp => "a component that breaks out of WebAssembly could use the network and run programs",
            Self::NoCoreDumps => {
                "a crash could write secrets to a core dump, and other programs of this user could read them"
            }
            Self::DiesWithParent => "a worker could live on for a while when this program is killed",
        }
    }
}

/// What a worker is told of its walls.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Walls {
    /// Walls that are left out, for tests.
    pub(crate) without: Vec<Protection>,
    /// The process that it dies with.
    pub(crate) parent: u32,
    /// An empty folder on a RAM-backed file system, for where no tmpfs of its own can be had.
    pub(crate) fallback: Option<std::path::PathBuf>,
    /// Whether it needs a room.
    pub(crate) room: bool,
    /// Private memory that it may have, in bytes.
    pub(crate) memory: u64,
}

/// The first half, while there is one thread.
pub(crate) struct Half {
    /// The folder for slices.
    pub(crate) room: Option<OwnedFd>,
    /// Walls that could not be had.
    pub(crate) missing: Vec<Protection>,
}

/// Everything that has to be done before there is a second thread.
pub(crate) fn before_threads(walls: &Walls, limits: &Limits) -> io::Result<Half> {
    let mut half = Half { room: None, missing: walls.without.clone() };
    rustix::process::umask(Mode::from_raw_mode(0o077));
    if walls.room {
        half.room = Some(match half.put_up(Protection::Tmpfs, || tmpfs::own(limits)) {
            Some(room) => room,
            None => folder(walls.fallback.as_deref())?,
        });
    }
    // Every kernel has these, and Landlock and the filter need the second.
    rustix::process::setrlimit(Resource::Data, Rlimit { current: Some(walls.memory), maximum: Some(walls.memory) })?;
    rustix::thread::set_no_new_privs(true)?;
    half.put_up(Protection::NoCoreDumps, no_core_dumps);
    half.put_up(Protection::DiesWithParent, || dies_with(walls.parent));
    let room = half.room.as_ref().map(OwnedFd::try_clone).transpose()?;
    let newer = !half.missing.contains(&Protection::NewerLandlock);
    let wanted = if newer { Strength::Whole } else { Strength::Part };
    if half.put_up(Protection::Landlock, || landlock::only(room, wanted)) == Some(Strength::Part) && newer {
        half.missing.push(Protection::NewerLandlock);
    }
    Ok(half)
}

/// The second half, when all threads are there.
pub(crate) fn with_threads(half: &mut Half) {
    half.put_up(Protection::Seccomp, seccomp::filter);
}

impl Half {
    fn put_up<T>(&mut self, protection: Protection, raise: impl FnOnce() -> io::Result<T>) -> Option<T> {
        if self.missing.contains(&protection) {
            return None;
        }
        let raised = raise().ok();
        if raised.is_none() {
            self.missing.push(protection);
        }
        raised
    }
}

fn folder(path: Option<&Path>) -> io::Result<OwnedFd> {
    let path = path.ok_or_else(|| io::Error::other("no tmpfs of its own, and no other folder in memory was given"))?;
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    Ok(rustix::fs::open(path, flags, Mode::empty())?)
}

fn no_core_dumps() -> io::Result<()> {
    rustix::process::setrlimit(Resource::Core, Rlimit { current: Some(0), maximum: Some(0) })?;
    Ok(rustix::process::set_dumpable_behavior(DumpableBehavior::NotDumpable)?)
}

fn dies_with(parent: u32) -> io::Result<()> {
    rustix::process::set_parent_process_death_signal(Some(Signal::KILL))?;
    // It may have died before that.
    let now = rustix::process::getppid().map(|pid| pid.as_raw_nonzero().get());
    if now.and_then(|pid| u32::try_from(pid).ok()) == Some(parent) {
        Ok(())
    } else {
        Err(io::Error::other("the parent is gone"))
    }
}
