//! What happens on the target, after a backend put an artifact's files in their places.
//!
//! [`check`] says at once whether an artifact is complete, and [`watch`] follows its files and tells systemd when that
//! changes. Both know a backend only by the paths in the [`manifest`], so that one pair of programs serves them all.

pub mod accounts;
pub mod check;
pub mod manifest;
pub mod trace;
pub mod watch;
