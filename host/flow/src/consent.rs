//! Nothing is encrypted to anybody whom the admin has not agreed to.

use std::collections::{BTreeMap, BTreeSet};

use artifacts_plan::Instance;
use artifacts_report::{Failure, ReaderChange};
use artifacts_spec::{InstanceName, Name};
use artifacts_store::Receipt;
use artifacts_trust::{Agreed, ByFile, Readers};

use crate::{Found, Survey, failure};

/// Who reads a file that is not encrypted.
const EVERYBODY: &str = "everybody, in plain text";

/// Whom these instances may be encrypted to: what is not in here is not written.
#[derive(Debug, Default)]
pub struct Consent {
    agreed: BTreeMap<InstanceName, ByFile>,
    refused: BTreeMap<InstanceName, String>,
}

/// What is to be encrypted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Plaintext {
    /// It is generated, or given by a person, now.
    New,
    /// It was stored, and is opened to be encrypted again.
    Stored,
}

/// Readers that were asked about, before the answer.
pub struct Asked {
    sought: BTreeMap<InstanceName, Agreed>,
    /// Where they are not what was agreed to.
    pub changes: Vec<ReaderChange>,
}

impl Asked {
    /// Compares the readers of what is to be written with what is remembered. See `before` for the rule.
    pub fn new<'a>(
        known: &Readers,
        instances: impl Iterator<Item = &'a Instance>,
        survey: &Survey,
        plaintext: Plaintext,
    ) -> Self {
        let mut asked = Self { sought: BTreeMap::new(), changes: Vec::new() };
        for instance in instances {
            let Some(found) = survey.found.get(&instance.name) else { continue };
            let sought = sought(instance, found);
            let before = before(known, &instance.name.to_string(), &sought, found.receipt.as_ref(), plaintext);
            for (file, after) in &sought.files {
                let Some(before) = before.as_ref().and_then(|files| files.get(file)) else { continue };
                if before != after {
                    asked.changes.push(ReaderChange {
                        instance: instance.name.to_string(),
                        file: file.clone(),
                        before: before.clone(),
                        after: after.clone(),
                    });
                }
            }
            if plaintext == Plaintext::New {
                asked.changes.extend(published(known, instance, found.receipt.as_ref()));
            }
            asked.sought.insert(instance.name.clone(), sought);
        }
        asked
    }

    /// Remembers what is agreed to: everything, or all but the changes.
    ///
    /// # Errors
    /// When it cannot be remembered; then nothing is agreed to.
    pub fn settle(self, known: &mut Readers, changes_too: bool) -> Result<Consent, Failure> {
        let mut consent = Consent::default();
        let mut remembered = BTreeMap::new();
        for (name, sought) in self.sought {
            let label = name.to_string();
            let change = self.changes.iter().find(|change| change.instance == label);
            if let Some(change) = change.filter(|_| !changes_too) {
                let why = format!(
                    "the readers of `{}` are not those that were agreed to on this machine: {}",
                    change.file,
                    change.count()
                );
                consent.refused.insert(name, why);
                continue;
            }
            consent.agreed.insert(name, sought.files.clone());
            if !sought.files.is_empty() || known.of(&label).is_some() {
                remembered.insert(label, sought);
            }
        }
        known.agree(remembered).map_err(|e| Failure::new("readers", e.to_string()).help(e.help()))?;
        Ok(consent)
    }
}

impl Consent {
    /// Why an instance is not written: its readers were not agreed to.
    pub fn fault(&self, instance: &Instance) -> Option<Failure> {
        self.refused.contains_key(&instance.name).then(|| self.refusal(instance))
    }

    /// The last look before a backend is given anything.
    pub(crate) fn covers(&self, instance: &Instance, found: &Found) -> Result<(), Failure> {
        if self.agreed.get(&instance.name) == Some(&sought(instance, found).files) {
            Ok(())
        } else {
            Err(self.refusal(instance))
        }
    }

    fn refusal(&self, instance: &Instance) -> Failure {
        let unasked = || "nobody was asked about its readers".to_owned();
        let why = self.refused.get(&instance.name).cloned().unwrap_or_else(unasked);
        failure::of(instance, why).help(Some("look at who joined or left; if that is meant, say `--accept-readers`"))
    }
}

fn sought(instance: &Instance, found: &Found) -> Agreed {
    let readers = found.readers.iter().map(|(file, readers)| (file.clone(), readers.iter().cloned().collect()));
    let targets = instance.targets.iter().map(|target| format!("{}/{}", target.kind.as_str(), target.name));
    Agreed { targets: targets.collect(), files: readers.collect() }
}

/// The readers that were agreed to, with which those that are sought are compared; none when they are taken at their word.
///
/// Who may read what was stored is remembered for that very file, or nobody agreed to it. What is new has no reader yet to lose: of
/// a new instance every reader must be one of its targets' already, and targets of which nothing is remembered are taken at their
/// word, as hosts that are not known yet, unless a receipt lies there.
fn before(
    known: &Readers,
    name: &str,
    sought: &Agreed,
    receipt: Option<&Receipt>,
    plaintext: Plaintext,
) -> Option<ByFile> {
    let remembered = known.of(name);
    if plaintext == Plaintext::Stored {
        let of = |file: &String| remembered.and_then(|files| files.get(file)).cloned().unwrap_or_default();
        return Some(sought.files.keys().map(|file| (file.clone(), of(file))).collect());
    }
    if let Some(files) = remembered {
        let everybody: BTreeSet<&str> = files.values().flatten().map(String::as_str).collect();
        return Some(files.clone().into_iter().chain(new_files(files, sought, &everybody)).collect());
    }
    let theirs = known.of_targets(&sought.targets);
    if !theirs.is_empty() {
        return Some(new_files(&ByFile::new(), sought, &theirs).collect());
    }
    Some(receipt?.readers.iter().map(|(file, readers)| (file.to_string(), readers.clone())).collect())
}

