//! Where the value of an instance is, by the word of its entry, whatever is declared now.

use artifacts_declared::{DeclaredFile, InstanceName, Name};
use artifacts_plan::Instance;
use artifacts_report::Failure;
use artifacts_seam::{EntryFiles, InstanceView, TargetView};
use artifacts_store::{Difference, Entry, Fingerprint, Receipt, ReceiptState, Root, Storage};
use artifacts_text::Explain;

use super::survey::SurveyedInstance;
use crate::failure;
use crate::tools::Tools;
use crate::tools::headers::{self, EntryHeaders};

/// The entry that a value is read from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Source {
    /// The storage, by its path below the root.
    pub storage: String,
    /// The name by which its directory is found there.
    pub at: InstanceName,
    /// The instance that it was stored for, by the word of the admin.
    pub whose: InstanceName,
}

/// A value as it is stored: what is needed to read it.
#[derive(Debug)]
pub(crate) struct StoredValue {
    /// The instance as it was stored: with the name, the backend and the secret files of its receipt.
    pub instance: Instance,
    /// The name of its directory.
    pub at: InstanceName,
    /// The backend that stored it.
    pub backend: Name,
    /// The backend's files.
    pub files: EntryFiles,
    /// The public files.
    pub public: EntryFiles,
    /// The headers in the backend's files that the receipt lists.
    pub headers: EntryHeaders,
    /// The receipt; none of what was written just now.
    pub receipt: Option<Receipt>,
    /// What was read; none of what was written just now.
    pub fingerprint: Option<Fingerprint>,
}

impl Source {
    /// Returns the source of an instance as it was found: its own place, or the other one in which it is stored.
    ///
    /// # Errors
    /// When it has no backend.
    pub(crate) fn of(tools: &Tools, instance: &Instance, found: &SurveyedInstance) -> Result<Self, Failure> {
        let whose = found.former.clone().unwrap_or_else(|| instance.name.clone());
        match &found.elsewhere {
            Some(place) => Ok(Self { storage: place.storage.clone(), at: whose.clone(), whose }),
            None => Ok(Self { whose, ..Self::own(tools, instance)? }),
        }
    }

    /// Returns the place in which the declared backend of an instance stores it.
    ///
    /// # Errors
    /// When it has no backend.
    pub(crate) fn own(tools: &Tools, instance: &Instance) -> Result<Self, Failure> {
        let storage = tools.storage_of(instance).ok_or_else(|| failure::for_instance(instance, "no backend"))?;
        Ok(Self { storage, at: instance.name.clone(), whose: instance.name.clone() })
    }

    /// Reads the entry; none where there is none. It opens nothing: what is not as its receipt says is refused.
    ///
    /// # Errors
    /// When it cannot be read, or is not as its receipt says.
    pub(crate) fn read(&self, root: &Root, instance: &Instance) -> Result<Option<StoredValue>, Failure> {
        let failed = |error: artifacts_store::Error| {
            failure::for_instance(&named(instance, &self.whose), error.to_string()).hint(error.hint())
        };
        let entry = Storage::open(root, &self.storage).and_then(|storage| storage.read(&self.at));
        let Some(entry) = entry.map_err(failed)? else { return Ok(None) };
        StoredValue::of(entry, instance, (&self.at, &self.whose)).map(Some)
    }
}

impl StoredValue {
    /// Takes the value of an entry that has this name and was stored for this instance. What is not as its receipt says is refused.
    ///
    /// # Errors
    /// When it is not as its receipt says.
    pub(crate) fn of(
        entry: Entry,
        instance: &Instance,
        (at, whose): (&InstanceName, &InstanceName),
    ) -> Result<Self, Failure> {
        let mut differences = entry.differences();
        // Files that no receipt lists are not read, and keep no one from reading what it lists. A directory that was moved has the
        // receipt of the instance that it was stored for.
        differences.retain(|one| match one {
            Difference::Extra(_) => false,
            Difference::OtherInstance(other) => other != whose,
            _ => true,
        });
        let fingerprint = entry.fingerprint();
        match entry.receipt {
            ReceiptState::Valid(receipt) if differences.is_empty() && receipt.instance == *whose => {
                let instance = stored(instance, &receipt);
                Ok(Self {
                    headers: headers::listed(&instance, &receipt, &entry.files),
                    instance,
                    at: at.clone(),
                    backend: receipt.backend.name.clone(),
                    files: entry.files,
                    public: entry.public,
                    receipt: Some(*receipt),
                    fingerprint: Some(fingerprint),
                })
            }
            _ => {
                let list: Vec<String> = differences.iter().map(ToString::to_string).collect();
                Err(failure::differs(&named(instance, whose), &list.join(", ")))
            }
        }
    }

    /// Returns the declared secret files of an instance that are in it.
    pub(crate) fn files_of(&self, instance: &Instance) -> Vec<Name> {
        let lists = |file: &&Name| match &self.receipt {
            // A backend that named no recipients at all left older receipts without them.
            Some(receipt) if receipt.recipients.is_empty() => !receipt.files.is_empty(),
            Some(receipt) => receipt.recipients.contains(file.as_str()),
            None => true,
        };
        instance.secret_files().filter(lists).cloned().collect()
    }
}

/// The instance under another name.
fn named(instance: &Instance, name: &InstanceName) -> Instance {
    Instance { name: name.clone(), ..instance.clone() }
}

/// The instance as its receipt has it. What is declared tells which files are public now: they are not read as secrets.
fn stored(declared: &Instance, receipt: &Receipt) -> Instance {
    let mut instance = named(declared, &receipt.instance);
    instance.artifact.backend = Some(receipt.backend.name.clone());
    instance.artifact.blocked = false;
    for file in receipt.recipients.files() {
        instance.artifact.files.entry(file.clone()).or_insert_with(secret_file);
    }
    if receipt.instance != declared.name {
        let target = |target: &artifacts_declared::TargetId| TargetView {
            kind: target.kind.as_str().to_owned(),
            name: target.name.to_string(),
            config: "{}".into(),
            attrs: Vec::new(),
        };
        instance.for_backend = InstanceView {
            name: receipt.instance.to_string(),
            artifact: receipt.instance.artifact().to_string(),
            shared: matches!(receipt.instance, InstanceName::Shared { .. }),
            targets: receipt.targets.iter().map(target).collect(),
            ..instance.for_backend
        };
    }
    instance
}

/// A secret file of which nothing else is declared.
pub(crate) fn secret_file() -> DeclaredFile {
    DeclaredFile {
        secret: true,
        deploy: true,
        path: None,
        mode: None,
        owner: None,
        group: None,
        restart_units: Vec::new(),
        reload_units: Vec::new(),
    }
}
