use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use artifacts_contract::{Component, Grants, effective, limits_from_json, read_file};
use artifacts_declared::{ComponentSource, DEFAULT_STORAGE, Name};
use artifacts_nix::Nix;
use artifacts_ram::PrivateDir;
use artifacts_report::Failure;
use artifacts_seam as seam;
use artifacts_seam::{Limits, SandboxLayer};
use artifacts_session::{
    CallFailed, Checks, RetrieveCall, Retrieved, SerializeCall, Serialized, Session, WorkerSession, WorkerStart,
};
use artifacts_text::{Explain, shell_word};

use super::backends::{Backends, ReadyBackend};
use super::session::{Terms, stores_here};

/// The backends of a run: declared ones, and the bundled ones under their own names. Each is opened once, when it is
/// first needed; one that cannot be opened fails its instances and nothing else.
pub struct Registry {
    declared: BTreeMap<Name, artifacts_declared::Registration>,
    bundled: BundledBackends,
    base: PathBuf,
    worker: Box<dyn Fn() -> Result<(WorkerStart, PrivateDir), Failure>>,
    accept: Accept,
    opened: BTreeMap<Name, Result<ReadyBackend, Failure>>,
    missing: BTreeSet<SandboxLayer>,
    nix: Nix,
    on_target: bool,
}

/// Holds the backends inside the program.
#[derive(Debug, Clone, Copy)]
pub struct BundledBackends {
    /// Their names, also of those that this program was built without.
    pub names: &'static [&'static str],
    /// Returns the component of a bundled backend; a failure is about the registered name, which comes first.
    pub component: fn(&str, &str) -> Result<Component, Failure>,
}

/// Asks the admin, who may have answered before, whether a component may have these grants.
pub type Accept = Box<dyn Fn(&Name, &Component, &Grants) -> Result<bool, Failure>>;

/// What a backend may do, and how much it may use.
#[derive(Debug, Clone)]
pub struct EffectiveGrants {
    /// The effective grants.
    pub grants: Grants,
    /// The limits.
    pub limits: Limits,
    /// Whether it is trusted as the program is, since it is inside of it: it gets what it requests.
    pub bundled: bool,
}

/// A component's session, with the directory that it works in for as long as it is open.
struct ComponentFile {
    session: WorkerSession,
    _home: PrivateDir,
}

impl Session for ComponentFile {
    fn check(&mut self, context: seam::CallContext, batch: Vec<(seam::InstanceView, seam::EntryFiles)>) -> Checks {
        self.session.check(context, batch)
    }

    fn serialize(&mut self, context: seam::CallContext, call: SerializeCall<'_>) -> Result<Serialized, CallFailed> {
        Session::serialize(&mut self.session, context, call)
    }

    fn retrieve(&mut self, context: seam::CallContext, call: RetrieveCall<'_>) -> Result<Retrieved, CallFailed> {
        Session::retrieve(&mut self.session, context, call)
    }
}

impl Registry {
    /// `base` is where relative paths of components begin; `worker` says how a backend's worker is started, and gives the directory that it works in.
    pub fn new(
        declared: BTreeMap<Name, artifacts_declared::Registration>,
        bundled: BundledBackends,
        base: PathBuf,
        nix: Nix,
        worker: impl Fn() -> Result<(WorkerStart, PrivateDir), Failure> + 'static,
    ) -> Self {
        Self {
            declared,
            bundled,
            base,
            worker: Box::new(worker),
            accept: Box::new(|_, _, _| Ok(false)),
            opened: BTreeMap::new(),
            missing: BTreeSet::new(),
            nix,
            on_target: false,
        }
    }

    /// The same with someone to ask about the grants of components that are not bundled. Without, none is given.
    #[must_use]
    pub fn asking(mut self, accept: Accept) -> Self {
        self.accept = accept;
        self
    }

    /// The same for the target itself, where those work that keep nothing in the storage.
    #[must_use]
    pub fn on_target(mut self) -> Self {
        self.on_target = true;
        self
    }

    /// Whether a backend is declared, and not only known by a bundled one's name.
    pub fn is_declared(&self, name: &Name) -> bool {
        self.declared.contains_key(name)
    }

