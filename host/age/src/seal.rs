use std::collections::HashMap;
use std::io::Write;

use age::Encryptor;
use age::armor::{ArmoredWriter, Format};
use artifacts_digest::HeaderHash;
use artifacts_seam::Secret;

use crate::recipient::Recipient;
use crate::{Error, header_hash};

/// Holds an encrypted file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EncryptedFile {
    /// The age file, binary or armored.
    pub file: Vec<u8>,
    /// [`header_hash`] of the file.
    pub header_hash: HeaderHash,
}

/// Seals many secrets to a few recipients: each is parsed once.
#[derive(Default)]
pub struct Sealer {
    parsed: HashMap<String, Recipient>,
}

impl Sealer {
    /// Checks whether a text is a recipient that this program can encrypt to.
    ///
    /// # Errors
    /// If it is not.
    pub fn accepts(&mut self, recipient: &str) -> Result<(), Error> {
        if !self.parsed.contains_key(recipient) {
            self.parsed.insert(recipient.to_owned(), Recipient::parse(recipient)?);
        }
        Ok(())
    }

    /// Encrypts to all of the recipients, as an ASCII-armored or binary age file.
    ///
    /// # Errors
    /// When there is no recipient, or one is none.
    pub fn seal(&mut self, value: &[u8], recipients: &[String], armor: bool) -> Result<EncryptedFile, Error> {
        for recipient in recipients {
            self.accepts(recipient)?;
        }
        let keys: Vec<&Recipient> = recipients.iter().filter_map(|text| self.parsed.get(text)).collect();
        if keys.is_empty() {
            return Err(Error::NoRecipient);
        }
        let encryptor = Encryptor::with_recipients(keys.iter().map(|key| key.as_age()))
            .map_err(|error| Error::Encrypt(error.to_string()))?;
        let binary = encrypt(encryptor, value).map_err(|error| Error::Encrypt(error.to_string()))?;
        let header_hash = header_hash(&binary)?;
        let file = if armor { armored(&binary).map_err(|error| Error::Encrypt(error.to_string()))? } else { binary };
        Ok(EncryptedFile { file, header_hash })
    }
}

fn encrypt(encryptor: Encryptor, value: &[u8]) -> std::io::Result<Vec<u8>> {
    let mut file = Vec::with_capacity(value.len() + 1024);
    let mut writer = encryptor.wrap_output(&mut file)?;
    writer.write_all(value)?;
    writer.finish()?;
    Ok(file)
}

fn armored(binary: &[u8]) -> std::io::Result<Vec<u8>> {
    let mut writer = ArmoredWriter::wrap_output(Vec::with_capacity(binary.len() * 3 / 2 + 128), Format::AsciiArmor)?;
    writer.write_all(binary)?;
    writer.finish()
}

/// Encrypts one secret. For many, keep a [`Sealer`].
///
/// # Errors
/// When there is no recipient, or one is none.
pub fn seal(value: &Secret, recipients: &[String], armor: bool) -> Result<Vec<u8>, Error> {
    Sealer::default().seal(value.expose(), recipients, armor).map(|sealed| sealed.file)
}
