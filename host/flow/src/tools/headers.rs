//! Headers of age files in an entry, and what this machine knows of them.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use artifacts_declared::Name;
use artifacts_plan::Instance;
use artifacts_report::Failure;
use artifacts_seam::EntryFiles;
use artifacts_store::{Few, HeaderHash, HeaderSet, Receipt};
use artifacts_trust::{Checkout, CheckoutRecord, HeaderCommit, HeaderPlace, KnownHeaders, StoredHeaders};

use crate::failure;
use crate::naming::bears;

/// Headers by the file of the entry that contains them, each with the declared files that are encrypted under it.
pub(crate) type EntryHeaders = BTreeMap<String, BTreeMap<HeaderHash, BTreeSet<String>>>;

/// Headers, each with the file of the entry that contains it, in the order of both.
pub(crate) type FileHeaders = Vec<(String, HeaderHash)>;

/// Whether this checkout and the one at that path are clones of one repository, by the word of the admin.
pub type ConfirmClone = Box<dyn Fn(&str) -> Result<bool, Failure>>;

/// What this machine knows of headers, as seen from one checkout.
pub struct HeaderMemory {
    pub(super) known: KnownHeaders,
    pub(super) here: Checkout,
    /// Its identity, once it has one.
    id: Option<String>,
    /// Whether it was looked for.
    is_looked_for: bool,
    confirm: ConfirmClone,
    declined: BTreeSet<String>,
}

/// What is known of a header that is in a file of an entry.
pub(crate) enum Verdict {
    /// It belongs there, and is for these declared files.
    Own(BTreeSet<String>),
    /// It belongs there in another checkout.
    OtherCheckout(Arc<HeaderPlace>),
    /// It belongs elsewhere, and no one copied it there by right.
    Foreign(Failure),
    /// This machine neither encrypted nor decrypted it.
    Unknown,
}

impl HeaderMemory {
    /// What is known in this checkout.
    pub fn new(known: KnownHeaders, here: Checkout, confirm: ConfirmClone) -> Self {
        Self { known, here, id: None, is_looked_for: false, confirm, declined: BTreeSet::new() }
    }

    /// What is known of a header in a file of an instance's entry.
    pub(crate) fn verdict(
        &mut self,
        instance: &Instance,
        stored: &str,
        header: &HeaderHash,
    ) -> Result<Verdict, Failure> {
        let failed = |error: artifacts_trust::Error| failure::about(instance, error);
        let name = instance.name.to_string();
        let places = self.known.places(header).map_err(failed)?.to_vec();
        let (mut own, mut other, mut foreign) = (None, None, None);
        let here = if places.is_empty() { None } else { self.id().map_err(failed)? };
        for place in places {
            let is_linked = match &here {
                Some(here) => self.known.are_linked(&place.checkout.id, here).map_err(failed)?,
                None => false,
            };
            match (place.instance == name && place.stored == stored, is_linked) {
                (true, true) => own.get_or_insert_with(BTreeSet::new).extend(place.files.iter().cloned()),
                (true, false) => other = Some(place),
                (false, _) => foreign = Some((place, is_linked)),
            }
        }
        Ok(match (own, other, foreign) {
            (Some(files), _, _) => Verdict::Own(files),
            (None, Some(place), _) => Verdict::OtherCheckout(place),
            (None, None, Some((place, is_linked))) => Verdict::Foreign(misplaced(instance, stored, &place, is_linked)),
            (None, None, None) => match self.known.old_instance(header).map_err(failed)? {
                Some(other) if other != name => Verdict::Foreign(of_another(instance, other)),
                _ => Verdict::Unknown,
            },
        })
    }

    /// Why an entry is not what it claims to be, whatever its receipt says: a header in it belongs elsewhere.
    pub(crate) fn contradiction(&mut self, instance: &Instance, headers: &FileHeaders) -> Option<Failure> {
        let mut unknown: BTreeMap<HeaderHash, &String> = BTreeMap::new();
        for (stored, header) in headers {
            match self.verdict(instance, stored, header) {
                Ok(Verdict::Own(_) | Verdict::OtherCheckout(_)) => {}
                Ok(Verdict::Foreign(failure)) | Err(failure) => return Some(failure),
                Ok(Verdict::Unknown) => {
                    if let Some(first) = unknown.insert(*header, stored) {
                        return Some(doubled(instance, first, stored));
                    }
                }
            }
        }
        None
    }

