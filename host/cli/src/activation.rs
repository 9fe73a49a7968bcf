//! Generating on the target: what is declared for it, what generating works with, and what came of it.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::sync::atomic::AtomicBool;

use artifacts_activate::{ActivationContext, ActivationResult, activate};
use artifacts_audit::AuditLog;
use artifacts_declared::InstanceName;
use artifacts_flow::{Answer, Registry};
use artifacts_nix::Nix;
use artifacts_on_target::place::DeployDir;
use artifacts_plan::{Instance, InstanceState, Selector, select};
use artifacts_ram::Ram;
use artifacts_report::{Failure, InstanceRow, Report, RowAction};
use artifacts_session::WorkerStart;

use crate::console::Console;
use crate::declarations::Declarations;
use crate::environment::Environment;
use crate::global::Global;
use crate::operator::{Flags, TerminalOperator};
use crate::{audit_log, sandboxes};

/// Audit log of root, if none is named.
const LOG: &str = "/var/log/artifacts/audit.jsonl";
/// Where the modules put a machine's own spec.
const SPEC: &str = "/etc/artifacts/target.json";

/// Holds what is declared for the target.
pub struct Activation {
    declared: Declarations,
    instances: BTreeMap<InstanceName, Instance>,
    /// All instances, dependencies first.
    ordered: Vec<InstanceName>,
    chosen: BTreeSet<InstanceName>,
    errors: Vec<Failure>,
}

impl Activation {
    /// Reads the target's own spec, and chooses what the selectors name.
    pub fn read(global: &Global, selectors: &[Selector]) -> Result<Self, Failure> {
        let spec = global.spec.as_deref().unwrap_or(Path::new(SPEC));
        let declared = Declarations::from_file(spec, global.root.as_deref())?;
        let resolved = artifacts_plan::instances(&declared.spec, Some(&Environment::system()));
        let (ordered, looped) = artifacts_plan::order(&resolved.instances);
        let mut errors: Vec<Failure> =
            resolved.problems.into_iter().chain(looped).map(artifacts_flow::declared).collect();
        let (chosen, unclear) = select(&resolved.instances.keys().collect(), selectors);
        errors.extend(unclear.iter().map(artifacts_flow::selector));
        Ok(Self { declared, instances: resolved.instances, ordered, chosen, errors })
    }

    /// Opens what generating works with, and begins the audit log.
    pub fn context<'a>(
        &self,
        farm: &'a DeployDir,
        store: &Path,
        (global, console): (&Global, &Console),
        cancel: &'a AtomicBool,
    ) -> Result<ActivationContext<'a>, Failure> {
        let environment = Environment::read();
        let ram = Ram::find(&environment.ram_candidates())?;
        ram.sweep();
        Ok(ActivationContext {
            farm,
            audit: begin_log(global, &environment)?,
            now: Environment::now(),
            operator: Box::new(TerminalOperator::new(Flags::new(global, false), *console, None, None)),
            registry: self.registry(
                store,
                ram.clone(),
                WorkerStart::default().with_code_inside().required(global.require_sandbox),
            ),
            sandbox: sandboxes::of_generators(&environment, &ram)?,
            cancel,
            log_level: Environment::log_level(console.verbose()),
            generator_path: generator_path(&environment, store),
            store: store.to_owned(),
            runtime: environment.get("XDG_RUNTIME_DIR").map(|dir| dir.to_string_lossy().into_owned()),
            user: (rustix::process::geteuid().as_raw(), rustix::process::getegid().as_raw()),
        })
    }

    /// Generates what is chosen, and reports each instance.
    pub fn run(self, mut context: ActivationContext<'_>, console: &Console) -> Report {
        let mut report = Report { errors: self.errors, ..Report::default() };
        for (name, result) in activate(&mut context, &self.instances, &self.ordered, &self.chosen) {
            match result {
                Ok(result) => {
                    print_result(console, &name, result);
                    let row = row(self.instances.get(&name), result);
                    report.rows.insert(name, row);
                }
                Err(failure) => report.errors.push(failure),
            }
        }
        report
    }

    /// The backends that the target's own configuration registers. Anyone who can change it is root here, or is the user, so its
    /// grants count as they are. Nix is not run, and so not asked for its store.
    fn registry(&self, store: &Path, ram: Ram, worker: WorkerStart) -> Registry {
        let options =
            artifacts_nix::NixOptions { store: Some(store.to_owned()), ..artifacts_nix::NixOptions::default() };
        let nix = Nix::new(None, Vec::new(), options);
        let Declarations { spec, root, .. } = &self.declared;
        let workers = sandboxes::of_workers(worker, ram);
        Registry::new(spec.backends.clone(), crate::bundled::backends(), root.clone(), nix, workers)
            .asking(Box::new(|_, _, _| Ok(Answer::Yes { by: "configuration" })))
            .on_target()
    }
}

fn print_result(console: &Console, name: &InstanceName, result: ActivationResult) {
    match result {
        ActivationResult::Generated => console.message(&format!("generated {name}")),
        ActivationResult::Regenerated => console.message(&format!("regenerated {name}")),
        ActivationResult::Present => console.detail(&format!("{name}: unchanged")),
    }
}

fn row(instance: Option<&Instance>, result: ActivationResult) -> InstanceRow {
    let backend = instance.and_then(|one| one.artifact.backend.as_ref());
    let done = (result != ActivationResult::Present).then_some(RowAction::Generated);
    InstanceRow { done, ..InstanceRow::new(backend.map(ToString::to_string), InstanceState::Present) }
}

/// Opens the log that is named; otherwise root's, or that below this user's state.
fn begin_log(global: &Global, environment: &Environment) -> Result<AuditLog, Failure> {
    let path = match &global.audit_log {
        None if rustix::process::geteuid().is_root() => LOG.into(),
        _ => audit_log::place(global, environment)?,
    };
    audit_log::check(&path, global.audit_log.is_some())?;
    let log = audit_log::log(&path, global, None);
    log.begin().map_err(|e| audit_log::failure(&e))?;
    Ok(log)
}

/// Returns the directories that are set for generators, and those of the caller's own `PATH` that are in the store: NixOS has tools
/// nowhere else.
fn generator_path(environment: &Environment, store: &Path) -> Vec<PathBuf> {
    let own = std::env::split_paths(environment.search_path()).filter(|dir| dir.starts_with(store));
    environment.generator_path().into_iter().chain(own).collect()
}
