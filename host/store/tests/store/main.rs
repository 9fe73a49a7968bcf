//! The store on a real file system, against crashes and hostile checkouts.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::missing_panics_doc)]

mod attacks;
mod commit;
mod crash;
mod full;
mod git;
mod glance;
mod many;
mod model;
mod receipt;
mod restore;
mod support;
mod untouched;