    /// What the admin accepts of an entry: a header that is known stays for the files that it is known for, and is from now on for
    /// those, too, of which nothing was known, such as a value that was added to a file of several.
    pub(crate) fn accepted(&mut self, instance: &Instance, mut entry: EntryHeaders) -> Result<EntryHeaders, Failure> {
        let failed = |error: artifacts_trust::Error| failure::about(instance, error);
        let known = self.known.files_of(&instance.name.to_string()).map_err(failed)?;
        for (stored, headers) in &mut entry {
            for (header, files) in headers {
                if let Verdict::Own(own) = self.verdict(instance, stored, header)? {
                    files.retain(|file| own.contains(file) || !known.contains(file));
                }
            }
        }
        Ok(entry)
    }

    /// Whether a header that belongs to this entry in another checkout belongs to it here, too: the admin is asked once for each
    /// checkout, and a yes is stored.
    pub(crate) fn link(&mut self, instance: &Instance, place: &HeaderPlace) -> Result<(), Failure> {
        let refused = || {
            let why = format!(
                "these files were encrypted for {} in {}, which is another repository to this machine",
                place.instance, place.checkout.path
            );
            failure::for_instance(instance, why)
                .hint(Some("if this checkout is a clone of that one, run again with `--accept-clone`"))
        };
        if self.declined.contains(&place.checkout.id) {
            return Err(refused());
        }
        if !(self.confirm)(&place.checkout.path)? {
            self.declined.insert(place.checkout.id.clone());
            return Err(refused());
        }
        let linked = self.id_or_new().and_then(|here| self.known.link(&place.checkout.id, &here));
        linked.map_err(|error| failure::about(instance, error))
    }

    /// The checkout's identity; none when it has none yet, so that nothing is known of it.
    pub(super) fn id(&mut self) -> Result<Option<String>, artifacts_trust::Error> {
        if !self.is_looked_for {
            self.id = self.here.id()?.map(|id| id.to_string());
            self.is_looked_for = true;
        }
        Ok(self.id.clone())
    }

    pub(super) fn id_or_new(&mut self) -> Result<String, artifacts_trust::Error> {
        match self.id()? {
            Some(id) => Ok(id),
            None => Ok(self.id.insert(self.here.id_or_new()?.to_string()).clone()),
        }
    }

    /// Notes the headers of entries that are about to be stored. Called before that: what is not known could be passed off as
    /// another file's.
    pub(crate) fn commit<'a>(
        &mut self,
        entries: impl Iterator<Item = (&'a Instance, &'a EntryHeaders)>,
    ) -> Result<(), artifacts_trust::Error> {
        let entries = entries.filter(|(_, headers)| !headers.is_empty());
        let commits: Result<_, _> = entries.map(|(instance, headers)| self.record(instance, headers)).collect();
        self.known.committed(commits?)
    }

    /// Notes headers of an entry that another machine stored.
    pub(crate) fn learn(&mut self, instance: &Instance, headers: &EntryHeaders) -> Result<(), Failure> {
        if headers.is_empty() {
            return Ok(());
        }
        let learned = self.record(instance, headers).and_then(|commit| self.known.learned(commit));
        learned.map_err(|error| failure::about(instance, error))
    }

    fn record(&mut self, instance: &Instance, headers: &EntryHeaders) -> Result<HeaderCommit, artifacts_trust::Error> {
        let checkout = CheckoutRecord { id: self.id_or_new()?, path: self.here.root().display().to_string() };
        let mut files = Vec::new();
        for (stored, headers) in headers {
            let mut by_files: BTreeMap<&BTreeSet<String>, BTreeSet<HeaderHash>> = BTreeMap::new();
            for (header, files) in headers {
                by_files.entry(files).or_default().insert(*header);
            }
            files.extend(by_files.into_iter().map(|(files, headers)| StoredHeaders {
                stored: stored.clone(),
                files: files.clone(),
                headers,
            }));
        }
        Ok(HeaderCommit { checkout, instance: instance.name.to_string(), files })
    }
}

