//! Slices that no declaration owns.

use std::collections::{BTreeMap, BTreeSet};

use artifacts_declared::InstanceName;
use artifacts_plan::{Instance, Owner, Owners};
use artifacts_report::{Done, Failure, FileChange, Removed, Report};
use artifacts_store::{Entry, ReceiptState, Storage};
use artifacts_text::{agreeing, counted};

use crate::agree::{Ticket, Tickets, ask};
use crate::chain::{Agreed, Base, Plan, Planned, Written};
use crate::look::changes::{self, bears};
use crate::look::elsewhere::{Storages, has_receipt};
use crate::look::steps::Step;
use crate::look::survey::Survey;
use crate::run::{Run, Selection};
use crate::tools::{Answer, Question, RunEvent, Tools};

/// A slice that nobody owns.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Orphan {
    /// Where it lies.
    pub storage: String,
    /// Its name.
    pub name: InstanceName,
    /// Who stored it, if its receipt tells.
    pub backend: Option<String>,
    /// How many files it has besides the receipt, and their bytes; none when it cannot be read.
    pub size: Option<(usize, u64)>,
    /// Its files, and who reads them as far as the receipt tells.
    pub contents: Vec<FileChange>,
}

/// What lies in the storages besides what is declared.
#[derive(Debug, Default)]
pub struct Orphans {
    /// What nobody owns, by storage and name.
    pub found: Vec<Orphan>,
    /// What nobody owns in a storage that no backend has: a copy perhaps, which is left alone.
    pub strange: Vec<Orphan>,
    /// What a target may own that did not evaluate.
    pub kept: Vec<InstanceName>,
    /// What is no slice at all, and why; it is left alone.
    pub odd: Vec<String>,
}

/// Looks for entries without an owner in every known storage. An entry of a declared instance is one, too, where that has another
/// one in its own backend's storage.
///
/// # Errors
/// When a declared storage cannot be read.
pub fn orphans(
    tools: &Tools,
    owners: &Owners,
    instances: &BTreeMap<InstanceName, Instance>,
) -> Result<Orphans, Failure> {
    let mut orphans = Orphans::default();
    let storages = Storages::find(tools).map_err(|(path, e)| Failure::about(format!("storage {path}"), e))?;
    for (storage, declared) in storages.all() {
        let failed = |e: artifacts_store::Error| Failure::about(format!("storage {}", storage.path()), e);
        let listing = match storage.list() {
            Ok(listing) => listing,
            Err(error) if declared => return Err(failed(error)),
            Err(_) => continue,
        };
        if declared {
            orphans.odd.extend(listing.stray_files.into_iter().map(|odd| format!("{}: {}", odd.path, odd.why)));
        }
        // What only looks like a storage has entries only where receipts say so.
        for name in listing.entries.into_iter().filter(|name| declared || has_receipt(storage, name)) {
            match owners.of(&name) {
                Some(Owner::Declared) if !declared || !is_second(tools, storage, instances.get(&name)) => {}
                Some(Owner::Unknown(_)) => orphans.kept.push(name),
                Some(Owner::Declared) | None if declared => orphans.found.push(orphan(storage, name)),
                Some(Owner::Declared) | None => orphans.strange.push(orphan(storage, name)),
            }
        }
    }
    Ok(orphans)
}

/// Whether an instance has an entry in its own backend's storage, and that is another one than this.
fn is_second(tools: &Tools, storage: &Storage, instance: Option<&Instance>) -> bool {
    let Some(instance) = instance.filter(|instance| !instance.blocked) else { return false };
    let own = instance.backend.as_ref().and_then(|backend| tools.backends.storage(backend).ok());
    let Some(own) = own.filter(|own| own != storage.path()) else { return false };
    let own = Storage::open(&tools.root, &own).and_then(|own| own.read(&instance.name));
    own.is_ok_and(|slice| slice.is_some())
}

impl Orphan {
    /// Whether it may be this instance's entry from before it was renamed: of the same artifact or the same target, with the
    /// same files.
    pub fn is_twin(&self, instance: &Instance) -> bool {
        let target = |name: &InstanceName| match name {
            InstanceName::Shared { .. } => None,
            InstanceName::Machine { target, .. } | InstanceName::User { target, .. } => Some(target.clone()),
        };
        let same_scope = std::mem::discriminant(&self.name) == std::mem::discriminant(&instance.name);
        let (old, new) = (&self.name, &instance.name);
        // An artifact that became shared, or is no longer, keeps its name.
        let is_related = old.artifact() == new.artifact() || (same_scope && target(old) == target(new));
        is_related && self.has_files_of(instance)
    }

    fn has_files_of(&self, instance: &Instance) -> bool {
        let stored: BTreeSet<&str> = self.contents.iter().map(|change| change.file.as_str()).collect();
        let declared: BTreeSet<&str> = instance.files.keys().map(artifacts_declared::Name::as_str).collect();
        // Without a receipt the files have the names that the backend gave them.
        let borne = |file: &&str| stored.iter().any(|stored| bears(stored, file));
        !declared.is_empty()
            && (stored == declared
                || (self.backend.is_none() && stored.len() == declared.len() && declared.iter().all(borne)))
    }
}

fn orphan(storage: &Storage, name: InstanceName) -> Orphan {
    let slice = storage.read(&name).ok().flatten();
    let backend = slice.as_ref().and_then(|slice| match &slice.receipt {
        ReceiptState::Valid(receipt) => Some(receipt.backend.name.to_string()),
        ReceiptState::Missing | ReceiptState::Malformed(_) => None,
    });
    let contents = slice.as_ref().map(changes::removed).unwrap_or_default();
    Orphan { storage: storage.path().to_owned(), name, backend, size: slice.as_ref().map(size), contents }
}

