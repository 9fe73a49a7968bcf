use std::io::Read;
use std::sync::Arc;

use age::{DecryptError, Decryptor};
use age_core::format::{FILE_KEY_BYTES, FileKey, Stanza};
use artifacts_seam::Secret;
use artifacts_text::{Explain, agreeing};
use zeroize::Zeroizing;

use crate::Prompter;
use crate::header::unarmored;
use crate::identity::{self, UnlockedIdentity, Unwrapped};
use crate::identity_error::IdentityError;
use crate::passphrase_identity::PassphraseIdentity;
use crate::plugin::{self, PluginIdentity, Plugins};
use crate::plugin_unwrap;

/// Reports why a file was not decrypted.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum OpenError {
    /// No identity matches one of its recipients.
    #[error("no identity can decrypt it{0}")]
    NoIdentity(Attempts),
    /// There is no identity to try.
    #[error("no identity found{0}")]
    NoIdentities(Attempts),
    /// It is not an age file, or is damaged.
    #[error("the age file is damaged: {0}")]
    Corrupt(String),
}

/// Lists what was tried on a file that was not decrypted.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Attempts {
    /// Files whose identities belong to other recipients.
    pub tried: Vec<String>,
    /// Places without an identity, where one usually is; none when places were named.
    pub searched: Vec<String>,
    /// Files under a passphrase whose identity may match, with the reason why they were not unlocked.
    pub closed: Vec<String>,
    /// Parts of files that cannot be used.
    pub unusable: Vec<IdentityError>,
    /// Messages of plugins.
    pub plugins: Vec<String>,
}

impl std::fmt::Display for Attempts {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        if !self.tried.is_empty() {
            let what = agreeing(self.tried.len(), "not a recipient", "not recipients");
            write!(f, "; {}: {what}", self.tried.join(", "))?;
        }
        for said in self.closed.iter().chain(&self.plugins) {
            write!(f, "; {said}")?;
        }
        for error in &self.unusable {
            write!(f, "; {error}")?;
        }
        if self.tried.is_empty() && !self.searched.is_empty() {
            write!(f, "; no {}", self.searched.join(", "))?;
        }
        Ok(())
    }
}

impl Explain for OpenError {
    fn kind(&self) -> &'static str {
        match self {
            Self::NoIdentity(_) | Self::NoIdentities(_) => "no-identity",
            Self::Corrupt(_) => "corrupt",
        }
    }

    fn hint(&self) -> Option<String> {
        Some(match self {
            Self::NoIdentity(attempts) | Self::NoIdentities(attempts) => attempts.hint(),
            Self::Corrupt(_) => "restore the file from a commit or a backup".to_owned(),
        })
    }
}

impl Attempts {
    fn hint(&self) -> String {
        const NAME: &str = "pass an identity of one of its recipients with -i";
        let plugin = self.unusable.iter().find(|error| matches!(error, IdentityError::Plugin { .. }));
        if !self.closed.is_empty() {
            "enter the passphrase, or pass another identity with -i".to_owned()
        } else if let Some(error) = plugin {
            error.hint().map_or_else(|| NAME.to_owned(), |hint| format!("{hint}; or {NAME}"))
        } else {
            NAME.to_owned()
        }
    }
}

/// Decrypts age files: first with identities that need no one, then with those under a passphrase, then with plugins.
pub struct Opener {
    prompter: Arc<dyn Prompter>,
    plugins: Plugins,
    keys: Vec<UnlockedIdentity>,
    locked: Vec<PassphraseIdentity>,
    of_plugins: Vec<PluginIdentity>,
    /// Names of the files with unlocked identities.
    names: Vec<String>,
    unusable: Vec<IdentityError>,
    searched: Vec<String>,
}

impl Opener {
    /// Has no identity yet.
    pub fn new(prompter: Arc<dyn Prompter>, plugins: Plugins) -> Self {
        Self {
            prompter,
            plugins,
            keys: Vec::new(),
            locked: Vec::new(),
            of_plugins: Vec::new(),
            names: Vec::new(),
            unusable: Vec::new(),
            searched: Vec::new(),
        }
    }