/// A header of another place in this entry.
fn misplaced(instance: &Instance, stored: &str, place: &HeaderPlace, is_linked: bool) -> Failure {
    if !is_linked {
        let why = format!("these files were encrypted for {} in {}", place.instance, place.checkout.path);
        return failure::for_instance(instance, why).hint(Some(copied(instance)));
    }
    if place.instance != instance.name.to_string() {
        return of_another(instance, &place.instance);
    }
    let files: Vec<String> = place.files.iter().map(|file| format!("`{file}`")).collect();
    let why = format!("`{stored}` was encrypted for {}, as `{}`", files.join(", "), place.stored);
    failure::for_instance(instance, why).hint(Some(copied(instance)))
}

/// A header of another instance.
pub(crate) fn of_another(instance: &Instance, other: &str) -> Failure {
    failure::for_instance(instance, format!("these files were encrypted for {other}")).hint(Some(format!(
        "if they were copied, restore the entry from the last good commit; if you renamed {other}, declare it under its old name again"
    )))
}

/// A header that a receipt lists for other files.
pub(crate) fn of_other_files(instance: &Instance, stored: &str, files: &BTreeSet<String>) -> Failure {
    let files: Vec<String> = files.iter().map(|file| format!("`{file}`")).collect();
    let why = format!("`{stored}` was encrypted for {}", files.join(", "));
    failure::for_instance(instance, why).hint(Some(copied(instance)))
}

/// One age file in two places of an entry.
pub(crate) fn doubled(instance: &Instance, one: &str, other: &str) -> Failure {
    let why = format!("`{one}` and `{other}` are the same age file, which belongs to one of them only");
    failure::for_instance(instance, why).hint(Some(copied(instance)))
}

fn copied(instance: &Instance) -> String {
    format!(
        "a file was copied over another one: restore the entry of {} from the last good commit (`git log -p` shows which)",
        instance.name
    )
}

/// The headers in files of an entry.
pub(crate) fn in_files(files: &EntryFiles) -> FileHeaders {
    let each = |(stored, bytes): (&String, &Vec<u8>)| {
        artifacts_age::headers(bytes).into_iter().map(|header| (stored.clone(), header)).collect::<Vec<_>>()
    };
    files.iter().flat_map(each).collect()
}

/// The same, each with the declared files that it may be for, by their names.
pub(crate) fn in_entry(instance: &Instance, files: &EntryFiles) -> EntryHeaders {
    let headers = in_files(files);
    let stored: BTreeSet<&str> = headers.iter().map(|(stored, _)| stored.as_str()).collect();
    let declared: Vec<&str> = instance.secret_files().map(Name::as_str).collect();
    let held = declared_in(&Vec::from_iter(stored), &declared);
    let mut entry = EntryHeaders::new();
    for (stored, header) in &headers {
        let files = held.get(stored.as_str()).cloned().unwrap_or_default();
        entry.entry(stored.clone()).or_default().insert(*header, files);
    }
    entry
}

/// Those of them that a receipt lists. Where it tells for which files, it can only narrow what the names tell.
pub(crate) fn listed(instance: &Instance, receipt: &Receipt, files: &EntryFiles) -> EntryHeaders {
    let all = receipt.all_headers();
    let mut by_header: BTreeMap<HeaderHash, BTreeSet<String>> = BTreeMap::new();
    for (file, headers) in &receipt.headers {
        for header in &**headers {
            by_header.entry(*header).or_default().insert(file.to_string());
        }
    }
    let mut entry = in_entry(instance, files);
    for headers in entry.values_mut() {
        headers.retain(|header, _| all.contains(header));
        for (header, files) in headers {
            let listed = by_header.get(header).into_iter().flatten().filter(|file| files.contains(*file));
            let listed: BTreeSet<String> = listed.cloned().collect();
            if !listed.is_empty() {
                *files = listed;
            }
        }
    }
    entry.retain(|_, headers| !headers.is_empty());
    entry
}

