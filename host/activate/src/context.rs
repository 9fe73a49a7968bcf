use std::path::PathBuf;
use std::sync::atomic::AtomicBool;
use std::time::SystemTime;

use artifacts_contract::Persists;
use artifacts_flow::{AuditLog, Operator, Registry, check_config};
use artifacts_generate::Sandbox;
use artifacts_on_target::place::DeployDir;
use artifacts_plan::Instance;
use artifacts_report::Failure;

use crate::failure::backend;

/// Holds everything outside that generating on the target works with.
pub struct ActivationContext<'a> {
    /// Holds the files that are deployed.
    pub farm: &'a DeployDir,
    /// The backends, opened for the target.
    pub registry: Registry,
    /// The audit log.
    pub audit: AuditLog,
    /// Receives what backends write.
    pub operator: Box<dyn Operator>,
    /// Moment of the run.
    pub now: SystemTime,
    /// Runs generators.
    pub sandbox: Sandbox,
    /// Set once the run is to end.
    pub cancel: &'a AtomicBool,
    /// `$LOG_LEVEL` of generators.
    pub log_level: String,
    /// Directories before the usual ones in a generator's `PATH`.
    pub generator_path: Vec<PathBuf>,
    /// The Nix store. A generator sees all of it, as every user of the target does.
    pub store: PathBuf,
    /// Owner and group of files that declare none.
    pub user: (u32, u32),
    /// The user's runtime directory, for paths that begin with it.
    pub runtime: Option<String>,
}

impl ActivationContext<'_> {
    /// Returns whether files of an instance are deployed.
    pub(crate) fn is_present(&self, instance: &Instance) -> bool {
        self.farm.files(instance.name.artifact()).is_ok_and(|files| files.is_some())
    }

    /// Returns whether an instance's backend generates it on the target. Its component is read, not run; what is generated here has to
    /// be configured as it says.
    pub(crate) fn generates(&self, instance: &Instance) -> Result<bool, Failure> {
        let name = backend(instance)?;
        let entry = self.registry.entry(name)?;
        let component = self.registry.component(name, &entry)?;
        if component.manifest().persists != Persists::Target {
            return Ok(false);
        }
        check_config(name, component.config(), instance)?;
        Ok(true)
    }
}
