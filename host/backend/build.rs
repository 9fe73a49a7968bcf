//! Puts the bundled backends' components into the program, as far as they are built.

use std::fmt::Write as _;
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
        // Compiled by this very program's compiler, for this very component, or not taken.
        let code = folder.join(format!("{name}.{}.cwasm", env::var("CARGO_CFG_TARGET_ARCH").unwrap_or_default()));
        println!("cargo::rerun-if-changed={}", code.display());
        let code = if code.is_file() { format!("Some({})", included(&code)) } else { "None".to_owned() };
        if path.is_file() {
            let _ = writeln!(entries, "    ({name:?}, {}, {code}),", included(&path));
        }
    }
    let code = format!("static COMPONENTS: &[Bundled] = &[\n{entries}];\n");
    fs::write(PathBuf::from(env::var_os("OUT_DIR").unwrap_or_default()).join("bundled.rs"), code)
}

fn folder() -> PathBuf {
    match env::var_os("ARTIFACTS_PLUGINS") {
        Some(folder) => folder.into(),
        None => PathBuf::from(env::var_os("CARGO_MANIFEST_DIR").unwrap_or_default()).join("../../target/plugins"),
    }
}

fn included(path: &std::path::Path) -> String {
    format!("include_bytes!({:?})", path.to_string_lossy())
}