    /// A backend's entry: declared, or the bundled one's.
    ///
    /// # Errors
    /// When nothing has that name.
    pub fn entry(&self, name: &Name) -> Result<artifacts_declared::Registration, Failure> {
        if let Some(entry) = self.declared.get(name) {
            return Ok(entry.clone());
        }
        if self.bundled.names.contains(&name.as_str()) {
            return Ok(builtin(name));
        }
        let known: Vec<String> = self.names().iter().map(ToString::to_string).collect();
        Err(Failure::new(name.to_string(), format!("unknown backend `{name}`; available: {}", known.join(", ")))
            .hint(Some(format!("register it as `artifacts.backends.{name}`, or use another"))))
    }

    fn try_open(&mut self, name: &Name) -> Result<ReadyBackend, Failure> {
        let entry = self.entry(name)?;
        let (component, real) = self.read(name, &entry)?;
        let stored = || real.is_none_or(|real| in_store(&real, &self.nix));
        check_sha256(name, &entry, &component, stored)?;
        let EffectiveGrants { grants, limits, bundled } = self.rights(name, &entry, &component)?;
        if !bundled && !grants.is_empty() && !(self.accept)(name, &component, &grants)? {
            return Err(not_accepted(name, &component, &grants));
        }
        let terms = Terms::new(&component, is_builtin(&entry), grants.clone(), limits);
        if !stores_here(&component) && !self.on_target {
            return Ok(ReadyBackend::new(terms, entry.storage, None));
        }
        let (worker, home) = (self.worker)()?;
        let session = WorkerSession::open(&component, grants, limits, &worker)
            .map_err(|e| Failure::about(name.to_string(), e))?;
        self.missing.extend(session.missing().iter().copied());
        Ok(ReadyBackend::new(terms, entry.storage, Some(Box::new(ComponentFile { session, _home: home }))))
    }

    /// What a backend may do and use.
    ///
    /// # Errors
    /// When its entry grants or limits what this host does not know, and so cannot enforce.
    pub fn rights(
        &self,
        name: &Name,
        entry: &artifacts_declared::Registration,
        component: &Component,
    ) -> Result<EffectiveGrants, Failure> {
        let refused = |what: &str, why: String| {
            Failure::new(name.to_string(), format!("invalid {what}: {why}"))
                .hint(Some(format!("fix `artifacts.backends.{name}.{what}`")))
        };
        let requested = &component.manifest().requests;
        let bundled = is_builtin(entry);
        let granted = if bundled {
            requested.clone()
        } else {
            Grants::from_json(&entry.grants).map_err(|e| refused("grants", e.to_string()))?
        };
        let limits = limits_from_json(&entry.limits).map_err(|e| refused("limits", e.to_string()))?;
        Ok(EffectiveGrants { grants: effective(requested, &granted), limits, bundled })
    }

    /// A backend's component, read but not run.
    ///
    /// # Errors
    /// When it cannot be read, or is no component that this host would run.
    pub fn component(&self, name: &Name, entry: &artifacts_declared::Registration) -> Result<Component, Failure> {
        self.read(name, entry).map(|(component, _)| component)
    }

    /// The component, and the path that it was read from, without links and `..`; none when it is inside the program.
    fn read(
        &self,
        name: &Name,
        entry: &artifacts_declared::Registration,
    ) -> Result<(Component, Option<PathBuf>), Failure> {
        let path = match &entry.component {
            ComponentSource::Plain(text) => match text.strip_prefix("builtin:") {
                Some(builtin) => {
                    return (self.bundled.component)(name.as_str(), builtin).map(|component| (component, None));
                }
                None => self.base.join(text),
            },
            ComponentSource::Derived { path, drv } => {
                realise(name, path, drv, &self.nix)?;
                path.clone()
            }
        };
        let found = path.canonicalize().and_then(|real| Ok((read_file(&real)?, real)));
        let (bytes, real) = found.map_err(|e| {
            Failure::new(name.to_string(), format!("cannot read its component {}: {e}", path.display()))
                .hint(Some(format!("fix `artifacts.backends.{name}.component`")))
        })?;
        let component = Component::read(bytes).map_err(|refusal| {
            Failure::new(name.to_string(), format!("component {} rejected: {refusal}", path.display()))
                .hint(refusal.hint())
        })?;
        Ok((component, Some(real)))
    }
}

