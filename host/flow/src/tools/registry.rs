use std::collections::{BTreeMap, BTreeSet};
use std::num::NonZeroUsize;
use std::path::{Path, PathBuf};
use std::rc::Rc;

use artifacts_age::RecipientPlugins;
use artifacts_contract::{Component, Grants, effective, limits_from_json, raised_limits, read_file};
use artifacts_declared::{ComponentSource, DEFAULT_STORAGE, Name};
use artifacts_nix::Nix;
use artifacts_report::Failure;
use artifacts_seam::SandboxLayer;
use artifacts_session::{Session, WorkerSession, WorkerStart, Workers};
use artifacts_text::{Comparison, Explain, nix_attribute, shell_word};

use super::backends::{Backends, ReadyBackend};
use super::operator::Answer;
use super::program;
use super::session::{EffectiveGrants, Terms, stores_here};

/// The backends of a run: declared ones, and the bundled ones under their own names. Each is opened once, when it is
/// first needed; one that cannot be opened fails its instances and nothing else.
pub struct Registry {
    declared: BTreeMap<Name, artifacts_declared::Registration>,
    bundled: BundledBackends,
    base: PathBuf,
    worker: Rc<dyn Fn() -> Result<WorkerStart, Failure>>,
    /// How many calls of a backend are made at once.
    jobs: NonZeroUsize,
    accept: Accept,
    opened: BTreeMap<Name, Result<ReadyBackend, Failure>>,
    nix: Nix,
    on_target: bool,
    plugins: RecipientPlugins,
}

/// Holds the backends inside the program.
#[derive(Debug, Clone, Copy)]
pub struct BundledBackends {
    /// Their names, also of those that this program was built without.
    pub names: &'static [&'static str],
    /// Returns the component of a bundled backend; a failure is about the registered name, which comes first.
    pub component: fn(&str, &str) -> Result<Component, Failure>,
}

/// Asks the admin, who may have answered before, whether a component may have these rights.
pub type Accept = Box<dyn Fn(&Name, &Component, &EffectiveGrants) -> Result<Answer, Failure>>;

impl Registry {
    /// `base` is where relative paths of components begin; `worker` says how a worker is started.
    pub fn new(
        declared: BTreeMap<Name, artifacts_declared::Registration>,
        bundled: BundledBackends,
        base: PathBuf,
        nix: Nix,
        worker: impl Fn() -> Result<WorkerStart, Failure> + 'static,
    ) -> Self {
        Self {
            declared,
            bundled,
            base,
            worker: Rc::new(worker),
            jobs: NonZeroUsize::MIN,
            accept: Box::new(|_, _, _| Ok(Answer::NoOne)),
            opened: BTreeMap::new(),
            nix,
            on_target: false,
            plugins: RecipientPlugins::default(),
        }
    }

    /// The same with someone to ask about the grants of components that are not bundled. Without, none is given.
    #[must_use]
    pub fn asking(mut self, accept: Accept) -> Self {
        self.accept = accept;
        self
    }

    /// The same with up to so many workers of each backend, which are called at once.
    #[must_use]
    pub fn at_once(mut self, jobs: NonZeroUsize) -> Self {
        self.jobs = jobs;
        self
    }

