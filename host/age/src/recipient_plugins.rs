//! Plugins of recipients. One takes many file keys in one session and none after that, while files are encrypted one by one: so the keys
//! are drawn and wrapped ahead, for all files that are expected.

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use age::{EncryptError, Encryptor};
use age_core::format::{FileKey, Stanza};
use age_core::secrecy::ExposeSecret as _;

use crate::encrypt::{encrypt, failed};
use crate::header::with_stanzas;
use crate::plugin::{PluginRecipient, Plugins};
use crate::plugin_wrap;
use crate::recipient::shortened;
use crate::{Error, NoPrompter, PluginRun, Prompter};

/// So many file keys are wrapped in one session at most.
const AT_ONCE: usize = 10_000;

/// Runs the plugins of recipients, for all that encrypt in a run: each once for each set of its recipients. The default allows none.
#[derive(Clone, Default)]
pub struct RecipientPlugins(Arc<Mutex<Ahead>>);

/// Recipients of plugins that a file has, and so of the keys that are wrapped for it.
type OfPlugins = BTreeSet<PluginRecipient>;

struct Ahead {
    plugins: Plugins,
    prompter: Box<dyn Fn() -> Arc<dyn Prompter> + Send>,
    /// One for each file that is going to be encrypted.
    expected: Vec<OfPlugins>,
    pools: BTreeMap<OfPlugins, Pool>,
}

/// What is wrapped for a set of recipients.
#[derive(Default)]
struct Pool {
    keys: Vec<WrappedKey>,
    /// How many were wrapped since files were last expected, those that are left from before among them.
    count: usize,
}

impl Default for Ahead {
    fn default() -> Self {
        Self {
            plugins: Plugins::default(),
            prompter: Box::new(|| Arc::new(NoPrompter)),
            expected: Vec::new(),
            pools: BTreeMap::new(),
        }
    }
}

impl RecipientPlugins {
    /// Allows these; `prompter` is asked for only when one is run.
    pub fn new(plugins: Plugins, prompter: impl Fn() -> Arc<dyn Prompter> + Send + 'static) -> Self {
        Self(Arc::new(Mutex::new(Ahead { plugins, prompter: Box::new(prompter), ..Ahead::default() })))
    }

    fn ahead(&self) -> MutexGuard<'_, Ahead> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Checks whether the plugin of each of these recipients that has one may run, and is there.
    ///
    /// # Errors
    /// When one may not, or is not.
    pub fn check<'a>(&self, recipients: impl IntoIterator<Item = &'a String>) -> Result<(), Error> {
        let ahead = self.ahead();
        of_plugins(recipients).into_iter().try_for_each(|PluginRecipient { plugin, text }| {
            let recipient = shortened(&text);
            if !ahead.plugins.allowed.contains(&plugin) {
                Err(Error::NotEnabled { recipient, plugin })
            } else if ahead.plugins.program(&plugin).is_none() {
                Err(Error::NoProgram { recipient, plugin })
            } else {
                Ok(())
            }
        })
    }

    /// Takes note of the recipients of each file that is going to be encrypted, in place of those that were expected before.
    pub fn expect<'a>(&self, files: impl IntoIterator<Item = &'a BTreeSet<String>>) {
        let mut ahead = self.ahead();
        ahead.expected = files.into_iter().map(of_plugins).filter(|of_file| !of_file.is_empty()).collect();
        for pool in ahead.pools.values_mut() {
            pool.count = pool.keys.len();
        }
    }

    /// Returns the plugins that were run since the last call, by any copy of them.
    pub fn take_runs(&self) -> Vec<PluginRun> {
        self.ahead().plugins.runs.take()
    }

    /// Returns a file key that is wrapped for these.
    pub(crate) fn take(&self, recipients: &OfPlugins) -> Result<WrappedKey, Error> {
        let mut ahead = self.ahead();
        let left = ahead.pools.get_mut(recipients).and_then(|pool| pool.keys.pop());
        left.map_or_else(|| ahead.wrap(recipients), Ok)
    }
}

