//! A run: what is declared, what it works with, and what it knows by now.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use artifacts_audit::AuditLog;
use artifacts_declared::{InstanceName, Name, Recipients, Spec};
use artifacts_plan::{EntryOwners, Instance, Selector, SelectorError, SelectorKind, SelectorMeaning, TargetName};
use artifacts_report::{Failure, FileChange, InstanceRow, Report};
use artifacts_seam::Secret;
use artifacts_session::CheckMemo;

use crate::declared_keys::DeclaredKeys;
use crate::failure;
use crate::look::changes::{Writing, changes};
use crate::look::foreseeable::unreadable;
use crate::look::orphans::{Orphan, Orphans, orphans};
use crate::look::survey::{Survey, survey};
use crate::read::{RetrievedFiles, retrieve};
use crate::run_state::RunState;
use crate::tools::{Declared, Tools};

/// Holds the declarations, the tools, and what this run has read, generated and failed so far.
pub struct Run {
    pub(crate) instances: BTreeMap<InstanceName, Instance>,
    /// All instances, dependencies first.
    pub(crate) ordered: Vec<InstanceName>,
    pub(crate) tools: Tools,
    pub(crate) state: RunState,
    spec: Spec,
    /// Each with the instances that have it; none when it is no matter which are meant.
    errors: Vec<(Vec<InstanceName>, Failure)>,
    unevaluated: Vec<TargetName>,
    unseen: Vec<TargetName>,
    /// What is depended on and not known, since a target that failed to evaluate may declare it, and that target.
    pub(crate) unknown: BTreeMap<InstanceName, TargetName>,
}

/// Holds the instances that selectors mean.
#[derive(Debug, Clone, Default)]
pub struct Selection {
    pub(crate) selectors: Vec<Selector>,
    pub(crate) names: BTreeSet<InstanceName>,
    pub(crate) errors: Vec<Failure>,
}

impl Selection {
    /// Returns the selected instances.
    pub fn names(&self) -> &BTreeSet<InstanceName> {
        &self.names
    }

    /// Returns the configuration errors of the selected instances, and selectors that mean nothing.
    pub fn errors(&self) -> &[Failure] {
        &self.errors
    }
}

/// Finds what selectors mean among names.
type Choose = fn(&BTreeSet<&InstanceName>, &[Selector]) -> (BTreeSet<InstanceName>, Vec<SelectorError>);

/// The files to read, by instance.
pub type FileSelection = BTreeMap<InstanceName, Vec<Name>>;

impl Run {
    /// Begins with what is declared.
    pub fn open(declared: Declared, tools: Tools) -> Self {
        let mut run = Self {
            instances: BTreeMap::new(),
            ordered: Vec::new(),
            tools,
            state: RunState::default(),
            spec: declared.spec.clone(),
            errors: Vec::new(),
            unevaluated: Vec::new(),
            unseen: Vec::new(),
            unknown: BTreeMap::new(),
        };
        run.declare(declared);
        run
    }

    /// Looks once and writes nothing: takes what backends answered before from this folder, and keeps what they answer. Without a folder
    /// everything is asked, and nothing kept.
    #[must_use]
    pub fn looking(mut self, folder: Option<&Path>) -> Self {
        let open = |folder| CheckMemo::open(folder, self.tools.root.path(), self.tools.seconds());
        self.tools.memo = folder.map_or_else(CheckMemo::unused, open);
        self
    }

    /// Evaluates the declarations again: what reads a public file that was generated can be evaluated then.
    ///
    /// # Errors
    /// When nothing evaluates, or the declarations name another root by now.
    pub fn evaluate_again(&mut self) -> Result<(), Failure> {
        let declared = self.tools.evaluator.evaluate()?;
        if declared.root.canonicalize().ok().as_deref() != Some(self.tools.root.path()) {
            let why = format!("the root changed to {} during this run", declared.root.display());
            return Err(Failure::new("", why).hint(Some("run the command again to continue")));
        }
        self.tools.backends.register(&declared.spec.backends);
        self.declare(declared);
        self.state.begin_round(&self.instances);
        Ok(())
    }

