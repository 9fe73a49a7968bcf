use std::collections::BTreeMap;

use crate::{Artifact, Name, Shared, Target};

/// Finds equal declarations: machines of one kind declare mostly the same.
#[derive(Debug, Default)]
pub struct SharedArtifacts(BTreeMap<Name, Shared<Artifact>>);

impl SharedArtifacts {
    /// Returns the artifact in the place where the last of this name is, if both are equal.
    pub fn share(&mut self, name: &Name, artifact: Shared<Artifact>) -> Shared<Artifact> {
        match self.0.get(name) {
            Some(last) if *last == artifact => last.clone(),
            _ => {
                self.0.insert(name.clone(), artifact.clone());
                artifact
            }
        }
    }

    fn share_all(&mut self, target: &mut Target) {
        for (name, artifact) in &mut target.artifacts {
            *artifact = self.share(name, artifact.clone());
        }
    }
}

/// Holds once what targets declare alike.
pub(crate) fn share(targets: &mut [Target]) {
    let mut shared = SharedArtifacts::default();
    for target in targets {
        shared.share_all(target);
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::{join, parse};

    const SPEC: &str = r#"{"schema":1,"targets":[{"kind":"nixos","name":"web1","artifacts":{"a":{"files":{"f":{}}},"b":{}}},
        {"kind":"nixos","name":"web2","artifacts":{"a":{"files":{"f":{}}},"b":{"shared":true}}}]}"#;

    fn are_one(targets: &[Target], name: &str) -> bool {
        targets[0].artifacts[name].is_one_with(&targets[1].artifacts[name])
    }

    #[test]
    fn what_targets_declare_alike_is_held_once() {
        let spec = parse(SPEC).unwrap();
        assert!(are_one(&spec.targets, "a") && !are_one(&spec.targets, "b"));
        let lone = |text: &str| parse(&SPEC.replace(text, r#"{"kind":"nixos","name":"db","artifacts":{}}"#)).unwrap();
        let second = &SPEC[SPEC.find(r#"{"kind":"nixos","name":"web2""#).unwrap()..SPEC.len() - 2];
        let mut other = lone("nothing");
        other.targets.retain(|target| target.name.as_str() == "web2");
        let mut one = lone(second);
        one.targets.retain(|target| target.name.as_str() == "web1");
        let joined = join(vec![one, other]).unwrap();
        assert!(are_one(&joined.targets, "a"));
    }

    #[test]
    fn a_change_changes_no_other() {
        let mut spec = parse(SPEC).unwrap();
        spec.targets[0].artifacts.get_mut("a").unwrap().shared = true;
        assert!(spec.targets[0].artifacts["a"].shared && !spec.targets[1].artifacts["a"].shared);
    }
}
