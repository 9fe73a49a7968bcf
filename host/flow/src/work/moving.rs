//! Values that are stored again: decrypted through the backend that stored them, encrypted through the declared one, in memory only.
//!
//! Where a value moves, what was written is decrypted again before it counts. The old entry goes to the trash once the new one is
//! durable and its value is the same. An end at any moment leaves the old entry, both, or the new one; the next run goes on.

use std::collections::{BTreeMap, VecDeque};

use artifacts_declared::{InstanceName, Name};
use artifacts_plan::Instance;
use artifacts_report::Failure;
use artifacts_seam::{EntryFiles, Secret};
use artifacts_session::share_out;
use artifacts_store::{Entry, Fingerprint, Receipt};

use super::commit::{self, Stored, Storing, UncheckedEntry, Unstored, checked, store_all};
use super::receipt;
use crate::agree::{Removal, Ticket, Tickets};
use crate::chain::Base;
use crate::failure;
use crate::look::rekeyable::{is_moved, moves};
use crate::look::source::{Source, StoredValue};
use crate::look::steps::Step;
use crate::look::survey::SurveyedInstance;
use crate::read::{RetrievedFiles, WantedValue, retrieve_values};
use crate::run::Run;
use crate::through::through;
use crate::tools::{Decrypted, Phase, RunEvent, Tools};

/// Secrets of so many instances are in memory at once. Plugins, which may want a touch, are asked once for all of them.
const AT_ONCE: usize = 1000;

/// So many are written before their backend looks at them, in one call, and before a person who wants out is heard; eight workers share
/// them.
const WRITTEN_AT_ONCE: usize = 64;

/// Counts what was done.
#[derive(Debug, Default, Clone, Copy)]
pub(super) struct Counts {
    pub opened: u64,
    pub written: u64,
}

/// Stores the values of all steps again. A failure stops no other.
pub(super) fn store_again(base: &mut Base<'_>, tickets: &mut Tickets) -> Counts {
    let mut counts = Counts::default();
    loop {
        let mut batch = base.progress.next_batch(AT_ONCE);
        if batch.is_empty() {
            break;
        }
        let mut read = read(base, &batch);
        loop {
            let few = base.progress.next_of(&mut batch, WRITTEN_AT_ONCE);
            if few.is_empty() {
                break;
            }
            let read = few.into_iter().map(|Step { name, .. }| {
                let files = read.remove(&name).unwrap_or_else(|| Err(not_read(&name)));
                counts.opened += u64::from(files.is_ok());
                (name, files)
            });
            let read = read.collect();
            let moving = begin(base, tickets, read);
            let written = write(base, moving);
            counts.written += store(base, written);
        }
    }
    base.run.tools.operator.phase(Phase::Idle);
    counts
}

type ReadFiles = BTreeMap<InstanceName, Result<RetrievedFiles, Failure>>;

/// Reads what is stored of these, up to `--jobs` at once. What was never stored is left for anyone who has its value.
fn read(base: &mut Base<'_>, batch: &VecDeque<Step>) -> ReadFiles {
    let Base { run, survey, .. } = base;
    let Run { tools, instances, .. } = &mut **run;
    let sources = batch.iter().filter_map(|step| {
        let (instance, found) = instances.get(&step.name).zip(survey.found.get(&step.name))?;
        Some((instance, Source::of(tools, instance, found)))
    });
    let sources: Vec<(&Instance, Result<Source, Failure>)> = sources.collect();
    let (root, hands) = (&tools.root, tools.hands(sources.len()));
    let wanted = share_out(hands, sources.into_iter(), |(), (instance, source)| {
        let value = source.and_then(|source| source.read(root, instance)?.ok_or_else(|| changed(instance)));
        (
            instance.name.clone(),
            value.map(|value| (value.files_of(instance), value)).map(|(files, value)| (value, files)),
        )
    });
    retrieve_values(tools, wanted)
}

