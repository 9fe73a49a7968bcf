use std::os::fd::AsFd;
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::Errno;

use crate::error::GeneratorFailure;

/// Time that the kernel may take for what it normally does at once.
pub(crate) const PATIENCE: Duration = Duration::from_secs(30);

/// Waits until a descriptor can be read. Returns false at the deadline.
pub(crate) fn readable(fd: impl AsFd, deadline: Instant) -> Result<bool, GeneratorFailure> {
    wait_for(&mut [PollFd::new(&fd, PollFlags::IN)], deadline)
}

/// Waits until one of several descriptors is ready. Returns false at the deadline.
pub(crate) fn wait_for(fds: &mut [PollFd<'_>], deadline: Instant) -> Result<bool, GeneratorFailure> {
    loop {
        let left = deadline.saturating_duration_since(Instant::now());
        let timeout = Timespec::try_from(left).map_err(|_| Errno::INVAL)?;
        match poll(fds, Some(&timeout)) {
            Err(Errno::INTR) => {}
            other => return Ok(other? > 0),
        }
    }
}
