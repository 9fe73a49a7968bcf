use std::path::PathBuf;

use artifacts_report::Failure;
use clap::{Args, Command};

use crate::console::Console;
use crate::exit::Exit;
use crate::help;
use crate::manual::Manual;

#[derive(Debug, Args)]
pub struct Options {
    /// Page, as `generate` or `selectors` [default: artifacts]
    #[arg(value_name = "PAGE", conflicts_with = "dir")]
    page: Vec<String>,
    /// Write all pages below this directory, in `man1`, `man5` and `man7`
    #[arg(long, value_name = "DIR")]
    dir: Option<PathBuf>,
}

impl Options {
    pub fn run(&self, root: &Command, console: &Console) -> Result<Exit, Failure> {
        let manual = Manual::new(root);
        if let Some(dir) = &self.dir {
            manual.write(dir)?;
        } else {
            let page = manual.page(&self.page)?;
            let text = if console.has_reader() { help::plain(page, console) } else { help::roff(page) };
            console.line(text.trim_end());
        }
        Ok(Exit::DONE)
    }
}
