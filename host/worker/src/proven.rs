//! The only unsafe code of this crate, each use with its proof.
#![allow(unsafe_code)]

use std::io;

use rustix::process::Pid;
use rustix::thread::UnshareFlags;
use wasmtime::Engine;
use wasmtime::component::Component;

/// Closes every file descriptor from 3 on.
///
/// For the first moments of a worker process, when nothing of it holds a descriptor yet, and for a process that only waits and
/// ends from here on.
pub(crate) fn close_inherited() -> io::Result<()> {
    // SAFETY: the call takes numbers and touches no memory. No value of this process owns one of these descriptors, or none is
    // used or dropped any more; the standard library keeps only 0, 1 and 2.
    let result = unsafe { libc::syscall(libc::SYS_close_range, 3_u32, u32::MAX, 0_u32) };
    if result == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
}

/// Leaves namespaces.
pub(crate) fn leave(namespaces: UnshareFlags) -> io::Result<()> {
    debug_assert!(!namespaces.intersects(UnshareFlags::FILES | UnshareFlags::FS | UnshareFlags::SYSVSEM));
    // SAFETY: unsharing is unsafe for the table of descriptors (`FILES`), which would part threads from each other's; no
    // namespace changes what a descriptor of this process means.
    Ok(unsafe { rustix::thread::unshare_unsafe(namespaces) }?)
}

/// Loads native code that [`Engine::precompile_component`] made.
///
/// # Errors
/// When another version or configuration of the engine made it.
pub(crate) fn load(
    engine: &Engine,
    code: &[u8],
    _: &crate::lockdown::sandboxed::SandboxedProcess,
) -> wasmtime::Result<Component> {
    // SAFETY: the code comes from this program's own compiler worker, by way of a pipe, of this program's own bytes, or of a
    // file in a folder that only this user can write and whose digest was verified. Should it be something else all the same, it
    // runs where it may do anything: `Locked` exists only in a process that gave up everything but its own tmpfs.
    unsafe { Component::deserialize(engine, code) }
}

/// Which of two processes this is.
pub(crate) enum Forked {
    Child,
    Parent(Pid),
}

/// Goes on as two processes. This one may have a single thread only.
pub(crate) fn fork() -> io::Result<Forked> {
    // SAFETY: with a single thread no lock is held by another one, and the child may do whatever this process may.
    match unsafe { libc::fork() } {
        0 => Ok(Forked::Child),
        child => Pid::from_raw(child).filter(|_| child > 0).map(Forked::Parent).ok_or_else(io::Error::last_os_error),
    }
}

/// Whether another process can be started, without running a program in it.
pub(crate) fn can_fork() -> bool {
    // SAFETY: the child, which has this one thread alone, calls nothing but `_exit`, which may be called there.
    match unsafe { libc::fork() } {
        0 => unsafe { libc::_exit(0) },
        child => child > 0,
    }
}

/// Names the machine, as far as this namespace goes.
pub(crate) fn name_host(name: &str) -> io::Result<()> {
    // SAFETY: the call reads so many bytes of the name, which are there.
    let result = unsafe { libc::sethostname(name.as_ptr().cast(), name.len()) };
    if result == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
}

/// Whether the machine has this name.
pub(crate) fn is_host_named(name: &str) -> bool {
    let mut found = [0_u8; 256];
    // SAFETY: the call writes at most so many bytes, which are there.
    let result = unsafe { libc::gethostname(found.as_mut_ptr().cast(), found.len()) };
    result == 0 && found.strip_prefix(name.as_bytes()).is_some_and(|rest| rest.first() == Some(&0))
}

/// Whether `fcntl` can be called with a command that takes a number. For trying the walls.
pub(crate) fn can_control(descriptor: i32, command: i32, number: i32) -> bool {
    // SAFETY: the commands that this is called with take numbers and touch no memory.
    unsafe { libc::fcntl(descriptor, command, number) >= 0 }
}

/// What is behind a descriptor, if there is one of that number.
pub(crate) fn stat_of(descriptor: i32) -> Option<rustix::fs::Stat> {
    // SAFETY: the descriptor is borrowed for this call only, and one that is not open is an error.
    rustix::fs::fstat(unsafe { std::os::fd::BorrowedFd::borrow_raw(descriptor) }).ok()
}

/// Whether this system call is denied or does not exist, tried with arguments that are all zero: no memory, no signal, the
/// process itself. For trying the walls, with calls that do nothing then.
pub(crate) fn is_denied(number: libc::c_long) -> bool {
    // Zero would have the parent trace this thread, and leave it four calls.
    let first: libc::c_long = if [libc::SYS_ptrace, libc::SYS_seccomp].contains(&number) { -1 } else { 0 };
    // SAFETY: no argument leads to memory.
    let result = unsafe { libc::syscall(number, first, 0, 0, 0, 0, 0) };
    let error = io::Error::last_os_error().raw_os_error();
    result < 0 && matches!(error, Some(libc::EPERM | libc::ENOSYS))
}

/// Whether the clock of this number can be read: negative numbers are clocks of processes.
pub(crate) fn can_read_clock(clock: libc::clockid_t) -> bool {
    let mut time = libc::timespec { tv_sec: 0, tv_nsec: 0 };
    // SAFETY: the call writes one `timespec`, which is there.
    unsafe { libc::syscall(libc::SYS_clock_gettime, clock, &raw mut time) == 0 }
}

/// Whether memory that is shared, and so counted as nobody's, can be had.
pub(crate) fn can_share_memory() -> bool {
    const SIZE: usize = 4096;
    let (protection, flags) = (libc::PROT_READ | libc::PROT_WRITE, libc::MAP_SHARED | libc::MAP_ANONYMOUS);
    // SAFETY: a new mapping at an address of the kernel's choice, which nothing refers to and which is gone at once.
    unsafe {
        let memory = libc::mmap(std::ptr::null_mut(), SIZE, protection, flags, -1, 0);
        memory != libc::MAP_FAILED && libc::munmap(memory, SIZE) == 0
    }
}
