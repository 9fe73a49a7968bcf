use std::collections::{BTreeMap, BTreeSet};

use artifacts_declared::{Name, TargetId};

use crate::found::{FoundForm, FoundGroup, FoundSecret};
use crate::names::{TakenNames, name_of, stem};
use crate::proposed::{FoundValue, ProposedArtifact, ProposedFile};
use crate::{Remark, Tool};

/// Keys that a structured file of sops cannot have.
const RESERVED: [&str; 2] = ["sops", "<<"];

/// Makes one artifact of each group of secrets. Names stay where they can.
pub fn group(tool: Tool, secrets: &[FoundSecret], remarks: &mut Vec<Remark>) -> Vec<ProposedArtifact> {
    let mut groups: BTreeMap<&FoundGroup, Vec<&FoundSecret>> = BTreeMap::new();
    for secret in secrets {
        groups.entry(&secret.group).or_default().push(secret);
    }
    let mut taken = TakenNames::default();
    let mut artifacts = Vec::new();
    for (group, secrets) in groups {
        let targets: BTreeSet<TargetId> = secrets.iter().map(|secret| secret.target.clone()).collect();
        let is_shared = match group {
            FoundGroup::File(_) | FoundGroup::KeyedFile(_) => targets.len() > 1,
            FoundGroup::Generator(target, _) => target.is_none(),
        };
        match taken.take(&candidates(group, &secrets), &targets, is_shared) {
            Some(name) => artifacts.push(artifact(tool, name, is_shared, &secrets, remarks)),
            None => remarks.extend(secrets.iter().map(|secret| unnamed(tool, secret))),
        }
    }
    artifacts
}

/// Returns the names that an artifact may have, the best first.
fn candidates(group: &FoundGroup, secrets: &[&FoundSecret]) -> Vec<String> {
    let first = secrets.first().map(|secret| secret.name.clone()).unwrap_or_default();
    let files: BTreeSet<&String> = secrets.iter().map(|secret| &secret.file).collect();
    let (name, path) = match group {
        FoundGroup::KeyedFile(path) if files.len() > 1 => (stem(path), Some(path)),
        FoundGroup::File(path) | FoundGroup::KeyedFile(path) => (first, Some(path)),
        FoundGroup::Generator(_, name) => (name.clone(), None),
    };
    let dir = path.and_then(|path| path.parent()).and_then(|dir| dir.file_name());
    let longer = dir.map(|dir| format!("{}-{name}", dir.to_string_lossy()));
    [name].into_iter().chain(longer).filter(|text| name_of(text).is_some()).collect()
}

fn artifact(
    tool: Tool,
    name: Name,
    is_shared: bool,
    secrets: &[&FoundSecret],
    remarks: &mut Vec<Remark>,
) -> ProposedArtifact {
    let mut artifact = ProposedArtifact::new(name, is_shared, tool);
    for secret in secrets {
        let Some(file) = file_name(&artifact, secret) else {
            remarks.push(unnamed(tool, secret));
            continue;
        };
        let value = FoundValue { path: secret.path.clone(), form: secret.form.clone() };
        artifact.values.insert(file.clone(), value);
        let files = artifact.uses.entry(secret.target.clone()).or_default();
        if let Some(first) = files.get(&file) {
            let why = format!("it has the value of `{}`, which a file has in one place only", first.old);
            let action = format!("read the path of `{}` in its place", first.old);
            remarks.push(Remark::new(subject(tool, secret), why, action));
            continue;
        }
        let old = secret.name.clone();
        files.insert(file, ProposedFile { old, key: secret.file.clone(), placement: secret.placement.clone() });
    }
    artifact.format = format(secrets, &artifact);
    artifact
}

/// Returns the name of a secret's file: that of another secret only if it is the same value.
fn file_name(artifact: &ProposedArtifact, secret: &FoundSecret) -> Option<Name> {
    if matches!(secret.group, FoundGroup::File(_)) {
        return Some(artifact.name.clone());
    }
    let value = FoundValue { path: secret.path.clone(), form: secret.form.clone() };
    let base = name_of(&secret.file)?;
    let numbered = (2..1000).filter_map(|number| name_of(&format!("{base}-{number}")));
    let is_free = |name: &Name| artifact.values.get(name).is_none_or(|other| *other == value);
    std::iter::once(base.clone()).chain(numbered).find(is_free)
}

/// Returns the form in which the backend sops-nix stores an artifact: as it is now, where that is possible.
fn format(secrets: &[&FoundSecret], artifact: &ProposedArtifact) -> &'static str {
    let is_reserved = |name: &Name| RESERVED.contains(&name.as_str()) || name.as_str().ends_with("_unencrypted");
    match secrets.first().map(|secret| &secret.form) {
        Some(FoundForm::SopsKey { format, .. }) if !artifact.values.keys().any(is_reserved) => format.as_str(),
        _ => "binary",
    }
}

/// Returns how a person finds a secret.
pub fn subject(tool: Tool, secret: &FoundSecret) -> String {
    format!("{}: {}", secret.target.name, tool.option(&secret.name, &secret.file))
}

fn unnamed(tool: Tool, secret: &FoundSecret) -> Remark {
    let why = "nothing of its name can be the name of an artifact";
    Remark::new(subject(tool, secret), why, "rename it there, then import again")
}
