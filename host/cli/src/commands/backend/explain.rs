use artifacts_declared::Name;
use artifacts_report::Failure;
use clap::Args;

use crate::console::Console;
use crate::context::Context;
use crate::exit::Exit;
use crate::explained_backend::ExplainedBackend;
use crate::global::Global;

#[derive(Debug, Args)]
pub struct Options {
    /// Name of a backend
    name: Name,
}

impl Options {
    pub fn run(&self, global: &Global, console: &Console) -> Result<Exit, Failure> {
        let context = Context::new(global, console)?;
        let (registry, trust, _) = context.registry()?;
        let explained = ExplainedBackend::find(&self.name, &registry, &trust)?;
        if console.json() {
            console.object(explained.json(), &[]);
        } else {
            console.line(explained.text(*console).trim_end());
        }
        Ok(Exit::DONE)
    }
}
