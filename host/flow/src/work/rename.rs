//! Storing values under other names: of one instance, or of all of a machine or user.

use std::collections::{BTreeMap, BTreeSet};

use artifacts_declared::{InstanceName, Name};
use artifacts_plan::{Instance, Selector, SelectorError, SelectorKind, SelectorMeaning};
use artifacts_report::{Failure, RecipientChange, RowAction};
use artifacts_text::{Explain, listed, nix_attribute};

use super::again::{ask_for_stored, preview_stored, show_stored_again, stored_recipients};
use super::moving::{Counts, store_again};
use crate::agree::Tickets;
use crate::chain::{Agreed, Base, Plan, Planned, Written};
use crate::failure;
use crate::look::elsewhere::Storages;
use crate::look::hints;
use crate::look::rekeyable::immovable;
use crate::look::renamed::{FormerEntry, entries, take};
use crate::look::steps::Step;
use crate::look::survey::Survey;
use crate::run::{Run, Selection};

/// Stores values under other names. It is made by [`Run::select_renamed`].
#[derive(Debug, Clone, Default)]
pub struct Rename {
    /// Old names, by the new ones.
    pairs: BTreeMap<InstanceName, InstanceName>,
}

impl Run {
    /// Returns a selection of the instances that `new` means, and the change that gives them the values of what `old` means: an
    /// instance, or a machine or user, of which entries are stored.
    ///
    /// # Errors
    /// When they mean nothing, several things, the same, or things of two kinds.
    pub fn select_renamed(&self, old: &Selector, new: &Selector) -> Result<(Selection, Rename), Failure> {
        let storages = Storages::find(&self.tools);
        let storages = storages.map_err(|(path, e)| Failure::about(format!("storage {path}"), e))?;
        let stored = self.stored_names(&storages);
        let old = self.old_names(old, &stored)?;
        let declared: BTreeSet<&InstanceName> = self.names();
        let new = match new.resolve_strictly(&declared) {
            Ok(meaning) => meaning,
            Err(SelectorError::Unmatched { .. }) => return Err(self.undeclared(&storages, &old, new)),
            Err(error) => return Err(failure::selector(&error)),
        };
        let (pairs, failures) = pairs(&old, &new)?;
        let failures = failures.into_iter().map(|(old, new)| missing(&storages, &old, &new));
        let names: BTreeSet<InstanceName> = pairs.keys().cloned().collect();
        let selection = Selection { selectors: Vec::new(), names, errors: failures.collect() };
        Ok((selection, Rename { pairs }))
    }

    /// The names of all entries, and those that directories had before they were moved to the place of an instance.
    fn stored_names(&self, storages: &Storages) -> BTreeSet<InstanceName> {
        let listed = storages.all().filter_map(|(storage, _)| Some(storage.list().ok()?.entries));
        let mut names: BTreeSet<InstanceName> = listed.flatten().collect();
        let at = |instance: &&Instance| names.contains(&instance.name);
        let moved = self.instances().values().filter(at).filter_map(|instance| {
            let path = self.tools.storage_of(instance)?;
            let (storage, _) = storages.all().find(|(storage, _)| storage.path() == path)?;
            let entry = storage.read(&instance.name).ok()??;
            Some(entry.receipt.valid()?.instance.clone())
        });
        let moved: Vec<InstanceName> = moved.collect();
        names.extend(moved);
        names
    }

    /// What is stored under an old name.
    fn old_names(&self, old: &Selector, stored: &BTreeSet<InstanceName>) -> Result<SelectorMeaning, Failure> {
        old.resolve_strictly(&stored.iter().collect()).map_err(|error| {
            let failure = failure::selector(&error);
            match &error {
                SelectorError::Unmatched { .. } if self.meaning(old, false).is_ok() => {
                    failure_of(old, "not stored, so there is no value to rename".to_owned()).hint(None::<String>)
                }
                SelectorError::Unmatched { .. } => {
                    Failure { message: "no stored entry matches this selector".to_owned(), ..failure }
                }
                SelectorError::Ambiguous { .. } => failure,
            }
        })
    }

