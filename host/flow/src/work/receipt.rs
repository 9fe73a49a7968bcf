use std::collections::{BTreeMap, BTreeSet};
use std::time::SystemTime;

use artifacts_declared::{InstanceName, Name, Shared, TargetId};
use artifacts_plan::Instance;
use artifacts_report::Failure;
use artifacts_store::{BackendId, Few, Generation, Receipt, Time};

use crate::failure;
use crate::look::survey::SurveyedInstance;
use crate::tools::Terms;
use crate::tools::headers::{self, EntryHeaders};

/// One making of an instance, as its receipt tells it.
pub struct GenerationRecord<'a> {
    pub instance: &'a Instance,
    pub found: &'a SurveyedInstance,
    pub backend: BackendId,
    /// Generations of what was made in this run.
    pub dependencies: &'a BTreeMap<InstanceName, Generation>,
    /// The headers in it that the host encrypted.
    pub headers: &'a EntryHeaders,
    pub now: SystemTime,
}

impl GenerationRecord<'_> {
    /// The receipt of a new generation. The commit fills in what is in the files.
    pub fn receipt(self) -> Result<Receipt, Failure> {
        let instance = self.instance;
        let made = Time::from(self.now);
        let generation = generation(instance)?;
        Ok(Receipt {
            schema: artifacts_store::Schema,
            instance: instance.name.clone(),
            former: BTreeSet::new(),
            backend: self.backend,
            generated: made,
            expires: expiry(instance, made),
            generation,
            dependencies: dependencies(instance, self.dependencies),
            validation: artifacts_plan::validation_hash(&instance.artifact.validation),
            targets: targets(instance).into(),
            recipients: self.found.recipients.clone(),
            // The commit fills them in.
            labels: Shared::default(),
            files: Few::new(),
            public: Few::new(),
            headers: headers::by_file(instance, self.headers)?,
            headers_without_file: BTreeSet::new(),
        })
    }
}

/// The receipt of an entry whose files were written again and whose secrets are the same: only its name, who stored it and who reads
/// it change. `stored` are the secret files that are in it, and `headers` those of all of them.
pub fn rewritten(
    old: &Receipt,
    instance: &Instance,
    found: &SurveyedInstance,
    backend: BackendId,
    stored: &BTreeSet<Name>,
    headers: &EntryHeaders,
) -> Result<Receipt, Failure> {
    let mut recipients = found.recipients.clone();
    // A declared file that was never stored is not listed.
    recipients.retain(|file| stored.contains(file));
    let headers = headers::by_file(instance, headers)?;
    let mut former = old.former.clone();
    former.insert(old.instance.clone());
    former.remove(&instance.name);
    Ok(Receipt {
        instance: instance.name.clone(),
        former,
        backend,
        targets: targets(instance).into(),
        recipients,
        headers,
        headers_without_file: BTreeSet::new(),
        ..old.clone()
    })
}

/// The receipt of an entry that is as old, as valid and made from the same as if it were made now.
pub fn renewed(
    old: &Receipt,
    instance: &Instance,
    generations: &BTreeMap<InstanceName, Generation>,
    now: SystemTime,
) -> Receipt {
    let made = Time::from(now);
    Receipt {
        generated: made,
        expires: expiry(instance, made),
        dependencies: dependencies(instance, generations),
        validation: artifacts_plan::validation_hash(&instance.artifact.validation),
        ..old.clone()
    }
}

/// When a making at this time expires.
fn expiry(instance: &Instance, made: Time) -> Option<Time> {
    instance.artifact.max_age.map(|age| made + age.into())
}

/// Which making of each dependency goes in.
fn dependencies(
    instance: &Instance,
    generations: &BTreeMap<InstanceName, Generation>,
) -> BTreeMap<InstanceName, Generation> {
    let known = |dependency: &InstanceName| Some((dependency.clone(), *generations.get(dependency)?));
    instance.dependencies.values().filter_map(known).collect()
}

/// A random generation.
pub fn generation(instance: &Instance) -> Result<Generation, Failure> {
    Generation::random()
        .map_err(|e| failure::for_instance(instance, format!("cannot get random numbers from the system: {e}")))
}

fn targets(instance: &Instance) -> BTreeSet<TargetId> {
    instance.targets.iter().cloned().collect()
}

/// Which component stores it.
pub fn backend_id(name: &Name, terms: &Terms) -> BackendId {
    BackendId { name: name.clone(), version: terms.version.clone(), sha256: terms.sha256 }
}
