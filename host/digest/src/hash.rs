use std::io;

use sha2::Digest as _;
use zeroize::Zeroizing;

use crate::{Hex, Sha256};

impl Sha256 {
    /// Computes the SHA-256 of these bytes.
    pub fn digest(bytes: impl AsRef<[u8]>) -> Self {
        Hex(sha2::Sha256::digest(bytes).into())
    }
}

/// Computes the SHA-256 of bytes that arrive piece by piece.
#[derive(Debug, Clone, Default)]
pub struct Hasher(sha2::Sha256);

impl Hasher {
    /// Creates a hasher that has read nothing.
    pub fn new() -> Self {
        Self::default()
    }

    /// Reads these bytes as they are: where one piece ends and the next begins leaves no trace.
    pub fn update(&mut self, bytes: impl AsRef<[u8]>) {
        self.0.update(bytes);
    }

    /// Reads the number of these bytes, as 64 bits in little-endian order, and the bytes. A sequence of such parts has one
    /// digest only.
    pub fn update_part(&mut self, bytes: impl AsRef<[u8]>) {
        let bytes = bytes.as_ref();
        self.update((bytes.len() as u64).to_le_bytes());
        self.update(bytes);
    }

    /// Returns the digest of all that was read.
    pub fn finish(self) -> Sha256 {
        Hex(self.0.finalize().into())
    }
}

impl io::Write for Hasher {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.update(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Computes the SHA-512 of secret bytes, by which Ed25519 expands a seed (RFC 8032, section 5.1.5).
pub fn sha512(bytes: &[u8]) -> Zeroizing<[u8; 64]> {
    Zeroizing::new(sha2::Sha512::digest(bytes).into())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// FIPS 180-2, appendix B.1 and C.1.
    #[test]
    fn hashes_are_those_of_the_standard() {
        let abc = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";
        assert_eq!(Sha256::digest("abc").to_string(), abc);
        let mut hasher = Hasher::new();
        hasher.update("a");
        hasher.update(b"bc");
        assert_eq!(hasher.finish().to_string(), abc);
        assert_eq!(sha512(b"abc")[..8], [0xdd, 0xaf, 0x35, 0xa1, 0x93, 0x61, 0x7a, 0xba]);
    }

    #[test]
    fn parts_that_are_cut_elsewhere_have_another_digest() {
        let parts = |parts: [&str; 2]| {
            let mut hasher = Hasher::new();
            for part in parts {
                hasher.update_part(part);
            }
            hasher.finish()
        };
        assert_ne!(parts(["ab", "c"]), parts(["a", "bc"]));
    }
}
