//! Encrypts and decrypts with age: recipients, identities, plugins, and the hash by which an encrypted header is
//! recognized.

mod error;
mod header;
mod identity;
mod keyring;
mod open;
mod passphrase_identity;
mod pkcs8;
mod plugin;
mod prompter;
mod recipient;
mod seal;
mod ssh_public_key;

pub use error::Error;
pub use header::{header_hash, headers, recipients};
pub use identity::IdentityError;
pub use keyring::Keyring;
pub use open::{Attempts, DecryptedFile, OpenError, Opener};
pub use plugin::Plugins;
pub use prompter::{NoPrompter, Prompter};
pub use seal::{EncryptedFile, Sealer, seal};
pub use ssh_public_key::{fingerprint, recipient_of_ssh};
