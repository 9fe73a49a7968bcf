//! The tests of the Nix side, in one program: what they have in common is compiled once.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::missing_panics_doc)]

mod agenix;
mod cache;
mod checkout;
mod common;
mod demo;
mod evaluation;
mod golden;
mod inside;
mod jobs;
mod modules;
mod nix_program;
mod pitfalls;
mod problems;
mod project_flake;
mod real_modules;
mod sops_nix;
