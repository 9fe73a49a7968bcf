use std::collections::BTreeMap;
use std::path::PathBuf;

use crate::{Name, Registration, Spec, Target, TargetKind, alike};

/// Two specs that contradict each other, by their indexes.
#[derive(Debug, Clone, PartialEq)]
pub struct Conflict {
    /// The one.
    pub first: usize,
    /// The other; the same as the first where one spec contradicts itself.
    pub second: usize,
    /// What they do not agree on.
    pub subject: ConflictSubject,
}

/// What two specs do not agree on.
#[derive(Debug, Clone, PartialEq)]
pub enum ConflictSubject {
    /// The root: that of the first, and that of the second.
    Root(PathBuf, PathBuf),
    /// The registration of a backend: that of the first, and that of the second, which may use the backend without one.
    Backend(Name, Box<Registration>, Option<Box<Registration>>),
    /// A target that both have.
    Target(TargetKind, Name),
}

/// Joins specs into one, whose targets are in order of kind and name. A spec that does not set the root, or does not use a backend,
/// agrees with the others.
///
/// # Errors
/// When two of them contradict each other.
pub fn join(specs: Vec<Spec>) -> Result<Spec, Conflict> {
    agree_on_root(&specs)?;
    agree_on_backends(&specs)?;
    differ_in_targets(&specs)?;
    let mut whole = Spec::empty();
    for spec in specs {
        whole.root = whole.root.or(spec.root);
        whole.backends.extend(spec.backends);
        whole.targets.extend(spec.targets);
        whole.unevaluated.extend(spec.unevaluated);
    }
    whole.targets.sort_by(|one, other| (one.kind, &one.name).cmp(&(other.kind, &other.name)));
    alike::share(&mut whole.targets);
    whole.unevaluated.sort_by(|one, other| (one.kind, &one.name).cmp(&(other.kind, &other.name)));
    Ok(whole)
}

fn agree_on_root(specs: &[Spec]) -> Result<(), Conflict> {
    let mut roots = specs.iter().enumerate().filter_map(|(index, spec)| Some((index, spec.root.as_ref()?)));
    let Some((first, root)) = roots.next() else { return Ok(()) };
    match roots.find(|(_, other)| *other != root) {
        None => Ok(()),
        Some((second, other)) => {
            Err(Conflict { first, second, subject: ConflictSubject::Root(root.clone(), other.clone()) })
        }
    }
}

fn agree_on_backends(specs: &[Spec]) -> Result<(), Conflict> {
    let mut registered = BTreeMap::new();
    for (index, spec) in specs.iter().enumerate() {
        for (name, entry) in &spec.backends {
            registered.entry(name).or_insert((index, entry));
        }
    }
    for (name, (first, entry)) in registered {
        for (second, spec) in specs.iter().enumerate() {
            let other = spec.backends.get(name);
            let is_concerned = other.is_some() || spec.targets.iter().any(|target| uses(target, name));
            if is_concerned && other != Some(entry) {
                let (entry, other) = (Box::new(entry.clone()), other.cloned().map(Box::new));
                let subject = ConflictSubject::Backend(name.clone(), entry, other);
                return Err(Conflict { first, second, subject });
            }
        }
    }
    Ok(())
}

fn uses(target: &Target, backend: &Name) -> bool {
    target.artifacts.values().any(|artifact| artifact.backend.as_ref() == Some(backend))
}

fn differ_in_targets(specs: &[Spec]) -> Result<(), Conflict> {
    let mut seen = BTreeMap::new();
    for (second, spec) in specs.iter().enumerate() {
        let evaluated = spec.targets.iter().map(|target| (target.kind, &target.name));
        let failed = spec.unevaluated.iter().map(|target| (target.kind, &target.name));
        for (kind, name) in evaluated.chain(failed) {
            if let Some(first) = seen.insert((kind, name), second) {
                return Err(Conflict { first, second, subject: ConflictSubject::Target(kind, name.clone()) });
            }
        }
    }
    Ok(())
}
