use std::path::PathBuf;

use artifacts_report::Failure;
use clap::Args;

use crate::console::Console;
use crate::environment::Environment;
use crate::exit::Exit;
use crate::generated_key::{GeneratedKey, HardwareKey};
use crate::global::Global;
use crate::identities::plugins;

#[derive(Debug, Args)]
pub struct Options {
    /// File to write the identity to; it must not exist [default: standard output]
    #[arg(short, long, value_name = "FILE")]
    output: Option<PathBuf>,
    /// Generate a post-quantum key, `age1pq1…`
    #[arg(long, conflicts_with = "plugin")]
    pq: bool,
    /// Generate a key in hardware with this age plugin, for example `yubikey` for `age-plugin-yubikey`
    #[arg(long, value_name = "NAME")]
    plugin: Option<String>,
    /// Arguments of the plugin, in place of those with which it generates a key
    #[arg(last = true, requires = "plugin")]
    arguments: Vec<String>,
}

impl Options {
    pub fn run(&self, global: &Global, console: &Console) -> Result<Exit, Failure> {
        let environment = Environment::read();
        // Before a key in hardware is generated, which no one could use then.
        GeneratedKey::check(self.output.as_deref())?;
        let key = match &self.plugin {
            Some(name) => HardwareKey { name, arguments: &self.arguments }
                .generate(&plugins(global, &environment, &[]), &environment)?,
            None => GeneratedKey::new(self.pq),
        };
        let declared = key.declared(environment.get("USER"));
        match &self.output {
            Some(file) => key.write(file)?,
            None if console.json() => {}
            None => console.line(&key.expose()),
        }
        if console.json() {
            console.object(key.json(self.output.as_deref()), &[]);
        } else {
            console.message(&declared);
        }
        Ok(Exit::DONE)
    }
}
