//! Trying the walls: what a component that broke out of WebAssembly would try first, and, for every system call that the filter
//! allows, what it could reach outside.

use std::net::{TcpListener, UdpSocket};
use std::process::Command;
use std::time::Duration;

use crate::lockdown::{self, allowed};
use crate::proven;
use crate::trials;

/// What this process is open to, as long as it may still look at itself. Landlock stands already, the filter does not.
pub(crate) fn before() -> Vec<String> {
    use rustix::process::{
        DumpableBehavior, Resource, dumpable_behavior, getpid, getrlimit, parent_process_death_signal,
    };
    let root = rustix::fs::statvfs("/").ok();
    if let Ok(stat) = rustix::fs::stat("/") {
        let _ = trials::ROOT.set(stat.st_dev);
    }
    let dumpable = dumpable_behavior().is_ok_and(|now| now != DumpableBehavior::NotDumpable);
    let named = rustix::fs::statat(rustix::fs::CWD, "/etc", rustix::fs::AtFlags::empty()).is_ok();
    [
        ("gaining privileges", !rustix::thread::no_new_privs().unwrap_or(false)),
        ("using capabilities", !lockdown::no_capabilities()),
        ("gaining capabilities", bounded()),
        ("leaving its root", rustix::process::chroot("..").is_ok()),
        ("seeing the machine's root", named),
        ("seeing the machine's processes", getpid().as_raw_nonzero().get() != 1),
        ("seeing the machine's network", has_network()),
        ("seeing the machine's name", !proven::is_host_named(lockdown::NAME)),
        ("making a pipe with a name past Landlock", named_pipe()),
        ("dumping its memory", dumpable || getrlimit(Resource::Core).current != Some(0)),
        ("filling memory by its room", root.is_none_or(|space| space.f_blocks * space.f_frsize > 1 << 30)),
        ("taking all memory", getrlimit(Resource::Data).current.is_none()),
        ("opening a TCP port past Landlock", TcpListener::bind("0.0.0.0:0").is_ok()),
        ("living on without its parent", !matches!(parent_process_death_signal(), Ok(Some(_)))),
    ]
    .into_iter()
    .filter(|(_, could)| *could)
    .map(|(what, _)| what.to_owned())
    .collect()
}

/// In a network of its own not even the loopback device is up.
fn has_network() -> bool {
    UdpSocket::bind("0.0.0.0:0").is_ok_and(|socket| socket.connect("127.0.0.1:9").is_ok())
}

/// Landlock alone forbids it in a root of its own.
fn named_pipe() -> bool {
    use rustix::fs::{AtFlags, CWD, FileType, Mode, mknodat, unlinkat};
    let made = mknodat(CWD, "probe", FileType::Fifo, Mode::RWXU, 0).is_ok();
    let _ = unlinkat(CWD, "probe", AtFlags::empty());
    made
}

/// Whether some capability could be had again, by a program or for other threads.
fn bounded() -> bool {
    use rustix::thread::{CapabilitySet, capability_is_in_ambient_set, capability_is_in_bounding_set};
    CapabilitySet::all().iter().any(|capability| {
        capability_is_in_ambient_set(capability).unwrap_or(false)
            || capability_is_in_bounding_set(capability).unwrap_or(false)
                && !rustix::thread::no_new_privs().unwrap_or(false)
    })
}

/// What can be done in this process that should not be possible.
pub(crate) fn inside(paths: bool) -> Vec<String> {
    let mut done = attempts(paths);
    // A thread that was there before the filter is held by the walls as well.
    let (send, receive) = std::sync::mpsc::channel();
    let task = wasmtime_wasi::runtime::spawn(async move {
        let _ = send.send(attempts(paths));
    });
    match receive.recv_timeout(Duration::from_secs(10)) {
        Ok(other) => done.extend(other.into_iter().map(|what| format!("{what}, on another thread"))),
        Err(_) => done.push("a thread that cannot be asked".to_owned()),
    }
    drop(task);
    done
}

fn attempts(paths: bool) -> Vec<String> {
    let mut done = Vec::new();
    for call in allowed(paths) {
        match trials::of(call) {
            None => done.push(format!("{}, which is not tried", call.name)),
            Some(trials::Trial::Harmless(_)) => {}
            Some(trials::Trial::Tried(attempts)) => {
                done.extend(attempts().into_iter().map(|what| format!("{what} ({})", call.name)));
            }
        }
    }
    done.extend(trials::not_denied(paths));
    let denied = [
        ("making a socket", std::os::unix::net::UnixDatagram::unbound().is_ok()),
        ("opening a TCP port", TcpListener::bind("127.0.0.1:0").is_ok()),
        ("starting a process", proven::can_fork()),
        ("running a program", Command::new("/bin/true").env_clear().status().is_ok()),
    ];
    done.extend(denied.into_iter().filter(|(_, could)| *could).map(|(what, _)| what.to_owned()));
    done
}
