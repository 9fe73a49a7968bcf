//! The format against the real sops, against damage and against chance. One program: it takes long to link.
// What seals has to give a result, whether or not it can fail.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::unnecessary_wraps)]

mod chance;
mod damage;
mod real_sops;
mod ssh;
mod support;
mod texts;
