use std::collections::{BTreeMap, BTreeSet};

use artifacts_declared::InstanceName;

use crate::Instance;
use crate::selector::{Selector, SelectorError, SelectorMeaning};

/// Returns the instances that any selector means (all of them when there is none), and what is wrong with selectors.
pub fn select(names: &BTreeSet<&InstanceName>, selectors: &[Selector]) -> (BTreeSet<InstanceName>, Vec<SelectorError>) {
    choose(names, selectors, Selector::resolve)
}

/// Does the same for what replaces or removes: see [`Selector::resolve_strictly`].
pub fn select_strictly(
    names: &BTreeSet<&InstanceName>,
    selectors: &[Selector],
) -> (BTreeSet<InstanceName>, Vec<SelectorError>) {
    choose(names, selectors, Selector::resolve_strictly)
}

fn choose(
    names: &BTreeSet<&InstanceName>,
    selectors: &[Selector],
    resolve: impl Fn(&Selector, &BTreeSet<&InstanceName>) -> Result<SelectorMeaning, SelectorError>,
) -> (BTreeSet<InstanceName>, Vec<SelectorError>) {
    if selectors.is_empty() {
        return (names.iter().map(|name| (*name).clone()).collect(), Vec::new());
    }
    let (mut chosen, mut errors) = (BTreeSet::new(), Vec::new());
    for selector in selectors {
        match resolve(selector, names) {
            Ok(meaning) => chosen.extend(meaning.names),
            Err(error) => errors.push(error),
        }
    }
    (chosen, errors)
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
