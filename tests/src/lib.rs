//! What the end-to-end tests share.

pub mod nix;
pub mod systemd;
