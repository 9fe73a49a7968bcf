//! What a component is, wants, and whether it runs.

use artifacts_contract::{BackendManifest, Component, Inspection, Refusal, inspect, meaning};
use artifacts_session::{Error, WorkerStart, fits};
use artifacts_text::Explain as _;
use serde_json::{Value, json};

use crate::console::Console;

/// Holds what was found of a component without calling it.
pub struct InspectedComponent {
    found: Inspection,
    /// Why it could not be tried out.
    unknown: Option<String>,
}

impl InspectedComponent {
    /// Inspects a component, and has it compiled and linked in a worker, without calling it: its types have to fit the contract as
    /// well as its names.
    pub fn new(bytes: Vec<u8>) -> Self {
        let mut found = inspect(&bytes);
        let mut unknown = None;
        if found.refusal.is_none() {
            let tried = Component::read(bytes).map_err(Error::from);
            match tried.and_then(|component| fits(&component, &WorkerStart::default())) {
                Ok(()) => {}
                Err(Error::Refused(refusal)) => found.refusal = Some(refusal),
                Err(error) => unknown = Some(error.to_string()),
            }
        }
        Self { found, unknown }
    }

    /// Returns why it is not accepted.
    pub fn refusal(&self) -> Option<&Refusal> {
        self.found.refusal.as_ref()
    }

    /// Returns whether it is certain that it runs.
    pub fn runs(&self) -> bool {
        self.found.refusal.is_none() && self.unknown.is_none()
    }

    /// Returns it as `--json` has it.
    pub fn json(&self) -> Value {
        let Self { found, unknown } = self;
        let import = |name: &String| {
            let meaning = meaning(name);
            json!({"name": name, "means": meaning.words, "allowed": meaning.allowed})
        };
        let refusal =
            |refusal: &Refusal| json!({"message": refusal.to_string(), "kind": refusal.kind(), "hint": refusal.hint()});
        json!({
            "sha256": found.sha256,
            "size": found.size,
            "manifest": found.manifest,
            "imports": found.imports.iter().map(import).collect::<Vec<_>>(),
            "exports": found.exports,
            "runs": unknown.is_none().then_some(found.refusal.is_none()),
            "unknown": unknown,
            "refusal": found.refusal.as_ref().map(refusal),
        })
    }

    /// Returns it in lines.
    pub fn text(&self, console: Console) -> String {
        let Self { found, unknown } = self;
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
}

fn about(field: &mut impl FnMut(&str, &str), manifest: &BackendManifest) {
    field("name", &manifest.name);
    field("version", &manifest.version);
    field("about", &manifest.description);
    let asks: Vec<&str> = manifest.requests.each().iter().filter(|grant| grant.given).map(|grant| grant.name).collect();
    field("requests", &if asks.is_empty() { "nothing".to_owned() } else { asks.join(", ") });
}

/// Groups imports by what they mean, in the order of the first of each.
fn grouped(found: &Inspection) -> Vec<(String, Vec<&str>)> {
    let mut groups: Vec<(String, Vec<&str>)> = Vec::new();
    for name in &found.imports {
        let words = meaning(name).words;
        match groups.iter_mut().find(|(means, _)| *means == words) {
            Some((_, names)) => names.push(name),
            None => groups.push((words, vec![name])),
        }
    }
    groups
}
