//! Questions, and the tickets that follow from a yes.

use std::collections::{BTreeMap, BTreeSet};

use artifacts_audit::{ConsentRecord, ConsentSubject};
use artifacts_declared::InstanceName;
use artifacts_report::{
    AnswerRequest, Failure, ReadRequest, RecipientChange, RecipientNames, changed_secrets, recipient_summary,
};
use artifacts_text::counted;

use super::allowed::Allowed;
use super::answer_access::AnswerRequests;
use super::read_access::ReadRequests;
use super::recipients::{Consent, RecipientQuestions, WriteKind};
use super::refused::{drop_out, refuse};
use super::ticket::{Allows, Removal, Ticket};
use crate::chain::Base;
use crate::run::Run;
use crate::tools::{Answer, Question, RunEvent, Tools};

/// Holds the tickets of a chain, by instance and storage.
#[derive(Default)]
pub struct Tickets(BTreeMap<(InstanceName, String), Ticket>);

impl Tickets {
    /// Takes the ticket of an instance.
    pub(crate) fn take(&mut self, name: &InstanceName) -> Option<Ticket> {
        let first = self.0.range((name.clone(), String::new())..).next();
        let key = first.map(|(key, _)| key).filter(|(of, _)| of == name)?.clone();
        self.0.remove(&key)
    }

    /// Adds the ticket of an entry in a storage.
    pub(super) fn insert(&mut self, storage: &str, ticket: Ticket) {
        self.0.insert((ticket.name().clone(), storage.to_owned()), ticket);
    }

    /// Takes the ticket of an entry in a storage.
    pub(crate) fn take_in(&mut self, name: &InstanceName, storage: &str) -> Option<Ticket> {
        self.0.remove(&(name.clone(), storage.to_owned()))
    }
}

/// Has the steps drop out that cannot be stored.
pub(crate) fn keep_storable(base: &mut Base<'_>, is_chained: bool) {
    let Base { run, writers, progress, .. } = base;
    let fault = |instance: &artifacts_plan::Instance| writers.lock_failure(instance, &run.tools);
    if is_chained {
        progress.keep_chained(&run.instances, fault);
    } else {
        progress.keep(&run.instances, fault);
    }
}

/// Returns tickets for the steps that `allows` agrees to, each in a storage that is locked. The others drop out. Where the value is
/// taken from another entry, that goes; where it is replaced, a copy in a storage of no backend stays.
fn tickets(
    base: &mut Base<'_>,
    is_chained: bool,
    is_taken: bool,
    allows: impl Fn(&artifacts_plan::Instance) -> Result<Allows, Failure>,
) -> Tickets {
    let mut tickets = Tickets::default();
    let Base { run, survey, writers, progress, .. } = base;
    let mut admit = |instance: &artifacts_plan::Instance| {
        let found = survey.found.get(&instance.name);
        let other = found.and_then(|found| found.elsewhere.as_ref()).filter(|place| place.declared || is_taken);
        let former = found.and_then(|found| found.former.as_ref()).unwrap_or(&instance.name);
        let ticket = || {
            let (allows, writer) = (allows(instance)?, writers.own(instance, &run.tools)?);
            let other = other.map(|place| writers.writer(&run.tools, &place.storage)).transpose()?;
            let other = other.map(|writer| Removal::new(former.clone(), writer));
            let replaces = found.and_then(|found| found.fingerprint);
            Ok(Ticket::new(instance.name.clone(), allows, replaces, writer, other))
        };
        match { ticket }() {
            Ok(ticket) => {
                let storage = run.tools.storage_of(instance).unwrap_or_default();
                tickets.0.insert((instance.name.clone(), storage), ticket);
                None
            }
            Err(failure) => Some(failure),
        }
    };
    if is_chained {
        progress.keep_chained(&run.instances, &mut admit);
    } else {
        progress.keep(&run.instances, &mut admit);
    }
    tickets
}

/// Returns tickets under which nothing is encrypted.
pub(crate) fn without_encryption(base: &mut Base<'_>) -> Tickets {
    keep_storable(base, false);
    tickets(base, false, false, |_| Ok(Allows::Nothing))
}

/// Returns tickets to trash these entries, each given by its storage and name; the storages are locked now.
pub(crate) fn removals(base: &mut Base<'_>, entries: &[(String, InstanceName)]) -> Tickets {
    let mut tickets = Tickets::default();
    for (storage, name) in entries {
        match base.writers.writer(&base.run.tools, storage) {
            Ok(writer) => {
                let ticket = Ticket::new(name.clone(), Allows::Removal, None, writer, None);
                tickets.0.insert((name.clone(), storage.clone()), ticket);
            }
            Err(failure) => {
                let is_it = |step: &crate::look::steps::Step| step.name == *name && step.storage == *storage;
                if base.progress.next(is_it).is_some() {
                    base.progress.drop_out(failure);
                }
            }
        }
    }
    tickets
}

