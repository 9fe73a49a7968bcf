//! Values of other tools' files on their way: taken unchanged, or decrypted in memory and encrypted by the declared backend. What was
//! read is never changed.

use std::collections::{BTreeMap, BTreeSet};

use artifacts_declared::{InstanceName, Name};
use artifacts_plan::Instance;
use artifacts_report::Failure;
use artifacts_seam::{EntryFiles, Secret};
use artifacts_store::{Generation, Receipt};

use super::commit::Storing;
use super::receipt::{self, GenerationRecord};
use crate::agree::Ticket;
use crate::failure;
use crate::look::adoptable::Adoption;
use crate::look::import_document::SourceDocument;
use crate::look::importable::Taking;
use crate::look::source::StoredValue;
use crate::read::{WantedValue, retrieve_values};
use crate::tools::storages::StorageWriters;
use crate::tools::{Tools, headers};

/// The values of instances by declared file, or why an instance has none.
pub(super) type Values = BTreeMap<InstanceName, Result<Vec<(String, Secret)>, Failure>>;

/// Decrypts the values of these.
pub(super) fn decrypt<'a>(
    tools: &mut Tools,
    instances: &BTreeMap<InstanceName, Instance>,
    takings: impl Iterator<Item = &'a Taking>,
) -> Values {
    let takings: Vec<&Taking> = takings.filter(|taking| taking.decrypts).collect();
    let mut values: Values = takings.iter().map(|taking| (taking.name.clone(), Ok(Vec::new()))).collect();
    let rounds = takings.iter().map(|taking| taking.documents.len()).max().unwrap_or_default();
    // An instance has one document in each round: plugins are asked once a round.
    for round in 0..rounds {
        let asked = takings.iter().filter_map(|taking| {
            let (document, instance) = taking.documents.get(round).zip(instances.get(&taking.name))?;
            values.get(&taking.name)?.is_ok().then_some((document, instance))
        });
        let asked: Vec<(&SourceDocument, &Instance)> = asked.collect();
        let wanted = asked.iter().map(|(document, instance)| (instance.name.clone(), Ok(wanted(document, instance))));
        let wanted: Vec<(InstanceName, WantedValue)> = wanted.collect();
        let mut read = retrieve_values(tools, wanted);
        for (document, instance) in asked {
            let read = read.remove(&instance.name).unwrap_or_else(|| Err(document.source.failure("not read")));
            let read = read.map_err(|failure| document.source.about(&failure));
            let own = read.and_then(|read| own_values(document, &read.files));
            if let Some(all) = values.get_mut(&instance.name) {
                match (&mut *all, own) {
                    (Ok(all), Ok(own)) => all.extend(own),
                    (all, Err(failure)) => *all = Err(failure),
                    (Err(_), Ok(_)) => {}
                }
            }
        }
    }
    values
}

/// A document as the backend of its form reads it: an entry of its own, in memory.
fn wanted(document: &SourceDocument, instance: &Instance) -> (StoredValue, Vec<Name>) {
    let (read, files) = (document.instance(instance), document.entry());
    let names: BTreeSet<Name> = document.values.iter().map(|(read, _)| read.clone()).collect();
    let value = StoredValue {
        headers: headers::in_entry(&read, &files),
        at: instance.name.clone(),
        instance: read,
        backend: document.backend.clone(),
        files,
        public: EntryFiles::new(),
        receipt: None,
        fingerprint: None,
    };
    (value, names.into_iter().collect())
}

/// The values by declared file.
fn own_values(document: &SourceDocument, read: &BTreeMap<Name, Secret>) -> Result<Vec<(String, Secret)>, Failure> {
    let value = |(name, declared): &(Name, Name)| {
        let value = read.get(name).cloned();
        Ok((declared.to_string(), value.ok_or_else(|| document.source.failure("not read"))?))
    };
    document.values.iter().map(value).collect()
}

/// Stores the values of one instance in one commit, and returns its generation. Where no identity decrypts files that its backend
/// takes unchanged, they are taken unchanged.
pub(super) fn store(
    tools: &mut Tools,
    writers: &mut StorageWriters,
    storing: Storing<'_>,
    (taking, values): (Taking, Result<Vec<(String, Secret)>, Failure>),
    ticket: Ticket,
    made_from: &BTreeMap<InstanceName, Generation>,
) -> Result<TakenEntry, Failure> {
    let Storing { instance, found } = storing;
    let is_closed = |failure: &Failure| failure.kind == Some(Failure::NO_IDENTITY);
    let secrets = match (values, taking.adoption) {
        (Err(failure), Some(adoption)) if is_closed(&failure) => {
            return adopt(tools, writers, storing, adoption, ticket, made_from);
        }
        (Ok(_), Some(adoption)) if !taking.decrypts => {
            return adopt(tools, writers, storing, adoption, ticket, made_from);
        }
        (values, _) => values?,
    };
    let stored = storing.serialize(tools, &ticket, None, &secrets);
    let stored = stored.map_err(|stopped| not_text(stopped.failure, &secrets))?;
    let (headers, backend) = (&stored.headers, stored.backend.clone());
    let making = GenerationRecord { instance, found, backend, dependencies: made_from, headers, now: tools.now };
    let receipt = making.receipt()?;
    place(tools, writers, storing, ticket, (stored.files, taking.public), receipt)
        .map(|generation| TakenEntry { generation, is_unchanged: false })
}

/// Names values that no structured file can hold: what a backend says of a plaintext is not shown.
fn not_text(failure: Failure, secrets: &[(String, Secret)]) -> Failure {
    let is_binary = |(_, secret): &&(String, Secret)| std::str::from_utf8(secret.expose()).is_err();
    let names: Vec<String> = secrets.iter().filter(is_binary).map(|(name, _)| format!("`{name}`")).collect();
    if names.is_empty() || failure.message != failure::UNSHOWN {
        return failure;
    }
    let message = format!("{}; not UTF-8, which a structured file cannot hold: {}", failure.message, names.join(", "));
    let hint = "nothing was changed; declare the binary form of its backend, or another backend";
    Failure { message, ..failure }.hint(Some(hint))
}

/// What was stored.
pub(super) struct TakenEntry {
    pub generation: Generation,
    /// Whether the files are those of the other tool.
    pub is_unchanged: bool,
}

fn adopt(
    tools: &mut Tools,
    writers: &mut StorageWriters,
    storing: Storing<'_>,
    adoption: Adoption,
    ticket: Ticket,
    made_from: &BTreeMap<InstanceName, Generation>,
) -> Result<TakenEntry, Failure> {
    tools.headers.learn(storing.instance, &adoption.sealed)?;
    // What it was generated from may have been imported just now.
    let receipt = receipt::renewed(&adoption.entry.receipt, storing.instance, made_from, tools.now);
    let files = (adoption.entry.files, adoption.entry.public);
    place(tools, writers, storing, ticket, files, receipt)
        .map(|generation| TakenEntry { generation, is_unchanged: true })
}

fn place(
    tools: &Tools,
    writers: &mut StorageWriters,
    storing: Storing<'_>,
    ticket: Ticket,
    files: (EntryFiles, EntryFiles),
    receipt: Receipt,
) -> Result<Generation, Failure> {
    let generation = receipt.generation;
    storing.commit(tools, writers, ticket, files, receipt)?;
    Ok(generation)
}