/// Those of them that were encrypted just now, for the files that the host encrypted them for.
pub(crate) fn encrypted(
    instance: &Instance,
    sealed: &BTreeMap<HeaderHash, BTreeSet<String>>,
    files: &EntryFiles,
) -> EntryHeaders {
    let mut entry = in_entry(instance, files);
    for headers in entry.values_mut() {
        headers.retain(|header, _| sealed.contains_key(header));
        for (header, files) in headers {
            if let Some(sealed) = sealed.get(header) {
                files.clone_from(sealed);
            }
        }
    }
    entry.retain(|_, headers| !headers.is_empty());
    entry
}

/// The same by declared file, as a receipt has them.
pub(crate) fn by_file(instance: &Instance, entry: &EntryHeaders) -> Result<Few<Name, HeaderSet>, Failure> {
    let mut by_file: BTreeMap<Name, BTreeSet<HeaderHash>> = BTreeMap::new();
    for (header, files) in entry.values().flatten() {
        for file in files {
            let file = Name::new(file.clone()).map_err(|error| failure::for_instance(instance, error.to_string()))?;
            by_file.entry(file).or_default().insert(*header);
        }
    }
    Ok(by_file.into_iter().map(|(file, headers)| (file, headers.into_iter().collect())).collect())
}

/// Which declared files each stored one may hold: that whose name it bears. Those without a file of their name are in the stored
/// files that bear none, or, if each bears one, in any.
fn declared_in<'a>(stored: &[&'a str], declared: &[&str]) -> BTreeMap<&'a str, BTreeSet<String>> {
    let owner =
        |stored: &str| declared.iter().filter(|file| bears(stored, file)).max_by_key(|file| file.len()).copied();
    let found: BTreeSet<&str> = stored.iter().filter_map(|stored| owner(stored)).collect();
    let rest: BTreeSet<String> =
        declared.iter().filter(|file| !found.contains(*file)).map(ToString::to_string).collect();
    let all: BTreeSet<String> = declared.iter().map(ToString::to_string).collect();
    let is_each_owned = stored.iter().all(|stored| owner(stored).is_some());
    let held = |stored: &&'a str| {
        let files = match owner(stored) {
            Some(file) if is_each_owned => rest.iter().cloned().chain([file.to_owned()]).collect(),
            Some(file) => BTreeSet::from([file.to_owned()]),
            None if rest.is_empty() => all.clone(),
            None => rest.clone(),
        };
        (*stored, files)
    };
    stored.iter().map(held).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn held(stored: &[&str], declared: &[&str]) -> Vec<String> {
        let held = declared_in(stored, declared);
        held.into_iter().map(|(stored, files)| format!("{stored}: {}", Vec::from_iter(files).join(" "))).collect()
    }

    #[test]
    fn a_stored_file_is_that_whose_name_it_bears() {
        assert_eq!(held(&["key.age", "bundle.age"], &["key", "bundle"]), ["bundle.age: bundle", "key.age: key"]);
        assert_eq!(held(&["a.age", "a.b.age"], &["a", "a.b"]), ["a.age: a", "a.b.age: a.b"]);
    }

    #[test]
    fn what_has_no_file_of_its_name_is_in_those_that_bear_none() {
        let stored = ["key.sops", "secrets.sops.yaml"];
        assert_eq!(held(&stored, &["key", "x", "y"]), ["key.sops: key", "secrets.sops.yaml: x y"]);
        assert_eq!(held(&["bundle.json"], &["x", "y"]), ["bundle.json: x y"]);
        // Whose name it bears by chance does not take it from the others.
        assert_eq!(held(&["secrets.sops.yaml"], &["secrets", "x"]), ["secrets.sops.yaml: secrets x"]);
        assert_eq!(held(&["a.age", "a.age.age"], &["a", "a.age"]), ["a.age: a a.age", "a.age.age: a a.age"]);
    }
}
