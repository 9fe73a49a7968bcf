//! Generates artifacts on the target itself, for backends that keep nothing in a storage.
//!
//! The values are for machines that must not hold real secrets. They are in RAM and gone with the next boot. No one is asked: a
//! prompt takes its test value, or a made-up one.

mod access;
mod activate;
mod context;
mod failure;
mod generate;
mod inputs;
mod test_values;

pub use activate::{ActivationResult, activate};
pub use context::ActivationContext;
