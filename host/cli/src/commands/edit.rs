use artifacts_flow::Set;
use artifacts_report::Failure;
use clap::Args;

use crate::console::Console;
use crate::context::Context;
use crate::editing;
use crate::editor::Editor;
use crate::exit::Exit;
use crate::global::Global;
use crate::instance_file::{FileUse, InstanceFile};

#[derive(Debug, Args)]
pub struct Options {
    #[command(flatten)]
    file: InstanceFile,
    /// Show what would be written; start no editor, decrypt and write nothing
    #[arg(long)]
    dry_run: bool,
}

impl Options {
    pub fn run(&self, global: &Global, console: &Console) -> Result<Exit, Failure> {
        let context = Context::new(global, console)?;
        let mut run = context.open(&self.file.selectors(FileUse::Replace))?;
        let (instance, file) = match self.file.resolve(&run, FileUse::Replace) {
            Ok(meant) => meant,
            Err(errors) => return Ok(console.errors(errors)),
        };
        let set = Set { instance, file, opens: true };
        if self.dry_run {
            let selection = run.select_one(&set.instance);
            return Ok(console.report(&run.survey(&selection).preview(&set)));
        }
        let editor = Editor::new(context.environment(), &context.trust()?, global.no_input)?;
        Ok(console.report(&editing::edit(&mut run, &set, &editor, context.ram(), console)?))
    }
}
