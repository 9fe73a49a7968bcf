//! What the end-to-end tests share.

pub mod age;
pub mod age_plugin;
pub mod checkout;
pub mod desk;
pub mod fleet;
pub mod home_switch;
pub mod nix;
pub mod other_ages;
pub mod other_tools;
pub mod script;
pub mod sessions;
pub mod sops;
pub mod systemd;
pub mod tpm;
pub mod transcript;
