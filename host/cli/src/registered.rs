//! Backends of the registry, as `backend list` shows them.

use artifacts_declared::{ComponentSource, Name};
use artifacts_flow::{Backends as _, Registry};
use artifacts_report::Failure;
use serde_json::{Value, json};

/// Holds a backend of the registry.
pub struct RegisteredBackend {
    name: String,
    component: String,
    storage: String,
    version: Result<String, Failure>,
}

impl RegisteredBackend {
    /// Lists the backends of the registry, those inside this program among them.
    pub fn all(registry: &Registry) -> Vec<Self> {
        registry.names().iter().filter_map(|name| Self::find(registry, name)).collect()
    }

    fn find(registry: &Registry, name: &Name) -> Option<Self> {
        let entry = registry.entry(name).ok()?;
        let component = registry.component(name, &entry);
        Some(Self {
            name: name.to_string(),
            component: location(&entry.component),
            storage: entry.storage,
            version: component.map(|component| component.manifest().version.clone()),
        })
    }

    /// Returns why its component cannot be used.
    pub fn error(&self) -> Option<&Failure> {
        self.version.as_ref().err()
    }

    /// Returns it as `--json` has it.
    pub fn json(&self) -> Value {
        let Self { name, component, storage, version } = self;
        let error = self.error().map(|failure| &failure.message);
        json!({"name": name, "component": component, "storage": storage, "version": version.as_ref().ok(), "error": error})
    }

    /// Returns it in one line.
    pub fn line(&self) -> String {
        let version = self.version.as_deref().unwrap_or("unusable");
        format!("{:<12} {version:<10} {:<10} {}", self.name, self.storage, self.component)
    }
}

/// Returns where a component is found: a path, or `builtin:NAME`.
pub fn location(component: &ComponentSource) -> String {
    match component {
        ComponentSource::Plain(text) => text.clone(),
        ComponentSource::Derived { path, .. } => path.display().to_string(),
    }
}
