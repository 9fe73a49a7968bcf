//! A piece of a file, and whether the file ends with it.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt as _;

/// Bytes that are read at once.
const PIECE: usize = 64 << 10;

/// Reads at most so many bytes of a file from there on, and says whether it ends with them. No bytes end it, also where none are asked for,
/// as in WASI's own function.
pub(crate) fn piece(file: &File, length: u64, offset: u64) -> io::Result<(Vec<u8>, bool)> {
    let mut bytes = vec![0; usize::try_from(length).unwrap_or(usize::MAX).min(PIECE)];
    let read = file.read_at(&mut bytes, offset)?;
    let ends = read == 0 || read < bytes.len();
    bytes.truncate(read);
    Ok((bytes, ends))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use std::fs;

    use super::*;

    /// Reads a file as a component does: from its beginning, in pieces of this length, until it ends. The bytes, and how often it was read.
    fn read_in(file: &File, length: u64) -> (Vec<u8>, usize) {
        let (mut bytes, mut times) = (Vec::new(), 0);
        loop {
            let (more, ends) = piece(file, length, bytes.len() as u64).unwrap();
            times += 1;
            bytes.extend(more);
            if ends {
                return (bytes, times);
            }
        }
    }

    #[test]
    fn a_file_is_read_whole_and_its_end_is_seen_with_its_last_bytes() {
        let folder = tempfile::TempDir::new().unwrap();
        let path = folder.path().join("file");
        for size in [0, 1, 4095, 4096, 4097, PIECE - 1, PIECE, PIECE + 1, 3 * PIECE] {
            let content: Vec<u8> = (0..=255).cycle().take(size).collect();
            fs::write(&path, &content).unwrap();
            let file = File::open(&path).unwrap();
            for length in [4096, PIECE as u64, u64::MAX] {
                let at_once = usize::try_from(length).unwrap_or(usize::MAX).min(PIECE);
                // Only where the last piece is full, one more is needed.
                assert_eq!(read_in(&file, length), (content.clone(), size / at_once + 1), "{size} bytes in {length}");
            }
        }
    }

    #[test]
    fn nothing_is_an_end_and_what_may_not_be_read_is_an_error() {
        let folder = tempfile::TempDir::new().unwrap();
        let path = folder.path().join("file");
        fs::write(&path, "abc").unwrap();
        let file = File::open(&path).unwrap();
        assert_eq!(piece(&file, 0, 0).unwrap(), (Vec::new(), true));
        assert_eq!(piece(&file, 10, 3).unwrap(), (Vec::new(), true));
        assert_eq!(piece(&file, 10, 1 << 40).unwrap(), (Vec::new(), true));
        assert_eq!(piece(&file, 2, 0).unwrap(), (b"ab".to_vec(), false));
        assert!(piece(&file, 1, u64::MAX).is_err());
        let writing = File::options().write(true).open(&path).unwrap();
        assert_eq!(piece(&writing, 1, 0).unwrap_err().raw_os_error(), Some(9), "EBADF");
    }
}
