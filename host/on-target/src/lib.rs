//! What happens on the target, after a backend put an artifact's files in their places.
//!
//! [`check`] says at once whether an artifact is complete, and [`watch`] follows its files and tells systemd when that
//! changes. [`place`] puts files there that are made on the target itself. All know a backend only by the paths in the [`manifest`], so that one program serves them all.

pub mod accounts;
pub mod again;
pub mod check;
pub mod manifest;
pub mod place;
mod ram;
mod regular;
pub mod trace;
pub mod watch;
