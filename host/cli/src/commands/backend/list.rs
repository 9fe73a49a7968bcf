use artifacts_declared::{ComponentSource, Name};
use artifacts_flow::{Backends as _, Registry};
use artifacts_report::Failure;
use clap::Args;
use serde_json::json;

use crate::console::Console;
use crate::context::Context;
use crate::exit::Exit;
use crate::global::Global;

#[derive(Debug, Args)]
pub struct Options {}

struct BackendRow {
    name: String,
    component: String,
    storage: String,
    version: Result<String, Failure>,
}

impl Options {
    pub fn run(&self, global: &Global, console: &Console) -> Result<Exit, Failure> {
        let context = Context::new(global, console)?;
        let (registry, _, errors) = context.registry()?;
        let rows: Vec<BackendRow> = registry.names().iter().filter_map(|name| row(&registry, name)).collect();
        // What did not evaluate may register more.
        let unusable = rows.iter().filter_map(|row| row.version.as_ref().err().cloned());
        let failures: Vec<Failure> = errors.into_iter().chain(unusable).collect();
        if console.json() {
            let backends: Vec<_> = rows
                .iter()
                .map(|row| {
                    json!({"name": row.name, "component": row.component, "storage": row.storage,
                        "version": row.version.as_ref().ok(), "error": row.version.as_ref().err().map(|e| &e.message)})
                })
                .collect();
            console.object(json!({"backends": backends}), &failures);
        } else {
            for row in &rows {
                let version = row.version.as_deref().unwrap_or("unusable");
                console.line(&format!("{:<12} {version:<10} {:<10} {}", row.name, row.storage, row.component));
            }
        }
        console.failures(&failures);
        Ok(if failures.is_empty() { Exit::DONE } else { Exit::FAILED })
    }
}

fn row(registry: &Registry, name: &Name) -> Option<BackendRow> {
    let entry = registry.entry(name).ok()?;
    let component = registry.component(name, &entry);
    Some(BackendRow {
        name: name.to_string(),
        component: match &entry.component {
            ComponentSource::Plain(text) => text.clone(),
            ComponentSource::Derived { path, .. } => path.display().to_string(),
        },
        storage: entry.storage,
        version: component.map(|component| component.manifest().version.clone()),
    })
}