    /// Why a new name means nothing, and how it is declared.
    fn undeclared(&self, storages: &Storages, old: &SelectorMeaning, new: &Selector) -> Failure {
        let suggestion = new.resolve(&self.names()).err().and_then(|error| error.hint());
        let one = Some(old).filter(|old| old.kind != SelectorKind::Target).and_then(|old| old.names.first());
        let Some(one) = one else {
            let artifacts: Vec<String> = old.names.iter().map(|name| name.artifact().to_string()).collect();
            let hint = suggestion.unwrap_or_else(|| format!("declare it first, with {}", listed(&artifacts)));
            return failure_of(new, "no machine or user of this name declares artifacts".to_owned()).hint(Some(hint));
        };
        let artifact = new.as_str().rsplit('/').next().unwrap_or_default();
        let lines = declaration(storages, one, artifact, new.as_str().starts_with("shared/"));
        let hint = format!("declare it first in the configuration of its machine or user\n\n{lines}");
        failure_of(new, "not declared".to_owned()).hint(Some(hint))
    }
}

fn failure_of(selector: &Selector, message: String) -> Failure {
    Failure::new(selector.as_str(), message)
}

type Pairs = BTreeMap<InstanceName, InstanceName>;

/// Which name follows on which: by new name the old one; and the old ones without a new one, with what that would be.
fn pairs(old: &SelectorMeaning, new: &SelectorMeaning) -> Result<(Pairs, Vec<(InstanceName, InstanceName)>), Failure> {
    let several = |names: &BTreeSet<InstanceName>| {
        let names: Vec<String> = names.iter().map(ToString::to_string).collect();
        Failure::new("", format!("one artifact, machine or user is renamed at a time, not {}", listed(&names)))
            .hint(Some("name one instance, such as `web1/attic`, or a machine or user"))
    };
    let (Some(first), Some(to)) = (old.names.first(), new.names.first()) else { return Err(several(&old.names)) };
    match (old.kind, new.kind) {
        (SelectorKind::Target, SelectorKind::Target) => {
            if std::mem::discriminant(first) != std::mem::discriminant(to) {
                return Err(Failure::new(
                    "",
                    format!("{} and {} are of two kinds: a machine and a user", above(first), above(to)),
                )
                .hint(Some("rename each instance by its name")));
            }
            if above(first) == above(to) {
                return Err(same(&above(first)));
            }
            let named = |name: &InstanceName| of_target(to, name.artifact());
            let (with, without): (Vec<_>, Vec<_>) = old
                .names
                .iter()
                .map(|name| (named(name), name.clone()))
                .partition(|(new_name, _)| new.names.contains(new_name));
            Ok((with.into_iter().collect(), without.into_iter().map(|(new, old)| (old, new)).collect()))
        }
        (SelectorKind::Target, _) | (_, SelectorKind::Target) => {
            Err(several(if old.kind == SelectorKind::Target { &old.names } else { &new.names }))
        }
        _ if old.names.len() > 1 => Err(several(&old.names)),
        _ if new.names.len() > 1 => Err(several(&new.names)),
        _ if first == to => Err(same(&first.to_string())),
        _ => Ok((BTreeMap::from([(to.clone(), first.clone())]), Vec::new())),
    }
}

fn same(name: &str) -> Failure {
    Failure::new(name, "the old name and the new one are the same")
        .hint(Some("pass the new name as the second argument"))
}

/// The directory of all of a machine or user.
fn above(name: &InstanceName) -> String {
    let name = name.to_string();
    name.rsplit_once('/').map_or(name.clone(), |(above, _)| above.to_owned())
}

/// The name of an artifact of the same machine or user as another.
fn of_target(other: &InstanceName, artifact: &Name) -> InstanceName {
    let artifact = artifact.clone();
    match other {
        InstanceName::Machine { target, .. } => InstanceName::Machine { target: target.clone(), artifact },
        InstanceName::User { target, .. } => InstanceName::User { target: target.clone(), artifact },
        InstanceName::Shared { .. } => InstanceName::Shared { artifact },
    }
}

/// A value that has no new name.
fn missing(storages: &Storages, old: &InstanceName, new: &InstanceName) -> Failure {
    let lines = declaration(storages, old, new.artifact().as_str(), matches!(new, InstanceName::Shared { .. }));
    let hint = format!("it was left; declare {new} to rename it, too\n\n{lines}");
    Failure::new(old.to_string(), format!("{new} is not declared")).hint(Some(hint))
}

