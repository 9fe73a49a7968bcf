//! Whether a directory is in RAM, by the type of its file system.

use std::io;
use std::os::fd::AsFd;

const TMPFS: u64 = 0x0102_1994;
const RAMFS: u64 = 0x8584_58f6;

/// Whether what is written to this directory is gone with the next boot.
pub(crate) fn in_ram(dir: impl AsFd) -> io::Result<bool> {
    let kind = rustix::fs::fstatfs(dir)?.f_type;
    // Sign and width of the field differ between architectures; the numbers have 32 bits.
    Ok([TMPFS, RAMFS].contains(&(u64::try_from(i128::from(kind) & 0xffff_ffff).unwrap_or_default())))
}
