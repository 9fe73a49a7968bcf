use std::path::{Path, PathBuf};

use artifacts_contract::read_file;
use artifacts_report::Failure;
use clap::Args;

use crate::console::Console;
use crate::exit::Exit;
use crate::inspected_component::InspectedComponent;

#[derive(Debug, Args)]
pub struct Options {
    /// Component file, or `builtin:NAME`
    file: PathBuf,
}

impl Options {
    pub fn run(&self, console: &Console) -> Result<Exit, Failure> {
        let inspected = InspectedComponent::new(read(&self.file)?);
        if console.json() {
            let subject = self.file.display().to_string();
            let refused = inspected.refusal().map(|refusal| Failure::about(subject, refusal));
            console.object(inspected.json(), refused.as_slice());
        } else {
            console.line(inspected.text(*console).trim_end());
        }
        Ok(if inspected.runs() { Exit::DONE } else { Exit::FAILED })
    }
}

fn read(file: &Path) -> Result<Vec<u8>, Failure> {
    let name = file.display().to_string();
    if let Some(builtin) = name.strip_prefix("builtin:") {
        return artifacts_bundled::bytes(builtin).map(<[u8]>::to_vec).ok_or_else(|| {
            Failure::new(name.clone(), "no bundled backend has this name")
                .hint(Some("if this build has no bundled backends, build with `cargo xtask build`"))
        });
    }
    read_file(file).map_err(|e| {
        Failure::new(name, format!("cannot read the component: {e}"))
            .hint(Some("pass a component file, or `builtin:NAME`"))
    })
}
