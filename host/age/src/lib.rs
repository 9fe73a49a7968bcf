//! Sealing with age: parsed recipients, files, and the hash by which a sealed header is known again.

mod error;
mod header;
mod recipient;
mod seal;

pub use error::Error;
pub use header::header_sha256;
pub use seal::{Sealed, Sealer, seal};
