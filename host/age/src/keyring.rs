use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use artifacts_digest::Sha256;

use crate::{DecryptedFile, OpenError, Opener};

/// Opens files as they are asked for, from any thread. What only a plugin might open is left over, and asked for in one session for
/// all: a plugin that wants a touch wants one.
pub struct Keyring {
    opener: Opener,
    of_plugins: Mutex<OfPlugins>,
}

/// What plugins are asked for, and what they said; by SHA-256 of the file.
#[derive(Default)]
struct OfPlugins {
    left: BTreeMap<Sha256, Vec<u8>>,
    answered: BTreeMap<Sha256, Result<DecryptedFile, OpenError>>,
}

impl Keyring {
    /// Uses these identities.
    pub fn new(opener: Opener) -> Self {
        Self { opener, of_plugins: Mutex::default() }
    }

    fn of_plugins(&self) -> MutexGuard<'_, OfPlugins> {
        self.of_plugins.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Opens a file, binary or armored. One that is left over for a plugin fails, and may be asked for again after
    /// [`Keyring::ask_plugins`].
    ///
    /// # Errors
    /// See [`OpenError`].
    pub fn open(&self, file: &[u8]) -> Result<DecryptedFile, OpenError> {
        let hash = Sha256::digest(file);
        if let Some(answer) = self.of_plugins().answered.get(&hash) {
            return answer.clone();
        }
        let opened = self.opener.open_without_plugins(file);
        if matches!(opened, Err(OpenError::NoIdentity(_))) && self.opener.has_plugins() {
            self.of_plugins().left.insert(hash, file.to_vec());
        }
        opened
    }

    /// Wipes what plugins decrypted, and what was left for them. The identities stay, unlocked, so that a person is asked for a
    /// passphrase once; and so does what plugins could not decrypt, so that they are not asked in vain.
    pub fn forget_decrypted(&self) {
        let mut of_plugins = self.of_plugins();
        of_plugins.left.clear();
        of_plugins.answered.retain(|_, answer| answer.is_err());
    }

    /// Returns whether a file is left that only a plugin may decrypt.
    pub fn is_left_for_plugins(&self) -> bool {
        !self.of_plugins().left.is_empty()
    }

    /// Asks the plugins for all files that are left, each plugin once. Returns whether any was decrypted, so that it
    /// is worth asking again.
    pub fn ask_plugins(&self) -> bool {
        let left = std::mem::take(&mut self.of_plugins().left);
        let files: Vec<&[u8]> = left.values().map(Vec::as_slice).collect();
        let answers = if files.is_empty() { Vec::new() } else { self.opener.open_all(&files) };
        let any = answers.iter().any(Result::is_ok);
        self.of_plugins().answered.extend(left.into_keys().zip(answers));
        any
    }
}
