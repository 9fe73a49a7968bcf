//! Digests as types: SHA-256, keyed hashes, and the generations that name one generation of an instance. Pure but for
//! [`Hex::random`].

mod hash;
mod header_hash;
mod hex;
mod keyed;

pub use hash::{Hasher, sha512};
pub use header_hash::HeaderHash;
pub use hex::{Generation, Hex, HexError, Sha256};
pub use keyed::{KeyedHasher, keyed};
