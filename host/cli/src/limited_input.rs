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
        let file = File::open(path)?;
        let size = file.metadata().map_or(0, |stat| usize::try_from(stat.len()).unwrap_or(largest));
        read_sized(file, size, largest)
    }
}

/// Whether a file is there to be read, or standard input for `-`. Reads nothing of it.
pub fn look_for(path: &Path) -> std::io::Result<()> {
    if path == Path::new("-") { Ok(()) } else { path.metadata().map(drop) }
}

/// All that comes, of at most so many bytes.
pub fn read_from(from: impl Read, largest: usize) -> std::io::Result<Secret> {
    read_sized(from, largest, largest)
}

/// The same of what has so many bytes, as far as is known. There is room for all that is read, so that no copy is left behind; it is
/// cleared in the end, which takes longer the more there is.
fn read_sized(mut from: impl Read, size: usize, largest: usize) -> std::io::Result<Secret> {
    let size = size.min(largest);
    let mut bytes = Vec::with_capacity(size + 1);
    let begun = from.by_ref().take(size as u64 + 1).read_to_end(&mut bytes);
    let mut content = Secret::new(bytes);
    if begun? > size {
        // It is no regular file, or grows.
        let mut whole = Vec::with_capacity(largest + 1);
        whole.extend_from_slice(content.expose());
        let result = from.take((largest - size) as u64).read_to_end(&mut whole);
        content = Secret::new(whole);
        result?;
    }
    if content.expose().len() > largest {
        return Err(std::io::Error::other(format!("too large: the limit is {largest} bytes")));
    }
    Ok(content)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn all_is_read_up_to_the_limit_whatever_size_it_was_said_to_have() {
        const LARGEST: usize = 100;
        let content: Vec<u8> = (0..=u8::MAX).collect();
        for size in [0, 1, 99, 100, 101, 200] {
            for said in [0, 1, 99, 100, 101, 1000] {
                let read = read_sized(&content[..size], said, LARGEST);
                if size > LARGEST {
                    assert_eq!(read.unwrap_err().to_string(), "too large: the limit is 100 bytes", "{size} {said}");
                } else {
                    assert_eq!(read.unwrap().expose(), &content[..size], "{size} {said}");
                }
            }
        }
    }
}
