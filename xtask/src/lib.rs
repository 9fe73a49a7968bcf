//! What the tasks share: where things are, and running other programs.

pub mod apt;
pub mod project;
pub mod python;
pub mod run;
pub mod sops;
pub mod unpacked;
