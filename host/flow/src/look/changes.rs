//! What is written of an instance, file by file: recipients and sizes, and what is public. No secret.

use std::collections::{BTreeMap, BTreeSet};

use artifacts_declared::Name;
use artifacts_plan::Instance;
use artifacts_report::{FileChange, Side};
use artifacts_seam::EntryFiles;
use artifacts_store::{Entry, Receipt, ReceiptState, Storage};

use super::settable::{OtherFiles, others};
use super::survey::SurveyedInstance;
use crate::naming::bears;
use crate::tools::Tools;

/// What would be written.
#[derive(Debug, Clone, Copy)]
pub enum Writing<'a> {
    /// Everything, with values that are not known yet.
    All,
    /// The secret files, with the values that they have.
    Anew,
    /// One file, and whatever that takes along.
    One {
        /// Which.
        file: &'a Name,
    },
}

/// What would be written of an instance as it was found. It opens nothing.
pub fn changes(tools: &Tools, instance: &Instance, found: &SurveyedInstance, writing: Writing<'_>) -> Vec<FileChange> {
    let before = found.receipt.as_ref().map(|receipt| StoredFiles::by_receipt(instance, receipt));
    let before = before.unwrap_or_default();
    // Of what is re-encrypted, nothing public is reported, so no entry is read again for it.
    let before = if matches!(writing, Writing::Anew) { before } else { before.with_public(public(tools, instance)) };
    let declared: BTreeSet<String> = instance.artifact.files.keys().map(ToString::to_string).collect();
    let is_secret = |name: &String| instance.secret_files().any(|secret| secret.as_str() == name);
    let names: Vec<String> = match writing {
        Writing::All => {
            declared.into_iter().chain(before.files.keys().cloned()).collect::<BTreeSet<_>>().into_iter().collect()
        }
        Writing::Anew => declared.into_iter().filter(is_secret).collect(),
        Writing::One { file } => {
            let OtherFiles { reencrypted, gone, empty } = others(instance, found, file);
            std::iter::once(file.to_string()).chain(reencrypted).chain(gone).chain(empty).collect()
        }
    };
    let change = |file: String| FileChange {
        before: before.files.get(&file).cloned(),
        after: after(instance, found, &file),
        file,
    };
    names.into_iter().map(change).collect()
}

/// A file as it would be; none of one that is not declared.
fn after(instance: &Instance, found: &SurveyedInstance, file: &str) -> Option<Side> {
    Some(if instance.artifact.files.get(file)?.secret {
        let recipients = found.recipients.get(file).cloned();
        Side::Secret { size: None, recipients }
    } else {
        Side::Public { size: None, content: None }
    })
}

/// The public files that are stored.
fn public(tools: &Tools, instance: &Instance) -> EntryFiles {
    let storage = instance.artifact.backend.as_ref().and_then(|backend| tools.backends.storage(backend).ok());
    let storage = storage.and_then(|storage| Storage::open(&tools.root, &storage).ok());
    storage
        .and_then(|storage| storage.read(&instance.name).ok().flatten())
        .map(|entry| entry.public)
        .unwrap_or_default()
}

/// What changed of an instance's public files; nothing of those that stay as they are.
pub(crate) fn public_changes(before: &EntryFiles, after: &EntryFiles) -> Vec<FileChange> {
    let names: BTreeSet<&String> = before.keys().chain(after.keys()).collect();
    let differs = names.into_iter().filter(|name| before.get(*name) != after.get(*name));
    let side = |files: &EntryFiles, name: &String| files.get(name).cloned().map(Side::public);
    differs
        .map(|name| FileChange { file: name.clone(), before: side(before, name), after: side(after, name) })
        .collect()
}

/// What an entry becomes that is accepted as it is stored. The recipients are those of `new`, unless no one knows them.
pub(crate) fn accepted(
    instance: &Instance,
    old: Option<&Receipt>,
    new: &Receipt,
    files: &EntryFiles,
    public: &EntryFiles,
) -> Vec<FileChange> {
    let before = old.map(|old| StoredFiles::by_receipt(instance, old)).unwrap_or_default();
    let recipients = |file: &Name| old.and_then(|_| new.recipients.get(file.as_str())).and_then(known);
    let after = StoredFiles::in_entry(instance, recipients, files, public);
    let names: BTreeSet<&String> = before.files.keys().chain(after.files.keys()).collect();
    let side = |entry_files: &StoredFiles, name: &String| entry_files.files.get(name).cloned();
    let changes = names.into_iter().map(|name| FileChange {
        file: name.clone(),
        before: side(&before, name),
        after: side(&after, name),
    });
    changes.collect()
}

