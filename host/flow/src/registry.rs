use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use artifacts_backend::{BUNDLED, Backend, Component, Grants, Limits, Persists, Place, bundled_component, effective};
use artifacts_nix::Nix;
use artifacts_ram::Folder;
use artifacts_report::Failure;
use artifacts_spec::{Component as Location, DEFAULT_STORAGE, Name};

/// The backends of a run: declared ones, and the bundled ones under their own names. Each is opened once, when it is
/// first needed; one that cannot be opened fails its instances and nothing else.
pub struct Registry {
    declared: BTreeMap<Name, artifacts_spec::Backend>,
    base: PathBuf,
    place: Box<dyn Fn() -> Result<(Place, Folder), Failure>>,
    opened: BTreeMap<Name, Result<Opened, Failure>>,
    on_target: bool,
}

/// A backend that is ready to be asked.
pub struct Opened {
    /// What it is.
    pub component: Component,
    /// What it runs in; none when it keeps nothing here.
    pub backend: Option<Backend>,
    /// The folder below the root that holds its slices.
    pub storage: String,
    /// Where it works, for as long as it is open.
    _home: Option<Folder>,
}

impl Registry {
    /// `base` is where relative paths of components begin; `place` gives a backend the place it runs in.
    pub fn new(
        declared: BTreeMap<Name, artifacts_spec::Backend>,
        base: PathBuf,
        place: impl Fn() -> Result<(Place, Folder), Failure> + 'static,
    ) -> Self {
        Self { declared, base, place: Box::new(place), opened: BTreeMap::new(), on_target: false }
    }

    /// The same for the target itself, where those work that keep nothing in the storage.
    #[must_use]
    pub fn on_target(mut self) -> Self {
        self.on_target = true;
        self
    }

    /// All names that are declared or bundled, sorted.
    pub fn names(&self) -> Vec<Name> {
        let bundled = BUNDLED.iter().filter_map(|name| Name::new(*name).ok());
        let mut names: Vec<Name> = self.declared.keys().cloned().chain(bundled).collect();
        names.sort();
        names.dedup();
        names
    }

    /// A backend's entry: declared, or the bundled one's.
    ///
    /// # Errors
    /// When nothing has that name.
    pub fn entry(&self, name: &Name) -> Result<artifacts_spec::Backend, Failure> {
        if let Some(entry) = self.declared.get(name) {
            return Ok(entry.clone());
        }
        if BUNDLED.contains(&name.as_str()) {
            return Ok(builtin(name));
        }
        let known: Vec<String> = self.names().iter().map(ToString::to_string).collect();
        Err(Failure::new(name.to_string(), format!("there is no backend `{name}`; known are {}", known.join(", ")))
            .help(Some(format!("register it as `artifacts.backends.{name}`, or name another"))))
    }

    /// The storage that a backend's slices are in.
    ///
    /// # Errors
    /// When nothing has that name.
    pub fn storage(&self, name: &Name) -> Result<String, Failure> {
        Ok(self.entry(name)?.storage)
    }

    /// A backend, opened.
    ///
    /// # Errors
    /// When it is unknown, cannot be read, is not what was registered, or may not run.
    pub fn open(&mut self, name: &Name, nix: &Nix) -> Result<&mut Opened, Failure> {
        if !self.opened.contains_key(name) {
            let opened = self.try_open(name, nix);
            self.opened.insert(name.clone(), opened);
        }
        match self.opened.get_mut(name) {
            Some(Ok(opened)) => Ok(opened),
            Some(Err(failure)) => Err(failure.clone()),
            None => Err(Failure::new(name.to_string(), "it was not opened")),
        }
    }

    fn try_open(&self, name: &Name, nix: &Nix) -> Result<Opened, Failure> {
        let entry = self.entry(name)?;
        let component = self.component(name, &entry, nix)?;
        check_sha256(name, &entry, &component)?;
        let refused = |what: &str, why: String| {
            Failure::new(name.to_string(), format!("its {what} are refused: {why}"))
                .help(Some(format!("correct `artifacts.backends.{name}.{what}`")))
        };
        let granted = if entry.component == builtin(name).component {
            // What is inside the program is trusted as the program is.
            component.manifest().requests.clone()
        } else {
            Grants::from_json(&entry.grants).map_err(|e| refused("grants", e.to_string()))?
        };
        let limits = Limits::from_json(&entry.limits).map_err(|e| refused("limits", e.to_string()))?;
        let (backend, home) = match component.manifest().persists {
            Persists::Target if !self.on_target => (None, None),
            Persists::Target | Persists::Storage => {
                let grants = effective(&component.manifest().requests, &granted);
                let (place, home) = (self.place)()?;
                let backend = Backend::open(&component, grants, limits, &place)
                    .map_err(|e| Failure::new(name.to_string(), e.to_string()).help(e.help()))?;
                (Some(backend), Some(home))
            }
        };
        Ok(Opened { component, backend, storage: entry.storage, _home: home })
    }

    /// A backend's component, read but not run.
    ///
    /// # Errors
    /// When it cannot be read, or is no component that this host would run.
    pub fn component(&self, name: &Name, entry: &artifacts_spec::Backend, nix: &Nix) -> Result<Component, Failure> {
        let path = match &entry.component {
            Location::Plain(text) => match text.strip_prefix("builtin:") {
                Some(builtin) => {
                    return bundled_component(builtin)
                        .map_err(|e| Failure::new(name.to_string(), e.to_string()).help(e.help()));
                }
                None => self.base.join(text),
            },
            Location::Derived { path, drv } => {
                realise(name, path, drv, nix)?;
                path.clone()
            }
        };
        let bytes = std::fs::read(&path).map_err(|e| {
            Failure::new(name.to_string(), format!("its component {} cannot be read: {e}", path.display()))
                .help(Some(format!("correct `artifacts.backends.{name}.component`")))
        })?;
        Component::read(bytes).map_err(|refusal| {
            Failure::new(name.to_string(), format!("its component {} is refused: {refusal}", path.display()))
                .help(refusal.help())
        })
    }
}

fn realise(name: &Name, path: &Path, drv: &Path, nix: &Nix) -> Result<(), Failure> {
    if path.exists() {
        return Ok(());
    }
    let failed = |message: String, help: Option<String>| Failure::new(name.to_string(), message).help(help);
    nix.realise(drv).map_err(|e| failed(format!("its component cannot be built: {e}"), e.help()))
}

fn check_sha256(name: &Name, entry: &artifacts_spec::Backend, component: &Component) -> Result<(), Failure> {
    match &entry.sha256 {
        Some(expected) if !expected.eq_ignore_ascii_case(component.sha256()) => Err(Failure::new(
            name.to_string(),
            format!("its component has SHA-256 {}, and {expected} is registered", component.sha256()),
        )
        .help(Some(format!("look at what changed, then correct `artifacts.backends.{name}.sha256`")))),
        _ => Ok(()),
    }
}

fn builtin(name: &Name) -> artifacts_spec::Backend {
    artifacts_spec::Backend {
        component: Location::Plain(format!("builtin:{name}")),
        sha256: None,
        storage: DEFAULT_STORAGE.to_owned(),
        grants: serde_json::Map::new(),
        limits: serde_json::Map::new(),
    }
}