    /// The same with age plugins that encrypt.
    #[must_use]
    pub fn sealing(mut self, plugins: RecipientPlugins) -> Self {
        self.plugins = plugins;
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
            .hint(Some(format!("register it as `{}`, or use another", option(name)))))
    }

    fn try_open(&mut self, name: &Name) -> Result<ReadyBackend, Failure> {
        let entry = self.entry(name)?;
        let (component, real) = self.read(name, &entry)?;
        let stored = || real.is_none_or(|real| in_store(&real, &self.nix));
        check_sha256(name, &entry, &component, stored)?;
        check_name(name, &component)?;
        let rights = self.rights(name, &entry, &component)?;
        if rights.need_consent() {
            match (self.accept)(name, &component, &rights)? {
                Answer::Yes { .. } => {}
                Answer::No => {
                    return Err(Failure::declined(format!("the grants of backend `{name}` were not accepted")));
                }
                Answer::NoOne => return Err(not_accepted(name, &component, &rights)),
            }
        }
        let EffectiveGrants { grants, limits, .. } = rights.clone();
        let terms = Terms::new(&component, rights);
        if !stores_here(&component) && !self.on_target {
            return Ok(ReadyBackend::new(terms, entry.storage, None));
        }
        let (name, start, jobs, plugins) = (name.clone(), Rc::clone(&self.worker), self.jobs, self.plugins.clone());
        let session = move || {
            let session = WorkerSession::open(&component, grants, limits, &start()?);
            let session = session.map_err(|error| Failure::about(name.to_string(), error))?.sealing(plugins);
            Ok(Box::new(Workers::new(session, jobs, move || start().ok())) as Box<dyn Session>)
        };
        Ok(ReadyBackend::starting(terms, entry.storage, Box::new(session)))
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
                .hint(Some(format!("fix `{}.{what}`", option(name))))
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
        let (component, _) = self.read(name, entry)?;
        check_name(name, &component)?;
        Ok(component)
    }

    /// The component, and the path that it was read from, without links and `..`; none when it is inside the program.
    fn read(
        &self,
        name: &Name,
        entry: &artifacts_declared::Registration,
    ) -> Result<(Component, Option<PathBuf>), Failure> {
        if self.bundled.names.contains(&name.as_str()) && !is_itself(name, entry) {
            let why = format!("`{name}` is the name of a bundled backend, and no other component can have it");
            let hint = format!("register the component under its own name, or leave `{}.component` out", option(name));
            return Err(Failure::new(name.to_string(), why).hint(Some(hint)));
        }
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
        let store = program::store_of(&path, &self.nix);
        let found = artifacts_generate::follow(&path, store.as_slice())
            .and_then(|path| artifacts_generate::real(&path, store.as_slice()).canonicalize())
            .and_then(|real| Ok((read_file(&real)?, real)));
        let (bytes, real) = found.map_err(|e| {
            Failure::new(name.to_string(), format!("cannot read its component {}: {e}", path.display()))
                .hint(Some(format!("fix `{}.component`", option(name))))
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
        self.opened.retain(|_, opened| opened.as_ref().is_ok_and(|ready| !ready.has_failed()));
    }

    fn close(&mut self) {
        self.opened.retain(|_, opened| opened.is_err());
    }

    fn retry(&mut self) {
        self.opened.clear();
    }

    fn missing_layers(&self) -> BTreeSet<SandboxLayer> {
        self.opened.values().flatten().flat_map(ReadyBackend::missing_layers).collect()
    }
}

/// Whether a path without links and `..` is in the Nix store.
fn in_store(real: &Path, nix: &Nix) -> bool {
    let store = nix.store().ok().and_then(|store| store.real.canonicalize().ok());
    store.is_some_and(|store| real != store && real.starts_with(store))
}

fn realise(name: &Name, path: &Path, drv: &Path, nix: &Nix) -> Result<(), Failure> {
    if program::real_path(path, nix).exists() {
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
        Some(expected) => Err(Failure::new(name.to_string(), "component SHA-256 does not match")
            .compared(Comparison::new(found.to_string(), expected.clone()))
            .hint(Some(format!("review the new component, then update `{}.sha256`", option(name))))),
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

/// Returns the option that registers a backend.
fn option(name: &Name) -> String {
    format!("artifacts.backends.{}", nix_attribute(name.as_str()))
}

/// A backend is known by one name: that of its registration, which configurations have, and that of its manifest, which people read
/// before they accept it.
fn check_name(name: &Name, component: &Component) -> Result<(), Failure> {
    let own = &component.manifest().name;
    if own == name.as_str() {
        return Ok(());
    }
    let why = format!("it is registered as `{name}`, and its component names itself `{own}`");
    Err(Failure::new(name.to_string(), why).hint(Some(format!(
        "register it as `artifacts.backends.{}`, or change `name` with `artifacts backend annotate`",
        nix_attribute(own)
    ))))
}

fn not_accepted(name: &Name, component: &Component, rights: &EffectiveGrants) -> Failure {
    let grants = rights.grants.each().into_iter().filter(|grant| grant.given).map(|grant| grant.name.to_owned());
    let limits = raised_limits(&rights.limits).into_iter().map(|limit| limit.to_string());
    let given = grants.chain(limits).collect::<Vec<_>>().join(", ");
    let sha256 = component.sha256();
    let why = format!("you have not accepted its grants and limits on this machine: {given} (SHA-256 {sha256})");
    let explain = format!("artifacts backend explain {}", shell_word(name.as_str()));
    Failure::new(name.to_string(), why).hint(Some(format!("review them with `{explain}`, then pass `--accept-grants`")))
}

/// Whether an entry is about a bundled backend under its own name.
fn is_itself(name: &Name, entry: &artifacts_declared::Registration) -> bool {
    matches!(&entry.component, ComponentSource::Plain(text) if text.strip_prefix("builtin:") == Some(name.as_str()))
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

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn registry() -> Registry {
        let nothing = || Failure::new("", "there is nothing");
        let bundled = BundledBackends { names: &["fake"], component: |_, _| Err(Failure::new("", "there is nothing")) };
        let nix = Nix::new(None, Vec::new(), artifacts_nix::NixOptions::default());
        Registry::new(BTreeMap::new(), bundled, PathBuf::new(), nix, move || Err(nothing()))
    }

    fn ready() -> ReadyBackend {
        ReadyBackend::new(Terms::for_tests(), DEFAULT_STORAGE.to_owned(), None)
    }

    #[test]
    fn another_try_opens_what_was_open_and_another_evaluation_does_not() {
        let name = Name::new("fake").unwrap();
        let mut registry = registry();
        registry.opened.insert(name.clone(), Ok(ready()));
        registry.register(&BTreeMap::new());
        assert!(registry.open(&name).is_ok());
        // It may be one that is not called any more, since it timed out too often.
        registry.retry();
        assert!(registry.open(&name).is_err_and(|failure| failure.message == "there is nothing"));
    }

    #[test]
    fn what_is_closed_is_opened_again_and_what_was_declined_is_not() {
        let [open, declined] = ["open", "declined"].map(|name| Name::new(name).unwrap());
        let mut registry = registry();
        registry.opened.insert(open.clone(), Ok(ready()));
        registry.opened.insert(declined.clone(), Err(Failure::new("", "declined")));
        registry.close();
        assert_eq!(registry.opened.keys().collect::<Vec<_>>(), [&declined]);
        assert!(registry.open(&declined).is_err_and(|failure| failure.message == "declined"));
    }

    #[test]
    fn a_component_is_found_in_a_store_that_is_not_where_its_paths_say() {
        let dir = tempfile::tempdir().unwrap();
        let store = dir.path().join("nix/store");
        std::fs::create_dir_all(&store).unwrap();
        std::fs::write(store.join("b.wasm"), "no component").unwrap();
        std::os::unix::fs::symlink("/no/such/store/b.wasm", store.join("a.wasm")).unwrap();
        let program = dir.path().join("program");
        let script = format!(
            "#!/bin/sh\ncase \"$*\" in *storeDir*) printf /no/such/store ;; *) echo 'store = local?root={}' ;; esac\n",
            dir.path().display()
        );
        artifacts_tests::script::write(&program, script).unwrap();
        let nix = Nix::new(Some(program), Vec::new(), artifacts_nix::NixOptions::default());
        let name = Name::new("own").unwrap();
        let plain = |text: &str| artifacts_declared::Registration {
            component: ComponentSource::Plain(text.to_owned()),
            ..builtin(&name)
        };
        let registry = Registry { nix, ..registry() };
        let failure = |text: &str| registry.component(&name, &plain(text)).unwrap_err().message;
        assert!(failure("/no/such/store/a.wasm").contains("a.wasm rejected"), "{}", failure("/no/such/store/a.wasm"));
        assert!(failure("/no/such/store/c.wasm").contains("cannot read"), "{}", failure("/no/such/store/c.wasm"));
        assert!(in_store(&store.canonicalize().unwrap().join("b.wasm"), &registry.nix));
    }

    #[test]
    fn the_name_of_a_bundled_backend_is_its_own_whatever_is_registered() {
        let name = Name::new("fake").unwrap();
        let registry = registry();
        let registered = |component: ComponentSource| artifacts_declared::Registration { component, ..builtin(&name) };
        let plain = |text: &str| ComponentSource::Plain(text.to_owned());
        let derived = ComponentSource::Derived { path: "/nix/store/x".into(), drv: "/nix/store/x.drv".into() };
        for taken in [plain("/nowhere.wasm"), plain("builtin:other"), derived] {
            let failure = registry.component(&name, &registered(taken)).unwrap_err();
            assert!(failure.message.contains("`fake` is the name of a bundled backend"), "{failure:?}");
        }
        let own = registry.component(&name, &registered(plain("builtin:fake"))).unwrap_err();
        assert_eq!(own.message, "there is nothing", "it is looked for inside the program");
    }
}