/// Compares the recipients of the steps with those that were accepted, for a preview, and adds to the report what the question would
/// show, and whose all the recipients in it are. Who passes the digest later accepts what is in there.
pub(crate) fn preview_recipients(
    base: &mut Base<'_>,
    plaintext: WriteKind<'_>,
    stored: &[RecipientChange],
) -> Result<(), Failure> {
    let (known, names) = (base.run.tools.recipients()?, base.progress.names());
    let asked = RecipientQuestions::new(&known, base.run.among(&names), &base.survey, plaintext);
    base.report.recipients_digest = asked.digest();
    base.report.recipients = shown(stored, &asked.changes);
    base.name(&[], Some(&known));
    Ok(())
}

/// Shows the recipients of the steps that were not accepted yet, asks, and stores the answer. `stored` are changes of recipients by
/// what is stored, which are shown as well. Returns what was asked about, and tickets for what was agreed to.
pub(crate) fn recipients(
    base: &mut Base<'_>,
    plaintext: WriteKind<'_>,
    stored: &[RecipientChange],
    is_chained: bool,
) -> Result<(Vec<RecipientChange>, Tickets), Failure> {
    // No one is asked about what cannot be stored.
    keep_storable(base, is_chained);
    let (mut known, names) = (base.run.tools.recipients()?, base.progress.names());
    let asked = RecipientQuestions::new(&known, base.run.among(&names), &base.survey, plaintext);
    let (changes, digest) = (asked.changes.clone(), asked.digest());
    let shown = shown(stored, &changes);
    base.name(&shown, Some(&known));
    let answer = show(base, &shown, digest.as_deref())?;
    if let Answer::Yes { by } = answer {
        record(&base.run.tools, changes.iter().map(|change| accepted_recipients(change, by)).collect())?;
    } else {
        let (names, secrets) = (asked.asked(), counted(changed_secrets(&changes), "secret"));
        if answer == Answer::No {
            refuse(base, &names, &format!("the recipients of {secrets} were not accepted"), is_chained);
        } else {
            let failure = unaccepted(secrets, &changes, &base.report.names, digest.as_deref().unwrap_or_default());
            drop_out(base, &names, failure, is_chained);
        }
    }
    base.report.recipients_digest = digest.filter(|_| !answer.is_yes());
    let labels = {
        let names = base.survey.names(&base.run.tools, Some(&known));
        asked.labels(&names, answer.is_yes())
    };
    let mut consent: Consent = asked.settle(&mut known, answer.is_yes(), &labels)?;
    let Run { tools, state, .. } = &mut *base.run;
    state.acceptances.add(std::mem::take(&mut consent.joining), &tools.state, &tools.checkout);
    let is_taken = plaintext == WriteKind::Stored;
    let tickets = tickets(base, is_chained, is_taken, |instance| plaintext.allows(instance, &consent));
    Ok((changes, tickets))
}

/// Shows these changes, and asks where something has to be accepted.
pub(super) fn show(base: &mut Base<'_>, changes: &[RecipientChange], digest: Option<&str>) -> Result<Answer, Failure> {
    let Base { run, report, .. } = base;
    let (operator, names) = (&mut run.tools.operator, &report.names);
    if let Some(digest) = digest {
        return operator.confirm(&Question::Recipients { changes, names, digest });
    }
    if !changes.is_empty() {
        operator.notify(&RunEvent::RecipientChanges { changes, names, preview: false });
    }
    Ok(Answer::Yes { by: "" })
}

/// The one failure of all these secrets, whose recipients no one could be asked about.
pub(super) fn unaccepted(
    secrets: String,
    changes: &[RecipientChange],
    names: &RecipientNames,
    digest: &str,
) -> Failure {
    let who = recipient_summary(changes, names);
    let hint = format!(
        "review the recipients, then pass `--accept-recipients={digest}` for exactly these, or `--accept-recipients`"
    );
    Failure::new(secrets, format!("recipients were not accepted: {who}")).hint(Some(hint))
}

/// Returns the changes to show: all that are asked about, and those of what is stored. A file whose recipients are asked about as a
/// first use is shown as that alone: what a receipt says they were before is no evidence.
fn shown(stored: &[RecipientChange], asked: &[RecipientChange]) -> Vec<RecipientChange> {
    let of = |change: &RecipientChange| (change.instance.clone(), change.file.clone());
    let first: BTreeSet<_> = asked.iter().filter(|change| change.before.is_empty()).map(of).collect();
    let stored: Vec<&RecipientChange> = stored.iter().filter(|change| !first.contains(&of(change))).collect();
    let already: BTreeSet<&RecipientChange> = stored.iter().copied().collect();
    let others = asked.iter().filter(|change| !already.contains(change));
    stored.into_iter().chain(others).cloned().collect()
}

