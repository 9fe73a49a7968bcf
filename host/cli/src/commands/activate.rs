use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use artifacts_activate::{ActivationContext, ActivationResult, activate};
use artifacts_declared::InstanceName;
use artifacts_flow::Registry;
use artifacts_generate::Sandbox;
use artifacts_nix::Nix;
use artifacts_on_target::place::DeployDir;
use artifacts_plan::{InstanceState, Selector, select};
use artifacts_ram::Ram;
use artifacts_report::{Failure, InstanceRow, Report, RowAction};
use artifacts_session::WorkerStart;
use clap::Args;

use crate::console::Console;
use crate::declarations::Declarations;
use crate::environment::Environment;
use crate::exit::Exit;
use crate::global::Global;
use crate::operator::{Flags, TerminalOperator};
use crate::{audit_log, signals};

/// Audit log of root, unless another one is set.
const LOG: &str = "/var/log/artifacts/audit.jsonl";
/// Where the modules put a machine's own spec.
const SPEC: &str = "/etc/artifacts/target.json";

#[derive(Debug, Args)]
pub struct Options {
    /// Instance, artifact, or prefix that ends at a slash [default: all]
    #[arg(value_name = "SELECTOR")]
    selectors: Vec<String>,
    /// RAM-backed directory for the files
    #[arg(long, value_name = "DIR", default_value = "/run/artifacts.d")]
    bytes: PathBuf,
    /// Directory for the symbolic links to the files
    #[arg(long, value_name = "DIR", default_value = "/run/artifacts")]
    links: PathBuf,
    /// Directory of the Nix store
    #[arg(long, value_name = "DIR", default_value = "/nix/store")]
    store: PathBuf,
}

impl Options {
    pub fn run(&self, global: &Global, console: &Console) -> Result<Exit, Failure> {
        let console = &console.unwrapped();
        let cancel = signals::watch()?;
        let environment = Environment::read();
        // Nix is not run here, and so not asked for its store.
        let store = Some(self.store.clone());
        let nix =
            Nix::new(None, Vec::new(), artifacts_nix::NixOptions { store, ..artifacts_nix::NixOptions::default() });
        let declared =
            Declarations::from_file(global.spec.as_deref().unwrap_or(Path::new(SPEC)), global.root.as_deref())?;
        let resolved = artifacts_plan::instances(&declared.spec, Some(&Environment::system()));
        let (ordered, looped) = artifacts_plan::order(&resolved.instances);
        let mut failures: Vec<Failure> =
            resolved.problems.into_iter().chain(looped).map(artifacts_flow::declared).collect();
        let selectors: Vec<Selector> = self.selectors.iter().map(Selector::new).collect();
        let all: BTreeSet<&InstanceName> = resolved.instances.keys().collect();
        let (chosen, idle) = select(&all, &selectors);
        failures.extend(idle.iter().map(|s| Failure::new(s.to_string(), "no artifact matches this selector")));

        let ram = Ram::find(&environment.ram_candidates())?;
        ram.sweep();
        let farm = DeployDir::open(&self.bytes, &self.links)?;
        let place = audit_log(global, &environment)?;
        audit_log::check(&place, global.audit_log.is_some())?;
        let log = audit_log::log(&place, global, None);
        log.begin().map_err(|e| audit_log::failure(&e))?;
        let mut room = ActivationContext {
            farm: &farm,
            audit: log,
            operator: Box::new(TerminalOperator::new(Flags::new(global, false), *console, None, None)),
            now: SystemTime::now(),
            registry: registry(declared, nix, ram.clone(), WorkerStart::default().required(global.require_sandbox))
                .on_target(),
            sandbox: sandbox(&environment, &ram)?,
            cancel: &cancel,
            log_level: Environment::log_level(console.verbose),
            generator_path: self.generator_path(&environment),
            store: self.store.clone(),
            runtime: environment.get("XDG_RUNTIME_DIR").map(|dir| dir.to_string_lossy().into_owned()),
            user: (rustix::process::geteuid().as_raw(), rustix::process::getegid().as_raw()),
        };
        let mut rows = BTreeMap::new();
        for (name, result) in activate(&mut room, &resolved.instances, &ordered, &chosen) {
            let done = match result {
                Ok(done) => done,
                Err(failure) => {
                    failures.push(failure);
                    continue;
                }
            };
            match done {
                ActivationResult::Generated => console.message(&format!("generated {name}")),
                ActivationResult::Regenerated => console.message(&format!("regenerated {name}")),
                ActivationResult::Present => console.detail(&format!("{name}: unchanged")),
            }
            let backend = resolved.instances.get(&name).and_then(|one| one.artifact.backend.as_ref());
            let row = InstanceRow::new(backend.map(ToString::to_string), InstanceState::Present);
            let done = (done != ActivationResult::Present).then_some(RowAction::Generated);
            rows.insert(name, InstanceRow { done, ..row });
        }
        if console.json() {
            return Ok(console.report(&Report { rows, errors: failures, ..Report::default() }));
        }
        console.failures(&failures);
        Ok(if failures.is_empty() { Exit::DONE } else { Exit::FAILED })
    }

    /// What is set for generators, as elsewhere, and what the caller's own `PATH` has of the store: on NixOS, tools are
    /// nowhere else.
    fn generator_path(&self, environment: &Environment) -> Vec<PathBuf> {
        let own = std::env::split_paths(environment.search_path()).filter(|dir| dir.starts_with(&self.store));
        environment.generator_path().into_iter().chain(own).collect()
    }
}

/// As the person says; else in the system's logs, or below this user's state.
fn audit_log(global: &Global, environment: &Environment) -> Result<PathBuf, Failure> {
    match &global.audit_log {
        None if rustix::process::geteuid().is_root() => Ok(LOG.into()),
        _ => audit_log::place(global, environment),
    }
}

/// The backends that the target's own configuration registers. Anyone who could change that is root here, or is the user, so its
/// grants count as they are.
fn registry(declared: Declarations, nix: Nix, ram: Ram, worker: WorkerStart) -> Registry {
    let place = move || {
        let dir = ram.private_dir()?;
        dir.subdir("entry")?;
        let worker = worker.clone().fallback(dir.path().join("entry"));
        Ok((worker, dir))
    };
    Registry::new(declared.spec.backends, crate::bundled::backends(), declared.root, nix, place)
        .asking(Box::new(|_, _, _| Ok(true)))
}

fn sandbox(environment: &Environment, ram: &Ram) -> Result<Sandbox, Failure> {
    let bwrap = Sandbox::find(environment.search_path()).unwrap_or_else(|| PathBuf::from("/usr/bin/bwrap"));
    Sandbox::new(bwrap, ram).map_err(Failure::from)
}