fn not_read(name: &InstanceName) -> Failure {
    Failure::new(name.to_string(), "not read")
}

/// Holds a value on its way.
struct Moving {
    name: InstanceName,
    ticket: Ticket,
    /// The entry that it was read from.
    read: Option<Fingerprint>,
    /// The public files, which stay as they are.
    public: EntryFiles,
    secrets: Vec<(String, Secret)>,
    decrypted: Decrypted,
    /// What is kept of the old entry.
    entry: Option<Entry>,
    /// Whether it is written; else an earlier run has stored it.
    is_written: bool,
}

/// Takes the tickets of values that were read, and reads up to `--jobs` entries at once again: each is still what was read.
fn begin(
    base: &mut Base<'_>,
    tickets: &mut Tickets,
    read: Vec<(InstanceName, Result<RetrievedFiles, Failure>)>,
) -> Vec<Moving> {
    let Base { run, survey, progress, .. } = base;
    let Run { tools, instances, .. } = &**run;
    let taken = read.into_iter().map(|(name, files)| {
        let files = files?;
        let pair = instances.get(&name).zip(survey.found.get(&name));
        let (instance, found) = pair.ok_or_else(|| not_read(&name))?;
        let ticket = tickets.take(&name).ok_or_else(|| failure::not_accepted(instance))?;
        Ok((instance, found, ticket, files))
    });
    let begun = through(taken.collect(), |taken| {
        share_out(tools.hands(taken.len()), taken.into_iter(), |(), (instance, found, ticket, files)| {
            Moving::new(instance, found, ticket, files)
        })
    });
    begun.into_iter().filter_map(|one| one.map_err(|failure| progress.drop_out(failure)).ok()).collect()
}

impl Moving {
    /// A value whose entry is the one that it was read from.
    fn new(
        instance: &Instance,
        found: &SurveyedInstance,
        ticket: Ticket,
        read: RetrievedFiles,
    ) -> Result<Self, Failure> {
        let entry = ticket.source(instance)?.filter(|entry| Some(entry.fingerprint()) == read.fingerprint);
        let entry = entry.ok_or_else(|| changed(instance))?;
        let public = declared_public(instance, entry.public.clone());
        let secrets: Vec<_> = read.files.into_iter().map(|(name, secret)| (name.to_string(), secret)).collect();
        // What moves is written as a whole: nothing of the old form stays.
        let entry = (!moves(instance, found)).then_some(entry);
        let (name, fingerprint, is_written) = (instance.name.clone(), read.fingerprint, !is_moved(found));
        Ok(Self { name, ticket, read: fingerprint, public, secrets, decrypted: read.decrypted, entry, is_written })
    }
}

/// Has the declared backends encrypt values, unless an earlier run did.
fn write(base: &mut Base<'_>, mut moving: Vec<Moving>) -> Vec<(Moving, Option<UncheckedEntry>)> {
    let Base { run, survey, progress, .. } = base;
    let Run { tools, instances, .. } = &mut **run;
    let (mut unwritten, mut faults) = (Vec::new(), BTreeMap::new());
    for one in moving.iter_mut().filter(|one| one.is_written) {
        let pair = instances.get(&one.name).zip(survey.found.get(&one.name));
        let written = pair.ok_or_else(|| not_read(&one.name)).and_then(|(instance, found)| {
            let entry = one.entry.take();
            Storing { instance, found }.unwritten(&one.ticket, entry, &one.secrets, &one.decrypted)
        });
        match written {
            Ok(one) => unwritten.push(one),
            Err(fault) => drop(faults.insert(one.name.clone(), fault)),
        }
    }
    let mut written = commit::write(tools, unwritten).into_iter();
    let mut done = Vec::new();
    for one in moving {
        let ended = match faults.remove(&one.name) {
            Some(fault) => Err(fault),
            None if !one.is_written => Ok(None),
            None => match written.next() {
                Some(ended) => ended.map(Some).map_err(|stopped| stopped.failure),
                None => Err(not_read(&one.name)),
            },
        };
        match ended {
            Ok(written) => done.push((one, written)),
            Err(fault) => progress.drop_out(fault),
        }
    }
    done
}