fn size(slice: &Entry) -> (usize, u64) {
    let files = slice.files.values().chain(slice.public.values());
    (files.clone().count(), files.map(|bytes| bytes.len() as u64).sum())
}

/// Moves entries that are no longer declared to the trash. Its selection is [`Run::select_orphans`].
#[derive(Debug, Clone, Copy)]
pub struct Prune;

/// What a plan to prune knows.
#[derive(Default)]
pub struct PrunePlan {
    orphans: Vec<Orphan>,
    /// Warnings and notes that are shown once.
    odd: Vec<String>,
    kept: usize,
    idle: Vec<Failure>,
    nothing_orphaned: bool,
}

impl Planned for Prune {
    type Details = PrunePlan;

    fn plan(&self, run: &mut Run, selection: &Selection, _: &mut Survey) -> Plan<PrunePlan> {
        let selectors = &selection.selectors;
        let found = run.owners().and_then(|owners| orphans(&run.tools, &owners, &run.instances));
        let mut found = match found {
            Ok(found) => found,
            Err(failure) => return Plan { failures: vec![failure], ..Plan::default() },
        };
        let idle = selectors.iter().filter(|s| !found.found.iter().any(|orphan| s.matches(&orphan.name)));
        let idle = idle.map(|s| Failure::new(s.to_string(), "no slice without an owner is named so")).collect();
        if !selectors.is_empty() {
            found.found.retain(|orphan| selectors.iter().any(|s| s.matches(&orphan.name)));
        }
        let step = |orphan: &Orphan| Step { storage: orphan.storage.clone(), ..Step::again(orphan.name.clone()) };
        let steps = found.found.iter().map(step).collect();
        let nothing_orphaned = found.found.is_empty() && found.kept.is_empty() && selectors.is_empty();
        let details =
            PrunePlan { orphans: found.found, odd: found.odd, kept: found.kept.len(), idle, nothing_orphaned };
        Plan { steps, failures: Vec::new(), details }
    }

    fn begin(&self, run: &mut Run, selection: &Selection, _: &Survey, plan: &Plan<PrunePlan>) -> Report {
        if !plan.failures.is_empty() {
            // Nothing is known of what is orphaned.
            return Report::default();
        }
        let PrunePlan { odd, kept, idle, nothing_orphaned, .. } = &plan.details;
        for odd in odd {
            run.tools.operator.notify(&RunEvent::Warning(&format!("{odd}; it is left alone"), None));
        }
        if *kept > 0 {
            let (are, them) = (agreeing(*kept, "is", "are"), agreeing(*kept, "it", "them"));
            let slices = counted(*kept, "slice");
            let note = format!("{slices} {are} kept: a target that did not evaluate may own {them}");
            run.tools.operator.notify(&RunEvent::Note(&note));
        }
        if *nothing_orphaned {
            run.tools.operator.notify(&RunEvent::NothingOrphaned);
        }
        let errors = selection.errors.iter().chain(idle).cloned().collect();
        Report { errors, ..Report::default() }
    }

    fn describe(&self, base: &mut Base<'_>, details: &mut PrunePlan) -> Result<(), Failure> {
        base.report.removed = rows(&details.orphans);
        Ok(())
    }

    fn ask(&mut self, base: &mut Base<'_>, details: &mut PrunePlan) -> Result<Tickets, Failure> {
        match base.run.tools.operator.confirm(&Question::Trash(&rows(&details.orphans)))? {
            Answer::Yes { .. } => {}
            Answer::No => {
                base.run.tools.operator.notify(&RunEvent::Note("nothing was removed"));
                base.progress.decline();
                return Ok(Tickets::default());
            }
            Answer::NoOne => {
                return Err(Failure::new("", "there is nobody to ask whether these slices may be removed")
                    .hint(Some("`--dry-run` shows them; `--yes` removes them without asking")));
            }
        }
        let entries: Vec<(String, InstanceName)> =
            details.orphans.iter().map(|orphan| (orphan.storage.clone(), orphan.name.clone())).collect();
        Ok(ask::removals(base, &entries))
    }

    fn locked_storages(&self, plan: &Plan<PrunePlan>) -> BTreeSet<String> {
        plan.steps.iter().map(|step| step.storage.clone()).collect()
    }
}

impl<'r> Agreed<'r, Prune> {
    /// Moves the entries to the trash of their storages. One that fails stops no other.
    pub fn remove(self) -> Written<'r> {
        let Self { mut base, details, mut tickets, .. } = self;
        while let Some(step) = base.progress.next(|_| true) {
            let ticket = tickets.take_in(&step.name, &step.storage);
            let missing = || Failure::new(step.name.to_string(), "nothing was agreed to");
            match ticket.ok_or_else(missing).and_then(Ticket::remove) {
                Ok(trash) => {
                    let is_it = |orphan: &&Orphan| orphan.name == step.name && orphan.storage == step.storage;
                    if let Some((orphan, trash)) = details.orphans.iter().find(is_it).zip(trash) {
                        base.report.removed.push(row(orphan, Done::Removed, Some(trash)));
                    }
                    base.progress.finish(step.name);
                }
                Err(failure) => base.progress.drop_out(failure),
            }
        }
        Written::new(base)
    }
}

fn rows(orphans: &[Orphan]) -> Vec<Removed> {
    orphans.iter().map(|orphan| row(orphan, Done::WouldRemove, None)).collect()
}

fn row(orphan: &Orphan, done: Done, trash: Option<String>) -> Removed {
    Removed {
        name: orphan.name.to_string(),
        storage: orphan.storage.clone(),
        backend: orphan.backend.clone(),
        size: orphan.size,
        contents: orphan.contents.clone(),
        done,
        trash,
    }
}
