//! What comes back from the trash may be encrypted to someone who left: that is shown and asked.

use std::collections::BTreeSet;
use std::time::Duration;

use artifacts_declared::InstanceName;
use artifacts_report::{Failure, RecipientChange};
use artifacts_text::counted;
use artifacts_trust::AcceptedRecipients;

use super::ask::{self, Tickets};
use super::recipients::digest;
use super::refused::{drop_out, refuse};
use super::ticket::{Allows, Ticket};
use crate::chain::Base;
use crate::look::steps::Step;
use crate::look::trash::{Restorable, Return};
use crate::tools::Answer;

/// Returns for each file of an entry who can decrypt it and is not accepted for it, as a change from those who are.
pub(crate) fn unaccepted(known: &AcceptedRecipients, wanted: &Restorable) -> Vec<RecipientChange> {
    let instance = wanted.name().to_string();
    let accepted = known.instance(&instance);
    let changes = wanted.recipients().map(|(file, after)| {
        let before = accepted.and_then(|accepted| accepted.files.get(file.as_str())).cloned().unwrap_or_default();
        let is_first = before.is_empty();
        RecipientChange { instance: instance.clone(), file: file.to_string(), before, after: after.clone(), is_first }
    });
    changes.filter(|change| !change.after.is_subset(&change.before)).collect()
}

/// Asks about the recipients that are not accepted, and returns a ticket for each entry that may come back; the storages are locked now.
/// That they can decrypt an old value is no consent to encrypt another to them: nothing is remembered but in the audit log.
pub(crate) fn tickets(base: &mut Base<'_>, returns: &[Return]) -> Result<Tickets, Failure> {
    let known = base.run.tools.recipients()?;
    let changes: Vec<RecipientChange> = returns.iter().flat_map(|one| unaccepted(&known, &one.wanted)).collect();
    if !changes.is_empty() {
        agree(base, returns, &known, &changes)?;
    }
    // What comes back must not be emptied from the trash by that.
    base.run.tools.storing.keep.age = Duration::MAX;
    let mut tickets = Tickets::default();
    let names = base.progress.names();
    for one in returns.iter().filter(|one| names.contains(one.wanted.name())) {
        let name = one.wanted.name();
        let storages = one.stored.keys().chain([&one.wanted.storage]);
        for storage in storages.collect::<BTreeSet<_>>() {
            let (allows, replaces) = if *storage == one.wanted.storage {
                let replaces = one.stored.get(storage).map(|(fingerprint, _)| *fingerprint);
                (Allows::Return(one.wanted.entry.clone()), replaces)
            } else {
                (Allows::Removal, None)
            };
            match base.writers.writer(&base.run.tools, storage) {
                Ok(writer) => tickets.insert(storage, Ticket::new(name.clone(), allows, replaces, writer, None)),
                Err(failure) => leave(base, name, failure),
            }
        }
    }
    Ok(tickets)
}

/// Drops the step of an entry out, unless it has left before.
fn leave(base: &mut Base<'_>, name: &InstanceName, failure: Failure) {
    if base.progress.next(|step: &Step| step.name == *name).is_some() {
        base.progress.drop_out(failure);
    }
}

/// Asks whether entries may come back that these can decrypt. Those of a no leave the chain.
fn agree(
    base: &mut Base<'_>,
    returns: &[Return],
    known: &AcceptedRecipients,
    changes: &[RecipientChange],
) -> Result<(), Failure> {
    base.name(changes, Some(known));
    base.report.recipients.extend(changes.iter().cloned());
    let digest = digest(changes);
    let answer = ask::show(base, changes, digest.as_deref())?;
    let is_asked = |one: &&Return| changes.iter().any(|change| change.instance == one.wanted.name().to_string());
    let names = returns.iter().filter(is_asked).map(|one| one.wanted.name().clone()).collect();
    let secrets = counted(artifacts_report::changed_secrets(changes), "secret");
    match answer {
        Answer::Yes { by } => {
            let consents = changes.iter().map(|change| ask::accepted_recipients(change, by)).collect();
            return ask::record(&base.run.tools, consents);
        }
        Answer::No => refuse(base, &names, &format!("the recipients of {secrets} were not accepted"), false),
        Answer::NoOne => {
            let failure = ask::unaccepted(secrets, changes, &base.report.names, digest.as_deref().unwrap_or_default());
            drop_out(base, &names, failure, false);
        }
    }
    base.report.recipients_digest = digest;
    Ok(())
}