/// Public files stay as they are; those that are no longer declared go with the old entry.
fn declared_public(instance: &Instance, public: EntryFiles) -> EntryFiles {
    let is_declared = |name: &String| instance.public_files().any(|file| file.as_str() == name);
    public.into_iter().filter(|(name, _)| is_declared(name)).collect()
}

/// A value whose new entry is known: what was written just now with its receipt, or what an earlier run stored.
struct Ready<'a> {
    storing: Storing<'a>,
    ticket: Ticket,
    read: Option<Fingerprint>,
    public: EntryFiles,
    secrets: Vec<(String, Secret)>,
    new: Option<(Stored, Receipt)>,
}

/// Has backends check what they wrote and read back what moves, and replaces the entries. Returns how many.
fn store(base: &mut Base<'_>, moving: Vec<(Moving, Option<UncheckedEntry>)>) -> u64 {
    let Base { run, survey, writers, progress, report, .. } = base;
    let Run { tools, instances, .. } = &mut **run;
    let pair = |name: &InstanceName| instances.get(name).zip(survey.found.get(name));
    let (ready, faults) = checked_ones(tools, moving, pair);
    for fault in faults {
        progress.drop_out(fault);
    }
    let mut verified = read_back(tools, &ready);
    let (mut stored, mut unstored) = (Vec::new(), Vec::new());
    for one in ready {
        let is_same = verified.remove(&one.storing.instance.name).unwrap_or(Ok(()));
        match one.begin_storing(is_same) {
            Ok((one, new)) => {
                stored.push(one);
                unstored.extend(new);
            }
            Err(failure) => progress.drop_out(failure),
        }
    }
    let mut removals = store_all(tools, writers, unstored).into_iter();
    let mut count = 0;
    for one in stored {
        let (instance, found) = (one.storing.instance, one.storing.found);
        let is_written = one.files.is_some();
        let removal =
            if is_written { removals.next().unwrap_or_else(|| Err(not_read(&instance.name))) } else { Ok(None) };
        match removal.and_then(|removal| one.end(tools, removal)) {
            Ok(gone) => {
                count += u64::from(is_written);
                progress.finish(instance.name.clone());
                if let Some(row) = report.rows.get_mut(&instance.name) {
                    row.notes.extend(moved_note(found, gone));
                }
                let (count, total) = (progress.tally().done, progress.tally().steps);
                tools.operator.notify(&RunEvent::Reencrypted { name: &instance.name, count, total });
            }
            Err(failure) => progress.drop_out(failure),
        }
    }
    count
}

/// Has backends look at what they wrote, and writes the receipts.
fn checked_ones<'a>(
    tools: &mut Tools,
    moving: Vec<(Moving, Option<UncheckedEntry>)>,
    pair: impl Fn(&InstanceName) -> Option<(&'a Instance, &'a SurveyedInstance)>,
) -> (Vec<Ready<'a>>, Vec<Failure>) {
    let (mut ready, mut unchecked, mut faults) = (Vec::new(), Vec::new(), Vec::new());
    for (Moving { name, ticket, read, public, secrets, .. }, written) in moving {
        let Some((instance, found)) = pair(&name) else { continue };
        let storing = Storing { instance, found };
        let is_new = written.is_some();
        unchecked.extend(written.map(|written| (storing, written)));
        ready.push((is_new, Ready { storing, ticket, read, public, secrets, new: None }));
    }
    let mut answers = checked(tools, unchecked).into_iter();
    let mut well = Vec::new();
    for (is_new, one) in ready {
        if !is_new {
            well.push(one);
            continue;
        }
        let Storing { instance, found } = one.storing;
        let answer = answers.next().unwrap_or_else(|| Err(not_read(&instance.name)));
        let with_receipt = answer.and_then(|stored| {
            let old = found.receipt.as_ref().ok_or_else(|| changed(instance))?;
            let files = found.stored_files(instance).cloned().collect();
            let receipt = receipt::rewritten(old, instance, found, stored.backend.clone(), &files, &stored.headers)?;
            Ok((stored, receipt))
        });
        match with_receipt {
            Ok(new) => well.push(Ready { new: Some(new), ..one }),
            Err(fault) => faults.push(fault),
        }
    }
    (well, faults)
}

