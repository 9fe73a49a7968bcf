use artifacts_flow::Set;
use artifacts_report::Failure;
use clap::Args;

use crate::context::Context;
use crate::exit::Exit;
use crate::given_value;
use crate::global::Global;
use crate::instance_file::InstanceFile;
use crate::output::Output;

#[derive(Debug, Args)]
pub struct Options {
    #[command(flatten)]
    file: InstanceFile,
    /// Take standard input even when it is empty
    #[arg(long)]
    allow_empty: bool,
    /// Show what would be written, and read and write nothing
    #[arg(long)]
    pub(super) dry_run: bool,
}

impl Options {
    pub fn run(&self, global: &Global, output: &Output) -> Result<Exit, Failure> {
        let context = Context::new(global, output)?;
        let mut run = context.open(&[self.file.selector()])?;
        let (instance, file) = match self.file.resolve(&run) {
            Ok(meant) => meant,
            Err(errors) => return Ok(output.errors(errors)),
        };
        let selection = run.select_one(&instance);
        let surveyed = run.survey(&selection);
        let set = Set { instance: instance.clone(), file: file.clone(), opens: false };
        if self.dry_run {
            // The value stays where it is: standard input may be nobody's to take, or have no end yet.
            return Ok(output.report(&surveyed.preview(&set)));
        }
        let agreed = surveyed.lock(set).agree();
        if !agreed.is_open() {
            return Ok(output.report(&agreed.give_up()));
        }
        let value = given_value::read(global.no_input, self.allow_empty, &instance, &file)?;
        Ok(output.report(&agreed.set(value).finish()))
    }
}
