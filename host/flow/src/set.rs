//! One file of an instance, given by a person.

use std::collections::BTreeMap;

use artifacts_plan::{Instance, State};
use artifacts_report::Failure;
use artifacts_seam::Secret;
use artifacts_spec::Name;
use artifacts_store::{Receipt, Slice, Time};

use crate::receipt::{self, Making};
use crate::storing::{Stored, Storing, public_changes};
use crate::{Consent, Found, Rooms, Writers, failure, retrieve_one};

/// Why an instance's file cannot be set, however it is given.
pub fn unsettable(instance: &Instance, found: &Found) -> Option<Failure> {
    let fail = |message: &str, help: String| Some(failure::of(instance, message).help(Some(help)));
    let name = &instance.name;
    match &found.state {
        State::Absent if instance.files.len() > 1 => fail(
            "it is not made yet, and one of its files alone is not all of it",
            format!("`artifacts generate {name}` makes all of them; set this one afterwards"),
        ),
        State::Blocked => {
            fail("it cannot be evaluated yet", "make what it reads first: `artifacts generate`".to_owned())
        }
        State::OnTarget => {
            fail("it is made on the target and stored nowhere else", "declare a backend that stores it".to_owned())
        }
        State::Error(why) => fail(&why.clone(), "nothing was changed".to_owned()),
        State::Stale(reasons) => reasons
            .iter()
            .find(|reason| reason.kind == "receipt")
            .map(|reason| failure::differs(instance, &reason.message)),
        State::Absent | State::Present => None,
    }
}

/// Stores a value as one file; the others stay as they are. They are read only when their readers change, too, or when the
/// backend cannot write one file alone. Returns what changed in public files, as a diff.
///
/// # Errors
/// When it cannot be stored; then nothing was changed.
pub fn set(
    rooms: &mut Rooms<'_>,
    instance: &Instance,
    found: &Found,
    consent: &Consent,
    writers: &mut Writers,
    file: &Name,
    value: Secret,
) -> Result<String, Failure> {
    if let Some(fault) = unsettable(instance, found) {
        return Err(fault);
    }
    let storing = Storing { instance, found, consent };
    let slice = storing.slice(rooms, writers)?;
    let before = slice.as_ref().map(|slice| slice.public.clone()).unwrap_or_default();
    if instance.files.get(file).is_some_and(|file| file.secret) {
        let stored = secret(rooms, storing, slice.clone(), file, value)?;
        let receipt = match found.receipt.as_ref().filter(|_| slice.is_some()) {
            Some(old) => again(rooms, storing, old, &stored)?,
            None => first(rooms, storing, &stored)?,
        };
        storing.commit(rooms, writers, stored.files, before, receipt)?;
        return Ok(String::new());
    }
    let mut public = before.clone();
    public.insert(file.to_string(), value.expose().to_vec());
    let (files, receipt) = if let (Some(slice), Some(old)) = (slice, &found.receipt) {
        // The secret files stay as they lie, for whom they were encrypted to.
        (slice.files, newer(rooms, instance, old)?)
    } else {
        let stored = storing.serialize(rooms, None, &[]).map_err(|stopped| stopped.failure)?;
        let receipt = first(rooms, storing, &stored)?;
        (stored.files, receipt)
    };
    let changes = public_changes(instance, &before, &public);
    storing.commit(rooms, writers, files, public, receipt)?;
    Ok(changes)
}

fn secret(
    rooms: &mut Rooms<'_>,
    storing: Storing<'_>,
    slice: Option<Slice>,
    file: &Name,
    value: Secret,
) -> Result<Stored, Failure> {
    let Storing { instance, found, .. } = storing;
    let others: Vec<Name> = instance.secret_files().filter(|name| *name != file).cloned().collect();
    let mut secrets = vec![(file.to_string(), value)];
    let mut why = "its readers changed, so all of its files are encrypted anew";
    if others.is_empty() || !readers_changed(found) {
        match storing.serialize(rooms, slice.clone(), &secrets) {
            Err(stopped) if stopped.needs_all && !others.is_empty() => {
                why = "its backend writes all of its files as one";
            }
            ended => return ended.map_err(|stopped| stopped.failure),
        }
    }
    let read = retrieve_one(rooms, instance, others).map_err(|failure| Failure {
        message: format!("{why}, and the others cannot be read: {}", failure.message),
        ..failure
    })?;
    if Some(read.fingerprint) != found.fingerprint {
        return Err(failure::of(instance, "it changed while it was read").help(Some("nothing was changed; run again")));
    }
    secrets.extend(read.files.into_iter().map(|(name, secret)| (name.to_string(), secret)));
    storing.serialize(rooms, slice, &secrets).map_err(|stopped| stopped.failure)
}

fn readers_changed(found: &Found) -> bool {
    matches!(&found.state, State::Stale(reasons) if reasons.iter().any(|reason| reason.kind == "readers"))
}

fn first(rooms: &Rooms<'_>, storing: Storing<'_>, stored: &Stored) -> Result<Receipt, Failure> {
    let Storing { instance, found, .. } = storing;
    let (backend, dependencies) = (stored.backend.clone(), BTreeMap::new());
    Making { instance, found, backend, dependencies: &dependencies, sealed: &stored.sealed, now: rooms.now }.receipt()
}

/// The receipt of a new generation, for the readers of now. What was sealed before counts for the files that stay.
fn again(rooms: &Rooms<'_>, storing: Storing<'_>, old: &Receipt, stored: &Stored) -> Result<Receipt, Failure> {
    let Storing { instance, found, .. } = storing;
    let lying = stored.files.values().flat_map(|bytes| artifacts_age::headers(bytes));
    let lying = receipt::hashes(instance, &lying.collect::<Vec<_>>())?;
    let kept = old.sealed.intersection(&lying).copied();
    let sealed = receipt::hashes(instance, &stored.sealed)?.into_iter().chain(kept).collect();
    newer(rooms, instance, &receipt::rewritten(old, instance, found, stored.backend.clone(), sealed)?)
}

/// A new generation of a slice that keeps what it was made from. Only what is replaced whole begins to age anew.
fn newer(rooms: &Rooms<'_>, instance: &Instance, old: &Receipt) -> Result<Receipt, Failure> {
    let made = Time::from(rooms.now);
    let expires = if instance.files.len() == 1 { receipt::expiry(instance, made) } else { old.expires };
    Ok(Receipt { made, expires, generation: receipt::generation(instance)?, ..old.clone() })
}
