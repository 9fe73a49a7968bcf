use std::path::{Path, PathBuf};

use artifacts_contract::{Inspection, Manifest, inspect, meaning, read_file};
use artifacts_report::Failure;
use artifacts_text::Explain;
use clap::Args;
use serde_json::json;

use crate::commands::Status;
use crate::output::Output;

#[derive(Debug, Args)]
pub struct Options {
    /// A component, or `builtin:NAME`
    file: PathBuf,
}

impl Options {
    pub fn run(&self, output: &Output) -> Result<Status, Failure> {
        let found = inspect(&read(&self.file)?);
        if output.json() {
            let refused =
                found.refusal.as_ref().map(|refusal| Failure::about(self.file.display().to_string(), refusal));
            output.object(as_json(&found), refused.as_slice());
        } else {
            output.line(as_text(&found, *output).trim_end());
        }
        Ok(if found.refusal.is_none() { Status::DONE } else { Status::FAILED })
    }
}

fn read(file: &Path) -> Result<Vec<u8>, Failure> {
    let name = file.display().to_string();
    if let Some(builtin) = name.strip_prefix("builtin:") {
        return artifacts_bundled::bytes(builtin).map(<[u8]>::to_vec).ok_or_else(|| {
            Failure::new(name.clone(), "this program has no such backend inside")
                .hint(Some("`cargo xtask build` makes the program with its backends"))
        });
    }
    read_file(file).map_err(|e| {
        Failure::new(name, format!("the component cannot be read: {e}")).hint(Some("name a file, or `builtin:NAME`"))
    })
}

fn as_json(found: &Inspection) -> serde_json::Value {
    json!({
        "sha256": found.sha256,
        "size": found.size,
        "manifest": found.manifest,
        "imports": found.imports.iter().map(|name| json!({
            "name": name, "means": meaning(name).words, "allowed": meaning(name).allowed,
        })).collect::<Vec<_>>(),
        "exports": found.exports,
        "runs": found.refusal.is_none(),
        "refusal": found.refusal.as_ref().map(|refusal| json!({
            "message": refusal.to_string(), "help": refusal.hint(),
        })),
    })
}

fn as_text(found: &Inspection, output: Output) -> String {
    let mut text = String::new();
    let mut field = |name: &str, value: &str| text.push_str(&output.field(name, 9, value));
    if let Some(manifest) = &found.manifest {
        about(&mut field, manifest);
    }
    field("sha256", &found.sha256);
    field("size", &format!("{} bytes", found.size));
    for (means, names) in grouped(found) {
        field("imports", &format!("{means}: {}", names.join(", ")));
    }
    for name in &found.exports {
        field("exports", name);
    }
    match &found.refusal {
        None => field("runs", "yes"),
        Some(refusal) => {
            field("runs", &format!("no: {refusal}"));
            if let Some(hint) = refusal.hint() {
                field("help", &hint);
            }
        }
    }
    text
}

fn about(field: &mut impl FnMut(&str, &str), manifest: &Manifest) {
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