type ReadBack = BTreeMap<InstanceName, Result<(), Failure>>;

/// Decrypts again what moves, and compares it with what was read. What stays where it is was written by the backend that reads it.
fn read_back(tools: &mut Tools, ready: &[Ready<'_>]) -> ReadBack {
    let moving = ready.iter().filter(|one| moves(one.storing.instance, one.storing.found));
    let moving: Vec<&Ready<'_>> = moving.collect();
    let wanted = moving.iter().map(|one| {
        let names = one.secrets.iter().map(|(name, _)| Name::new(name.clone()));
        let names: Result<Vec<Name>, _> = names.collect();
        let names = names.map_err(|error| failure::for_instance(one.storing.instance, error.to_string()));
        let value = names.and_then(|names| Ok((one.value(tools)?, names)));
        (one.storing.instance.name.clone(), value)
    });
    let wanted: Vec<(InstanceName, WantedValue)> = wanted.collect();
    let mut read = retrieve_values(tools, wanted);
    let compared = |one: &&Ready<'_>| {
        let name = &one.storing.instance.name;
        let read = read.remove(name).unwrap_or_else(|| Err(not_read(name)));
        (name.clone(), read.and_then(|read| one.compare(&read)))
    };
    moving.iter().map(compared).collect()
}

impl Ready<'_> {
    /// The new entry as its backend has to read it: from memory, or as it is stored.
    fn value(&self, tools: &Tools) -> Result<StoredValue, Failure> {
        let instance = self.storing.instance;
        if let Some((stored, receipt)) = &self.new {
            return Ok(StoredValue {
                instance: instance.clone(),
                at: instance.name.clone(),
                backend: receipt.backend.name.clone(),
                files: stored.files.clone(),
                public: self.public.clone(),
                headers: stored.headers.clone(),
                receipt: Some(receipt.clone()),
                fingerprint: None,
            });
        }
        let stored = Source::own(tools, instance)?.read(&tools.root, instance)?.ok_or_else(|| changed(instance))?;
        let public = declared_public(instance, stored.public.clone());
        if public == self.public { Ok(stored) } else { Err(self.differs()) }
    }

    /// Compares what was read back with what was read before.
    fn compare(&self, read: &RetrievedFiles) -> Result<(), Failure> {
        let same =
            |(name, secret): &(String, Secret)| read.files.get(name.as_str()).is_some_and(|one| one.is_same(secret));
        if self.secrets.iter().all(same) { Ok(()) } else { Err(self.differs()) }
    }

    fn differs(&self) -> Failure {
        let instance = self.storing.instance;
        if self.new.is_some() {
            return failure::for_instance(instance, "the backend stored another value than it was given")
                .hint(Some("nothing was changed; report this to the author of the backend"));
        }
        failure::for_instance(instance, "its new entry has another value than the old one")
            .hint(Some("both were left as they are; compare them, and remove one"))
    }
}

/// A value whose new entry is stored.
struct StoredAgain<'a> {
    storing: Storing<'a>,
    /// The entry that it was read from.
    read: Option<Fingerprint>,
    /// What was written; none where an earlier run did.
    files: Option<EntryFiles>,
    /// What allows to trash the entry that it comes from, where an earlier run has stored the new one.
    removal: Option<Removal>,
    /// Whether the new entry was read back.
    is_same: Result<(), Failure>,
}

