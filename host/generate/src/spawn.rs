use std::ffi::CStr;
use std::io;
use std::os::fd::RawFd;
use std::os::unix::process::CommandExt;
use std::process::{Child, Command};

use rustix::mount::{MountFlags, MountPropagationFlags, mount_bind, mount_change, mount_remount};
use rustix::process::{Resource, Rlimit, Signal, set_parent_process_death_signal, setrlimit};
use rustix::thread::{UnshareFlags, unshare_unsafe};

/// Starts a command that inherits only its standard streams and `kept`: every other descriptor is closed, the
/// session's key ring is left, no core is dumped, no file exceeds `file_size` bytes, and it dies with the calling
/// thread.
#[allow(unsafe_code)]
pub(crate) fn spawn(command: &mut Command, kept: Vec<RawFd>, file_size: u64) -> io::Result<Child> {
    let as_root = rustix::process::geteuid().is_root();
    let prepare = move || {
        close_on_exec();
        for fd in &kept {
            inherit(*fd)?;
        }
        let limit = |bytes| Rlimit { current: Some(bytes), maximum: Some(bytes) };
        setrlimit(Resource::Core, limit(0))?;
        // A hard limit that is lower already cannot be raised, and is as good.
        let _ = setrlimit(Resource::Fsize, limit(file_size));
        rustix::process::umask(rustix::fs::Mode::from_raw_mode(0o022));
        leave_keyring();
        if as_root {
            // Best effort: a container's root may not be allowed to.
            let _ = keep_devices();
        }
        Ok(set_parent_process_death_signal(Some(Signal::KILL))?)
    };
    // SAFETY: between fork and exec only async-signal-safe calls are allowed. `prepare` makes system calls on values that
    // it owns since before the fork; it neither allocates, nor locks, nor panics, nor drops anything.
    unsafe { command.pre_exec(prepare) };
    command.process_group(0).spawn()
}

/// Marks every descriptor but the standard streams.
#[allow(unsafe_code)]
fn close_on_exec() {
    // SAFETY: close_range with CLOSE_RANGE_CLOEXEC sets a flag on descriptors and touches no memory.
    let done = unsafe { libc::syscall(libc::SYS_close_range, 3, libc::c_uint::MAX, libc::CLOSE_RANGE_CLOEXEC) };
    if done == 0 {
        return;
    }
    // Linux before 5.11: one by one.
    let highest = rustix::process::getrlimit(Resource::Nofile).current.unwrap_or(1 << 20);
    for fd in 3..highest {
        let Ok(fd) = RawFd::try_from(fd) else { break };
        // SAFETY: F_SETFD sets a flag and touches no memory; a descriptor that is not open is an error that is of no interest.
        unsafe { libc::fcntl(fd, libc::F_SETFD, libc::FD_CLOEXEC) };
    }
}

#[allow(unsafe_code)]
fn inherit(fd: RawFd) -> io::Result<()> {
    // SAFETY: F_SETFD clears a flag and touches no memory; the caller holds the descriptor open.
    if unsafe { libc::fcntl(fd, libc::F_SETFD, 0) } == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
}

/// Joins a new, empty session key ring. A kernel without key rings has none to leave.
#[allow(unsafe_code)]
fn leave_keyring() {
    // SAFETY: with a null name the call reads no memory.
    unsafe { libc::syscall(libc::SYS_keyctl, libc::KEYCTL_JOIN_SESSION_KEYRING, std::ptr::null::<libc::c_char>()) };
}

/// Devices that bubblewrap binds in its `/dev`.
const DEVICES: [&CStr; 6] = [c"/dev/null", c"/dev/zero", c"/dev/full", c"/dev/random", c"/dev/urandom", c"/dev/tty"];

/// Makes the permissions and times of devices read-only in a separate mount namespace, from which bubblewrap binds
/// them: they belong to root, whatever user root is inside. Writing to a device works all the same.
#[allow(unsafe_code)]
fn keep_devices() -> io::Result<()> {
    // SAFETY: a new mount namespace changes no descriptor, and this process has one thread.
    unsafe { unshare_unsafe(UnshareFlags::NEWNS) }?;
    mount_change(c"/", MountPropagationFlags::DOWNSTREAM | MountPropagationFlags::REC)?;
    for device in DEVICES {
        if mount_bind(device, device).is_ok() {
            mount_remount(device, MountFlags::BIND | MountFlags::RDONLY | MountFlags::NOSUID, c"")?;
        }
    }
    Ok(())
}