    fn declare(&mut self, declared: Declared) {
        let Declared { spec, failures, unevaluated, unseen, system, .. } = declared;
        let mut resolved = artifacts_plan::instances(&spec, system.as_deref());
        self.tools.keys = DeclaredKeys::new(&spec);
        let (ordered, looped) = artifacts_plan::order(&resolved.instances);
        self.unknown = resolved.take_unknown(&EntryOwners::new(&spec, unevaluated.clone()));
        let problems: Vec<_> = resolved.problems.into_iter().chain(looped).collect();
        let faulty: BTreeSet<InstanceName> = problems.iter().map(|problem| problem.instance.clone()).collect();
        // What Nix reports of a declaration is not said a second time.
        let reported: BTreeSet<InstanceName> = failures.iter().flat_map(|(names, _)| names).cloned().collect();
        let problems = problems.into_iter().filter(|problem| !reported.contains(&problem.instance));
        let problems = problems.map(|problem| (vec![problem.instance.clone()], failure::declared(problem)));
        self.errors = failures.into_iter().chain(problems).collect();
        self.instances = resolved.instances.into_iter().filter(|(name, _)| !faulty.contains(name)).collect();
        (self.ordered, self.spec, self.unevaluated, self.unseen) = (ordered, spec, unevaluated, unseen);
    }

    /// Returns the instances that the selectors mean, without what is settled in this run. A selector that means nothing, or several
    /// things, is an error.
    pub fn select(&self, selectors: &[Selector]) -> Selection {
        self.choose(selectors, artifacts_plan::select)
    }

    /// Does the same for what replaces values: a name that is both a machine's and a user's is an error as well.
    pub fn select_strictly(&self, selectors: &[Selector]) -> Selection {
        self.choose(selectors, artifacts_plan::select_strictly)
    }

    /// Returns what one selector means.
    ///
    /// # Errors
    /// When it means nothing, or several things.
    pub fn meaning(&self, selector: &Selector, strictly: bool) -> Result<SelectorMeaning, SelectorError> {
        let names = self.names();
        if strictly { selector.resolve_strictly(&names) } else { selector.resolve(&names) }
    }

    /// The instances that selectors name as an instance or an artifact, and not as one of all that something has.
    pub(crate) fn named(&self, selectors: &[Selector]) -> BTreeSet<InstanceName> {
        let all = self.names();
        let meanings = selectors.iter().filter_map(|selector| selector.resolve(&all).ok());
        let named = meanings.filter(|one| matches!(one.kind, SelectorKind::Instance | SelectorKind::Artifact));
        named.flat_map(|meaning| meaning.names).collect()
    }

    /// The instances that selectors name in full, in the long or the short form.
    pub(crate) fn named_in_full(&self, selectors: &[Selector]) -> BTreeSet<InstanceName> {
        let all = self.names();
        let meanings = selectors.iter().filter_map(|selector| selector.resolve(&all).ok());
        meanings.filter(|one| one.kind == SelectorKind::Instance).flat_map(|meaning| meaning.names).collect()
    }

    fn choose(&self, selectors: &[Selector], choose: Choose) -> Selection {
        let (mut names, unclear) = choose(&self.names(), selectors);
        let meant = |of: &[InstanceName]| of.is_empty() || of.iter().any(|name| names.contains(name));
        let declared = self.errors.iter().filter(|(of, _)| meant(of)).map(|(_, failure)| failure.clone());
        let errors = declared.chain(unclear.iter().map(failure::selector)).collect();
        names.retain(|name| !self.state.settled.contains(name));
        Selection { selectors: selectors.to_vec(), names, errors }
    }

    /// The names of all instances, of those as well that are badly declared.
    pub(crate) fn names(&self) -> BTreeSet<&InstanceName> {
        self.instances.keys().chain(self.errors.iter().flat_map(|(names, _)| names)).collect()
    }

