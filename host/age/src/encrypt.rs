//! Encrypting with the age crate, and what its errors mean.

use std::io::Write;

use age::{EncryptError, Encryptor};

use crate::Error;

/// Says why age did not encrypt.
pub(crate) fn failed(error: &EncryptError) -> Error {
    match error {
        EncryptError::IncompatibleRecipients { .. } => Error::Mixed,
        other => Error::Encrypt(other.to_string()),
    }
}

pub(crate) fn encrypt(encryptor: Encryptor, value: &[u8]) -> std::io::Result<Vec<u8>> {
    let mut file = Vec::with_capacity(value.len() + 1024);
    let mut writer = encryptor.wrap_output(&mut file)?;
    writer.write_all(value)?;
    writer.finish()?;
    Ok(file)
}
