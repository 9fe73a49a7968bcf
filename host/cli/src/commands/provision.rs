use std::path::PathBuf;

use artifacts_plan::Selector;
use artifacts_report::Failure;
use clap::Args;

use crate::console::Console;
use crate::context::Context;
use crate::exit::Exit;
use crate::global::Global;
use crate::provision_tree::ProvisionTree;
use crate::provisioned_files::{self, INSTALLED, provisioned_files};

#[derive(Debug, Args)]
pub struct Options {
    /// Machine or user
    #[arg(value_name = "TARGET")]
    target: String,
    /// New or empty directory on a RAM-backed file system
    #[arg(value_name = "DIR")]
    dir: PathBuf,
    /// Show what would be written; decrypt and write nothing
    #[arg(long)]
    dry_run: bool,
}

impl Options {
    pub fn run(&self, global: &Global, console: &Console) -> Result<Exit, Failure> {
        let context = Context::new(global, console)?;
        let kinds = ["machine", "user"].map(|kind| Selector::new(format!("per-{kind}/{}/", self.target)));
        let mut run = context.open(&kinds)?;
        let own = provisioned_files::own(&run, &self.target);
        if own.is_empty() {
            let mut errors = run.errors();
            errors.push(self.failed("no artifacts are declared for this target").hint(Some(INSTALLED)));
            return Ok(console.errors(errors));
        }
        let files = provisioned_files(&self.target, &own)?;
        let sizes = if self.dry_run {
            ProvisionTree::check(&self.dir)?;
            provisioned_files::preview(&mut run, &files)?
        } else {
            let tree = ProvisionTree::begin(&self.dir)?;
            let sizes = provisioned_files::write(&mut run, &self.target, &files, &tree)?;
            tree.appear().map_err(|why| self.failed(format!("cannot create {}: {why}", self.dir.display())))?;
            sizes
        };
        provisioned_files::show(console, &files, &sizes);
        Ok(Exit::DONE)
    }

    fn failed(&self, why: impl Into<String>) -> Failure {
        Failure::new(self.target.clone(), why)
    }
}
