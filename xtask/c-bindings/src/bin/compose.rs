//! `compose PLUG SOCKET COMPONENT`: gives a component what another one exports, by the library that `wac plug` is made of.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use wac_graph::types::Package;
use wac_graph::{CompositionGraph, EncodeOptions, PackageId, plug};

fn main() -> Result<()> {
    let arguments: Vec<PathBuf> = std::env::args_os().skip(1).map(PathBuf::from).collect();
    let [plugged, socket, component] = arguments.as_slice() else {
        bail!("expected PLUG SOCKET COMPONENT");
    };
    let mut graph = CompositionGraph::new();
    let plugged = package(&mut graph, "test:plug", plugged)?;
    let socket = package(&mut graph, "test:socket", socket)?;
    plug(&mut graph, vec![plugged], socket)?;
    fs::write(component, graph.encode(EncodeOptions::default())?)?;
    Ok(())
}

fn package(graph: &mut CompositionGraph, name: &str, file: &Path) -> Result<PackageId> {
    let bytes = fs::read(file).with_context(|| file.display().to_string())?;
    let package = Package::from_bytes(name, None, bytes, graph.types_mut())?;
    Ok(graph.register_package(package)?)
}