/// Files that were secret and are declared public: whatever is made or given for them now would lie there for everybody.
fn published(known: &Readers, instance: &Instance, receipt: Option<&Receipt>) -> Vec<ReaderChange> {
    let label = instance.name.to_string();
    let change = |file: &Name| {
        let before = match known.of(&label) {
            Some(files) => files.get(file.as_str()),
            None => receipt.and_then(|receipt| receipt.readers.get(file)),
        };
        Some(ReaderChange {
            instance: label.clone(),
            file: file.to_string(),
            before: before?.clone(),
            after: BTreeSet::from([EVERYBODY.to_owned()]),
        })
    };
    instance.public_files().filter_map(change).collect()
}

/// Files of which nothing is remembered, each with those of its readers who are known.
fn new_files<'a>(
    files: &'a ByFile,
    sought: &'a Agreed,
    known: &'a BTreeSet<&str>,
) -> impl Iterator<Item = (String, BTreeSet<String>)> + use<'a> {
    let new = sought.files.iter().filter(|(file, _)| !files.contains_key(*file));
    new.map(|(file, readers)| {
        (file.clone(), readers.iter().filter(|reader| known.contains(reader.as_str())).cloned().collect())
    })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use std::path::Path;

    use super::*;

    fn agreed(target: &str, files: &[(&str, &[&str])]) -> Agreed {
        let set = |readers: &[&str]| readers.iter().map(ToString::to_string).collect();
        let files = files.iter().map(|(file, readers)| ((*file).to_owned(), set(readers)));
        Agreed { targets: BTreeSet::from([target.to_owned()]), files: files.collect() }
    }

    #[test]
    fn what_was_stored_has_the_readers_that_were_agreed_to_for_that_very_file_and_no_others() {
        let folder = tempfile::tempdir().unwrap();
        let mut known = Readers::open(folder.path().join("readers"), Path::new("/one")).unwrap();
        let web1 = agreed("nixos/web1", &[("env", &["web1", "admin"])]);
        known.agree(BTreeMap::from([("per-machine/web1/a".to_owned(), web1)])).unwrap();
        let joined = |name: &str, sought: &Agreed, plaintext| {
            let before = before(&known, name, sought, None, plaintext)?;
            let new = sought.files.iter().map(|(file, after)| after.difference(&before[file]).count());
            Some(new.sum::<usize>())
        };
        let evil = agreed("nixos/evil", &[("x", &["evil"])]);
        assert_eq!(joined("per-machine/evil/x", &evil, Plaintext::New), None, "a host that is not known yet");
        assert_eq!(joined("per-machine/evil/x", &evil, Plaintext::Stored), Some(1));
        let other = agreed("nixos/web1", &[("env", &["web1", "evil"])]);
        assert_eq!(joined("per-machine/web1/b", &other, Plaintext::New), Some(1));
        assert_eq!(joined("per-machine/web1/b", &other, Plaintext::Stored), Some(2));
        let more = agreed("nixos/web1", &[("env", &["web1", "admin"]), ("key", &["web1", "admin"])]);
        assert_eq!(joined("per-machine/web1/a", &more, Plaintext::New), Some(0));
        assert_eq!(joined("per-machine/web1/a", &more, Plaintext::Stored), Some(2), "nobody agreed about `key`");
    }

    #[test]
    fn nothing_is_written_for_readers_that_are_not_those_that_were_agreed_to() {
        let spec = r#"{"schema": 1, "backends": {}, "targets": [{"kind": "nixos", "name": "web1", "config": {}, "artifacts": {
            "a": {"backend": "agenix", "files": {"f": {}}, "generator": {"path": "/g"}}}}]}"#;
        let resolved = artifacts_plan::instances(&artifacts_spec::parse(spec).unwrap(), None);
        let instance = resolved.instances.values().next().unwrap();
        let read_by = |readers: &[&str]| Found {
            state: artifacts_plan::State::Absent,
            readers: vec![("f".to_owned(), readers.iter().map(ToString::to_string).collect())],
            receipt: None,
            fingerprint: None,
        };
        let folder = tempfile::tempdir().unwrap();
        let mut known = Readers::open(folder.path().join("readers"), Path::new("/one")).unwrap();
        let survey =
            Survey { found: BTreeMap::from([(instance.name.clone(), read_by(&["web1"]))]), ..Survey::default() };
        let asked = Asked::new(&known, std::iter::once(instance), &survey, Plaintext::New);
        let consent = asked.settle(&mut known, false).unwrap();
        assert!(consent.covers(instance, &read_by(&["web1"])).is_ok());
        for others in [&["web1", "evil"][..], &["evil"], &[]] {
            assert!(consent.covers(instance, &read_by(others)).is_err(), "{others:?}");
        }
        let refused = Consent::default().covers(instance, &read_by(&["web1"])).unwrap_err();
        assert_eq!(refused.message, "nobody was asked about its readers");
    }
}