/// Shows which generators want to read secrets for the first time, asks, and stores the answer. Returns what may be read, what was
/// asked about, and the answer.
pub(crate) fn read_access(
    tools: &mut Tools,
    asked: ReadRequests,
) -> Result<(Allowed, Vec<ReadRequest>, Answer), Failure> {
    let unknown = asked.unknown(&tools.trust)?;
    let answer = allow(tools, &unknown, &Question::ReadAccess(&unknown), accepted_reading)?;
    Ok((asked.settle(&tools.trust, answer.is_yes())?, unknown, answer))
}

/// Shows which generators would get answers for the first time and could pass them on, asks, and stores the answer. Returns the
/// instances whose generators get none, what was asked about, and the answer.
pub(crate) fn answer_access(
    tools: &mut Tools,
    asked: AnswerRequests,
) -> Result<(BTreeSet<InstanceName>, Vec<AnswerRequest>, Answer), Failure> {
    let unknown = asked.unknown(&tools.trust)?;
    let answer = allow(tools, &unknown, &Question::AnswerAccess(&unknown), accepted_answers)?;
    Ok((asked.settle(&tools.trust, answer.is_yes())?, unknown, answer))
}

/// Asks about what is unknown, if anything is, and records a yes.
fn allow<T>(
    tools: &mut Tools,
    unknown: &[T],
    question: &Question<'_>,
    consent: impl Fn(&T, &str) -> ConsentRecord,
) -> Result<Answer, Failure> {
    if unknown.is_empty() {
        return Ok(Answer::Yes { by: "" });
    }
    let answer = tools.operator.confirm(question)?;
    if let Answer::Yes { by } = answer {
        record(tools, unknown.iter().map(|one| consent(one, by)).collect())?;
    }
    Ok(answer)
}

pub(super) fn record(tools: &Tools, consents: Vec<ConsentRecord>) -> Result<(), Failure> {
    let failed = |e: artifacts_audit::Error| Failure::about("audit", e);
    tools.audit.as_ref().map_or(Ok(()), |log| log.consent(consents).map_err(failed))
}

pub(super) fn accepted_recipients(change: &RecipientChange, by: &str) -> ConsentRecord {
    let subject = ConsentSubject::Recipients {
        instance: change.instance.clone(),
        file: change.file.clone(),
        recipients: change.after.iter().cloned().collect(),
    };
    ConsentRecord { by: by.to_owned(), subject }
}

fn accepted_reading(reading: &ReadRequest, by: &str) -> ConsentRecord {
    let subject = ConsentSubject::ReadAccess {
        instance: reading.dependent.clone(),
        dependency: reading.dependency.clone(),
        generator: reading.generator.clone(),
        sha256: reading.sha256.clone(),
    };
    ConsentRecord { by: by.to_owned(), subject }
}

fn accepted_answers(request: &AnswerRequest, by: &str) -> ConsentRecord {
    let AnswerRequest { instance, prompts, generator, sha256, network, public } = request.clone();
    let subject = ConsentSubject::Answers { instance, prompts, generator, sha256, network, public };
    ConsentRecord { by: by.to_owned(), subject }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn change(file: &str, before: &[&str], after: &[&str]) -> RecipientChange {
        let set = |keys: &[&str]| keys.iter().map(ToString::to_string).collect();
        RecipientChange {
            instance: "shared/a".to_owned(),
            file: file.to_owned(),
            before: set(before),
            after: set(after),
            is_first: before.is_empty(),
        }
    }

    #[test]
    fn all_that_is_asked_about_is_shown_once_whatever_a_receipt_says() {
        let befores: [&[&str]; 4] = [&[], &["k1"], &["k1", "k2"], &["gone"]];
        let after = ["k1", "k2", "k3"];
        let some = |file| befores.map(|before| Some(change(file, before, &after))).into_iter().chain([None]);
        for (asked, stored) in some("f").flat_map(|asked| some("f").map(move |stored| (asked.clone(), stored))) {
            for other in some("g") {
                let stored: Vec<_> = stored.iter().chain(&other).cloned().collect();
                let asked: Vec<_> = asked.iter().chain(&other).cloned().collect();
                let shown = shown(&stored, &asked);
                for one in &asked {
                    assert_eq!(shown.iter().filter(|it| *it == one).count(), 1, "{one:?} of {stored:?} and {asked:?}");
                }
            }
        }
    }

    #[test]
    fn a_first_use_is_shown_without_what_a_receipt_says() {
        let (asked, stored) = (change("f", &[], &["k1"]), change("f", &["k2"], &["k1"]));
        assert_eq!(shown(std::slice::from_ref(&stored), std::slice::from_ref(&asked)), [asked]);
        assert_eq!(shown(std::slice::from_ref(&stored), &[]), [stored]);
    }
}
