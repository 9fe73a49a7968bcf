use std::path::{Path, PathBuf};

use artifacts_contract::{BackendManifest, Component, Inspection, inspect, meaning, read_file};
use artifacts_report::Failure;
use artifacts_session::{Error, WorkerStart, fits};
use artifacts_text::Explain;
use clap::Args;
use serde_json::json;

use crate::console::Console;
use crate::exit::Exit;

#[derive(Debug, Args)]
pub struct Options {
    /// Component file, or `builtin:NAME`
    file: PathBuf,
}

impl Options {
    pub fn run(&self, console: &Console) -> Result<Exit, Failure> {
        let bytes = read(&self.file)?;
        let mut found = inspect(&bytes);
        let unknown = if found.refusal.is_none() { try_out(bytes, &mut found) } else { None };
        if console.json() {
            let refused =
                found.refusal.as_ref().map(|refusal| Failure::about(self.file.display().to_string(), refusal));
            console.object(as_json(&found, unknown.as_deref()), refused.as_slice());
        } else {
            console.line(as_text(&found, unknown.as_deref(), *console).trim_end());
        }
        Ok(if found.refusal.is_none() && unknown.is_none() { Exit::DONE } else { Exit::FAILED })
    }
}

fn read(file: &Path) -> Result<Vec<u8>, Failure> {
    let name = file.display().to_string();
    if let Some(builtin) = name.strip_prefix("builtin:") {
        return artifacts_bundled::bytes(builtin).map(<[u8]>::to_vec).ok_or_else(|| {
            Failure::new(name.clone(), "no bundled backend has this name")
                .hint(Some("if this build has no bundled backends, build with `cargo xtask build`"))
        });
    }
    read_file(file).map_err(|e| {
        Failure::new(name, format!("cannot read the component: {e}"))
            .hint(Some("pass a component file, or `builtin:NAME`"))
    })
}

/// Has the component compiled and linked in a worker, without calling it: its types have to fit the contract as well as its names.
/// A refusal becomes a part of what was found; returns why it could not be tried out.
fn try_out(bytes: Vec<u8>, found: &mut Inspection) -> Option<String> {
    match Component::read(bytes).map_err(Error::from).and_then(|component| fits(&component, &WorkerStart::default())) {
        Ok(()) => None,
        Err(Error::Refused(refusal)) => {
            found.refusal = Some(refusal);
            None
        }
        Err(error) => Some(error.to_string()),
    }
}

fn as_json(found: &Inspection, unknown: Option<&str>) -> serde_json::Value {
    json!({
        "sha256": found.sha256,
        "size": found.size,
        "manifest": found.manifest,
        "imports": found.imports.iter().map(|name| json!({
            "name": name, "means": meaning(name).words, "allowed": meaning(name).allowed,
        })).collect::<Vec<_>>(),
        "exports": found.exports,
        "runs": unknown.is_none().then_some(found.refusal.is_none()),
        "unknown": unknown,
        "refusal": found.refusal.as_ref().map(|refusal| json!({
            "message": refusal.to_string(), "kind": refusal.kind(), "hint": refusal.hint(),
        })),
    })
}

fn as_text(found: &Inspection, unknown: Option<&str>, console: Console) -> String {
    let mut text = String::new();
    let mut field = |name: &str, value: &str| text.push_str(&console.field(name, 9, value));
    if let Some(manifest) = &found.manifest {
        about(&mut field, manifest);
    }
    field("sha256", &found.sha256.to_string());
    field("size", &format!("{} bytes", found.size));
    for (means, names) in grouped(found) {
        field("imports", &format!("{means}: {}", names.join(", ")));
    }
    for name in &found.exports {
        field("exports", name);
    }
    match (&found.refusal, unknown) {
        (None, None) => field("runs", "yes"),
        (None, Some(why)) => field("runs", &format!("cannot be determined: {why}")),
        (Some(refusal), _) => {
            field("runs", &format!("no: {refusal}"));
            if let Some(hint) = refusal.hint() {
                field("hint", &hint);
            }
        }
    }
    text
}

fn about(field: &mut impl FnMut(&str, &str), manifest: &BackendManifest) {
    field("name", &manifest.name);
    field("version", &manifest.version);
    field("about", &manifest.description);
    let asks: Vec<&str> = manifest.requests.each().iter().filter(|grant| grant.given).map(|grant| grant.name).collect();
    field("requests", &if asks.is_empty() { "nothing".to_owned() } else { asks.join(", ") });
}

/// Imports by what they mean, in the order of the first of each.
fn grouped(found: &Inspection) -> Vec<(&'static str, Vec<&str>)> {
    let mut groups: Vec<(&'static str, Vec<&str>)> = Vec::new();
    for name in &found.imports {
        let words = meaning(name).words;
        match groups.iter_mut().find(|(means, _)| *means == words) {
            Some((_, names)) => names.push(name),
            None => groups.push((words, vec![name])),
        }
    }
    groups
}
