//! Encrypts and decrypts with age: recipients, identities, plugins, and the hash by which an encrypted header is
//! recognized.

mod encrypt;
mod encrypted_to;
mod error;
mod header;
mod hybrid;
mod identity;
mod identity_error;
mod identity_kind;
mod key_text;
mod keyring;
mod new_key;
mod open;
mod passphrase_identity;
mod pem_body;
mod pkcs8;
mod plugin;
mod plugin_process;
mod plugin_unwrap;
mod plugin_wrap;
mod private_form;
mod programs;
mod prompter;
mod public_key;
mod recipient;
mod recipient_plugins;
mod seal;
mod stanza;
mod x25519;
mod xwing;

pub use encrypted_to::is_encrypted_to;
pub use error::Error;
pub use header::{header_hash, headers, recipients};
pub use identity_error::IdentityError;
pub use identity_kind::IdentityKind;
pub use keyring::Keyring;
pub use new_key::NewKey;
pub use open::{Attempts, DecryptedFile, OpenError, Opener};
pub use plugin::{PluginRun, PluginRuns, Plugins};
pub use programs::Programs;
pub use prompter::{NoPrompter, Prompter};
pub use public_key::{fingerprint, recipient_of_ssh};
pub use recipient_plugins::RecipientPlugins;
pub use seal::{EncryptedFile, Sealer, armored, seal};
