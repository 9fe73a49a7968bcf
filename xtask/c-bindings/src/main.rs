//! `c-bindings WIT DIR`: writes C for the world that a backend with retrieval implements.

use std::fs;
use std::path::PathBuf;

use anyhow::{Result, bail};
use wit_bindgen_core::Files;
use wit_bindgen_core::wit_parser::Resolve;

fn main() -> Result<()> {
    let arguments: Vec<PathBuf> = std::env::args_os().skip(1).map(PathBuf::from).collect();
    let [contract, dir] = arguments.as_slice() else {
        bail!("expected WIT FOLDER");
    };
    let mut resolve = Resolve::default();
    let (package, _) = resolve.push_path(contract)?;
    let world = resolve.select_world(&[package], Some("backend-with-retrieval"))?;
    let mut files = Files::default();
    wit_bindgen_c::Opts::default().build().generate(&mut resolve, world, &mut files)?;
    for (name, bytes) in files.iter() {
        fs::write(dir.join(name), bytes)?;
    }
    Ok(())
}