    /// Returns a selection of one instance.
    pub fn select_one(&self, name: &InstanceName) -> Selection {
        Selection { names: BTreeSet::from([name.clone()]), ..Selection::default() }
    }

    /// Returns a selection of orphaned entries, for [`crate::Prune`]; it has no instance.
    pub fn select_orphans(&self, selectors: &[Selector]) -> Selection {
        Selection { selectors: selectors.to_vec(), names: BTreeSet::new(), errors: self.errors() }
    }

    /// Reads files back: of each instance all that are selected, or none.
    pub fn read(&mut self, files: &FileSelection) -> BTreeMap<InstanceName, Result<RetrievedFiles, Failure>> {
        let Self { instances, tools, .. } = self;
        let wanted: Vec<(&Instance, Vec<Name>)> =
            files.iter().filter_map(|(name, files)| Some((instances.get(name)?, files.clone()))).collect();
        let read = retrieve(tools, &wanted);
        tools.report_missing_layers();
        read
    }

    /// Reads one file back.
    ///
    /// # Errors
    /// When it cannot be read.
    pub fn read_file(&mut self, name: &InstanceName, file: &Name) -> Result<Secret, Failure> {
        let missing = || Failure::new(name.to_string(), format!("`{file}` was not returned"));
        let files = FileSelection::from([(name.clone(), vec![file.clone()])]);
        let mut read = self.read(&files).remove(name).ok_or_else(missing)??;
        read.files.remove(file).ok_or_else(missing)
    }

    /// Returns the stored files of instances that could be read, as far as can be determined without an identity.
    ///
    /// # Errors
    /// When one could not be read.
    pub fn would_read(&mut self, files: &FileSelection) -> Result<BTreeMap<InstanceName, Vec<FileChange>>, Failure> {
        let names = files.keys().cloned().collect();
        let survey = self.survey_instances(&names);
        self.tools.report_missing_layers();
        let mut found_files = BTreeMap::new();
        for instance in self.among(&names) {
            let unknown = || Failure::new(instance.name.to_string(), "its state is unknown");
            let found = survey.found.get(&instance.name).ok_or_else(unknown)?;
            if let Some(failure) = unreadable(instance, found) {
                return Err(failure);
            }
            found_files.insert(instance.name.clone(), changes(&self.tools, instance, found, Writing::Anew));
        }
        Ok(found_files)
    }

    /// Opens backends and identities anew when they are needed next: a person wants another try.
    pub fn retry(&mut self) {
        self.tools.backends.retry();
        self.tools.identities.forget();
    }

    /// Returns the audit log.
    pub fn audit(&self) -> Option<&AuditLog> {
        self.tools.audit.as_ref()
    }

    /// Returns every instance by name.
    pub fn instances(&self) -> &BTreeMap<InstanceName, Instance> {
        &self.instances
    }

    /// Returns these and all that they depend on.
    pub fn with_dependencies(&self, names: &BTreeSet<InstanceName>) -> BTreeSet<InstanceName> {
        artifacts_plan::reach(&self.instances, names)
    }

    /// Returns every configuration error.
    pub fn errors(&self) -> Vec<Failure> {
        self.errors.iter().map(|(_, failure)| failure.clone()).collect()
    }

    /// The configuration error of an instance.
    pub(crate) fn error_of(&self, name: &InstanceName) -> Option<Failure> {
        self.errors.iter().find(|(names, _)| names.contains(name)).map(|(_, failure)| failure.clone())
    }

    /// Returns the component's own name and the storage of an instance's backend, if it can be opened.
    pub fn backend_of(&mut self, name: &InstanceName) -> Option<(String, String)> {
        let backend = self.instances.get(name)?.artifact.backend.as_ref()?;
        let ready = self.tools.backends.open(backend).ok()?;
        Some((ready.terms.component.clone(), ready.storage.clone()))
    }

    /// Returns the directory that contains the storages.
    pub fn root(&self) -> &Path {
        self.tools.root.path()
    }

