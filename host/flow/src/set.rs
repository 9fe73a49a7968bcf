//! One file of an instance, given by a person.

use std::collections::BTreeMap;

use artifacts_declared::{InstanceName, Name};
use artifacts_plan::{Instance, ReasonKind, State};
use artifacts_report::{Failure, FileChange};
use artifacts_seam::Secret;
use artifacts_store::{Entry, Generation, Receipt};

use crate::changes::public_changes;
use crate::receipt::{self, Making};
use crate::storing::{Stored, Storing};
use crate::tools::headers;
use crate::{Consent, Found, Survey, Tools, Writers, failure, retrieve_one};

/// Which making of each dependency.
type Generations = BTreeMap<InstanceName, Generation>;

/// Why an instance's file cannot be set, however it is given.
pub fn unsettable(instance: &Instance, found: &Found) -> Option<Failure> {
    let fail = |message: &str, help: String| Some(failure::of(instance, message).hint(Some(help)));
    let name = failure::word(&instance.name);
    match &found.state {
        State::Absent if instance.files.len() > 1 => fail(
            "it is not made yet, and one of its files alone is not all of it",
            format!("`artifacts generate {name}` makes all of them; set this one afterwards"),
        ),
        State::Blocked => {
            fail("it cannot be evaluated yet", "make what it reads first: `artifacts generate`".to_owned())
        }
        State::OnTarget => Some(failure::on_target(instance)),
        State::Error(why) => fail(&why.clone(), "nothing was changed".to_owned()),
        State::Stale(reasons) => match &found.elsewhere {
            // One that is all of its artifact takes the place of the old entry.
            Some(place) if instance.files.len() > 1 => Some(failure::elsewhere(instance, place)),
            Some(_) | None => failure::stale(instance, reasons).or_else(|| of_another(instance, found)),
        },
        State::Absent | State::Present => None,
    }
}

/// Another backend's files cannot be kept beside one that is set.
fn of_another(instance: &Instance, found: &Found) -> Option<Failure> {
    let stored = found.receipt.as_ref().map(|receipt| &receipt.backend.name)?;
    let declared = instance.backend.as_ref().filter(|declared| *declared != stored)?;
    (instance.secret_files().count() > 1).then(|| failure::of_another(instance, stored, declared))
}

/// What becomes of an instance's other files when one is set.
pub struct Others {
    /// They are encrypted anew, since the readers changed.
    pub anew: Vec<String>,
    /// They go: they were secrets, and are not declared as such any more.
    pub gone: Vec<String>,
}

/// What becomes of the others when this file is set. With a public one, the secret ones stay as they lie.
pub fn others(instance: &Instance, found: &Found, file: &Name) -> Others {
    let secret = instance.secret_files().any(|name| name == file);
    let anew = found.stored_files(instance).filter(|name| secret && readers_changed(found) && *name != file);
    let stored = found.receipt.iter().flat_map(|receipt| receipt.recipients.keys());
    let gone = stored.filter(|name| secret && !instance.secret_files().any(|declared| declared == *name));
    Others { anew: anew.map(ToString::to_string).collect(), gone: gone.map(ToString::to_string).collect() }
}

