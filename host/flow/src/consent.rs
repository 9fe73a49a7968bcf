//! Nothing is encrypted to anybody whom the admin has not agreed to.

use std::collections::{BTreeMap, BTreeSet};

use artifacts_plan::Instance;
use artifacts_report::{Failure, ReaderChange};
use artifacts_spec::InstanceName;
use artifacts_trust::{Agreed, ByFile, Readers};

use crate::{Found, Survey, failure};

/// Whom these instances may be encrypted to: what is not in here is not written.
#[derive(Debug, Default)]
pub struct Consent {
    agreed: BTreeMap<InstanceName, ByFile>,
    refused: BTreeMap<InstanceName, String>,
}

/// Readers that were asked about, before the answer.
pub struct Asked {
    sought: BTreeMap<InstanceName, Agreed>,
    /// Where they are not what was agreed to.
    pub changes: Vec<ReaderChange>,
}

impl Asked {
    /// Compares the readers of what is to be written with what is remembered. Of a new instance every reader must be one of
    /// its targets already; only targets of which nothing is remembered are taken at their word, as hosts that are not known
    /// yet, and then a receipt counts that lies there.
    pub fn new<'a>(known: &Readers, instances: impl Iterator<Item = &'a Instance>, survey: &Survey) -> Self {
        let mut asked = Self { sought: BTreeMap::new(), changes: Vec::new() };
        for instance in instances {
            let Some(found) = survey.found.get(&instance.name) else { continue };
            let sought = sought(instance, found);
            let before = before(known, instance, found, &sought);
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
            if !sought.files.is_empty() {
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
        failure::of(instance, why).help(Some("look at who joined; if that is meant, say `--accept-readers`"))
    }
}

fn sought(instance: &Instance, found: &Found) -> Agreed {
    let readers = found.readers.iter().map(|(file, readers)| (file.clone(), readers.iter().cloned().collect()));
    let targets = instance.targets.iter().map(|target| format!("{}/{}", target.kind.as_str(), target.name));
    Agreed { targets: targets.collect(), files: readers.collect() }
}

/// What the readers are compared with; none when they are seen for the first time.
fn before(known: &Readers, instance: &Instance, found: &Found, sought: &Agreed) -> Option<ByFile> {
    let name = instance.name.to_string();
    if let Some(files) = known.of(&name) {
        let everybody: BTreeSet<&str> = files.values().flatten().map(String::as_str).collect();
        return Some(files.clone().into_iter().chain(new_files(files, sought, &everybody)).collect());
    }
    let theirs = known.of_targets(&sought.targets);
    if !theirs.is_empty() {
        return Some(new_files(&ByFile::new(), sought, &theirs).collect());
    }
    let receipt = found.receipt.as_ref()?;
    Some(receipt.readers.iter().map(|(file, readers)| (file.to_string(), readers.clone())).collect())
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