/// Declares an artifact with the files that are stored under a name.
fn declaration(storages: &Storages, old: &InstanceName, artifact: &str, is_shared: bool) -> String {
    let receipt = entries(storages, old).into_iter().find_map(|FormerEntry { receipt, .. }| receipt);
    let store = format!("artifacts.store.{}", nix_attribute(artifact));
    let secret = receipt.iter().flat_map(|receipt| receipt.recipients.files());
    let secret = secret.map(|file| format!("{store}.files.{} = {{ }};", nix_attribute(file.as_str())));
    let public = receipt.iter().flat_map(|receipt| receipt.public.keys());
    let public = public.map(|file| format!("{store}.files.{}.secret = false;", nix_attribute(file)));
    let mut lines: Vec<String> = secret.chain(public).collect();
    lines.extend(lines.is_empty().then(|| format!("{store}.files.secret = {{ }};")));
    lines.extend(is_shared.then(|| format!("{store}.shared = true;")));
    lines.join("\n")
}

impl Planned for Rename {
    type Details = Vec<RecipientChange>;

    fn plan(&self, run: &mut Run, _: &Selection, survey: &mut Survey) -> Plan<Vec<RecipientChange>> {
        let storages = Storages::readable(&run.tools);
        let (mut steps, mut failures) = (Vec::new(), Vec::new());
        for (new, old) in &self.pairs {
            match plan_one(run, &storages, survey, new, old) {
                Ok(()) => steps.push(Step::again(new.clone())),
                Err(fault) => failures.push(fault),
            }
        }
        let instances = steps.iter().filter_map(|step| run.instances.get(&step.name));
        let details = stored_recipients(instances, survey);
        Plan { steps, failures, details }
    }

    fn describe(&self, base: &mut Base<'_>, changes: &mut Vec<RecipientChange>) -> Result<(), Failure> {
        preview_stored(base, changes, RowAction::WouldRename)?;
        self.note_old(base, &base.progress.names());
        Ok(())
    }

    fn ask(&mut self, base: &mut Base<'_>, changes: &mut Vec<RecipientChange>) -> Result<Tickets, Failure> {
        ask_for_stored(base, changes)
    }
}

/// Finds the value of an old name for a new one, and checks what can be checked without decrypting it.
fn plan_one(
    run: &mut Run,
    storages: &Storages,
    survey: &mut Survey,
    new: &InstanceName,
    old: &InstanceName,
) -> Result<(), Failure> {
    let configured = run.error_of(new);
    let Run { instances, tools, .. } = &mut *run;
    let pair = instances.get(new).zip(survey.found.get_mut(new));
    let unknown = || configured.unwrap_or_else(|| Failure::new(new.to_string(), "its state is unknown"));
    let (instance, found) = pair.ok_or_else(unknown)?;
    take(tools, storages, instance, found, old)?;
    if let Some(fault) = immovable(tools, instance, found) {
        return Err(hints::with_hint(tools, instance, fault));
    }
    let instance = run.instances.get(new);
    instance.and_then(|instance| run.unknown_recipients(instance)).map_or(Ok(()), Err)
}

impl Rename {
    /// Tells in the rows of these what their values were called.
    fn note_old(&self, base: &mut Base<'_>, names: &BTreeSet<InstanceName>) {
        for name in names {
            if let Some((row, old)) = base.report.rows.get_mut(name).zip(self.pairs.get(name)) {
                row.notes.insert(0, format!("was {}", old.short()));
            }
        }
    }
}

impl<'r> Agreed<'r, Rename> {
    /// Stores each value under its new name, one by one. The old entry goes to the trash once the new one is durable and its value is
    /// the same: an end at any moment leaves the old entry, both, or the new one, and the next run goes on. A failure stops no other.
    pub fn rename(self) -> Written<'r> {
        let Self { mut base, change, mut tickets, .. } = self;
        let Counts { opened, written } = store_again(&mut base, &mut tickets);
        let done = base.progress.done().clone();
        change.note_old(&mut base, &done);
        show_stored_again(&mut base, RowAction::Renamed);
        base.report.counts = Some((opened, written));
        Written::new(base)
    }
}
