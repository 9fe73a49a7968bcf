//! `c-bindings WIT WORLD DIR`: writes C for the world in the file WORLD, which includes one of the contract.

use std::fs;
use std::path::PathBuf;

use anyhow::{Result, bail};
use wit_bindgen_core::Files;
use wit_bindgen_core::wit_parser::Resolve;

fn main() -> Result<()> {
    let arguments: Vec<PathBuf> = std::env::args_os().skip(1).map(PathBuf::from).collect();
    let [contract, world, dir] = arguments.as_slice() else {
        bail!("expected WIT WORLD DIR");
    };
    let mut resolve = Resolve::default();
    resolve.push_path(contract)?;
    let package = resolve.push_file(world)?;
    let world = resolve.select_world(&[package], None)?;
    let mut files = Files::default();
    wit_bindgen_c::Opts::default().build().generate(&mut resolve, world, &mut files)?;
    for (name, bytes) in files.iter() {
        fs::write(dir.join(name), bytes)?;
    }
    Ok(())
}
