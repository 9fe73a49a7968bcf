//! Values that are stored under another name than the one that they are to have.

use artifacts_declared::InstanceName;
use artifacts_plan::{Elsewhere, Instance, InstanceState};
use artifacts_report::Failure;
use artifacts_store::{Entry, Receipt};
use artifacts_text::counted;

use super::elsewhere::Storages;
use super::rekeyable::immovable;
use super::survey::SurveyedInstance;
use crate::failure;
use crate::tools::Tools;

/// Where an entry of a name is, and what it is.
pub(crate) struct FormerEntry {
    pub storage: String,
    /// Whether a backend may have that storage.
    declared: bool,
    /// Its receipt, if it is of that name.
    pub receipt: Option<Receipt>,
}

/// Finds the entries of a name in all storages.
pub(crate) fn entries(storages: &Storages, name: &InstanceName) -> Vec<FormerEntry> {
    let entry = |storage: &artifacts_store::Storage, declared: bool| {
        let Entry { receipt, .. } = storage.read(name).ok().flatten()?;
        let receipt = receipt.valid().filter(|receipt| receipt.instance == *name).cloned();
        // What only looks like a storage has entries only where receipts say so.
        let is_entry = declared || receipt.is_some();
        is_entry.then(|| FormerEntry { storage: storage.path().to_owned(), declared, receipt })
    };
    storages.all().filter_map(|(storage, declared)| entry(storage, declared)).collect()
}

/// Takes the value of `old` for an instance that has none: from then on that is where the instance's value is. What another run took
/// and did not finish is taken again.
///
/// # Errors
/// When the instance has a value of its own or cannot have one, or `old` has none, or several.
pub(crate) fn take(
    tools: &Tools,
    storages: &Storages,
    instance: &Instance,
    found: &mut SurveyedInstance,
    old: &InstanceName,
) -> Result<(), Failure> {
    let fail = |message: String, hint: &str| Err(failure::for_instance(instance, message).hint(Some(hint)));
    match &found.state {
        InstanceState::OnTarget => return Err(failure::on_target(instance)),
        InstanceState::Blocked => {
            return fail("cannot be evaluated yet".to_owned(), "run `artifacts generate` first");
        }
        InstanceState::Error(why) => return fail(why.clone(), "nothing was changed"),
        InstanceState::Absent | InstanceState::Present | InstanceState::Stale(_) => {}
    }
    let mut former = entries(storages, old);
    let Some(FormerEntry { storage, declared, receipt }) = former.pop() else {
        // Its directory was moved to where the instance has its own.
        let is_moved = found.receipt.as_ref().is_some_and(|receipt| receipt.instance == *old);
        if is_moved && found.elsewhere.is_none() {
            found.former = Some(old.clone());
            return Ok(());
        }
        return fail(format!("{old} is not stored"), "`artifacts status` lists what is");
    };
    if !former.is_empty() {
        let count = counted(former.len() + 1, "entry");
        return fail(format!("{old} has {count}"), "remove all but one of them first");
    }
    let Some(receipt) = receipt else {
        let message = format!("`{storage}/{old}` has no receipt of {old}, so no one knows what it is");
        return fail(message, "declare it under its old name, and run `artifacts adopt`");
    };
    let is_begun = found.receipt.as_ref().is_some_and(|own| is_begun(own, &receipt)) && found.elsewhere.is_none();
    if !is_begun && (found.fingerprint.is_some() || found.elsewhere.is_some()) {
        return Err(taken(tools, instance, found, old));
    }
    found.elsewhere = Some(Elsewhere {
        storage,
        backend: Some(receipt.backend.name.to_string()),
        declared,
        expected: tools.storage_of(instance).unwrap_or_default(),
        is_moved: is_begun,
    });
    found.former = Some(old.clone());
    if !is_begun {
        found.receipt = Some(Box::new(receipt));
    }
    Ok(())
}

/// Whether an entry has the value of a former one, by their receipts.
pub(crate) fn is_begun(own: &Receipt, former: &Receipt) -> bool {
    own.generation == former.generation && own.former.contains(&former.instance)
}

/// Why an instance cannot have the value of `old`, as far as can be determined without decrypting it.
pub(crate) fn fault(
    tools: &mut Tools,
    instance: &Instance,
    found: &SurveyedInstance,
    old: &InstanceName,
) -> Option<Failure> {
    let mut found = found.clone();
    let storages = Storages::readable(tools);
    let taken = take(tools, &storages, instance, &mut found, old);
    taken.err().or_else(|| immovable(tools, instance, &found))
}

fn taken(tools: &Tools, instance: &Instance, found: &SurveyedInstance, old: &InstanceName) -> Failure {
    let own = || tools.storage_of(instance).unwrap_or_default();
    let storage = found.elsewhere.as_ref().map_or_else(own, |place| place.storage.clone());
    let hint = format!("if the value of {old} is the one to keep, remove `{storage}/{}` first", instance.name);
    failure::for_instance(instance, "it has a value already, which was left as it is").hint(Some(hint))
}
