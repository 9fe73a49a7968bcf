use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;

use artifacts_declared::{InstanceName, Name, TargetId};

use crate::findings::Findings;
use crate::found::Tool;
use crate::group::group;
use crate::keys::{AdminKeys, KeyForms};
use crate::proposed::{FoundValue, ProposedArtifact};
use crate::{FileFacts, ForeignConfiguration, Remark, losses};

/// Holds what is to be declared, and whose values are to be taken.
#[derive(Debug, Clone)]
pub struct Proposal {
    /// The tool.
    pub tool: Tool,
    /// The artifacts.
    pub artifacts: Vec<ProposedArtifact>,
    /// Whose the keys are.
    pub keys: AdminKeys,
    /// What has no place.
    pub remarks: Vec<Remark>,
    /// Files that no key of age opens.
    closed: BTreeSet<PathBuf>,
}

impl Proposal {
    /// Makes artifacts of what was found. `labels` are names of public keys, `forms` gives an SSH key in the form that sops has.
    pub fn new(
        tool: Tool,
        configurations: &[ForeignConfiguration],
        findings: Findings,
        labels: &BTreeMap<String, String>,
        forms: KeyForms<'_>,
    ) -> Self {
        let Findings { secrets, mut remarks, facts, recipients } = findings;
        let mut artifacts = group(tool, &secrets, &mut remarks);
        let of_file = |path: &PathBuf| -> Vec<String> {
            let declared = recipients.get(path).into_iter().flatten();
            declared.chain(facts.get(path).into_iter().flat_map(|facts| &facts.recipients)).cloned().collect()
        };
        let paths = artifacts.iter().flat_map(|artifact| artifact.values.values()).map(|value| &value.path);
        let all: Vec<String> = paths.flat_map(&of_file).collect();
        let keys = AdminKeys::new(configurations, &all, labels, forms);
        let everyone: BTreeSet<String> = keys.recipients.keys().cloned().collect();
        let used = losses::used_keys(&artifacts);
        for artifact in &mut artifacts {
            let own: Vec<String> = artifact.values.values().flat_map(|value| of_file(&value.path)).collect();
            let admins = keys.admins(&own);
            artifact.recipients = Some(admins).filter(|admins| !own.is_empty() && *admins != everyone);
            artifact.compare(configurations);
            remarks.extend(losses::of_artifact(artifact, &own, &keys, (&facts, &used)));
        }
        let is_closed = |facts: &FileFacts| facts.recipients.is_empty() && !facts.other_keys.is_empty();
        let closed = facts.into_iter().filter(|(_, facts)| is_closed(facts)).map(|(path, _)| path).collect();
        let mut proposal = Self { tool, artifacts, keys, remarks, closed };
        let keyless = proposal.keyless(configurations);
        proposal.remarks.extend(keyless);
        proposal.remarks.sort();
        proposal.remarks.dedup();
        proposal
    }

    /// Returns the values that can be taken: those of artifacts that all their targets declare.
    pub fn sources(&self) -> Vec<(InstanceName, Name, FoundValue)> {
        let mut sources = Vec::new();
        let is_declared =
            |artifact: &&ProposedArtifact| artifact.uses.keys().all(|one| artifact.declared.contains(one));
        for artifact in self.artifacts.iter().filter(is_declared) {
            let instances: BTreeSet<InstanceName> = artifact.uses.keys().map(|one| artifact.instance(one)).collect();
            for instance in instances {
                let values = artifact
                    .values
                    .iter()
                    .filter(|(_, value)| !value.is_nested() && !self.closed.contains(&value.path));
                sources.extend(values.map(|(file, value)| (instance.clone(), file.clone(), value.clone())));
            }
        }
        sources
    }

    /// Returns what is to be known of targets whose own key is not declared, and not found.
    fn keyless(&self, configurations: &[ForeignConfiguration]) -> Vec<Remark> {
        let new: BTreeSet<&TargetId> = self.undeclared().map(|(_, target)| target).collect();
        let is_keyless = |one: &&ForeignConfiguration| {
            new.contains(&one.id) && one.data.host_key.is_none() && !self.keys.host_keys.contains_key(&one.id)
        };
        let remark = |one: &ForeignConfiguration| {
            let action =
                "declare `artifacts.hostKey`; if its key is among the printed `artifacts.recipients`, remove it there";
            Remark::new(one.id.name.to_string(), "its own public key is not known", action)
        };
        configurations.iter().filter(is_keyless).map(remark).collect()
    }

    /// Returns the targets, by artifact, that do not declare it yet.
    pub fn undeclared(&self) -> impl Iterator<Item = (&ProposedArtifact, &TargetId)> {
        self.artifacts.iter().flat_map(|artifact| {
            let is_new =
                |target: &&TargetId| !artifact.declared.contains(*target) && !artifact.in_the_way.contains(*target);
            artifact.uses.keys().filter(is_new).map(move |target| (artifact, target))
        })
    }
}
