//! Encrypting anew to whom is declared now: the secrets stay as they are.

use std::collections::{BTreeMap, BTreeSet};

use artifacts_declared::InstanceName;
use artifacts_plan::{Cause, Instance, Reason, ReasonKind, State};
use artifacts_report::{Failure, ReaderChange};
use artifacts_seam::EntryFiles;

use crate::storing::{Storing, Written, checked};
use crate::{Consent, Found, Read, Survey, Tools, Writers, failure, receipt, retrieve};

/// Secrets of so many instances are in memory at once. Plugins, which may want a touch, are asked once for all of them.
const AT_ONCE: usize = 1000;

/// So many are written before their backend looks at them, in one call, and before a person who wants out is heard.
const WRITTEN_AT_ONCE: usize = 16;

/// What came of it.
#[derive(Debug, Default)]
pub struct Rekeyed {
    /// The instances that are encrypted anew.
    pub done: BTreeSet<InstanceName>,
    /// How many instances were opened.
    pub opened: u64,
    /// How many were written.
    pub written: u64,
    /// What failed, and is as it was.
    pub failures: Vec<Failure>,
}

/// Whether an instance is to be encrypted anew: its recipients changed, it has files that are no longer declared, or it is stored
/// and all are wanted. Of one that is not stored as its receipt says nobody knows the recipients; it is wanted, and will fail, so
/// that nobody takes it for done.
pub fn wants_rekey(state: &State, all: bool) -> bool {
    let wants = |reason: &Reason| match reason.kind {
        ReasonKind::Recipients | ReasonKind::Receipt => true,
        ReasonKind::Files => matches!(reason.cause, Cause::Undeclared(_)),
        ReasonKind::Backend
        | ReasonKind::Dependency
        | ReasonKind::Expired
        | ReasonKind::Format
        | ReasonKind::Validation => false,
    };
    match state {
        State::Stale(reasons) => all || reasons.iter().any(wants),
        State::Present => all,
        State::Absent | State::OnTarget | State::Blocked | State::Error(_) => false,
    }
}

/// Why an instance cannot be encrypted anew, as far as can be told without opening it.
pub fn unopenable(instance: &Instance, found: &Found) -> Option<Failure> {
    if let Some(place) = &found.elsewhere {
        return Some(failure::elsewhere(instance, place));
    }
    let stored = found.receipt.as_ref().map(|receipt| &receipt.backend.name);
    if let Some((stored, declared)) =
        stored.zip(instance.backend.as_ref()).filter(|(stored, declared)| stored != declared)
    {
        return Some(failure::of_another(instance, stored, declared));
    }
    if let Some(fault) = failure::stale(instance, found.state.reasons()) {
        return Some(fault);
    }
    // All that is stored would go: that is no way to keep a value.
    let nothing = instance.secret_files().next().is_some() && found.stored_files(instance).next().is_none();
    nothing.then(|| {
        let names = found.receipt.iter().flat_map(|receipt| receipt.recipients.keys().map(ToString::to_string));
        let names: Vec<String> = names.collect();
        let help = format!("declare what is stored again ({})", names.join(", "));
        failure::of(instance, "none of its declared files was ever stored").hint((!names.is_empty()).then_some(help))
    })
}

/// Why an instance's secrets cannot be read back at all: its backend has no way to.
pub fn unretrievable(tools: &mut Tools, instance: &Instance) -> Option<Failure> {
    instance.secret_files().next()?;
    let backend = instance.backend.as_ref()?;
    // One that cannot be opened says so where it is asked.
    let opened = tools.backends.open(backend).ok()?;
    if opened.terms.retrieves {
        return None;
    }
    let name = failure::word(&instance.name);
    let help = format!(
        "declare the recipients as before; new value: `artifacts generate --regenerate {name}` makes one, \
         `artifacts set {name} FILE` takes yours"
    );
    Some(failure::of(instance, format!("its backend `{backend}` cannot read secrets back")).hint(Some(help)))
}

/// Who read each file by the receipt, and who will; and whom the backend cannot write for.
pub fn stored_readers<'a>(instances: impl Iterator<Item = &'a Instance>, survey: &Survey) -> Vec<ReaderChange> {
    let mut changes = Vec::new();
    for instance in instances {
        let Some(found) = survey.found.get(&instance.name) else { continue };
        changes.extend(survey.other_recipients(instance));
        let Some(receipt) = &found.receipt else { continue };
        for (file, after) in &found.readers {
            let after: BTreeSet<String> = after.iter().cloned().collect();
            let before =
                receipt.recipients.iter().find(|(name, _)| name.as_str() == file).map(|(_, readers)| readers.clone());
            let Some(before) = before.filter(|before| *before != after) else { continue };
            changes.push(ReaderChange { instance: instance.name.to_string(), file: file.clone(), before, after });
        }
    }
    changes
}

