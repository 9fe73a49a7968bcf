use std::path::{Path, PathBuf};

use artifacts_contract::{BackendManifest, annotate, read_file};
use artifacts_report::Failure;
use clap::Args;
use serde_json::json;

use crate::console::Console;
use crate::exit::Exit;

#[derive(Debug, Args)]
pub struct Options {
    /// Component to modify in place
    file: PathBuf,
    /// Manifest, in JSON
    #[arg(long, value_name = "FILE")]
    manifest: PathBuf,
    /// Write the result to this file instead
    #[arg(long, value_name = "FILE")]
    output: Option<PathBuf>,
}

impl Options {
    pub fn run(&self, console: &Console) -> Result<Exit, Failure> {
        let manifest = BackendManifest::parse(&read(&self.manifest)?)
            .map_err(|e| Failure::new(self.manifest.display().to_string(), format!("invalid manifest: {e}")))?;
        let annotated =
            annotate(&read(&self.file)?, &manifest).map_err(|e| Failure::about(self.file.display().to_string(), e))?;
        let to = self.output.as_ref().unwrap_or(&self.file);
        std::fs::write(to, annotated)
            .map_err(|e| Failure::new(to.display().to_string(), format!("cannot write it: {e}")))?;
        if console.json() {
            console.object(json!({"component": to, "name": manifest.name, "version": manifest.version}), &[]);
        }
        console.message(&format!("{}: wrote the manifest of {} {}", to.display(), manifest.name, manifest.version));
        Ok(Exit::DONE)
    }
}

fn read(file: &Path) -> Result<Vec<u8>, Failure> {
    read_file(file).map_err(|e| Failure::new(file.display().to_string(), format!("cannot read it: {e}")))
}