/// Stores a value as one file; the others stay as they are. They are read only when their readers change, too, or when the
/// backend cannot write one file alone. Returns what changed in public files.
///
/// # Errors
/// When it cannot be stored; then nothing was changed.
pub fn set(
    tools: &mut Tools,
    instance: &Instance,
    survey: &Survey,
    consent: &Consent,
    writers: &mut Writers,
    file: &Name,
    value: Secret,
) -> Result<Vec<FileChange>, Failure> {
    let found = survey.found.get(&instance.name).ok_or_else(|| failure::of(instance, "nobody looked at it"))?;
    let made_from = survey.made_from(instance);
    if let Some(fault) = unsettable(instance, found) {
        return Err(fault);
    }
    let storing = Storing { instance, found, consent };
    let slice = storing.slice(tools, writers)?;
    let before = slice.as_ref().map(|slice| slice.public.clone()).unwrap_or_default();
    if instance.files.get(file).is_some_and(|file| file.secret) {
        let stored = secret(tools, storing, slice.clone(), file, value)?;
        let receipt = match found.receipt.as_ref().filter(|_| slice.is_some()) {
            Some(old) => again(tools, storing, old, file, &stored, &made_from)?,
            None => first(tools, storing, &stored, &made_from)?,
        };
        storing.commit(tools, writers, stored.files, before, receipt)?;
        return Ok(Vec::new());
    }
    let mut public = before.clone();
    public.insert(file.to_string(), value.expose().to_vec());
    let (files, receipt) = if let (Some(slice), Some(old)) = (slice, &found.receipt) {
        // The secret files stay as they lie, for whom they were encrypted to.
        (slice.files, newer(tools, instance, old, &made_from)?)
    } else {
        let stored = storing.serialize(tools, None, &[]).map_err(|stopped| stopped.failure)?;
        let receipt = first(tools, storing, &stored, &made_from)?;
        (stored.files, receipt)
    };
    let changes = public_changes(&before, &public);
    storing.commit(tools, writers, files, public, receipt)?;
    Ok(changes)
}

fn secret(
    tools: &mut Tools,
    storing: Storing<'_>,
    slice: Option<Entry>,
    file: &Name,
    value: Secret,
) -> Result<Stored, Failure> {
    let Storing { instance, found, .. } = storing;
    // Only what is stored can be read, and is there to be kept.
    let others: Vec<Name> = found.stored_files(instance).filter(|name| *name != file).cloned().collect();
    let mut secrets = vec![(file.to_string(), value)];
    let mut why = "its readers changed, so all of its files are encrypted anew";
    if others.is_empty() || !readers_changed(found) {
        match storing.serialize(tools, slice.clone(), &secrets) {
            Err(stopped) if stopped.needs_all && !others.is_empty() => {
                why = "its backend writes all of its files as one";
            }
            ended => return ended.map_err(|stopped| stopped.failure),
        }
    }
    let read = retrieve_one(tools, instance, others).map_err(|failure| Failure {
        message: format!("{why}, and the others cannot be read: {}", failure.message),
        ..failure
    })?;
    if Some(read.fingerprint) != found.fingerprint {
        return Err(failure::of(instance, "it changed while it was read").hint(Some("nothing was changed; run again")));
    }
    secrets.extend(read.files.into_iter().map(|(name, secret)| (name.to_string(), secret)));
    storing.serialize(tools, slice, &secrets).map_err(|stopped| stopped.failure)
}

fn readers_changed(found: &Found) -> bool {
    matches!(&found.state, State::Stale(reasons) if reasons.iter().any(|reason| reason.kind == ReasonKind::Recipients))
}

fn first(tools: &Tools, storing: Storing<'_>, stored: &Stored, dependencies: &Generations) -> Result<Receipt, Failure> {
    let Storing { instance, found, .. } = storing;
    let backend = stored.backend.clone();
    Making { instance, found, backend, dependencies, headers: &stored.headers, now: tools.now }.receipt()
}

/// The receipt of a new generation, for the readers of now. What was sealed before counts for the files that stay.
fn again(
    tools: &Tools,
    storing: Storing<'_>,
    old: &Receipt,
    file: &Name,
    stored: &Stored,
    made_from: &Generations,
) -> Result<Receipt, Failure> {
    let Storing { instance, found, .. } = storing;
    let mut headers = headers::listed(instance, old, &stored.files);
    for (name, new) in &stored.headers {
        headers.entry(name.clone()).or_default().extend(new.clone());
    }
    let files = found.stored_files(instance).chain([file]).cloned().collect();
    let receipt = receipt::rewritten(old, instance, found, stored.backend.clone(), &files, &headers)?;
    newer(tools, instance, &receipt, made_from)
}

/// A new generation of a slice. Only what is replaced whole begins to age anew, and counts as made from what lies there now and
/// for what is declared now.
fn newer(tools: &Tools, instance: &Instance, old: &Receipt, made_from: &Generations) -> Result<Receipt, Failure> {
    let receipt =
        if instance.files.len() == 1 { receipt::renewed(old, instance, made_from, tools.now)? } else { old.clone() };
    Ok(Receipt { generation: receipt::generation(instance)?, ..receipt })
}
