//! Whether a value is a new one: the old ones and the current one are decrypted, in memory, and compared.

use std::collections::BTreeMap;

use artifacts_declared::{DeclaredFile, InstanceName, Name};
use artifacts_plan::Instance;
use artifacts_report::Failure;
use artifacts_seam::Secret;
use artifacts_store::Storage;

use crate::failure;
use crate::look::readable::Version;
use crate::look::source::{Source, StoredValue, secret_file};
use crate::read::{RetrievedFiles, WantedValue, retrieve_values};
use crate::tools::{Tools, headers};

/// Files that were read, by instance.
type ReadFiles = BTreeMap<InstanceName, Result<RetrievedFiles, Failure>>;

/// Compares the stored value of each instance with all these versions of it: every secret file of a version with every file that is
/// stored now, whatever it is called and however it is declared. Returns which are new, of those of which everything was
/// decrypted, and why others were not.
pub(crate) fn compare(
    tools: &mut Tools,
    instances: &BTreeMap<InstanceName, Instance>,
    versions: BTreeMap<InstanceName, Vec<Version>>,
) -> (BTreeMap<InstanceName, bool>, Vec<Failure>) {
    let mut failures = Vec::new();
    let all: Vec<(&Instance, Vec<Version>)> =
        versions.into_iter().filter_map(|(name, versions)| Some((instances.get(&name)?, versions))).collect();
    let current = all.iter().map(|(instance, _)| (instance.name.clone(), current(tools, instance))).collect();
    let current = retrieve_values(tools, current);
    let mut is_new: BTreeMap<InstanceName, bool> = current.keys().map(|name| (name.clone(), true)).collect();
    // One version of each at a time: what is read has the name of its instance.
    for round in 0..all.iter().map(|(_, versions)| versions.len()).max().unwrap_or(0) {
        let of_round = all.iter().filter_map(|(instance, versions)| Some((*instance, versions.get(round)?)));
        let wanted =
            of_round.map(|(instance, version)| (instance.name.clone(), old(tools, instance, version))).collect();
        note(&current, retrieve_values(tools, wanted), &mut is_new, &mut failures);
    }
    (is_new, failures)
}

/// Takes note of what is the same as it was, and of what could not be decrypted.
fn note(current: &ReadFiles, old: ReadFiles, is_new: &mut BTreeMap<InstanceName, bool>, failures: &mut Vec<Failure>) {
    for (name, old) in old {
        match (current.get(&name), old) {
            (Some(Ok(current)), Ok(old)) => {
                let is_stored = |value: &Secret| current.files.values().any(|current| current.is_same(value));
                if old.files.values().any(is_stored) {
                    is_new.entry(name).and_modify(|is_new| *is_new = false);
                }
            }
            (Some(Err(failure)), _) => unread(&name, failure, is_new, failures),
            (_, Err(failure)) => unread(&name, &of_old(failure), is_new, failures),
            (None, Ok(_)) => {}
        }
    }
}

/// Nothing is known of it, and why is said once.
fn unread(
    name: &InstanceName,
    failure: &Failure,
    is_new: &mut BTreeMap<InstanceName, bool>,
    failures: &mut Vec<Failure>,
) {
    if is_new.remove(name).is_some() {
        failures.push(failure.clone());
    }
}

/// The failure of an old version. What it says to do about a stored value is not meant for that of now.
fn of_old(failure: Failure) -> Failure {
    let hint = failure.hint.clone().filter(|_| failure.kind == Some(Failure::NO_IDENTITY));
    Failure { message: format!("an old version in the trash cannot be compared: {}", failure.message), ..failure }
        .hint(hint)
}

fn current(tools: &Tools, instance: &Instance) -> WantedValue {
    let value = Source::own(tools, instance)?.read(&tools.root, instance)?;
    let value = as_stored(value.ok_or_else(|| failure::absent(instance))?);
    let files = value.instance.artifact.files.keys().cloned().collect();
    Ok((value, files))
}

/// The value with the files of its entry: what is declared by now tells neither which these are nor which are secret.
fn as_stored(mut value: StoredValue) -> StoredValue {
    let Some(receipt) = &value.receipt else { return value };
    let files = &mut value.instance.artifact.files;
    if receipt.recipients.is_empty() {
        // A backend that named no recipients at all left no names of secret files either.
        files.retain(|_, file| file.secret && !receipt.files.is_empty());
    } else {
        *files = receipt.recipients.files().map(|file| (file.clone(), secret_file())).collect();
    }
    for file in value.public.keys().filter_map(|file| Name::new(file).ok()) {
        files.entry(file).or_insert_with(|| DeclaredFile { secret: false, ..secret_file() });
    }
    value.headers = headers::listed(&value.instance, receipt, &value.files);
    value
}

fn old(tools: &Tools, instance: &Instance, version: &Version) -> WantedValue {
    let missing = || failure::for_instance(instance, "it is no longer there");
    let failed = |error: artifacts_store::Error| failure::for_instance(instance, error.to_string());
    let (storage, trashed) = version.trashed.as_ref().ok_or_else(missing)?;
    let whose = &version.receipt.instance;
    let storage = Storage::open(&tools.root, storage).map_err(failed)?;
    let entry = storage.read_trashed(trashed, whose).map_err(failed)?.ok_or_else(missing)?;
    let value = as_stored(StoredValue::of(entry, instance, (whose, whose))?);
    let files = value.instance.secret_files().cloned().collect();
    Ok((value, files))
}
