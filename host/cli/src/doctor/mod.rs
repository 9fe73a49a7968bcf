//! What `artifacts doctor` looks at; the crate `doctor` judges it.

mod checkout;
mod identities;
mod sandboxes;
mod state;
mod storages;
mod swap;

use std::cell::OnceCell;
use std::path::Path;

use artifacts_doctor::{AuditFacts, GitFacts, NixFacts, PluginFacts};
use artifacts_nix::Nix;
use artifacts_ram::{PrivateDir, Ram};
use artifacts_report::{Area, Checkup, Failure, HealthFinding};
use artifacts_store::Git;

use crate::console::Console;
use crate::environment::Environment;
use crate::global::Global;
use crate::identities::IdentityOptions;
use crate::{audit_log, checkout_dirs, context, signals};
use checkout::CheckoutPlace;
use storages::StoredState;

/// Looks at the setup of this machine. Nothing outlives it.
pub struct Doctor<'a> {
    global: &'a Global,
    environment: Environment,
    nix: Nix,
    /// Where plaintext goes. Nothing in it is removed, and what is put there goes with this value.
    ram: Result<Ram, Failure>,
    scratch: Result<PrivateDir, Failure>,
    checkout: Option<CheckoutPlace>,
    /// Read once for git and the receipts.
    stored: OnceCell<Result<Option<StoredState>, Failure>>,
}

impl<'a> Doctor<'a> {
    /// Finds what everything is seen from. Runs no program.
    ///
    /// # Errors
    /// When the spec that was passed cannot be read.
    pub fn new(global: &'a Global, console: Console) -> Result<Self, Failure> {
        let environment = Environment::read();
        let nix = context::nix(global, &environment, &signals::cancel(), console);
        let ram = Ram::find(&environment.ram_candidates()).map_err(Failure::from);
        let scratch = ram.clone().and_then(|ram| ram.private_dir().map_err(Failure::from));
        let checkout = CheckoutPlace::find(global, &nix)?;
        Ok(Self { global, environment, nix, ram, scratch, checkout, stored: OnceCell::new() })
    }

    /// Looks at these areas, each once, in their own order.
    pub fn examine(&self, areas: &[Area]) -> Checkup {
        let wanted = Area::ALL.into_iter().filter(|area| areas.contains(area));
        Checkup { findings: wanted.flat_map(|area| self.findings(area)).collect() }
    }

    fn findings(&self, area: Area) -> Vec<HealthFinding> {
        use artifacts_doctor as judge;
        match area {
            Area::Workers => judge::workers(&self.worker()),
            Area::Generators => judge::generators(&self.generator()),
            Area::Ram => judge::ram(self.ram.as_ref().map(Ram::path)),
            Area::Swap => judge::swap(&swap::areas(Path::new("/proc"), Path::new("/sys"))),
            Area::Nix => judge::nix(&self.nix_facts()),
            Area::Git => judge::git(&self.git_facts()),
            Area::Receipts => judge::receipts(self.stored().map(|stored| stored.map(|stored| &stored.receipts))),
            Area::Identities => judge::identities(&identities::places(&self.identities())),
            Area::Plugins => judge::plugins(&self.plugins()),
            Area::State => judge::state(&self.state()),
            Area::Audit => judge::audit(&self.audit()),
        }
    }

    /// Returns what is stored; none where there is no checkout.
    fn stored(&self) -> Result<Option<&StoredState>, &Failure> {
        let read = || self.checkout.as_ref().map(StoredState::read).transpose();
        self.stored.get_or_init(read).as_ref().map(Option::as_ref)
    }

    fn git_facts(&self) -> Result<Option<GitFacts>, Failure> {
        let Some(stored) = self.stored().map_err(Clone::clone)? else { return Ok(None) };
        Ok(Some(stored.in_git(&self.git()?)))
    }

    /// Git, or why it cannot be asked.
    fn git(&self) -> Result<Git, Failure> {
        let scratch = self.scratch.as_ref().map_err(Clone::clone)?;
        Ok(context::git_in(&self.environment, scratch.path()))
    }

    fn nix_facts(&self) -> Result<NixFacts, Failure> {
        let version = self.nix.version().map_err(|error| Failure::about("", error))?;
        Ok(NixFacts { version, settings: self.nix.settings().map(str::to_owned) })
    }

    fn identities(&self) -> IdentityOptions {
        let repository = match &self.checkout {
            Some(checkout) => checkout_dirs::of_root(&checkout.root),
            None => checkout_dirs::work_trees(Path::new(".")),
        };
        IdentityOptions::new(self.global, &self.environment, repository)
    }

    fn plugins(&self) -> PluginFacts {
        let options = self.identities();
        let plugins = options.plugins();
        PluginFacts {
            enabled: plugins.allowed.iter().map(|name| (name.clone(), plugins.program(name))).collect(),
            installed: plugins.programs.beginning_with("age-plugin-"),
            needed: identities::plugins(&identities::places(&options)),
        }
    }

    fn audit(&self) -> Result<AuditFacts, Failure> {
        let path = audit_log::place(self.global, &self.environment)?;
        Ok(AuditFacts {
            place: audit_log::check(&path, self.global.audit_log.is_some()),
            chain: artifacts_audit::verify(&path).map_err(|error| audit_log::failure(&error)),
            path,
        })
    }
}
