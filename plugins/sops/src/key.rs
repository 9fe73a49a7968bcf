use aes_gcm::aead::array::{Array, ArraySize};
use aes_gcm::aead::consts::{U12, U16, U24, U32};
use aes_gcm::aead::inout::InOutBuf;
use aes_gcm::aes::Aes256;
use aes_gcm::{AeadInOut, AesGcm, KeyInit, Nonce};
use zeroize::Zeroizing;

use crate::Error;

/// Length of a GCM tag, in bytes.
pub(crate) const TAG: usize = 16;

/// Length of the nonces that sops draws, in bytes.
pub(crate) const NONCE: usize = 32;

/// Holds the key under which a file's values are encrypted. Wiped when it is dropped.
#[derive(Clone, PartialEq, Eq)]
pub struct DataKey(Zeroizing<[u8; 32]>);

impl DataKey {
    /// Draws a new key.
    ///
    /// # Errors
    /// [`Error::Random`].
    pub fn generate() -> Result<Self, Error> {
        let mut key = Self(Zeroizing::new([0; 32]));
        random(key.0.as_mut_slice())?;
        Ok(key)
    }

    /// Uses the key from the age file of a recipient.
    ///
    /// # Errors
    /// [`Error::DataKey`] if it has another length.
    pub fn new(bytes: &[u8], recipient: &str) -> Result<Self, Error> {
        let key =
            bytes.try_into().map_err(|_| Error::DataKey { recipient: recipient.to_owned(), found: bytes.len() })?;
        Ok(Self(Zeroizing::new(key)))
    }

    /// Returns the 32 bytes to encrypt.
    pub fn expose(&self) -> &[u8; 32] {
        &self.0
    }

    /// Encrypts in place; gives the tag.
    pub(crate) fn seal(&self, nonce: &[u8; NONCE], aad: &str, bytes: &mut [u8]) -> [u8; TAG] {
        let cipher = AesGcm::<Aes256, U32>::new((&*self.0).into());
        // AES-GCM refuses only texts of 64 GiB and more, which no memory here holds; a tag of zeros opens nowhere.
        cipher
            .encrypt_inout_detached(&Nonce::from(*nonce), aad.as_bytes(), InOutBuf::from(bytes))
            .map_or([0; TAG], Into::into)
    }

    /// Decrypts in place; `None` when it does not open. Nonces are of the lengths that [`nonce_is_read`] takes.
    pub(crate) fn open(&self, nonce: &[u8], aad: &str, bytes: &mut [u8], tag: &[u8; TAG]) -> Option<()> {
        match nonce.len() {
            12 => self.open_with::<U12>(nonce, aad, bytes, tag),
            16 => self.open_with::<U16>(nonce, aad, bytes, tag),
            24 => self.open_with::<U24>(nonce, aad, bytes, tag),
            NONCE => self.open_with::<U32>(nonce, aad, bytes, tag),
            _ => None,
        }
    }

    fn open_with<N: ArraySize>(&self, nonce: &[u8], aad: &str, bytes: &mut [u8], tag: &[u8; TAG]) -> Option<()> {
        let nonce = Array::<u8, N>::try_from(nonce).ok()?;
        AesGcm::<Aes256, N>::new((&*self.0).into())
            .decrypt_inout_detached(&nonce, aad.as_bytes(), InOutBuf::from(bytes), &(*tag).into())
            .ok()
    }
}

/// Returns whether a nonce has a length that is read: the 32 bytes that sops draws, and those that other writers
/// choose.
pub(crate) fn nonce_is_read(length: usize) -> bool {
    matches!(length, 12 | 16 | 24 | NONCE)
}

pub(crate) fn random(bytes: &mut [u8]) -> Result<(), Error> {
    getrandom::fill(bytes).map_err(|_| Error::Random)
}

impl std::fmt::Debug for DataKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("DataKey")
    }
}