    /// Returns the declared SSH keys that are this recipient in another form.
    pub fn ssh_forms(&self, recipient: &str) -> impl Iterator<Item = &String> {
        self.tools.keys.ssh_forms(recipient)
    }

    pub(crate) fn survey_instances(&mut self, names: &BTreeSet<InstanceName>) -> Survey {
        survey(&mut self.tools, &self.instances, names)
    }

    /// Whether a target failed to evaluate.
    pub fn is_in_part(&self) -> bool {
        !self.unevaluated.is_empty()
    }

    pub(crate) fn is_canceled(&self) -> bool {
        self.tools.cancel.is_set()
    }

    pub(crate) fn spec(&self) -> &Spec {
        &self.spec
    }

    /// The instances of these names.
    pub(crate) fn among<'a>(&'a self, names: &'a BTreeSet<InstanceName>) -> impl Iterator<Item = &'a Instance> {
        names.iter().filter_map(|name| self.instances.get(name))
    }

    /// Whose entries are whose. With nothing declared at all, something is more likely wrong than everything orphaned.
    pub(crate) fn owners(&self) -> Result<EntryOwners, Failure> {
        if self.spec.targets.is_empty() && self.unevaluated.is_empty() {
            return Err(Failure::new("", "the flake declares no targets, so every entry would count as orphaned")
                .hint(Some("check `--flake`; to delete all stored secrets, remove the storage directory yourself")));
        }
        Ok(EntryOwners::new(&self.spec, self.unevaluated.iter().chain(&self.unseen).cloned().collect()))
    }

    /// Why the recipients of an instance cannot be determined: it is shared, and a target that failed to evaluate may be one. What
    /// is stored for it now must not be taken from it.
    pub(crate) fn unknown_recipients(&self, instance: &Instance) -> Option<Failure> {
        let (kind, target) = self.unevaluated.first()?;
        let InstanceName::Shared { .. } = instance.name else { return None };
        let why = format!("cannot determine its recipients: {} {target} failed to evaluate", kind.as_str());
        Some(Failure::new(instance.name.to_string(), why).hint(Some("fix the configuration of that target first")))
    }

    /// Entries that no declaration owns. Where it cannot be determined what is declared or stored, there are none.
    pub(crate) fn orphans(&self) -> Orphans {
        let orphans = self.owners().and_then(|owners| orphans(&self.tools, &owners, &self.instances));
        orphans.unwrap_or_default()
    }

    /// The same, with those in storages that no backend has: any of them may have the value of a renamed instance.
    pub(crate) fn former(&self) -> Vec<Orphan> {
        let orphans = self.orphans();
        orphans.found.into_iter().chain(orphans.strange).collect()
    }

    /// The rows of what is selected as it was found, and what could not be told.
    pub(crate) fn found(&self, selection: &Selection, survey: &Survey) -> Report {
        let errors = selection.errors.iter().chain(&survey.errors).cloned().collect();
        Report { errors, ..self.rows(&selection.names, survey) }
    }

    /// The rows of these instances as they were found.
    pub(crate) fn rows(&self, names: &BTreeSet<InstanceName>, survey: &Survey) -> Report {
        let row = |instance: &Instance| {
            let found = survey.found.get(&instance.name)?;
            let backend = instance.artifact.backend.as_ref().map(ToString::to_string);
            let recipients = number_of(&found.recipients);
            let row = InstanceRow { recipients, ..InstanceRow::new(backend, found.state.clone()) };
            Some((instance.name.clone(), row))
        };
        let rows = self.among(names).filter_map(row).collect();
        Report { rows, names: survey.recipient_names.clone(), ..Report::default() }
    }
}

/// How many recipients files have together; none where none has any.
pub(crate) fn number_of(recipients: &Recipients) -> Option<usize> {
    let all: BTreeSet<&String> = recipients.of_all_files().collect();
    (!all.is_empty()).then_some(all.len())
}
