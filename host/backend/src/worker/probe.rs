//! Trying the walls: what a component that broke out of WebAssembly would try first.

use std::fs::File;
use std::net::TcpListener;
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixDatagram;
use std::process::Command;
use std::time::Duration;

use super::link::PipeLink;
use super::protocol::{Task, Told};
use crate::session::line::Silence;
use crate::{Error, Limits, Protection, Worker, proven};

/// Starts a worker that tries its walls from the inside. Gives the protections that are missing, and what could be done that
/// should not be possible; both are empty where all is well.
///
/// # Errors
/// When no worker can be started.
pub fn probe(worker: &Worker) -> Result<(Vec<Protection>, Vec<String>), Error> {
    let (mut link, missing) = PipeLink::spawn(worker, Limits::default(), Task::Probe)?;
    match link.told(Duration::from_secs(30)) {
        Ok(Told::Probed(done)) => Ok((missing, done)),
        Ok(_) => Err(Error::Worker("it told something else".to_owned())),
        Err(Silence::Late) => Err(Error::Worker("it did not answer".to_owned())),
        Err(Silence::Gone(how)) => Err(Error::Worker(how)),
    }
}

/// What this process is open to, as long as it may still look at itself. Landlock stands already, the filter does not.
pub(super) fn before(room: Option<&OwnedFd>) -> Vec<String> {
    use rustix::process::{DumpableBehavior, Resource, dumpable_behavior, getrlimit, parent_process_death_signal};
    let space = room.and_then(|room| rustix::fs::fstatvfs(room).ok());
    let dumpable = dumpable_behavior().is_ok_and(|now| now != DumpableBehavior::NotDumpable);
    [
        ("gaining privileges", !rustix::thread::no_new_privs().unwrap_or(false)),
        ("dumping its memory", dumpable || getrlimit(Resource::Core).current != Some(0)),
        ("filling memory by its room", space.is_none_or(|space| space.f_blocks * space.f_frsize > 1 << 30)),
        ("taking all memory", getrlimit(Resource::Data).current.is_none()),
        ("opening a TCP port past Landlock", TcpListener::bind("127.0.0.1:0").is_ok()),
        ("living on without its parent", !matches!(parent_process_death_signal(), Ok(Some(_)))),
    ]
    .into_iter()
    .filter(|(_, could)| *could)
    .map(|(what, _)| what.to_owned())
    .collect()
}

/// What can be done in this process that should not be possible.
pub(super) fn inside() -> Vec<String> {
    let mut done: Vec<String> =
        attempts().into_iter().filter(|(_, could)| *could).map(|(what, _)| what.to_owned()).collect();
    // A thread that was there before the filter is held by the walls as well.
    let (send, receive) = std::sync::mpsc::channel();
    let task = wasmtime_wasi::runtime::spawn(async move {
        let _ = send.send(attempts());
    });
    match receive.recv_timeout(Duration::from_secs(10)) {
        Ok(other) => done.extend(
            other.into_iter().filter(|(_, could)| *could).map(|(what, _)| format!("{what}, on another thread")),
        ),
        Err(_) => done.push("a thread that cannot be asked".to_owned()),
    }
    drop(task);
    done
}

fn attempts() -> Vec<(&'static str, bool)> {
    vec![
        ("opening /etc/passwd", File::open("/etc/passwd").is_ok()),
        ("opening /proc/self/environ", File::open("/proc/self/environ").is_ok()),
        ("listing /", std::fs::read_dir("/").is_ok()),
        (
            "writing to /tmp",
            std::fs::create_dir(format!("/tmp/.artifacts-probe-{}", std::process::id())).is_ok_and(|()| {
                let _ = std::fs::remove_dir(format!("/tmp/.artifacts-probe-{}", std::process::id()));
                true
            }),
        ),
        ("opening a TCP port", TcpListener::bind("127.0.0.1:0").is_ok()),
        ("making a socket", UnixDatagram::unbound().is_ok()),
        ("starting a process", proven::can_fork()),
        ("running a program", Command::new("/bin/true").env_clear().status().is_ok()),
    ]
}
