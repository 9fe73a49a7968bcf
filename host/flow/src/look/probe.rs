//! One instance while it is surveyed: what the host finds of it, and what its backend answers.

use std::collections::BTreeMap;

use artifacts_declared::{InstanceName, Name, Recipients, Shared};
use artifacts_plan::{Elsewhere, Facts, Instance, Said};
use artifacts_report::Failure;
use artifacts_seam as seam;
use artifacts_session::{MemoKey, Verified};
use artifacts_store::{Entry, Fingerprint, Receipt};

use super::answers::NoAnswer;
use super::extras;
use super::facts::{EntryContent, facts};
use super::generations::StoredGeneration;
use crate::failure;

/// One instance and what the host found of it.
pub struct InstanceProbe<'a> {
    pub instance: &'a Instance,
    /// The files that its backend may see: its own, never another's. None where they need not be read.
    pub files: seam::EntryFiles,
    /// Names what its backend answers, where that depends on nothing else.
    pub key: Option<MemoKey>,
    pub facts: Option<Facts>,
    pub receipt: Option<Box<Receipt>>,
    pub fingerprint: Option<Fingerprint>,
    /// A header in it belongs elsewhere, whatever the receipt says.
    pub contradiction: Option<Failure>,
    /// Its backend's storage.
    pub storage: String,
    pub elsewhere: Vec<(Elsewhere, Option<Receipt>)>,
}

impl<'a> InstanceProbe<'a> {
    pub fn without_entry(instance: &'a Instance) -> Self {
        Self {
            instance,
            files: seam::EntryFiles::new(),
            key: None,
            facts: None,
            receipt: None,
            fingerprint: None,
            storage: String::new(),
            elsewhere: Vec::new(),
            contradiction: None,
        }
    }

    pub fn new(
        instance: &'a Instance,
        mut entry: Entry,
        generations: &BTreeMap<InstanceName, StoredGeneration>,
    ) -> Self {
        let fingerprint = Some(entry.fingerprint());
        let strays = extras::take_added(instance, &mut entry);
        let mut look = Self {
            facts: Some(facts(instance, EntryContent::of(&entry), &strays, generations)),
            fingerprint,
            ..Self::without_entry(instance)
        };
        if !look.of_another() {
            look.files = entry.files;
        }
        look.receipt = entry.receipt.into_valid();
        look
    }

    /// Of an entry that need not be read: it was as its receipt says, and had this fingerprint.
    pub fn seen(
        instance: &'a Instance,
        receipt: Box<Receipt>,
        fingerprint: Fingerprint,
        generations: &BTreeMap<InstanceName, StoredGeneration>,
    ) -> Self {
        Self {
            facts: Some(facts(instance, EntryContent::intact(&receipt), &[], generations)),
            fingerprint: Some(fingerprint),
            receipt: Some(receipt),
            ..Self::without_entry(instance)
        }
    }

    /// What is not as its receipt says is stale, and this is one more reason. Else it cannot be determined what it is.
    pub fn contradicted(mut self, contradiction: Option<Failure>) -> Self {
        let Some(failure) = contradiction else { return self };
        match &mut self.facts {
            Some(facts) if !facts.receipt.is_empty() => facts.receipt.push(failure.message),
            _ => self.contradiction = Some(failure),
        }
        self
    }

    /// Where else it is stored. What has the generation of its own entry, and was encrypted another time, was left by a move.
    pub fn elsewhere(&self) -> impl Iterator<Item = (Elsewhere, Option<Receipt>)> {
        self.elsewhere.iter().cloned().map(|(place, receipt)| {
            let both = self.receipt.as_ref().zip(receipt.as_ref());
            let is_moved = both.is_some_and(|(own, other)| own.generation == other.generation && **own != *other);
            (Elsewhere { is_moved, ..place }, receipt)
        })
    }

    pub fn has_secrets(&self) -> bool {
        !self.instance.for_backend.files.is_empty()
    }

    /// Whether another backend stored the entry.
    pub fn of_another(&self) -> bool {
        let stored = self.facts.as_ref().and_then(|facts| facts.backend.as_deref());
        let declared = self.instance.artifact.backend.as_ref().map(Name::as_str);
        stored.is_some() && stored != declared
    }

    /// Whether it has an entry whose listed files are as its receipt says, whatever else lies there.
    pub fn is_intact(&self) -> bool {
        self.facts.as_ref().is_some_and(|facts| facts.receipt.is_empty())
    }
}

/// What counts of a backend's answer.
pub struct CheckResult {
    pub said: Said,
    pub recipients: Recipients,
    pub labels: Shared<BTreeMap<String, String>>,
    pub hint: Option<String>,
}

impl CheckResult {
    pub fn new(said: Said) -> Self {
        Self { said, recipients: Recipients::new(), labels: Shared::default(), hint: None }
    }

    /// Of an entry that is another backend's, only the recipients are asked for.
    pub fn from_backend(look: &InstanceProbe<'_>, answer: Result<Verified, NoAnswer>) -> Self {
        match answer {
            Ok(Verified { recipients, labels, state }) => {
                let checked = || Said::Checked { recipients: recipients.clone(), state };
                let said = if look.of_another() { Said::Nothing } else { checked() };
                Self { said, recipients, labels, hint: None }
            }
            Err(NoAnswer::Misfit(why)) => Self { hint: why.hint, ..Self::new(Said::Failed(why.message)) },
            Err(NoAnswer::Call(error)) => {
                let (why, hint) = failure::explain_call(&error);
                Self { hint, ..Self::new(Said::Failed(why)) }
            }
        }
    }
}