    /// Takes a file of identities in: an ssh private key, or age identities, each plain or under a passphrase, which is not
    /// asked for before a file needs it. `name` is for messages. Parts that cannot be used are mentioned only where nothing opens a
    /// file.
    ///
    /// # Errors
    /// When nothing in it can be used.
    pub fn add(&mut self, name: &str, content: &Secret) -> Result<(), IdentityError> {
        let mut found = identity::read(name, content)?;
        let mut unusable = std::mem::take(&mut found.unusable);
        let before = self.size();
        for key in found.locked_ssh {
            match PassphraseIdentity::ssh(name, key, Arc::clone(&self.prompter)) {
                Ok(locked) => self.locked.push(locked),
                Err(why) => unusable.push(IdentityError::None { name: name.to_owned(), why }),
            }
        }
        if let Some(content) = found.locked_file {
            self.locked.push(PassphraseIdentity::file(
                name,
                content,
                self.plugins.allowed.clone(),
                Arc::clone(&self.prompter),
            ));
        }
        for identity in found.plugins {
            if self.plugins.allowed.contains(&identity.plugin) {
                self.of_plugins.push(identity);
            } else {
                unusable.push(IdentityError::Plugin { name: name.to_owned(), plugin: identity.plugin });
            }
        }
        if !found.keys.is_empty() {
            self.names.push(name.to_owned());
            self.keys.extend(found.keys);
        }
        if self.size() == before && !unusable.is_empty() {
            return Err(unusable.swap_remove(0));
        }
        for error in unusable {
            self.leave_out(error);
        }
        Ok(())
    }

    /// Takes note of what cannot be used, to be mentioned where nothing opens a file.
    pub fn leave_out(&mut self, error: IdentityError) {
        if !self.unusable.contains(&error) {
            self.unusable.push(error);
        }
    }

    /// Takes note of a place where an identity usually is, and is not.
    pub fn searched(&mut self, place: String) {
        self.searched.push(place);
    }

    fn size(&self) -> usize {
        self.keys.len() + self.locked.len() + self.of_plugins.len()
    }

    /// Returns why no file can be decrypted, if there is no identity at all.
    pub fn without_identity(&self) -> Option<OpenError> {
        self.is_empty().then(|| OpenError::NoIdentities(self.attempts(&[], &PluginAttempts::default())))
    }

    /// Returns whether there is no identity.
    pub fn is_empty(&self) -> bool {
        self.size() == 0
    }

    /// Opens one file, binary or armored. For many, [`Opener::open_many`] asks plugins once.
    ///
    /// # Errors
    /// See [`OpenError`].
    pub fn open(&self, file: &[u8]) -> Result<Secret, OpenError> {
        self.open_many(&[file]).pop().unwrap_or_else(|| Err(OpenError::Corrupt("no result".to_owned())))
    }

    /// Opens many files, in their order. A plugin is run once for all that no other identity opens.
    pub fn open_many(&self, files: &[&[u8]]) -> Vec<Result<Secret, OpenError>> {
        self.open_all(files).into_iter().map(|opened| opened.map(|opened| opened.secret)).collect()
    }

    /// Does the same, and returns the kind of identity of each file.
    pub(crate) fn open_all(&self, files: &[&[u8]]) -> Vec<Result<DecryptedFile, OpenError>> {
        let mut begun: Vec<Result<PendingFile, OpenError>> = files.iter().map(|file| self.begin(file)).collect();
        let (identities, mut asked) = (self.plugin_identities(), PluginAttempts::default());
        for plugin in plugin::names(&identities) {
            let left: Vec<&mut PendingFile> =
                begun.iter_mut().filter_map(|one| one.as_mut().ok()).filter(|one| one.unwrapped.is_none()).collect();
            if left.is_empty() {
                break;
            }
            let own: Vec<&PluginIdentity> = identities.iter().filter(|one| one.plugin == plugin).collect();
            match self.ask(plugin, &own, left) {
                None => asked.tried.extend(own.iter().map(|one| format!("{} (age-plugin-{plugin})", one.file))),
                Some(said) => asked.said.push(format!("age-plugin-{plugin}: {said}")),
            }
        }
        begun.into_iter().zip(files).map(|(one, file)| self.finish(one?, file, &asked)).collect()
    }

    /// Decrypts one file, with what needs no plugin.
    pub(crate) fn open_without_plugins(&self, file: &[u8]) -> Result<DecryptedFile, OpenError> {
        self.finish(self.begin(file)?, file, &PluginAttempts::default())
    }

    /// Returns whether a plugin may decrypt a file that was not decrypted.
    pub(crate) fn has_plugins(&self) -> bool {
        !self.plugin_identities().is_empty()
    }

    /// Returns the identities of plugins, also those of files that were unlocked.
    fn plugin_identities(&self) -> Vec<PluginIdentity> {
        let unlocked = self.locked.iter().flat_map(PassphraseIdentity::of_plugins);
        self.of_plugins.iter().cloned().chain(unlocked).collect()
    }

    fn begin(&self, file: &[u8]) -> Result<PendingFile, OpenError> {
        let stanzas = stanzas(file)?;
        let by_key = self.keys.iter().find_map(|key| key.unwrap(&stanzas));
        let unwrapped = by_key.or_else(|| self.locked.iter().find_map(|locked| locked.unwrap(&stanzas)));
        Ok(PendingFile { stanzas, unwrapped })
    }

