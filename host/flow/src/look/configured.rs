//! Configurations of targets against what a backend says it takes, before it is called.

use std::collections::BTreeSet;

use artifacts_contract::ConfigSchema;
use artifacts_declared::Name;
use artifacts_plan::Instance;
use artifacts_report::Failure;
use artifacts_text::nix_attribute;
use serde_json::Value;

use crate::failure;

/// Checks that the configuration of each of an instance's targets fits the schema of its backend.
///
/// # Errors
/// The first option that does not fit, with its target.
pub fn check_config(backend: &Name, schema: &ConfigSchema, instance: &Instance) -> Result<(), Failure> {
    instance.for_backend.targets.iter().try_for_each(|target| {
        // A spec has nothing but JSON here.
        let config = serde_json::from_str(&target.config).unwrap_or(Value::Null);
        schema.check(&config).map_err(|misfit| {
            let option = option(backend, instance, &misfit.place);
            let why = format!("`{option}` of {} {} does not fit: {}", target.kind, target.name, misfit.why);
            failure::for_instance(instance, why)
                .hint(Some(format!("correct `{option}` in the configuration of {}", target.name)))
        })
    })
}

/// Configurations that fit the schema of a backend. Each is checked once: the artifacts of a target mostly have one.
pub(super) struct FittingConfigs<'a> {
    backend: &'a Name,
    schema: &'a ConfigSchema,
    fitting: BTreeSet<&'a str>,
}

impl<'a> FittingConfigs<'a> {
    pub(super) fn new(backend: &'a Name, schema: &'a ConfigSchema) -> Self {
        Self { backend, schema, fitting: BTreeSet::new() }
    }

    /// Returns why the configuration of one of an instance's targets does not fit. A backend is not asked about an instance without
    /// secret files, and so is not given its configuration.
    pub(super) fn misfit(&mut self, instance: &'a Instance) -> Option<Failure> {
        let configs = instance.for_backend.targets.iter().map(|target| &*target.config);
        if instance.for_backend.files.is_empty() || configs.clone().all(|config| self.fitting.contains(config)) {
            return None;
        }
        let misfit = check_config(self.backend, self.schema, instance).err();
        if misfit.is_none() {
            self.fitting.extend(configs);
        }
        misfit
    }
}

/// Returns the option that sets a place of the configuration: the artifact's own, where it has one, or the target's.
fn option(backend: &Name, instance: &Instance, place: &str) -> String {
    let own = instance.artifact.backend_config.get(backend.as_str());
    let backend = nix_attribute(backend.as_str());
    let is_of = |field: &String| {
        place
            .strip_prefix('.')
            .and_then(|rest| rest.strip_prefix(field.as_str()))
            .is_some_and(|rest| rest.is_empty() || rest.starts_with(['.', '[']))
    };
    if own.is_some_and(|own| own.keys().any(is_of)) {
        format!("artifacts.store.{}.backendConfig.{backend}{place}", nix_attribute(instance.name.artifact().as_str()))
    } else {
        format!("artifacts.config.{backend}{place}")
    }
}