impl<'a> Ready<'a> {
    /// Begins to store a value whose new entry was read back. What cannot be read back with these identities is stored beside the old
    /// entry, or not at all where it would replace it.
    fn begin_storing(self, is_same: Result<(), Failure>) -> Result<(StoredAgain<'a>, Option<Unstored<'a>>), Failure> {
        let Self { storing, ticket, read, public, new, .. } = self;
        let Storing { instance, found } = storing;
        match &is_same {
            Err(why) if why.kind != Some(Failure::NO_IDENTITY) => return Err(why.clone()),
            Err(why) if found.elsewhere.is_none() => return Err(unverified(instance, why)),
            _ => {}
        }
        let Some((stored, receipt)) = new else {
            return Ok((StoredAgain { storing, read, files: None, removal: ticket.into_removal(), is_same }, None));
        };
        let files = Some(stored.files.clone());
        let unstored = Unstored { storing, ticket, files: stored.files, public, receipt };
        Ok((StoredAgain { storing, read, files, removal: None, is_same }, Some(unstored)))
    }
}

impl StoredAgain<'_> {
    /// Trashes the entry that it comes from, and returns where that is now, if it was another than the new one.
    fn end(self, tools: &Tools, removal: Option<Removal>) -> Result<Option<String>, Failure> {
        let Self { storing: Storing { instance, found }, read, files, is_same, .. } = self;
        let Some(removal) = self.removal.or(removal) else { return Ok(None) };
        if let Some(files) = files {
            check_stored(tools, instance, &files)?;
        }
        is_same.map_err(|why| left(instance, found, &removal, &why))?;
        let storage = removal.storage().to_owned();
        Ok(removal.remove_read(read)?.map(|_| storage))
    }
}

/// The bytes that were decrypted are those that are stored.
fn check_stored(tools: &Tools, instance: &Instance, files: &EntryFiles) -> Result<(), Failure> {
    let stored = Source::own(tools, instance)?.read(&tools.root, instance)?;
    if stored.is_some_and(|stored| stored.files == *files) { Ok(()) } else { Err(changed(instance)) }
}

fn moved_note(found: &SurveyedInstance, gone: Option<String>) -> Option<String> {
    let storage = gone?;
    Some(match &found.former {
        Some(former) => format!("the entry of {} in `{storage}` was moved to the trash", former.short()),
        None => format!("the entry in `{storage}` was moved to the trash"),
    })
}

fn changed(instance: &Instance) -> Failure {
    failure::for_instance(instance, "it changed during this run")
        .hint(Some("nothing was changed; run the command again"))
}

/// A value that stays where it is, since its new entry was not read back.
fn unverified(instance: &Instance, why: &Failure) -> Failure {
    let message = format!("unchanged, since no one could verify its new entry: {}", why.message);
    Failure { kind: why.kind, ..failure::for_instance(instance, message) }
        .compared(why.details.comparison.clone())
        .hint(Some("pass an identity of one of its declared recipients with `-i FILE`"))
}

/// A value that is stored in its new place, while the old entry is left: no one could read the new one.
fn left(instance: &Instance, found: &SurveyedInstance, removal: &Removal, why: &Failure) -> Failure {
    let former = found.former.as_ref().unwrap_or(&instance.name);
    let message = format!(
        "stored, but the old entry `{}/{former}` was left, since the new one could not be decrypted: {}",
        removal.storage(),
        why.message
    );
    let name = failure::quoted_name(&instance.name);
    let command = match &found.former {
        Some(former) => format!("artifacts rename {} {name}", failure::quoted_name(former)),
        None => format!("artifacts rekey {name}"),
    };
    let hint = format!("someone with such an identity can finish it: `{command}`");
    failure::for_instance(instance, message).compared(why.details.comparison.clone()).hint(Some(hint))
}
