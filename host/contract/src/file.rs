use std::fs::File;
use std::io::{self, Read};
use std::path::Path;

use rustix::fs::{FileType, Mode, OFlags, fstat, open};

/// Size of the largest component that is looked at, in bytes.
pub const LARGEST: usize = 64 << 20;

/// The bytes of a file that may be a component: a regular one of at most [`LARGEST`] bytes. A pipe holds no one up, and what
/// has no end is not read.
///
/// # Errors
/// When it cannot be read, or is something else.
pub fn read_file(path: &Path) -> io::Result<Vec<u8>> {
    let flags = OFlags::RDONLY | OFlags::NONBLOCK | OFlags::NOCTTY | OFlags::CLOEXEC;
    let file = open(path, flags, Mode::empty())?;
    let stat = fstat(&file)?;
    if !FileType::from_raw_mode(stat.st_mode).is_file() {
        return Err(io::Error::other("expected a regular file, found something else"));
    }
    let size = usize::try_from(stat.st_size).unwrap_or(usize::MAX);
    let too_large =
        |size: usize| io::Error::other(format!("expected a file of at most {LARGEST} bytes, found {size} bytes"));
    if size > LARGEST {
        return Err(too_large(size));
    }
    let mut bytes = Vec::with_capacity(size + 1);
    // It may grow while it is read.
    File::from(file).take(LARGEST as u64 + 1).read_to_end(&mut bytes)?;
    if bytes.len() > LARGEST { Err(too_large(bytes.len())) } else { Ok(bytes) }
}
