use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::ops::{Deref, DerefMut};
use std::sync::Arc;

use schemars::JsonSchema;
use serde::de::{Deserializer, SeqAccess, Visitor};
use serde::{Deserialize, Serialize, Serializer};

use crate::{Artifact, Name, Target};

/// Holds a value in one place for all that have an equal one. A change makes a copy.
#[derive(Debug, Clone, Default, PartialEq, Eq, PartialOrd, Ord, JsonSchema)]
#[schemars(inline)]
#[serde(transparent)]
pub struct Shared<T>(Arc<T>);

impl<T> Deref for Shared<T> {
    type Target = T;

    fn deref(&self) -> &T {
        &self.0
    }
}

impl<T: Clone> DerefMut for Shared<T> {
    fn deref_mut(&mut self) -> &mut T {
        Arc::make_mut(&mut self.0)
    }
}

impl<T> From<T> for Shared<T> {
    fn from(value: T) -> Self {
        Self(Arc::new(value))
    }
}

impl<T: Serialize> Serialize for Shared<T> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.0.serialize(serializer)
    }
}

impl<'de, T: Deserialize<'de>> Deserialize<'de> for Shared<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        T::deserialize(deserializer).map(Self::from)
    }
}

impl<T: Clone> Shared<T> {
    /// Returns the value for itself.
    pub fn into_inner(self) -> T {
        Arc::unwrap_or_clone(self.0)
    }
}

/// Finds equal values among many, so that each is held once.
#[derive(Debug, Clone)]
pub struct Equals<T>(BTreeSet<T>);

impl<T> Default for Equals<T> {
    fn default() -> Self {
        Self(BTreeSet::new())
    }
}

impl<T: Ord + Clone> Equals<T> {
    /// Returns the first value that is equal to this one.
    pub fn share(&mut self, value: T) -> T {
        if let Some(first) = self.0.get(&value) {
            return first.clone();
        }
        self.0.insert(value.clone());
        value
    }
}

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

/// Reads targets one by one, and holds what they declare alike once from the start.
pub(crate) fn targets<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<Target>, D::Error> {
    deserializer.deserialize_seq(AsTargets)
}

/// Does the same for targets that were read before.
pub(crate) fn share(targets: &mut [Target]) {
    let mut shared = SharedArtifacts::default();
    for target in targets {
        shared.share_all(target);
    }
}

struct AsTargets;

impl<'de> Visitor<'de> for AsTargets {
    type Value = Vec<Target>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a sequence")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Vec<Target>, A::Error> {
        let (mut targets, mut shared) = (Vec::new(), SharedArtifacts::default());
        while let Some(mut target) = list.next_element()? {
            shared.share_all(&mut target);
            targets.push(target);
        }
        Ok(targets)
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
        Arc::ptr_eq(&targets[0].artifacts[name].0, &targets[1].artifacts[name].0)
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
