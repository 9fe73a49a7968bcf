use std::path::PathBuf;

use artifacts_import::Tool;
use artifacts_report::Failure;
use clap::{Args, ValueEnum};

use crate::console::Console;
use crate::context::Context;
use crate::exit::Exit;
use crate::global::Global;
use crate::import_search::ImportSearch;
use crate::import_values;

#[derive(Debug, Args)]
pub struct Options {
    /// Tool whose secrets are taken over
    #[arg(value_enum, value_name = "KIND")]
    kind: ImportKind,
    /// Write the declarations into this new file [default: print them]
    #[arg(long, value_name = "FILE")]
    write: Option<PathBuf>,
    /// Show what would be imported; decrypt and write nothing
    #[arg(long)]
    dry_run: bool,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum ImportKind {
    Agenix,
    #[value(alias = "sops-nix")]
    Sops,
    AgenixRekey,
    Clan,
    NixosArtifacts,
}

impl Options {
    pub fn run(&self, global: &Global, console: &Console) -> Result<Exit, Failure> {
        let context = Context::new(global, console)?;
        let tool = match self.kind {
            ImportKind::Agenix => Tool::Agenix,
            ImportKind::Sops => Tool::Sops,
            ImportKind::AgenixRekey => Tool::AgenixRekey,
            ImportKind::Clan => Tool::Clan,
            ImportKind::NixosArtifacts => Tool::NixosArtifacts,
        };
        let search = ImportSearch::new(global, context.nix(), tool, console)?;
        let file = self.write.as_deref().filter(|_| !self.dry_run);
        import_values::finish(&context, console, &search, file, self.dry_run)
    }
}
