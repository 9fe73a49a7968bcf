//! Puts the bundled backends' components into the program, as far as they are built. `plugins/bundled.json` lists them.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::{env, fs, io};

use artifacts_digest::Sha256;

fn main() -> io::Result<()> {
    println!("cargo::rerun-if-env-changed=ARTIFACTS_PLUGINS");
    let list = top().join("plugins/bundled.json");
    println!("cargo::rerun-if-changed={}", list.display());
    let list = fs::read_to_string(list)?;
    let names = names(&list);
    let dir = dir();
    let mut entries = String::new();
    for name in &names {
        let path = dir.join(format!("{name}.wasm"));
        println!("cargo::rerun-if-changed={}", path.display());
        // Compiled by this very program's compiler, for this very component, or not taken.
        let code = dir.join(format!("{name}.{}.cwasm", env::var("CARGO_CFG_TARGET_ARCH").unwrap_or_default()));
        println!("cargo::rerun-if-changed={}", code.display());
        let code = if code.is_file() { format!("Some({})", included(&code)) } else { "None".to_owned() };
        if path.is_file() {
            let (component, sha256) = (included(&path), Sha256::digest(fs::read(&path)?).0);
            let _ = writeln!(
                entries,
                "    Bundled {{ name: {name:?}, component: {component}, sha256: {sha256:?}, code: {code} }},"
            );
        }
    }
    let code = format!(
        "/// The names of the backends that a complete program has inside, in the order of `plugins/bundled.json`.\n\
         pub const NAMES: &[&str] = &{names:?};\n\nstatic COMPONENTS: &[Bundled] = &[\n{entries}];\n"
    );
    fs::write(PathBuf::from(env::var_os("OUT_DIR").unwrap_or_default()).join("bundled.rs"), code)
}

/// The names in the list. It is plain JSON, without escapes: a test says so.
fn names(list: &str) -> Vec<&str> {
    list.split("\"name\"").skip(1).filter_map(|rest| rest.split('"').nth(1)).collect()
}

fn top() -> PathBuf {
    PathBuf::from(env::var_os("CARGO_MANIFEST_DIR").unwrap_or_default()).join("../..")
}

fn dir() -> PathBuf {
    env::var_os("ARTIFACTS_PLUGINS").map_or_else(|| top().join("target/plugins"), PathBuf::from)
}

fn included(path: &Path) -> String {
    format!("include_bytes!({:?})", path.to_string_lossy())
}
