//! Stores what the admin accepted, outside of the repository, which proposes and does not decide.
//!
//! Each consent is one file in a directory that only the user can write. Its name is the SHA-256 of what was accepted,
//! and its content is that text, so that people can read it, and remove it to withdraw the consent.

mod accepted_labels;
mod accepted_recipients;
mod checkout;
mod error;
mod headers;
mod ownership;
mod state_dir;
mod trust;

pub use accepted_labels::NewLabels;
pub use accepted_recipients::{AcceptedRecipients, InstanceConsent};
pub use checkout::{Checkout, CheckoutId};
pub use error::Error;
pub use headers::{
    CheckoutRecord, GenerationCommit, HeaderCommit, HeaderPlace, KnownHeaders, LastGeneration, StoredHeaders,
};
pub use ownership::check_ownership;
pub use trust::Trust;
