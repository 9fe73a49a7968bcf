use std::collections::{BTreeMap, BTreeSet};

use artifacts_declared::{Artifact, InstanceName, Name, RecipientName, Spec, Target, without_comment};
use artifacts_text::nix_attribute;

use crate::Problem;

/// So many names are shown to choose from.
const NAMED: usize = 10;

/// Knows which names of admins mislead, over all targets.
#[derive(Default)]
pub(crate) struct Admins<'a> {
    /// Those that a target has, too.
    like_targets: BTreeSet<&'a RecipientName>,
    /// Those that have different keys.
    ambiguous: BTreeSet<&'a RecipientName>,
}

impl<'a> Admins<'a> {
    pub(crate) fn new(spec: &'a Spec) -> Self {
        let targets: BTreeSet<&str> = spec.targets.iter().map(|target| target.name.as_str()).collect();
        let mut keys: BTreeMap<&RecipientName, String> = BTreeMap::new();
        let mut admins = Self::default();
        for (name, key) in spec.targets.iter().flat_map(|target| &target.recipients) {
            if targets.contains(name.as_str()) {
                admins.like_targets.insert(name);
            }
            let key = without_comment(key);
            if keys.insert(name, key.clone()).is_some_and(|other| other != key) {
                admins.ambiguous.insert(name);
            }
        }
        admins
    }

    /// Checks the admins of an instance, which these targets declare so.
    ///
    /// # Errors
    /// When one has the name of a target or two keys, or is not declared.
    pub(crate) fn check<'d>(
        &self,
        instance: &InstanceName,
        declarations: impl Iterator<Item = (&'d Target, &'d Artifact)> + Clone,
    ) -> Result<(), Problem> {
        let problem = |message: String, hint: String| Problem::new(instance.clone(), message, hint);
        for (target, artifact) in declarations.clone() {
            let own =
                |names: &BTreeSet<&RecipientName>| target.recipients.keys().find(|name| names.contains(*name)).cloned();
            if let Some(name) = own(&self.like_targets) {
                let message = format!("a target is named `{name}`, as a recipient of {} is", target.id());
                return Err(problem(message, format!("choose another name for `{}`", option(&name))));
            }
            let named = artifact.recipients.iter().flatten();
            if let Some(name) = named.into_iter().find(|name| !target.recipients.contains_key(*name)) {
                let all: Vec<&str> = target.recipients.keys().take(NAMED).map(RecipientName::as_str).collect();
                let hint = match all.as_slice() {
                    [] => format!("declare `{}` there", option(name)),
                    all => format!("`artifacts.recipients` has {}", all.join(", ")),
                };
                return Err(problem(format!("unknown recipient `{name}` of {}", target.id()), hint));
            }
            if let Some(backend) = not_narrowed(artifact) {
                let message = format!("`recipients` of {} narrows nothing: no `backendConfig.{backend}`", target.id());
                return Err(problem(message, format!("set what replaces its configuration of {backend}")));
            }
        }
        if self.ambiguous.is_empty() { Ok(()) } else { self.check_keys(declarations, problem) }
    }

    fn check_keys<'d>(
        &self,
        declarations: impl Iterator<Item = (&'d Target, &'d Artifact)>,
        problem: impl Fn(String, String) -> Problem,
    ) -> Result<(), Problem> {
        let mut keys: BTreeMap<&RecipientName, (String, &Target)> = BTreeMap::new();
        for (target, _) in declarations {
            for (name, key) in target.recipients.iter().filter(|(name, _)| self.ambiguous.contains(*name)) {
                let key = without_comment(key);
                let (first, of) = keys.entry(name).or_insert_with(|| (key.clone(), target));
                if *first != key {
                    let message = format!("recipient `{name}` has different keys on {} and {}", of.id(), target.id());
                    let hint = format!("use the same `{}` on all targets that share the artifact", option(name));
                    return Err(problem(message, hint));
                }
            }
        }
        Ok(())
    }
}

/// Returns the backend of an artifact that is for some admins only, if nothing says so to that backend.
fn not_narrowed(artifact: &Artifact) -> Option<&Name> {
    let backend = artifact.backend.as_ref().filter(|_| artifact.recipients.is_some())?;
    (!artifact.backend_config.contains_key(backend.as_str())).then_some(backend)
}

fn option(recipient: &RecipientName) -> String {
    format!("artifacts.recipients.{}", nix_attribute(recipient.as_str()))
}
