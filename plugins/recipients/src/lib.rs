//! Who reads an instance, for backends whose targets have public keys: the target itself (`publicHostKey`) and its admins
//! (`publicUserKeys`), told from the configuration alone.

#[cfg(any(test, feature = "fixture"))]
pub mod fixture;
mod key;
mod recipients;
mod target_keys;

pub use recipients::for_instance;
pub use target_keys::TargetKeys;
