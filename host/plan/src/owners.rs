use std::collections::BTreeSet;

use artifacts_declared::{InstanceName, Name, Spec, TargetKind};

/// A target by kind and the flake's attribute.
pub type TargetName = (TargetKind, String);

/// Whose entries are whose, as far as it is known. In doubt an entry has an owner.
#[derive(Debug, Clone, Default)]
pub struct EntryOwners {
    names: BTreeSet<InstanceName>,
    unknown: Vec<TargetName>,
}

/// Why an entry is not to be removed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Owner {
    /// Something declares it, well or badly.
    Declared,
    /// This target did not evaluate and may declare it.
    Unknown(TargetName),
}

impl EntryOwners {
    /// Of everything that is declared, and of whatever `unknown` targets, which did not evaluate, may declare.
    pub fn new(spec: &Spec, unknown: Vec<TargetName>) -> Self {
        let mut names = BTreeSet::new();
        for target in &spec.targets {
            for (artifact, declared) in &target.artifacts {
                let own = || InstanceName::new(target.kind, target.name.clone(), artifact.clone());
                let shared = || InstanceName::Shared { artifact: artifact.clone() };
                // What cannot be evaluated yet does not even say whether it is shared.
                if declared.shared || declared.blocked {
                    names.insert(shared());
                }
                if !declared.shared || declared.blocked {
                    names.insert(own());
                }
            }
        }
        Self { names, unknown }
    }

    /// Who owns an entry, or may; none when no one does.
    pub fn owner(&self, name: &InstanceName) -> Option<Owner> {
        if self.names.contains(name) {
            return Some(Owner::Declared);
        }
        let unknown = self.unknown.iter().find(|target| may_declare(target, name));
        unknown.map(|target| Owner::Unknown(target.clone()))
    }
}

/// Returns whether a target that did not evaluate may declare an instance. A machine's configuration may have users inside,
/// `<user>@<machine>`.
pub(crate) fn may_declare((kind, target): &TargetName, name: &InstanceName) -> bool {
    let is = |found: &Name| found.as_str() == target;
    match name {
        InstanceName::Shared { .. } => true,
        InstanceName::Machine { target: machine, .. } => *kind != TargetKind::HomeManager && is(machine),
        InstanceName::User { target: user, .. } => match kind {
            TargetKind::HomeManager => is(user),
            _ => user.as_str().ends_with(&format!("@{target}")),
        },
    }
}
