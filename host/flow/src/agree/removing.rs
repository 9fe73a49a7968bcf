//! What leaves the trash for good, after a yes.

use std::collections::BTreeMap;

use artifacts_audit::{ConsentRecord, ConsentSubject};
use artifacts_declared::InstanceName;
use artifacts_report::Failure;
use artifacts_store::InTrash;

use super::ask::{self, Tickets};
use super::ticket::{Allows, Ticket};
use crate::chain::Base;
use crate::look::steps::Step;
use crate::look::trash::Restorable;

/// Records what was agreed to, and returns a ticket for the entries of each instance in each storage; the storages are locked now.
pub(crate) fn tickets<'a>(
    base: &mut Base<'_>,
    entries: impl Iterator<Item = &'a Restorable> + Clone,
    by: &str,
) -> Result<Tickets, Failure> {
    ask::record(&base.run.tools, entries.clone().map(|one| consent(one, by)).collect())?;
    let mut by_place: BTreeMap<(&str, &InstanceName), Vec<InTrash>> = BTreeMap::new();
    for one in entries {
        by_place.entry((&one.storage, one.name())).or_default().push(one.entry.clone());
    }
    let mut tickets = Tickets::default();
    for ((storage, name), wanted) in by_place {
        match base.writers.writer(&base.run.tools, storage) {
            Ok(writer) => {
                let ticket = Ticket::new(name.clone(), Allows::Discard(wanted), None, writer, None);
                tickets.insert(storage, ticket);
            }
            Err(failure) => {
                if base.progress.next(|step: &Step| step.name == *name && step.storage == storage).is_some() {
                    base.progress.drop_out(failure);
                }
            }
        }
    }
    Ok(tickets)
}

fn consent(one: &Restorable, by: &str) -> ConsentRecord {
    let (instance, storage) = (one.name().to_string(), one.storage.clone());
    let subject = ConsentSubject::Removal { instance, storage, trashed: one.entry.trashed.clone() };
    ConsentRecord { by: by.to_owned(), subject }
}
