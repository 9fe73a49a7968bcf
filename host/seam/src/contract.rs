/// The version of the contract with backends, that of the package in `wit/`. Within `0.x` interfaces only grow.
pub const CONTRACT: &str = "0.2.0";