/// Opens each instance and writes it anew, one by one: an end at any moment leaves each as it was or as it shall be, and the
/// next run does the others. A failure stops no other.
pub fn rekey(
    tools: &mut Tools,
    instances: &BTreeMap<InstanceName, Instance>,
    survey: &Survey,
    names: &BTreeSet<InstanceName>,
    consent: &Consent,
    writers: &mut Writers,
    tell: &mut dyn FnMut(&InstanceName),
) -> Rekeyed {
    let mut rekeyed = Rekeyed::default();
    let work: Vec<(&Instance, &Found)> =
        names.iter().filter_map(|name| instances.get(name).zip(survey.found.get(name))).collect();
    for some in work.chunks(AT_ONCE) {
        // What was never stored is left for whoever has its value.
        let stored = |(one, found): &(&Instance, &Found)| found.stored_files(one).cloned().collect();
        let wanted: Vec<_> = some.iter().map(|pair| (pair.0, stored(pair))).collect();
        let mut read = retrieve(tools, &wanted);
        for few in some.chunks(WRITTEN_AT_ONCE) {
            let mut written = Vec::new();
            for (instance, found) in few {
                if tools.cancel.is_set() {
                    break;
                }
                let storing = Storing { instance, found, consent };
                let missing = || Err(failure::of(instance, "it was not read"));
                let ended = read.remove(&instance.name).unwrap_or_else(missing).and_then(|read| {
                    rekeyed.opened += 1;
                    write(tools, storing, read, writers)
                });
                match ended {
                    Ok((public, one)) => written.push((storing, public, one)),
                    Err(failure) => rekeyed.failures.push(failure),
                }
            }
            store(tools, written, writers, &mut rekeyed, tell);
            if tools.cancel.is_set() {
                rekeyed.end(&work);
                return rekeyed;
            }
        }
    }
    rekeyed
}

impl Rekeyed {
    /// Tells what was not reached before the person wanted out, if anything.
    fn end(&mut self, work: &[(&Instance, &Found)]) {
        let failed: BTreeSet<&str> = self.failures.iter().map(|failure| failure.subject.as_str()).collect();
        let reached = |name: &InstanceName| self.done.contains(name) || failed.contains(name.to_string().as_str());
        let mut left = work.iter().map(|(instance, _)| &instance.name).filter(|name| !reached(name)).peekable();
        let ended = left.peek().is_some().then(|| failure::ended(left));
        self.failures.extend(ended);
    }
}

/// Has the backend encrypt an instance anew. Returns its public files, which stay as they are, and what it wrote.
fn write(
    tools: &mut Tools,
    storing: Storing<'_>,
    read: Read,
    writers: &Writers,
) -> Result<(EntryFiles, Written), Failure> {
    let slice = storing.slice(tools, writers)?.filter(|slice| slice.fingerprint() == read.fingerprint);
    let slice = slice.ok_or_else(|| changed(storing.instance))?;
    let public = declared_public(storing.instance, slice.public.clone());
    let secrets: Vec<_> = read.files.into_iter().map(|(name, secret)| (name.to_string(), secret)).collect();
    let written = storing.write(tools, Some(slice), &secrets).map_err(|stopped| stopped.failure)?;
    Ok((public, written))
}

/// Public files stay as they are; those that are no longer declared go with the old entry.
fn declared_public(instance: &Instance, public: EntryFiles) -> EntryFiles {
    let is_declared = |name: &String| instance.public_files().any(|file| file.as_str() == name);
    public.into_iter().filter(|(name, _)| is_declared(name)).collect()
}

/// Has backends look at what they wrote, and exchanges the slices one by one.
fn store(
    tools: &mut Tools,
    written: Vec<(Storing<'_>, EntryFiles, Written)>,
    writers: &mut Writers,
    rekeyed: &mut Rekeyed,
    tell: &mut dyn FnMut(&InstanceName),
) {
    let (kept, written): (Vec<_>, Vec<_>) =
        written.into_iter().map(|(storing, public, one)| ((storing, public), (storing, one))).unzip();
    for ((storing, public), stored) in kept.into_iter().zip(checked(tools, written)) {
        let Storing { instance, found, .. } = storing;
        let ended = stored.and_then(|stored| {
            let old = found.receipt.as_ref().ok_or_else(|| changed(instance))?;
            let files = found.stored_files(instance).cloned().collect();
            let receipt = receipt::rewritten(old, instance, found, stored.backend, &files, &stored.headers)?;
            storing.commit(tools, writers, stored.files, public, receipt)
        });
        match ended {
            Ok(()) => {
                rekeyed.written += 1;
                rekeyed.done.insert(instance.name.clone());
                tell(&instance.name);
            }
            Err(failure) => rekeyed.failures.push(failure),
        }
    }
}

fn changed(instance: &Instance) -> Failure {
    failure::of(instance, "it changed while it was read").hint(Some("nothing was changed; run again"))
}

impl Survey {
    /// What these are after they were encrypted anew: whatever else made them stale still does.
    pub fn rekeyed(&mut self, done: &BTreeSet<InstanceName>) {
        for (_, found) in self.found.iter_mut().filter(|(name, _)| done.contains(*name)) {
            if let State::Stale(reasons) = &mut found.state {
                reasons.retain(|reason| reason.kind != ReasonKind::Recipients);
                if reasons.is_empty() {
                    found.state = State::Present;
                }
            }
        }
    }
}
