//! The only unsafe code of this crate, each use with its proof.
#![allow(unsafe_code)]

use std::io;

use rustix::thread::UnshareFlags;
use wasmtime::Engine;
use wasmtime::component::Component;

/// Closes every file descriptor from 3 on.
///
/// For the first moments of a worker process only: nothing of it may hold a descriptor yet.
pub(crate) fn close_inherited() -> io::Result<()> {
    // SAFETY: the call takes numbers and touches no memory. No value of this process owns one of these descriptors: it runs
    // before anything was opened, and the standard library keeps only 0, 1 and 2.
    let result = unsafe { libc::syscall(libc::SYS_close_range, 3_u32, u32::MAX, 0_u32) };
    if result == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
}

/// Leaves namespaces. Only mount and user namespaces may be named.
pub(crate) fn leave(namespaces: UnshareFlags) -> io::Result<()> {
    debug_assert!((UnshareFlags::NEWUSER | UnshareFlags::NEWNS).contains(namespaces));
    // SAFETY: unsharing is unsafe for the table of descriptors (`FILES`), which would part threads from each other's; neither
    // user nor mount namespaces change what a descriptor of this process means.
    Ok(unsafe { rustix::thread::unshare_unsafe(namespaces) }?)
}

/// Loads native code that [`Engine::precompile_component`] made.
///
/// # Errors
/// When another version or configuration of the engine made it.
pub(crate) fn load(engine: &Engine, code: &[u8], _: &super::worker::Locked) -> wasmtime::Result<Component> {
    // SAFETY: the code comes from this program's own compiler worker, by way of a pipe, of this program's own bytes, or of a
    // file in a folder that only this user can write and whose digest was verified. Should it be something else all the same, it
    // runs where it may do anything: `Locked` exists only in a process that gave up everything but its own tmpfs.
    unsafe { Component::deserialize(engine, code) }
}

/// Whether another process can be started, without running a program in it.
pub(crate) fn can_fork() -> bool {
    // SAFETY: the child, which has this one thread alone, calls nothing but `_exit`, which may be called there.
    match unsafe { libc::fork() } {
        0 => unsafe { libc::_exit(0) },
        child => child > 0,
    }
}