/// Returns those of these recipients that are plugins'.
fn of_plugins<'a>(recipients: impl IntoIterator<Item = &'a String>) -> OfPlugins {
    recipients.into_iter().filter_map(|text| PluginRecipient::of(text)?.ok()).collect()
}

impl Ahead {
    /// Wraps as many file keys as are expected, and returns one more than it keeps.
    fn wrap(&mut self, recipients: &OfPlugins) -> Result<WrappedKey, Error> {
        let pool = self.pools.entry(recipients.clone()).or_default();
        // A file of these and of others may be encrypted to each alone.
        let expected = self.expected.iter().filter(|of_file| of_file.is_superset(recipients)).count();
        let count = expected.saturating_sub(pool.count).clamp(1, AT_ONCE);
        let (mut drawn, keys): (Vec<_>, Vec<_>) =
            (0..count).map(|_| draw()).collect::<Result<Vec<_>, _>>()?.into_iter().unzip();
        let mut stanzas: Vec<Vec<Stanza>> = keys.iter().map(|_| Vec::new()).collect();
        let mut labels = None;
        let prompter = (self.prompter)();
        let plugins: BTreeSet<&str> = recipients.iter().map(|one| one.plugin.as_str()).collect();
        for plugin in plugins {
            let own: Vec<&str> =
                recipients.iter().filter(|one| one.plugin == plugin).map(|one| one.text.as_str()).collect();
            let failed = |why| Error::Plugin { plugin: plugin.to_owned(), why };
            let wrapped = plugin_wrap::wrap(plugin, &self.plugins, &own, &keys, &*prompter);
            let wrapped = wrapped.map_err(failed)?;
            if *labels.get_or_insert_with(|| wrapped.labels.clone()) != wrapped.labels {
                return Err(Error::Mixed);
            }
            stanzas.iter_mut().zip(wrapped.stanzas).for_each(|(of_file, more)| of_file.extend(more));
        }
        let labels: HashSet<String> = labels.into_iter().flatten().collect();
        let wrapped = drawn.drain(..).zip(keys).zip(stanzas);
        pool.keys.extend(wrapped.map(|((encryptor, key), stanzas)| {
            let labels = labels.clone();
            WrappedKey { encryptor, key, stanzas, labels }
        }));
        pool.count += count;
        pool.keys.pop().ok_or(Error::NoRecipient)
    }
}

/// Holds a file key of age's own, wrapped by plugins, and what encrypts with it.
pub(crate) struct WrappedKey {
    encryptor: Encryptor,
    key: FileKey,
    stanzas: Vec<Stanza>,
    labels: HashSet<String>,
}

impl WrappedKey {
    /// Encrypts to the recipients of the plugins, and to these.
    pub fn encrypt(self, others: &[&dyn age::Recipient], value: &[u8]) -> Result<Vec<u8>, Error> {
        let mut stanzas = Vec::new();
        for other in others {
            let (wrapped, labels) = other.wrap_file_key(&self.key).map_err(|error| failed(&error))?;
            if labels != self.labels {
                return Err(Error::Mixed);
            }
            stanzas.extend(wrapped);
        }
        stanzas.extend(self.stanzas);
        let file = encrypt(self.encryptor, value).map_err(|error| Error::Encrypt(error.to_string()))?;
        with_stanzas(&file, &stanzas, &self.key)
    }
}

/// Has age draw a file key, and keeps it: the header of what it encrypts has no stanza yet.
fn draw() -> Result<(Encryptor, FileKey), Error> {
    struct Kept(RefCell<Option<FileKey>>);
    impl age::Recipient for Kept {
        fn wrap_file_key(&self, key: &FileKey) -> Result<(Vec<Stanza>, HashSet<String>), EncryptError> {
            *self.0.borrow_mut() = Some(FileKey::init_with_mut(|to| *to = *key.expose_secret()));
            Ok((Vec::new(), HashSet::new()))
        }
    }
    let kept = Kept(RefCell::new(None));
    let encryptor = Encryptor::with_recipients(std::iter::once(&kept as _)).map_err(|error| failed(&error))?;
    let key = kept.0.into_inner().ok_or(Error::NoRecipient)?;
    Ok((encryptor, key))
}
