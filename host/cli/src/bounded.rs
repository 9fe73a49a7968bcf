//! Files with secrets, read as they are and no further than they may be.

use std::fs::File;
use std::io::Read as _;
use std::path::Path;

use artifacts_seam::Secret;

/// All of a file that has at most so many bytes.
pub fn read(path: &Path, largest: usize) -> std::io::Result<Secret> {
    // Room for all that is read, so that no copy is left behind.
    let mut bytes = Vec::with_capacity(largest + 1);
    let result = File::open(path)?.take(largest as u64 + 1).read_to_end(&mut bytes);
    let content = Secret::new(bytes);
    if result? > largest {
        return Err(std::io::Error::other(format!("it is larger than {largest} bytes")));
    }
    Ok(content)
}
