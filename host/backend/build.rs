//! Puts the bundled backends' components into the program, as far as they are built.

use std::path::PathBuf;
use std::{env, fs, io};

const NAMES: &[&str] = &["agenix", "dummy", "sops-nix"];

fn main() -> io::Result<()> {
    println!("cargo::rerun-if-env-changed=ARTIFACTS_PLUGINS");
    let folder = folder();
    let mut entries = String::new();
    for name in NAMES {
        let path = folder.join(format!("{name}.wasm"));
        println!("cargo::rerun-if-changed={}", path.display());
        if path.is_file() {
            entries += &format!("    ({name:?}, include_bytes!({path:?})),\n");
        }
    }
    let code = format!("static COMPONENTS: &[(&str, &[u8])] = &[\n{entries}];\n");
    fs::write(PathBuf::from(env::var_os("OUT_DIR").unwrap_or_default()).join("bundled.rs"), code)
}

fn folder() -> PathBuf {
    match env::var_os("ARTIFACTS_PLUGINS") {
        Some(folder) => folder.into(),
        None => PathBuf::from(env::var_os("CARGO_MANIFEST_DIR").unwrap_or_default()).join("../../target/plugins"),
    }
}
