//! Namespaces of one's own, each by its own call: one that cannot be had costs no other.

use std::fs;
use std::io;
use std::os::fd::OwnedFd;

use artifacts_seam::Halfway;
use rustix::process::{Signal, WaitOptions};
use rustix::thread::UnshareFlags;

use super::{capabilities, no_core_dumps, seccomp};
use crate::proven::{self, Forked};

/// Leaves the user namespace, with this user as itself: without a map nothing could be created.
///
/// `Ok(false)` when this process is where it was, and an error when it is neither here nor there.
pub(super) fn user() -> Result<bool, Halfway> {
    let (user, group) = (rustix::process::getuid(), rustix::process::getgid());
    if proven::leave(UnshareFlags::NEWUSER).is_err() {
        return Ok(false);
    }
    let map = || {
        fs::write("/proc/self/setgroups", "deny")?;
        fs::write("/proc/self/uid_map", format!("{0} {0} 1", user.as_raw()))?;
        fs::write("/proc/self/gid_map", format!("{0} {0} 1", group.as_raw()))
    };
    map().map(|()| true).map_err(|_: io::Error| Halfway::User)
}

/// Leaves the mount namespace.
pub(super) fn mount() -> io::Result<()> {
    proven::leave(UnshareFlags::NEWNS)
}

/// What the machine is called in a worker.
pub(crate) const NAME: &str = "worker";

/// Leaves the namespace for the machine's name, which is another one from here on.
pub(super) fn name() -> io::Result<()> {
    proven::leave(UnshareFlags::NEWUTS)?;
    proven::name_host(NAME)
}

/// Goes on in the first process of a new namespace for processes. The process that was here waits for it and ends as it does;
/// where it `dies` with its parent, so does the new one.
pub(super) fn processes(dies: bool) -> io::Result<Result<(), Halfway>> {
    proven::leave(UnshareFlags::NEWPID)?;
    Ok(enter(dies).map_err(|_: io::Error| Halfway::Processes))
}

fn enter(dies: bool) -> io::Result<()> {
    let (alive, held) = rustix::pipe::pipe_with(rustix::pipe::PipeFlags::CLOEXEC)?;
    match proven::fork()? {
        Forked::Child => {
            drop(held);
            if !dies {
                return Ok(());
            }
            // Whoever started it is in another namespace and has no number here. That it died is seen by the pipe.
            rustix::process::set_parent_process_death_signal(Some(Signal::KILL))?;
            let mut pipe = [rustix::event::PollFd::new(&alive, rustix::event::PollFlags::empty())];
            let now = rustix::event::Timespec { tv_sec: 0, tv_nsec: 0 };
            if rustix::event::poll(&mut pipe, Some(&now))? == 0 { Ok(()) } else { std::process::exit(1) }
        }
        Forked::Parent(child) => {
            drop(alive);
            std::process::exit(wait(child, held))
        }
    }
}

/// Holds nothing any more but what tells that it lives, and waits.
fn wait(child: rustix::process::Pid, held: OwnedFd) -> i32 {
    let _ = keep_only(held);
    let _ = capabilities::drop_all();
    let _ = no_core_dumps();
    let _ = seccomp::only_wait();
    loop {
        match rustix::process::waitpid(Some(child), WaitOptions::empty()) {
            Ok(Some((_, status))) => {
                return status
                    .exit_status()
                    .or_else(|| status.terminating_signal().map(|signal| 128 + signal))
                    .unwrap_or(1);
            }
            Ok(None) | Err(rustix::io::Errno::INTR) => {}
            Err(_) => return 1,
        }
    }
}

/// Nobody could tell the end of the worker while another process has the other ends of its pipes.
fn keep_only(held: OwnedFd) -> io::Result<()> {
    rustix::stdio::dup2_stdin(&held)?;
    rustix::stdio::dup2_stdout(&held)?;
    rustix::stdio::dup2_stderr(&held)?;
    std::mem::forget(held);
    proven::close_inherited()
}
