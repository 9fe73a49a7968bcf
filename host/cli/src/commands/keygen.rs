use std::path::{Path, PathBuf};

use artifacts_report::Failure;
use clap::Args;

use crate::checkout_dirs;
use crate::console::Console;
use crate::environment::Environment;
use crate::exit::Exit;
use crate::generated_key::{GeneratedKey, HardwareKey};
use crate::global::Global;
use crate::identities::plugins;
use crate::key_file::KeyFile;

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
        let file = self.output.as_deref().map(KeyFile::create).transpose()?;
        let key = match &self.plugin {
            Some(name) => {
                let plugins = plugins(global, &environment, checkout_dirs::work_trees(Path::new(".")));
                HardwareKey { name, arguments: &self.arguments }.generate(&plugins)?
            }
            None => GeneratedKey::new(self.pq),
        };
        let lost = file.and_then(|file| file.write(key.identity()).err());
        match lost {
            // Hardware has room for few keys; any other one is drawn again.
            Some(failure) if self.plugin.is_none() => Err(failure),
            lost => Ok(key.show(self.output.as_deref(), lost, environment.get("USER"), console)),
        }
    }
}
