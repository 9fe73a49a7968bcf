use std::collections::BTreeSet;

use artifacts_declared::{InstanceName, Name, Spec, TargetKind};

/// A target by kind and the flake's attribute.
pub type TargetName = (TargetKind, String);

/// Whose entries are whose, as far as it is known. In doubt an entry has an owner.
#[derive(Debug, Clone, Default)]
pub struct EntryOwners {
    names: BTreeSet<InstanceName>,
    /// Targets that evaluated: whether it is a user, and its name.
    known: BTreeSet<(bool, Name)>,
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
        let known = spec.targets.iter().map(|target| (is_user(target.kind), target.name.clone())).collect();
        Self { names, known, unknown }
    }

    /// Who owns an entry, or may; none when no one does.
    pub fn owner(&self, name: &InstanceName) -> Option<Owner> {
        if self.names.contains(name) {
            return Some(Owner::Declared);
        }
        let unknown = self.unknown.iter();
        let first = unknown.clone().find(|target| is(target, name)).or_else(|| {
            let machine = unknown.clone().find(|(kind, _)| !is_user(*kind));
            machine.filter(|_| self.may_be_inside(name))
        });
        first.map(|target| Owner::Unknown(target.clone()))
    }

    /// Returns whether a target's configuration may be inside a machine's: a container or microVM names itself, and a user inside
    /// is `<user>@<machine>`. Those of targets that evaluated are known.
    fn may_be_inside(&self, name: &InstanceName) -> bool {
        match name {
            InstanceName::Shared { .. } => true,
            InstanceName::Machine { target, .. } => !self.known.contains(&(false, target.clone())),
            InstanceName::User { target, .. } => {
                target.as_str().contains('@') && !self.known.contains(&(true, target.clone()))
            }
        }
    }
}

fn is_user(kind: TargetKind) -> bool {
    kind == TargetKind::HomeManager
}

/// Returns whether an entry is that of a target, or may be, since it is shared.
fn is((kind, target): &TargetName, name: &InstanceName) -> bool {
    match name {
        InstanceName::Shared { .. } => true,
        InstanceName::Machine { target: machine, .. } => !is_user(*kind) && machine.as_str() == target,
        InstanceName::User { target: user, .. } => is_user(*kind) && user.as_str() == target,
    }
}