    /// Has a plugin decrypt files with its identities. Returns why it did not, where it says that.
    fn ask(&self, plugin: &str, identities: &[&PluginIdentity], asked: Vec<&mut PendingFile>) -> Option<String> {
        let stanzas: Vec<&[Stanza]> = asked.iter().map(|one| one.stanzas.as_slice()).collect();
        let identities: Vec<&str> = identities.iter().map(|one| one.text.as_str()).collect();
        match plugin_unwrap::unwrap(plugin, &self.plugins, &identities, &stanzas, &*self.prompter) {
            Ok(answer) => {
                for (one, key) in asked.into_iter().zip(answer.keys) {
                    one.unwrapped = key.map(|key| Unwrapped { key, identity: format!("plugin {plugin}") });
                }
                (!answer.errors.is_empty()).then(|| answer.errors.join(", "))
            }
            Err(error) => Some(error),
        }
    }

    fn finish(&self, begun: PendingFile, file: &[u8], asked: &PluginAttempts) -> Result<DecryptedFile, OpenError> {
        let Some(Unwrapped { key, identity }) = begun.unwrapped else {
            let attempts = self.attempts(&begun.stanzas, asked);
            return Err(if self.is_empty() {
                OpenError::NoIdentities(attempts)
            } else {
                OpenError::NoIdentity(attempts)
            });
        };
        let known = FileKeyIdentity(key);
        let mut plain = Zeroizing::new(Vec::with_capacity(file.len()));
        let decryptor = Decryptor::new_buffered(unarmored(file)).map_err(|error| corrupt(&error))?;
        let mut reader = decryptor.decrypt(std::iter::once(&known as _)).map_err(|error| corrupt(&error))?;
        reader.read_to_end(&mut plain).map_err(|error| OpenError::Corrupt(error.to_string()))?;
        Ok(DecryptedFile { secret: Secret::new(std::mem::take(&mut *plain)), identity })
    }

    fn attempts(&self, stanzas: &[Stanza], asked: &PluginAttempts) -> Attempts {
        let locked = self.locked.iter().filter_map(|locked| locked.tried(stanzas));
        Attempts {
            tried: self
                .names
                .iter()
                .map(String::as_str)
                .chain(locked)
                .map(str::to_owned)
                .chain(asked.tried.clone())
                .collect(),
            searched: self.searched.clone(),
            closed: self.locked.iter().filter_map(|locked| locked.closed(stanzas)).collect(),
            unusable: self.unusable.clone(),
            plugins: asked.said.clone(),
        }
    }
}

/// Holds a decrypted file.
#[derive(Debug, Clone)]
pub struct DecryptedFile {
    /// Plaintext.
    pub secret: Secret,
    /// Kind of the identity that decrypted it: `age`, `age-pq`, `ssh-ed25519`, `ssh-rsa` or `plugin NAME`.
    pub identity: String,
}

/// What became of asking plugins.
#[derive(Default)]
struct PluginAttempts {
    /// Files with identities that belong to other recipients, as their plugins say.
    tried: Vec<String>,
    /// What plugins said that failed.
    said: Vec<String>,
}

/// Holds the stanzas of a file, and its key once an identity unwrapped it.
struct PendingFile {
    stanzas: Vec<Stanza>,
    unwrapped: Option<Unwrapped>,
}

fn corrupt(error: &DecryptError) -> OpenError {
    OpenError::Corrupt(error.to_string().lines().next().unwrap_or_default().to_owned())
}

/// Returns the stanzas of the header, as age's reader offers them to an identity.
fn stanzas(file: &[u8]) -> Result<Vec<Stanza>, OpenError> {
    struct Listener(std::cell::RefCell<Vec<Stanza>>);
    impl age::Identity for Listener {
        fn unwrap_stanza(&self, stanza: &Stanza) -> Option<Result<FileKey, DecryptError>> {
            let Stanza { tag, args, body } = stanza;
            self.0.borrow_mut().push(Stanza { tag: tag.clone(), args: args.clone(), body: body.clone() });
            None
        }
    }
    let listener = Listener(std::cell::RefCell::default());
    let decryptor = Decryptor::new_buffered(unarmored(file)).map_err(|error| corrupt(&error))?;
    match decryptor.decrypt(std::iter::once(&listener as _)) {
        Ok(_) | Err(DecryptError::NoMatchingKeys) => Ok(listener.0.into_inner()),
        Err(error) => Err(corrupt(&error)),
    }
}

/// Represents the file key itself as an identity.
struct FileKeyIdentity(Zeroizing<[u8; FILE_KEY_BYTES]>);

impl age::Identity for FileKeyIdentity {
    fn unwrap_stanza(&self, _: &Stanza) -> Option<Result<FileKey, DecryptError>> {
        Some(Ok(FileKey::init_with_mut(|key| *key = *self.0)))
    }
}
