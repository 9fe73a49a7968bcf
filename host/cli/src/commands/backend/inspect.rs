use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use artifacts_backend::{Inspection, Manifest, bundled, inspect, meaning, read_file};
use artifacts_report::{Failure, escaped};
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
            let refused = found
                .refusal
                .as_ref()
                .map(|refusal| Failure::new(self.file.display().to_string(), refusal.to_string()).help(refusal.help()));
            output.object(as_json(&found), refused.as_slice());
        } else {
            output.line(as_text(&found).trim_end());
        }
        Ok(if found.refusal.is_none() { Status::DONE } else { Status::from(1) })
    }
}

fn read(file: &Path) -> Result<Vec<u8>, Failure> {
    let name = file.display().to_string();
    if let Some(builtin) = name.strip_prefix("builtin:") {
        return bundled(builtin).map(<[u8]>::to_vec).ok_or_else(|| {
            Failure::new(name.clone(), "this program has no such backend inside")
                .help(Some("`cargo xtask build` makes the program with its backends"))
        });
    }
    read_file(file).map_err(|e| {
        Failure::new(name, format!("the component cannot be read: {e}")).help(Some("name a file, or `builtin:NAME`"))
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
            "message": refusal.to_string(), "help": refusal.help(),
        })),
    })
}

fn as_text(found: &Inspection) -> String {
    let mut text = String::new();
    if let Some(manifest) = &found.manifest {
        about(&mut text, manifest);
    }
    field(&mut text, "sha256", &found.sha256);
    field(&mut text, "size", &format!("{} bytes", found.size));
    for (means, names) in grouped(found) {
        field(&mut text, "imports", &format!("{means}: {}", names.join(", ")));
    }
    for name in &found.exports {
        field(&mut text, "exports", name);
    }
    match &found.refusal {
        None => field(&mut text, "runs", "yes"),
        Some(refusal) => {
            field(&mut text, "runs", &format!("no: {refusal}"));
            if let Some(help) = refusal.help() {
                field(&mut text, "help", help);
            }
        }
    }
    text
}

fn about(text: &mut String, manifest: &Manifest) {
    field(text, "name", &manifest.name);
    field(text, "version", &manifest.version);
    field(text, "about", &manifest.description);
    let requests = &manifest.requests;
    let mut asks: Vec<String> = Vec::new();
    asks.extend(requests.plaintext.then(|| "plaintext".to_owned()));
    asks.extend(requests.identities.then(|| "identities".to_owned()));
    asks.extend(requests.recipient_plugins.iter().map(|plugin| format!("recipient-plugins {plugin}")));
    field(text, "requests", &if asks.is_empty() { "nothing".to_owned() } else { asks.join(", ") });
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

fn field(text: &mut String, name: &str, value: &str) {
    let _ = writeln!(text, "{name:<9} {}", escaped(value));
}
