use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;

use artifacts_declared::{InstanceName, Name, TargetId};
use artifacts_text::listed_up_to;

use crate::findings::Findings;
use crate::found::Tool;
use crate::group::group;
use crate::keys::{AdminKeys, KeyForms};
use crate::proposed::{FoundValue, ProposedArtifact};
use crate::public_key::{is_public_key, not_public};
use crate::{FileFacts, ForeignConfiguration, FormRemark, Remark, losses};

/// So many targets are named in one sentence.
const NAMED: usize = 5;

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
    /// What is to be known of artifacts before they are declared, of those that are: an earlier run made these remarks.
    pub settled: Vec<Remark>,
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
        let Findings { secrets, mut remarks, forms: in_forms, mut facts, mut recipients } = findings;
        let of_facts = facts.iter_mut().map(|(path, facts)| (path, &mut facts.recipients));
        for (path, keys) in recipients.iter_mut().chain(of_facts) {
            if keys.extract_if(.., |key| !is_public_key(key)).count() > 0 {
                remarks.push(not_public(path.display().to_string()));
            }
        }
        let mut artifacts = group(tool, &secrets, &mut remarks);
        let of_file = |path: &PathBuf| -> Vec<String> {
            let declared = recipients.get(path).into_iter().flatten();
            declared.chain(facts.get(path).into_iter().flat_map(|facts| &facts.recipients)).cloned().collect()
        };
        let paths = artifacts.iter().flat_map(|artifact| artifact.values.values()).map(|value| &value.path);
        let all: Vec<String> = paths.flat_map(&of_file).collect();
        let keys = AdminKeys::new(configurations, &all, labels, forms);
        remarks.extend(keys.remarks.iter().cloned());
        let everyone: BTreeSet<String> = keys.recipients.keys().cloned().collect();
        let used = losses::used_keys(&artifacts);
        let mut settled = Vec::new();
        for artifact in &mut artifacts {
            let own: Vec<String> = artifact.values.values().flat_map(|value| of_file(&value.path)).collect();
            let admins = keys.admins(&own);
            artifact.recipients = Some(admins).filter(|admins| !own.is_empty() && *admins != everyone);
            artifact.compare(configurations);
            let losses = losses::of_artifact(artifact, &own, &keys, (&facts, &used));
            if artifact.is_declared() { settled.extend(losses) } else { remarks.extend(losses) }
        }
        for FormRemark { target, name, remark } in in_forms {
            let is_it = |artifact: &&ProposedArtifact| name.as_ref().is_some_and(|name| artifact.has(&target, name));
            let of = artifacts.iter().find(is_it);
            if of.is_some_and(ProposedArtifact::is_declared) { settled.push(remark) } else { remarks.push(remark) }
        }
        let is_closed = |facts: &FileFacts| facts.recipients.is_empty() && !facts.other_keys.is_empty();
        let closed = facts.into_iter().filter(|(_, facts)| is_closed(facts)).map(|(path, _)| path).collect();
        let mut proposal = Self { tool, artifacts, keys, remarks, settled, closed };
        let preparations = proposal.preparations(configurations);
        proposal.remarks.extend(preparations);
        for remarks in [&mut proposal.remarks, &mut proposal.settled] {
            remarks.sort();
            remarks.dedup();
        }
        let Self { remarks, settled, .. } = &mut proposal;
        settled.retain(|remark| !remarks.contains(remark));
        proposal
    }

    /// Returns the values that can be taken: those of artifacts that all their targets declare.
    pub fn sources(&self) -> Vec<(InstanceName, Name, FoundValue)> {
        let mut sources = Vec::new();
        for artifact in self.artifacts.iter().filter(|artifact| artifact.is_declared()) {
            for instance in artifact.instances() {
                let values = artifact.values.iter().filter(|(_, value)| !self.is_by_hand(value));
                sources.extend(values.map(|(file, value)| (instance.clone(), file.clone(), value.clone())));
            }
        }
        sources
    }

    /// Returns the declared instances of whose values none can be taken, with what a person does in place of that.
    pub fn by_hand(&self) -> BTreeMap<InstanceName, String> {
        let is_by_hand = |artifact: &&ProposedArtifact| {
            artifact.is_declared() && artifact.values.values().all(|value| self.is_by_hand(value))
        };
        let mut found = BTreeMap::new();
        for artifact in self.artifacts.iter().filter(is_by_hand) {
            for instance in artifact.instances() {
                let how = losses::by_hand(artifact, &instance);
                found.insert(instance, how);
            }
        }
        found
    }

    /// Whether a value is left to a person who can decrypt it in another way.
    fn is_by_hand(&self, value: &FoundValue) -> bool {
        self.closed.contains(&value.path)
    }

    /// Returns the options of the other tool all of whose artifacts are declared and are so in every instance: as they are stored.
    pub fn replaced(&self, is_so: impl Fn(&InstanceName) -> bool) -> BTreeSet<String> {
        let is_stored = |artifact: &&ProposedArtifact| {
            artifact.uses.keys().all(|target| artifact.declared.contains(target) && is_so(&artifact.instance(target)))
        };
        let (stored, left): (Vec<_>, Vec<_>) = self.artifacts.iter().partition(is_stored);
        let options = |artifacts: &[&ProposedArtifact]| -> BTreeSet<String> {
            let used = artifacts.iter().flat_map(|artifact| artifact.uses.values()).flat_map(BTreeMap::values);
            used.map(|file| self.tool.option(&file.old, &file.key)).collect()
        };
        &options(&stored) - &options(&left)
    }

    /// Returns what the targets still need that are to declare something.
    fn preparations(&self, configurations: &[ForeignConfiguration]) -> Vec<Remark> {
        let new: BTreeSet<&TargetId> = self.undeclared().map(|(_, target)| target).collect();
        let named = |is: &dyn Fn(&ForeignConfiguration) -> bool| -> Vec<String> {
            let found = configurations.iter().filter(|one| new.contains(&one.id) && is(one));
            found.map(|one| one.id.name.to_string()).collect()
        };
        let is_keyless =
            |one: &ForeignConfiguration| one.data.host_key.is_none() && !self.keys.host_keys.contains_key(&one.id);
        let modules = "import `artifacts.nixosModules.default` or `artifacts.homeModules.default` there, and set `artifacts.root`";
        let keys = "declare `artifacts.hostKey`; if it is among the printed `artifacts.recipients`, remove it there";
        let all = [
            (named(&|one| !one.data.has_artifacts), "the modules of artifacts are not imported", modules),
            (named(&is_keyless), "the target's own public key is not known", keys),
        ];
        let needed = all.into_iter().filter(|(names, ..)| !names.is_empty());
        needed.map(|(names, why, action)| Remark::new(listed_up_to(&names, NAMED), why, action)).collect()
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
