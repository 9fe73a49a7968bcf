//! Sealing and opening with age: parsed recipients, a person's identities, files, and the hash by which a sealed header is
//! known again.

mod error;
mod header;
mod identity;
mod keyring;
mod locked;
mod open;
mod person;
mod pkcs8;
mod plugin;
mod recipient;
mod seal;

pub use error::Error;
pub use header::{header_sha256, headers, recipients};
pub use identity::IdentityError;
pub use keyring::Keyring;
pub use open::{Attempts, OpenError, Opened, Opener};
pub use person::{Nobody, Person};
pub use plugin::Plugins;
pub use seal::{Sealed, Sealer, seal};
