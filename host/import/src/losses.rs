//! What the new place of a secret does not keep.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use artifacts_declared::InstanceName;
use artifacts_text::{listed, shell_word, sops_extract, sops_text};

use crate::found::FoundForm;
use crate::keys::AdminKeys;
use crate::{FileFacts, ProposedArtifact, Remark};

/// Kinds of stanzas that age itself writes, or that are of a key that is declared as any other.
const OF_AGE: [&str; 7] =
    ["X25519", "ssh-ed25519", "ssh-rsa", "mlkem768x25519", "p256tag", "mlkem768p256tag", "scrypt"];

/// Keys at the top of structured files that are used, by file.
pub type UsedKeys = BTreeMap<PathBuf, BTreeSet<String>>;

/// Returns the keys at the top of structured files that artifacts use.
pub fn used_keys(artifacts: &[ProposedArtifact]) -> UsedKeys {
    let mut used = UsedKeys::new();
    for value in artifacts.iter().flat_map(|artifact| artifact.values.values()) {
        if let FoundForm::SopsKey { key, .. } = &value.form {
            used.entry(value.path.clone()).or_default().extend(key.split('/').next().map(str::to_owned));
        }
    }
    used
}

/// Returns what is to be known of an artifact before its values move. `keys` are those that its files are encrypted to.
pub fn of_artifact(
    artifact: &ProposedArtifact,
    keys: &[String],
    known: &AdminKeys,
    (facts, used): (&BTreeMap<PathBuf, FileFacts>, &UsedKeys),
) -> Vec<Remark> {
    let mut remarks = Vec::new();
    for target in &artifact.in_the_way {
        let why = format!("another artifact `{}` is declared there", artifact.name);
        remarks.push(Remark::new(artifact.instance(target).short(), why, "rename one of them, then import again"));
    }
    let machines = known.machines(keys).into_iter();
    let others: Vec<String> = machines
        .filter(|machine| !artifact.uses.keys().any(|target| target.name == *machine))
        .map(|machine| machine.to_string())
        .collect();
    let subject = artifact.name.to_string();
    if !others.is_empty() {
        let why = format!("{} can decrypt it now and does not use it", listed(&others));
        remarks.push(Remark::new(&subject, why, "declare it there as well, or have `rekey` leave it out"));
    }
    let paths: BTreeSet<&PathBuf> = artifact.values.values().map(|value| &value.path).collect();
    for path in paths {
        if let Some(facts) = facts.get(path) {
            remarks.extend(of_file(path, facts, keys, used.get(path)));
        }
    }
    remarks
}

/// Says how a person sets the values of an instance that they can decrypt with sops.
pub fn by_hand(artifact: &ProposedArtifact, instance: &InstanceName) -> String {
    let name = shell_word(&instance.to_string());
    let mut values = artifact.values.values();
    let (Some(value), None) = (values.next(), values.next()) else {
        return format!("decrypt it with sops; `artifacts generate {name}` asks for the values");
    };
    let path = value.path.display().to_string();
    let decrypt = match &value.form {
        FoundForm::SopsKey { key, .. } => sops_extract(key, &path),
        FoundForm::SopsText { format } => Some(sops_text(format.as_str(), &path)),
        _ => Some(format!("sops decrypt {}", shell_word(&path))),
    };
    match decrypt {
        Some(decrypt) => format!("`{decrypt} | artifacts set {name}`"),
        None => format!("decrypt it with sops and pass the value to `artifacts set {name}`"),
    }
}

fn of_file(path: &Path, facts: &FileFacts, keys: &[String], used: Option<&BTreeSet<String>>) -> Vec<Remark> {
    let subject = path.display().to_string();
    let mut remarks = Vec::new();
    if !facts.other_keys.is_empty() {
        let kinds = listed(&facts.other_keys.iter().cloned().collect::<Vec<_>>());
        remarks.push(if facts.recipients.is_empty() {
            let why = format!("it has no age recipient, only {kinds}");
            Remark::new(&subject, why, "decrypt it with sops and `artifacts set` the value")
        } else {
            let why = format!("it is encrypted for {kinds} as well, as it claims");
            Remark::new(&subject, why, "`artifacts rekey` asks about that and keeps it; `sops rotate` removes it")
        });
    }
    let has_plugin_key = keys.iter().any(|key| key.starts_with("age1") && key[4..].contains('1'));
    let foreign = facts.stanzas.iter().filter(|(kind, _)| !OF_AGE.contains(&kind.as_str()));
    for (kind, count) in foreign.filter(|_| !has_plugin_key) {
        let why = format!("{count} of its recipients are of an age plugin (`{kind}`), and their keys are not known");
        let action = "declare their public keys in `artifacts.recipients`; otherwise `rekey` leaves them out";
        remarks.push(Remark::new(&subject, why, action));
    }
    let Some(used) = used else { return remarks };
    let unused: Vec<String> = facts.keys.difference(used).cloned().collect();
    if !unused.is_empty() {
        let why = format!("no option declares {}", listed(&unused));
        remarks.push(Remark::new(&subject, why, "what is needed of it stays in this file; keep it"));
    }
    remarks
}
