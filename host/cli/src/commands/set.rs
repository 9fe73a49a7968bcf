use artifacts_flow::Set;
use artifacts_report::Failure;
use clap::Args;

use crate::console::Console;
use crate::context::Context;
use crate::exit::Exit;
use crate::given_value;
use crate::global::Global;
use crate::instance_file::{FileUse, InstanceFile};

#[derive(Debug, Args)]
pub struct Options {
    #[command(flatten)]
    file: InstanceFile,
    /// Store an empty value without a question
    #[arg(long)]
    allow_empty: bool,
    /// Show what would be written; read and write nothing
    #[arg(long)]
    pub(super) dry_run: bool,
}

impl Options {
    pub fn run(&self, global: &Global, console: &Console) -> Result<Exit, Failure> {
        let context = Context::new(global, console)?;
        let mut run = context.open(&self.file.selectors(FileUse::Replace))?;
        let (instance, file) = match self.file.resolve(&run, FileUse::Replace) {
            Ok(meant) => meant,
            Err(errors) => return Ok(console.errors(errors)),
        };
        let request = given_value::request(console, &run, &instance, &file);
        let selection = run.select_one(&instance);
        let surveyed = run.survey(&selection);
        let set = Set { instance, file, opens: false };
        if self.dry_run {
            // The value stays where it is: standard input may be no one's to take, or have no end yet.
            return Ok(console.report(&surveyed.preview(&set)));
        }
        let agreed = surveyed.lock(set).agree();
        if !agreed.is_open() {
            return Ok(console.report(&agreed.give_up()));
        }
        let value = given_value::read(global.no_input, self.allow_empty, &request)?;
        Ok(console.report(&agreed.set(value).finish()))
    }
}