/// What is stored first, of files that other programs encrypted to the recipients of `new`.
pub(crate) fn taken(instance: &Instance, new: &Receipt, files: &EntryFiles, public: &EntryFiles) -> Vec<FileChange> {
    let recipients = |file: &Name| new.recipients.get(file.as_str()).and_then(known);
    let after = StoredFiles::in_entry(instance, recipients, files, public);
    let change = |(file, side)| FileChange { file, before: None, after: Some(side) };
    after.files.into_iter().map(change).collect()
}

/// What goes with an entry that no one declares.
pub(crate) fn removed(entry: &Entry) -> Vec<FileChange> {
    let sizes = || entry.files.iter().map(|(name, bytes)| (name.as_str(), bytes.len() as u64));
    let entry_files = match &entry.receipt {
        ReceiptState::Valid(receipt) if !receipt.recipients.is_empty() => {
            let recipients = receipt.recipients.iter().map(|(file, recipients)| (file.to_string(), known(recipients)));
            StoredFiles::new(recipients.collect(), sizes())
        }
        // No one tells what the backend's files are called in the declarations.
        _ => StoredFiles::new(sizes().map(|(name, _)| (name.to_owned(), None)).collect(), sizes()),
    };
    let gone = |(file, side)| FileChange { file, before: Some(side), after: None };
    entry_files.with_public(entry.public.clone()).files.into_iter().map(gone).collect()
}

/// Recipients as a receipt has them: none are there when no one knows them.
fn known(recipients: &BTreeSet<String>) -> Option<BTreeSet<String>> {
    (!recipients.is_empty()).then(|| recipients.clone())
}

/// What is stored, by the names that are declared.
#[derive(Default)]
struct StoredFiles {
    files: BTreeMap<String, Side>,
}

impl StoredFiles {
    /// As a receipt has it: of public files it has the sizes.
    fn by_receipt(instance: &Instance, receipt: &Receipt) -> Self {
        let stored = receipt.recipients.iter().map(|(file, recipients)| (file.to_string(), known(recipients)));
        // A backend that names no recipients at all stores what is declared all the same.
        let declared = instance.secret_files().filter(|_| receipt.recipients.is_empty());
        let secret = declared.map(|file| (file.to_string(), None)).chain(stored).collect();
        let mut entry_files =
            Self::new(secret, receipt.files.iter().map(|(name, stored)| (name.as_str(), stored.size)));
        let public = receipt.public.iter();
        entry_files.files.extend(
            public.map(|(name, stored)| (name.clone(), Side::Public { size: Some(stored.size), content: None })),
        );
        entry_files
    }

    /// Secret files and their recipients, with the sizes of the stored files that bear their names. Of a file that its backend
    /// keeps elsewhere the size is not known.
    fn new<'a>(
        secret: BTreeMap<String, Option<BTreeSet<String>>>,
        stored: impl Iterator<Item = (&'a str, u64)>,
    ) -> Self {
        let mut sizes: BTreeMap<String, u64> = BTreeMap::new();
        for (name, size) in stored {
            if let Some(file) = secret.keys().filter(|file| bears(name, file)).max_by_key(|file| file.len()) {
                *sizes.entry(file.clone()).or_default() += size;
            }
        }
        let side = |(file, recipients): (String, Option<BTreeSet<String>>)| {
            let size = sizes.get(&file).copied();
            (file, Side::Secret { size, recipients })
        };
        Self { files: secret.into_iter().map(side).collect() }
    }

    /// The declared files in these of an entry.
    fn in_entry(
        instance: &Instance,
        recipients: impl Fn(&Name) -> Option<BTreeSet<String>>,
        files: &EntryFiles,
        public: &EntryFiles,
    ) -> Self {
        let sizes = files.iter().map(|(name, bytes)| (name.as_str(), bytes.len() as u64));
        let secret = instance.secret_files().map(|file| (file.to_string(), recipients(file)));
        Self::new(secret.collect(), sizes).with_public(public.clone())
    }

    fn with_public(mut self, public: EntryFiles) -> Self {
        self.files.extend(public.into_iter().map(|(name, bytes)| (name, Side::public(bytes))));
        self
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stored_file_counts_for_the_declared_one_whose_name_it_bears() {
        let secret = ["key", "key.pub", "other"].map(|file| (file.to_owned(), None));
        let stored = [("key.age", 1), ("key.pub.age", 2), ("keys", 4), ("secrets.json", 8)];
        let entry_files = StoredFiles::new(secret.into_iter().collect(), stored.into_iter());
        let size = |file: &str| match &entry_files.files[file] {
            Side::Secret { size, .. } | Side::Public { size, .. } => *size,
        };
        assert_eq!([size("key"), size("key.pub"), size("other")], [Some(1), Some(2), None]);
    }
}
