use hmac::digest::{Key, KeyInit};
use hmac::{Hmac, Mac as _};
use zeroize::Zeroizing;

use crate::{Hex, Sha256};

/// Computes the HMAC-SHA-256 (RFC 2104) of bytes that arrive piece by piece.
#[derive(Clone)]
pub struct KeyedHasher(Hmac<sha2::Sha256>);

impl KeyedHasher {
    /// Creates a hasher with a key of 32 bytes.
    pub fn new(key: &[u8; 32]) -> Self {
        // A key that is shorter than a block of 64 bytes is filled up with zeros.
        let mut block = Zeroizing::new([0; 64]);
        block[..32].copy_from_slice(key);
        Self(<Hmac<sha2::Sha256> as KeyInit>::new(Key::<Hmac<sha2::Sha256>>::from_slice(block.as_slice())))
    }

    /// Reads these bytes.
    pub fn update(&mut self, bytes: &[u8]) {
        self.0.update(bytes);
    }

    /// Returns the keyed hash of all that was read.
    pub fn finish(self) -> Sha256 {
        Hex(self.0.finalize().into_bytes().into())
    }
}

/// Computes the HMAC-SHA-256 (RFC 2104) of a message.
pub fn keyed(key: &[u8; 32], message: &[u8]) -> Sha256 {
    let mut hasher = KeyedHasher::new(key);
    hasher.update(message);
    hasher.finish()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// RFC 4231, test case 1, whose key of 20 bytes is filled up with zeros.
    #[test]
    fn a_keyed_hash_is_that_of_the_standard() {
        let mut key = [0; 32];
        key[..20].fill(0x0b);
        let expected = "b0344c61d8db38535ca8afceaf0bf12b881dc200c9833da726e9376c2e32cff7";
        assert_eq!(keyed(&key, b"Hi There").to_string(), expected);
        assert_ne!(keyed(&[0; 32], b"Hi There").to_string(), expected);
    }
}
