use std::fs::File;
use std::io::{ErrorKind, Read};

use artifacts_seam::Secret;
use zeroize::Zeroizing;

/// Bytes of the output that are kept.
const KEPT: usize = 64 << 10;
/// Bytes that are read at once.
const PIECE: usize = 4 << 10;

/// Holds the end of a generator's output. It may contain a secret, so it is in memory that is wiped.
pub(crate) struct CapturedOutput {
    pipe: Option<File>,
    /// Nothing, or room for all that it will ever hold: what grows leaves a copy behind.
    bytes: Zeroizing<Vec<u8>>,
}

impl CapturedOutput {
    /// Reads from `pipe`, which must not block.
    pub(crate) fn new(pipe: File) -> Self {
        Self { pipe: Some(pipe), bytes: Zeroizing::default() }
    }

    /// Returns the pipe to wait for; `None` after its end.
    pub(crate) fn pipe(&self) -> Option<&File> {
        self.pipe.as_ref()
    }

    /// Takes what is there, at most 4 KiB. False when there is nothing.
    pub(crate) fn take(&mut self) -> bool {
        let Some(pipe) = &mut self.pipe else { return false };
        let mut piece = Zeroizing::new([0; PIECE]);
        match pipe.read(piece.as_mut_slice()) {
            Ok(0) => self.pipe = None,
            Ok(size) => {
                if self.bytes.capacity() == 0 {
                    self.bytes.reserve_exact(2 * KEPT);
                }
                let held = self.bytes.len();
                if held + size > 2 * KEPT {
                    self.bytes.drain(..held - KEPT);
                }
                self.bytes.extend_from_slice(&piece[..size]);
                return true;
            }
            Err(error) if error.kind() == ErrorKind::Interrupted => return true,
            Err(error) if error.kind() == ErrorKind::WouldBlock => {}
            Err(_) => self.pipe = None,
        }
        false
    }

    /// Returns the last 64 KiB of the output.
    pub(crate) fn last(&self) -> Secret {
        let start = self.bytes.len().saturating_sub(KEPT);
        Secret::new(self.bytes[start..].to_vec())
    }
}
