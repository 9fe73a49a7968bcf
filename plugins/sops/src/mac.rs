use sha2::{Digest, Sha256, Sha512};

use crate::Error;
use crate::encrypted_value::EncryptedValue;
use crate::key::DataKey;

/// The hash over all values in document order.
pub(crate) struct Mac(Sha512);

impl Mac {
    /// `only_encrypted`: over the encrypted values only, which begins differently so that the two never agree.
    pub fn new(only_encrypted: bool) -> Self {
        let mut hash = Sha512::new();
        if only_encrypted {
            hash.update(Sha256::digest(b"sops"));
        }
        Self(hash)
    }

    pub fn add(&mut self, plain: &[u8]) {
        self.0.update(plain);
    }

    /// Uppercase hex, as it is encrypted.
    pub fn text(self) -> String {
        use std::fmt::Write;
        self.0.finalize().iter().fold(String::with_capacity(128), |mut text, byte| {
            let _ = write!(text, "{byte:02X}");
            text
        })
    }
}

/// Compares what a file's `mac` holds with what was computed; the errors tell what was altered, as far as that can be told.
pub(crate) fn verify(sealed: &EncryptedValue, lastmodified: &str, key: &DataKey, computed: &str) -> Result<(), Error> {
    match sealed.open(key, lastmodified) {
        Some(written) if written.as_slice() == computed.as_bytes() => Ok(()),
        Some(_) => Err(Error::Mac),
        None if sealed.holds(key, computed.as_bytes()) => Err(Error::MacTime { found: lastmodified.to_owned() }),
        None => Err(Error::MacSealed),
    }
}