impl Backends for Registry {
    fn open(&mut self, name: &Name) -> Result<&mut ReadyBackend, Failure> {
        if !self.opened.contains_key(name) {
            let opened = self.try_open(name);
            self.opened.insert(name.clone(), opened);
        }
        match self.opened.get_mut(name) {
            Some(Ok(opened)) => Ok(opened),
            Some(Err(failure)) => Err(failure.clone()),
            None => Err(Failure::new(name.to_string(), "it was not opened")),
        }
    }

    fn storage(&self, name: &Name) -> Result<String, Failure> {
        Ok(self.entry(name)?.storage)
    }

    fn names(&self) -> Vec<Name> {
        let bundled = self.bundled.names.iter().filter_map(|name| Name::new(*name).ok());
        let mut names: Vec<Name> = self.declared.keys().cloned().chain(bundled).collect();
        names.sort();
        names.dedup();
        names
    }

    fn register(&mut self, registrations: &BTreeMap<Name, artifacts_declared::Registration>) {
        let declared = &self.declared;
        self.opened.retain(|name, _| declared.get(name) == registrations.get(name));
        self.declared.clone_from(registrations);
        self.retry();
    }

    fn retry(&mut self) {
        self.opened.retain(|_, opened| opened.is_ok());
    }

    fn missing_layers(&self) -> BTreeSet<SandboxLayer> {
        self.missing.clone()
    }
}

/// Whether a path without links and `..` is in the Nix store.
fn in_store(real: &Path, nix: &Nix) -> bool {
    let store = nix.store_dir().ok().and_then(|store| store.canonicalize().ok());
    store.is_some_and(|store| real != store && real.starts_with(store))
}

fn realise(name: &Name, path: &Path, drv: &Path, nix: &Nix) -> Result<(), Failure> {
    if path.exists() {
        return Ok(());
    }
    nix.realise(drv).map_err(|error| {
        Failure::new(name.to_string(), format!("cannot build its component: {error}")).hint(error.hint())
    })
}

/// What is registered is what runs. In the Nix store the path tells already; anywhere else only the hash does.
fn check_sha256(
    name: &Name,
    entry: &artifacts_declared::Registration,
    component: &Component,
    stored: impl FnOnce() -> bool,
) -> Result<(), Failure> {
    let found = component.sha256();
    match &entry.sha256 {
        Some(expected) if expected.eq_ignore_ascii_case(&found.to_string()) => Ok(()),
        Some(expected) => Err(Failure::new(
            name.to_string(),
            format!("component SHA-256 does not match: expected {expected}, found {found}"),
        )
        .hint(Some(format!("review the new component, then update `artifacts.backends.{name}.sha256`")))),
        None if stored() => Ok(()),
        None => {
            let path = match &entry.component {
                ComponentSource::Plain(path) => Path::new(path),
                ComponentSource::Derived { path, .. } => path,
            };
            let path = path.display();
            Err(Failure::new(
                name.to_string(),
                format!("component {path} is outside the Nix store and has no registered SHA-256"),
            )
            .hint(Some(format!("review it with `artifacts backend inspect`, then set `sha256 = \"{found}\"`"))))
        }
    }
}

fn not_accepted(name: &Name, component: &Component, grants: &Grants) -> Failure {
    let words = serde_json::json!(grants);
    Failure::new(
        name.to_string(),
        format!("you have not accepted its grants on this machine: {words} (SHA-256 {})", component.sha256()),
    )
    .hint(Some(format!(
        "review them with `artifacts backend explain {}`, then pass `--accept-grants`",
        shell_word(name.as_str())
    )))
}

fn is_builtin(entry: &artifacts_declared::Registration) -> bool {
    matches!(&entry.component, ComponentSource::Plain(text) if text.starts_with("builtin:"))
}

fn builtin(name: &Name) -> artifacts_declared::Registration {
    artifacts_declared::Registration {
        component: ComponentSource::Plain(format!("builtin:{name}")),
        sha256: None,
        storage: DEFAULT_STORAGE.to_owned(),
        grants: serde_json::Map::new(),
        limits: serde_json::Map::new(),
    }
}
