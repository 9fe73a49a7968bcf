use artifacts_plan::{Selector, dot, mermaid};
use artifacts_report::Failure;
use clap::{Args, ValueEnum};
use serde_json::json;

use crate::console::Console;
use crate::context::Context;
use crate::exit::Exit;
use crate::global::Global;

#[derive(Debug, Args)]
pub struct Options {
    /// Only these and their dependencies: machine, user, artifact, instance or glob
    #[arg(value_name = "SELECTOR")]
    selectors: Vec<String>,
    /// Output format
    #[arg(long, value_enum, default_value_t)]
    format: GraphFormat,
}

#[derive(Debug, Clone, Copy, Default, ValueEnum)]
enum GraphFormat {
    /// Graphviz
    #[default]
    Dot,
    Mermaid,
}

impl Options {
    pub fn run(&self, global: &Global, console: &Console) -> Result<Exit, Failure> {
        let selectors: Vec<Selector> = self.selectors.iter().map(Selector::new).collect();
        let context = Context::new(global, console)?;
        let run = context.open_declared(&selectors)?;
        let selection = run.select(&selectors);
        let (names, errors) = (run.with_dependencies(selection.names()), selection.errors());
        if console.json() {
            let row = |instance: &artifacts_plan::Instance| {
                let dependencies: Vec<String> = instance.dependencies.values().map(ToString::to_string).collect();
                json!({"name": instance.name.to_string(), "dependencies": dependencies})
            };
            let instances: Vec<_> = names.iter().filter_map(|name| run.instances().get(name)).map(row).collect();
            console.object(json!({"instances": instances}), errors);
        } else {
            let text = match self.format {
                GraphFormat::Dot => dot(run.instances(), &names),
                GraphFormat::Mermaid => mermaid(run.instances(), &names),
            };
            console.line(text.trim_end());
        }
        console.failures(errors);
        Ok(if errors.is_empty() { Exit::DONE } else { Exit::FAILED })
    }
}
