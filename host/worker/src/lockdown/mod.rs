//! What a worker process gives up before it sees a byte of a component.
//!
//! The order is the point: namespaces need capabilities, which are given up when the root is another; Landlock binds the calling thread and those that it starts later, so it comes before any other
//! thread; the system-call filter is put on all threads, and comes when all are there.

mod calls;
mod capabilities;
mod landlock;
mod namespaces;
mod root;
pub(crate) mod sandboxed;
mod seccomp;

use std::io;
use std::os::fd::OwnedFd;
use std::path::Path;

use artifacts_seam::{Halfway, Limits, SandboxLayer, SandboxSetup};
use rustix::fs::{FileType, Mode, OFlags};
use rustix::process::{DumpableBehavior, Resource, Rlimit, Signal};
use rustix::thread::UnshareFlags;

use crate::proven;
pub(crate) use calls::{Call, Takes, allowed};
pub(crate) use capabilities::are_none as no_capabilities;
use landlock::Strength;
pub(crate) use namespaces::NAME;
use sandboxed::SandboxedProcess;

/// Files that it may have open at once, those of its component among them.
const DESCRIPTORS: u64 = 1024;

/// Why a worker is not locked down as far as it could be.
pub(crate) enum Unlocked {
    /// Another process can be.
    Halfway(Halfway),
    /// None can be.
    Failed(io::Error),
}

impl<E: Into<io::Error>> From<E> for Unlocked {
    fn from(error: E) -> Self {
        Self::Failed(error.into())
    }
}

/// The first half, while there is one thread.
pub(crate) struct PartialSandbox {
    /// The directory for entries.
    pub(crate) room: Option<OwnedFd>,
    /// Layers that could not be had.
    pub(crate) missing: Vec<SandboxLayer>,
    /// Whether it needs system calls that take a path.
    paths: bool,
}

/// Everything that has to be done before there is a second thread. It may return in another process than it was called in.
///
/// The user namespace gives the right to everything else, and the root the end of it: capabilities go when nothing needs them
/// any more.
pub(crate) fn before_threads(setup: &SandboxSetup, limits: &Limits) -> Result<PartialSandbox, Unlocked> {
    let mut half = PartialSandbox { room: None, missing: setup.without.clone(), paths: setup.preopen };
    rustix::process::umask(Mode::from_raw_mode(0o077));
    let fallback = setup.fallback.as_deref().filter(|_| setup.preopen).map(folder).transpose()?;
    // The process that only waits for this one dies with the parent, too, and leaves no dump.
    half.put_up(SandboxLayer::DiesWithParent, || dies_with(setup.parent));
    if !setup.same_user_namespace {
        namespaces::user().map_err(Unlocked::Halfway)?;
    }
    half.put_up(SandboxLayer::Tmpfs, namespaces::mount);
    half.namespaces()?;
    let own = half.put_up(SandboxLayer::Tmpfs, || root::tmpfs(limits));
    let directory = own.or(fallback);
    if setup.preopen && directory.is_none() {
        return Err(io::Error::other("no tmpfs of its own, and no other directory in memory was given").into());
    }
    limit(Resource::Data, setup.memory)?;
    limit(Resource::Nofile, DESCRIPTORS)?;
    half.put_up(SandboxLayer::OwnRoot, || match &directory {
        Some(directory) => root::enter(directory),
        None => Err(io::Error::other("there is no directory for it")),
    });
    half.put_up(SandboxLayer::NoCapabilities, capabilities::drop_all);
    half.room = directory.filter(|_| setup.preopen);
    silence()?;
    // Every kernel has it, and Landlock and the filter need it.
    rustix::thread::set_no_new_privs(true)?;
    half.put_up(SandboxLayer::NoCoreDumps, no_core_dumps);
    half.landlock()?;
    Ok(half)
}

/// The second half, when all threads are there.
pub(crate) fn with_threads(half: &mut PartialSandbox) -> SandboxedProcess {
    let paths = half.paths;
    half.put_up(SandboxLayer::Seccomp, || seccomp::filter(paths));
    let behind = !paths && !half.missing.contains(&SandboxLayer::Seccomp);
    for wall in half.missing.iter_mut().filter(|wall| behind && **wall == SandboxLayer::OwnRoot) {
        *wall = SandboxLayer::OwnRootBehindFilter;
    }
    SandboxedProcess::new()
}

impl PartialSandbox {
    fn put_up<T>(&mut self, protection: SandboxLayer, raise: impl FnOnce() -> io::Result<T>) -> Option<T> {
        if self.missing.contains(&protection) {
            return None;
        }
        let raised = raise().ok();
        if raised.is_none() {
            self.missing.push(protection);
        }
        raised
    }

    /// Each by its own call: one that cannot be had costs no other.
    fn namespaces(&mut self) -> Result<(), Unlocked> {
        for (wall, namespace) in
            [(SandboxLayer::IpcNamespace, UnshareFlags::NEWIPC), (SandboxLayer::NetworkNamespace, UnshareFlags::NEWNET)]
        {
            self.put_up(wall, || proven::leave(namespace));
        }
        self.put_up(SandboxLayer::UtsNamespace, namespaces::name);
        let dies = !self.missing.contains(&SandboxLayer::DiesWithParent);
        let entered = self.put_up(SandboxLayer::ProcessNamespace, || namespaces::processes(dies));
        entered.unwrap_or(Ok(())).map_err(Unlocked::Halfway)
    }

    fn landlock(&mut self) -> io::Result<()> {
        let room = self.room.as_ref().map(OwnedFd::try_clone).transpose()?;
        let newer = !self.missing.contains(&SandboxLayer::NewerLandlock);
        let wanted = if newer { Strength::Whole } else { Strength::Part };
        if self.put_up(SandboxLayer::Landlock, || landlock::only(room, wanted)) == Some(Strength::Part) && newer {
            self.missing.push(SandboxLayer::NewerLandlock);
        }
        Ok(())
    }
}

/// No more than this, and no more than there may be already.
fn limit(resource: Resource, most: u64) -> io::Result<()> {
    let hard = rustix::process::getrlimit(resource).maximum.map_or(most, |hard| hard.min(most));
    Ok(rustix::process::setrlimit(resource, Rlimit { current: Some(hard), maximum: Some(hard) })?)
}

/// Standard error becomes a pipe that nobody reads: what was there is a file of the machine. One that compiles has a pipe already,
/// by which the host learns why it ended.
fn silence() -> io::Result<()> {
    let stat = rustix::fs::fstat(rustix::stdio::stderr())?;
    if FileType::from_raw_mode(stat.st_mode) == FileType::Fifo {
        return Ok(());
    }
    let (_, nowhere) = rustix::pipe::pipe_with(rustix::pipe::PipeFlags::CLOEXEC)?;
    Ok(rustix::stdio::dup2_stderr(&nowhere)?)
}

fn folder(path: &Path) -> io::Result<OwnedFd> {
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
