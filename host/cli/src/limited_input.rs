//! Secrets from outside, read as they are and no further than they may be.

use std::fs::File;
use std::io::Read;
use std::path::Path;

use artifacts_seam::Secret;

/// The largest value that a person gives, in bytes: as large as a generator's file may be.
pub const VALUE: usize = 16 << 20;

/// Reads all of a file, or of standard input for `-`, that has at most so many bytes.
pub fn read(path: &Path, largest: usize) -> std::io::Result<Secret> {
    if path == Path::new("-") {
        read_from(std::io::stdin().lock(), largest)
    } else {
        read_from(File::open(path)?, largest)
    }
}

/// Whether a file is there to be read, or standard input for `-`. Reads nothing of it.
pub fn look_for(path: &Path) -> std::io::Result<()> {
    if path == Path::new("-") { Ok(()) } else { path.metadata().map(drop) }
}

/// All that comes, of at most so many bytes.
pub fn read_from(from: impl Read, largest: usize) -> std::io::Result<Secret> {
    // Room for all that is read, so that no copy is left behind.
    let mut bytes = Vec::with_capacity(largest + 1);
    let result = from.take(largest as u64 + 1).read_to_end(&mut bytes);
    let content = Secret::new(bytes);
    if result? > largest {
        return Err(std::io::Error::other(format!("too large: the limit is {largest} bytes")));
    }
    Ok(content)
}
