use std::collections::{BTreeSet, HashMap};
use std::io::Write;

use age::Encryptor;
use age::armor::{ArmoredWriter, Format};
use artifacts_digest::HeaderHash;
use artifacts_seam::Secret;

use crate::encrypt::{encrypt, failed};
use crate::recipient::Recipient;
use crate::{Error, RecipientPlugins, header_hash};

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
    plugins: RecipientPlugins,
}

impl Sealer {
    /// Encrypts to recipients of these plugins as well.
    pub fn new(plugins: RecipientPlugins) -> Self {
        Self { parsed: HashMap::new(), plugins }
    }

    /// Returns the plugins of recipients.
    pub fn plugins(&self) -> &RecipientPlugins {
        &self.plugins
    }

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
        let (mut native, mut of_plugins) = (Vec::new(), BTreeSet::new());
        for recipient in recipients.iter().filter_map(|text| self.parsed.get(text)) {
            match recipient {
                Recipient::Native(key) => native.push(&**key as &dyn age::Recipient),
                Recipient::Plugin(key) => {
                    of_plugins.insert(key.clone());
                }
            }
        }
        let binary = if !of_plugins.is_empty() {
            self.plugins.take(&of_plugins)?.encrypt(&native, value)?
        } else if native.is_empty() {
            return Err(Error::NoRecipient);
        } else {
            let encryptor = Encryptor::with_recipients(native.into_iter()).map_err(|error| failed(&error))?;
            encrypt(encryptor, value).map_err(|error| Error::Encrypt(error.to_string()))?
        };
        let header_hash = header_hash(&binary)?;
        let file = if armor { armored(&binary)? } else { binary };
        Ok(EncryptedFile { file, header_hash })
    }
}

/// Returns a binary age file as ASCII armor: another encoding of the same file, with the same header.
///
/// # Errors
/// When the memory is not enough.
pub fn armored(binary: &[u8]) -> Result<Vec<u8>, Error> {
    armor(binary).map_err(|error| Error::Encrypt(error.to_string()))
}

fn armor(binary: &[u8]) -> std::io::Result<Vec<u8>> {
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
