use std::fs::File;
use std::io::{ErrorKind, Read};

use artifacts_seam::Secret;
use zeroize::Zeroizing;

/// Bytes of the output that are kept.
const KEPT: usize = 64 << 10;

/// Holds the end of a generator's output. It may contain a secret, so it is in memory that is wiped.
pub(crate) struct CapturedOutput {
    pipe: Option<File>,
    bytes: Zeroizing<Vec<u8>>,
    part: Zeroizing<Vec<u8>>,
}

impl CapturedOutput {
    /// Reads from `pipe`, which must not block.
    pub(crate) fn new(pipe: File) -> Self {
        // Never grown: that would leave a copy behind.
        let bytes = Zeroizing::new(Vec::with_capacity(2 * KEPT));
        Self { pipe: Some(pipe), bytes, part: Zeroizing::new(vec![0; KEPT]) }
    }

    /// Returns the pipe to wait for; `None` after its end.
    pub(crate) fn pipe(&self) -> Option<&File> {
        self.pipe.as_ref()
    }

    /// Takes what is there, at most 64 KiB. False when there is nothing.
    pub(crate) fn take(&mut self) -> bool {
        let Some(pipe) = &mut self.pipe else { return false };
        match pipe.read(&mut self.part) {
            Ok(0) => self.pipe = None,
            Ok(size) => {
                let excess = (self.bytes.len() + size).saturating_sub(2 * KEPT);
                if excess > 0 {
                    self.bytes.drain(..excess);
                }
                self.bytes.extend_from_slice(&self.part[..size]);
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
