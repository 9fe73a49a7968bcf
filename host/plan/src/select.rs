use std::collections::{BTreeMap, BTreeSet};

use artifacts_declared::InstanceName;

use crate::Instance;

/// What a person names on the command line: an instance, a prefix of instances that ends at a slash, or an artifact.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Selector(String);

impl Selector {
    /// Takes the text as it was typed.
    pub fn new(text: impl Into<String>) -> Self {
        Self(text.into())
    }

    /// Whether it means this instance.
    pub fn matches(&self, name: &InstanceName) -> bool {
        self.names(name) || (self.0.ends_with('/') && name.to_string().starts_with(&self.0))
    }

    /// Whether it means this instance, and not as one of all that a prefix may cover.
    pub fn names(&self, name: &InstanceName) -> bool {
        name.artifact().as_str() == self.0 || name.short() == self.0 || name.to_string() == self.0
    }
}

impl std::fmt::Display for Selector {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0)
    }
}

/// The instances that any selector means (all of them when there is none), and the selectors that mean nothing.
pub fn select(names: &BTreeSet<&InstanceName>, selectors: &[Selector]) -> (BTreeSet<InstanceName>, Vec<Selector>) {
    let meant = |name: &InstanceName| selectors.is_empty() || selectors.iter().any(|s| s.matches(name));
    let chosen = names.iter().filter(|name| meant(name)).map(|name| (*name).clone()).collect();
    let idle = selectors.iter().filter(|s| !names.iter().any(|name| s.matches(name))).cloned().collect();
    (chosen, idle)
}

/// These instances, and everything that they depend on.
pub fn reach(instances: &BTreeMap<InstanceName, Instance>, names: &BTreeSet<InstanceName>) -> BTreeSet<InstanceName> {
    let mut reached = BTreeSet::new();
    let mut open: Vec<&InstanceName> = names.iter().collect();
    while let Some(name) = open.pop() {
        if let Some(instance) = instances.get(name)
            && reached.insert(name.clone())
        {
            open.extend(instance.dependencies.values());
        }
    }
    reached
}
