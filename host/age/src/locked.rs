use std::io::Read;
use std::sync::{Arc, Mutex, PoisonError};

use age::armor::ArmoredReader;
use age::scrypt;
use age_core::format::Stanza;
use age_core::secrecy::SecretString;
use artifacts_seam::Secret;
use base64::Engine;
use base64::prelude::BASE64_STANDARD_NO_PAD;
use sha2::{Digest, Sha256};
use ssh_key::{Algorithm, PrivateKey};

use crate::Person;
use crate::identity::{self, Found, Key, Unwrapped};

/// How often a wrong passphrase may be corrected.
const TRIES: usize = 3;

/// Identities under a passphrase. It is asked for when a file needs it, once.
pub(crate) struct Locked {
    name: String,
    person: Arc<dyn Person>,
    what: What,
    state: Mutex<State>,
}

enum What {
    Ssh { key: Box<PrivateKey>, tag: String },
    File(Secret),
}

enum State {
    Closed,
    Open(Vec<Key>),
    /// Nobody knows the passphrase: not asked again.
    Refused,
}

impl Locked {
    pub fn ssh(name: &str, key: Box<PrivateKey>, person: Arc<dyn Person>) -> Result<Self, String> {
        let wire = key.public_key().to_bytes().map_err(|error| error.to_string())?;
        let tag = BASE64_STANDARD_NO_PAD.encode(&Sha256::digest(wire)[..4]);
        Ok(Self::new(name, What::Ssh { key, tag }, person))
    }

    pub fn file(name: &str, content: Secret, person: Arc<dyn Person>) -> Self {
        Self::new(name, What::File(content), person)
    }

    fn new(name: &str, what: What, person: Arc<dyn Person>) -> Self {
        Self { name: name.to_owned(), person, what, state: Mutex::new(State::Closed) }
    }

    /// Its name, while it is not open.
    pub fn closed(&self) -> Option<&str> {
        let state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        if matches!(*state, State::Open(_)) { None } else { Some(&self.name) }
    }

    /// Whether it could open one of these at all: an ssh key is known by its public half, which needs no passphrase.
    fn fits(&self, stanzas: &[Stanza]) -> bool {
        let What::Ssh { key, tag } = &self.what else { return true };
        let (kind, converts) = match key.algorithm() {
            Algorithm::Ed25519 => ("ssh-ed25519", true),
            _ => ("ssh-rsa", false),
        };
        let own = |stanza: &Stanza| stanza.tag == kind && stanza.args.first() == Some(tag);
        stanzas.iter().any(|stanza| own(stanza) || (converts && stanza.tag == "X25519"))
    }

    /// The file key, if what is under the passphrase opens one of the stanzas.
    pub fn unwrap(&self, stanzas: &[Stanza]) -> Option<Unwrapped> {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        if matches!(*state, State::Closed) && self.fits(stanzas) {
            *state = self.unlock();
        }
        match &*state {
            State::Open(keys) => keys.iter().find_map(|key| key.unwrap(stanzas)),
            State::Closed | State::Refused => None,
        }
    }

    fn unlock(&self) -> State {
        let mut what = format!("Passphrase of {}", self.name);
        for _ in 0..TRIES {
            let Some(passphrase) = self.person.passphrase(&what) else { return State::Refused };
            match self.what.open(&self.name, &passphrase) {
                Some(keys) => return State::Open(keys),
                None => what = format!("That was another one. Passphrase of {}", self.name),
            }
        }
        State::Refused
    }
}

impl What {
    fn open(&self, name: &str, passphrase: &Secret) -> Option<Vec<Key>> {
        match self {
            Self::Ssh { key, .. } => identity::unlocked(&key.decrypt(passphrase.expose()).ok()?).ok(),
            Self::File(content) => {
                let passphrase = SecretString::from(std::str::from_utf8(passphrase.expose()).ok()?.to_owned());
                let key = scrypt::Identity::new(passphrase);
                let mut plain = Vec::with_capacity(content.expose().len());
                age::Decryptor::new_buffered(ArmoredReader::new(content.expose()))
                    .ok()?
                    .decrypt(std::iter::once(&key as _))
                    .ok()?
                    .read_to_end(&mut plain)
                    .ok()?;
                match identity::read(name, &Secret::new(plain)).ok()? {
                    Found::Keys { keys, .. } => Some(keys),
                    Found::LockedSsh(_) | Found::LockedFile(_) => None,
                }
            }
        }
    }
}
