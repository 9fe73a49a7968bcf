//! Where things are.

use std::path::PathBuf;

/// The checkout.
pub fn root() -> PathBuf {
    let here = PathBuf::from(env!("CARGO_MANIFEST_DIR"));
    here.parent().map_or_else(|| here.clone(), PathBuf::from)
}

/// Where cargo puts the host: `CARGO_TARGET_DIR`, or `target` in the checkout.
pub fn target() -> PathBuf {
    std::env::var_os("CARGO_TARGET_DIR").map_or_else(|| root().join("target"), |dir| root().join(dir))
}

/// The workspace of the guests.
pub fn plugins() -> PathBuf {
    root().join("plugins")
}

/// The bundled backends as the program takes them in: components, and code compiled of them.
pub fn plugins_built() -> PathBuf {
    root().join("target/plugins")
}

/// The guests of tests.
pub fn guests_built() -> PathBuf {
    root().join("target/guests")
}

/// Programs for the demo and the tests.
pub fn quick() -> PathBuf {
    target().join("debug")
}

/// Programs as they are delivered and measured.
pub fn released() -> PathBuf {
    target().join("release")
}
