//! Making artifacts on the target itself: for backends that keep nothing in the storage.
//!
//! The values are for machines that must not carry real secrets. They are in RAM and gone with the next boot. No one is asked:
//! a prompt takes its test value, or a made-up one.

mod generate;
mod inputs;
mod test_values;

pub use generate::{ActivationContext, ActivationResult, activate};
