use artifacts_report::Failure;
use clap::Args;
use serde_json::{Value, json};

use crate::console::Console;
use crate::context::Context;
use crate::exit::Exit;
use crate::global::Global;
use crate::registered::RegisteredBackend;

#[derive(Debug, Args)]
pub struct Options {}

impl Options {
    pub fn run(&self, global: &Global, console: &Console) -> Result<Exit, Failure> {
        let context = Context::new(global, console)?;
        let (registry, _, errors) = context.registry()?;
        let backends = RegisteredBackend::all(&registry);
        // What did not evaluate may register more.
        let failures: Vec<Failure> =
            errors.into_iter().chain(backends.iter().filter_map(|one| one.error().cloned())).collect();
        if console.json() {
            let backends: Vec<Value> = backends.iter().map(RegisteredBackend::json).collect();
            console.object(json!({"backends": backends}), &failures);
        } else if !backends.is_empty() {
            let lines: Vec<String> = backends.iter().map(RegisteredBackend::line).collect();
            console.line(&lines.join("\n"));
        }
        console.failures(&failures);
        Ok(if failures.is_empty() { Exit::DONE } else { Exit::FAILED })
    }
}
